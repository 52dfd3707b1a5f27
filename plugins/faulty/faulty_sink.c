/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "plugins/faulty/faulty.h"

static dmaf_sink *inner_of(struct faulty *f, const dmaf_sink *sink)
{
	dmaf_sink *in = &f->inner.sink;

	in->pool = sink->pool;
	in->stream = sink->stream;
	in->durable = sink->durable;
	in->on_gap = sink->on_gap;
	return in;
}

static int sink_open(dmaf_sink *sink)
{
	struct faulty *f;
	int rc = faulty_open(&f, &sink->p, FAULTY_IS_SINK);
	dmaf_sink *in;

	if (rc)
		return rc;
	in = inner_of(f, sink);
	in->ops = in->p.kind ? in->p.kind->sink : &faulty_play_sink;
	f->inner_open = true;
	rc = faulty_pass(f, in->ops->open(in));
	if (rc)
		return rc;
	sink->p.need = in->p.need;
	if (sink->p.need.count_min <= f->keep)
		sink->p.need.count_min = (unsigned)f->keep + 1;
	return faulty_call(f, FAULTY_OPEN);
}

static int sink_pool(dmaf_sink *sink, const struct dmaf_terms *terms, dmaf_pool **pool)
{
	struct faulty *f = sink->p.priv;
	dmaf_sink *in = inner_of(f, sink);

	f->party = &sink->p;
	return faulty_pass(f, in->ops->pool(in, terms, pool));
}

static int sink_attach(dmaf_sink *sink)
{
	struct faulty *f = sink->p.priv;
	dmaf_sink *in = inner_of(f, sink);
	int rc = faulty_attach(f, &sink->p, sink->pool);

	if (!rc && in->ops->attach)
		rc = faulty_pass(f, in->ops->attach(in));
	return rc ? rc : faulty_call(f, FAULTY_ATTACH);
}

static int sink_resume(dmaf_sink *sink, struct dmaf_resume *resume)
{
	struct faulty *f = sink->p.priv;
	dmaf_sink *in = inner_of(f, sink);

	return in->ops->resume ? faulty_pass(f, in->ops->resume(in, resume)) : 0;
}

static int sink_begin(dmaf_sink *sink)
{
	struct faulty *f = sink->p.priv;
	dmaf_sink *in = inner_of(f, sink);
	int rc = faulty_call(f, FAULTY_BEGIN);

	return rc || !in->ops->begin ? rc : faulty_pass(f, in->ops->begin(in));
}

static int sink_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	struct faulty *f = sink->p.priv;
	dmaf_sink *in = inner_of(f, sink);
	int rc = faulty_call(f, FAULTY_SUBMIT);

	n = faulty_takes(f, n);
	if (rc || !n)
		return rc;
	rc = faulty_pass(f, in->ops->submit(in, bufs, n));
	faulty_took(f, bufs, rc);
	return rc;
}

static void complete(struct faulty *f, dmaf_buf *const *bufs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int rc = faulty_call(f, FAULTY_COMPLETE);

		if (rc && !bufs[i]->status)
			bufs[i]->status = rc;
	}
}

static int sink_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	struct faulty *f = sink->p.priv;
	dmaf_sink *in = inner_of(f, sink);
	dmaf_buf *got[FAULTY_BATCH];
	unsigned room = faulty_late_room(f);
	int rc = f->cancelled ? 0 : faulty_call(f, FAULTY_REAP);

	if (rc)
		return rc;
	if (room && !faulty_stalled(f)) {
		rc = faulty_pass(f, in->ops->reap(in, got, room));
		if (rc < 0)
			return rc;
		faulty_late_add(f, got, rc);
	}
	n = faulty_late_give(f, bufs, n, true);
	if (!f->cancelled)
		complete(f, bufs, n);
	return (int)n;
}

static int sink_flush(dmaf_sink *sink, enum dmaf_flush how)
{
	struct faulty *f = sink->p.priv;
	dmaf_sink *in = inner_of(f, sink);
	int rc = how == DMAF_FLUSH_FINISH ? faulty_call(f, FAULTY_FLUSH) : 0;

	f->hurry = true;
	if (rc)
		return rc;
	if (how == DMAF_FLUSH_FINISH && faulty_stalled(f))
		return -EAGAIN;
	return in->ops->flush ? faulty_pass(f, in->ops->flush(in, how)) : 0;
}

static void sink_cancel(dmaf_sink *sink)
{
	struct faulty *f = sink->p.priv;
	dmaf_sink *in = inner_of(f, sink);

	f->cancelled = true;
	if (in->ops->cancel)
		in->ops->cancel(in);
}

static void sink_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	struct faulty *f = sink->p.priv;
	dmaf_sink *in = inner_of(f, sink);

	faulty_late_wait(f, w);
	if (faulty_stalled(f))
		return;
	if (in->ops->wait)
		in->ops->wait(in, w);
	else
		dmaf_wait_until(w, dmaf_now_ns() + 1000000u);
}

static void sink_close(dmaf_sink *sink)
{
	struct faulty *f = sink->p.priv;

	if (f && f->inner_open && f->inner.sink.ops->close)
		f->inner.sink.ops->close(&f->inner.sink);
	faulty_free(f);
}

const struct dmaf_sink_ops faulty_sink_ops = {
	.open = sink_open,
	.pool = sink_pool,
	.attach = sink_attach,
	.resume = sink_resume,
	.begin = sink_begin,
	.submit = sink_submit,
	.reap = sink_reap,
	.flush = sink_flush,
	.cancel = sink_cancel,
	.wait = sink_wait,
	.close = sink_close,
};
