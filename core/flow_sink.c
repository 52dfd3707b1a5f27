/* SPDX-License-Identifier: MIT */
/* Sinks in a flow: who gets a buffer, who must do without, who is done with one. */
#include <errno.h>
#include <string.h>

#include "core/flow_internal.h"
#include "core/own.h"
#include "core/pool.h"

static void back_to_the_pool(dmaf_flow *f, dmaf_buf *b)
{
	if (f->holds)
		dmaf_hold_back(f, b);
	b->refs = 1;
	dmaf_buf_return(b);
}

static void recycle_some(dmaf_flow *f)
{
	dmaf_buf *done[FLOW_BATCH], *own[FLOW_BATCH];
	unsigned n = f->ndone, from_source = 0;

	/* Out of the list first: what is held for their sake may be added to it. */
	memcpy(done, f->done, n * sizeof(done[0]));
	f->ndone = 0;
	if (f->src.ops->done) {
		for (unsigned i = 0; i < n; i++)
			if (done[i]->pool == f->src.pool)
				own[from_source++] = done[i];
		if (from_source)
			f->src.ops->done(&f->src, own, from_source);
	}
	for (unsigned i = 0; i < n; i++)
		back_to_the_pool(f, done[i]);
}

void dmaf_flow_recycle(dmaf_flow *f)
{
	/* Each stage that holds its inputs gives them back in its turn. */
	while (f->ndone)
		recycle_some(f);
}

void dmaf_flow_release(dmaf_flow *f, dmaf_buf *b)
{
	if (DMAF_OWN_CHECKED)
		dmaf_own_expect(b, DMAF_OWNER_READERS, "releasing");
	if (--b->refs)
		return;
	f->done[f->ndone++] = b;
	if (f->ndone == FLOW_BATCH)
		dmaf_flow_recycle(f);
}

int dmaf_flow_begin(dmaf_flow *f)
{
	f->stream = f->nstages ? f->stage[f->nstages - 1].stage.stream : f->src.stream;
	for (unsigned k = 0; k < f->nsinks; k++) {
		struct flow_sink *s = &f->sink[k];
		int rc;

		if (s->begun)
			continue;
		rc = s->sink.ops->begin ? s->sink.ops->begin(&s->sink) : 0;
		if (rc) {
			dmaf_flow_failed(f, rc, &s->sink.p.err, dmaf_addr_text(s->sink.p.addr));
			return rc;
		}
		s->begun = true;
	}
	return 0;
}

unsigned dmaf_flow_room(const dmaf_flow *f)
{
	unsigned room = FLOW_BATCH;

	for (unsigned k = 0; k < f->nsinks; k++) {
		const struct flow_sink *s = &f->sink[k];
		unsigned used = s->in.n + s->held;

		if (s->on_full == ON_FULL_BLOCK && s->limit - used < room)
			room = s->limit - used;
	}
	return room;
}

static void drop(dmaf_flow *f, struct flow_sink *s, dmaf_buf *b)
{
	s->sink.p.count.dropped++;
	s->sink.dropped_seq = b->seq + 1;
	s->sink.dropped_offset = b->offset + b->len;
	dmaf_flow_release(f, b);
}

static void offer(dmaf_flow *f, struct flow_sink *s, dmaf_buf *b)
{
	if (s->in.n + s->held >= s->limit) {
		if (s->on_full == ON_FULL_DROP_NEW || !s->in.n) {
			drop(f, s, b);
			return;
		}
		drop(f, s, s->in.at[s->in.head]);
		dmaf_queue_drop(&s->in, 1);
	}
	dmaf_queue_push(&s->in, b);
}

void dmaf_flow_dispatch(dmaf_flow *f, dmaf_buf *const *bufs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		bufs[i]->refs += f->nsinks - 1;
		for (unsigned k = 0; k < f->nsinks; k++)
			offer(f, &f->sink[k], bufs[i]);
	}
}

static int submit(dmaf_flow *f, struct flow_sink *s)
{
	unsigned run = dmaf_queue_run(&s->in);
	int n = s->sink.ops->submit(&s->sink, &s->in.at[s->in.head], run);

	if (n < 0) {
		dmaf_flow_failed(f, n, &s->sink.p.err, dmaf_addr_text(s->sink.p.addr));
		return n;
	}
	if ((unsigned)n < run)
		s->sink.p.count.stalls++;
	s->held += (unsigned)n;
	dmaf_queue_drop(&s->in, (unsigned)n);
	return n;
}

/*
 * A buffer that several sinks share keeps the first one's status. It may have been set by one that
 * hasn't given it back yet, so the explanation is taken from whoever has one.
 */
static int delivery_failed(dmaf_flow *f, const struct flow_sink *s, int status)
{
	for (unsigned k = 0; k < f->nsinks && !s->sink.p.err.code; k++)
		if (f->sink[k].sink.p.err.code)
			s = &f->sink[k];
	dmaf_flow_failed(f, status, &s->sink.p.err, dmaf_addr_text(s->sink.p.addr));
	return status;
}

/* Return: 0, or what a buffer failed with. */
static int completed(dmaf_flow *f, struct flow_sink *s, dmaf_buf *const *bufs, unsigned n)
{
	uint64_t now = dmaf_now_ns();
	int rc = 0;

	if (!f->first_byte_ns)
		f->first_byte_ns = now;
	s->held -= n;
	for (unsigned i = 0; i < n; i++) {
		dmaf_buf *b = bufs[i];

		if (!b->status) {
			s->sink.p.count.buffers++;
			s->sink.p.count.bytes += b->len;
			dmaf_hist_add(&s->latency, now > b->mono_ns ? now - b->mono_ns : 0);
		} else if (!rc) {
			rc = delivery_failed(f, s, b->status);
		}
		dmaf_flow_release(f, b);
	}
	return rc;
}

static int reap(dmaf_flow *f, struct flow_sink *s)
{
	dmaf_buf *bufs[FLOW_BATCH];
	int n = s->sink.ops->reap(&s->sink, bufs, FLOW_BATCH);

	if (n < 0) {
		dmaf_flow_failed(f, n, &s->sink.p.err, dmaf_addr_text(s->sink.p.addr));
		return n;
	}
	if (n > 0) {
		int rc = completed(f, s, bufs, (unsigned)n);

		if (rc)
			return rc;
	}
	return n;
}

int dmaf_flow_sinks(dmaf_flow *f)
{
	int moved = 0;

	for (unsigned k = 0; k < f->nsinks; k++) {
		struct flow_sink *s = &f->sink[k];
		int n;

		if (s->in.n && !s->stopped) {
			n = submit(f, s);
			if (n < 0)
				return n;
			moved += n;
		}
		/* One that holds nothing may have been woken for: a heartbeat, a peer that left. */
		if (!s->held && !(f->slept && s->begun && s->sink.ops->wait))
			continue;
		n = reap(f, s);
		if (n < 0)
			return n;
		moved += n;
	}
	return moved;
}
