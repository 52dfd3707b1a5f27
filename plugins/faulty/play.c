/* SPDX-License-Identifier: MIT */
/* What stands behind a faulty: without an address: the pattern, nothing, or a passage. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/pattern_data.h"
#include "plugins/faulty/faulty.h"

struct play {
	dmaf_buf **held; /* in order */
	unsigned n, cap;
	uint64_t seed, seq, offset, made;
	const struct faulty *options; /* a source's */
};

static int play_make(struct dmaf_party *p, const dmaf_pool *pool, const struct faulty *options)
{
	struct play *y = calloc(1, sizeof(*y));

	p->priv = y;
	if (!y)
		return dmaf_fail(&p->err, -ENOMEM, "faulty: no memory");
	y->options = options;
	y->cap = dmaf_pool_count(pool);
	y->held = calloc(y->cap, sizeof(*y->held));
	return y->held ? 0 : dmaf_fail(&p->err, -ENOMEM, "faulty: no memory");
}

static void play_free(struct play *y)
{
	if (y)
		free(y->held);
	free(y);
}

static int play_take(struct play *y, dmaf_buf *const *bufs, unsigned n)
{
	if (n > y->cap - y->n)
		n = y->cap - y->n;
	memcpy(y->held + y->n, bufs, n * sizeof(*bufs));
	y->n += n;
	return (int)n;
}

static int play_give(struct play *y, dmaf_buf **bufs, unsigned n)
{
	if (n > y->n)
		n = y->n;
	memcpy(bufs, y->held, n * sizeof(*bufs));
	y->n -= n;
	memmove(y->held, y->held + n, y->n * sizeof(*bufs));
	return (int)n;
}

static struct faulty *player(dmaf_source *src)
{
	return (struct faulty *)(void *)((char *)src - offsetof(struct faulty, inner));
}

static int source_open(dmaf_source *src)
{
	struct faulty *f = player(src);

	snprintf(src->stream.format, sizeof(src->stream.format), "u64le");
	src->stream.channels = 1;
	f->party->count.path = "pattern";
	return 0;
}

static int source_attach(dmaf_source *src)
{
	const struct faulty *f = player(src);
	int rc = play_make(&src->p, src->pool, f);

	if (rc)
		return rc;
	((struct play *)src->p.priv)->seed = dmaf_addr_u64(f->party->addr, "seed", 0);
	src->stream.block = dmaf_pool_terms(src->pool)->block;
	return 0;
}

static int source_queue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return play_take(src->p.priv, bufs, n);
}

static void fill(struct play *y, dmaf_buf *b)
{
	const struct faulty *f = y->options;
	size_t room = dmaf_buf_room(b), len = room;

	y->made++;
	if (f->partial_every && y->made % f->partial_every == 0) {
		len = room / 2 ? room / 2 : 1;
		b->flags |= DMAF_BUF_PARTIAL;
	}
	dmaf_pattern_fill(dmaf_buf_data(b), len, y->offset, y->seed);
	b->seq = y->seq++;
	b->offset = y->offset;
	b->mono_ns = b->ts_ns = dmaf_now_ns();
	y->offset += len;
	dmaf_buf_filled(b, len);
	if (f->gap_every && y->made % f->gap_every == 0) {
		y->seq++;
		y->offset += room;
		f->party->count.lost++;
		f->party->count.lost_bytes += room;
	}
}

static int source_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct play *y = src->p.priv;
	int got = play_give(y, bufs, n);

	for (int i = 0; i < got; i++)
		fill(y, bufs[i]);
	return got;
}

static int source_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return play_give(src->p.priv, bufs, n);
}

static void source_wait(dmaf_source *src, struct dmaf_wait *w)
{
	struct play *y = src->p.priv;

	if (y->n)
		dmaf_wait_until(w, 1);
}

static int sink_open(dmaf_sink *sink)
{
	(void)sink;
	return 0;
}

static int sink_attach(dmaf_sink *sink)
{
	return play_make(&sink->p, sink->pool, NULL);
}

static int sink_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	return play_take(sink->p.priv, bufs, n);
}

static int sink_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	return play_give(sink->p.priv, bufs, n);
}

static void sink_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	(void)sink;
	(void)w;
}

static void sink_close(dmaf_sink *sink)
{
	play_free(sink->p.priv);
}

static int stage_open(dmaf_stage *stage)
{
	(void)stage;
	return 0;
}

static int stage_attach(dmaf_stage *stage)
{
	return play_make(&stage->p, stage->pool, NULL);
}

static int stage_submit(dmaf_stage *stage, dmaf_buf *const *bufs, unsigned n)
{
	return play_take(stage->p.priv, bufs, n);
}

static int stage_dequeue(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	return play_give(stage->p.priv, bufs, n);
}

static void stage_wait(dmaf_stage *stage, struct dmaf_wait *w)
{
	(void)stage;
	(void)w;
}

static void stage_close(dmaf_stage *stage)
{
	play_free(stage->p.priv);
}

static void source_close(dmaf_source *src)
{
	play_free(src->p.priv);
}

const struct dmaf_source_ops faulty_play_source = {
	.open = source_open,
	.attach = source_attach,
	.queue = source_queue,
	.dequeue = source_dequeue,
	.cancel = source_cancel,
	.wait = source_wait,
	.close = source_close,
};

const struct dmaf_sink_ops faulty_play_sink = {
	.open = sink_open,
	.attach = sink_attach,
	.submit = sink_submit,
	.reap = sink_reap,
	.wait = sink_wait,
	.close = sink_close,
};

const struct dmaf_stage_ops faulty_play_stage = {
	.open = stage_open,
	.attach = stage_attach,
	.submit = stage_submit,
	.dequeue = stage_dequeue,
	.wait = stage_wait,
	.close = stage_close,
};
