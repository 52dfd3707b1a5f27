/* SPDX-License-Identifier: MIT */
/*
 * vmsplice + splice: the socket sends our pages themselves, on loopback too, and nobody tells when
 * it no longer needs them. Only an acknowledgement by the receiving program does.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "plugins/tcp/tcp_sink.h"

#define PIPE_BYTES (1 << 20) /* what any user may ask for: fs.pipe-max-size */

/* splice() knows no MSG_NOSIGNAL: a peer's reset would end the program. */
static void ignore_sigpipe(void)
{
	struct sigaction now;

	if (!sigaction(SIGPIPE, NULL, &now) && now.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

int tcp_splice_open(struct tcp_sink *t, struct dmaf_err *err)
{
	if (t->pipe[0] >= 0)
		return 0;
	if (pipe2(t->pipe, O_CLOEXEC | O_NONBLOCK)) {
		int r = -errno;

		t->pipe[0] = t->pipe[1] = -1;
		return dmaf_fail(err, r, "%s: mode=splice: no pipe: %s", t->o.text, strerror(-r));
	}
	/* A smaller pipe is slower and no worse: the user's pages in pipes may be used up. */
	(void)fcntl(t->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	ignore_sigpipe();
	t->piped = 0;
	return 0;
}

void tcp_splice_close(struct tcp_sink *t)
{
	if (t->pipe[0] >= 0) {
		close(t->pipe[0]);
		close(t->pipe[1]);
	}
	t->pipe[0] = t->pipe[1] = -1;
	t->piped = 0;
}

static int fill_pipe(struct tcp_sink *t)
{
	size_t bytes;
	unsigned n = tcp_queue_iov(t, &bytes);
	ssize_t r;

	if (!n)
		return 0;
	r = vmsplice(t->pipe[1], t->iov, n, SPLICE_F_NONBLOCK);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	tcp_queue_taken(t, (size_t)r, 0);
	t->piped += (uint64_t)r;
	return 0;
}

ssize_t tcp_splice_send(struct tcp_sink *t)
{
	int err = t->mode == TCP_MODE_SPLICE ? fill_pipe(t) : 0;
	ssize_t r;

	if (err) {
		tcp_mode_leave(t, TCP_MODE_COPY,
			       "the kernel will not pin this memory for vmsplice");
		if (!t->piped)
			return 0;
	}
	r = splice(t->pipe[0], NULL, t->fd, NULL, (size_t)t->piped,
		   SPLICE_F_NONBLOCK | (t->f_send != t->f_head ? SPLICE_F_MORE : 0));
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	t->piped -= (uint64_t)r;
	t->link_sent += (uint64_t)r;
	t->since_rx += (uint64_t)r;
	t->moved = true;
	t->blocked = t->piped != 0;
	return r;
}
