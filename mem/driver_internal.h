/* SPDX-License-Identifier: MIT */
#ifndef DMAF_MEM_DRIVER_INTERNAL_H
#define DMAF_MEM_DRIVER_INTERNAL_H

#include <dmaflow/ring.h>

#include "mem/driver.h"

struct dmaf_driver {
	unsigned refs;
	int fd;
	bool running, armed;
	char label[128], path[64];
	struct dmaf_drv_info info;
	struct dmaf_drv_setup set;
	dmaf_engine engine;
	void *fill_mem, *done_mem; /* NULL: not mapped */
	struct dmaf_ring_prod fill __attribute__((aligned(64)));
	struct dmaf_ring_cons done __attribute__((aligned(64)));
};

/* driver_fail.c: each says what was asked, what refused, and what to do. Return: @rc. */
int dmaf_driver_no_node(const char *path, const char *label, int rc, struct dmaf_err *err);
int dmaf_driver_no_info(const struct dmaf_driver *d, int rc, struct dmaf_err *err);
int dmaf_driver_no_setup(const struct dmaf_driver *d, const struct dmaf_driver_want *want, int rc,
			 struct dmaf_err *err);
int dmaf_driver_failed(const struct dmaf_driver *d, const char *what, int rc, struct dmaf_err *err);

#endif
