/* SPDX-License-Identifier: MIT */
/* A pool, a sink or a source on its own, for programs that run their own loop. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <dmaflow/flow.h>

#include "core/kind.h"
#include "core/negotiate.h"
#include "core/pool.h"

#define SINGLE_BATCH 32u
#define CUT_NS       1000000000ull /* last words to a sink's other side */
#define FINISH_NS    5000000000ull /* last words to a source's */
#define CANCEL_MS    5000u         /* until in-flight memory is given up for leaked */

/* What a sink needs beyond its public part when no flow keeps it. */
struct single_sink {
	dmaf_sink sink;
	struct dmaf_stream stream;
	unsigned held;
	uint64_t seq, offset;
	int opened, begun, drained, status;
};

struct single_source {
	dmaf_source src;
	dmaf_buf *got[SINGLE_BATCH];
	unsigned ngot, at;
	int opened, started, ended;
};

static struct single_sink *of(dmaf_sink *sink)
{
	return (struct single_sink *)sink;
}

int dmaf_pool_open(dmaf_pool **out, const char *address)
{
	struct dmaf_terms t = {.segs = 4, .backing = DMAF_BACKING_ANY};
	const struct dmaf_kind *kind;
	dmaf_pool *shell = calloc(1, sizeof(*shell)), *p = NULL;
	dmaf_addr *addr = NULL;
	int rc;

	*out = shell;
	if (!shell)
		return -ENOMEM;
	rc = dmaf_kind_resolve(address, DMAF_ROLE_POOL, &addr, &kind, &shell->err);
	if (rc)
		return rc;
	t.block = (size_t)dmaf_addr_u64(addr, "block", 256u << 10);
	t.count = (unsigned)dmaf_addr_u64(addr, "blocks", 16);
	t.align = t.block >= 4096 ? 4096 : 64;
	t.stride = (t.block + t.align - 1) / t.align * t.align;
	t.memory = dmaf_addr_str(addr, "memory", NULL);
	rc = kind->pool->open(addr, &t, &p, &shell->err);
	if (rc) {
		dmaf_addr_free(addr);
		return rc;
	}
	free(shell);
	p->addr = addr;
	*out = p;
	return 0;
}

static void nap(void)
{
	struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

static void poll_until(struct pollfd *fds, nfds_t n, uint64_t deadline_ns, uint64_t until)
{
	uint64_t now = dmaf_now_ns(), end = until;
	struct timespec ts;

	if (deadline_ns && deadline_ns < end)
		end = deadline_ns;
	end = end > now ? end - now : 0;
	ts.tv_sec = (time_t)(end / 1000000000u);
	ts.tv_nsec = (long)(end % 1000000000u);
	(void)ppoll(fds, n, &ts, NULL);
}

static void wait_for(struct dmaf_wait *w, uint64_t until)
{
	poll_until(w->fds, w->nfds, w->deadline_ns, until);
}

static uint64_t deadline(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : dmaf_now_ns() + (uint64_t)timeout_ms * 1000000u;
}

static void wait_of(dmaf_sink *sink, struct dmaf_wait *w)
{
	if (sink->ops->wait)
		sink->ops->wait(sink, w);
	else
		dmaf_wait_until(w, dmaf_now_ns() + 1000000u);
}

static void wait_sink(dmaf_sink *sink, uint64_t until)
{
	struct dmaf_wait w = {.deadline_ns = 0};

	wait_of(sink, &w);
	wait_for(&w, until);
}

/* One after the other would miss the second's completion while the first has none. */
static unsigned wait_sinks(dmaf_pool *p, uint64_t until)
{
	struct pollfd fds[DMAF_POOL_SINKS * DMAF_WAIT_FDS];
	struct dmaf_wait w = {.deadline_ns = 0};
	unsigned held = 0;
	nfds_t n = 0;

	for (unsigned i = 0; i < p->nsinks; i++) {
		if (!of(p->sink[i])->held)
			continue;
		held += of(p->sink[i])->held;
		w.nfds = 0;
		wait_of(p->sink[i], &w);
		memcpy(&fds[n], w.fds, w.nfds * sizeof(*fds));
		n += w.nfds;
	}
	if (held)
		poll_until(fds, n, w.deadline_ns, until);
	return held;
}

static int reap_sink(struct single_sink *s)
{
	dmaf_buf *bufs[SINGLE_BATCH];
	int n;

	if (!s->held)
		return 0;
	n = s->sink.ops->reap(&s->sink, bufs, SINGLE_BATCH);
	if (n < 0)
		return s->status = n;
	s->held -= (unsigned)n;
	for (int i = 0; i < n; i++) {
		if (!bufs[i]->status) {
			s->sink.p.count.buffers++;
			s->sink.p.count.bytes += bufs[i]->len;
		} else if (!s->status) {
			s->status = bufs[i]->status;
		}
		dmaf_buf_return(bufs[i]);
	}
	return n;
}

int dmaf_pool_take(dmaf_pool *p, dmaf_buf **buf, int timeout_ms)
{
	uint64_t until = deadline(timeout_ms);

	for (;;) {
		unsigned moved = 0;
		int rc;

		*buf = dmaf_pool_try(p);
		if (*buf)
			return 0;
		for (unsigned i = 0; i < p->nsinks; i++) {
			int n = reap_sink(of(p->sink[i]));

			if (n < 0)
				return n;
			moved += (unsigned)n;
		}
		if (moved)
			continue;
		if (dmaf_now_ns() >= until)
			return -EAGAIN;
		if (wait_sinks(p, until))
			continue;
		if (!p->ops->wait)
			return dmaf_fail(
				&p->err, -EAGAIN,
				"%s: every buffer is out, and no sink has one that it could "
				"give back",
				p->region->name);
		rc = p->ops->wait(p, timeout_ms);
		if (rc < 0 && rc != -EAGAIN)
			return rc;
	}
}

static int check_sink(struct single_sink *s, dmaf_pool *pool)
{
	const struct dmaf_terms *t = &pool->terms;
	const struct dmaf_need *need = &s->sink.p.need;
	const char *who = dmaf_addr_text(s->sink.p.addr);
	struct dmaf_seat seats[1] = {{who, need}};
	struct dmaf_wish wish = {
		.label = pool->addr ? dmaf_addr_text(pool->addr) : "the pool",
		.block = t->block,
		.count = t->count,
	};
	struct dmaf_terms settled;
	int owner, second, rc;

	rc = dmaf_negotiate(seats, 1, &wish, &settled, &owner, &second, &s->sink.p.err);
	if (rc)
		return rc;
	if (need->own == DMAF_OWN_MUST)
		return dmaf_fail(&s->sink.p.err, -EINVAL,
				 "%s takes only memory of its own; run it in a flow", who);
	if (!(pool->region->backing & settled.backing))
		return dmaf_fail(&s->sink.p.err, -EINVAL, "%s can't use memory like %s", who,
				 pool->region->name);
	if (settled.align > t->align && t->stride % settled.align)
		return dmaf_fail(
			&s->sink.p.err, -EINVAL,
			"%s needs blocks that start at multiples of %zu, %s has them at %zu", who,
			settled.align, wish.label, t->align);
	return 0;
}

int dmaf_sink_open(dmaf_sink **out, dmaf_pool *pool, const char *address)
{
	struct single_sink *s = calloc(1, sizeof(*s));
	dmaf_sink *sink;
	int rc;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	sink = &s->sink;
	*out = sink;
	if (!pool || !pool->region)
		return dmaf_fail(&sink->p.err, -EINVAL, "%s: no pool to take buffers from",
				 address);
	if (pool->nsinks == DMAF_POOL_SINKS)
		return dmaf_fail(&sink->p.err, -EINVAL, "%s: the pool has %d sinks already",
				 address, DMAF_POOL_SINKS);
	rc = dmaf_kind_resolve(address, DMAF_ROLE_SINK, &sink->p.addr, &sink->p.kind, &sink->p.err);
	if (rc)
		return rc;
	if (dmaf_addr_u64(sink->p.addr, "on-full", 0) || dmaf_addr_has(sink->p.addr, "queue"))
		return dmaf_fail(&sink->p.err, -EINVAL,
				 "%s: on-full= and queue= are a flow's; here the program waits "
				 "for room",
				 address);
	sink->ops = sink->p.kind->sink;
	sink->stream = &s->stream;
	sink->on_gap = (int)dmaf_addr_u64(sink->p.addr, "on-gap", DMAF_GAP_SKIP);
	s->opened = 1;
	rc = sink->ops->open(sink);
	if (!rc)
		rc = check_sink(s, pool);
	if (rc)
		return rc;
	sink->pool = pool;
	s->stream.block = pool->terms.block;
	rc = sink->ops->attach ? sink->ops->attach(sink) : 0;
	if (!rc)
		pool->sink[pool->nsinks++] = sink;
	return rc;
}

int dmaf_sink_submit(dmaf_sink *sink, dmaf_buf *buf)
{
	struct single_sink *s = of(sink);
	int n = s->status;

	if (!n && !s->begun) {
		n = sink->ops->begin ? sink->ops->begin(sink) : 0;
		s->begun = !n;
	}
	/* The program numbers nothing itself: what it submits is one stream without gaps. */
	buf->seq = s->seq++;
	buf->offset = s->offset;
	s->offset += buf->len;
	if (!buf->mono_ns)
		buf->mono_ns = dmaf_now_ns();
	while (n >= 0) {
		n = sink->ops->submit(sink, &buf, 1);
		if (n == 1) {
			s->held++;
			n = reap_sink(s);
			return n < 0 ? n : s->status;
		}
		if (n == 0) {
			n = reap_sink(s);
			if (s->status)
				n = s->status;
			else if (n == 0)
				wait_sink(sink, UINT64_MAX);
		}
	}
	s->status = n;
	buf->status = n;
	dmaf_buf_return(buf);
	return n;
}

int dmaf_sink_drain(dmaf_sink *sink, int timeout_ms)
{
	struct single_sink *s = of(sink);
	uint64_t until = deadline(timeout_ms);

	if (!s->begun && !s->status) {
		s->status = sink->ops->begin ? sink->ops->begin(sink) : 0;
		s->begun = 1;
	}
	while (!s->status) {
		int n = reap_sink(s), rc;

		if (n < 0)
			break;
		rc = sink->ops->flush ? sink->ops->flush(sink, DMAF_FLUSH_FINISH) : 0;
		if (rc && rc != -EAGAIN)
			return s->status = rc;
		if (!rc && !s->held) {
			s->drained = 1;
			return s->status;
		}
		if (n)
			continue;
		if (dmaf_now_ns() >= until)
			return dmaf_fail(&sink->p.err, -ETIMEDOUT,
					 "%s: %u buffers are not delivered after %d ms",
					 dmaf_addr_text(sink->p.addr), s->held, timeout_ms);
		wait_sink(sink, until);
	}
	return s->status;
}

static void leave_pool(dmaf_sink *sink)
{
	dmaf_pool *p = sink->pool;

	for (unsigned i = 0; p && i < p->nsinks; i++)
		if (p->sink[i] == sink) {
			p->sink[i] = p->sink[--p->nsinks];
			return;
		}
}

void dmaf_sink_close(dmaf_sink *sink)
{
	struct single_sink *s = of(sink);

	if (!sink)
		return;
	if (s->begun && !s->drained && sink->ops->flush) {
		uint64_t until = dmaf_now_ns() + CUT_NS;

		while (sink->ops->flush(sink, DMAF_FLUSH_ABORT) == -EAGAIN && dmaf_now_ns() < until)
			nap();
	}
	if (s->held && sink->ops->cancel)
		sink->ops->cancel(sink);
	for (unsigned tries = 0; s->held && tries < CANCEL_MS; tries++)
		if (reap_sink(s) <= 0)
			nap();
	leave_pool(sink);
	/* What it never gave back may still be in use: its memory stays. */
	if (s->held)
		sink->pool->kept += s->held;
	if (s->opened && sink->ops->close)
		sink->ops->close(sink);
	dmaf_addr_free(sink->p.addr);
	free(s);
}

static int make_source_pool(dmaf_source *src)
{
	struct dmaf_seat seat = {dmaf_addr_text(src->p.addr), &src->p.need};
	struct dmaf_wish wish = {
		.label = seat.label,
		.block = (size_t)dmaf_addr_u64(src->p.addr, "block", 0),
		.count = (unsigned)dmaf_addr_u64(src->p.addr, "blocks", 0),
	};
	const struct dmaf_kind *memory;
	struct dmaf_terms t;
	dmaf_addr *addr;
	int owner, second, rc;

	rc = dmaf_negotiate(&seat, 1, &wish, &t, &owner, &second, &src->p.err);
	if (rc)
		return rc;
	t.memory = dmaf_addr_str(src->p.addr, "memory", NULL);
	if (owner == 0)
		return src->ops->pool(src, &t, &src->pool);
	memory = dmaf_kind_find("memory", &src->p.err);
	if (!memory)
		return -EINVAL;
	rc = dmaf_addr_parse(&addr, "memory:", &src->p.err);
	if (rc)
		return rc;
	rc = memory->pool->open(addr, &t, &src->pool, &src->p.err);
	dmaf_addr_free(addr);
	return rc;
}

int dmaf_source_open(dmaf_source **out, const char *address)
{
	static const char *const of_a_flow[] = {"count", "bytes", "duration", "slice"};
	struct single_source *s = calloc(1, sizeof(*s));
	dmaf_source *src;
	int rc;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	src = &s->src;
	*out = src;
	rc = dmaf_kind_resolve(address, DMAF_ROLE_SOURCE, &src->p.addr, &src->p.kind, &src->p.err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < sizeof(of_a_flow) / sizeof(*of_a_flow); i++)
		if (dmaf_addr_has(src->p.addr, of_a_flow[i]))
			return dmaf_fail(&src->p.err, -EINVAL,
					 "%s: %s= is a flow's; here the program decides", address,
					 of_a_flow[i]);
	src->ops = src->p.kind->source;
	src->max_delay_ns = dmaf_addr_u64(src->p.addr, "max-delay", UINT64_MAX);
	s->opened = 1;
	rc = src->ops->open(src);
	if (!rc && dmaf_addr_has(src->p.addr, "rate") && !(src->flags & DMAF_SRC_OWN_RATE))
		rc = dmaf_fail(&src->p.err, -EINVAL,
			       "%s: rate= is a flow's; here the program decides", address);
	if (!rc && (src->flags & DMAF_SRC_OVERWRITING))
		rc = dmaf_fail(&src->p.err, -EINVAL,
			       "%s: it overwrites what it gave, which only a flow can copy in time",
			       address);
	if (!rc)
		rc = make_source_pool(src);
	if (!rc && src->ops->attach)
		rc = src->ops->attach(src);
	if (!rc && src->ops->start)
		rc = src->ops->start(src, NULL);
	s->started = !rc;
	return rc;
}

static int refill_source(dmaf_source *src)
{
	dmaf_buf *b;
	int n = 1;

	while (n == 1 && src->ops->queue && (b = dmaf_pool_try(src->pool))) {
		n = src->ops->queue(src, &b, 1);
		if (n != 1)
			dmaf_buf_abandon(b);
	}
	return n < 0 ? n : 0;
}

int dmaf_source_next(dmaf_source *src, dmaf_buf **buf, int timeout_ms)
{
	struct single_source *s = (struct single_source *)src;
	uint64_t until = deadline(timeout_ms);

	while (s->at == s->ngot) {
		struct dmaf_wait w = {.deadline_ns = 0};
		int n;

		if (s->ended)
			return s->ended;
		n = refill_source(src);
		if (!n)
			n = src->ops->dequeue(src, s->got, SINGLE_BATCH);
		if (n < 0)
			return s->ended = n;
		s->at = 0;
		s->ngot = (unsigned)n;
		if (n)
			break;
		if (dmaf_now_ns() >= until)
			return -EAGAIN;
		if (src->ops->wait)
			src->ops->wait(src, &w);
		else
			w.deadline_ns = dmaf_now_ns() + 1000000u;
		wait_for(&w, until);
	}
	*buf = s->got[s->at++];
	src->p.count.buffers++;
	src->p.count.bytes += (*buf)->len;
	return 0;
}

void dmaf_source_done(dmaf_source *src, dmaf_buf *buf)
{
	if (src->ops->done)
		src->ops->done(src, &buf, 1);
	dmaf_buf_return(buf);
}

void dmaf_source_close(dmaf_source *src)
{
	struct single_source *s = (struct single_source *)src;
	uint64_t until;
	dmaf_buf *b;

	if (!src)
		return;
	while (s->at < s->ngot) {
		s->got[s->at]->status = -ECANCELED;
		dmaf_source_done(src, s->got[s->at++]);
	}
	if (s->started && src->ops->stop)
		(void)src->ops->stop(src);
	until = dmaf_now_ns() + FINISH_NS;
	while (s->started && src->ops->finish &&
	       src->ops->finish(src, s->ended == DMAF_END ? 0 : -ECANCELED) == -EAGAIN &&
	       dmaf_now_ns() < until)
		nap();
	while (s->started && src->ops->cancel && src->ops->cancel(src, &b, 1) == 1)
		if (b->owner == DMAF_OWNER_WRITER)
			dmaf_buf_abandon(b);
		else
			dmaf_buf_return(b);
	if (s->opened && src->ops->close)
		src->ops->close(src);
	dmaf_pool_close(src->pool);
	dmaf_addr_free(src->p.addr);
	free(s);
}

void dmaf_explain(FILE *f, int err, dmaf_pool *pool, dmaf_sink *sink)
{
	const char *text = NULL;

	if (sink && sink->p.err.code)
		text = sink->p.err.text;
	else if (pool && pool->err.code)
		text = pool->err.text;
	fprintf(f, "dmaflow: %s\n", text ? text : strerror(err < 0 && err > -4096 ? -err : EIO));
}
