// SPDX-License-Identifier: MIT
/* dma: as a source: empty blocks go down the fill ring, filled ones come up the done ring. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "plugins/dma/dma.h"

struct dma_source {
	struct dma_end end;
	uint64_t next_seq, next_off;
	bool last; /* the device's stream has ended */
};

static int source_open(dmaf_source *src)
{
	struct dma_source *s = calloc(1, sizeof(*s));
	int rc;

	src->p.priv = s;
	if (!s)
		return dmaf_fail(&src->p.err, -ENOMEM, "%s: no memory",
				 dmaf_addr_text(src->p.addr));
	rc = dma_open(&s->end, &src->p);
	if (rc)
		return rc;
	/* Nobody can tell a device to wait; at best it does so when no block is free. */
	src->flags |= DMAF_SRC_NOT_PAUSABLE;
	if (dmaf_driver_info(s->end.drv)->caps & DMAF_DRV_CAP_OVERWRITES)
		src->flags |= DMAF_SRC_OVERWRITING;
	src->stream.clock = DMAF_CLOCK_MONOTONIC;
	if (getrandom(src->stream.id, sizeof(src->stream.id), 0) != sizeof(src->stream.id))
		return dmaf_fail(&src->p.err, -EIO, "%s: no random stream id",
				 dmaf_addr_text(src->p.addr));
	return 0;
}

static int source_pool(dmaf_source *src, const struct dmaf_terms *terms, dmaf_pool **pool)
{
	return dma_pool(src->p.priv, &src->p, terms, pool);
}

static int source_attach(dmaf_source *src)
{
	src->stream.block = dmaf_pool_terms(src->pool)->block;
	return dma_attach(src->p.priv, &src->p, src->pool);
}

static int source_queue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return dma_give(src->p.priv, &src->p, bufs, n, false);
}

static void number(dmaf_source *src, struct dma_source *s, dmaf_buf *b,
		   const struct dmaf_drv_done *e)
{
	uint64_t lost = e->seq - s->next_seq, block = dmaf_pool_terms(src->pool)->block;

	src->p.count.lost += lost;
	src->p.count.lost_bytes += lost * block;
	s->next_off += lost * block;
	s->next_seq = e->seq + 1;
	b->seq = e->seq;
	b->offset = s->next_off;
	s->next_off += e->len;
	b->mono_ns = e->mono_ns;
	b->ts_ns = e->mono_ns;
	b->ticks = e->ticks;
	b->flags = (e->flags & DMAF_DRV_PARTIAL ? DMAF_BUF_PARTIAL : 0) |
		   (e->flags & DMAF_DRV_DAMAGED ? DMAF_BUF_ERROR : 0) |
		   (e->flags & DMAF_DRV_LAST ? DMAF_BUF_LAST : 0);
	src->p.count.errors += e->flags & DMAF_DRV_DAMAGED ? 1 : 0;
	s->last |= (e->flags & DMAF_DRV_LAST) != 0;
}

/* One entry of the done ring. Return: its buffer; NULL, there is none, or the device lied. */
static dmaf_buf *filled(dmaf_source *src, struct dma_source *s, const struct dmaf_drv_done *e)
{
	dmaf_buf *b;

	if (e->flags & DMAF_DRV_RETURNED)
		return NULL; /* it stays in .given until cancel() gives it up */
	if (e->seq >= s->next_seq && s->end.given[e->index]) {
		b = dma_take_back(&s->end, e->index);
		number(src, s, b, e);
		dmaf_buf_filled(b, (size_t)e->len);
		return b;
	}
	/* A ring that overwrites comes round again while the last one's reader still has it. */
	if (src->flags & DMAF_SRC_OVERWRITING)
		return NULL;
	s->end.failed = dmaf_fail(
		&src->p.err, -EPROTO,
		"%s: the driver says that block %u was filled as number %" PRIu64 ", but it was %s",
		dmaf_addr_text(src->p.addr), e->index, e->seq,
		s->end.given[e->index] ? "behind that already" : "not given to it");
	return NULL;
}

static int source_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct dma_source *s = src->p.priv;
	struct dmaf_drv_done e[DMA_BATCH];
	int got = 0, out = 0;

	while (!out && !s->end.failed) {
		got = dmaf_driver_take(s->end.drv, e, n < DMA_BATCH ? n : DMA_BATCH, &src->p.err);
		if (got <= 0)
			break;
		for (int i = 0; i < got && !s->end.failed; i++) {
			dmaf_buf *b = filled(src, s, &e[i]);

			if (b)
				bufs[out++] = b;
		}
	}
	dma_look(&s->end, &src->p, false);
	if (out)
		return out; /* what went wrong behind them shows with the next call */
	if (got < 0)
		return s->end.failed = got;
	if (!s->end.failed && (s->end.stopped || s->last))
		return DMAF_END;
	return dma_nothing(&s->end, &src->p);
}

/* The device writes a ring round: block seq's place is used again by block seq + count. */
static int source_intact(dmaf_source *src, const dmaf_buf *buf)
{
	struct dma_source *s = src->p.priv;
	struct dmaf_drv_stats st;

	if (dmaf_driver_stats(s->end.drv, &st))
		return 0;
	return st.filled + st.lost_no_block + st.lost_done_full + st.lost_device <
	       buf->seq + s->end.count;
}

static int source_stop(dmaf_source *src)
{
	struct dma_source *s = src->p.priv;

	dmaf_driver_stop(s->end.drv);
	s->end.stopped = true;
	dma_look(&s->end, &src->p, true);
	return 0;
}

static int source_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct dma_source *s = src->p.priv;
	unsigned out = 0;

	if (!s || !s->end.drv)
		return 0;
	dmaf_driver_stop(s->end.drv);
	dma_look(&s->end, &src->p, true);
	while (out < n && (bufs[out] = dma_take_any(&s->end)))
		out++;
	return (int)out;
}

static void source_wait(dmaf_source *src, struct dmaf_wait *w)
{
	dma_wait(src->p.priv, w);
}

static void source_close(dmaf_source *src)
{
	dma_close(src->p.priv);
}

const struct dmaf_source_ops dma_source_ops = {
	.open = source_open,
	.pool = source_pool,
	.attach = source_attach,
	.queue = source_queue,
	.dequeue = source_dequeue,
	.intact = source_intact,
	.stop = source_stop,
	.cancel = source_cancel,
	.wait = source_wait,
	.close = source_close,
};
