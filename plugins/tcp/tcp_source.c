/* SPDX-License-Identifier: MIT */
/* tcp: and tcp-listen: as sources: receive into blocks, raw or framed, and acknowledge. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/tcp/tcp.h"
#include "plugins/tcp/tcp_source.h"

#define BLOCK_WANT (1u << 20)
#define DELAY_NS   (20 * TCP_MS)
/* The sinks get to work while we go on: hand over at least this often. */
#define ROUND_BYTES (256u << 10)
/* Guests wait no longer than this, however fast the stream is. */
#define DOOR_NS (5 * TCP_MS)

#define TIMEOUT_ACK_NS  (30000 * TCP_MS)
#define BACK_CONNECT_NS (30000 * TCP_MS)
#define RETRY_NS        (5000 * TCP_MS)

static struct tcp_source *priv(dmaf_source *src)
{
	return src->p.priv;
}

static int read_mode(struct tcp_source *s, const dmaf_addr *a, struct dmaf_err *err)
{
	uint64_t mode = dmaf_addr_u64(a, "mode", TCP_MODE_RECV);

	s->trunc = mode == TCP_MODE_TRUNC;
	if (mode < TCP_MODES)
		return dmaf_fail(err, -EINVAL,
				 "%s: mode=%s is a way to send; a source has recv and trunc",
				 s->text, dmaf_addr_str(a, "mode", ""));
	if (s->trunc && s->framed)
		return dmaf_fail(err, -EINVAL,
				 "%s: mode=trunc throws everything away, frame needs the headers; "
				 "give one of them",
				 s->text);
	return 0;
}

static int read_options(struct tcp_source *s, const dmaf_addr *a, struct dmaf_err *err)
{
	int rc;

	s->framed = dmaf_addr_u64(a, "frame", 0);
	rc = read_mode(s, a, err);
	if (rc)
		return rc;
	if (dmaf_addr_has(a, "ack")) {
		if (!s->framed)
			return dmaf_fail(err, -EINVAL,
					 "%s: ack needs frame: acknowledgements are frames; give "
					 "frame,ack",
					 s->text);
		s->ack = dmaf_addr_u64(a, "ack", TCP_ACK_WRITTEN) == TCP_ACK_SYNCED
				 ? DMAF_WIRE_A_SYNCED
				 : DMAF_WIRE_A_WRITTEN;
	}
	if (dmaf_addr_has(a, "wait") && !s->framed)
		return dmaf_fail(err, -EINVAL,
				 "%s: wait= needs frame: an unframed stream that is cut can't be "
				 "told from one that ends",
				 s->text);
	s->timeout_ns = dmaf_addr_u64(a, "timeout", tcp_acked(s) ? TIMEOUT_ACK_NS : 0);
	s->back_ns = dmaf_addr_u64(a, "wait",
				   !tcp_acked(s) ? 0
				   : s->listen   ? UINT64_MAX
						 : BACK_CONNECT_NS);
	s->delay_ns = s->src->max_delay_ns == UINT64_MAX ? DELAY_NS : s->src->max_delay_ns;
	return tcp_opts_read(&s->opts, a, s->listen, RETRY_NS, err);
}

static int open_listener(struct tcp_source *s)
{
	struct dmaf_err *err = &s->src->p.err;
	int fd = -1;

	if (s->listen) {
		fd = tcp_listen(&s->opts, &s->src->p.count, err);
		if (fd < 0)
			return fd;
	}
	if (s->framed)
		return tcp_door_open(&s->door, fd, err);
	s->door.fd = fd;
	return 0;
}

static int source_open(dmaf_source *src, bool listener)
{
	struct tcp_source *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return dmaf_fail(&src->p.err, -ENOMEM, "no memory for a tcp source");
	src->p.priv = s;
	s->src = src;
	s->listen = listener;
	s->text = dmaf_addr_text(src->p.addr);
	s->fd = s->door.fd = s->door.epoll = s->conn.fd = -1;
	for (unsigned i = 0; i < TCP_DOOR_MAX; i++)
		s->door.guest[i].fd = -1;
	rc = read_options(s, src->p.addr, &src->p.err);
	if (rc)
		return rc;
	rc = open_listener(s);
	if (rc)
		return rc;
	src->p.need.block_want = BLOCK_WANT;
	src->p.count.path = s->trunc ? "trunc" : "copy";
	if (s->trunc)
		dmaf_note(&src->p.count, "mode=trunc: lengths are right, content is not received");
	if (tcp_acked(s))
		src->flags |= DMAF_SRC_ACKS;
	if (s->ack == DMAF_WIRE_A_SYNCED)
		src->flags |= DMAF_SRC_DURABLE;
	return 0;
}

static int connect_open(dmaf_source *src)
{
	return source_open(src, false);
}

static int listen_open(dmaf_source *src)
{
	return source_open(src, true);
}

static int source_attach(dmaf_source *src)
{
	struct tcp_source *s = priv(src);

	s->cut = dmaf_pool_terms(src->pool)->block;
	if (!tcp_acked(s))
		return 0;
	if (tcp_acks_init(&s->acks, dmaf_pool_count(src->pool)))
		return dmaf_fail(&src->p.err, -ENOMEM, "no memory to keep track of %u buffers",
				 dmaf_pool_count(src->pool));
	return 0;
}

static int source_start(dmaf_source *src, const struct dmaf_resume *resume)
{
	struct tcp_source *s = priv(src);

	s->resume_known = resume != NULL;
	if (resume)
		s->resume = *resume;
	if (!s->listen)
		tcp_connect_start(&s->conn, &s->opts);
	return 0;
}

/* What comes again may be completed already, but the sender has to send it first. */
static bool may_tell(const struct tcp_source *s)
{
	struct dmaf_wire_pos sent;

	if (!s->skip)
		return true;
	tcp_rx_pos(&s->rx, &sent);
	return s->acks.done.offset <= sent.offset;
}

/* What the sinks have completed goes to the sender when it is time. A broken link shows when it is
 * read, so the result doesn't matter here. */
static void tell(struct tcp_source *s, uint64_t now)
{
	if (tcp_acked(s) && s->fd >= 0 && may_tell(s))
		(void)tcp_acks_send(&s->acks, s->fd, s->src->stream.id, now, false, false);
}

static void source_done(dmaf_source *src, dmaf_buf *const *bufs, unsigned n)
{
	struct tcp_source *s = priv(src);

	if (!tcp_acked(s))
		return;
	tcp_acks_done(&s->acks, bufs, n);
	tell(s, dmaf_now_ns());
}

/* Receive until enough is full, the socket is empty, or the link is gone. */
static unsigned receive(struct tcp_source *s, dmaf_buf **bufs, unsigned n)
{
	uint64_t from = s->offset;
	unsigned got = 0;

	while (got < n && s->offset - from < ROUND_BYTES) {
		enum tcp_fill r;

		if (s->gap) {
			bufs[got++] = tcp_hand_over(s, 0);
			continue;
		}
		if (s->phase != TCP_UP || s->stopping)
			break;
		r = tcp_fill(s);
		if (s->buf && s->fill == s->cap)
			bufs[got++] = tcp_hand_over(s, 0);
		if (r == TCP_FILL_DRAINED || r == TCP_FILL_GONE)
			break;
	}
	return got;
}

static bool over(const struct tcp_source *s)
{
	return s->stopping || s->phase == TCP_ENDED || s->phase == TCP_FAILED;
}

static uint64_t later(uint64_t t, uint64_t by)
{
	return by > UINT64_MAX - t ? UINT64_MAX : t + by;
}

/* When the block goes as it is; with acks the sender may hold less than a block and wait for us. */
static uint64_t due(const struct tcp_source *s)
{
	uint64_t t = later(s->since_ns, s->delay_ns);

	if (tcp_acked(s) && s->fill && later(s->last_ns, TCP_ACK_IDLE_NS) < t)
		t = later(s->last_ns, TCP_ACK_IDLE_NS);
	return t;
}

/* When silence means that the peer is gone. While we have not completed what we have, or have no
 * room, it may be waiting for us. */
static uint64_t dead(const struct tcp_source *s)
{
	return later(s->last_ns > s->patient_ns ? s->last_ns : s->patient_ns, s->timeout_ns);
}

/* Nothing became full. */
static unsigned partial(struct tcp_source *s, dmaf_buf **bufs, uint64_t now)
{
	if (s->fill && (over(s) || now >= due(s))) {
		bufs[0] = tcp_hand_over(s, s->phase == TCP_ENDED ? DMAF_BUF_LAST : 0);
		return 1;
	}
	if (!s->fill && !s->quiet && now >= due(s))
		s->quiet = true;
	if (s->acks.n || s->starved)
		s->patient_ns = now;
	if (s->phase == TCP_UP && s->timeout_ns && !s->stopping && now >= dead(s))
		tcp_link_lost(s, -ETIMEDOUT, "nothing came for so long as timeout= allows");
	return 0;
}

static int source_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct tcp_source *s = priv(src);
	uint64_t now = dmaf_now_ns(), heard = s->last_ns;
	bool waited = s->waited, look;
	unsigned got;
	int rc;

	s->waited = false;
	if (!n)
		return 0;
	if (!s->stopping && s->phase == TCP_WAITING) {
		rc = tcp_link_round(s, now);
		if (rc < 0)
			return rc;
	}
	got = receive(s, bufs, n);
	/* What woke us was no data, or data has been coming for a while: somebody is at the door.
	 */
	look = (waited && heard == s->last_ns) || now - s->checked_ns >= DOOR_NS;
	if (look && s->framed && s->phase == TCP_UP && !s->stopping) {
		rc = tcp_link_round(s, now);
		if (rc < 0 && !got)
			return rc;
	}
	if (s->phase == TCP_ENDED)
		s->complete = true;
	if (!got)
		got = partial(s, bufs, dmaf_now_ns());
	tell(s, now);
	if (got)
		return (int)got;
	if (s->phase == TCP_FAILED)
		return s->fail;
	return over(s) ? DMAF_END : 0;
}

static int source_stop(dmaf_source *src)
{
	priv(src)->stopping = true;
	return 0;
}

static bool can_read(const struct tcp_source *s)
{
	return s->buf || dmaf_pool_free_count(s->src->pool) || (s->framed && !s->rx.left);
}

static void wait_link(struct tcp_source *s, struct dmaf_wait *w)
{
	bool full = s->acks.at_byte < s->acks.len;
	short events = full ? POLLOUT : 0;

	if (s->finish_ns || can_read(s)) {
		tcp_set_lowat(s);
		events |= POLLIN;
		if (s->timeout_ns && !s->finish_ns)
			dmaf_wait_until(w, dead(s));
		if (!s->fill && !s->quiet)
			dmaf_wait_until(w, due(s));
	}
	/* With no interest in it a dead link would wake us again and again. */
	if (events)
		dmaf_wait_fd(w, s->fd, events);
}

static void source_wait(dmaf_source *src, struct dmaf_wait *w)
{
	struct tcp_source *s = priv(src);

	s->waited = true;
	tcp_link_wait(s, w);
	if (s->fd >= 0 && (s->phase == TCP_UP || s->finish_ns))
		wait_link(s, w);
	if (s->fill)
		dmaf_wait_until(w, due(s));
	if (s->acks.ahead_ns && s->fd >= 0)
		dmaf_wait_until(w, s->acks.ahead_ns + TCP_ACK_IDLE_NS);
	if (s->finish_ns)
		dmaf_wait_until(w, s->finish_ns);
}

/* Refused peers read why before everything is closed. */
static int linger(struct tcp_source *s, uint64_t now)
{
	struct dmaf_wire_frame f;

	tcp_door_shut(&s->door);
	while (s->door.n && tcp_door_round(s, &f, now) >= 0)
		;
	return s->door.n ? -EAGAIN : 0;
}

static int drop_link(struct tcp_source *s, int rc)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	return rc;
}

/* All is said: the other side closes when it has read it. */
static int see_off(struct tcp_source *s)
{
	char any[4096];
	ssize_t n;

	if (!s->shut)
		shutdown(s->fd, SHUT_WR);
	s->shut = true;
	n = recv(s->fd, any, sizeof(any), MSG_DONTWAIT);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return -EAGAIN;
	/* A reset may have taken the last words with it: who has not read them comes again. */
	return drop_link(s, n < 0 && s->complete ? -EAGAIN : 0);
}

static int say_goodbye(struct tcp_source *s, uint64_t now)
{
	int rc;

	if (s->fd < 0) {
		s->shut = false;
		if (!s->complete || s->phase == TCP_FAILED)
			return 0;
		s->phase = TCP_WAITING;
		return tcp_link_round(s, now) < 0 ? 0 : -EAGAIN;
	}
	if (s->shut)
		return see_off(s);
	if (s->complete && s->phase == TCP_UP) {
		/* It came again only to hear that all is here. */
		if (s->rx.left)
			tcp_link_refuse(s, DMAF_WIRE_E_AFTER_END);
		else
			(void)tcp_fill(s);
		return -EAGAIN;
	}
	if (s->complete && !s->acks.n && !s->acks.sent_done)
		s->acks.done = s->rx.wire.pos;
	rc = may_tell(s) ? tcp_acks_send(&s->acks, s->fd, s->src->stream.id, now, true,
					 s->complete && !s->acks.n)
			 : 0;
	if (rc == -EAGAIN)
		return rc;
	return rc < 0 ? drop_link(s, s->complete ? -EAGAIN : 0) : see_off(s);
}

static int source_finish(dmaf_source *src, int status)
{
	struct tcp_source *s = priv(src);
	uint64_t now = dmaf_now_ns();
	bool failed = status < 0 || s->acks.failed;

	if (!s->framed || !s->seen)
		return drop_link(s, 0);
	if (!s->finish_ns)
		s->finish_ns = now + (s->complete && !failed ? TCP_FINISH_NS : TCP_LINGER_NS);
	s->quiet = true;
	if (now >= s->finish_ns) {
		if (s->complete && !failed && tcp_acked(s))
			dmaf_note(&src->p.count,
				  "the sender did not take the last acknowledgement");
		return drop_link(s, 0);
	}
	if (failed && s->fd >= 0 && s->phase != TCP_FAILED) {
		tcp_send_away(s, s->fd, DMAF_WIRE_E_SINK, strerror(status < 0 ? -status : EIO));
		s->fd = -1;
	}
	if (failed || !tcp_acked(s)) {
		drop_link(s, 0);
		return linger(s, now);
	}
	return say_goodbye(s, now);
}

static int source_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct tcp_source *s = priv(src);

	s->stopping = true;
	if (!s->buf || !n)
		return 0;
	bufs[0] = s->buf;
	s->buf = NULL;
	s->fill = 0;
	s->gap = false;
	return 1;
}

static void source_close(dmaf_source *src)
{
	struct tcp_source *s = priv(src);

	if (!s)
		return;
	if (s->buf)
		dmaf_buf_abandon(s->buf);
	drop_link(s, 0);
	tcp_connect_cancel(&s->conn);
	tcp_door_close(&s->door);
	tcp_acks_free(&s->acks);
	free(s);
	src->p.priv = NULL;
}

const struct dmaf_source_ops dmaf_tcp_source_ops = {
	.open = connect_open,
	.attach = source_attach,
	.start = source_start,
	.dequeue = source_dequeue,
	.done = source_done,
	.stop = source_stop,
	.finish = source_finish,
	.cancel = source_cancel,
	.wait = source_wait,
	.close = source_close,
};

const struct dmaf_source_ops dmaf_tcp_listen_source_ops = {
	.open = listen_open,
	.attach = source_attach,
	.start = source_start,
	.dequeue = source_dequeue,
	.done = source_done,
	.stop = source_stop,
	.finish = source_finish,
	.cancel = source_cancel,
	.wait = source_wait,
	.close = source_close,
};
