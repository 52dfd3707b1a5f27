// SPDX-License-Identifier: MIT
/*
 * The driver's ABI on a pattern device: every refusal has its errno, content and sequence are
 * right, who breaks the protocol stops the queue, and the mapping is one that everything can pin.
 *
 * usage: drv_basic /dev/dmaflow0 [BLOCK DEVICE]
 */
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "drv.h"

static const char *dev;

static void no_setup_yet(void)
{
	struct dmaf_drv_info i = {.size = sizeof(i)};
	struct dmaf_drv_stats st = {.size = sizeof(st)};
	struct dmaf_drv_segments seg = {.size = sizeof(seg)};
	struct pollfd p;
	int fd = open(dev, O_RDWR);

	works(fd, "open");
	works(ioctl(fd, DMAF_IOC_INFO, &i), "INFO");
	ok(!strcmp(i.front, "pattern") && i.version == DMAF_DRV_VERSION, "front end %s", i.front);
	ok(i.caps & DMAF_DRV_CAP_TO_MEMORY && !i.owned && i.cache_align >= 32, "what it can do");
	works(ioctl(fd, DMAF_IOC_STATS, &st), "STATS before SETUP");
	fails(ioctl(fd, DMAF_IOC_START), EPERM, "START before SETUP");
	fails(ioctl(fd, DMAF_IOC_STOP), EPERM, "STOP before SETUP");
	fails(ioctl(fd, DMAF_IOC_KICK), EPERM, "KICK before SETUP");
	fails(ioctl(fd, DMAF_IOC_SEGMENTS, &seg), EPERM, "SEGMENTS before SETUP");
	fails(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0, EPERM,
	      "mmap before SETUP");
	fails(ioctl(fd, _IO(0xDA, 0x7f)), EPERM, "unknown ioctl before SETUP");
	fails(ioctl(fd, _IO(0xDB, 0)), ENOTTY, "another driver's ioctl");
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	ok(poll(&p, 1, 0) == 1 && p.revents & POLLERR, "poll before SETUP does not wait");
	close(fd);
}

/* One SETUP that must be refused. */
static void refused(int fd, struct dmaf_drv_setup s, int want, const char *what)
{
	struct dmaf_drv_setup before = s;

	fails(ioctl(fd, DMAF_IOC_SETUP, &s), want, what);
	if (memcmp(&before, &s, sizeof(s)))
		ok(0, "%s: wrote into what it refused", what);
}

static void bad_setups(void)
{
	struct {
		struct dmaf_drv_setup s;
		uint64_t more;
	} longer = {.s = drv_ask(4096, 4)};
	int fd = open(dev, O_RDWR);
	struct dmaf_drv_setup s;

	refused(fd, drv_ask(0, 4), EINVAL, "block of 0");
	refused(fd, drv_ask(4096, 0), EINVAL, "0 blocks");
	refused(fd, drv_ask(1ull << 62, 4), EINVAL, "block of 2^62");
	refused(fd, drv_ask(1 << 20, ~0u), EINVAL, "2^32 blocks");
	refused(fd, drv_ask(1ull << 34, 4), ENOMEM, "more than there is");
	s = drv_ask(4096, 4), s.flags = 0x80;
	refused(fd, s, EINVAL, "unknown flag");
	s = drv_ask(4096, 4), s.version = 99;
	refused(fd, s, EINVAL, "unknown version");
	s = drv_ask(4096, 4), s.memory = 7;
	refused(fd, s, EINVAL, "unknown memory");
	s = drv_ask(4096, 4), s.ring = 6;
	refused(fd, s, EINVAL, "ring of 6");
	s = drv_ask(4096, 4), s.ring = 2;
	refused(fd, s, EINVAL, "ring of 2 for 4 blocks");
	s = drv_ask(4096, 4), s.stride = 4100;
	refused(fd, s, EINVAL, "stride of 4100");
	s = drv_ask(4096, 4), s.stride = 2048;
	refused(fd, s, EINVAL, "stride below the block");
	s = drv_ask(4096, 4), s.reserved = 1;
	refused(fd, s, EINVAL, "reserved not 0");
	s = drv_ask(4096, 4), s.size = 8;
	refused(fd, s, EINVAL, "struct too short");
	s = drv_ask(4096, 4), s.user_addr = 4096;
	refused(fd, s, EINVAL, "user_addr with driver memory");
	longer.s.size = sizeof(longer);
	longer.more = 1;
	fails(ioctl(fd, DMAF_IOC_SETUP, &longer), E2BIG, "longer struct with something in it");
	fails(ioctl(fd, DMAF_IOC_SETUP, NULL), EFAULT, "SETUP(NULL)");
	longer.more = 0;
	works(ioctl(fd, DMAF_IOC_SETUP, &longer), "longer struct with nothing in it");
	ok(longer.s.size == sizeof(longer) && longer.s.data_len == 4 * 4096, "and its answers");
	fails(ioctl(fd, DMAF_IOC_SETUP, &longer), EBUSY, "SETUP twice");
	close(fd);
}

static void user_setups(void)
{
	long page = sysconf(_SC_PAGESIZE);
	struct dmaf_drv_setup s = drv_ask((uint64_t)page, 4);
	void *anon = mmap(NULL, 4 * (size_t)page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open(dev, O_RDWR);

	s.memory = DMAF_DRV_MEM_USER;
	s.user_len = 4 * (uint64_t)page;
	s.user_addr = (uintptr_t)anon + 8;
	refused(fd, s, EINVAL, "user memory not at a page");
	s.user_addr = (uintptr_t)anon;
	refused(fd, s, EINVAL, "user memory that is private");
	s.user_len = 3 * (uint64_t)page;
	refused(fd, s, EINVAL, "user memory too small");
	s.user_len = 4 * (uint64_t)page;
	s.user_addr = ~0ull - 0xfff;
	refused(fd, s, EFAULT, "user memory in the kernel");
	s.user_addr = (uint64_t)page;
	refused(fd, s, EFAULT, "user memory that is not mapped");
	munmap(anon, 4 * (size_t)page);
	close(fd);
}

static void maps(struct drv *q)
{
	int prot = PROT_READ | PROT_WRITE, fd2 = open(dev, O_RDWR);
	struct dmaf_drv_setup s = drv_ask(4096, 1);
	struct dmaf_drv_info i = {.size = sizeof(i)};

	fails(ioctl(fd2, DMAF_IOC_SETUP, &s), EBUSY, "a second opener's SETUP");
	ok(!ioctl(fd2, DMAF_IOC_INFO, &i) && i.owned, "INFO tells it why");
	fails(ioctl(fd2, DMAF_IOC_START), EPERM, "a second opener's START");
	close(fd2);
	fails(mmap(NULL, 4096, prot, MAP_PRIVATE, q->fd, 0) == MAP_FAILED ? -1 : 0, EINVAL,
	      "MAP_PRIVATE of the data");
	fails(mmap(NULL, 4096, prot, MAP_PRIVATE, q->fd, DMAF_DRV_OFF_FILL) == MAP_FAILED ? -1 : 0,
	      EINVAL, "MAP_PRIVATE of a ring");
	fails(mmap(NULL, q->s.data_len + 4096, prot, MAP_SHARED, q->fd, 0) == MAP_FAILED ? -1 : 0,
	      EINVAL, "mmap beyond the data");
	fails(mmap(NULL, q->s.fill_len + 4096, prot, MAP_SHARED, q->fd, DMAF_DRV_OFF_FILL) ==
			      MAP_FAILED
		      ? -1
		      : 0,
	      EINVAL, "mmap beyond a ring");
	fails(mremap(q->data, q->s.data_len, q->s.data_len * 2, MREMAP_MAYMOVE) == MAP_FAILED ? -1
											      : 0,
	      EFAULT, "mremap to more");
}

/* Streams @n blocks; each is refilled at once. */
static int stream(struct drv *q, unsigned int n, uint64_t *seq)
{
	for (; n; n--) {
		struct dmaf_drv_done e;

		if (drv_next(q, &e, 2000) != 1) {
			printf("# no block: errno %d\n", errno);
			return 0;
		}
		if (e.seq != (*seq)++ || e.len != q->s.block || e.flags || !e.mono_ns) {
			printf("# seq %llu len %llu flags %#x\n", (unsigned long long)e.seq,
			       (unsigned long long)e.len, e.flags);
			return 0;
		}
		if (!drv_right(q->data + e.index * q->s.stride, e.len, e.seq * q->s.block))
			return 0;
		if (drv_submit(q, e.index) < 0)
			return 0;
	}
	return 1;
}

static void streams(struct drv *q)
{
	struct dmaf_drv_stats st = {.size = sizeof(st)};
	struct dmaf_drv_done e;
	uint64_t seq = 0;
	unsigned int i, back = 0;
	bool kick;
	struct dmaf_drv_fill f = {0};

	for (i = 0; i < q->s.count; i++)
		drv_submit(q, i);
	works(ioctl(q->fd, DMAF_IOC_START), "START");
	fails(ioctl(q->fd, DMAF_IOC_START), EALREADY, "START twice");
	ok(stream(q, 200, &seq), "200 blocks, every byte and number right");
	/* Not given back: the device must run dry and ask to be kicked. */
	for (i = 0; i < q->s.count; i++)
		ok(drv_next(q, &e, 2000) == 1 && e.seq == seq++, "block %u of the rest", i);
	usleep(20000);
	ok(dmaf_ring_enqueue_burst(&q->fill, &f, sizeof(f), 1, &kick) == 1 && kick,
	   "a starved device wants a kick");
	ok(drv_next(q, &e, 50) == 0, "and does nothing without");
	works(ioctl(q->fd, DMAF_IOC_KICK), "KICK");
	ok(drv_next(q, &e, 2000) == 1 && e.index == 0 && e.seq == seq, "and goes on with it");
	for (i = 0; i < q->s.count; i++)
		drv_submit(q, i);
	works(ioctl(q->fd, DMAF_IOC_STOP), "STOP");
	while (drv_next(q, &e, 0) == 1)
		back++;
	ok(back == q->s.count, "all %u blocks came back: %u", q->s.count, back);
	works(ioctl(q->fd, DMAF_IOC_STOP), "STOP twice");
	ok(!ioctl(q->fd, DMAF_IOC_STATS, &st) && st.filled >= 200 && !st.not_owned && !st.bad_index,
	   "STATS: %llu filled", (unsigned long long)st.filled);
	seq = 0;
	for (i = 0; i < q->s.count; i++)
		drv_submit(q, i);
	works(ioctl(q->fd, DMAF_IOC_START), "START again");
	ok(stream(q, 50, &seq), "from number 0");
	ioctl(q->fd, DMAF_IOC_STOP);
	while (drv_next(q, &e, 0) == 1)
		;
}

static int pfn(const void *at, uint64_t *out)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	ssize_t n = pread(fd, out, 8, (off_t)((uintptr_t)at / 4096 * 8));

	close(fd);
	*out &= (1ull << 55) - 1;
	return n == 8;
}

/* Nothing may part what is mapped from what the device writes. */
static void parting(struct drv *q)
{
	uint64_t before = 0, after = 0;
	char path[64], link[128];
	int fd;

	memset(q->data, 0x5a, q->s.data_len);
	ok(pfn(q->data, &before) && before, "pages are there");
	fails(madvise(q->data, 4096, MADV_REMOVE), EPERM, "MADV_REMOVE");
	works(madvise(q->data, q->s.data_len, MADV_PAGEOUT), "MADV_PAGEOUT");
	works(madvise(q->data, q->s.data_len, MADV_DONTNEED), "MADV_DONTNEED");
	fd = open("/proc/sys/vm/compact_memory", O_WRONLY);
	ok(fd >= 0 && write(fd, "1", 1) == 1, "compaction");
	close(fd);
	ok(q->data[0] == 0x5a && q->data[q->s.data_len - 1] == 0x5a, "the content stayed");
	ok(pfn(q->data, &after) && after == before, "and so did the page");
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)q->data,
		 (unsigned long)q->data + q->s.data_len);
	ok(readlink(path, link, sizeof(link)) > 0, "the file behind the mapping can be named");
	fails(open(path, O_RDWR), EPERM, "but not opened for writing");
	fails(truncate(path, 0), EPERM, "nor truncated");
}

static void smaps(struct drv *q)
{
	char line[256], flags[256] = "", want[32];
	unsigned long huge = 0, value;
	FILE *f = fopen("/proc/self/smaps", "r");
	int inside = 0;

	snprintf(want, sizeof(want), "%lx-", (unsigned long)q->data);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, want, strlen(want)))
			inside = 1;
		if (inside && sscanf(line, "ShmemPmdMapped: %lu", &value) == 1)
			huge = value;
		if (inside && !strncmp(line, "VmFlags:", 8)) {
			strcpy(flags, line);
			break;
		}
	}
	fclose(f);
	ok(flags[0] && !strstr(flags, " pf") && !strstr(flags, " io"), "no PFN map: %.60s",
	   strtok(flags, "\n"));
	ok(strstr(flags, " de") && strstr(flags, " dd"), "not to be grown or dumped");
	ok(q->s.page != 2 << 20 || huge, "%lu KiB mapped huge, pages of %llu", huge,
	   (unsigned long long)q->s.page);
}

static void sends(struct drv *q)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(to);
	int rx = socket(AF_INET, SOCK_DGRAM, 0), tx = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
	char got[8192];

	if (bind(rx, (void *)&to, len) || getsockname(rx, (void *)&to, &len) ||
	    connect(tx, (void *)&to, len) ||
	    setsockopt(tx, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		ok(0, "sockets: %s", strerror(errno));
	ok(send(tx, q->data, 8192, MSG_ZEROCOPY) == 8192 && recv(rx, got, sizeof(got), 0) == 8192 &&
		   !memcmp(got, q->data, sizeof(got)),
	   "MSG_ZEROCOPY");
	close(rx);
	close(tx);
}

static void pins(struct drv *q, const char *disk)
{
	struct iovec iov = {q->data, 65536}, to;
	char *copy = aligned_alloc(4096, 65536);
	struct io_uring ring;
	int p[2], fd;

	for (int i = 0; i < 65536; i++)
		q->data[i] = (unsigned char)(i * 7 + (i >> 8));
	sends(q);
	ok(!pipe(p) && vmsplice(p[1], &iov, 1, 0) == 65536 && read(p[0], copy, 65536) == 65536 &&
		   !memcmp(copy, q->data, 65536),
	   "vmsplice");
	close(p[0]);
	close(p[1]);
	to = (struct iovec){copy, 65536};
	memset(copy, 0, 65536);
	ok(process_vm_readv(getpid(), &to, 1, &iov, 1, 0) == 65536 && !memcmp(copy, q->data, 65536),
	   "process_vm_readv");
	works(io_uring_queue_init(4, &ring, 0), "io_uring");
	ok(!io_uring_register_buffers(&ring, &(struct iovec){q->data, q->s.data_len}, 1),
	   "io_uring REGISTER_BUFFERS of it all");
	io_uring_queue_exit(&ring);
	if (!disk)
		goto out;
	fd = open(disk, O_RDWR | O_DIRECT);
	works(fd, "a disk to write to");
	ok(pwrite(fd, q->data, 65536, 0) == 65536, "O_DIRECT write");
	memset(q->data, 0, 65536);
	ok(pread(fd, q->data, 65536, 0) == 65536 && !memcmp(copy, q->data, 65536), "O_DIRECT read");
	close(fd);
out:
	free(copy);
}

static void liars(uint32_t index, uint64_t len, int twice, const char *what)
{
	struct dmaf_drv_stats st = {.size = sizeof(st)};
	struct pollfd p;
	struct drv q = {.s = drv_ask(4096, 4)};
	int i;

	if (drv_open(&q, dev)) {
		ok(0, "%s: open: %s", what, strerror(errno));
		return;
	}
	drv_submit_len(&q, index, len);
	if (twice)
		drv_submit_len(&q, index, len);
	ioctl(q.fd, DMAF_IOC_START);
	p = (struct pollfd){.fd = q.fd, .events = 0};
	i = poll(&p, 1, 2000);
	ok(i == 1 && p.revents & POLLERR, "%s: the queue stops", what);
	ioctl(q.fd, DMAF_IOC_STATS, &st);
	ok(st.error == -EPROTO && st.bad_index + st.not_owned == 1 &&
		   st.not_owned == (uint64_t)twice,
	   "%s: and is counted", what);
	works(ioctl(q.fd, DMAF_IOC_STOP), what);
	fails(ioctl(q.fd, DMAF_IOC_START), EPROTO, what);
	drv_close(&q, 0);
}

static void broken_index(void)
{
	struct pollfd p;
	struct drv q = {.s = drv_ask(4096, 4)};

	if (drv_open(&q, dev))
		return;
	q.fill.shared->head = 77;
	ioctl(q.fd, DMAF_IOC_START);
	p = (struct pollfd){.fd = q.fd, .events = 0};
	ok(poll(&p, 1, 2000) == 1 && p.revents & POLLERR, "an impossible head stops the queue");
	drv_close(&q, 0);
}

static void rate(const char *value)
{
	int fd = open("/sys/module/dmaflow/parameters/rate", O_WRONLY);

	ok(fd >= 0 && write(fd, value, strlen(value)) > 0, "rate=%s", value);
	close(fd);
}

/* Stalled, with a device that does not wait: the gap is what is counted as lost. */
static void losses(void)
{
	struct dmaf_drv_stats st = {.size = sizeof(st)};
	struct drv q = {.s = drv_ask(65536, 4)};
	struct dmaf_drv_done e = {0};
	uint64_t seq = 0, gap = 0;
	int right = 1;

	rate("33554432");
	if (drv_open(&q, dev)) {
		ok(0, "open: %s", strerror(errno));
		return;
	}
	for (uint32_t i = 0; i < 4; i++)
		drv_submit(&q, i);
	ioctl(q.fd, DMAF_IOC_START);
	for (int i = 0; i < 40; i++) {
		if (i == 10)
			usleep(100000);
		if (drv_next(&q, &e, 2000) != 1)
			break;
		gap += e.seq - seq;
		seq = e.seq + 1;
		right &= drv_right(q.data + e.index * q.s.stride, e.len, e.seq * q.s.block);
		drv_submit(&q, e.index);
	}
	ioctl(q.fd, DMAF_IOC_STOP);
	while (drv_next(&q, &e, 0) == 1)
		if (!(e.flags & DMAF_DRV_RETURNED)) {
			gap += e.seq - seq;
			seq = e.seq + 1;
		}
	ioctl(q.fd, DMAF_IOC_STATS, &st);
	ok(right, "what came is right, after the gap too");
	ok(gap > 10 && st.lost_no_block >= gap && st.filled + st.lost_no_block >= seq,
	   "stalled for 100 ms: %llu lost, gap %llu", (unsigned long long)st.lost_no_block,
	   (unsigned long long)gap);
	ok(st.lost_no_block - gap == st.filled + st.lost_no_block - seq, "the gap is exact");
	drv_close(&q, 0);
	rate("0");
}

static void sizes(void)
{
	static const struct {
		uint64_t block;
		uint32_t count;
	} sets[] = {{4096, 1},     {1, 1},    {100, 7}, {3 * 4096, 3}, {5 * 1048576 + 4096, 3},
		    {2 << 20, 16}, {64, 4096}};

	for (unsigned int i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		struct drv q = {.s = drv_ask(sets[i].block, sets[i].count)};
		uint64_t seq = 0;
		int fine = !drv_open(&q, dev), zero = 1;

		for (uint64_t at = 0; fine && at < q.s.data_len; at++)
			zero &= !q.data[at];
		for (uint32_t b = 0; fine && b < sets[i].count; b++)
			drv_submit(&q, b);
		if (fine)
			ioctl(q.fd, DMAF_IOC_START);
		ok(fine && zero && stream(&q, 2 * sets[i].count + 1, &seq),
		   "%u blocks of %llu: zeroed, right, %u segments, pages of %llu", sets[i].count,
		   (unsigned long long)sets[i].block, q.s.segments, (unsigned long long)q.s.page);
		if (fine)
			drv_close(&q, 0);
	}
}

static void user_memory(void)
{
	struct rlimit old, none = {65536, 65536};
	int fd = memfd_create("blocks", 0);
	struct drv q = {.s = drv_ask(65536, 8)};
	uint64_t seq = 0;
	unsigned char *m;

	ftruncate(fd, 1 << 20);
	m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q.s.memory = DMAF_DRV_MEM_USER;
	q.s.user_addr = (uintptr_t)m;
	q.s.user_len = 1 << 20;
	if (!works(drv_open(&q, dev), "user memory from a memfd"))
		return;
	ok(!q.s.data_len, "has nothing to map");
	q.data = m;
	for (uint32_t i = 0; i < 8; i++)
		drv_submit(&q, i);
	ioctl(q.fd, DMAF_IOC_START);
	ok(stream(&q, 50, &seq), "50 blocks in it");
	q.data = MAP_FAILED;
	drv_close(&q, 0);
	/* Root is above the limit: only a child that is not can be refused. */
	getrlimit(RLIMIT_MEMLOCK, &old);
	if (!fork()) {
		int d = open(dev, O_RDWR);
		struct dmaf_drv_setup s = drv_ask(65536, 8);

		s.memory = DMAF_DRV_MEM_USER;
		s.user_addr = (uintptr_t)m;
		s.user_len = 1 << 20;
		if (setrlimit(RLIMIT_MEMLOCK, &none) || setgid(1) || setuid(1))
			_exit(2);
		_exit(ioctl(d, DMAF_IOC_SETUP, &s) < 0 && errno == ENOMEM ? 0 : 1);
	}
	int status = -1;
	wait(&status);
	ok(status == 0, "RLIMIT_MEMLOCK is kept: %#x", status);
	munmap(m, 1 << 20);
	close(fd);
}

/* The file is closed while a pipe holds its pages and they are still mapped. */
static void outlives(void)
{
	struct drv q = {.s = drv_ask(65536, 4)};
	char *copy = malloc(65536);
	struct dmaf_drv_done e;
	int p[2];

	if (drv_open(&q, dev)) {
		ok(0, "open: %s", strerror(errno));
		return;
	}
	for (uint32_t i = 0; i < 4; i++)
		drv_submit(&q, i);
	ioctl(q.fd, DMAF_IOC_START);
	ok(drv_next(&q, &e, 2000) == 1 && !pipe(p), "a block");
	ok(vmsplice(p[1], &(struct iovec){q.data + e.index * q.s.stride, 65536}, 1, 0) == 65536,
	   "into a pipe");
	drv_close(&q, 1);
	ok(drv_right(q.data + e.index * q.s.stride, e.len, 0), "the mapping outlives the file");
	munmap(q.data, q.s.data_len);
	/* Others get memory now: not these pages. */
	for (int i = 0; i < 4; i++)
		sizes();
	ok(read(p[0], copy, 65536) == 65536 && drv_right((void *)copy, 65536, 0),
	   "the pipe's pages outlive both");
	free(copy);
}

int main(int argc, char **argv)
{
	struct drv q = {.s = drv_ask(1 << 20, 8)};

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE [DISK]\n", argv[0]);
		return 2;
	}
	dev = argv[1];
	no_setup_yet();
	bad_setups();
	user_setups();
	if (!works(drv_open(&q, dev), "SETUP, mapped"))
		return drv_end();
	maps(&q);
	streams(&q);
	smaps(&q);
	pins(&q, argc > 2 ? argv[2] : NULL);
	parting(&q);
	drv_close(&q, 0);
	liars(9, 0, 0, "index beyond count");
	liars(1, 8192, 0, "length beyond the block");
	liars(2, 0, 1, "a block given twice");
	broken_index();
	losses();
	sizes();
	user_memory();
	outlives();
	return drv_end();
}
