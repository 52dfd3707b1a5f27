/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the test module maps and its callers share. */
#ifndef DMAF_TESTS_MAPS_H
#define DMAF_TESTS_MAPS_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct map_pin {
	__u64 addr; /* at a page */
	__u64 len;  /* whole pages, at most 1 GiB */
	__u64 ns;   /* out: pinning took this long; letting go is not in it */
};

#define MAP_PIN _IOWR('m', 1, struct map_pin)

#endif
