// SPDX-License-Identifier: MIT
/*
 * Life and death of /dev/dmaflowN with pages in flight: nothing freed early, nothing left behind.
 *
 * usage: drv_life kill DEVICE CYCLES          SIGKILL while it streams and sends
 *        drv_life unbind DEVICE DRIVER NAME   /sys/bus/.../drivers/DRIVER, its device NAME
 *        drv_life unload DEVICE               the module goes while its memory is mapped
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "drv.h"

static long meminfo(const char *what)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");
	size_t n = strlen(what);

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, n) && line[n] == ':')
			kib = atol(line + n + 1);
	fclose(f);
	return kib;
}

/* Pages that are still on their way to being freed are given time. */
static long settled(const char *what, long want)
{
	for (int i = 0; i < 100 && meminfo(what) > want; i++)
		usleep(20000);
	return meminfo(what);
}

/* Streams for ever, each block into a socket by reference and into a pipe that nobody reads. */
static void victim(const char *dev)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(9),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, p[2], tx = socket(AF_INET, SOCK_DGRAM, 0);
	struct drv q = {.s = drv_ask(65536, 16)};
	struct dmaf_drv_done e;

	setsockopt(tx, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
	if (connect(tx, (void *)&to, sizeof(to)) || pipe2(p, O_NONBLOCK) || drv_open(&q, dev))
		_exit(1);
	for (uint32_t i = 0; i < q.s.count; i++)
		drv_submit(&q, i);
	if (ioctl(q.fd, DMAF_IOC_START))
		_exit(1);
	for (;;) {
		unsigned char *at;

		if (drv_next(&q, &e, 2000) != 1)
			_exit(1);
		at = q.data + e.index * q.s.stride;
		send(tx, at, 16384, MSG_ZEROCOPY);
		vmsplice(p[1], &(struct iovec){at, 4096}, 1, SPLICE_F_NONBLOCK);
		drv_submit(&q, e.index);
	}
}

static void kills(const char *dev, int cycles)
{
	long shmem, unevictable, left;
	int died = 0, status;

	for (int i = 0; i < cycles; i++) {
		pid_t pid = fork();

		if (!pid)
			victim(dev);
		usleep((useconds_t)(i * 7919 % 20000));
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
			died++;
		/* The first cycle may bring memory in that stays: only what grows is a leak. */
		if (i == 0) {
			sleep(1);
			shmem = meminfo("Shmem");
			unevictable = meminfo("Unevictable");
		}
	}
	ok(died == cycles, "%d of %d killed while streaming", died, cycles);
	left = settled("Shmem", shmem);
	ok(left <= shmem, "no shared memory left behind: %ld KiB, %ld before", left, shmem);
	left = settled("Unevictable", unevictable);
	ok(left <= unevictable, "nor unevictable: %ld KiB, %ld before", left, unevictable);
	struct drv q = {.s = drv_ask(65536, 16)};
	if (works(drv_open(&q, dev), "the device can be had again"))
		drv_close(&q, 0);
}

static int tell(const char *driver, const char *file, const char *name)
{
	char path[256];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/%s", driver, file);
	fd = open(path, O_WRONLY);
	rc = fd >= 0 && write(fd, name, strlen(name)) == (ssize_t)strlen(name);
	close(fd);
	return rc;
}

static void unbinds(const char *dev, const char *driver, const char *name)
{
	struct drv q = {.s = drv_ask(65536, 8)};
	struct dmaf_drv_info info = {.size = sizeof(info)};
	struct dmaf_drv_done e;
	unsigned char *copy = malloc(65536), *seen = malloc(65536);
	struct pollfd pfd;
	int p[2], idle;

	if (!works(drv_open(&q, dev), "open and SETUP"))
		return;
	memset(q.data, 0x77, q.s.data_len);
	ioctl(q.fd, DMAF_IOC_INFO, &info);
	for (uint32_t i = 0; i < q.s.count; i++)
		drv_submit(&q, i);
	if (info.caps & DMAF_DRV_CAP_MEMORY_ONLY)
		memset(&e, 0, sizeof(e));
	else
		ok(!ioctl(q.fd, DMAF_IOC_START) && drv_next(&q, &e, 20000) == 1, "it streams");
	memcpy(copy, q.data + e.index * q.s.stride, 65536);
	ok(!pipe(p) && vmsplice(p[1], &(struct iovec){q.data + e.index * q.s.stride, 65536}, 1,
				0) == 65536,
	   "a block is in flight in a pipe");
	idle = open(dev, O_RDWR);
	ok(tell(driver, "unbind", name), "unbound while it streams");
	pfd = (struct pollfd){.fd = q.fd, .events = POLLIN};
	ok(poll(&pfd, 1, 2000) == 1 && pfd.revents & POLLHUP, "poll says POLLHUP");
	fails(ioctl(q.fd, DMAF_IOC_START), ENODEV, "START");
	fails(ioctl(q.fd, DMAF_IOC_INFO, &info), ENODEV, "INFO");
	fails(ioctl(idle, DMAF_IOC_INFO, &info), ENODEV, "INFO of an idle opener");
	fails(mmap(NULL, 4096, PROT_READ, MAP_SHARED, q.fd, 0) == MAP_FAILED ? -1 : 0, ENODEV,
	      "mmap");
	fails(open(dev, O_RDWR), ENOENT, "open");
	ok(!memcmp(copy, q.data + e.index * q.s.stride, 65536), "the mapping still holds it");
	drv_close(&q, 1);
	close(idle);
	ok(!memcmp(copy, q.data + e.index * q.s.stride, 65536), "after close too");
	munmap(q.data, q.s.data_len);
	ok(tell(driver, "bind", name), "bound again");
	q.s = drv_ask(65536, 8);
	if (works(drv_open(&q, dev), "and set up again"))
		drv_close(&q, 0);
	ok(read(p[0], seen, 65536) == 65536 && !memcmp(copy, seen, 65536),
	   "what was in flight is what it was");
	free(seen);
	free(copy);
}

static void unloads(const char *dev)
{
	struct drv q = {.s = drv_ask(65536, 4)};

	if (!works(drv_open(&q, dev), "open and SETUP"))
		return;
	memset(q.data, 0x33, q.s.data_len);
	fails(syscall(SYS_delete_module, "dmaflow", O_NONBLOCK), EAGAIN, "rmmod while open");
	drv_close(&q, 1);
	works(syscall(SYS_delete_module, "dmaflow", O_NONBLOCK), "rmmod while mapped only");
	ok(q.data[0] == 0x33 && q.data[q.s.data_len - 1] == 0x33, "the memory stays");
	fails(madvise(q.data, 4096, MADV_REMOVE), EPERM, "and stays protected");
	munmap(q.data, q.s.data_len);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "kill"))
		kills(argv[2], atoi(argv[3]));
	else if (argc == 5 && !strcmp(argv[1], "unbind"))
		unbinds(argv[2], argv[3], argv[4]);
	else if (argc == 3 && !strcmp(argv[1], "unload"))
		unloads(argv[2]);
	else
		return 2;
	return drv_end();
}
