/* SPDX-License-Identifier: MIT */
/* pattern: the emulated device as a source. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <dmaflow/plugin.h>

#include "plugins/pattern/device.h"
#include "plugins/plugins.h"

#define BATCH 32u

enum { ON_OVERRUN_BLOCK, ON_OVERRUN_DROP };

struct pattern {
	struct device *dev;
	dmaf_buf **given; /* by index: buffers that the device has */
	unsigned count;
	uint64_t next_seq;
	enum device_full full;
	bool stopped;
};

static const char *const fills[] = {"full", "stamp", "none", NULL};
static const char *const fulls[] = {"block", "drop", NULL};

static const struct dmaf_opt options[] = {
	{"fill", DMAF_OPT_WORD,
	 "what the device writes: every byte, a stamp per block, or nothing after the first time",
	 .words = fills},
	{"seed", DMAF_OPT_COUNT, "start value of the pattern", 0},
	{"on-full", DMAF_OPT_WORD,
	 "no empty block: wait (default without rate=) or drop (default with it)", .words = fulls},
	{"overwriting", DMAF_OPT_FLAG, "a cyclic DMA ring that waits for nobody"},
	{NULL},
};

static int pattern_open(dmaf_source *src)
{
	const dmaf_addr *a = src->p.addr;
	uint64_t rate = dmaf_addr_u64(a, "rate", 0);
	struct pattern *p;

	if (*dmaf_addr_main(a))
		return dmaf_fail(
			&src->p.err, -EINVAL,
			"%s: nothing comes between 'pattern:' and the options, which begin "
			"right there: pattern:rate=100M",
			dmaf_addr_text(a));
	p = calloc(1, sizeof(*p));
	if (!p)
		return dmaf_fail(&src->p.err, -ENOMEM, "pattern: no memory");
	src->p.priv = p;
	p->full = dmaf_addr_u64(a, "on-full", rate ? ON_OVERRUN_DROP : ON_OVERRUN_BLOCK)
			  ? DEVICE_DROP
			  : DEVICE_BLOCK;
	if (dmaf_addr_u64(a, "overwriting", 0)) {
		p->full = DEVICE_OVERWRITE;
		src->flags |= DMAF_SRC_OVERWRITING;
	}
	if (p->full != DEVICE_BLOCK)
		src->flags |= DMAF_SRC_NOT_PAUSABLE;
	src->flags |= DMAF_SRC_OWN_RATE;
	src->p.need.count_min = p->full == DEVICE_OVERWRITE ? 2 : 1;
	src->p.count.path = "emulated device";
	snprintf(src->stream.format, sizeof(src->stream.format), "u64le");
	src->stream.channels = 1;
	src->stream.rate_mhz = rate * 125; /* 8 bytes a sample, in thousandths of a hertz */
	src->stream.clock = DMAF_CLOCK_MONOTONIC;
	if (getrandom(src->stream.id, sizeof(src->stream.id), 0) != sizeof(src->stream.id))
		return dmaf_fail(&src->p.err, -EIO, "pattern: no random stream id");
	return 0;
}

static int pattern_attach(dmaf_source *src)
{
	struct pattern *p = src->p.priv;
	const struct dmaf_terms *t = dmaf_pool_terms(src->pool);
	struct device_setup set = {
		.memory = dmaf_pool_region(src->pool)->cpu,
		.block = t->block,
		.stride = t->stride,
		.count = t->count,
		.rate = dmaf_addr_u64(src->p.addr, "rate", 0),
		.seed = dmaf_addr_u64(src->p.addr, "seed", 0),
		.fill = (enum device_fill)dmaf_addr_u64(src->p.addr, "fill", DEVICE_FILL_FULL),
		.full = p->full,
	};

	p->count = t->count;
	p->given = calloc(t->count, sizeof(*p->given));
	if (!p->given)
		return dmaf_fail(&src->p.err, -ENOMEM, "pattern: no memory");
	src->stream.block = t->block;
	return device_create(&p->dev, &set, &src->p.err);
}

static int pattern_start(dmaf_source *src, const struct dmaf_resume *resume)
{
	struct pattern *p = src->p.priv;

	(void)resume; /* what a device gave before is gone */
	return device_start(p->dev, &src->p.err);
}

static int pattern_queue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct pattern *p = src->p.priv;

	for (unsigned i = 0; i < n; i++) {
		p->given[bufs[i]->index] = bufs[i];
		if (p->full != DEVICE_OVERWRITE)
			(void)device_give(p->dev, &bufs[i]->index,
					  1); /* the ring holds all blocks */
	}
	return (int)n;
}

static void lost(dmaf_source *src, uint64_t buffers)
{
	src->p.count.lost += buffers;
	src->p.count.lost_bytes += buffers * dmaf_pool_terms(src->pool)->block;
}

static int pattern_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct pattern *p = src->p.priv;
	struct device_done_entry e[BATCH];
	int got = device_take(p->dev, e, n < BATCH ? n : BATCH), out = 0;

	if (got < 0)
		return dmaf_fail(&src->p.err, got, "pattern: the done ring is broken");
	for (int i = 0; i < got; i++) {
		dmaf_buf *b = p->given[e[i].index];

		/* Overtaken before anyone looked, or its buffer is still out: counted by the gap.
		 */
		if (!b || (p->full == DEVICE_OVERWRITE && !device_intact(p->dev, e[i].seq)))
			continue;
		p->given[e[i].index] = NULL;
		if (e[i].seq != p->next_seq)
			lost(src, e[i].seq - p->next_seq);
		p->next_seq = e[i].seq + 1;
		b->seq = e[i].seq;
		b->offset = e[i].offset;
		b->mono_ns = e[i].mono_ns;
		b->ts_ns = e[i].mono_ns;
		b->ticks = e[i].ticks;
		dmaf_buf_filled(b, (size_t)e[i].bytes);
		bufs[out++] = b;
	}
	return out || !p->stopped ? out : DMAF_END;
}

static int pattern_intact(dmaf_source *src, const dmaf_buf *buf)
{
	struct pattern *p = src->p.priv;

	return device_intact(p->dev, buf->seq);
}

static int pattern_stop(dmaf_source *src)
{
	struct pattern *p = src->p.priv;

	device_stop(p->dev);
	p->stopped = true;
	return 0;
}

static int pattern_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct pattern *p = src->p.priv;
	unsigned out = 0;

	if (!p || !p->dev)
		return 0;
	device_stop(p->dev);
	for (unsigned i = 0; i < p->count && out < n; i++)
		if (p->given[i]) {
			bufs[out++] = p->given[i];
			p->given[i] = NULL;
		}
	return (int)out;
}

static void pattern_wait(dmaf_source *src, struct dmaf_wait *w)
{
	struct pattern *p = src->p.priv;

	if (device_arm(p->dev))
		dmaf_wait_fd(w, p->dev->done_fd, POLLIN);
	else
		dmaf_wait_until(w, 1); /* it came meanwhile */
}

static void pattern_close(dmaf_source *src)
{
	struct pattern *p = src->p.priv;

	if (!p)
		return;
	device_destroy(p->dev);
	free(p->given);
	free(p);
}

static const struct dmaf_source_ops pattern_source = {
	.open = pattern_open,
	.attach = pattern_attach,
	.start = pattern_start,
	.queue = pattern_queue,
	.dequeue = pattern_dequeue,
	.intact = pattern_intact,
	.stop = pattern_stop,
	.cancel = pattern_cancel,
	.wait = pattern_wait,
	.close = pattern_close,
};

const struct dmaf_kind dmaf_kind_pattern = {
	.abi = DMAF_ABI,
	.name = "pattern",
	.help = "an emulated acquisition device whose every byte can be verified",
	.main = "",
	.opts = options,
	.source = &pattern_source,
};
