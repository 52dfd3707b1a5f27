/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a driver gives its device a queue of blocks: /dev/dmaflowN.
 *
 *      probe     dmaflow_register()      -> /dev/dmaflowN appears
 *      .start    dmaflow_take() as many blocks as the hardware holds, program it
 *      interrupt dmaflow_done() for each block written; dmaflow_take() the next
 *      .kick     dmaflow_take() said -EAGAIN earlier, now there may be blocks: take them
 *      .stop     make the hardware write no more; when this returns, no take and no done runs
 *      remove    dmaflow_unregister()    -> who has it open sees ENODEV
 *
 * A block is the device's from take to done. Both do what the DMA API wants done at the hand-over,
 * so a driver programs the addresses of dmaflow_block_run() and has no mapping or sync of its own.
 *
 * dmaflow_take(), dmaflow_done(), dmaflow_lost(), dmaflow_ended() and the dmaflow_block_* calls may
 * be made in any context, hard interrupts too, but only between start and the return of stop.
 * Operations are called one at a time, in process context, and may sleep.
 */
#ifndef DMAFLOW_H
#define DMAFLOW_H

#include <linux/scatterlist.h>
#include <linux/types.h>

#include "base/driver_abi.h"

struct dmaf_dev;
struct device;

/* What was set up, told at start. */
struct dmaflow_run {
	u64 block; /* bytes */
	u32 count; /* blocks */
	bool from_memory;
};

struct dmaflow_ops {
	int (*start)(void *priv, const struct dmaflow_run *run);
	void (*stop)(void *priv);
	void (*kick)(void *priv); /* may be absent if the device polls */
};

/* The device is the CPU, or its bus maps buffers itself: map nothing, sync nothing. */
#define DMAFLOW_SELF_MAPPED 0x1u

/* What is registered. Copied; the strings too. */
struct dmaflow_desc {
	const struct dmaflow_ops *ops; /* NULL: memory only */
	void *priv;                    /* given to the operations */
	struct device *dma_dev;        /* masks and segment limits are set on it already */
	const char *front;             /* at most 15 characters: who drives it */
	const char *name;              /* at most 31: which device; NULL: dma_dev's name */
	u32 caps;                      /* DMAF_DRV_CAP_TO_MEMORY, _FROM_MEMORY, _OVERWRITES */
	u32 flags;                     /* DMAFLOW_… */
	u64 block_max;                 /* bytes; 0: any */
	u32 block_align;               /* bytes; 0 and 1: any */
	u64 region_max;                /* bytes in all; 0: any */
};

/* Both may sleep. unregister returns when no operation runs or will run. ERR_PTR on failure. */
struct dmaf_dev *dmaflow_register(const struct dmaflow_desc *desc);
void dmaflow_unregister(struct dmaf_dev *dev);

/* A block that the device owns. */
struct dmaflow_block {
	u32 index;
	u64 off; /* bytes from the region's start */
	u64 len; /* bytes that may be written, or that are to be read */
};

/*
 * The next block, handed over to the device. 0; -EAGAIN: none there, .kick comes when there is;
 * -ESHUTDOWN: not running; -EPROTO: user space broke the protocol, stop asking.
 */
int dmaflow_take(struct dmaf_dev *dev, struct dmaflow_block *block);

/*
 * Hands a block back with @len bytes valid. @flags: DMAF_DRV_PARTIAL, _DAMAGED, _LAST. @ticks: the
 * device's clock, 0 if it has none. The time stamp is that of the call.
 */
void dmaflow_done(struct dmaf_dev *dev, const struct dmaflow_block *block, u64 len, u32 flags,
		  u64 ticks);

enum dmaflow_loss {
	DMAFLOW_NO_BLOCK, /* data came and dmaflow_take() had nothing */
	DMAFLOW_DEVICE,   /* the hardware says that it dropped */
};

/* @blocks of the stream were dropped here: the sequence shows the gap. */
void dmaflow_lost(struct dmaf_dev *dev, u64 blocks, enum dmaflow_loss why);

/* Counts an interrupt in the figures. */
void dmaflow_interrupt(struct dmaf_dev *dev);

/* The device failed: the queue stops with @err, a negative errno. */
void dmaflow_failed(struct dmaf_dev *dev, int err);

/* Bus address @at bytes into the block; *@len: how many bytes follow on the bus from there. */
dmaf_iova dmaflow_block_run(struct dmaf_dev *dev, const struct dmaflow_block *block, u64 at,
			    u64 *len);

/* The page @at bytes into the block lies in, and where in it. For devices that are the CPU. */
struct page *dmaflow_block_page(struct dmaf_dev *dev, const struct dmaflow_block *block, u64 at,
				u32 *in_page);

/*
 * The block as @sg, of at most @max entries: pages for what maps itself, otherwise bus addresses
 * alone. How many entries, or -E2BIG.
 */
int dmaflow_block_sg(struct dmaf_dev *dev, const struct dmaflow_block *block,
		     struct scatterlist *sg, unsigned int max);

#endif
