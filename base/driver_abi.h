/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What crosses between dmaflow.ko and user space: ioctls, mmap offsets, the entries of the rings.
 *
 * /dev/dmaflowN stands for one device. Any number of openers may ask INFO and STATS; the one whose
 * SETUP succeeds owns the queue until it closes, and only it may map, start, kick, sync and export.
 *
 *      SETUP    how many blocks, how large, whose memory  -> where data and rings are mapped
 *      mmap     data at DMAF_DRV_OFF_DATA, rings at DMAF_DRV_OFF_FILL and DMAF_DRV_OFF_DONE
 *      START    the device writes into blocks of the fill ring, in its order
 *      KICK     only after dmaf_ring_submit() on the fill ring said so (NEED_WAKEUP)
 *      poll     POLLIN: the done ring holds entries; POLLERR: stopped by an error; POLLHUP: gone
 *      STOP     the device writes no more; unfilled blocks come back with DMAF_DRV_RETURNED
 *
 * Both rings are base/ring.h, formatted by the kernel. User space produces on the fill ring and
 * consumes the done ring. Each block has one owner, known to the kernel alone: it is the user's
 * after SETUP, the device's once its index was read from the fill ring, and the user's again once
 * it lies in the done ring. Filling a block that is not the user's, or an index beyond count, stops
 * the queue (-EPROTO, counted in dmaf_drv_stats).
 *
 * Every struct begins with its size in bytes as the caller knows it: a longer one than the kernel
 * knows must be zero in what the kernel does not know (-E2BIG), a shorter one is filled as far as
 * it goes. Unknown flags are -EINVAL. Layouts are the same for 32-bit and 64-bit callers.
 */
#ifndef DMAF_BASE_DRIVER_ABI_H
#define DMAF_BASE_DRIVER_ABI_H

#include "types.h"

#define DMAF_DRV_VERSION 1u

/*
 * mmap offsets; lengths come from SETUP. The data mapping must be MAP_SHARED. Below 2^44, which is
 * as far as mmap2(2) of a 32-bit caller reaches.
 */
#define DMAF_DRV_OFF_DATA 0x0ull
#define DMAF_DRV_OFF_FILL 0x10000000000ull
#define DMAF_DRV_OFF_DONE 0x20000000000ull

/* What a device can do: dmaf_drv_info.caps. */
#define DMAF_DRV_CAP_TO_MEMORY   0x1u  /* it writes memory: an acquisition device */
#define DMAF_DRV_CAP_FROM_MEMORY 0x2u  /* it reads memory */
#define DMAF_DRV_CAP_MEMORY_ONLY 0x4u  /* no device behind it: START is -EOPNOTSUPP */
#define DMAF_DRV_CAP_OVERWRITES  0x8u  /* cyclic: goes on without asking for blocks */
#define DMAF_DRV_CAP_IOMMU       0x10u /* bus addresses are translated */
#define DMAF_DRV_CAP_COHERENT    0x20u /* hand-overs need no cache maintenance */

struct dmaf_drv_info {
	uint32_t size;
	uint32_t version; /* DMAF_DRV_VERSION of the kernel */
	uint32_t caps;
	uint32_t cache_align; /* bytes: block start and stride are multiples of it; power of two */
	uint64_t dma_mask;    /* highest bus address the device reaches */
	uint64_t max_segment; /* bytes: longest bus segment the device takes */
	uint64_t max_mapping; /* bytes: dma_max_mapping_size(); all ones: no limit */
	uint64_t block_max;   /* bytes: largest block the device fills; 0: any */
	uint32_t block_align; /* bytes: block lengths are multiples of it; 1: any */
	uint32_t owned;       /* 1: someone has set the queue up */
	char front[16];       /* the front end: "pci-edu", "virtio-stream", ... */
	char name[32];        /* the device's name: "0000:00:04.0" */
};

/* SETUP: where the memory comes from. */
#define DMAF_DRV_MEM_DRIVER 0u /* the kernel's own pages */
#define DMAF_DRV_MEM_USER   1u /* user_addr, user_len: a MAP_SHARED memfd or huge pages */

#define DMAF_DRV_SETUP_CONTIGUOUS 0x1u /* every block one bus segment, or -E2BIG */
#define DMAF_DRV_SETUP_NO_HUGE    0x2u /* base pages only */
#define DMAF_DRV_SETUP_FROM_MEM   0x4u /* the device reads the blocks instead of writing them */

struct dmaf_drv_setup {
	uint32_t size;
	uint32_t version; /* DMAF_DRV_VERSION the caller was built with */
	uint32_t flags;
	uint32_t memory; /* DMAF_DRV_MEM_… */
	uint64_t block;  /* bytes of payload room in a block, at least 1 */
	uint32_t count;  /* blocks, at least 1 */
	uint32_t ring;   /* slots of each ring: a power of two of at least count; 0: the next one */
	uint64_t user_addr; /* DMAF_DRV_MEM_USER: start, at a page */
	uint64_t user_len;  /* bytes, a multiple of the page size, at least count strides */

	/*
	 * Bytes from one block's start to the next. In: a multiple of cache_align of at least block
	 * (-EINVAL otherwise), 0: the kernel's choice. Out: what it is.
	 */
	uint64_t stride;

	/* filled in by the kernel */
	uint64_t data_len; /* bytes to map at DMAF_DRV_OFF_DATA; 0 with DMAF_DRV_MEM_USER */
	uint64_t fill_len; /* bytes to map at DMAF_DRV_OFF_FILL */
	uint64_t done_len; /* bytes to map at DMAF_DRV_OFF_DONE */
	uint64_t page;     /* bytes: size of the pages that most of the data lies in */
	uint32_t segments; /* bus segments of the whole region: see DMAF_IOC_SEGMENTS */
	uint32_t reserved;
};

/* A run of bus addresses. */
struct dmaf_drv_segment {
	dmaf_iova iova;
	uint64_t off; /* bytes from the start of the data */
	uint64_t len; /* bytes */
};

struct dmaf_drv_segments {
	uint32_t size;
	uint32_t first; /* which to begin with */
	uint32_t count; /* in: room at .segments; out: how many were written */
	uint32_t reserved;
	uint64_t segments; /* user address of struct dmaf_drv_segment[count] */
};

/* Hand a range over by hand: for memory-only devices, driven by the caller. */
#define DMAF_DRV_SYNC_FOR_CPU    0u
#define DMAF_DRV_SYNC_FOR_DEVICE 1u

struct dmaf_drv_sync {
	uint32_t size;
	uint32_t to; /* DMAF_DRV_SYNC_FOR_… */
	uint64_t off;
	uint64_t len;
};

struct dmaf_drv_export {
	uint32_t size;
	uint32_t flags; /* O_CLOEXEC, O_RDWR */
	uint32_t block; /* index of the block; ~0: the whole region */
	int32_t fd;     /* out: a dma-buf */
};

/* Counts since SETUP, in blocks unless said otherwise. */
struct dmaf_drv_stats {
	uint32_t size;
	int32_t error; /* 0, or the negative errno that stopped the queue */
	uint64_t filled;
	uint64_t bytes;
	uint64_t lost_no_block;  /* the device had data and the fill ring no block */
	uint64_t lost_done_full; /* the done ring had no slot */
	uint64_t lost_device;    /* the device itself says that it dropped */
	uint64_t bad_index;      /* indices beyond count in the fill ring */
	uint64_t not_owned;      /* indices of blocks that were not the user's */
	uint64_t bounced_bytes;  /* bytes that went through a bounce buffer: copies */
	uint64_t sync_cpu_bytes, sync_device_bytes;
	uint64_t kicks;
	uint64_t interrupts;
};

/* user -> kernel: a block that the device may write. 16 bytes. */
struct dmaf_drv_fill {
	uint32_t index;
	uint32_t flags; /* 0 */
	uint64_t len;   /* bytes the device may write; 0: the whole block */
};

#define DMAF_DRV_PARTIAL  0x1u /* handed over before the block was full */
#define DMAF_DRV_DAMAGED  0x2u /* the device reported an error within it */
#define DMAF_DRV_LAST     0x4u /* the device's stream has ended */
#define DMAF_DRV_RETURNED 0x8u /* given back unfilled by STOP; no sequence number was used */

/* kernel -> user: a block that the device has written. 48 bytes. */
struct dmaf_drv_done {
	uint32_t index;
	uint32_t flags;
	uint64_t len;     /* bytes valid from the block's start */
	uint64_t seq;     /* counts blocks since START, lost ones too: a gap is what was lost */
	uint64_t mono_ns; /* CLOCK_MONOTONIC when the last byte had landed */
	uint64_t ticks;   /* the device's own clock; 0: it has none */
	uint64_t reserved;
};

DMAF_STATIC_ASSERT(sizeof(struct dmaf_drv_info) == 104, "info");
DMAF_STATIC_ASSERT(sizeof(struct dmaf_drv_setup) == 96, "setup");
DMAF_STATIC_ASSERT(sizeof(struct dmaf_drv_segment) == 24, "segment");
DMAF_STATIC_ASSERT(sizeof(struct dmaf_drv_segments) == 24, "segments");
DMAF_STATIC_ASSERT(sizeof(struct dmaf_drv_sync) == 24, "sync");
DMAF_STATIC_ASSERT(sizeof(struct dmaf_drv_export) == 16, "export");
DMAF_STATIC_ASSERT(sizeof(struct dmaf_drv_stats) == 104, "stats");
DMAF_STATIC_ASSERT(sizeof(struct dmaf_drv_fill) == 16, "fill entry");
DMAF_STATIC_ASSERT(sizeof(struct dmaf_drv_done) == 48, "done entry");
DMAF_STATIC_ASSERT(offsetof(struct dmaf_drv_setup, stride) == 48, "setup's answers");
DMAF_STATIC_ASSERT(offsetof(struct dmaf_drv_info, front) == 56, "info's names");

/* Needs <linux/ioctl.h> (kernel) or <sys/ioctl.h> at the place of use. */
#define DMAF_IOC_INFO     _IOWR(0xDA, 0x00, struct dmaf_drv_info)
#define DMAF_IOC_SETUP    _IOWR(0xDA, 0x01, struct dmaf_drv_setup)
#define DMAF_IOC_SEGMENTS _IOWR(0xDA, 0x02, struct dmaf_drv_segments)
#define DMAF_IOC_START    _IO(0xDA, 0x03)
#define DMAF_IOC_STOP     _IO(0xDA, 0x04)
#define DMAF_IOC_KICK     _IO(0xDA, 0x05)
#define DMAF_IOC_SYNC     _IOW(0xDA, 0x06, struct dmaf_drv_sync)
#define DMAF_IOC_EXPORT   _IOWR(0xDA, 0x07, struct dmaf_drv_export)
#define DMAF_IOC_STATS    _IOWR(0xDA, 0x08, struct dmaf_drv_stats)

#endif
