/* SPDX-License-Identifier: MIT */
/*
 * A copy with a name: between parties that share no memory, and behind a source that overwrites
 * what it gave.
 */
#include <stdlib.h>
#include <string.h>

#include "core/flow_internal.h"

static int copy_submit(dmaf_stage *stage, dmaf_buf *const *bufs, unsigned n)
{
	struct copy_stage *c = stage->p.priv;
	unsigned i;

	for (i = 0; i < n && c->nin < FLOW_BATCH && c->nout < FLOW_BATCH; i++) {
		const dmaf_buf *from = bufs[i];
		dmaf_buf *to = dmaf_pool_try(stage->pool);
		char *at;

		if (!to)
			break;
		at = dmaf_buf_data(to);
		for (unsigned s = 0; s < from->nsegs; s++) {
			memcpy(at, dmaf_seg_data(&from->seg[s]), from->seg[s].len);
			at += from->seg[s].len;
		}
		dmaf_copied(&stage->p.count, c->reason, from->len);
		c->in[c->nin++] = bufs[i];
		if (c->src && c->src->ops->intact && !c->src->ops->intact(c->src, from)) {
			stage->p.count.lost++;
			dmaf_buf_abandon(to);
			continue;
		}
		to->seq = from->seq;
		to->offset = from->offset;
		to->ts_ns = from->ts_ns;
		to->mono_ns = from->mono_ns;
		to->ticks = from->ticks;
		to->flags = from->flags;
		dmaf_buf_filled(to, from->len);
		c->out[c->nout++] = to;
	}
	return (int)i;
}

static int give(dmaf_buf **from, unsigned *have, dmaf_buf **bufs, unsigned n)
{
	if (n > *have)
		n = *have;
	memcpy(bufs, from, n * sizeof(*bufs));
	*have -= n;
	memmove(from, from + n, *have * sizeof(*from));
	return (int)n;
}

static int copy_dequeue(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	struct copy_stage *c = stage->p.priv;

	return give(c->out, &c->nout, bufs, n);
}

static int copy_reap(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	struct copy_stage *c = stage->p.priv;
	unsigned given = c->nin - c->nout; /* inputs whose copies have been dequeued: the oldest */

	return give(c->in, &c->nin, bufs, n < given ? n : given);
}

static void copy_wait(dmaf_stage *stage, struct dmaf_wait *w)
{
	(void)stage; /* waits for an output buffer only, which a sink's wait tells of */
	(void)w;
}

static void copy_close(dmaf_stage *stage)
{
	free(stage->p.priv);
}

const struct dmaf_stage_ops dmaf_copy_stage_ops = {
	.submit = copy_submit,
	.dequeue = copy_dequeue,
	.reap = copy_reap,
	.wait = copy_wait,
	.close = copy_close,
};

const struct dmaf_kind dmaf_copy_kind = {
	.abi = DMAF_ABI,
	.name = "copy",
	.help = "a copy between parties that share no memory",
	.main = "",
	.stage = &dmaf_copy_stage_ops,
};
