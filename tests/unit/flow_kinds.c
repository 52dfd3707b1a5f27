// SPDX-License-Identifier: MIT
#include "flow_kinds.h"

#include <errno.h>
#include <stdlib.h>

#include <dmaflow/mem.h>

struct tally tally[TALLIES];
struct script script;

struct side {
	dmaf_buf **held;
	unsigned n, cap;
	uint64_t left, seq, offset;
	bool hold, ended;
	struct tally *t;
};

static struct side *make_side(const dmaf_pool *pool)
{
	struct side *s = calloc(1, sizeof(*s));

	s->cap = dmaf_pool_count(pool);
	s->held = calloc(s->cap, sizeof(*s->held));
	return s;
}

static void free_side(struct side *s)
{
	if (s)
		free(s->held);
	free(s);
}

static int put(struct side *s, dmaf_buf *const *bufs, unsigned n)
{
	if (n > s->cap - s->n)
		n = s->cap - s->n;
	memcpy(s->held + s->n, bufs, n * sizeof(*bufs));
	s->n += n;
	return (int)n;
}

static int get(struct side *s, dmaf_buf **bufs, unsigned n)
{
	if (n > s->n)
		n = s->n;
	memcpy(bufs, s->held, n * sizeof(*bufs));
	s->n -= n;
	memmove(s->held, s->held + n, s->n * sizeof(*bufs));
	return (int)n;
}

static void now(struct dmaf_wait *w)
{
	dmaf_wait_until(w, dmaf_now_ns() + 200000);
}

static int own_pool(const struct dmaf_terms *t, dmaf_pool **pool, struct dmaf_err *err)
{
	dmaf_region *r;
	int rc = dmaf_region_anon(&r, t->stride * t->count, DMAF_MEM_PAGES, err);

	if (rc)
		return rc;
	snprintf(r->name, sizeof(r->name), "its own");
	rc = dmaf_pool_create(pool, r, t, NULL, NULL, err);
	dmaf_region_put(r);
	return rc;
}

/* tally */

static struct tally *tally_of(const dmaf_sink *sink)
{
	return &tally[*dmaf_addr_main(sink->p.addr) - '0'];
}

static int tally_open(dmaf_sink *sink)
{
	tally_of(sink)->opens++;
	if (dmaf_addr_has(sink->p.addr, "own"))
		sink->p.need.own = DMAF_OWN_MUST;
	return 0;
}

static int tally_pool(dmaf_sink *sink, const struct dmaf_terms *t, dmaf_pool **pool)
{
	return own_pool(t, pool, &sink->p.err);
}

static int tally_attach(dmaf_sink *sink)
{
	struct side *s = make_side(sink->pool);

	sink->p.priv = s;
	s->t = tally_of(sink);
	s->t->region = dmaf_pool_region(sink->pool);
	s->hold = dmaf_addr_has(sink->p.addr, "hold");
	return 0;
}

static int tally_begin(dmaf_sink *sink)
{
	tally_of(sink)->begins++;
	tally_of(sink)->stream = *sink->stream;
	return 0;
}

static int tally_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	struct side *s = sink->p.priv;
	struct tally *t = s->t;
	int took;

	if (tally[0].n < dmaf_addr_u64(sink->p.addr, "after", 0))
		return 0;
	took = put(s, bufs, n);
	for (int i = 0; i < took && t->n < TALLY_MAX; i++) {
		t->seq[t->n] = bufs[i]->seq;
		t->offset[t->n] = bufs[i]->offset;
		t->len[t->n++] = bufs[i]->len;
		t->bytes += bufs[i]->len;
	}
	return took;
}

static int tally_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	struct side *s = sink->p.priv;

	return s->hold ? 0 : get(s, bufs, n);
}

static int tally_flush(dmaf_sink *sink, enum dmaf_flush how)
{
	struct side *s = sink->p.priv;

	if (s->hold)
		s->t->done_before = script.done;
	s->hold = false;
	if (how == DMAF_FLUSH_ABORT)
		s->t->aborts++;
	else if (!s->n && !s->ended)
		s->t->finishes += s->ended = true;
	return s->n && how != DMAF_FLUSH_ABORT ? -EAGAIN : 0;
}

static void tally_cancel(dmaf_sink *sink)
{
	((struct side *)sink->p.priv)->hold = false;
}

static void tally_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	now(w);
}

static void tally_close(dmaf_sink *sink)
{
	tally_of(sink)->closes++;
	free_side(sink->p.priv);
}

static const struct dmaf_sink_ops tally_ops = {
	.open = tally_open,
	.pool = tally_pool,
	.attach = tally_attach,
	.begin = tally_begin,
	.submit = tally_submit,
	.reap = tally_reap,
	.flush = tally_flush,
	.cancel = tally_cancel,
	.wait = tally_wait,
	.close = tally_close,
};
static const struct dmaf_opt tally_opts[] = {
	{"hold", DMAF_OPT_FLAG},
	{"own", DMAF_OPT_FLAG},
	{"after", DMAF_OPT_COUNT},
	{NULL},
};
static const struct dmaf_kind tally_kind = {
	.abi = DMAF_ABI, .name = "tally", .main = "N", .opts = tally_opts, .sink = &tally_ops};

/* script */

static int script_open(dmaf_source *src)
{
	script.opens++;
	script.max_delay_ns = src->max_delay_ns;
	if (dmaf_addr_has(src->p.addr, "own"))
		src->p.need.own = DMAF_OWN_MUST;
	if (dmaf_addr_has(src->p.addr, "acks"))
		src->flags |= DMAF_SRC_ACKS;
	return 0;
}

static int script_pool(dmaf_source *src, const struct dmaf_terms *t, dmaf_pool **pool)
{
	return own_pool(t, pool, &src->p.err);
}

static int script_attach(dmaf_source *src)
{
	struct side *s = make_side(src->pool);

	src->p.priv = s;
	s->left = dmaf_addr_u64(src->p.addr, "buffers", 0);
	return 0;
}

static int script_queue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return put(src->p.priv, bufs, n);
}

static int script_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct side *s = src->p.priv;
	int got;

	if (!s->left)
		return DMAF_END;
	if (dmaf_addr_has(src->p.addr, "late-stream"))
		memset(src->stream.id, 7, sizeof(src->stream.id));
	got = get(s, bufs, n < s->left ? n : (unsigned)s->left);
	s->left -= (unsigned)got;
	for (int i = 0; i < got; i++) {
		size_t room = dmaf_buf_room(bufs[i]);

		memset(dmaf_buf_data(bufs[i]), (int)s->seq, room);
		bufs[i]->seq = s->seq++;
		bufs[i]->offset = s->offset;
		bufs[i]->mono_ns = dmaf_now_ns();
		s->offset += room;
		dmaf_buf_filled(bufs[i], room);
	}
	return got;
}

static void script_done(dmaf_source *src, dmaf_buf *const *bufs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		script.done++;
		script.failed += !!bufs[i]->status;
	}
}

static void script_pause(dmaf_source *src, int go)
{
	script.paused += !go;
	script.resumed += !!go;
}

static int script_finish(dmaf_source *src, int status)
{
	script.finish_status = status;
	script.done_at_finish = script.done;
	return 0;
}

static int script_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return get(src->p.priv, bufs, n);
}

static void script_close(dmaf_source *src)
{
	script.closes++;
	free_side(src->p.priv);
}

static const struct dmaf_source_ops script_ops = {
	.open = script_open,
	.pool = script_pool,
	.attach = script_attach,
	.queue = script_queue,
	.dequeue = script_dequeue,
	.done = script_done,
	.pause = script_pause,
	.finish = script_finish,
	.cancel = script_cancel,
	.close = script_close,
};
static const struct dmaf_opt script_opts[] = {
	{"acks", DMAF_OPT_FLAG},
	{"own", DMAF_OPT_FLAG},
	{"late-stream", DMAF_OPT_FLAG},
	{"buffers", DMAF_OPT_COUNT},
	{NULL},
};
static const struct dmaf_kind script_kind = {
	.abi = DMAF_ABI, .name = "script", .main = "", .opts = script_opts, .source = &script_ops};

/* halves */

struct halves {
	dmaf_buf *in, *done; /* one at a time, so that it also shows what taking none does */
	unsigned given;      /* halves of .in */
	uint64_t seq, ins;
};

static int halves_open(dmaf_stage *stage)
{
	stage->transforms = 1;
	stage->p.priv = calloc(1, sizeof(struct halves));
	stage->p.need.block_want = 4096;
	return 0;
}

static int halves_submit(dmaf_stage *stage, dmaf_buf *const *bufs, unsigned n)
{
	struct halves *h = stage->p.priv;

	if (h->in || h->done)
		return 0;
	h->in = bufs[0];
	h->ins++;
	return 1;
}

static int halves_dequeue(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	struct halves *h = stage->p.priv;
	uint64_t quit = dmaf_addr_u64(stage->p.addr, "quit", UINT64_MAX);
	size_t half, at;
	dmaf_buf *b;

	if (!h->in)
		return h->ins >= quit ? DMAF_END : 0;
	b = dmaf_pool_try(stage->pool);
	if (!b)
		return 0;
	half = h->in->len / 2;
	at = h->given ? half : 0;
	memcpy(dmaf_buf_data(b), (char *)dmaf_buf_data(h->in) + at,
	       h->given ? h->in->len - half : half);
	b->seq = h->seq++;
	b->offset = h->in->offset + at;
	b->mono_ns = h->in->mono_ns;
	dmaf_buf_filled(b, h->given ? h->in->len - half : half);
	if (h->given++) {
		h->done = h->in;
		h->in = NULL;
		h->given = 0;
	}
	bufs[0] = b;
	return 1;
}

static int halves_reap(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	struct halves *h = stage->p.priv;

	bufs[0] = h->done;
	h->done = NULL;
	return bufs[0] != NULL;
}

static int halves_flush(dmaf_stage *stage)
{
	struct halves *h = stage->p.priv;

	return h->in ? -EAGAIN : 0;
}

static void halves_cancel(dmaf_stage *stage)
{
	struct halves *h = stage->p.priv;

	if (h->in)
		h->done = h->in;
	h->in = NULL;
}

static void halves_close(dmaf_stage *stage)
{
	free(stage->p.priv);
}

static const struct dmaf_stage_ops halves_ops = {
	.open = halves_open,
	.submit = halves_submit,
	.dequeue = halves_dequeue,
	.reap = halves_reap,
	.flush = halves_flush,
	.cancel = halves_cancel,
	.close = halves_close,
};
static const struct dmaf_opt halves_opts[] = {{"quit", DMAF_OPT_COUNT}, {NULL}};
static const struct dmaf_kind halves_kind = {
	.abi = DMAF_ABI, .name = "halves", .main = "", .opts = halves_opts, .stage = &halves_ops};

void flow_kinds_add(void)
{
	assert_int_equal(dmaf_kind_add(&tally_kind), 0);
	assert_int_equal(dmaf_kind_add(&script_kind), 0);
	assert_int_equal(dmaf_kind_add(&halves_kind), 0);
}

void flow_kinds_reset(void)
{
	memset(tally, 0, sizeof(tally));
	memset(&script, 0, sizeof(script));
}

int flow_run(const char *const *addresses, struct dmaf_figures *g, struct dmaf_err *err)
{
	dmaf_flow *f = dmaf_flow_new();
	int rc = 0;

	assert_non_null(f);
	for (; *addresses; addresses++)
		assert_int_equal(dmaf_flow_add(f, *addresses), 0);
	rc = dmaf_flow_open(f);
	if (!rc)
		rc = dmaf_flow_run(f);
	dmaf_flow_figures(f, g);
	*err = *dmaf_flow_err(f);
	dmaf_flow_close(f);
	assert_int_equal(g->pool_free, g->pool_count);
	for (int i = 0; i < TALLIES; i++)
		assert_int_equal(tally[i].opens, tally[i].closes);
	assert_int_equal(script.opens, script.closes);
	if (rc)
		assert_true(err->code == rc && err->text[0]);
	return rc;
}
