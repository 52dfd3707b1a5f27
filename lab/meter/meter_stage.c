/* SPDX-License-Identifier: MIT */
/*
 * meter: a stage that marks for the copy meter what `dmaflow run` does, the program being as it was
 *installed:
 *
 *	dmaflow run --plugin /lab/meter_stage.so SOURCE meter: SINK
 *
 * The memory that passes it is payload; counting begins when that memory is settled and ends when
 *the flow closes. Buffers are passed on as they are, unread.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include <dmaflow/plugin.h>

#include "meter.h"

struct passing {
	dmaf_buf **bufs;
	unsigned head, n, cap;
};

static int meter_open(dmaf_stage *stage)
{
	stage->p.priv = calloc(1, sizeof(struct passing));
	stage->p.count.path = "meter";
	return stage->p.priv ? 0 : dmaf_fail(&stage->p.err, -ENOMEM, "meter: no memory");
}

static int meter_attach(dmaf_stage *stage)
{
	struct passing *p = stage->p.priv;
	const dmaf_region *region = dmaf_pool_region(stage->in_pool);

	p->cap = dmaf_pool_count(stage->in_pool);
	p->bufs = calloc(p->cap, sizeof(dmaf_buf *));
	if (!p->bufs)
		return dmaf_fail(&stage->p.err, -ENOMEM, "meter: no memory");
	/*
	 * A page that nobody wrote yet would show the shared page of zeros. What can't be
	 * populated, such as a driver's mapping, has its pages from the start.
	 */
	(void)madvise(region->cpu, region->len, MADV_POPULATE_WRITE);
	meter_clear();
	meter_tag(region->cpu, region->len);
	meter_begin();
	return 0;
}

static int meter_submit(dmaf_stage *stage, dmaf_buf *const *bufs, unsigned n)
{
	struct passing *p = stage->p.priv;
	unsigned i;

	for (i = 0; i < n && p->n < p->cap; i++)
		p->bufs[(p->head + p->n++) % p->cap] = bufs[i];
	return (int)i;
}

static int meter_dequeue(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	struct passing *p = stage->p.priv;
	unsigned i;

	for (i = 0; i < n && p->n; i++, p->n--) {
		bufs[i] = p->bufs[p->head];
		p->head = (p->head + 1) % p->cap;
	}
	return (int)i;
}

static void meter_wait(dmaf_stage *stage, struct dmaf_wait *w)
{
	(void)stage; /* nothing ever waits inside */
	(void)w;
}

static void meter_close(dmaf_stage *stage)
{
	struct passing *p = stage->p.priv;

	if (!p)
		return;
	if (p->bufs)
		meter_end();
	free(p->bufs);
	free(p);
}

static const struct dmaf_stage_ops ops = {
	.open = meter_open,
	.attach = meter_attach,
	.submit = meter_submit,
	.dequeue = meter_dequeue,
	.wait = meter_wait,
	.close = meter_close,
};

DMAF_API extern const struct dmaf_kind dmaf_plugin;
const struct dmaf_kind dmaf_plugin = {
	.abi = DMAF_ABI,
	.name = "meter",
	.help = "marks what passes for the lab's copy meter",
	.main = "",
	.stage = &ops,
};
