// SPDX-License-Identifier: MIT
/* serial: - a serial line as a byte stream, both ways. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/fd_in.h"
#include "plugins/common/fd_out.h"
#include "plugins/plugins.h"
#include "plugins/serial/line.h"

#define DELAY_NS 5000000u   /* max-delay= unless told: a message of a sensor goes on at once */
#define LOOK_NS  100000000u /* between looks at the line's error counters */
#define SENT_NS  2000000u   /* between looks whether all has left */

struct serial {
	struct serial_line *line;
	struct dmaf_fd_in in;
	struct dmaf_fd_out out;
	struct serial_errors sum;
	uint64_t looked_ns;
	bool hung_up;
};

static const char *const parities[] = {"none", "even", "odd", NULL};
static const char *const flows[] = {"none", "rtscts", "xonxoff", NULL};

static const struct dmaf_opt options[] = {
	{"baud", DMAF_OPT_COUNT, "bits per second (115200), any that the driver makes", 50,
	 100000000},
	{"bits", DMAF_OPT_COUNT, "data bits (8)", 5, 8},
	{"parity", DMAF_OPT_WORD, "none, even or odd", .words = parities},
	{"stop", DMAF_OPT_COUNT, "stop bits (1)", 1, 2},
	{"flow", DMAF_OPT_WORD, "who holds the other up: none, rtscts or xonxoff", .words = flows},
	{"share", DMAF_OPT_FLAG, "let other programs open the line too"},
	{0},
};

static struct serial *serial_new(struct dmaf_party *p)
{
	struct serial *s = calloc(1, sizeof(*s));

	if (!s) {
		dmaf_fail(&p->err, -ENOMEM, "no memory for a serial line");
		return NULL;
	}
	s->in.fd = s->out.fd = -1;
	s->in.label = s->out.label = dmaf_addr_text(p->addr);
	s->in.copy = s->out.copy = dmaf_copy_pipe;
	p->priv = s;
	p->count.path = "termios";
	return s;
}

static int serial_source_open(dmaf_source *src)
{
	struct serial *s = serial_new(&src->p);
	int rc;

	if (!s)
		return -ENOMEM;
	rc = serial_line_open(&s->line, src->p.addr, O_RDONLY, &src->p.err);
	if (rc)
		return rc;
	s->in.fd = serial_line_fd(s->line);
	s->in.delay_ns = src->max_delay_ns == UINT64_MAX ? DELAY_NS : src->max_delay_ns;
	src->flags |= DMAF_SRC_NOT_PAUSABLE;
	/* Many short blocks: a line gives a few dozen bytes in each max-delay. */
	src->p.need =
		(struct dmaf_need){.own = DMAF_OWN_NEVER, .block_want = 4096, .count_want = 64};
	return 0;
}

/* Errors of the line: their place in the stream is not known, their number is. */
static void look_at_line(dmaf_source *src, struct serial *s, uint64_t now)
{
	struct serial_errors e;

	s->looked_ns = now;
	serial_line_errors(s->line, &e);
	if (!(e.framing || e.parity || e.overrun || e.breaks))
		return;
	s->sum.framing += e.framing;
	s->sum.parity += e.parity;
	s->sum.overrun += e.overrun;
	s->sum.breaks += e.breaks;
	src->p.count.errors += e.framing + e.parity;
	src->p.count.lost_bytes += e.overrun;
	dmaf_note(&src->p.count,
		  "on the line so far: %u framing and %u parity errors, %u overruns, %u breaks",
		  s->sum.framing, s->sum.parity, s->sum.overrun, s->sum.breaks);
}

static int serial_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct serial *s = src->p.priv;
	int got = dmaf_fd_in_dequeue(src, &s->in, bufs, n);
	uint64_t now;

	if (got == 0)
		return 0;
	now = dmaf_now_ns();
	if (now - s->looked_ns >= LOOK_NS || got < 0)
		look_at_line(src, s, now);
	if (s->in.ended && !s->hung_up) {
		s->hung_up = true;
		dmaf_note(&src->p.count, "the line hung up after %" PRIu64 " bytes", s->in.off);
	}
	return got;
}

static int serial_stop(dmaf_source *src)
{
	((struct serial *)src->p.priv)->in.stopping = true;
	return 0;
}

static int serial_source_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return dmaf_fd_in_cancel(src, &((struct serial *)src->p.priv)->in, bufs, n);
}

static void serial_source_wait(dmaf_source *src, struct dmaf_wait *w)
{
	dmaf_fd_in_wait(src, &((struct serial *)src->p.priv)->in, w);
}

static void serial_free(struct dmaf_party *p)
{
	struct serial *s = p->priv;

	if (!s)
		return;
	if (s->in.cur)
		dmaf_buf_abandon(s->in.cur);
	dmaf_fd_out_close(&s->out);
	serial_line_close(s->line);
	free(s);
	p->priv = NULL;
}

static void serial_source_close(dmaf_source *src)
{
	serial_free(&src->p);
}

static int serial_sink_open(dmaf_sink *sink)
{
	struct serial *s = serial_new(&sink->p);
	int rc;

	if (!s)
		return -ENOMEM;
	rc = serial_line_open(&s->line, sink->p.addr, O_WRONLY, &sink->p.err);
	if (rc)
		return rc;
	s->out.fd = serial_line_fd(s->line);
	s->out.how = DMAF_FD_NONBLOCK;
	sink->p.need = (struct dmaf_need){.own = DMAF_OWN_NEVER, .block_want = 4096};
	return 0;
}

static int serial_attach(dmaf_sink *sink)
{
	return dmaf_fd_out_attach(sink, &((struct serial *)sink->p.priv)->out);
}

static int serial_begin(dmaf_sink *sink)
{
	if (!sink->durable)
		return 0;
	return dmaf_fail(
		&sink->p.err, -EINVAL,
		"%s: can't promise what survives power loss, which ack=synced asks for; file: "
		"can, or take ack=received",
		dmaf_addr_text(sink->p.addr));
}

static int serial_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	return dmaf_fd_out_submit(sink, &((struct serial *)sink->p.priv)->out, bufs, n);
}

static int serial_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	return dmaf_fd_out_reap(sink, &((struct serial *)sink->p.priv)->out, bufs, n);
}

static int serial_flush(dmaf_sink *sink, enum dmaf_flush how)
{
	struct serial *s = sink->p.priv;
	int rc;

	if (how == DMAF_FLUSH_ABORT)
		return 0;
	rc = dmaf_fd_out_flush(&s->out);
	/* Closing would cut off what has not left yet. */
	return rc ? rc : serial_line_unsent(s->line) ? -EAGAIN : 0;
}

static void serial_sink_cancel(dmaf_sink *sink)
{
	dmaf_fd_out_cancel(&((struct serial *)sink->p.priv)->out);
}

static void serial_sink_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	struct serial *s = sink->p.priv;

	if (dmaf_fd_out_flush(&s->out) == -EAGAIN)
		dmaf_fd_out_wait(&s->out, w);
	else if (serial_line_unsent(s->line))
		dmaf_wait_until(w, dmaf_now_ns() + SENT_NS);
}

static void serial_sink_close(dmaf_sink *sink)
{
	serial_free(&sink->p);
}

static const struct dmaf_source_ops source_ops = {
	.open = serial_source_open,
	.dequeue = serial_dequeue,
	.stop = serial_stop,
	.cancel = serial_source_cancel,
	.wait = serial_source_wait,
	.close = serial_source_close,
};

static const struct dmaf_sink_ops sink_ops = {
	.open = serial_sink_open,
	.attach = serial_attach,
	.begin = serial_begin,
	.submit = serial_submit,
	.reap = serial_reap,
	.flush = serial_flush,
	.cancel = serial_sink_cancel,
	.wait = serial_sink_wait,
	.close = serial_sink_close,
};

const struct dmaf_kind dmaf_kind_serial = {
	.abi = DMAF_ABI,
	.name = "serial",
	.help = "a serial line",
	.main = "/dev/ttyX",
	.opts = options,
	.source = &source_ops,
	.sink = &sink_ops,
};
