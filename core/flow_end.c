/* SPDX-License-Identifier: MIT */
/*
 * The end of a flow: whatever happened, the other sides are told, in-flight memory is given up by
 * whoever uses it, and every buffer comes back before its memory goes.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "core/flow_internal.h"
#include "core/own.h"
#include "core/pool.h"

static void nap(void)
{
	struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

/* No sink has had it: a source that acknowledges what is done must not take it for that. */
static void undelivered(dmaf_flow *f, dmaf_buf *b)
{
	if (!b->status)
		b->status = -ECANCELED;
	dmaf_flow_release(f, b);
}

static void empty_queue(dmaf_flow *f, struct buf_queue *q)
{
	while (q->n) {
		undelivered(f, q->at[q->head]);
		dmaf_queue_drop(q, 1);
	}
}

/* Takes back what a cancelled party holds; waits as long as in-flight memory may take. */
static void reclaim_sink(dmaf_flow *f, struct flow_sink *s)
{
	uint64_t until = dmaf_now_ns() + CANCEL_NS;

	while (s->held) {
		dmaf_buf *bufs[FLOW_BATCH];
		int n = s->sink.ops->reap(&s->sink, bufs, FLOW_BATCH);

		for (int i = 0; i < n; i++) {
			if (!bufs[i]->status) {
				s->sink.p.count.buffers++;
				s->sink.p.count.bytes += bufs[i]->len;
			}
			dmaf_flow_release(f, bufs[i]);
		}
		if (n > 0) {
			s->held -= (unsigned)n;
			continue;
		}
		if (dmaf_now_ns() > until)
			return; /* dmaf_flow_end() keeps the memory */
		nap();
	}
}

static void reclaim_stage(dmaf_flow *f, struct flow_stage *s)
{
	dmaf_buf *bufs[FLOW_BATCH];
	int n;

	if (s->stage.ops->cancel)
		s->stage.ops->cancel(&s->stage);
	while ((n = s->stage.ops->dequeue(&s->stage, bufs, FLOW_BATCH)) > 0) {
		if (s->hold)
			dmaf_hold_out(s, bufs, (unsigned)n);
		for (int i = 0; i < n; i++) {
			s->held -= !s->stage.transforms;
			undelivered(f, bufs[i]);
		}
	}
	if (!s->stage.transforms)
		return;
	while ((n = s->stage.ops->reap(&s->stage, bufs, FLOW_BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			s->held--;
			undelivered(f, bufs[i]);
		}
}

static void tell_source(dmaf_flow *f)
{
	uint64_t until = dmaf_now_ns() + FINISH_NS;
	int rc;

	if (!f->src_started || !f->src.ops->finish)
		return;
	while ((rc = f->src.ops->finish(&f->src, f->status)) == -EAGAIN && dmaf_now_ns() < until &&
	       !atomic_load_explicit(&f->abort, memory_order_relaxed))
		nap();
	if (rc && rc != -EAGAIN)
		dmaf_flow_failed(f, rc, &f->src.p.err, dmaf_addr_text(f->src.p.addr));
}

static void reclaim_source(dmaf_flow *f)
{
	dmaf_buf *bufs[FLOW_BATCH];
	int n;

	if (!f->src.ops->cancel)
		return;
	while ((n = f->src.ops->cancel(&f->src, bufs, FLOW_BATCH)) > 0)
		for (int i = 0; i < n; i++)
			if (bufs[i]->owner == DMAF_OWNER_WRITER)
				dmaf_buf_abandon(bufs[i]);
			else
				undelivered(f, bufs[i]);
	f->src_held = 0;
}

/* A party kept buffers past every limit: the memory must outlive it, so the pool is never freed. */
static void keep_unreturned(dmaf_flow *f)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < f->npools;) {
		dmaf_pool *p = f->pool[i].pool;

		if (p->nfree == p->terms.count) {
			i++;
			continue;
		}
		fprintf(stderr,
			"dmaflow: %s: %u of %u buffers are still in use; their memory is kept "
			"until the program ends\n",
			f->pool[i].memory, p->terms.count - p->nfree, p->terms.count);
		f->pool[i] = f->pool[--f->npools];
		kept++;
	}
	if (kept)
		dmaf_flow_failed(f, -EBUSY, NULL, "memory in flight");
}

/* A cut stream is called one, if the other side listens. */
static void abort_sink(struct flow_sink *s)
{
	uint64_t until = dmaf_now_ns() + ABORT_NS;

	while (s->sink.ops->flush(&s->sink, DMAF_FLUSH_ABORT) == -EAGAIN && dmaf_now_ns() < until)
		nap();
}

static void cancel_sinks(dmaf_flow *f)
{
	for (unsigned k = 0; k < f->nsinks; k++) {
		struct flow_sink *s = &f->sink[k];

		empty_queue(f, &s->in);
		if (s->begun && !s->flushed && s->sink.ops->flush)
			abort_sink(s);
		if (s->held && s->sink.ops->cancel)
			s->sink.ops->cancel(&s->sink);
		reclaim_sink(f, s);
	}
}

void dmaf_flow_end(dmaf_flow *f)
{
	bool ok = f->state == FLOW_FLUSHED;

	if (!ok && f->src_started && f->src.ops->stop)
		(void)f->src.ops->stop(&f->src);
	if (!ok)
		cancel_sinks(f);
	for (unsigned i = f->nstages; i--;) {
		empty_queue(f, &f->stage[i].in);
		reclaim_stage(f, &f->stage[i]);
	}
	for (unsigned k = 0; k < f->nsinks; k++)
		empty_queue(f, &f->sink[k].in);
	dmaf_flow_recycle(f);
	tell_source(f);
	reclaim_source(f);
	dmaf_flow_recycle(f);
	keep_unreturned(f);
	f->ended_ns = dmaf_now_ns();
	f->state = FLOW_DONE;
	dmaf_flow_snapshot(f);
}
