// SPDX-License-Identifier: MIT
#include "plugins/common/fd_out.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008 /* preadv2(2) */
#endif

struct dmaf_fd_entry {
	dmaf_buf *buf;
	uint64_t zeros; /* that go before it, in place of lost bytes */
	unsigned seg;
	size_t seg_off;
	int status;
};

static const char zeros[4096];

static struct dmaf_fd_entry *at(const struct dmaf_fd_out *out, unsigned i)
{
	return &out->entry[i & (out->cap - 1)];
}

int dmaf_fd_out_attach(dmaf_sink *sink, struct dmaf_fd_out *out)
{
	unsigned count = dmaf_pool_count(sink->pool);
	struct sigaction sa;

	for (out->cap = 1; out->cap < count; out->cap *= 2)
		;
	out->entry = calloc(out->cap, sizeof(*out->entry));
	if (!out->entry)
		return dmaf_fail(&sink->p.err, -ENOMEM, "no memory for %u buffers", count);
	/* A program that wants to die of SIGPIPE does so by its own writes, not by ours. */
	out->sigpipe = !sigaction(SIGPIPE, NULL, &sa) && sa.sa_handler != SIG_IGN;
	return 0;
}

/* The bytes that come next. Return: how many pieces; *total: their sum, at most @limit. */
static unsigned gather(const struct dmaf_fd_out *out, struct iovec *iov, size_t limit,
		       size_t *total)
{
	unsigned n = 0;

	*total = 0;
	for (unsigned i = out->done; i != out->tail && n < DMAF_FD_IOVS && *total < limit; i++) {
		const struct dmaf_fd_entry *e = at(out, i);
		uint64_t z = e->zeros;
		size_t off = e->seg_off;

		for (; z && n < DMAF_FD_IOVS && *total < limit; z -= iov[n++].iov_len) {
			iov[n] = (struct iovec){(void *)(uintptr_t)zeros,
						z < sizeof(zeros) ? (size_t)z : sizeof(zeros)};
			*total += iov[n].iov_len;
		}
		for (unsigned s = e->seg;
		     !z && s < e->buf->nsegs && n < DMAF_FD_IOVS && *total < limit; s++) {
			iov[n] = (struct iovec){(char *)dmaf_seg_data(&e->buf->seg[s]) + off,
						e->buf->seg[s].len - off};
			off = 0;
			*total += iov[n++].iov_len;
		}
	}
	if (*total > limit) {
		iov[n - 1].iov_len -= *total - limit;
		*total = limit;
	}
	return n;
}

/* @len bytes went: move the cursor, and the mark behind what is done. */
static void advance(struct dmaf_fd_out *out, size_t len)
{
	while (out->done != out->tail) {
		struct dmaf_fd_entry *e = at(out, out->done);
		size_t part = e->zeros < len ? (size_t)e->zeros : len;

		e->zeros -= part;
		len -= part;
		while (e->seg < e->buf->nsegs && !e->zeros) {
			size_t left = e->buf->seg[e->seg].len - e->seg_off;

			part = left < len ? left : len;
			e->seg_off += part;
			len -= part;
			if (part < left)
				return;
			e->seg++;
			e->seg_off = 0;
		}
		if (e->seg < e->buf->nsegs)
			return;
		out->done++;
	}
}

static ssize_t put(struct dmaf_fd_out *out, struct iovec *iov, unsigned n)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
	struct pollfd p = {.fd = out->fd, .events = POLLOUT};
	ssize_t rc;

	switch (out->how) {
	case DMAF_FD_SOCKET: return sendmsg(out->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	case DMAF_FD_NOWAIT:
		rc = pwritev2(out->fd, iov, (int)n, -1, RWF_NOWAIT);
		if (rc >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
			return rc;
		/* A kernel without it for this kind of file: smaller steps from now on. */
		out->how = DMAF_FD_CHUNK;
		errno = EAGAIN;
		return -1;
	case DMAF_FD_CHUNK:
		if (poll(&p, 1, 0) <= 0) {
			errno = EAGAIN;
			return -1;
		}
		return writev(out->fd, iov, (int)n);
	default: return writev(out->fd, iov, (int)n);
	}
}

/* A write that may raise SIGPIPE, without the program dying of it. */
static ssize_t put_quietly(struct dmaf_fd_out *out, struct iovec *iov, unsigned n)
{
	struct timespec now = {0};
	sigset_t pipe_set, was, pending;
	bool was_pending;
	int err_no;
	ssize_t rc;

	if (!out->sigpipe)
		return put(out, iov, n);
	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	was_pending = !sigpending(&pending) && sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &was);
	rc = put(out, iov, n);
	err_no = errno;
	if (rc < 0 && err_no == EPIPE && !was_pending)
		(void)sigtimedwait(&pipe_set, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	errno = err_no;
	return rc;
}

static void fail(dmaf_sink *sink, struct dmaf_fd_out *out, int err_no)
{
	if (out->failed)
		return;
	out->failed = -err_no;
	if (err_no == EPIPE || err_no == EIO)
		dmaf_fail(&sink->p.err, -err_no,
			  "%s: the other end is closed, after %" PRIu64
			  " bytes; nobody reads what follows",
			  out->label, out->written);
	else
		dmaf_fail(&sink->p.err, -err_no, "%s: writing: %s, after %" PRIu64 " bytes",
			  out->label, strerror(err_no), out->written);
}

static void pump(dmaf_sink *sink, struct dmaf_fd_out *out)
{
	while (out->fd >= 0 && !out->failed && out->done != out->tail) {
		struct iovec iov[DMAF_FD_IOVS];
		size_t limit = out->how == DMAF_FD_CHUNK ? out->chunk : (size_t)1 << 30, total;
		unsigned n = gather(out, iov, limit, &total);
		ssize_t rc = n ? put_quietly(out, iov, n) : 0;

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0) {
			if (errno != EAGAIN)
				fail(sink, out, errno);
			break;
		}
		dmaf_copied(&sink->p.count, out->copy, (uint64_t)rc);
		out->written += (uint64_t)rc;
		advance(out, (size_t)rc);
		if ((size_t)rc < total)
			break; /* full for now */
	}
	while (out->failed && out->done != out->tail)
		at(out, out->done++)->status = out->failed;
}

int dmaf_fd_out_submit(dmaf_sink *sink, struct dmaf_fd_out *out, dmaf_buf *const *bufs, unsigned n)
{
	unsigned took = 0;

	if (out->failed)
		return out->failed;
	while (took < n && out->tail - out->head < out->cap) {
		struct dmaf_fd_entry *e = at(out, out->tail);
		int rc;

		*e = (struct dmaf_fd_entry){.buf = bufs[took]};
		rc = dmaf_gap_check(sink, bufs[took], &out->next_seq, &out->next_off, &e->zeros);
		if (rc && !took)
			return rc;
		if (rc)
			break; /* those before it go first; it fails when it is offered again */
		out->tail++;
		took++;
	}
	pump(sink, out);
	return (int)took;
}

int dmaf_fd_out_reap(dmaf_sink *sink, struct dmaf_fd_out *out, dmaf_buf **bufs, unsigned n)
{
	unsigned got = 0;

	pump(sink, out);
	if (out->failed && !out->told) {
		out->told = true;
		return out->failed;
	}
	while (got < n && out->head != out->done) {
		struct dmaf_fd_entry *e = at(out, out->head++);

		if (e->status && !e->buf->status)
			e->buf->status = e->status;
		bufs[got++] = e->buf;
	}
	return (int)got;
}

int dmaf_fd_out_flush(const struct dmaf_fd_out *out)
{
	return out->failed ? out->failed : out->done == out->tail ? 0 : -EAGAIN;
}

void dmaf_fd_out_cancel(struct dmaf_fd_out *out)
{
	if (!out->failed)
		out->failed = -ECANCELED;
	out->told = true;
	while (out->done != out->tail)
		at(out, out->done++)->status = out->failed;
}

void dmaf_fd_out_wait(const struct dmaf_fd_out *out, struct dmaf_wait *w)
{
	if (out->done != out->tail)
		dmaf_wait_fd(w, out->fd, POLLOUT);
}

void dmaf_fd_out_close(struct dmaf_fd_out *out)
{
	free(out->entry);
	out->entry = NULL;
}
