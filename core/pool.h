/* SPDX-License-Identifier: MIT */
/* What the core knows of a pool beyond the public header. */
#ifndef DMAF_CORE_POOL_H
#define DMAF_CORE_POOL_H

#include <dmaflow/buf.h>
#include <dmaflow/plugin.h>

#define DMAF_POOL_SINKS 8

struct dmaf_pool {
	const struct dmaf_pool_ops *ops;
	void *priv;
	dmaf_region *region;
	struct dmaf_terms terms;
	struct dmaf_err err;
	dmaf_addr *addr; /* of a pool opened by address */
	dmaf_buf *bufs;
	struct dmaf_seg *segs;
	dmaf_buf **free; /* a stack: the block used last is the one the caches still hold */
	unsigned nfree;
	unsigned kept;    /* by sinks that never gave them back */
	bool overwriting; /* a device writes whenever it likes: blocks can't be protected */
	/* Sinks opened on it without a flow: dmaf_pool_take() moves them on while it waits. */
	unsigned nsinks;
	struct dmaf_sink *sink[DMAF_POOL_SINKS];
};

/* A buffer that a flow took back from its last reader; like dmaf_buf_return() without the count. */
void dmaf_pool_put(dmaf_pool *pool, dmaf_buf *buf);

/* The device writes to every block whenever it likes: none can be protected any more. */
void dmaf_pool_share(dmaf_pool *pool);

/* Bytes as people read them: "16 MiB", "1000". @size of 24 is always enough. */
const char *dmaf_bytes_text(uint64_t bytes, char *buf, size_t size);

#endif
