/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "plugins/faulty/faulty.h"

static dmaf_source *inner_of(struct faulty *f, const dmaf_source *src)
{
	dmaf_source *in = &f->inner.source;

	in->pool = src->pool;
	in->max_delay_ns = src->max_delay_ns;
	return in;
}

static int source_open(dmaf_source *src)
{
	struct faulty *f;
	int rc = faulty_open(&f, &src->p, FAULTY_IS_SOURCE);
	dmaf_source *in;

	if (rc)
		return rc;
	in = inner_of(f, src);
	in->ops = in->p.kind ? in->p.kind->source : &faulty_play_source;
	f->inner_open = true;
	rc = faulty_pass(f, in->ops->open(in));
	if (rc)
		return rc;
	src->p.need = in->p.need;
	src->flags = in->flags;
	src->stream = in->stream;
	if (src->p.need.count_min <= f->keep)
		src->p.need.count_min = (unsigned)f->keep + 1;
	return faulty_call(f, FAULTY_OPEN);
}

static int source_pool(dmaf_source *src, const struct dmaf_terms *terms, dmaf_pool **pool)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);

	f->party = &src->p;
	return faulty_pass(f, in->ops->pool(in, terms, pool));
}

static int source_attach(dmaf_source *src)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);
	int rc = faulty_attach(f, &src->p, src->pool);

	if (!rc && in->ops->attach)
		rc = faulty_pass(f, in->ops->attach(in));
	src->stream = in->stream;
	return rc ? rc : faulty_call(f, FAULTY_ATTACH);
}

static int source_start(dmaf_source *src, const struct dmaf_resume *resume)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);
	int rc = faulty_call(f, FAULTY_START);

	return rc || !in->ops->start ? rc : faulty_pass(f, in->ops->start(in, resume));
}

static int ask_inner(struct faulty *f, dmaf_source *in)
{
	dmaf_buf *got[FAULTY_BATCH];
	unsigned room = faulty_late_room(f);
	int n;

	if (f->inner_ended || !room)
		return 0;
	n = in->ops->dequeue(in, got, room);
	if (n == DMAF_END || (n == 0 && f->stopped && !in->ops->stop)) {
		f->inner_ended = true;
		return 0;
	}
	if (faulty_pass(f, n) < 0)
		return n;
	for (int i = 0; i < n; i++)
		if (f->error_every && ++f->given % f->error_every == 0)
			got[i]->flags |= DMAF_BUF_ERROR;
	faulty_late_add(f, got, n);
	return 0;
}

static int source_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);
	int rc = faulty_call(f, FAULTY_DEQUEUE);

	n = faulty_takes(f, n);
	if (rc || !n)
		return rc;
	rc = ask_inner(f, in);
	src->stream = in->stream;
	if (rc)
		return rc;
	f->hurry = f->hurry || f->inner_ended;
	n = faulty_late_give(f, bufs, n, false);
	faulty_took(f, bufs, (int)n);
	return n || !f->inner_ended || f->nlate ? (int)n : DMAF_END;
}

static int source_queue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);
	int rc = faulty_call(f, FAULTY_QUEUE);

	if (rc || !in->ops->queue)
		return rc;
	if (f->briefly && n > 1)
		n = 1;
	for (unsigned i = 0; f->reorder && i < n / 2; i++) {
		dmaf_buf *b = bufs[i];

		bufs[i] = bufs[n - 1 - i];
		bufs[n - 1 - i] = b;
	}
	return faulty_pass(f, in->ops->queue(in, bufs, n));
}

static void source_done(dmaf_source *src, dmaf_buf *const *bufs, unsigned n)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);

	if (in->ops->done)
		in->ops->done(in, bufs, n);
}

static int source_intact(dmaf_source *src, const dmaf_buf *buf)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);

	return !in->ops->intact || in->ops->intact(in, buf);
}

static void source_pause(dmaf_source *src, int go)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);

	if (in->ops->pause)
		in->ops->pause(in, go);
}

static int source_stop(dmaf_source *src)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);
	int rc = faulty_call(f, FAULTY_STOP);

	f->stopped = true;
	if (!in->ops->stop)
		f->inner_ended = true;
	return rc || !in->ops->stop ? rc : faulty_pass(f, in->ops->stop(in));
}

static int source_finish(dmaf_source *src, int status)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);
	int rc = faulty_call(f, FAULTY_FINISH);

	return rc || !in->ops->finish ? rc : faulty_pass(f, in->ops->finish(in, status));
}

static int source_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);
	unsigned late;

	f->cancelled = true;
	late = faulty_late_give(f, bufs, n, false);
	if (late)
		return (int)late;
	return in->ops->cancel ? in->ops->cancel(in, bufs, n) : 0;
}

static void source_wait(dmaf_source *src, struct dmaf_wait *w)
{
	struct faulty *f = src->p.priv;
	dmaf_source *in = inner_of(f, src);

	faulty_late_wait(f, w);
	if (faulty_held_up(f))
		return;
	if (f->inner_ended)
		dmaf_wait_until(w, dmaf_now_ns() + 1000000u);
	else if (in->ops->wait)
		in->ops->wait(in, w);
	else
		dmaf_wait_until(w, dmaf_now_ns() + 1000000u);
}

static void source_close(dmaf_source *src)
{
	struct faulty *f = src->p.priv;

	if (f && f->inner_open && f->inner.source.ops->close)
		f->inner.source.ops->close(&f->inner.source);
	faulty_free(f);
}

const struct dmaf_source_ops faulty_source_ops = {
	.open = source_open,
	.pool = source_pool,
	.attach = source_attach,
	.start = source_start,
	.dequeue = source_dequeue,
	.queue = source_queue,
	.done = source_done,
	.intact = source_intact,
	.pause = source_pause,
	.stop = source_stop,
	.finish = source_finish,
	.cancel = source_cancel,
	.wait = source_wait,
	.close = source_close,
};
