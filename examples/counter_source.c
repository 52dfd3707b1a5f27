/* SPDX-License-Identifier: MIT */
/*
 * A source of one's own as a loadable plug-in: numbered lines of text.
 *
 *	cc -shared -fPIC counter_source.c $(pkg-config --cflags dmaflow) -o counter.so
 *	dmaflow run --plugin ./counter.so counter:lines=1000 file:lines.txt
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <dmaflow/plugin.h>

#define LINE 16 /* bytes, the newline included */

struct counter {
	uint64_t line, lines, seq, offset;
};

static const struct dmaf_opt options[] = {
	{"lines", DMAF_OPT_COUNT, "how many lines (10)", 1, 1000000000},
	{NULL},
};

static int counter_open(dmaf_source *src)
{
	struct counter *c = calloc(1, sizeof(*c));

	if (!c)
		return dmaf_fail(&src->p.err, -ENOMEM, "counter: no memory");
	src->p.priv = c;
	c->lines = dmaf_addr_u64(src->p.addr, "lines", 10);
	src->p.need.block_min = LINE; /* a block holds a line at least */
	src->p.need.block_want = 4096;
	return 0;
}

/* Without a queue op the source takes its buffers from src->pool by itself. */
static int counter_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct counter *c = src->p.priv;
	unsigned got = 0;

	if (c->line == c->lines)
		return DMAF_END;
	while (got < n && c->line < c->lines && (bufs[got] = dmaf_pool_try(src->pool))) {
		dmaf_buf *b = bufs[got++];
		char *to = dmaf_buf_data(b), text[24];
		size_t len = 0;

		for (; len + LINE <= dmaf_buf_room(b) && c->line < c->lines; len += LINE) {
			(void)snprintf(text, sizeof(text), "%15" PRIu64 "\n", c->line++);
			__builtin_memcpy(to + len, text, LINE);
		}
		b->seq = c->seq++;
		b->offset = c->offset;
		b->mono_ns = dmaf_now_ns();
		c->offset += len;
		dmaf_buf_filled(b, len); /* handed over: from here on it only reads */
	}
	return (int)got; /* 0: no buffer is free yet, it is asked again */
}

static void counter_wait(dmaf_source *src, struct dmaf_wait *w)
{
	(void)src; /* it waits for free buffers only, and those come from the sinks */
	(void)w;
}

static void counter_close(dmaf_source *src)
{
	free(src->p.priv);
}

static const struct dmaf_source_ops ops = {
	.open = counter_open,
	.dequeue = counter_dequeue,
	.wait = counter_wait,
	.close = counter_close,
};

DMAF_API extern const struct dmaf_kind dmaf_plugin;
const struct dmaf_kind dmaf_plugin = {
	.abi = DMAF_ABI,
	.name = "counter",
	.help = "numbered lines of text",
	.main = "",
	.opts = options,
	.source = &ops,
};
