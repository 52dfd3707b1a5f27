// SPDX-License-Identifier: MIT
/* dma: as a sink: filled blocks go down the fill ring, and come up when the device has read them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/dma/dma.h"

struct dma_sink {
	struct dma_end end;
	dmaf_buf **ready; /* done with, not yet reaped: empty ones */
	unsigned nready;
	uint64_t next_seq, next_off;
};

static int sink_open(dmaf_sink *sink)
{
	struct dma_sink *s = calloc(1, sizeof(*s));
	const dmaf_addr *a = sink->p.addr;
	int rc;

	sink->p.priv = s;
	if (!s)
		return dmaf_fail(&sink->p.err, -ENOMEM, "%s: no memory", dmaf_addr_text(a));
	s->end.from_memory = true;
	rc = dma_open(&s->end, &sink->p);
	if (rc)
		return rc;
	sink->p.need.segs = 1;
	sink->p.need.block_want = (size_t)dmaf_addr_u64(a, "block", 0);
	sink->p.need.count_want = (unsigned)dmaf_addr_u64(a, "blocks", 0);
	return 0;
}

static int sink_pool(dmaf_sink *sink, const struct dmaf_terms *terms, dmaf_pool **pool)
{
	return dma_pool(sink->p.priv, &sink->p, terms, pool);
}

static int sink_attach(dmaf_sink *sink)
{
	struct dma_sink *s = sink->p.priv;
	int rc = dma_attach(&s->end, &sink->p, sink->pool);

	if (rc)
		return rc;
	s->ready = calloc(s->end.count, sizeof(*s->ready));
	return s->ready ? 0
			: dmaf_fail(&sink->p.err, -ENOMEM, "%s: no memory",
				    dmaf_addr_text(sink->p.addr));
}

/* The fill ring names a block and a length: what the device reads begins where the block does. */
static int check_place(dmaf_sink *sink, const dmaf_buf *b)
{
	if (b->nsegs == 1 && b->seg[0].region == b->home.region && b->seg[0].off == b->home.off)
		return 0;
	return dmaf_fail(&sink->p.err, -EINVAL,
			 "%s: a buffer of %u parts, or one that begins inside its block (slice=); "
			 "the device reads blocks from their start",
			 dmaf_addr_text(sink->p.addr), b->nsegs);
}

static int sink_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	struct dma_sink *s = sink->p.priv;
	unsigned i;

	for (i = 0; i < n; i++) {
		uint64_t skipped;
		int rc = s->end.failed;

		if (!rc)
			rc = dmaf_gap_check(sink, bufs[i], &s->next_seq, &s->next_off, &skipped);
		if (!rc)
			rc = check_place(sink, bufs[i]);
		if (!rc && !bufs[i]->len)
			s->ready[s->nready++] = bufs[i];
		else if (!rc)
			rc = dma_give(&s->end, &sink->p, &bufs[i], 1, true);
		if (rc < 0)
			return i ? (int)i : rc;
	}
	return (int)i;
}

static int sink_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	struct dma_sink *s = sink->p.priv;
	struct dmaf_drv_done e[DMA_BATCH];
	unsigned out = 0;
	int got;

	while (out < n && s->nready)
		bufs[out++] = s->ready[--s->nready];
	if (out == n)
		return (int)out;
	got = dmaf_driver_take(s->end.drv, e, n - out < DMA_BATCH ? n - out : DMA_BATCH,
			       &sink->p.err);
	for (int i = 0; i < got; i++) {
		dmaf_buf *b = dma_take_back(&s->end, e[i].index);

		if (!b)
			continue; /* cancelled: given back already */
		if (e[i].flags & DMAF_DRV_RETURNED)
			b->status = -ECANCELED;
		else if (e[i].flags & DMAF_DRV_DAMAGED)
			b->status = -EIO;
		bufs[out++] = b;
	}
	dma_look(&s->end, &sink->p, false);
	if (got < 0)
		s->end.failed = got;
	/* A device that was unplugged says nothing of its blocks, and reads them no more. */
	while (s->end.stopped && got <= 0 && out < n && (bufs[out] = dma_take_any(&s->end)))
		bufs[out++]->status = -ECANCELED;
	if (out || s->end.stopped)
		return (int)out;
	return dma_nothing(&s->end, &sink->p);
}

static int sink_flush(dmaf_sink *sink, enum dmaf_flush how)
{
	struct dma_sink *s = sink->p.priv;

	if (how == DMAF_FLUSH_FINISH && s->end.out)
		return s->end.failed ? s->end.failed : -EAGAIN;
	dma_look(&s->end, &sink->p, true);
	return 0;
}

static void sink_cancel(dmaf_sink *sink)
{
	struct dma_sink *s = sink->p.priv;

	dmaf_driver_stop(s->end.drv);
	s->end.stopped = true;
}

static void sink_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	struct dma_sink *s = sink->p.priv;

	if (s->nready)
		dmaf_wait_until(w, 1);
	else if (s->end.out)
		dma_wait(&s->end, w);
}

static void sink_close(dmaf_sink *sink)
{
	struct dma_sink *s = sink->p.priv;

	if (s)
		free(s->ready);
	dma_close(sink->p.priv);
}

const struct dmaf_sink_ops dma_sink_ops = {
	.open = sink_open,
	.pool = sink_pool,
	.attach = sink_attach,
	.submit = sink_submit,
	.reap = sink_reap,
	.flush = sink_flush,
	.cancel = sink_cancel,
	.wait = sink_wait,
	.close = sink_close,
};
