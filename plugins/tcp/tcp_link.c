/* SPDX-License-Identifier: MIT */
/* The sink's link: made, introduced, acknowledged, broken and made again. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/tcp/tcp_sink.h"

#define S 1000000000ull

#define ANSWER_NS    (10 * S) /* until a receiver must have answered hello */
#define HEARTBEAT_NS (1 * S)
/* Links in a row that a peer's nonsense ended, until it is no accident. */
#define FRUITLESS 8u

int tcp_link_open(struct tcp_sink *t)
{
	if (t->listens) {
		int fd = tcp_listen(&t->o, t->count, t->err);

		if (fd < 0)
			return fd;
		t->listener = fd;
		return 0;
	}
	tcp_connect_start(&t->conn, &t->o);
	return 0;
}

void tcp_link_drop(struct tcp_sink *t)
{
	tcp_connect_cancel(&t->conn);
	if (t->fd >= 0)
		tcp_release_pages(t->fd);
	if (t->piped)
		tcp_splice_close(t);
	t->state = LINK_DRAIN;
	t->blocked = t->starved = false;
	t->ctl_len = t->ctl_sent = 0;
}

void tcp_link_die(struct tcp_sink *t, int code)
{
	if (t->state == LINK_DEAD || t->status)
		return;
	t->status = code;
	tcp_link_drop(t);
}

static void reconnect(struct tcp_sink *t)
{
	uint64_t now = dmaf_now_ns();
	uint64_t pause = t->fruitless ? (10000000ull << (t->fruitless < 7 ? t->fruitless : 7)) : 0;

	t->state = LINK_DOWN;
	tcp_queue_rewind(t);
	if (t->mode == TCP_MODE_SPLICE && tcp_splice_open(t, NULL))
		tcp_mode_leave(t, TCP_MODE_COPY, "no pipe");
	if (t->listens)
		return;
	tcp_connect_start(&t->conn, &t->o);
	t->conn.give_up_ns = t->give_up_ns;
	t->conn.not_before_ns = now + (pause < S ? pause : S);
}

static void drain(struct tcp_sink *t)
{
	tcp_completions(t);
	if (zc_pending(&t->zc))
		return;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	if (t->status)
		t->state = LINK_DEAD;
	else
		reconnect(t);
}

static const char *peer(const struct tcp_sink *t, char *name)
{
	return t->listens ? tcp_peer_name(t->fd, name) : tcp_name(&t->o.addr[t->conn.next], name);
}

void tcp_link_broken(struct tcp_sink *t, int code, const char *what)
{
	uint64_t now = dmaf_now_ns();
	char name[TCP_NAME];

	if (t->status || t->state == LINK_DRAIN || t->state == LINK_DEAD)
		return;
	peer(t, name);
	if (!t->ack) {
		dmaf_fail(t->err, code,
			  "%s: %s: %s; with frame,ack on both ends a broken link is made again and "
			  "nothing is lost",
			  t->o.text, name, what);
		tcp_link_die(t, code);
		return;
	}
	if (t->win.acked > t->up_acked || t->state == LINK_DOWN) {
		t->fruitless = 0;
		t->give_up_ns = now + t->o.retry_ns;
	} else if (!t->fruitless++ && !t->give_up_ns) {
		t->give_up_ns = now + t->o.retry_ns;
	}
	if (now >= t->give_up_ns || (code == -EPROTO && t->fruitless >= FRUITLESS)) {
		dmaf_fail(t->err, code, "%s: %s: %s; given up after %u connections", t->o.text,
			  name, what, t->links);
		tcp_link_die(t, code);
		return;
	}
	dmaf_note(t->count, "link %u broken (%s); connecting again", t->links, what);
	if (t->end == END_SENT)
		t->end = END_WANTED;
	tcp_link_drop(t);
}

void tcp_link_failed(struct tcp_sink *t, int code)
{
	char what[80];

	/* A receiver that refuses says why and closes; our own send may fail before we read it. */
	if (t->framed && t->fd >= 0 && !t->last_words &&
	    (t->state == LINK_UP || t->state == LINK_HELLO)) {
		t->last_words = true;
		tcp_link_read(t);
		t->last_words = false;
	}
	switch (code) {
	case -EPIPE:
	case -ECONNRESET: snprintf(what, sizeof(what), "the peer closed the connection"); break;
	case -ETIMEDOUT:
		snprintf(what, sizeof(what), "the peer's machine acknowledges nothing any more");
		break;
	default: snprintf(what, sizeof(what), "%s", strerror(-code));
	}
	tcp_link_broken(t, code, what);
}

/* Whoever gives up after retry= waits no longer for an answer: a stopped peer's kernel connects. */
static uint64_t answer_by(const struct tcp_sink *t)
{
	uint64_t now = dmaf_now_ns(), by = now + ANSWER_NS;

	if (t->links > 1 && t->give_up_ns < by)
		by = t->give_up_ns > now + S ? t->give_up_ns : now + S;
	return by;
}

static int put_hello(struct tcp_sink *t)
{
	static const uint8_t none[16];
	const struct dmaf_stream *s = t->sink->stream;
	size_t block = dmaf_pool_terms(t->sink->pool)->block;
	struct dmaf_wire_pos floor = t->floor;
	struct dmaf_wire_hdr h = {.pos = floor};
	struct dmaf_wire_hello hello = {.ack = t->ack_level, .window = t->win.limit};

	if (block > DMAF_WIRE_BLOCK_MAX)
		block = DMAF_WIRE_BLOCK_MAX;
	if (!memcmp(t->id, none, sizeof(none)))
		return -EINVAL;
	if (t->reach.offset < floor.offset || t->reach.sequence < floor.sequence)
		t->reach = floor;
	memcpy(h.id, t->id, sizeof(h.id));
	tcp_stream_to_hello(s, &hello);
	hello.block = (uint32_t)block;
	dmaf_wire_tx_init(&t->tx, t->id, &floor, &t->reach, (uint32_t)block, t->ack_level);
	t->ctl_len = dmaf_wire_put_hello(t->ctl, &h, &hello);
	t->ctl_sent = 0;
	t->said_hello = true;
	t->hello_by_ns = answer_by(t);
	return 0;
}

static void come_up(struct tcp_sink *t)
{
	int r = t->framed ? tcp_queue_frames(t, t->tx.block) : 0;

	if (!r)
		r = tcp_mode_start(t);
	else
		dmaf_fail(t->err, r, "%s: no memory for headers", t->o.text);
	if (r) {
		tcp_link_die(t, r);
		return;
	}
	t->state = LINK_UP;
	t->up_acked = t->win.acked;
	t->since_rx = 0;
	t->last_tx_ns = dmaf_now_ns();
}

static void connected(struct tcp_sink *t, int fd)
{
	t->fd = fd;
	if (t->links++)
		t->count->reconnects++;
	t->up_acked = t->win.acked; /* a link that never comes up brings nothing further */
	t->rx_have = 0;
	t->said_hello = false;
	t->blocked = t->starved = false;
	tcp_queue_rewind(t);
	t->state = LINK_HELLO;
	if (!t->framed) {
		come_up(t);
		return;
	}
	/* Nagle would have the end of a stream wait for the peer's delayed acknowledgement. */
	if (!t->o.cork)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

static void connect_step(struct tcp_sink *t)
{
	int fd;

	/* A receiver of frames wants its hello soon, and hello says what the stream is. */
	if (t->framed && !t->begun)
		return;
	if (t->listens) {
		fd = tcp_accept(t->listener, &t->o, t->err);
		if (fd == -EAGAIN && t->links && dmaf_now_ns() >= t->give_up_ns) {
			dmaf_fail(t->err, -ETIMEDOUT,
				  "%s: the receiver did not come back; wait longer with retry=",
				  t->o.text);
			fd = -ETIMEDOUT;
		}
	} else {
		fd = tcp_connect_step(&t->conn, &t->o, t->err);
	}
	if (fd >= 0)
		connected(t, fd);
	else if (fd != -EAGAIN)
		tcp_link_die(t, fd);
}

static void hello_step(struct tcp_sink *t)
{
	if (!t->said_hello) {
		/* A relayed stream's place is known with its first buffer, or when none will come.
		 */
		if (!t->begun || (t->relay && !t->any && t->end == END_NOT))
			return;
		if (put_hello(t)) {
			dmaf_fail(t->err, -EINVAL, "%s: a stream without an id", t->o.text);
			tcp_link_die(t, -EINVAL);
			return;
		}
		if (!t->ack) {
			come_up(t);
			return;
		}
	}
	if (t->ctl_len && (!t->blocked || t->waited)) {
		int r = tcp_link_ctl(t);

		t->blocked = r == -EAGAIN;
		if (r && r != -EAGAIN) {
			tcp_link_failed(t, r);
			return;
		}
	}
	if (t->waited)
		tcp_link_read(t);
	if (t->state != LINK_HELLO || dmaf_now_ns() < t->hello_by_ns)
		return;
	if (t->links == 1) {
		dmaf_fail(t->err, -EPROTO,
			  "%s: no answer to hello within 10 s; with ack here the receiver needs "
			  "frame,ack too",
			  t->o.text);
		tcp_link_die(t, -EPROTO);
		return;
	}
	tcp_link_broken(t, -ETIMEDOUT, "no answer to hello");
}

int tcp_link_ctl(struct tcp_sink *t)
{
	ssize_t r;

	while (t->ctl_sent < t->ctl_len) {
		r = send(t->fd, t->ctl + t->ctl_sent, t->ctl_len - t->ctl_sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		t->ctl_sent += (uint32_t)r;
		t->moved = true;
	}
	t->ctl_len = t->ctl_sent = 0;
	return 0;
}

static void protocol_error(struct tcp_sink *t, int why)
{
	char what[160];

	snprintf(what, sizeof(what), "%s%s",
		 t->tx.answered ? "" : "no receiver of framed streams? ", dmaf_wire_reason(why));
	tcp_link_broken(t, -EPROTO, what);
}

static void on_answer(struct tcp_sink *t)
{
	int r = tcp_queue_resume(t, &t->tx.sent);

	if (r) {
		dmaf_fail(t->err, -EPROTO,
			  "%s: the receiver wants to go on at byte %llu, which is %s", t->o.text,
			  (unsigned long long)t->tx.sent.offset,
			  r == -ENODATA ? "no longer held here: it lost what it had acknowledged"
					: "no place where this stream can be taken up");
		tcp_link_die(t, -EPROTO);
		return;
	}
	come_up(t);
}

/* Refusals that neither waiting nor another connection will change. */
static bool for_good(int why)
{
	switch (why) {
	case -DMAF_WIRE_E_BEHIND:
	case -DMAF_WIRE_E_AHEAD:
	case -DMAF_WIRE_E_ACK_MODE: return true;
	}
	return false;
}

static void refused(struct tcp_sink *t, int why)
{
	if (why == -DMAF_WIRE_E_ACK_MODE)
		dmaf_fail(t->err, -EPROTO,
			  "%s: the receiver acknowledges less than ack=%s asks for; give it ack=%s "
			  "too",
			  t->o.text, t->ack_level == DMAF_WIRE_A_SYNCED ? "synced" : "written",
			  t->ack_level == DMAF_WIRE_A_SYNCED ? "synced" : "written");
	else if (why == -DMAF_WIRE_E_BEHIND)
		dmaf_fail(t->err, -EPROTO,
			  "%s: the receiver has less of this stream than it had acknowledged, and "
			  "that "
			  "is no longer held here; its file or record was replaced: begin again",
			  t->o.text);
	else
		dmaf_fail(t->err, -EPROTO,
			  "%s: the receiver claims more of this stream than was ever sent; its "
			  "record "
			  "belongs to another one",
			  t->o.text);
	tcp_link_die(t, -EPROTO);
}

static void on_error(struct tcp_sink *t, const struct dmaf_wire_error *e)
{
	char what[DMAF_WIRE_TEXT + 1];
	int n = (int)(e->text_len < DMAF_WIRE_TEXT ? e->text_len : DMAF_WIRE_TEXT);

	if (n)
		snprintf(what, sizeof(what), "%.*s", n, e->text);
	else
		snprintf(what, sizeof(what), "%s", dmaf_wire_reason((int)e->code));
	switch (e->code) {
	case DMAF_WIRE_E_BUSY:
	case DMAF_WIRE_E_TIMEOUT:
	case DMAF_WIRE_E_STOPPED:
	case DMAF_WIRE_E_SUPERSEDED: tcp_link_broken(t, -ECONNABORTED, what); return;
	}
	dmaf_fail(t->err, e->code == DMAF_WIRE_E_SINK ? -EIO : -EPROTO,
		  "%s: the receiver refused: %s", t->o.text, what);
	tcp_link_die(t, t->err->code);
}

static void on_ack(struct tcp_sink *t)
{
	uint64_t pay = tcp_queue_payload_at(t, &t->tx.acked);

	if (pay == UINT64_MAX || ack_window_ack(&t->win, pay))
		protocol_error(t, -DMAF_WIRE_E_ACK_BEYOND);
	else
		tcp_mode_acked(t);
}

static void on_frame(struct tcp_sink *t, const struct dmaf_wire_frame *f)
{
	int r;

	/* Cut is not sent: what still waits here can't have been written there. */
	if (f->hdr.type == DMAF_WIRE_T_ACK && f->hdr.pos.offset > tcp_queue_sent_offset(t)) {
		protocol_error(t, -DMAF_WIRE_E_ACK_BEYOND);
		return;
	}
	r = dmaf_wire_tx_check(&t->tx, f);
	if (for_good(r)) {
		refused(t, r);
		return;
	}
	if (r) {
		protocol_error(t, r);
		return;
	}
	switch (f->hdr.type) {
	case DMAF_WIRE_T_HELLO: on_answer(t); return;
	case DMAF_WIRE_T_ACK: on_ack(t); return;
	case DMAF_WIRE_T_ERROR: on_error(t, &f->u.error); return;
	}
}

static uint32_t parse(struct tcp_sink *t)
{
	struct dmaf_wire_frame f;
	uint32_t at = 0;

	while (at < t->rx_have && (t->state == LINK_HELLO || t->state == LINK_UP)) {
		int r = dmaf_wire_get(t->rx + at, t->rx_have - at, 0, &f);

		if (r > 0)
			break;
		if (r < 0) {
			protocol_error(t, r);
			break;
		}
		at += DMAF_WIRE_HDR + f.hdr.length;
		on_frame(t, &f);
	}
	return at;
}

/* Who has read the end frame and acknowledges nothing has nothing more to do here. */
static bool may_close(const struct tcp_sink *t)
{
	return t->end == END_SHUT || (t->end == END_SENT && !t->ack && !t->ctl_len);
}

void tcp_link_read(struct tcp_sink *t)
{
	ssize_t r;

	t->since_rx = 0;
	do {
		uint32_t used;

		r = recv(t->fd, t->rx + t->rx_have, sizeof(t->rx) - t->rx_have, MSG_DONTWAIT);
		if (r < 0 && errno != EAGAIN && errno != EINTR)
			tcp_link_failed(t, -errno);
		if (!r && !may_close(t))
			tcp_link_failed(t, -ECONNRESET);
		if (r <= 0)
			return;
		t->rx_have += (uint32_t)r;
		used = parse(t);
		memmove(t->rx, t->rx + used, t->rx_have - used);
		t->rx_have -= used;
	} while (t->rx_have == sizeof(t->rx) && (t->state == LINK_HELLO || t->state == LINK_UP));
}

static void heartbeat(struct tcp_sink *t)
{
	struct dmaf_wire_hdr h = {.pos = t->tx.sent};
	uint64_t now = dmaf_now_ns();

	if (now < t->last_tx_ns + HEARTBEAT_NS || t->ctl_len || t->tx.ended || t->aborting)
		return;
	t->last_tx_ns = now;
	if (!tcp_queue_empty(t) || !tcp_queue_between(t))
		return;
	memcpy(h.id, t->id, sizeof(h.id));
	t->ctl_len = dmaf_wire_put_heartbeat(t->ctl, &h);
	t->ctl_sent = 0;
}

/* An idle unframed link reads nothing and would never learn that it is gone. */
static void look_alive(struct tcp_sink *t)
{
	int code = 0;
	socklen_t len = sizeof(code);

	if (!getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &code, &len) && code)
		tcp_link_failed(t, -code);
}

static void up_step(struct tcp_sink *t)
{
	/* Acks are looked for when the loop has slept, or when a good part of the window is out. */
	bool due = t->waited || (t->ack && t->since_rx >= t->win.limit / 4);

	if (t->framed && due)
		tcp_link_read(t);
	else if (!t->framed && t->waited && !t->blocked && t->end < END_SHUT)
		look_alive(t);
	if (t->state == LINK_UP && t->framed && t->waited)
		heartbeat(t);
	if (t->state != LINK_UP)
		return;
	if (t->waited)
		t->blocked = false;
	if (zc_pending(&t->zc) && (t->waited || t->since_errq >= t->pool_bytes / 4))
		tcp_completions(t);
}

void tcp_link_step(struct tcp_sink *t)
{
	enum link_state before;

	do {
		before = t->state;
		switch (t->state) {
		case LINK_DOWN: connect_step(t); break;
		case LINK_HELLO: hello_step(t); break;
		case LINK_UP: up_step(t); break;
		case LINK_DRAIN: drain(t); break;
		case LINK_DEAD: break;
		}
	} while (t->state != before);
}

void tcp_link_waiting(struct tcp_sink *t, struct dmaf_wait *w)
{
	uint64_t now = dmaf_now_ns();

	switch (t->state) {
	case LINK_DOWN:
		if (!t->listens) {
			tcp_connect_wait(&t->conn, w);
			break;
		}
		dmaf_wait_fd(w, t->listener, POLLIN);
		if (t->links)
			dmaf_wait_until(w, t->give_up_ns);
		break;
	case LINK_HELLO:
		dmaf_wait_fd(w, t->fd, (short)(POLLIN | (t->ctl_len ? POLLOUT : 0)));
		if (t->said_hello)
			dmaf_wait_until(w, t->hello_by_ns);
		break;
	case LINK_UP:
		dmaf_wait_fd(w, t->fd,
			     (short)((t->framed ? POLLIN : 0) | (t->blocked ? POLLOUT : 0)));
		if (t->uring && zc_pending(&t->zc))
			dmaf_wait_fd(w, tcp_uring_fd(t), POLLIN);
		if (t->moved)
			t->last_tx_ns = now;
		if (t->framed && !t->tx.ended)
			dmaf_wait_until(w, t->last_tx_ns + HEARTBEAT_NS);
		break;
	case LINK_DRAIN: dmaf_wait_until(w, now + 1000000); break;
	case LINK_DEAD: break;
	}
	t->moved = false;
	t->waited = true;
}
