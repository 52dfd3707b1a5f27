// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queue: fill and done ring, and who owns which block. What user space can write (the two ring
 * headers and the fill entries) is read through base/ring.h, each entry once into a local; who owns
 * a block is kept where it can't reach.
 *
 * d->qlock guards all of it. The syncs run outside: a block that is the device's, or landing, is
 * touched by nobody else, and cleaning a large one takes long.
 */
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"
#include "trace.h"

/* Behind dmaf_queue_create(). */
static int make_ring(void **mem, u64 *len, u32 count, u32 entry, struct dmaf_ring_geometry *g)
{
	u64 bytes = dmaf_ring_bytes(count, entry);

	g->count = count;
	g->entry_size = entry;
	*len = PAGE_ALIGN(bytes);
	*mem = vmalloc_user(*len);
	if (!*mem)
		return -ENOMEM;
	return dmaf_ring_format(*mem, bytes, g);
}

static int make_rings(struct dmaf_queue *q, u32 slots)
{
	struct dmaf_ring_geometry g;
	int err = make_ring(&q->fill_mem, &q->fill_len, slots, sizeof(struct dmaf_drv_fill), &g);

	if (!err)
		err = dmaf_ring_cons_init(&q->fill, q->fill_mem, q->fill_len, &g);
	if (!err)
		err = make_ring(&q->done_mem, &q->done_len, slots, sizeof(struct dmaf_drv_done),
				&g);
	if (!err)
		err = dmaf_ring_prod_init(&q->done, q->done_mem, q->done_len, &g);
	return err;
}

/* -E2BIG, with numbers, if a block is not one bus segment. */
static int check_contiguous(struct dmaf_dev *d, const struct dmaf_queue *q)
{
	u64 shortest = q->block;
	dma_addr_t iova;
	u32 i, bad = 0;

	for (i = 0; i < q->count; i++) {
		u64 run = dmaf_region_run(q->region, i * q->stride, q->block, &iova);

		bad += run < q->block;
		shortest = min(shortest, run);
	}
	if (!bad)
		return 0;
	return dmaf_refuse(d, -E2BIG,
			   "SETUP: %llu contiguous bytes a block asked; %u of %u blocks are not, "
			   "the shortest run is %llu: use an IOMMU, blocks of at most %llu, or a "
			   "device with scatter-gather",
			   q->block, bad, q->count, shortest, shortest);
}

/* @set has been checked, and its stride and ring are settled. */
struct dmaf_queue *dmaf_queue_create(struct dmaf_dev *d, struct dmaf_drv_setup *set)
{
	struct dmaf_queue *q = kzalloc(sizeof(*q), GFP_KERNEL);
	int err = -ENOMEM;

	if (!q)
		return ERR_PTR(err);
	q->block = set->block;
	q->stride = set->stride;
	q->count = set->count;
	q->from_memory = set->flags & DMAF_DRV_SETUP_FROM_MEM;
	q->owner = kvcalloc(q->count, sizeof(*q->owner), GFP_KERNEL);
	q->lens = kvcalloc(q->count, sizeof(*q->lens), GFP_KERNEL);
	if (!q->owner || !q->lens)
		goto free;
	err = make_rings(q, set->ring);
	if (err)
		goto free;
	q->region = dmaf_region_create(d, set, PAGE_ALIGN(set->stride * set->count));
	if (IS_ERR(q->region)) {
		err = PTR_ERR(q->region);
		q->region = NULL;
		goto free;
	}
	if (set->flags & DMAF_DRV_SETUP_CONTIGUOUS) {
		err = check_contiguous(d, q);
		if (err)
			goto free;
	}
	return q;
free:
	dmaf_queue_free(q);
	return ERR_PTR(err);
}

void dmaf_queue_free(struct dmaf_queue *q)
{
	if (!q)
		return;
	/* A dma-buf may hold the pages longer than the device has to know them. */
	if (q->region)
		dmaf_region_unmap(q->region);
	dmaf_region_put(q->region);
	vfree(q->done_mem);
	vfree(q->fill_mem);
	kvfree(q->lens);
	kvfree(q->owner);
	kfree(q);
}

/* ---- under qlock ------------------------------------------------------------------------------
 */

static void stop_by(struct dmaf_dev *d, struct dmaf_queue *q, int err)
{
	if (!q->error) {
		q->error = err;
		q->stats.error = err;
	}
	wake_up_interruptible(&d->wait);
}

/* Puts @e into the done ring. False: there was no slot. */
static bool push(struct dmaf_dev *d, struct dmaf_queue *q, const struct dmaf_drv_done *e)
{
	bool kick;
	int n = dmaf_ring_enqueue_burst(&q->done, e, sizeof(*e), 1, &kick);

	if (n < 0)
		stop_by(d, q, n);
	if (n != 1)
		return false;
	/* Also who sleeps in poll without a ticket is woken: it can't have known better. */
	if (kick || wq_has_sleeper(&d->wait))
		wake_up_interruptible(&d->wait);
	return true;
}

static void refuse_fill(struct dmaf_dev *d, struct dmaf_queue *q, const struct dmaf_drv_fill *e)
{
	if (e->index >= q->count) {
		q->stats.bad_index++;
		dmaf_refuse(d, 0, "fill ring: block %u of %u; stopped", e->index, q->count);
	} else if (e->flags || e->len > q->block) {
		q->stats.bad_index++;
		dmaf_refuse(d, 0,
			    "fill ring: block %u with flags %#x, length %llu of %llu; stopped",
			    e->index, e->flags, e->len, q->block);
	} else {
		q->stats.not_owned++;
		dmaf_refuse(d, 0, "fill ring: block %u is %s; stopped", e->index,
			    q->owner[e->index] == DMAF_OWNER_USER ? "in use as a dma-buf"
								  : "not the user's");
	}
	stop_by(d, q, -EPROTO);
}

static bool fill_is_fine(const struct dmaf_queue *q, const struct dmaf_drv_fill *e)
{
	return e->index < q->count && !e->flags && e->len <= q->block &&
	       q->owner[e->index] == DMAF_OWNER_USER && !dmaf_exported(q->region, e->index);
}

static void given(struct dmaf_queue *q, u32 index, u64 len)
{
	q->owner[index] = DMAF_OWNER_DEVICE;
	q->lens[index] = len;
}

/* A block that no done entry could return, if there is one: the device's already. */
static bool take_spare(struct dmaf_queue *q, u32 *index)
{
	if (!q->spares)
		return false;
	for (*index = 0; q->owner[*index] != DMAF_OWNER_SPARE; (*index)++)
		;
	q->spares--;
	given(q, *index, q->lens[*index]);
	return true;
}

/* 1: @e was read; 0: none, and the user will kick; negative: stopped. */
static int next_fill(struct dmaf_dev *d, struct dmaf_queue *q, struct dmaf_drv_fill *e)
{
	bool kick;
	int n = dmaf_ring_dequeue_burst(&q->fill, e, sizeof(*e), 1, &kick);

	if (!n) {
		n = dmaf_ring_cons_sleep(&q->fill, 1);
		q->starved = n == 1;
		if (n == 1)
			return 0;
		if (!n)
			n = dmaf_ring_dequeue_burst(&q->fill, e, sizeof(*e), 1, &kick);
	}
	if (n < 0) {
		stop_by(d, q, n);
		return n;
	}
	if (q->starved)
		dmaf_ring_cons_awake(&q->fill);
	q->starved = false;
	if (kick) /* who sleeps for room in the fill ring */
		wake_up_interruptible(&d->wait);
	return n;
}

static int take_locked(struct dmaf_dev *d, struct dmaf_queue *q, u32 *index)
{
	struct dmaf_drv_fill e;
	int n;

	if (!q || !q->running)
		return -ESHUTDOWN;
	if (q->error)
		return -EPROTO;
	if (take_spare(q, index))
		return 0;
	n = next_fill(d, q, &e);
	if (n <= 0)
		return n ? -EPROTO : -EAGAIN;
	if (!fill_is_fine(q, &e)) {
		refuse_fill(d, q, &e);
		return -EPROTO;
	}
	*index = e.index;
	given(q, e.index, e.len ? e.len : q->block);
	return 0;
}

/* ---- for front ends ----------------------------------------------------------------------------
 */

int dmaflow_take(struct dmaf_dev *d, struct dmaflow_block *b)
{
	struct dmaf_synced s;
	struct dmaf_queue *q;
	unsigned long irq;
	int err;

	spin_lock_irqsave(&d->qlock, irq);
	q = d->q;
	err = take_locked(d, q, &b->index);
	if (!err)
		b->len = q->lens[b->index];
	spin_unlock_irqrestore(&d->qlock, irq);
	if (err)
		return err;
	b->off = b->index * q->stride;
	s = dmaf_region_sync(q->region, b->off, b->len, false);
	spin_lock_irqsave(&d->qlock, irq);
	q->stats.sync_device_bytes += s.bytes;
	q->stats.bounced_bytes += s.bounced;
	spin_unlock_irqrestore(&d->qlock, irq);
	trace_dmaflow_take(d->dev.id, b->index, b->len);
	return 0;
}
EXPORT_SYMBOL_GPL(dmaflow_take);

static void deliver(struct dmaf_dev *d, struct dmaf_queue *q, struct dmaf_drv_done *e)
{
	e->seq = q->seq++;
	q->lens[e->index] = q->block;
	if (push(d, q, e)) {
		q->owner[e->index] = DMAF_OWNER_USER;
		q->stats.filled++;
		q->stats.bytes += e->len;
		return;
	}
	/* The new one is dropped, and its block kept for the next. */
	q->owner[e->index] = DMAF_OWNER_SPARE;
	q->spares++;
	q->stats.lost_done_full++;
}

void dmaflow_done(struct dmaf_dev *d, const struct dmaflow_block *b, u64 len, u32 flags, u64 ticks)
{
	struct dmaf_drv_done e = {
		.index = b->index,
		.flags = flags & (DMAF_DRV_PARTIAL | DMAF_DRV_DAMAGED | DMAF_DRV_LAST),
		.mono_ns = ktime_get_ns(),
		.ticks = ticks,
	};
	struct dmaf_synced s;
	struct dmaf_queue *q;
	unsigned long irq;
	bool ours;

	spin_lock_irqsave(&d->qlock, irq);
	q = d->q;
	ours = q && b->index < q->count && q->owner[b->index] == DMAF_OWNER_DEVICE;
	if (ours) {
		/* A device that says more than it was given is not believed. */
		e.len = min(len, q->lens[b->index]);
		if (len > e.len)
			e.flags |= DMAF_DRV_DAMAGED;
		q->owner[b->index] = DMAF_OWNER_LANDING;
	}
	spin_unlock_irqrestore(&d->qlock, irq);
	if (WARN_ONCE(!ours, "dmaflow: %s: block %u was not the device's\n", d->name, b->index))
		return;

	s = dmaf_region_sync(q->region, b->index * q->stride, e.len, true);

	spin_lock_irqsave(&d->qlock, irq);
	q->stats.sync_cpu_bytes += s.bytes;
	q->stats.bounced_bytes += s.bounced;
	deliver(d, q, &e);
	spin_unlock_irqrestore(&d->qlock, irq);
	trace_dmaflow_done(d->dev.id, e.index, e.len, e.seq, e.flags);
}
EXPORT_SYMBOL_GPL(dmaflow_done);

void dmaflow_lost(struct dmaf_dev *d, u64 blocks, enum dmaflow_loss why)
{
	unsigned long irq;

	spin_lock_irqsave(&d->qlock, irq);
	if (d->q) {
		d->q->seq += blocks;
		if (why == DMAFLOW_NO_BLOCK)
			d->q->stats.lost_no_block += blocks;
		else
			d->q->stats.lost_device += blocks;
	}
	spin_unlock_irqrestore(&d->qlock, irq);
	trace_dmaflow_lost(d->dev.id, blocks, why);
}
EXPORT_SYMBOL_GPL(dmaflow_lost);

void dmaflow_interrupt(struct dmaf_dev *d)
{
	unsigned long irq;

	spin_lock_irqsave(&d->qlock, irq);
	if (d->q)
		d->q->stats.interrupts++;
	spin_unlock_irqrestore(&d->qlock, irq);
}
EXPORT_SYMBOL_GPL(dmaflow_interrupt);

void dmaflow_failed(struct dmaf_dev *d, int err)
{
	unsigned long irq;

	spin_lock_irqsave(&d->qlock, irq);
	if (d->q)
		stop_by(d, d->q, err);
	spin_unlock_irqrestore(&d->qlock, irq);
}
EXPORT_SYMBOL_GPL(dmaflow_failed);

/* ---- under d->lock ------------------------------------------------------------------------------
 */

int dmaf_queue_start(struct dmaf_dev *d, struct dmaf_queue *q)
{
	struct dmaflow_run run = {
		.block = q->block,
		.count = q->count,
		.from_memory = q->from_memory,
	};
	int err;

	spin_lock_irq(&d->qlock);
	q->seq = 0;
	q->running = true;
	spin_unlock_irq(&d->qlock);
	err = d->ops->start(d->priv, &run);
	if (!err)
		return 0;
	dmaf_queue_stop(d, q);
	return dmaf_refuse(d, err, "START: the device refused: error %d", err);
}

/* Everything unfilled goes back: what the device had first, then what it had yet to take. */
static void return_all(struct dmaf_dev *d, struct dmaf_queue *q)
{
	struct dmaf_drv_done e = {.flags = DMAF_DRV_RETURNED, .mono_ns = ktime_get_ns()};
	struct dmaf_drv_fill f;
	u32 i;

	for (i = 0; i < q->count; i++) {
		if (q->owner[i] != DMAF_OWNER_DEVICE)
			continue;
		e.index = i;
		if (push(d, q, &e)) {
			q->owner[i] = DMAF_OWNER_USER;
			continue;
		}
		q->owner[i] = DMAF_OWNER_SPARE;
		q->spares++;
	}
	while (!q->error && next_fill(d, q, &f) == 1) {
		if (!fill_is_fine(q, &f)) {
			refuse_fill(d, q, &f);
			break;
		}
		e.index = f.index;
		if (push(d, q, &e))
			continue;
		q->owner[f.index] = DMAF_OWNER_SPARE;
		q->lens[f.index] = q->block;
		q->spares++;
	}
}

void dmaf_queue_stop(struct dmaf_dev *d, struct dmaf_queue *q)
{
	if (!q->running)
		return;
	d->ops->stop(d->priv);
	spin_lock_irq(&d->qlock);
	q->running = false;
	return_all(d, q);
	spin_unlock_irq(&d->qlock);
	wake_up_interruptible(&d->wait);
}

void dmaf_queue_kick(struct dmaf_dev *d, struct dmaf_queue *q)
{
	spin_lock_irq(&d->qlock);
	q->stats.kicks++;
	if (q->starved)
		dmaf_ring_cons_awake(&q->fill);
	q->starved = false;
	spin_unlock_irq(&d->qlock);
	if (q->running && d->ops->kick)
		d->ops->kick(d->priv);
}

/* ---- where a block lies
 * --------------------------------------------------------------------------- */

dmaf_iova dmaflow_block_run(struct dmaf_dev *d, const struct dmaflow_block *b, u64 at, u64 *len)
{
	dma_addr_t iova;

	*len = dmaf_region_run(d->q->region, b->off + at, b->len - at, &iova);
	return dmaf_iova_make(iova);
}
EXPORT_SYMBOL_GPL(dmaflow_block_run);

struct page *dmaflow_block_page(struct dmaf_dev *d, const struct dmaflow_block *b, u64 at,
				u32 *in_page)
{
	*in_page = offset_in_page(b->off + at);
	return d->q->region->pages[(b->off + at) >> PAGE_SHIFT];
}
EXPORT_SYMBOL_GPL(dmaflow_block_page);

int dmaflow_block_sg(struct dmaf_dev *d, const struct dmaflow_block *b, struct scatterlist *sg,
		     unsigned int max)
{
	unsigned int n = 0;
	u64 at = 0;

	sg_init_table(sg, max);
	for (; at < b->len; n++) {
		dma_addr_t iova;
		u32 in_page;
		struct page *page = dmaflow_block_page(d, b, at, &in_page);
		u64 len = dmaf_region_run(d->q->region, b->off + at,
					  min_t(u64, b->len - at, 1u << 30), &iova);

		if (n == max)
			return -E2BIG;
		sg_set_page(&sg[n], page, len, in_page);
		sg_dma_address(&sg[n]) = iova;
		sg_dma_len(&sg[n]) = len;
		at += len;
	}
	sg_mark_end(&sg[n - 1]);
	return n;
}
EXPORT_SYMBOL_GPL(dmaflow_block_sg);
