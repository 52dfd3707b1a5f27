/* SPDX-License-Identifier: MIT */
/* The loop: source → stages → sinks, and empty buffers back to the source. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/flow_internal.h"
#include "core/own.h"
#include "core/pool.h"

/* Parties without a wait op are looked at this often. */
#define POLL_NS 1000000ull

/* Empty buffers to the source. */
static int refill(dmaf_flow *f)
{
	dmaf_buf *bufs[FLOW_BATCH];
	unsigned n = 0;
	int took;

	if (!f->src.ops->queue || f->src_stopping)
		return 0;
	while (n < FLOW_BATCH && (bufs[n] = dmaf_pool_try(f->src.pool)))
		n++;
	if (!n)
		return 0;
	took = f->src.ops->queue(&f->src, bufs, n);
	f->src_held += took > 0 ? (unsigned)took : 0;
	for (unsigned i = took > 0 ? (unsigned)took : 0; i < n; i++)
		dmaf_buf_abandon(bufs[i]);
	if (took < 0)
		dmaf_flow_failed(f, took, &f->src.p.err, dmaf_addr_text(f->src.p.addr));
	return took;
}

/* What is left of the stream has places of its own; each lost buffer would have given a slice. */
static void renumber(dmaf_flow *f, dmaf_buf *b)
{
	if (f->slice_next_seq)
		f->slice_at += (b->seq - f->slice_next_seq) * f->slice_len;
	else
		f->slice_at = b->seq * f->slice_len;
	f->slice_next_seq = b->seq + 1;
	b->seq -= f->slice_empty;
	b->offset = f->slice_at;
	f->slice_at += b->len;
	f->slice_empty += !b->len;
}

/* slice=: the same block, fewer bytes of it. */
static void slice(dmaf_flow *f, dmaf_buf *b)
{
	size_t off = (size_t)f->slice_off, len = (size_t)f->slice_len;
	unsigned n = 0;

	b->len = 0;
	for (unsigned i = 0; i < b->nsegs && len; i++) {
		struct dmaf_seg s = b->seg[i];

		if (off >= s.len) {
			off -= s.len;
			continue;
		}
		s.off += off;
		s.len = s.len - off < len ? s.len - off : len;
		off = 0;
		len -= s.len;
		b->len += s.len;
		b->seg[n++] = s;
	}
	b->nsegs = n ? n : 1;
	if (!n)
		b->seg[0].len = 0;
	renumber(f, b);
}

static void cut_to(dmaf_buf *b, size_t len)
{
	b->len = len;
	for (unsigned i = 0; i < b->nsegs; i++) {
		if (b->seg[i].len >= len) {
			b->seg[i].len = len;
			b->nsegs = i + 1;
			return;
		}
		len -= b->seg[i].len;
	}
}

/* The source's common options, for what it just gave. Returns how many of them go on. */
static unsigned account(dmaf_flow *f, dmaf_buf **bufs, unsigned n)
{
	struct dmaf_counters *c = &f->src.p.count;
	unsigned i, good = 0;

	for (i = 0; i < n && f->bytes_left && f->count_left; i++) {
		dmaf_buf *b = bufs[i];

		if (f->slice_len)
			slice(f, b);
		if (f->slice_len && !b->len) { /* a short block that the slice lies behind */
			dmaf_flow_release(f, b);
			continue;
		}
		c->buffers++;
		bufs[good++] = b;
		if (b->len > f->bytes_left)
			cut_to(b, (size_t)f->bytes_left);
		c->bytes += b->len;
		f->budget_spent += b->len;
		if (f->bytes_left != UINT64_MAX)
			f->bytes_left -= b->len;
		if (f->count_left != UINT64_MAX)
			f->count_left--;
	}
	for (unsigned k = i; k < n; k++)
		dmaf_flow_release(f, bufs[k]);
	return good;
}

/* rate=: when may the source go on? 0: now. */
static uint64_t throttled_until(dmaf_flow *f)
{
	uint64_t due;

	/* Told to stop, what is filled already goes out at once. */
	if (!f->rate || f->src_stopping || (f->src.flags & DMAF_SRC_OWN_RATE))
		return 0;
	if (!f->budget_at_ns)
		f->budget_at_ns = f->now;
	due = f->budget_at_ns + (uint64_t)((double)f->budget_spent * 1e9 / (double)f->rate);
	if (due + 100000000u < f->now) { /* an idle second is not owed as a burst */
		f->budget_at_ns = f->now;
		f->budget_spent = 0;
	}
	return due > f->now ? due : 0;
}

static unsigned room_after_source(const dmaf_flow *f)
{
	const struct buf_queue *q;

	if (!f->nstages)
		return dmaf_flow_room(f);
	q = &f->stage[0].in;
	return q->cap - q->n - f->stage[0].held < FLOW_BATCH ? q->cap - q->n - f->stage[0].held
							     : FLOW_BATCH;
}

static int pass_on(dmaf_flow *f, unsigned to_stage, dmaf_buf **bufs, unsigned n)
{
	if (to_stage < f->nstages) {
		for (unsigned i = 0; i < n; i++)
			dmaf_queue_push(&f->stage[to_stage].in, bufs[i]);
		return 0;
	}
	if (!f->sink[f->nsinks - 1].begun) {
		int rc = dmaf_flow_begin(f);

		if (rc) {
			for (unsigned i = 0; i < n; i++)
				dmaf_flow_release(f, bufs[i]);
			return rc;
		}
	}
	dmaf_flow_dispatch(f, bufs, n);
	return 0;
}

static void source_ended(dmaf_flow *f)
{
	f->state = FLOW_SOURCE_ENDED;
}

static int stop_source(dmaf_flow *f)
{
	int rc;

	if (f->src_stopping || f->state != FLOW_RUNNING)
		return 0;
	f->src_stopping = true;
	if (!f->src.ops->stop) {
		source_ended(f);
		return 0;
	}
	rc = f->src.ops->stop(&f->src);
	if (rc < 0)
		dmaf_flow_failed(f, rc, &f->src.p.err, dmaf_addr_text(f->src.p.addr));
	return rc < 0 ? rc : 0;
}

static int take(dmaf_flow *f)
{
	dmaf_buf *bufs[FLOW_BATCH];
	unsigned room = room_after_source(f), good;
	int n;

	if (f->src_paused != !room && f->src.ops->pause)
		f->src.ops->pause(&f->src, room != 0);
	f->src_paused = !room;
	if (!room || throttled_until(f))
		return 0;
	n = f->src.ops->dequeue(&f->src, bufs, room);
	if (n == DMAF_END) {
		source_ended(f);
		return 1;
	}
	if (n < 0) {
		dmaf_flow_failed(f, n, &f->src.p.err, dmaf_addr_text(f->src.p.addr));
		return n;
	}
	if (!n)
		return 0;
	if (f->src.ops->queue)
		f->src_held -= (unsigned)n;
	good = account(f, bufs, (unsigned)n);
	if (!f->bytes_left || !f->count_left)
		source_ended(f);
	n = pass_on(f, 0, bufs, good);
	return n ? n : 1;
}

static int stage_failed(dmaf_flow *f, struct flow_stage *s, int rc)
{
	dmaf_flow_failed(f, rc, &s->stage.p.err, dmaf_addr_text(s->stage.p.addr));
	return rc;
}

static unsigned room_after_stage(const dmaf_flow *f, unsigned i)
{
	const struct buf_queue *q;

	if (i + 1 == f->nstages)
		return dmaf_flow_room(f);
	q = &f->stage[i + 1].in;
	return q->cap - q->n - f->stage[i + 1].held < FLOW_BATCH
		       ? q->cap - q->n - f->stage[i + 1].held
		       : FLOW_BATCH;
}

/* A stage says what comes out once it may have seen what goes in. */
static void preset_stream(struct flow_stage *s)
{
	if (!s->preset)
		s->stage.stream = *s->stage.in_stream;
	s->preset = true;
}

static int stage_in(dmaf_flow *f, struct flow_stage *s)
{
	dmaf_buf *bufs[FLOW_BATCH];
	int moved = 0, n;

	if (s->ended)
		while (s->in.n) { /* it wants no more */
			dmaf_flow_release(f, s->in.at[s->in.head]);
			dmaf_queue_drop(&s->in, 1);
			moved++;
		}
	if (s->in.n) {
		preset_stream(s);
		n = s->stage.ops->submit(&s->stage, &s->in.at[s->in.head], dmaf_queue_run(&s->in));
		if (n < 0)
			return stage_failed(f, s, n);
		dmaf_queue_drop(&s->in, (unsigned)n);
		s->held += (unsigned)n;
		moved = n;
	}
	if (!s->held || !s->stage.transforms)
		return moved;
	n = s->stage.ops->reap(&s->stage, bufs, FLOW_BATCH);
	if (n < 0)
		return stage_failed(f, s, n);
	s->held -= (unsigned)n;
	for (int i = 0; i < n; i++)
		if (s->hold)
			dmaf_hold_in(f, s, bufs[i]);
		else
			dmaf_flow_release(f, bufs[i]);
	return moved + n;
}

static int stage_out(dmaf_flow *f, unsigned i)
{
	struct flow_stage *s = &f->stage[i];
	dmaf_buf *bufs[FLOW_BATCH];
	unsigned room = room_after_stage(f, i);
	int n, rc;

	if (!room)
		return 0;
	n = s->stage.ops->dequeue(&s->stage, bufs, room);
	if (n == DMAF_END) {
		rc = s->ended ? 0 : stop_source(f);
		s->ended = true;
		return rc;
	}
	if (n < 0)
		return stage_failed(f, s, n);
	if (!n)
		return 0;
	if (!s->stage.transforms)
		s->held -= (unsigned)n;
	for (int k = 0; k < n; k++) {
		s->stage.p.count.buffers++;
		s->stage.p.count.bytes += bufs[k]->len;
	}
	if (s->hold)
		dmaf_hold_out(s, bufs, (unsigned)n);
	rc = pass_on(f, i + 1, bufs, (unsigned)n);
	return rc ? rc : n;
}

static int stages(dmaf_flow *f)
{
	int moved = 0;
	bool upstream_done = f->state != FLOW_RUNNING;

	for (unsigned i = 0; i < f->nstages; i++) {
		struct flow_stage *s = &f->stage[i];
		int in = stage_in(f, s), out;

		if (in < 0)
			return in;
		if (upstream_done && !s->in.n && !s->flushed) {
			int rc;

			preset_stream(s);
			rc = s->stage.ops->flush ? s->stage.ops->flush(&s->stage) : 0;
			if (rc && rc != -EAGAIN)
				return stage_failed(f, s, rc);
			s->flushing = true;
			out = stage_out(f, i);
			s->flushed = !rc && !s->held && out == 0 && room_after_stage(f, i);
			if (s->flushed)
				moved++;
		} else {
			out = stage_out(f, i);
		}
		if (out < 0)
			return out;
		upstream_done = s->flushed;
		moved += in + out;
	}
	return moved;
}

static bool stages_empty(const dmaf_flow *f)
{
	return !f->nstages || f->stage[f->nstages - 1].flushed;
}

/* The source has ended: have the sinks finish. */
static int flush_sinks(dmaf_flow *f)
{
	bool all = true;

	if (!stages_empty(f))
		return 0;
	if (!f->sink[f->nsinks - 1].begun) {
		int rc = dmaf_flow_begin(f); /* an empty stream is a stream too */

		if (rc)
			return rc;
	}
	for (unsigned k = 0; k < f->nsinks; k++) {
		struct flow_sink *s = &f->sink[k];
		int rc = 0;

		if (s->in.n) {
			all = false;
			continue;
		}
		if (!s->flushed) {
			rc = s->sink.ops->flush ? s->sink.ops->flush(&s->sink, DMAF_FLUSH_FINISH)
						: 0;
			if (rc && rc != -EAGAIN) {
				dmaf_flow_failed(f, rc, &s->sink.p.err,
						 dmaf_addr_text(s->sink.p.addr));
				return rc;
			}
			s->flushed = !rc && !s->held;
		}
		all = all && s->flushed;
	}
	if (all)
		f->state = FLOW_FLUSHED;
	return all;
}

int dmaf_flow_round(dmaf_flow *f)
{
	int moved = 0, n;

	f->now = dmaf_now_ns();
	if (f->state == FLOW_RUNNING) {
		n = refill(f);
		if (n >= 0) {
			moved += n;
			n = take(f);
		}
		if (n < 0)
			return n;
		moved += n;
	}
	if (f->nstages) {
		n = stages(f);
		if (n < 0)
			return n;
		moved += n;
	}
	n = dmaf_flow_sinks(f);
	if (n < 0)
		return n;
	f->slept = false;
	moved += n;
	if (f->state == FLOW_SOURCE_ENDED) {
		n = flush_sinks(f);
		if (n < 0)
			return n;
		moved += n;
	}
	dmaf_flow_recycle(f);
	if (f->now >= f->snapshot_at)
		dmaf_flow_snapshot(f);
	return moved;
}

struct gathered {
	struct pollfd fds[DMAF_WAIT_FDS * FLOW_ADDRS + 1];
	nfds_t n;
	uint64_t deadline;
};

static void add_wait(struct gathered *g, const struct dmaf_wait *w)
{
	memcpy(&g->fds[g->n], w->fds, w->nfds * sizeof(w->fds[0]));
	g->n += w->nfds;
	if (w->deadline_ns && w->deadline_ns < g->deadline)
		g->deadline = w->deadline_ns;
}

#define ADD_PARTY(g, party, now)                          \
	do {                                              \
		struct dmaf_wait w_ = {.deadline_ns = 0}; \
		if ((party)->ops->wait)                   \
			(party)->ops->wait(party, &w_);   \
		else                                      \
			w_.deadline_ns = (now) + POLL_NS; \
		add_wait(g, &w_);                         \
	} while (0)

void dmaf_flow_wait(dmaf_flow *f)
{
	struct gathered g = {.n = 0, .deadline = UINT64_MAX};
	uint64_t now = f->now, until;
	struct timespec ts;

	g.fds[g.n++] = (struct pollfd){.fd = f->wake_fd, .events = POLLIN};
	if (f->state == FLOW_RUNNING && room_after_source(f)) {
		until = throttled_until(f);
		if (until)
			g.deadline = until;
		else
			ADD_PARTY(&g, &f->src, now);
	}
	for (unsigned i = 0; i < f->nstages; i++) {
		struct flow_stage *s = &f->stage[i];

		/* One that holds no input may have output on the way. */
		if (s->held || s->in.n || (s->flushing && !s->flushed) || s->stage.ops->wait)
			ADD_PARTY(&g, &s->stage, now);
	}
	for (unsigned k = 0; k < f->nsinks; k++) {
		struct flow_sink *s = &f->sink[k];

		if (s->held || s->in.n || (f->state == FLOW_SOURCE_ENDED && !s->flushed) ||
		    (s->begun && s->sink.ops->wait && !s->flushed))
			ADD_PARTY(&g, &s->sink, now);
	}
	if (f->end_at_ns && f->state == FLOW_RUNNING && f->end_at_ns < g.deadline)
		g.deadline = f->end_at_ns;
	/* Figures stay fresh while nothing moves: people look at them just then. */
	if (now + 4 * SNAPSHOT_NS < g.deadline)
		g.deadline = now + 4 * SNAPSHOT_NS;
	f->slept = true;
	until = g.deadline > now ? g.deadline - now : 0;
	ts.tv_sec = (time_t)(until / 1000000000u);
	ts.tv_nsec = (long)(until % 1000000000u);
	if (ppoll(g.fds, g.n, &ts, NULL) > 0 && (g.fds[0].revents & POLLIN)) {
		uint64_t drained;
		ssize_t n = read(f->wake_fd, &drained, sizeof(drained));

		(void)n;
	}
}

static int start(dmaf_flow *f)
{
	uint64_t duration = dmaf_addr_u64(f->src.p.addr, "duration", 0);
	int rc;

	f->started_ns = f->now = dmaf_now_ns();
	f->end_at_ns = duration ? f->now + duration : 0;
	f->state = FLOW_RUNNING;
	f->src_started = true;
	rc = f->src.ops->start ? f->src.ops->start(&f->src, f->resume_known ? &f->resume : NULL)
			       : 0;
	if (rc)
		dmaf_flow_failed(f, rc, &f->src.p.err, dmaf_addr_text(f->src.p.addr));
	return rc;
}

int dmaf_flow_run(dmaf_flow *f)
{
	int rc;

	if (f->state != FLOW_OPEN)
		return f->status ? f->status
				 : dmaf_fail(&f->err, -EINVAL, "a flow that isn't open can't run");
	rc = start(f);
	while (!rc && f->state != FLOW_FLUSHED) {
		int moved = dmaf_flow_round(f);

		if (moved < 0)
			break;
		if (atomic_load_explicit(&f->abort, memory_order_relaxed)) {
			dmaf_flow_failed(f, -ECANCELED, NULL, "stopped");
			break;
		}
		if ((atomic_load_explicit(&f->stop, memory_order_relaxed) ||
		     (f->end_at_ns && f->now >= f->end_at_ns)) &&
		    stop_source(f))
			break;
		if (!moved)
			dmaf_flow_wait(f);
	}
	dmaf_flow_end(f);
	return f->status;
}
