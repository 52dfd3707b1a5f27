// SPDX-License-Identifier: MIT
/*
 * What it costs the kernel to take hold of memory: pin_user_pages_fast() of 64 MiB, once a line.
 *
 * usage: pin DEVICE TIMES
 *
 * Prints "KIND nanoseconds-per-4-KiB", KIND being driver (the driver's memory), base (the same in
 * base pages), huge (the user's huge pages), anonymous (the user's base pages) or pfn ("refused").
 */
#include "drv.h"
#include "meter.h"
#include "tests/lab/module/maps/maps.h"

#define LEN (64u << 20)

static int pinner;

static int pin(const char *kind, const void *at, size_t len, int times)
{
	while (times--) {
		struct map_pin p = {.addr = (uintptr_t)at, .len = len};
		long r;

		meter_begin();
		r = ioctl(pinner, MAP_PIN, &p);
		meter_end();
		if (r)
			printf("%s %s\n", kind, errno == EFAULT ? "refused" : strerror(errno));
		else
			printf("%s %.2f\n", kind, (double)p.ns / ((double)len / 4096));
	}
	return 0;
}

static void *user(int flags)
{
	void *at =
		mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (at == MAP_FAILED) {
		perror("mmap");
		return at;
	}
	if (!flags && madvise(at, LEN, MADV_NOHUGEPAGE))
		perror("MADV_NOHUGEPAGE");
	memset(at, 1, LEN);
	return at;
}

static int driver(const char *kind, const char *node, unsigned int flags, int times)
{
	struct drv q = {.s = drv_ask(LEN, 1)};
	int err;

	q.s.flags = flags;
	if (drv_open(&q, node))
		return perror(node), 1;
	memset(q.data, 1, q.s.data_len);
	err = pin(kind, q.data, LEN, times);
	drv_close(&q, 0);
	return err;
}

int main(int argc, char **argv)
{
	void *huge, *base, *pfn;
	int fd, times;

	if (argc != 3)
		return fprintf(stderr, "usage: pin DEVICE TIMES\n"), 2;
	times = atoi(argv[2]);
	fd = open("/dev/map_pfn", O_RDWR);
	pfn = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	base = user(0);
	huge = user(MAP_HUGETLB);
	pinner = open("/dev/map_pin", O_RDWR);
	if (pinner < 0 || pfn == MAP_FAILED || base == MAP_FAILED || huge == MAP_FAILED)
		return 1;
	return driver("driver", argv[1], 0, times) ||
	       driver("base", argv[1], DMAF_DRV_SETUP_NO_HUGE, times) ||
	       pin("huge", huge, LEN, times) || pin("anonymous", base, LEN, times) ||
	       pin("pfn", pfn, 1 << 20, 1);
}
