// SPDX-License-Identifier: MIT
#include "plugins/common/fd_in.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* What there is, without waiting: 1 something, 0 nothing yet, -1 the end. */
static int look(const struct dmaf_fd_in *in)
{
	struct pollfd p = {.fd = in->fd, .events = POLLIN};

	if (poll(&p, 1, 0) <= 0)
		return 0;
	if (p.revents & POLLIN)
		return 1;
	/* A descriptor that hung up says so for ever, and may still hold bytes: read tells. */
	return p.revents & (POLLHUP | POLLERR | POLLNVAL) ? -1 : 0;
}

static dmaf_buf *hand_over(struct dmaf_fd_in *in, bool last)
{
	dmaf_buf *b = in->cur;

	b->seq = in->seq++;
	b->offset = in->off;
	b->mono_ns = in->last_ns;
	b->flags =
		(in->fill < dmaf_buf_room(b) ? DMAF_BUF_PARTIAL : 0) | (last ? DMAF_BUF_LAST : 0);
	in->off += in->fill;
	dmaf_buf_filled(b, in->fill);
	in->cur = NULL;
	in->fill = 0;
	return b;
}

/* Read once. Return: 1 go on, 0 nothing more now, negative errno explained. */
static int fill(dmaf_source *src, struct dmaf_fd_in *in)
{
	size_t room = dmaf_buf_room(in->cur) - in->fill;
	ssize_t got;

	if (!look(in))
		return 0;
	got = read(in->fd, (char *)dmaf_buf_data(in->cur) + in->fill, room);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0 && errno != EIO)
		return dmaf_fail(&src->p.err, -errno, "%s: reading: %s, after %" PRIu64 " bytes",
				 in->label, strerror(errno), in->off + in->fill);
	if (got <= 0) {
		in->ended = true;
		in->end_errno = got ? errno : 0;
		return 0;
	}
	in->last_ns = dmaf_now_ns();
	if (!in->fill)
		in->first_ns = in->last_ns;
	in->fill += (size_t)got;
	dmaf_copied(&src->p.count, in->copy, (uint64_t)got);
	return 1;
}

static bool waited_enough(const struct dmaf_fd_in *in)
{
	return in->fill && in->delay_ns != UINT64_MAX &&
	       dmaf_now_ns() - in->first_ns >= in->delay_ns;
}

int dmaf_fd_in_dequeue(dmaf_source *src, struct dmaf_fd_in *in, dmaf_buf **bufs, unsigned n)
{
	unsigned got = 0;

	while (got < n && !in->ended && !in->stopping) {
		int rc;

		if (!in->cur)
			in->cur = dmaf_pool_try(src->pool);
		if (!in->cur)
			break;
		rc = fill(src, in);
		if (rc < 0)
			return got ? (int)got : rc;
		if (in->fill == dmaf_buf_room(in->cur))
			bufs[got++] = hand_over(in, false);
		else if (rc == 0)
			break;
	}
	if (got == n)
		return (int)got;
	if (in->cur && in->fill && (in->ended || in->stopping || waited_enough(in)))
		bufs[got++] = hand_over(in, in->ended || in->stopping);
	return got ? (int)got : in->ended || in->stopping ? DMAF_END : 0;
}

int dmaf_fd_in_cancel(dmaf_source *src, struct dmaf_fd_in *in, dmaf_buf **bufs, unsigned n)
{
	in->stopping = true;
	if (!in->cur || !n)
		return 0;
	bufs[0] = in->cur;
	in->cur = NULL;
	in->fill = 0;
	return 1;
}

void dmaf_fd_in_wait(dmaf_source *src, struct dmaf_fd_in *in, struct dmaf_wait *w)
{
	if (in->ended || in->stopping)
		return;
	/* Without a block to read into there is nothing to be woken for. */
	if (in->cur || dmaf_pool_free_count(src->pool))
		dmaf_wait_fd(w, in->fd, POLLIN);
	if (in->fill && in->delay_ns < UINT64_MAX - in->first_ns)
		dmaf_wait_until(w, in->first_ns + in->delay_ns);
}
