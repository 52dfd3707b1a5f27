/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside dmaflow.ko. */
#ifndef DMAFLOW_INTERNAL_H
#define DMAFLOW_INTERNAL_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "base/ring.h"
#include "dmaflow.h"

/* ---- region: the memory ---------------------------------------------------------------------- */

/* A run that is contiguous in physical memory and on the bus: what one sync call may cover. */
struct dmaf_chunk {
	u64 off; /* bytes from the region's start */
	u64 len;
	dma_addr_t iova;
	bool bounced; /* the device writes elsewhere, and the CPU copies at hand-over */
};

struct dmaf_region {
	struct device *dma_dev; /* NULL once unmapped */
	enum dma_data_direction dir;
	u64 len; /* bytes, whole pages */
	unsigned long npages;
	struct page **pages;
	struct sg_table sgt;
	struct dmaf_chunk *chunks;
	u32 nchunks;
	u32 nsegs;     /* bus segments */
	u64 seg_max;   /* bytes: longest that the device takes */
	bool mapped;   /* by the DMA API */
	bool iommu;    /* and translated */
	u64 page_size; /* of most pages */

	struct file *file; /* driver memory: who maps it maps this */

	struct kref refs; /* the queue's, and each dma-buf's */
	spinlock_t export_lock;
	struct list_head exports;
	atomic_t nexports;

	struct mm_struct *mm; /* user memory: whose RLIMIT_MEMLOCK is charged */
	unsigned long pinned;
};

struct dmaf_region *dmaf_region_create(struct dmaf_dev *d, const struct dmaf_drv_setup *set,
				       u64 len);
void dmaf_region_unmap(struct dmaf_region *r);
void dmaf_region_hold(struct dmaf_region *r);
void dmaf_region_put(struct dmaf_region *r); /* NULL is fine */

/* What the sync cost: bytes, and how many of them went through a bounce buffer. */
struct dmaf_synced {
	u64 bytes, bounced;
};

struct dmaf_synced dmaf_region_sync(struct dmaf_region *r, u64 off, u64 len, bool for_cpu);
u64 dmaf_region_run(const struct dmaf_region *r, u64 off, u64 max, dma_addr_t *iova);
int dmaf_region_index(struct dmaf_region *r);
unsigned long dmaf_region_unreachable(const struct dmaf_region *r, struct device *dev);

/* shmem.c: pages that user space maps and the kernel can pin. */
int dmaf_shmem_init(void);
void dmaf_shmem_exit(void);
int dmaf_shmem_get(struct dmaf_dev *d, struct dmaf_region *r, u32 flags);
void dmaf_shmem_put(struct dmaf_region *r);

/* user.c: pages that user space brought. */
int dmaf_user_get(struct dmaf_dev *d, struct dmaf_region *r, u64 addr);
void dmaf_user_put(struct dmaf_region *r);

bool dmaf_translated(struct device *dev);

/* export.c */
struct dmaf_queue;
struct dma_buf;
struct dma_buf *dmaf_export(struct dmaf_dev *d, struct dmaf_queue *q, u32 block, u32 flags);
bool dmaf_exported(struct dmaf_region *r, u32 block);

/* ---- queue: rings and who owns which block -----------------------------------------------------
 */

enum dmaf_owner {
	DMAF_OWNER_USER,
	DMAF_OWNER_DEVICE,  /* between take and done */
	DMAF_OWNER_LANDING, /* done was called, the sync runs */
	DMAF_OWNER_SPARE,   /* the device's, but no done entry could say so: taken first */
};

struct dmaf_queue {
	struct dmaf_region *region;
	u64 block, stride;
	u32 count;
	bool from_memory;
	bool running;
	bool starved; /* asleep on the fill ring */
	int error;

	void *fill_mem, *done_mem;
	u64 fill_len, done_len;
	struct dmaf_ring_cons fill;
	struct dmaf_ring_prod done ____cacheline_aligned;
	u8 *owner; /* enum dmaf_owner of each block */
	u64 *lens; /* what the device may write, or has written, of each */
	u32 spares;
	u64 seq;
	struct dmaf_drv_stats stats;
};

struct dmaf_queue *dmaf_queue_create(struct dmaf_dev *d, struct dmaf_drv_setup *set);
void dmaf_queue_free(struct dmaf_queue *q);
int dmaf_queue_start(struct dmaf_dev *d, struct dmaf_queue *q);
void dmaf_queue_stop(struct dmaf_dev *d, struct dmaf_queue *q);
void dmaf_queue_kick(struct dmaf_dev *d, struct dmaf_queue *q);

/* ---- device ------------------------------------------------------------------------------------
 */

struct dmaf_dev {
	struct device dev;
	struct cdev cdev;
	const struct dmaflow_ops *ops;
	void *priv;
	struct device *dma_dev;
	struct dmaflow_desc desc;
	char front[16];
	char name[32];
	u32 cache_align;

	struct mutex
		lock; /* operations and life: gone, owner, calls of ops. May fault: not in mmap */
	bool gone;
	struct dmaf_file *owner;

	spinlock_t qlock; /* everything in q that interrupts touch, and q itself */
	struct dmaf_queue *q;
	wait_queue_head_t wait;
};

struct dmaf_file {
	struct dmaf_dev *d;
	struct dmaf_queue *q; /* set once by SETUP, with release; valid until the file is closed */
};

extern const struct file_operations dmaf_fops;
extern const struct attribute_group *dmaf_groups[];
int dmaf_map_file(struct vm_area_struct *vma, struct file *data);
long dmaf_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* One line in the log for a refusal, and its errno. */
#define dmaf_refuse(d, err, fmt, ...)                                       \
	({                                                                  \
		dev_notice_ratelimited(&(d)->dev, fmt "\n", ##__VA_ARGS__); \
		(err);                                                      \
	})

/* ---- front ends: each may be absent
 * -------------------------------------------------------------- */

int dmaf_pattern_init(void);
void dmaf_pattern_exit(void);
int dmaf_memory_init(void);
void dmaf_memory_exit(void);
int dmaf_edu_init(void);
void dmaf_edu_exit(void);
int dmaf_engine_init(void);
void dmaf_engine_exit(void);
int dmaf_virtio_init(void);
void dmaf_virtio_exit(void);

#endif
