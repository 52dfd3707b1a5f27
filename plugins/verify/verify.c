/* SPDX-License-Identifier: MIT */
/* verify: looks at every byte of what pattern: made, as a sink or in passing. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <dmaflow/plugin.h>

#include "plugins/common/pattern_data.h"
#include "plugins/plugins.h"

struct verify {
	dmaf_buf **held;
	unsigned head, n, cap;
	uint64_t seed, next_seq, next_off;
};

static const struct dmaf_opt options[] = {
	{"seed", DMAF_OPT_COUNT, "start value of the pattern", 0},
	{NULL},
};

static int make(struct verify **out, const dmaf_addr *a, const dmaf_pool *pool,
		struct dmaf_err *err)
{
	struct verify *v = calloc(1, sizeof(*v));

	if (v) {
		v->cap = dmaf_pool_count(pool);
		v->held = calloc(v->cap, sizeof(*v->held));
	}
	if (!v || !v->held) {
		free(v);
		return dmaf_fail(err, -ENOMEM, "verify: no memory");
	}
	v->seed = dmaf_addr_u64(a, "seed", 0);
	*out = v;
	return 0;
}

static int differs(struct verify *v, const dmaf_buf *b, uint64_t offset, const uint8_t *data,
		   size_t at, struct dmaf_party *p)
{
	return dmaf_fail(&p->err, -EILSEQ,
			 "%s: byte %" PRIu64
			 " of the stream is 0x%02x instead of 0x%02x (buffer %" PRIu64
			 ", byte %" PRIu64 " of it)",
			 dmaf_addr_text(p->addr), offset + at, data[at],
			 dmaf_pattern_byte(offset + at, v->seed), b->seq, offset + at - b->offset);
}

static int check(struct verify *v, const dmaf_buf *b, struct dmaf_party *p)
{
	uint64_t offset = b->offset;

	for (unsigned i = 0; i < b->nsegs; i++) {
		const uint8_t *data = dmaf_seg_data(&b->seg[i]);
		size_t good = dmaf_pattern_check(data, b->seg[i].len, offset, v->seed);

		if (good < b->seg[i].len)
			return differs(v, b, offset, data, good, p);
		offset += b->seg[i].len;
	}
	dmaf_copied(&p->count, dmaf_copy_verify, b->len);
	return 0;
}

static int take(struct verify *v, dmaf_buf *const *bufs, unsigned n, struct dmaf_party *p)
{
	unsigned i;

	for (i = 0; i < n && v->n < v->cap; i++) {
		int rc = check(v, bufs[i], p);
		unsigned at = v->head + v->n;

		if (rc)
			return i ? (int)i : rc; /* the same buffer is offered, and refused, again */
		v->held[at >= v->cap ? at - v->cap : at] = bufs[i];
		v->n++;
	}
	return (int)i;
}

static int give(struct verify *v, dmaf_buf **bufs, unsigned n)
{
	unsigned i;

	for (i = 0; i < n && v->n; i++) {
		bufs[i] = v->held[v->head];
		v->head = v->head + 1 == v->cap ? 0 : v->head + 1;
		v->n--;
	}
	return (int)i;
}

static void destroy(struct verify *v)
{
	if (v)
		free(v->held);
	free(v);
}

static int sink_open(dmaf_sink *sink)
{
	sink->p.count.path = "verify";
	return 0;
}

static int sink_attach(dmaf_sink *sink)
{
	struct verify *v = NULL;
	int rc = make(&v, sink->p.addr, sink->pool, &sink->p.err);

	sink->p.priv = v;
	return rc;
}

static int sink_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	struct verify *v = sink->p.priv;
	unsigned i;

	for (i = 0; i < n && v->n < v->cap; i++) {
		uint64_t skipped;
		int rc = dmaf_gap_check(sink, bufs[i], &v->next_seq, &v->next_off, &skipped);

		if (!rc)
			rc = take(v, &bufs[i], 1, &sink->p);
		if (rc < 0)
			return i ? (int)i
				 : rc; /* the next round offers it again, and it fails again */
	}
	return (int)i;
}

static int sink_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	return give(sink->p.priv, bufs, n);
}

static void sink_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	(void)sink; /* always ready */
	(void)w;
}

static void sink_close(dmaf_sink *sink)
{
	destroy(sink->p.priv);
}

static int stage_open(dmaf_stage *stage)
{
	stage->p.count.path = "verify";
	return 0;
}

static int stage_attach(dmaf_stage *stage)
{
	struct verify *v = NULL;
	int rc = make(&v, stage->p.addr, stage->in_pool, &stage->p.err);

	stage->p.priv = v;
	return rc;
}

static int stage_submit(dmaf_stage *stage, dmaf_buf *const *bufs, unsigned n)
{
	return take(stage->p.priv, bufs, n, &stage->p);
}

static int stage_dequeue(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	return stage->p.priv ? give(stage->p.priv, bufs, n) : 0;
}

static void stage_wait(dmaf_stage *stage, struct dmaf_wait *w)
{
	(void)stage;
	(void)w;
}

static void stage_close(dmaf_stage *stage)
{
	destroy(stage->p.priv);
}

static const struct dmaf_sink_ops verify_sink = {
	.open = sink_open,
	.attach = sink_attach,
	.submit = sink_submit,
	.reap = sink_reap,
	.wait = sink_wait,
	.close = sink_close,
};

static const struct dmaf_stage_ops verify_stage = {
	.open = stage_open,
	.attach = stage_attach,
	.submit = stage_submit,
	.dequeue = stage_dequeue,
	.wait = stage_wait,
	.close = stage_close,
};

const struct dmaf_kind dmaf_kind_verify = {
	.abi = DMAF_ABI,
	.name = "verify",
	.help = "compares every byte with what pattern: makes; fails at the first that differs",
	.main = "",
	.opts = options,
	.stage = &verify_stage,
	.sink = &verify_sink,
};
