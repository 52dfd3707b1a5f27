/* SPDX-License-Identifier: MIT */
/* Which connection is the stream's: taking one, refusing others, losing it, waiting for the next.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "plugins/tcp/tcp_source.h"

/* A peer that accepts and closes at once is tried again after this long. */
#define RECONNECT_NS (100 * TCP_MS)

void tcp_fail(struct tcp_source *s, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s->fail = dmaf_vfail(&s->src->p.err, code, fmt, ap);
	va_end(ap);
	s->phase = TCP_FAILED;
}

static void connect_again(struct tcp_source *s, uint64_t now)
{
	tcp_connect_start(&s->conn, &s->opts);
	s->conn.not_before_ns = now + RECONNECT_NS;
	if (s->seen)
		s->conn.give_up_ns =
			s->back_ns > UINT64_MAX - s->cut_ns ? UINT64_MAX : s->cut_ns + s->back_ns;
}

/* Nobody is on the line: the stream comes back, or the flow fails. */
static void go_on_without(struct tcp_source *s, int code, const char *why)
{
	struct dmaf_counters *c = &s->src->p.count;

	s->cut_ns = dmaf_now_ns();
	if (!s->framed)
		return tcp_fail(s, code, "%s: the connection with %s broke after %llu bytes: %s",
				s->text, s->peer, (unsigned long long)s->offset, why);
	if (!s->back_ns)
		return tcp_fail(s, code, "%s: stream from %s cut after %llu bytes: %s", s->text,
				s->peer, (unsigned long long)s->offset, why);
	c->errors++;
	dmaf_note(c, "stream from %s cut after %llu bytes: %s; waiting for it to come back",
		  s->peer, (unsigned long long)s->offset, why);
	s->phase = TCP_WAITING;
	if (!s->listen)
		connect_again(s, s->cut_ns);
}

void tcp_link_lost(struct tcp_source *s, int code, const char *why)
{
	close(s->fd);
	s->fd = -1;
	go_on_without(s, code, why);
}

void tcp_link_refuse(struct tcp_source *s, int why)
{
	tcp_send_away(s, s->fd, why, dmaf_wire_reason(why));
	s->fd = -1;
	go_on_without(s, -EPROTO, dmaf_wire_reason(why));
}

static void link_up(struct tcp_source *s, int fd)
{
	/* An ack is small and the sender waits for it: Nagle would hold it back. */
	if (tcp_acked(s))
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	s->fd = fd;
	s->phase = TCP_UP;
	s->lowat = 1;
	s->quiet = true;
	s->since_ns = s->last_ns = dmaf_now_ns();
	tcp_peer_name(fd, s->peer);
}

static void take_raw(struct tcp_source *s, int fd)
{
	link_up(s, fd);
	s->seen = true;
	s->src->stream.clock = DMAF_CLOCK_MONOTONIC;
	tcp_place(s, 0);
	tcp_door_shut(&s->door);
}

static const char *id_text(const uint8_t *id, char *out)
{
	for (unsigned i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", id[i]);
	return out;
}

/* Sample formats by the names that programs use. */
static void name_format(char *out, size_t size, const struct dmaf_wire_hello *h)
{
	static const char kind[] = {0, 'u', 's', 'f', 'U', 'S', 'F', 0};
	char k = h->sample < sizeof(kind) ? kind[h->sample] : 0;
	size_t n = strnlen(h->name, sizeof(h->name));

	if (n && n < size) {
		memcpy(out, h->name, n);
		out[n] = 0;
	} else if (!k || !h->bits) {
		out[0] = 0;
	} else {
		bool cplx = k < 'a';

		snprintf(out, size, "%s%c%u%s", cplx ? "c" : "", cplx ? k - 'A' + 'a' : k, h->bits,
			 h->bits <= 8    ? ""
			 : h->big_endian ? "be"
					 : "le");
	}
}

static void name_stream(struct tcp_source *s, const struct dmaf_wire_frame *f)
{
	const struct dmaf_wire_hello *h = &f->u.hello;
	struct dmaf_stream *to = &s->src->stream;

	memcpy(to->id, f->hdr.id, sizeof(to->id));
	name_format(to->format, sizeof(to->format), h);
	to->channels = h->channels;
	to->rate_mhz = h->rate_millihz;
	to->clock = h->clock; /* the same numbers */
	to->block = h->block;
}

_Static_assert((int)DMAF_CLOCK_TAI == (int)DMAF_WIRE_C_TAI &&
		       (int)DMAF_CLOCK_DEVICE == (int)DMAF_WIRE_C_DEVICE,
	       "clocks have one number in the API and on the wire");

/** struct verdict - what becomes of a hello. */
struct verdict {
	struct dmaf_wire_rx wire;
	uint64_t skip;
	bool skip_done;
	int why; /* 0 or enum dmaf_wire_why */
	char text[DMAF_WIRE_TEXT];
};

static bool refuse(struct verdict *v, int why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static bool refuse(struct verdict *v, int why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
	v->why = why;
	return false;
}

static bool may_come(struct tcp_source *s, const struct dmaf_wire_frame *f, struct verdict *v)
{
	static const uint8_t none[16];
	const struct dmaf_wire_hello *h = &f->u.hello;
	char id[33];

	if (f->hdr.flags & DMAF_WIRE_ANSWER)
		return refuse(v, DMAF_WIRE_E_DIRECTION, "%s",
			      dmaf_wire_reason(DMAF_WIRE_E_DIRECTION));
	if (s->seen && memcmp(s->src->stream.id, f->hdr.id, 16) != 0)
		return refuse(v, DMAF_WIRE_E_BUSY,
			      "busy with stream %s; a receiver takes one stream at a time",
			      id_text(s->src->stream.id, id));
	if (!s->seen && s->resume_known && memcmp(s->resume.id, none, 16) != 0 &&
	    memcmp(s->resume.id, f->hdr.id, 16) != 0)
		return refuse(v, DMAF_WIRE_E_STREAM,
			      "what is written here belongs to stream %s, which is not finished; "
			      "let that one go on, or write to another place",
			      id_text(s->resume.id, id));
	if (h->ack != DMAF_WIRE_A_NONE && !tcp_acked(s))
		return refuse(
			v, DMAF_WIRE_E_ACK_MODE,
			"acknowledgements wanted, but this receiver has no ack option; give it "
			"on both sides or on neither");
	if (h->ack == DMAF_WIRE_A_NONE && tcp_acked(s))
		return refuse(
			v, DMAF_WIRE_E_ACK_MODE,
			"this receiver has the ack option, but no acknowledgements are wanted; "
			"give it on both sides or on neither");
	if (h->ack > s->ack)
		return refuse(v, DMAF_WIRE_E_ACK_MODE,
			      "ack=synced wanted, but this receiver has ack=written");
	if (s->phase == TCP_ENDED && !tcp_acked(s))
		return refuse(v, DMAF_WIRE_E_AFTER_END, "this stream has ended");
	return true;
}

/*
 * Where the stream goes on. The sender frees what lies before the answer, so the answer never is
 * beyond what the sinks have completed: what is in our blocks already comes again and is skipped.
 */
static bool find_place(struct tcp_source *s, const struct dmaf_wire_frame *f, struct verdict *v)
{
	const struct dmaf_wire_pos *floor = &f->hdr.pos;
	uint64_t here = s->offset + s->gap_bytes;

	if (!tcp_acked(s)) {
		struct dmaf_wire_pos pos;

		if (!s->seen)
			return true;
		tcp_rx_pos(&s->rx, &pos);
		dmaf_wire_rx_resume(&v->wire, f->hdr.id, &pos);
		v->skip = s->skip;
		return true;
	}
	if (s->seen) {
		dmaf_wire_rx_resume(&v->wire, f->hdr.id, &s->acks.done);
		v->skip = here - s->acks.done.offset;
		v->skip_done = s->skip_done;
		return true;
	}
	if (!s->resume_known || s->resume.offset == floor->offset)
		return true;
	if (floor->offset > s->resume.offset)
		return refuse(v, DMAF_WIRE_E_BEHIND,
			      "%llu bytes are here, but the sender can only go on from %llu",
			      (unsigned long long)s->resume.offset,
			      (unsigned long long)floor->offset);
	/* The record counts our buffers, not the sender's, so it names no place of the sender's
	 * inside what that still holds: all of this comes again, a window at most. */
	v->skip = s->resume.offset - floor->offset;
	v->skip_done = true;
	return true;
}

static bool judge(struct tcp_source *s, unsigned guest, const struct dmaf_wire_frame *f,
		  struct verdict *v)
{
	uint8_t out[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];
	int rc;

	dmaf_wire_rx_init(&v->wire, DMAF_WIRE_BLOCK_MAX);
	if (!may_come(s, f, v) || !find_place(s, f, v))
		return false;
	rc = dmaf_wire_rx_check(&v->wire, f);
	if (rc)
		return refuse(v, -rc, "%s", dmaf_wire_reason(rc));
	if (!tcp_acked(s))
		return true;
	rc = dmaf_wire_rx_answer(&v->wire, out, s->ack,
				 (uint64_t)dmaf_pool_count(s->src->pool) *
					 dmaf_pool_terms(s->src->pool)->block);
	if (rc < 0)
		return refuse(v, -rc, "%s", dmaf_wire_reason(rc));
	/* The first bytes of a fresh connection: they go as one or the peer is gone. */
	if (send(s->door.guest[guest].fd, out, (size_t)rc, MSG_DONTWAIT | MSG_NOSIGNAL) != rc)
		return refuse(v, DMAF_WIRE_E_TIMEOUT, "the answer could not be sent");
	return true;
}

/*
 * Acks go at half the sender's window. One that is smaller than our blocks can't wait for a block
 * to be full: blocks then end at half of it, in whole pages if that can be, and each is told of.
 */
static void set_pace(struct tcp_source *s, uint64_t window)
{
	size_t block = dmaf_pool_terms(s->src->pool)->block;
	uint64_t half = window / 2;

	s->cut = block;
	s->acks.step = half ? half : 1;
	if (!tcp_acked(s) || !window || half >= block)
		return;
	if (half >= 4096)
		half -= half % 4096;
	s->cut = half ? (size_t)half : 1;
	s->acks.step = s->cut;
}

static void first_link(struct tcp_source *s, const struct dmaf_wire_frame *f,
		       const struct verdict *v)
{
	const struct dmaf_wire_pos *at = &v->wire.pos;

	name_stream(s, f);
	s->seen = true;
	s->seq = at->sequence;
	tcp_place(s, at->offset + v->skip);
	if (!s->resume_known || !memcmp(s->resume.id, (uint8_t[16]){0}, 16))
		return;
	s->seq = s->resume.seq;
	if (tcp_acked(s) || at->offset <= s->resume.offset) {
		s->skip = tcp_acked(s) ? v->skip : s->resume.offset - at->offset;
		tcp_place(s, s->resume.offset);
		return;
	}
	/* Without acks the sender could not know: what it sent meanwhile is lost. */
	tcp_place(s, s->resume.offset);
	tcp_gap(s, at->offset - s->resume.offset,
		at->sequence > s->seq ? at->sequence - s->seq : 1);
}

static void take(struct tcp_source *s, unsigned guest, const struct dmaf_wire_frame *f,
		 const struct verdict *v)
{
	bool again = s->seen;

	if (s->fd >= 0) {
		dmaf_note(&s->src->p.count, "%s comes again from %s: its old link is dropped",
			  "the stream", s->door.guest[guest].peer);
		tcp_send_away(s, s->fd, DMAF_WIRE_E_SUPERSEDED,
			      dmaf_wire_reason(DMAF_WIRE_E_SUPERSEDED));
	}
	link_up(s, tcp_door_take(&s->door, guest));
	tcp_rx_begin(&s->rx, &v->wire);
	s->skip = v->skip;
	s->skip_done = v->skip_done;
	s->asked = false;
	tcp_acks_link(&s->acks, &v->wire.pos);
	set_pace(s, f->u.hello.window);
	if (again) {
		s->src->p.count.reconnects++;
		if (!tcp_acked(s))
			tcp_found_gap(s);
		return;
	}
	first_link(s, f, v);
	if (!s->skip)
		tcp_rx_pos(&s->rx, &s->here);
}

static int hear_guests(struct tcp_source *s, uint64_t now)
{
	struct dmaf_wire_frame hello;
	int i;

	while ((i = tcp_door_round(s, &hello, now)) >= 0) {
		struct verdict v = {0};

		if (judge(s, (unsigned)i, &hello, &v))
			take(s, (unsigned)i, &hello, &v);
		else
			tcp_door_refuse(s, (unsigned)i, v.why, v.text, now);
	}
	return i == -EAGAIN ? 0 : i;
}

static bool hello_expected(const struct tcp_source *s)
{
	for (unsigned i = 0; i < TCP_DOOR_MAX; i++)
		if (s->door.guest[i].fd >= 0 && !s->door.guest[i].leaving)
			return true;
	return false;
}

/* Connecting: the one connection there is says hello as any guest does. */
static int connect_round(struct tcp_source *s, uint64_t now)
{
	int fd;

	if (s->framed && s->asked) {
		if (hello_expected(s))
			return 0;
		s->asked = false;
		if (!s->seen)
			return dmaf_fail(&s->src->p.err, -EPROTO, "%s: %s; is it a framed sender?",
					 s->text, s->src->p.count.note);
		connect_again(s, now);
	}
	fd = tcp_connect_step(&s->conn, &s->opts, &s->src->p.err);
	if (fd == -EAGAIN)
		return 0;
	if (fd < 0)
		return fd;
	if (!s->framed) {
		take_raw(s, fd);
		return 0;
	}
	s->asked = true;
	return tcp_door_add(&s->door, fd, false, s->timeout_ns ? now + s->timeout_ns : 0);
}

static int accept_raw(struct tcp_source *s)
{
	int fd = tcp_accept(s->door.fd, &s->opts, &s->src->p.err);

	if (fd == -EAGAIN)
		return 0;
	if (fd < 0)
		return fd;
	take_raw(s, fd);
	return 0;
}

int tcp_link_round(struct tcp_source *s, uint64_t now)
{
	int rc = 0;

	s->checked_ns = now;
	if (s->framed)
		rc = hear_guests(s, now);
	if (!rc && s->phase == TCP_WAITING) {
		if (!s->listen)
			rc = connect_round(s, now);
		else if (!s->framed)
			rc = accept_raw(s);
	}
	if (!rc && s->phase == TCP_WAITING && s->seen && s->back_ns != UINT64_MAX &&
	    now - s->cut_ns >= s->back_ns) {
		tcp_fail(s, -ETIMEDOUT,
			 "%s: stream cut after %llu bytes and not back within %.3g s; wait= says "
			 "how long to wait",
			 s->text, (unsigned long long)s->offset, (double)s->back_ns / 1e9);
		return 0;
	}
	return rc;
}

void tcp_link_wait(struct tcp_source *s, struct dmaf_wait *w)
{
	if (s->framed)
		tcp_door_wait(&s->door, w);
	if (s->phase != TCP_WAITING)
		return;
	if (!s->listen && !hello_expected(s))
		tcp_connect_wait(&s->conn, w);
	else if (!s->framed)
		dmaf_wait_fd(w, s->door.fd, POLLIN);
	if (s->seen && s->back_ns != UINT64_MAX)
		dmaf_wait_until(w, s->cut_ns + s->back_ns);
}
