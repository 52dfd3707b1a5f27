/* SPDX-License-Identifier: MIT */
/*
 * A region is a range of memory plus all that is known of it: where the CPU sees it, what backs it,
 * what the kernel will pin, and how each engine it is attached to addresses it.
 *
 * Regions are reference counted; a region that an engine or the kernel still holds outlives every
 * handle of the program. Not thread-safe: one thread takes, attaches and puts.
 */
#ifndef DMAFLOW_REGION_H
#define DMAFLOW_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dmaflow/addr_types.h>
#include <dmaflow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What lies behind the CPU address; bits, so that a need can name several. */
enum dmaf_backing {
	DMAF_PAGES = 1 << 0, /* struct pages: the kernel can pin them */
	DMAF_PFN = 1 << 1,   /* page frames without struct page references: pinning says EFAULT */
	DMAF_MMIO = 1 << 2,  /* device registers or device memory */
	DMAF_WC = 1 << 3,    /* write-combined: whole lines, in order, never read */
};
#define DMAF_BACKING_ANY 0xfu

/** Engines one region can be attached to at once. */
#define DMAF_ATTACH_MAX 8

typedef struct dmaf_region dmaf_region;
typedef struct dmaf_engine dmaf_engine;

/** struct dmaf_bus_seg - a run of the region as an engine sees it. */
struct dmaf_bus_seg {
	dmaf_iova iova;
	size_t off; /* in the region */
	size_t len;
};

/** struct dmaf_attachment - what one engine knows of one region. */
struct dmaf_attachment {
	dmaf_engine *engine;
	uint64_t key;              /* the engine's name for it: fixed-buffer index, UMEM, handle */
	struct dmaf_bus_seg *segs; /* bus segments in order of .off; NULL: the engine uses none */
	unsigned nsegs;
	void *priv; /* the engine's */
};

struct dmaf_engine_ops {
	/** Fill @att for @region. Return: 0 or negative errno with @err explained. */
	int (*attach)(dmaf_engine *engine, dmaf_region *region, struct dmaf_attachment *att,
		      struct dmaf_err *err);
	/** Undo; called before the memory goes. Must not return while the engine may access it. */
	void (*detach)(dmaf_engine *engine, dmaf_region *region, struct dmaf_attachment *att);
};

/** struct dmaf_engine - something that accesses memory: a device, an io_uring, a UMEM. */
struct dmaf_engine {
	const struct dmaf_engine_ops *ops;
	const char *name;
	void *priv;
};

struct dmaf_region_ops {
	/** Give the memory back; the last step of dmaf_region_put(). Absent: nothing to free. */
	void (*release)(dmaf_region *region);
	/** Make what a device wrote visible to the CPU. Absent: the memory is coherent. */
	int (*sync_for_cpu)(dmaf_region *region, size_t off, size_t len);
	/** Make what the CPU wrote visible to a device. Absent: the memory is coherent. */
	int (*sync_for_device)(dmaf_region *region, size_t off, size_t len);
};

struct dmaf_region {
	const struct dmaf_region_ops *ops;
	void *cpu;        /* NULL: the CPU has no view of it */
	size_t len;       /* bytes, a multiple of .page */
	size_t page;      /* bytes: 4096, 2 MiB, ...; the unit the kernel pins */
	unsigned backing; /* one enum dmaf_backing bit, or DMAF_MMIO | DMAF_WC */
	int fd;           /* memfd or dma-buf behind it; -1: none. Owned by the region */
	uint64_t fd_off;  /* where the region begins in .fd */
	unsigned refs;
	char name[48]; /* for messages: "anonymous 16 MiB", "/dev/dmaflow0" */
	void *priv;    /* of whoever made the region */
	unsigned natt;
	struct dmaf_attachment att[DMAF_ATTACH_MAX];
};

/**
 * dmaf_region_init - fill in a region that its maker allocated.
 * @page: power of two; @len: a multiple of it. The region starts with one reference, no fd, no
 * attachment.
 */
DMAF_API void dmaf_region_init(dmaf_region *region, const struct dmaf_region_ops *ops, void *cpu,
			       size_t len, size_t page, unsigned backing, const char *name);

/** dmaf_region_get - take a reference. Return: @region. */
DMAF_API dmaf_region *dmaf_region_get(dmaf_region *region);

/** dmaf_region_put - drop a reference; the last one detaches every engine, then releases. */
DMAF_API void dmaf_region_put(dmaf_region *region);

/**
 * dmaf_region_attach - make the region usable by an engine. Attaching twice is one attachment.
 * Return: 0, -ENOSPC beyond DMAF_ATTACH_MAX, or what the engine refused with, explained in @err.
 */
DMAF_API int dmaf_region_attach(dmaf_region *region, dmaf_engine *engine, struct dmaf_err *err);

/** dmaf_region_detach - undo; nothing happens when it is not attached. */
DMAF_API void dmaf_region_detach(dmaf_region *region, dmaf_engine *engine);

/** dmaf_region_find - the attachment to @engine, or NULL. */
static inline const struct dmaf_attachment *dmaf_region_find(const dmaf_region *region,
							     const dmaf_engine *engine)
{
	for (unsigned i = 0; i < region->natt; i++)
		if (region->att[i].engine == engine)
			return &region->att[i];
	return NULL;
}

/**
 * dmaf_region_iova - bus address of an offset, and how far it runs on.
 * @run: contiguous bytes from there on; may be NULL.
 * Return: 0, -ENXIO not attached to that engine (or it uses no bus addresses), -ERANGE.
 */
DMAF_API int dmaf_region_iova(const dmaf_region *region, const dmaf_engine *engine, size_t off,
			      dmaf_iova *iova, size_t *run);

#ifdef __cplusplus
}
#endif
#endif
