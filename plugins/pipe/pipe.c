// SPDX-License-Identifier: MIT
/*
 * "-" is standard input or output, pipe:PATH a fifo. Their descriptors are shared with other
 * programs: O_NONBLOCK is never set on them, it would show up there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/common/fd_in.h"
#include "plugins/common/fd_out.h"
#include "plugins/plugins.h"

#define DELAY_NS  100000000u /* max-delay= unless told: a typed line goes on while one looks */
#define RETRY_NS  20000000u  /* between looks whether a fifo has a reader */
#define PIPE_SIZE (1 << 20)  /* what anyone may ask for: /proc/sys/fs/pipe-max-size */
#define TTY_CHUNK 256        /* a terminal that is ready takes this much: n_tty's WAKEUP_CHARS */

struct pipe_end {
	struct dmaf_fd_in in;
	struct dmaf_fd_out out;
	const char *path; /* of a fifo; NULL: standard input or output */
	int own_fd;       /* to be closed; -1: none */
};

static bool is_stdio(const struct dmaf_party *p)
{
	return !strcmp(dmaf_addr_kind(p->addr), "-");
}

static int check_fifo(struct dmaf_party *p, const char *path)
{
	struct stat st;

	if (!*path)
		return dmaf_fail(&p->err, -EINVAL,
				 "pipe: names no fifo; pipe:PATH does, and - is "
				 "standard input or output");
	if (stat(path, &st))
		return dmaf_fail(&p->err, -errno,
				 errno == ENOENT
					 ? "pipe:%s: there is no such fifo; `mkfifo %s` makes it"
					 : "pipe:%s: %s: %s",
				 path, path, strerror(errno));
	if (!S_ISFIFO(st.st_mode))
		return dmaf_fail(&p->err, -EINVAL, "pipe:%s: not a fifo; %s:%s %s", path,
				 S_ISCHR(st.st_mode) ? "serial" : "file", path,
				 S_ISDIR(st.st_mode) ? "is for files, and this is a directory"
						     : "may be meant");
	return 0;
}

static struct pipe_end *new_end(struct dmaf_party *p)
{
	struct pipe_end *e = calloc(1, sizeof(*e));

	if (!e) {
		dmaf_fail(&p->err, -ENOMEM, "no memory for a pipe");
		return NULL;
	}
	e->own_fd = e->in.fd = e->out.fd = -1;
	p->priv = e;
	p->need = (struct dmaf_need){.own = DMAF_OWN_NEVER, .block_want = 256 * 1024};
	return e;
}

/* What a descriptor's bytes are copied out of or into. */
static const char *copy_reason(const struct stat *st, bool reads)
{
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
		return dmaf_copy_page_cache;
	if (S_ISSOCK(st->st_mode))
		return reads ? dmaf_copy_recv : dmaf_copy_send;
	return dmaf_copy_pipe;
}

/*
 * A program started without the descriptor gets the number back for the next thing it opens: an
 * eventfd or the like, which is no type of file at all.
 */
static bool closed(int fd, struct stat *st)
{
	return fstat(fd, st) || !(st->st_mode & S_IFMT);
}

static int open_stdin(dmaf_source *src, struct pipe_end *e)
{
	struct stat st;

	e->in.fd = STDIN_FILENO;
	if (closed(STDIN_FILENO, &st))
		return dmaf_fail(&src->p.err, -EBADF, "-: standard input is closed");
	if (S_ISDIR(st.st_mode))
		return dmaf_fail(&src->p.err, -EISDIR, "-: standard input is a directory");
	e->in.copy = copy_reason(&st, true);
	return 0;
}

static int pipe_source_open(dmaf_source *src)
{
	struct pipe_end *e = new_end(&src->p);
	int rc;

	if (!e)
		return -ENOMEM;
	e->in.label = is_stdio(&src->p) ? "standard input" : dmaf_addr_text(src->p.addr);
	e->in.delay_ns = src->max_delay_ns == UINT64_MAX ? DELAY_NS : src->max_delay_ns;
	src->p.count.path = "read";
	if (is_stdio(&src->p)) {
		rc = open_stdin(src, e);
	} else {
		e->path = dmaf_addr_main(src->p.addr);
		e->in.copy = dmaf_copy_pipe;
		rc = check_fifo(&src->p, e->path);
		/* O_NONBLOCK: the writer may come later. This description is nobody else's. */
		if (!rc)
			e->own_fd = e->in.fd = open(e->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (!rc && e->own_fd < 0)
			rc = dmaf_fail(&src->p.err, -errno, "pipe:%s: %s", e->path,
				       strerror(errno));
	}
	/* Fewer, larger reads; where it is not allowed the pipe stays as it is. */
	if (!rc)
		(void)fcntl(e->in.fd, F_SETPIPE_SZ, PIPE_SIZE);
	return rc;
}

static int pipe_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return dmaf_fd_in_dequeue(src, &((struct pipe_end *)src->p.priv)->in, bufs, n);
}

static int pipe_stop(dmaf_source *src)
{
	((struct pipe_end *)src->p.priv)->in.stopping = true;
	return 0;
}

static int pipe_source_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	return dmaf_fd_in_cancel(src, &((struct pipe_end *)src->p.priv)->in, bufs, n);
}

static void pipe_source_wait(dmaf_source *src, struct dmaf_wait *w)
{
	dmaf_fd_in_wait(src, &((struct pipe_end *)src->p.priv)->in, w);
}

static void close_end(struct dmaf_party *p)
{
	struct pipe_end *e = p->priv;

	if (!e)
		return;
	if (e->in.cur)
		dmaf_buf_abandon(e->in.cur);
	dmaf_fd_out_close(&e->out);
	if (e->own_fd >= 0)
		(void)close(e->own_fd);
	free(e);
	p->priv = NULL;
}

static void pipe_source_close(dmaf_source *src)
{
	close_end(&src->p);
}

/*
 * Which way of writing leaves the others' descriptor alone and does not wait. A terminal can be
 * opened once more with a description of our own; a pipe can too, but not always another user's,
 * and it has RWF_NOWAIT.
 */
static void choose_how(struct pipe_end *e, const struct stat *st)
{
	e->out.fd = STDOUT_FILENO;
	e->out.chunk = PIPE_BUF;
	if (S_ISFIFO(st->st_mode)) {
		e->out.how = DMAF_FD_NOWAIT;
	} else if (S_ISSOCK(st->st_mode)) {
		e->out.how = DMAF_FD_SOCKET;
	} else if (S_ISCHR(st->st_mode) && isatty(STDOUT_FILENO)) {
		e->own_fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		e->out.how = e->own_fd >= 0 ? DMAF_FD_NONBLOCK : DMAF_FD_CHUNK;
		e->out.chunk = TTY_CHUNK;
		if (e->own_fd >= 0)
			e->out.fd = e->own_fd;
	} else {
		e->out.how = DMAF_FD_PLAIN;
	}
}

static int pipe_sink_open(dmaf_sink *sink)
{
	struct pipe_end *e = new_end(&sink->p);
	struct stat st;

	if (!e)
		return -ENOMEM;
	sink->p.count.path = "write";
	if (!is_stdio(&sink->p)) {
		e->path = dmaf_addr_main(sink->p.addr);
		e->out.label = dmaf_addr_text(sink->p.addr);
		e->out.copy = dmaf_copy_pipe;
		e->out.how = DMAF_FD_NONBLOCK;
		return check_fifo(&sink->p, e->path);
	}
	e->out.label = "standard output";
	if (closed(STDOUT_FILENO, &st))
		return dmaf_fail(&sink->p.err, -EBADF, "-: standard output is closed");
	e->out.copy = copy_reason(&st, false);
	choose_how(e, &st);
	if (S_ISFIFO(st.st_mode))
		(void)fcntl(e->out.fd, F_SETPIPE_SZ, PIPE_SIZE);
	return 0;
}

static int pipe_attach(dmaf_sink *sink)
{
	return dmaf_fd_out_attach(sink, &((struct pipe_end *)sink->p.priv)->out);
}

static int pipe_begin(dmaf_sink *sink)
{
	struct pipe_end *e = sink->p.priv;

	if (!sink->durable)
		return 0;
	return dmaf_fail(
		&sink->p.err, -EINVAL,
		"%s: can't promise what survives power loss, which ack=synced asks for; file: "
		"can, or take ack=received",
		e->out.label);
}

/* A fifo that nobody reads can't be opened for writing without waiting: look again later. */
static int await_reader(dmaf_sink *sink, struct pipe_end *e)
{
	if (e->out.fd >= 0)
		return 1;
	e->own_fd = e->out.fd = open(e->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (e->out.fd >= 0) {
		(void)fcntl(e->out.fd, F_SETPIPE_SZ, PIPE_SIZE);
		return 1;
	}
	if (errno == ENXIO) {
		if (!sink->p.count.notes)
			dmaf_note(&sink->p.count, "nobody reads %s yet", e->path);
		return 0;
	}
	return dmaf_fail(&sink->p.err, -errno, "pipe:%s: %s", e->path, strerror(errno));
}

static int pipe_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	struct pipe_end *e = sink->p.priv;
	int rc = await_reader(sink, e);

	return rc <= 0 ? rc : dmaf_fd_out_submit(sink, &e->out, bufs, n);
}

static int pipe_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	return dmaf_fd_out_reap(sink, &((struct pipe_end *)sink->p.priv)->out, bufs, n);
}

static int pipe_flush(dmaf_sink *sink, enum dmaf_flush how)
{
	struct pipe_end *e = sink->p.priv;

	return how == DMAF_FLUSH_FINISH ? dmaf_fd_out_flush(&e->out) : 0;
}

static void pipe_sink_cancel(dmaf_sink *sink)
{
	dmaf_fd_out_cancel(&((struct pipe_end *)sink->p.priv)->out);
}

static void pipe_sink_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	struct pipe_end *e = sink->p.priv;

	if (e->out.fd < 0)
		dmaf_wait_until(w, dmaf_now_ns() + RETRY_NS);
	else
		dmaf_fd_out_wait(&e->out, w);
}

static void pipe_sink_close(dmaf_sink *sink)
{
	close_end(&sink->p);
}

static const struct dmaf_source_ops source_ops = {
	.open = pipe_source_open,
	.dequeue = pipe_dequeue,
	.stop = pipe_stop,
	.cancel = pipe_source_cancel,
	.wait = pipe_source_wait,
	.close = pipe_source_close,
};

static const struct dmaf_sink_ops sink_ops = {
	.open = pipe_sink_open,
	.attach = pipe_attach,
	.begin = pipe_begin,
	.submit = pipe_submit,
	.reap = pipe_reap,
	.flush = pipe_flush,
	.cancel = pipe_sink_cancel,
	.wait = pipe_sink_wait,
	.close = pipe_sink_close,
};

static const struct dmaf_opt no_options[] = {{0}};

const struct dmaf_kind dmaf_kind_stdio = {
	.abi = DMAF_ABI,
	.name = "-",
	.help = "standard input or output",
	.main = "",
	.opts = no_options,
	.source = &source_ops,
	.sink = &sink_ops,
};

const struct dmaf_kind dmaf_kind_pipe = {
	.abi = DMAF_ABI,
	.name = "pipe",
	.help = "a fifo",
	.main = "PATH",
	.opts = no_options,
	.source = &source_ops,
	.sink = &sink_ops,
};
