/* SPDX-License-Identifier: MIT */
/*
 * null: gives empty buffers and takes any. The template for a kind of your own: every op that is
 * absent here has a documented default.
 */
#include <stdlib.h>
#include <string.h>

#include <dmaflow/plugin.h>

#include "plugins/plugins.h"

/* One of these a side; a ring would do too, but order doesn't matter for nothing. */
struct null_side {
	dmaf_buf **held;
	unsigned n, cap;
	uint64_t seq, offset;
	size_t len;
};

static int null_alloc(struct null_side **out, const dmaf_pool *pool)
{
	struct null_side *s = calloc(1, sizeof(*s));

	if (s) {
		s->cap = dmaf_pool_count(pool);
		s->held = calloc(s->cap, sizeof(*s->held));
	}
	if (!s || !s->held) {
		free(s);
		return -1;
	}
	*out = s;
	return 0;
}

static void null_free(struct null_side *s)
{
	if (s)
		free(s->held);
	free(s);
}

static int null_give(struct null_side *s, dmaf_buf **bufs, unsigned n)
{
	if (n > s->n)
		n = s->n;
	s->n -= n;
	memcpy(bufs, s->held + s->n, n * sizeof(*bufs));
	return (int)n;
}

static int null_take(struct null_side *s, dmaf_buf *const *bufs, unsigned n)
{
	if (n > s->cap - s->n)
		n = s->cap - s->n;
	memcpy(s->held + s->n, bufs, n * sizeof(*bufs));
	s->n += n;
	return (int)n;
}

static int source_open(dmaf_source *src)
{
	src->p.count.path = "null";
	return 0;
}

static int source_attach(dmaf_source *src)
{
	struct null_side *s;

	if (null_alloc(&s, src->pool))
		return dmaf_fail(&src->p.err, -ENOMEM, "null: no memory for a list of buffers");
	src->p.priv = s;
	s->len = (size_t)dmaf_addr_u64(src->p.addr, "fill", dmaf_pool_terms(src->pool)->block);
	return 0;
}

static int source_queue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return null_take(src->p.priv, bufs, n);
}

static int source_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct null_side *s = src->p.priv;
	int got = null_give(s, bufs, n);
	uint64_t now = got ? dmaf_now_ns() : 0;

	for (int i = 0; i < got; i++) {
		bufs[i]->seq = s->seq++;
		bufs[i]->offset = s->offset;
		bufs[i]->mono_ns = now;
		s->offset += s->len;
		dmaf_buf_filled(bufs[i], s->len);
	}
	return got;
}

static int source_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return src->p.priv ? null_give(src->p.priv, bufs, n) : 0;
}

static void source_wait(dmaf_source *src, struct dmaf_wait *w)
{
	(void)src; /* with an empty buffer at hand it never waits */
	(void)w;
}

static void source_close(dmaf_source *src)
{
	null_free(src->p.priv);
}

static int sink_open(dmaf_sink *sink)
{
	sink->p.count.path = "null";
	return 0;
}

static int sink_attach(dmaf_sink *sink)
{
	struct null_side *s;

	if (null_alloc(&s, sink->pool))
		return dmaf_fail(&sink->p.err, -ENOMEM, "null: no memory for a list of buffers");
	sink->p.priv = s;
	return 0;
}

static int sink_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	return null_take(sink->p.priv, bufs, n);
}

static int sink_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	return null_give(sink->p.priv, bufs, n);
}

static void sink_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	(void)sink; /* it is always ready */
	(void)w;
}

static void sink_close(dmaf_sink *sink)
{
	null_free(sink->p.priv);
}

static const struct dmaf_source_ops null_source = {
	.open = source_open,
	.attach = source_attach,
	.queue = source_queue,
	.dequeue = source_dequeue,
	.cancel = source_cancel,
	.wait = source_wait,
	.close = source_close,
};

static const struct dmaf_sink_ops null_sink = {
	.open = sink_open,
	.attach = sink_attach,
	.submit = sink_submit,
	.reap = sink_reap,
	.wait = sink_wait,
	.close = sink_close,
};

const struct dmaf_kind dmaf_kind_null = {
	.abi = DMAF_ABI,
	.name = "null",
	.help = "empty buffers without end; takes any and forgets it",
	.main = "",
	.source = &null_source,
	.sink = &null_sink,
};
