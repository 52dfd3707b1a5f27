/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "plugins/faulty/faulty.h"

static dmaf_stage *inner_of(struct faulty *f, const dmaf_stage *stage)
{
	dmaf_stage *in = &f->inner.stage;

	in->in_stream = stage->in_stream;
	in->in_pool = stage->in_pool;
	in->pool = stage->pool;
	return in;
}

static int stage_open(dmaf_stage *stage)
{
	struct faulty *f;
	int rc = faulty_open(&f, &stage->p, FAULTY_IS_STAGE);
	dmaf_stage *in;

	if (rc)
		return rc;
	in = inner_of(f, stage);
	in->ops = in->p.kind ? in->p.kind->stage : &faulty_play_stage;
	f->inner_open = true;
	rc = faulty_pass(f, in->ops->open(in));
	if (rc)
		return rc;
	stage->p.need = in->p.need;
	stage->transforms = in->transforms;
	if (stage->p.need.count_min <= f->keep)
		stage->p.need.count_min = (unsigned)f->keep + 1;
	return faulty_call(f, FAULTY_OPEN);
}

static int stage_pool(dmaf_stage *stage, const struct dmaf_terms *terms, dmaf_pool **pool)
{
	struct faulty *f = stage->p.priv;
	dmaf_stage *in = inner_of(f, stage);

	f->party = &stage->p;
	return faulty_pass(f, in->ops->pool(in, terms, pool));
}

static int stage_attach(dmaf_stage *stage)
{
	struct faulty *f = stage->p.priv;
	dmaf_stage *in = inner_of(f, stage);
	int rc = faulty_attach(f, &stage->p, stage->pool);

	if (!rc && in->ops->attach)
		rc = faulty_pass(f, in->ops->attach(in));
	return rc ? rc : faulty_call(f, FAULTY_ATTACH);
}

static int stage_submit(dmaf_stage *stage, dmaf_buf *const *bufs, unsigned n)
{
	struct faulty *f = stage->p.priv;
	dmaf_stage *in = inner_of(f, stage);
	int rc = faulty_call(f, FAULTY_SUBMIT);

	n = faulty_takes(f, n);
	if (rc || !n)
		return rc;
	if (!f->taken)
		in->stream = stage->stream;
	rc = faulty_pass(f, in->ops->submit(in, bufs, n));
	faulty_took(f, bufs, rc);
	stage->stream = in->stream;
	return rc;
}

static int stage_dequeue(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	struct faulty *f = stage->p.priv;
	dmaf_stage *in = inner_of(f, stage);
	dmaf_buf *got[FAULTY_BATCH];
	unsigned room = faulty_late_room(f);
	int rc = f->cancelled ? 0 : faulty_call(f, FAULTY_DEQUEUE);

	if (rc)
		return rc;
	if (room && !f->inner_ended && !faulty_stalled(f)) {
		rc = in->ops->dequeue(in, got, room);
		if (rc == DMAF_END) {
			f->inner_ended = f->hurry = true;
			rc = 0;
		}
		if (faulty_pass(f, rc) < 0)
			return rc;
		faulty_late_add(f, got, rc);
	}
	if (f->taken)
		stage->stream = in->stream;
	n = faulty_late_give(f, bufs, n, false);
	return n || !f->inner_ended || f->nlate ? (int)n : DMAF_END;
}

static int stage_reap(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	struct faulty *f = stage->p.priv;
	dmaf_stage *in = inner_of(f, stage);
	int rc = f->cancelled ? 0 : faulty_call(f, FAULTY_REAP);

	if (rc || faulty_stalled(f))
		return rc;
	return faulty_pass(f, in->ops->reap(in, bufs, f->briefly && n ? 1 : n));
}

static int stage_flush(dmaf_stage *stage)
{
	struct faulty *f = stage->p.priv;
	dmaf_stage *in = inner_of(f, stage);
	int rc = faulty_call(f, FAULTY_FLUSH);

	f->hurry = true;
	if (!rc && in->ops->flush)
		rc = faulty_pass(f, in->ops->flush(in));
	return rc ? rc : f->nlate ? -EAGAIN : 0;
}

static void stage_cancel(dmaf_stage *stage)
{
	struct faulty *f = stage->p.priv;
	dmaf_stage *in = inner_of(f, stage);

	f->cancelled = true;
	if (in->ops->cancel)
		in->ops->cancel(in);
}

static void stage_wait(dmaf_stage *stage, struct dmaf_wait *w)
{
	struct faulty *f = stage->p.priv;
	dmaf_stage *in = inner_of(f, stage);

	faulty_late_wait(f, w);
	if (faulty_stalled(f))
		return;
	if (in->ops->wait)
		in->ops->wait(in, w);
	else
		dmaf_wait_until(w, dmaf_now_ns() + 1000000u);
}

static void stage_close(dmaf_stage *stage)
{
	struct faulty *f = stage->p.priv;

	if (f && f->inner_open && f->inner.stage.ops->close)
		f->inner.stage.ops->close(&f->inner.stage);
	faulty_free(f);
}

const struct dmaf_stage_ops faulty_stage_ops = {
	.open = stage_open,
	.pool = stage_pool,
	.attach = stage_attach,
	.submit = stage_submit,
	.dequeue = stage_dequeue,
	.reap = stage_reap,
	.flush = stage_flush,
	.cancel = stage_cancel,
	.wait = stage_wait,
	.close = stage_close,
};
