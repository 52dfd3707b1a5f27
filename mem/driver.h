/* SPDX-License-Identifier: MIT */
/*
 * The user's end of dmaflow.ko: one opened /dev/dmaflowN, its memory, its two rings.
 *
 * open, setup, (give, start, take …), stop, put. The region that setup makes holds the driver too:
 * region and handle are given up in any order, and the queue is free for others when both are.
 * Errors are negative errno with the explanation in @err, which begins with the label. A driver
 * belongs to one thread at a time.
 */
#ifndef DMAF_MEM_DRIVER_H
#define DMAF_MEM_DRIVER_H

#include <dmaflow/base/driver_abi.h>
#include <dmaflow/region.h>

struct dmaf_driver;

/* What to ask SETUP for. Bytes. */
struct dmaf_driver_want {
	uint64_t block;      /* payload room */
	uint64_t stride;     /* from one block's start to the next; 0: the driver's choice */
	uint64_t align;      /* of the first block's CPU address, a power of two; 0: a page */
	unsigned count;      /* blocks */
	bool contiguous;     /* each block one bus segment, or -E2BIG */
	bool base_pages;     /* no huge pages */
	bool from_memory;    /* the device reads */
	dmaf_region *memory; /* shared pages that the driver is to pin; NULL: its own */
};

/*
 * Open a device and ask what it is. @path must be a character device: nothing else is opened.
 * @label: how messages call it, up to 127 bytes; copied.
 * Return: 0; -ENOENT, -EACCES, -ENOTTY (not ours), -EPROTO (another version of the module),
 * -ENODEV.
 */
int dmaf_driver_open(struct dmaf_driver **out, const char *path, const char *label,
		     struct dmaf_err *err);

/* Drop the handle. NULL is accepted. The device stops when nothing holds it any more. */
void dmaf_driver_put(struct dmaf_driver *d);

const struct dmaf_drv_info *dmaf_driver_info(const struct dmaf_driver *d);

/* What SETUP answered; all zero before. */
const struct dmaf_drv_setup *dmaf_driver_layout(const struct dmaf_driver *d);

/*
 * Take the queue: memory and rings. @out: the driver's memory as a region (DMAF_PAGES, attached to
 * the device's engine), or with @want->memory one more reference to that. Once per driver.
 * Return: 0; -EBUSY (somebody has it), -E2BIG (not contiguous), -ENOMEM, -EINVAL, -ENODEV, ….
 */
int dmaf_driver_setup(struct dmaf_driver *d, const struct dmaf_driver_want *want, dmaf_region **out,
		      struct dmaf_err *err);

/* The engine that the region is attached to: for dmaf_region_iova(). */
dmaf_engine *dmaf_driver_engine(struct dmaf_driver *d);

/* Polled for POLLIN while dmaf_driver_arm() says so. */
int dmaf_driver_fd(const struct dmaf_driver *d);

/* The device begins. The fill ring may hold blocks already. */
int dmaf_driver_start(struct dmaf_driver *d, struct dmaf_err *err);

/*
 * The device writes no more when this returns; what it has not filled lies in the done ring with
 * DMAF_DRV_RETURNED. Nothing happens when it does not run, and no harm when it is gone.
 */
void dmaf_driver_stop(struct dmaf_driver *d);

/*
 * Blocks to the device. @len: bytes of each, NULL: whole blocks.
 * Return: how many (all, while none is given twice), or -EPROTO and none. Of a queue that has
 * stopped nothing is said here: dmaf_driver_state() does.
 */
int dmaf_driver_give(struct dmaf_driver *d, const uint32_t *index, const uint64_t *len, unsigned n,
		     struct dmaf_err *err);

/*
 * Blocks that the device is done with; every entry is checked against what setup agreed on.
 * Return: how many, 0 none yet, -EPROTO.
 */
int dmaf_driver_take(struct dmaf_driver *d, struct dmaf_drv_done *e, unsigned n,
		     struct dmaf_err *err);

/* About to sleep. Return: true, wait for POLLIN on the fd; false, something came meanwhile. */
bool dmaf_driver_arm(struct dmaf_driver *d);

/*
 * Why nothing comes: 0, the device works; -ENODEV, unplugged; else what stopped the queue. Two
 * system calls: ask when a wait has ended and the done ring is empty.
 */
int dmaf_driver_state(struct dmaf_driver *d, struct dmaf_err *err);

/* Counts since setup. Return: 0 or negative errno, then *s is all zero. */
int dmaf_driver_stats(struct dmaf_driver *d, struct dmaf_drv_stats *s);

/* Is the module loaded? */
bool dmaf_driver_loaded(void);

#endif
