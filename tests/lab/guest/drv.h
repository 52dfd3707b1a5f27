/* SPDX-License-Identifier: MIT */
/* For guest programs that talk to /dev/dmaflowN: TAP, a queue with both rings mapped, the pattern.
 */
#ifndef DMAF_TESTS_DRV_H
#define DMAF_TESTS_DRV_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/driver_abi.h"
#include "base/ring.h"

static int drv_tests, drv_failed;

__attribute__((format(printf, 2, 3))) static inline int ok(int good, const char *fmt, ...)
{
	va_list ap;

	drv_failed += !good;
	printf("%sok %d - ", good ? "" : "not ", ++drv_tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return good;
}

/* The call must fail with @want; shows what it did instead. */
static inline int fails(long rc, int want, const char *what)
{
	int got = rc < 0 ? errno : 0;

	if (rc >= 0 || got != want)
		printf("# %s: %ld, errno %d (%s)\n", what, rc, got, got ? strerror(got) : "none");
	return ok(rc < 0 && got == want, "%s: %s", what, strerror(want));
}

static inline int works(long rc, const char *what)
{
	if (rc < 0)
		printf("# %s: errno %d (%s)\n", what, errno, strerror(errno));
	return ok(rc >= 0, "%s", what);
}

static inline int drv_end(void)
{
	printf("1..%d\n", drv_tests);
	return drv_failed != 0;
}

struct drv {
	int fd;
	struct dmaf_drv_setup s;
	unsigned char *data;
	void *fill_mem, *done_mem;
	struct dmaf_ring_prod fill;
	struct dmaf_ring_cons done;
};

static inline struct dmaf_drv_setup drv_ask(unsigned long long block, unsigned int count)
{
	return (struct dmaf_drv_setup){
		.size = sizeof(struct dmaf_drv_setup),
		.version = DMAF_DRV_VERSION,
		.block = block,
		.count = count,
	};
}

static inline int drv_rings(struct drv *q)
{
	struct dmaf_ring_geometry g;
	int prot = PROT_READ | PROT_WRITE;

	q->fill_mem = mmap(NULL, q->s.fill_len, prot, MAP_SHARED, q->fd, DMAF_DRV_OFF_FILL);
	q->done_mem = mmap(NULL, q->s.done_len, prot, MAP_SHARED, q->fd, DMAF_DRV_OFF_DONE);
	if (q->fill_mem == MAP_FAILED || q->done_mem == MAP_FAILED)
		return -1;
	if (dmaf_ring_read_geometry(q->fill_mem, q->s.fill_len, &g) ||
	    g.entry_size != sizeof(struct dmaf_drv_fill) ||
	    dmaf_ring_prod_init(&q->fill, q->fill_mem, q->s.fill_len, &g))
		return -1;
	if (dmaf_ring_read_geometry(q->done_mem, q->s.done_len, &g) ||
	    g.entry_size != sizeof(struct dmaf_drv_done) ||
	    dmaf_ring_cons_init(&q->done, q->done_mem, q->s.done_len, &g))
		return -1;
	return 0;
}

/* 0, or -1 with errno. q->s is what is asked; memory that is the user's is mapped by the caller. */
static inline int drv_open(struct drv *q, const char *path)
{
	q->data = MAP_FAILED;
	q->fd = open(path, O_RDWR | O_CLOEXEC);
	if (q->fd < 0)
		return -1;
	if (ioctl(q->fd, DMAF_IOC_SETUP, &q->s) < 0) {
		int err = errno;

		close(q->fd);
		errno = err;
		return -1;
	}
	if (q->s.data_len)
		q->data = mmap(NULL, q->s.data_len, PROT_READ | PROT_WRITE, MAP_SHARED, q->fd,
			       DMAF_DRV_OFF_DATA);
	if ((q->s.data_len && q->data == MAP_FAILED) || drv_rings(q))
		return -1;
	return 0;
}

/* Leaves the data mapped if @keep_data. */
static inline void drv_close(struct drv *q, int keep_data)
{
	if (q->data != MAP_FAILED && !keep_data)
		munmap(q->data, q->s.data_len);
	munmap(q->fill_mem, q->s.fill_len);
	munmap(q->done_mem, q->s.done_len);
	close(q->fd);
}

static inline int drv_submit_len(struct drv *q, uint32_t index, uint64_t len)
{
	struct dmaf_drv_fill e = {.index = index, .len = len};
	bool kick;

	if (dmaf_ring_enqueue_burst(&q->fill, &e, sizeof(e), 1, &kick) != 1)
		return -1;
	return kick ? (ioctl(q->fd, DMAF_IOC_KICK) < 0 ? -1 : 1) : 0;
}

static inline int drv_submit(struct drv *q, uint32_t index)
{
	return drv_submit_len(q, index, 0);
}

/* The next done entry, waiting at most @ms: 1, or 0 for none, or -1 with errno. */
static inline int drv_next(struct drv *q, struct dmaf_drv_done *e, int ms)
{
	for (;;) {
		struct pollfd p = {.fd = q->fd, .events = POLLIN};
		int n = dmaf_ring_dequeue_burst(&q->done, e, sizeof(*e), 1, NULL);

		if (n) {
			errno = n < 0 ? -n : 0;
			return n < 0 ? -1 : 1;
		}
		n = dmaf_ring_cons_sleep(&q->done, 1);
		if (n == 1) {
			n = poll(&p, 1, ms);
			dmaf_ring_cons_awake(&q->done);
			if (n == 0)
				return 0;
			if (!(p.revents & POLLIN) && p.revents & (POLLERR | POLLHUP)) {
				errno = p.revents & POLLHUP ? ENODEV : EPROTO;
				return -1;
			}
		}
	}
}

static inline uint8_t drv_byte(uint64_t off)
{
	return (uint8_t)((off / 8 * 0x9e3779b97f4a7c15ull) >> (off % 8 * 8));
}

/* Whether @len bytes are the pattern at @off of the stream. */
static inline int drv_right(const unsigned char *p, uint64_t len, uint64_t off)
{
	for (uint64_t i = 0; i < len; i++)
		if (p[i] != drv_byte(off + i)) {
			printf("# byte %llu of the stream is %#x, not %#x\n",
			       (unsigned long long)(off + i), p[i], drv_byte(off + i));
			return 0;
		}
	return 1;
}

#endif
