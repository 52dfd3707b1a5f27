/* SPDX-License-Identifier: MIT */
/*
 * A sink of one's own as a loadable plug-in: counts lines and says how many at the end.
 *
 *	cc -shared -fPIC lines_sink.c $(pkg-config --cflags dmaflow) -o lines.so
 *	dmaflow run --plugin ./lines.so file:README.md lines:
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <dmaflow/plugin.h>

struct lines {
	uint64_t lines;
	dmaf_buf *held[64]; /* looked at, not yet given back */
	unsigned n;
};

static int lines_open(dmaf_sink *sink)
{
	sink->p.priv = calloc(1, sizeof(struct lines));
	sink->p.count.path = "read";
	return sink->p.priv ? 0 : dmaf_fail(&sink->p.err, -ENOMEM, "lines: no memory");
}

static int lines_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	struct lines *l = sink->p.priv;
	unsigned i;

	for (i = 0; i < n && l->n < 64; i++) {
		for (unsigned s = 0; s < bufs[i]->nsegs; s++) {
			const char *at = dmaf_seg_data(&bufs[i]->seg[s]);
			const char *end = at + bufs[i]->seg[s].len;

			while ((at = memchr(at, '\n', (size_t)(end - at)))) {
				l->lines++;
				at++;
			}
		}
		/* Reading payload by CPU counts as a copy, under a reason of one's own. */
		dmaf_copied(&sink->p.count, "counting-lines", bufs[i]->len);
		l->held[l->n++] = bufs[i];
	}
	return (int)i;
}

static int lines_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	struct lines *l = sink->p.priv;

	if (n > l->n)
		n = l->n;
	l->n -= n;
	memcpy(bufs, l->held + l->n, n * sizeof(*bufs));
	return (int)n;
}

static int lines_flush(dmaf_sink *sink, enum dmaf_flush how)
{
	struct lines *l = sink->p.priv;

	dmaf_note(&sink->p.count, "%" PRIu64 " lines%s", l->lines,
		  how == DMAF_FLUSH_ABORT ? " so far" : "");
	return 0;
}

static void lines_close(dmaf_sink *sink)
{
	free(sink->p.priv);
}

static const struct dmaf_sink_ops ops = {
	.open = lines_open,
	.submit = lines_submit,
	.reap = lines_reap,
	.flush = lines_flush,
	.close = lines_close,
};

DMAF_API extern const struct dmaf_kind dmaf_plugin;
const struct dmaf_kind dmaf_plugin = {
	.abi = DMAF_ABI,
	.name = "lines",
	.help = "counts lines",
	.main = "",
	.sink = &ops,
};
