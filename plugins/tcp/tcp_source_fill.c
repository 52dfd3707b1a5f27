/* SPDX-License-Identifier: MIT */
/* Blocks, and what is received into them. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/tcp/tcp_source.h"

/*
 * What a wake-up should bring, measured on loopback. Into large blocks: as much as one call can
 * take, which halves the CPU time of waking up for each segment. Into blocks that stay in the
 * cache, or when the sender waits for acknowledgements: less, or what it sent goes cold while we
 * sleep.
 */
#define LOWAT_LARGE (1u << 20)
#define LOWAT_ACKED (64u << 10)
#define LOWAT_SMALL (32u << 10)
#define LARGE_BLOCK (512u << 10)

static size_t next_cap(const struct tcp_source *s)
{
	return s->cut - (size_t)(s->offset % s->cut);
}

void tcp_place(struct tcp_source *s, uint64_t offset)
{
	s->offset = offset;
	s->cap = next_cap(s);
}

bool tcp_take(struct tcp_source *s)
{
	if (s->buf)
		return true;
	s->buf = dmaf_pool_try(s->src->pool);
	if (!s->buf) {
		if (!s->starved)
			s->src->p.count.stalls++;
		s->starved = true;
		return false;
	}
	if (s->starved) {
		/* Nobody listened: silence says nothing about the peer. */
		s->starved = false;
		s->since_ns = s->last_ns = dmaf_now_ns();
	}
	s->fill = 0;
	s->buf_flags = 0;
	s->ts_ns = 0;
	s->ticks = 0;
	s->cap = next_cap(s);
	return true;
}

static void pass_gap(struct tcp_source *s)
{
	s->seq += s->gap_buffers;
	s->gap = false;
	s->gap_buffers = 0;
	tcp_place(s, s->offset + s->gap_bytes);
	s->gap_bytes = 0;
}

void tcp_gap(struct tcp_source *s, uint64_t bytes, uint64_t buffers)
{
	struct dmaf_counters *c = &s->src->p.count;

	if (!bytes && !buffers)
		return;
	c->lost += buffers;
	c->lost_bytes += bytes;
	s->gap = true;
	s->gap_bytes += bytes;
	s->gap_buffers += buffers;
	if (!s->buf || !s->fill)
		pass_gap(s);
}

dmaf_buf *tcp_hand_over(struct tcp_source *s, unsigned flags)
{
	dmaf_buf *b = s->buf;

	b->seq = s->seq++;
	b->offset = s->offset - s->fill;
	b->mono_ns = s->last_ns;
	b->ts_ns = s->framed ? s->ts_ns : s->last_ns;
	b->ticks = s->ticks;
	b->flags = s->buf_flags | flags | (s->fill < s->cap ? DMAF_BUF_PARTIAL : 0);
	if (tcp_acked(s))
		tcp_acks_push(&s->acks, b, &s->here);
	dmaf_buf_filled(b, s->fill);
	s->buf = NULL;
	s->fill = 0;
	s->since_ns = s->last_ns;
	if (s->gap)
		pass_gap(s);
	return b;
}

/* @n bytes of the stream lie behind what was filled. */
static void landed(struct tcp_source *s, size_t n)
{
	s->fill += n;
	s->offset += n;
	if (!s->trunc)
		dmaf_copied(&s->src->p.count, dmaf_copy_recv, n);
}

/* Bytes came: the clock of max-delay starts unless it runs since the socket was last empty. */
static void heard(struct tcp_source *s)
{
	s->last_ns = dmaf_now_ns();
	if (s->quiet)
		s->since_ns = s->last_ns;
	s->quiet = false;
}

static enum tcp_fill broken(struct tcp_source *s, int code)
{
	if (code == EAGAIN)
		return TCP_FILL_DRAINED;
	if (code == EINTR)
		return TCP_FILL_MORE;
	tcp_link_lost(s, -code, strerror(code));
	return TCP_FILL_GONE;
}

static enum tcp_fill fill_raw(struct tcp_source *s)
{
	size_t room;
	ssize_t n;

	if (!tcp_take(s))
		return TCP_FILL_DRAINED;
	room = s->cap - s->fill;
	n = recv(s->fd, (char *)dmaf_buf_data(s->buf) + s->fill, room,
		 MSG_DONTWAIT | (s->trunc ? MSG_TRUNC : 0));
	if (n < 0)
		return broken(s, errno);
	if (!n) {
		s->phase = TCP_ENDED;
		return TCP_FILL_GONE;
	}
	heard(s);
	landed(s, (size_t)n);
	return (size_t)n < room ? TCP_FILL_DRAINED : TCP_FILL_MORE;
}

void tcp_found_gap(struct tcp_source *s)
{
	uint64_t bytes = s->rx.wire.gap_bytes, buffers = s->rx.wire.gap_buffers;

	if (!bytes && !buffers)
		return;
	if (s->skip && bytes <= s->skip) {
		s->skip -= bytes; /* this gap was met before */
		return;
	}
	bytes -= s->skip;
	s->skip = 0;
	tcp_gap(s, bytes, buffers);
}

static void sender_error(struct tcp_source *s)
{
	const struct dmaf_wire_error *e = &s->rx.frame.u.error;

	tcp_fail(s, -EPIPE, "%s: the sender %s gave up after %llu bytes: %.*s (%s)", s->text,
		 s->peer, (unsigned long long)s->offset, (int)e->text_len, e->text,
		 dmaf_wire_reason((int)e->code));
}

static enum tcp_fill event(struct tcp_source *s, int ev)
{
	switch (ev) {
	case TCP_RX_NONE: return TCP_FILL_MORE;
	case TCP_RX_DATA:
		tcp_found_gap(s);
		s->frame_ts = s->rx.frame.hdr.timestamp;
		s->frame_ticks = s->rx.frame.hdr.ticks;
		s->frame_bad = s->rx.frame.hdr.flags & DMAF_WIRE_BAD;
		return s->gap ? TCP_FILL_HAND_OVER : TCP_FILL_MORE;
	case TCP_RX_END:
		tcp_found_gap(s);
		s->phase = TCP_ENDED;
		return TCP_FILL_GONE;
	case TCP_RX_ERROR: sender_error(s); return TCP_FILL_GONE;
	default: tcp_link_refuse(s, -ev); return TCP_FILL_GONE;
	}
}

/* Payload came: into the block, or over itself when it is here already. */
static void payload(struct tcp_source *s, size_t n)
{
	if (s->skip) {
		s->skip -= n;
		return;
	}
	landed(s, n);
	s->ts_ns = s->frame_ts;
	s->ticks = s->frame_ticks;
	if (s->frame_bad)
		s->buf_flags |= DMAF_BUF_ERROR;
}

/* What came up to the end of the frame before, and then what its successor says. */
static enum tcp_fill frames(struct tcp_source *s, int ev, size_t body)
{
	struct dmaf_wire_pos at;
	enum tcp_fill r;

	if (body)
		payload(s, body);
	if (ev == TCP_RX_DATA || ev == TCP_RX_END)
		at = s->rx.before;
	else
		tcp_rx_pos(&s->rx, &at);
	if (!s->skip)
		s->here = at;
	if (s->skip_done)
		s->acks.done = at;
	r = event(s, ev);
	if (!s->skip && !s->gap)
		tcp_rx_pos(&s->rx, &s->here);
	s->skip_done = s->skip_done && s->skip;
	return r;
}

static enum tcp_fill fill_framed(struct tcp_source *s)
{
	struct iovec iov[2];
	struct msghdr msg = {.msg_iov = iov};
	size_t room = 0, asked, body;
	char *at = NULL;
	enum tcp_fill r;
	ssize_t n;
	int ev;

	if (s->rx.left) {
		if (!tcp_take(s))
			return TCP_FILL_DRAINED;
		room = s->cap - s->fill;
		if (s->skip && room > s->skip)
			room = (size_t)s->skip;
		at = (char *)dmaf_buf_data(s->buf) + s->fill;
	}
	msg.msg_iovlen = tcp_rx_iov(&s->rx, at, room, iov);
	asked = iov[0].iov_len + (msg.msg_iovlen > 1 ? iov[1].iov_len : 0);
	n = recvmsg(s->fd, &msg, MSG_DONTWAIT);
	if (n < 0)
		return broken(s, errno);
	if (!n) {
		tcp_link_lost(s, -EPIPE, "the sender closed without an end frame");
		return TCP_FILL_GONE;
	}
	heard(s);
	ev = tcp_rx_landed(&s->rx, room, (size_t)n, &body);
	r = frames(s, ev, body);
	return r == TCP_FILL_MORE && (size_t)n < asked ? TCP_FILL_DRAINED : r;
}

enum tcp_fill tcp_fill(struct tcp_source *s)
{
	return s->framed ? fill_framed(s) : fill_raw(s);
}

static size_t worth_waking(const struct tcp_source *s)
{
	if (tcp_acked(s))
		return LOWAT_ACKED;
	return s->cut < LARGE_BLOCK ? LOWAT_SMALL : LOWAT_LARGE;
}

void tcp_set_lowat(struct tcp_source *s)
{
	int want = 1;

	if (!s->quiet && s->delay_ns) {
		size_t room = s->buf ? s->cap - s->fill : next_cap(s), most = worth_waking(s);

		want = (int)(room < most ? room : most);
	}
	if (want == s->lowat)
		return;
	if (!setsockopt(s->fd, SOL_SOCKET, SO_RCVLOWAT, &want, sizeof(want)))
		s->lowat = want;
}
