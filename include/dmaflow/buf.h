/* SPDX-License-Identifier: MIT */
/*
 * Buffers and the pools that own their memory.
 *
 * Law 1: a buffer has one writer. Taken from its pool it is the writer's; filled it may be lent
 * read-only to several readers; when the last one returns it, it goes back to its pool. With
 * -Downership_checks=true each step is checked and the pages of a block that is not the CPU's are
 * protected, so that whoever touches them is caught where it happens.
 *
 * Buffers and pools belong to one thread (the flow's); another thread gets them through a ring.
 */
#ifndef DMAFLOW_BUF_H
#define DMAFLOW_BUF_H

#include <dmaflow/region.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dmaf_buf dmaf_buf;
typedef struct dmaf_pool dmaf_pool;

/** struct dmaf_seg - a piece of a region. */
struct dmaf_seg {
	dmaf_region *region;
	size_t off;
	size_t len;
};

/** Flags of a buffer. */
#define DMAF_BUF_PARTIAL 0x1u /* handed over before the block was full */
#define DMAF_BUF_ERROR   0x2u /* the device marked its content as damaged */
#define DMAF_BUF_LAST    0x4u /* nothing of this stream follows */

enum dmaf_owner {
	DMAF_OWNER_POOL,    /* free */
	DMAF_OWNER_WRITER,  /* a device, stage or program fills it */
	DMAF_OWNER_READERS, /* filled; .refs readers hold it */
};

/**
 * struct dmaf_buf - one or more segments of regions, and what is known of their content.
 * Writers set the upper part; the lower part belongs to the pool.
 */
struct dmaf_buf {
	size_t len;       /* payload bytes: the sum of the segments used */
	uint64_t seq;     /* counts what the source produced, lost ones included */
	uint64_t offset;  /* in the source's stream in bytes, lost ones included */
	uint64_t ts_ns;   /* last byte landed, in the stream's clock; 0: unknown */
	uint64_t mono_ns; /* the same on CLOCK_MONOTONIC: latency is measured from here */
	uint64_t ticks;   /* device ticks; 0: none */
	unsigned flags;
	int status; /* 0, or the negative errno of the first reader that failed */
	unsigned nsegs;
	struct dmaf_seg *seg; /* .nsegs in use of .seg_cap */

	/* the pool's */
	dmaf_pool *pool;
	unsigned index; /* in the pool */
	unsigned seg_cap;
	unsigned refs;
	enum dmaf_owner owner;
	struct dmaf_seg home; /* the block as the pool cut it */
	void *user;           /* of the pool's owner */
};

/** struct dmaf_terms - what a flow's parties agreed on for one pool. Bytes throughout. */
struct dmaf_terms {
	size_t block;       /* payload room of a buffer */
	size_t stride;      /* from one block's start to the next */
	size_t align;       /* of a block's start; power of two */
	unsigned count;     /* buffers */
	unsigned segs;      /* segments a buffer can have */
	unsigned backing;   /* backings that all accept */
	uint64_t dma_mask;  /* highest bus address all can reach; 0: any */
	const char *memory; /* where it comes from, as the user asked for; NULL: best there is */
};

struct dmaf_pool_ops {
	/** The program waits for a buffer: move things on for up to @timeout_ms. Absent: none. */
	int (*wait)(dmaf_pool *pool, int timeout_ms);
	/** A buffer came back (before it is free). Absent: nothing to do. */
	void (*returned)(dmaf_pool *pool, dmaf_buf *buf);
	/** The pool goes; every buffer is free. Absent: nothing to do. */
	void (*destroy)(dmaf_pool *pool);
};

/**
 * dmaf_pool_create - cut a region into buffers.
 * @region: the pool takes a reference of its own.
 * @terms: block, stride (a multiple of align), count, segs are used; count * stride must fit.
 * Return: 0, -EINVAL (explained), -ENOMEM.
 */
DMAF_API int dmaf_pool_create(dmaf_pool **out, dmaf_region *region, const struct dmaf_terms *terms,
			      const struct dmaf_pool_ops *ops, void *priv, struct dmaf_err *err);

/**
 * dmaf_pool_open - a pool by its address, for programs that drive their own device:
 * "memory:block=1M,blocks=16" or a device's.
 * Return: 0 or negative errno; then *@out still is a handle for dmaf_explain() and must be closed
 * (NULL only on -ENOMEM).
 */
DMAF_API int dmaf_pool_open(dmaf_pool **out, const char *address);

/** dmaf_pool_close - give the pool back. Sinks opened on it are closed first. NULL is accepted. */
DMAF_API void dmaf_pool_close(dmaf_pool *pool);

/**
 * dmaf_pool_take - the next free buffer, for writing.
 * @timeout_ms: how long to wait, -1: for ever, 0: not at all.
 * Return: 0, -EAGAIN none in that time, or what the sinks it waits for failed with.
 */
DMAF_API int dmaf_pool_take(dmaf_pool *pool, dmaf_buf **buf, int timeout_ms);

/** dmaf_pool_try - dmaf_pool_take() without waiting; NULL: none free. */
DMAF_API dmaf_buf *dmaf_pool_try(dmaf_pool *pool);

DMAF_API unsigned dmaf_pool_free_count(const dmaf_pool *pool);
DMAF_API unsigned dmaf_pool_count(const dmaf_pool *pool);
DMAF_API const struct dmaf_terms *dmaf_pool_terms(const dmaf_pool *pool);
DMAF_API dmaf_region *dmaf_pool_region(const dmaf_pool *pool);
DMAF_API dmaf_buf *dmaf_pool_buf(const dmaf_pool *pool, unsigned index);
DMAF_API void *dmaf_pool_priv(const dmaf_pool *pool);
DMAF_API struct dmaf_err *dmaf_pool_err(dmaf_pool *pool);

/** dmaf_buf_room - bytes that can be written into the buffer: the pool's block. */
DMAF_API size_t dmaf_buf_room(const dmaf_buf *buf);

/**
 * dmaf_buf_iova - where a device writes the buffer: the bus address of its block for the first
 * engine its region is attached to. Asserts that there is one (a caller's bug otherwise).
 */
DMAF_API dmaf_iova dmaf_buf_iova(const dmaf_buf *buf);

/**
 * dmaf_buf_filled - the writer hands over: @len bytes from the block's start are valid, caches are
 * synchronised for the CPU, the content may no longer change. The caller becomes its one reader.
 */
DMAF_API void dmaf_buf_filled(dmaf_buf *buf, size_t len);

/** dmaf_buf_sent - dmaf_buf_filled() for a buffer whose segments the writer has set itself. */
DMAF_API void dmaf_buf_sent(dmaf_buf *buf);

/** dmaf_buf_lend - one more reader. */
DMAF_API void dmaf_buf_lend(dmaf_buf *buf);

/** dmaf_buf_return - a reader is done; the last one's return frees the buffer. */
DMAF_API void dmaf_buf_return(dmaf_buf *buf);

/** dmaf_buf_abandon - the writer gives it back unfilled. */
DMAF_API void dmaf_buf_abandon(dmaf_buf *buf);

/** dmaf_buf_data - where the writer writes, or where a reader finds segment 0. */
static inline void *dmaf_buf_data(const dmaf_buf *buf)
{
	return (char *)buf->seg[0].region->cpu + buf->seg[0].off;
}

/** dmaf_seg_data - CPU address of a segment. */
static inline void *dmaf_seg_data(const struct dmaf_seg *seg)
{
	return (char *)seg->region->cpu + seg->off;
}

#ifdef __cplusplus
}
#endif
#endif
