/* SPDX-License-Identifier: MIT */
/* The end of a stream: finished, cut, or dropped. */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/tcp/tcp_sink.h"

#define MS 1000000ull

#define STALL_NS (30000 * MS) /* without user-timeout= */
#define ABORT_NS (1000 * MS)  /* for the last words of a cut stream */
#define LOOK_NS  (20 * MS)    /* at most, between two looks at the peer's progress */

/* Bytes that the peer's TCP has not taken; our FIN counts as one. */
static uint64_t unsent(const struct tcp_sink *t)
{
	int left = 0;

	return t->fd >= 0 && !ioctl(t->fd, SIOCOUTQ, &left) && left > 0 ? (uint64_t)left : 0;
}

static uint64_t patience(const struct tcp_sink *t)
{
	return t->o.user_timeout_ns ? t->o.user_timeout_ns : STALL_NS;
}

static void put_end(struct tcp_sink *t)
{
	struct dmaf_wire_hdr h = {.type = DMAF_WIRE_T_END};

	tcp_queue_end(t);
	h.pos = t->next;
	h.pos.lost = t->next.sequence - t->tx.sent.sequence;
	memcpy(h.id, t->id, sizeof(h.id));
	dmaf_wire_tx_sent(&t->tx, &h);
	t->ctl_len = dmaf_wire_put_end(t->ctl, &h, t->tx.sent.lost);
	t->ctl_sent = 0;
}

static void shut(struct tcp_sink *t)
{
	shutdown(t->fd, SHUT_WR);
	t->end = END_SHUT;
	t->end_left = unsent(t);
	t->end_by_ns = dmaf_now_ns() + patience(t);
	t->end_look_ns = 0;
	t->end_wait_ns = MS;
}

/* What a peer says that nobody listens to must not turn our close into a reset. */
static int discard(struct tcp_sink *t)
{
	ssize_t r;

	do
		r = recv(t->fd, NULL, 1 << 20, MSG_DONTWAIT | MSG_TRUNC);
	while (r > 0);
	return r < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}

/* Nothing wakes us when the last byte is taken: look, ever less often. */
static void watch(struct tcp_sink *t)
{
	uint64_t now = dmaf_now_ns(), left;
	int r;

	if (now < t->end_look_ns)
		return;
	left = unsent(t);
	if (!left) {
		t->end = END_DONE;
		return;
	}
	if (t->framed)
		tcp_link_read(t);
	else if ((r = discard(t)))
		tcp_link_broken(t, r, "the peer closed the connection before it took everything");
	if (t->state != LINK_UP)
		return;
	if (left < t->end_left) {
		t->end_left = left;
		t->end_by_ns = now + patience(t);
	} else if (now >= t->end_by_ns) {
		dmaf_fail(t->err, -ETIMEDOUT,
			  "%s: the peer has not taken the last %llu bytes for %llu s; wait longer "
			  "with user-timeout=",
			  t->o.text, (unsigned long long)left,
			  (unsigned long long)(patience(t) / 1000 / MS));
		tcp_link_die(t, -ETIMEDOUT);
		return;
	}
	t->end_look_ns = now + t->end_wait_ns;
	t->end_wait_ns = t->end_wait_ns * 2 < LOOK_NS ? t->end_wait_ns * 2 : LOOK_NS;
}

void tcp_end_step(struct tcp_sink *t)
{
	if (t->state != LINK_UP)
		return;
	if (t->end == END_WANTED && t->h_cut == t->h_tail && tcp_queue_empty(t) && !t->ctl_len) {
		if (t->framed)
			put_end(t);
		t->end = END_SENT;
		t->blocked = false;
		tcp_push_checked(t);
	}
	if (t->state == LINK_UP && t->end == END_SENT && !t->ctl_len) {
		if (t->ack && t->tx.done) {
			shutdown(t->fd, SHUT_WR);
			t->end = END_DONE;
		} else if (!t->ack && !zc_pending(&t->zc)) {
			shut(t);
		}
	}
	if (t->end == END_SHUT)
		watch(t);
}

void tcp_end_wait(struct tcp_sink *t, struct dmaf_wait *w)
{
	if (t->state == LINK_UP && t->end == END_SHUT)
		dmaf_wait_until(w, t->end_look_ns);
	if (t->state == LINK_UP && t->aborting)
		dmaf_wait_until(w, dmaf_now_ns() + MS);
}

int tcp_end_finish(struct tcp_sink *t)
{
	if (t->end == END_NOT)
		t->end = END_WANTED;
	tcp_move(t);
	if (t->status)
		return t->status;
	return t->end == END_DONE ? 0 : -EAGAIN;
}

static void put_error(struct tcp_sink *t)
{
	static const char text[] = "the sender was stopped before the end of the stream";
	struct dmaf_wire_hdr h = {.pos = t->tx.sent};

	memcpy(h.id, t->id, sizeof(h.id));
	t->ctl_len = dmaf_wire_put_error(t->ctl, &h, DMAF_WIRE_E_STOPPED, text, sizeof(text) - 1);
	t->ctl_sent = 0;
	t->abort_said = true;
}

/* Frames that have not begun are left out; the one in progress is finished, so that the error after
 * it can be understood. */
static void begin_abort(struct tcp_sink *t)
{
	t->aborting = true;
	t->end_by_ns = dmaf_now_ns() + ABORT_NS;
	t->f_head = t->f_send + (t->f_off != 0);
}

int tcp_end_abort(struct tcp_sink *t)
{
	if (!t->framed || t->state != LINK_UP || t->end >= END_SHUT)
		return 0;
	if (!t->aborting)
		begin_abort(t);
	tcp_move(t);
	if (t->state != LINK_UP || dmaf_now_ns() >= t->end_by_ns)
		return 0;
	if (!tcp_queue_empty(t) || !tcp_queue_between(t))
		return -EAGAIN;
	if (!t->abort_said) {
		if (t->ctl_len)
			return -EAGAIN;
		put_error(t);
		tcp_push_checked(t);
	}
	if (t->state != LINK_UP)
		return 0;
	return t->ctl_len || unsent(t) ? -EAGAIN : 0;
}

bool tcp_end_clean(const struct tcp_sink *t)
{
	if (zc_pending(&t->zc) || t->piped)
		return false;
	return t->end == END_DONE || (t->abort_said && !t->ctl_len && !unsent(t));
}

void tcp_end_cancel(struct tcp_sink *t)
{
	if (t->state == LINK_DEAD || t->status) {
		tcp_link_step(t);
		return;
	}
	t->status = -ECANCELED;
	/* A reset on top of an error that the peer has received would only hide it. */
	if (tcp_end_clean(t) && t->fd >= 0) {
		close(t->fd);
		t->fd = -1;
	}
	tcp_link_drop(t);
	tcp_link_step(t);
}
