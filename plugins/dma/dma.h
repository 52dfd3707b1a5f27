/* SPDX-License-Identifier: MIT */
/* One end of a flow that is a device behind dmaflow.ko: what source and sink share. */
#ifndef DMAF_PLUGINS_DMA_H
#define DMAF_PLUGINS_DMA_H

#include <dmaflow/plugin.h>

#include "mem/driver.h"

#define DMA_BATCH 32u

enum dma_memory { DMA_MEMORY_DRIVER, DMA_MEMORY_USER, DMA_MEMORY_HUGE };

struct dma_end {
	struct dmaf_driver *drv;
	dmaf_buf **given;    /* by index: buffers that the device has */
	unsigned count, out; /* blocks; how many of them are given */
	bool from_memory;    /* the device reads: a sink */
	bool set_up, stopped;
	bool waiting; /* a wait for the device has been asked for */
	int failed;   /* negative errno of what went wrong behind what was given out; explained */
	uint64_t looked_ns, bounced, lost_noted;
};

/* Open the device that the address names and say what it needs; .from_memory is set already. */
int dma_open(struct dma_end *e, struct dmaf_party *p);

/* Memory as memory= says, given to the device, and a pool of it. */
int dma_pool(struct dma_end *e, struct dmaf_party *p, const struct dmaf_terms *terms,
	     dmaf_pool **pool);

/* The pool is settled: another's memory is given to the device. */
int dma_attach(struct dma_end *e, struct dmaf_party *p, dmaf_pool *pool);

/*
 * What the device did with its blocks since the last look, at most every 100 ms unless @now: copies
 * of a bounce buffer, and why something was lost.
 */
void dma_look(struct dma_end *e, struct dmaf_party *p, bool now);

/*
 * Buffers to the device, which begins with the first. @bytes: only the filled part, for a device
 * that reads. Return: how many of @n, or negative errno and none.
 */
int dma_give(struct dma_end *e, struct dmaf_party *p, dmaf_buf *const *bufs, unsigned n,
	     bool bytes);

/* Nothing has come: 0, or why nothing will. */
int dma_nothing(struct dma_end *e, struct dmaf_party *p);

/* The block of a done entry, which becomes the program's again; NULL: it wasn't given. */
dmaf_buf *dma_take_back(struct dma_end *e, uint32_t index);

/* Any given block, once the device has stopped; NULL: none left. */
dmaf_buf *dma_take_any(struct dma_end *e);

void dma_wait(struct dma_end *e, struct dmaf_wait *w);
void dma_close(struct dma_end *e);

extern const struct dmaf_source_ops dma_source_ops;
extern const struct dmaf_sink_ops dma_sink_ops;

#endif
