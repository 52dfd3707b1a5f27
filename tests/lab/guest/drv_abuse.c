// SPDX-License-Identifier: MIT
/*
 * Random ioctls, mappings, polls and ring contents, from several processes at once. There is no
 * right answer but the kernel's silence: the lab searches its log afterwards.
 *
 * usage: drv_abuse SECONDS SEED DEVICE...
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "drv.h"

static uint64_t state;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

/* Small, at a border, or anything. */
static uint64_t value(void)
{
	static const uint64_t borders[] = {
		0,     1,       2,       63,  64,         4095,       4096,       4097,
		65536, 1 << 20, 2 << 20, ~0u, 1ull << 32, 1ull << 40, 1ull << 63, ~0ull};

	switch (rnd() % 4) {
	case 0: return borders[rnd() % (sizeof(borders) / sizeof(*borders))];
	case 1: return rnd();
	default: return rnd() % 16;
	}
}

static void *somewhere(void)
{
	static unsigned char room[8192];

	return rnd() % 8 ? room + rnd() % 4096 : (void *)value();
}

static long ioctls(int fd)
{
	union {
		uint64_t words[32];
		uint32_t halves[64];
		struct dmaf_drv_setup s;
		struct dmaf_drv_segments seg;
	} u;
	static const uint32_t sizes[] = {104, 96, 24, 0, 0, 0, 24, 16, 104};
	unsigned int nr = (unsigned int)(rnd() % 11);

	for (unsigned int i = 0; i < 64; i++)
		u.halves[i] = (uint32_t)value();
	if (nr == 1 && rnd() % 4) {
		memset(&u.s, 0, sizeof(u.s));
		u.s.version = 1;
		u.s.flags = (uint32_t)(rnd() % 8);
		u.s.block = 1 + rnd() % 100000;
		u.s.count = (uint32_t)(1 + rnd() % 40);
		if (rnd() % 4 == 0) {
			u.s.memory = 1;
			u.s.user_len = 1 << 20;
			u.s.user_addr = (uintptr_t)mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
							MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		}
	}
	if (nr < 9 && rnd() % 8)
		u.halves[0] = sizes[nr];
	if (nr == 2)
		u.seg.segments = (uintptr_t)somewhere();
	return ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 0xDA, nr, rnd() % 200),
		     rnd() % 32 ? (void *)&u : somewhere());
}

static void maps(int fd)
{
	static const uint64_t offs[] = {DMAF_DRV_OFF_DATA, DMAF_DRV_OFF_FILL, DMAF_DRV_OFF_DONE};
	uint64_t off = offs[rnd() % 3] + (rnd() % 4 ? 0 : value() & ~4095ull);
	size_t len = rnd() % 4 ? 4096 * (1 + rnd() % 40) : (size_t)value();
	uint32_t *m = mmap(NULL, len, PROT_READ | PROT_WRITE, rnd() % 8 ? MAP_SHARED : MAP_PRIVATE,
			   fd, (off_t)off);

	if (m == MAP_FAILED)
		return;
	for (size_t i = 0; i < 200 && rnd() % 16; i++)
		m[rnd() % 1024] = (uint32_t)value(); /* a page at least */
	if (rnd() % 4 == 0)
		madvise(m, len, (int)(rnd() % 26));
	if (rnd() % 4)
		munmap(m, len);
}

static void abuse(int n, char **devs, uint64_t seed, double seconds)
{
	time_t end = time(NULL) + (time_t)seconds;
	int fd[4] = {-1, -1, -1, -1};

	state = seed * 0x9e3779b97f4a7c15ull | 1;
	while (time(NULL) < end) {
		int i = (int)(rnd() % 4);
		struct pollfd p = {.fd = fd[i], .events = (short)rnd()};

		if (fd[i] < 0) {
			fd[i] = open(devs[rnd() % (unsigned int)n],
				     O_RDWR | O_NONBLOCK | O_CLOEXEC);
			continue;
		}
		switch (rnd() % 8) {
		case 0: close(fd[i]), fd[i] = -1; break;
		case 1: poll(&p, 1, 0); break;
		case 2:
		case 3: maps(fd[i]); break;
		default: ioctls(fd[i]);
		}
		/* Mappings that were kept add up. */
		if (rnd() % 4096 == 0)
			_exit(0);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	time_t end;
	uint64_t seed, runs = 0;
	int odd = 0, status, kids = 0;

	if (argc < 4)
		return 2;
	end = time(NULL) + atoi(argv[1]);
	seed = strtoull(argv[2], NULL, 0);
	while (time(NULL) < end || kids) {
		if (time(NULL) < end && kids < 3) {
			pid_t pid = fork();

			if (!pid) {
				/* dma-bufs that EXPORT left are closed with the process. */
				signal(SIGBUS, SIG_DFL);
				abuse(argc - 3, argv + 3, seed + runs, difftime(end, time(NULL)));
			}
			kids++;
			runs++;
			continue;
		}
		wait(&status);
		kids--;
		/* Its own memory it may well have hit. */
		odd += WIFSIGNALED(status) && WTERMSIG(status) != SIGSEGV &&
		       WTERMSIG(status) != SIGBUS;
	}
	ok(!odd && runs > 2, "%llu processes of random calls, %d of them odd",
	   (unsigned long long)runs, odd);
	return drv_end();
}
