/* SPDX-License-Identifier: MIT */
/*
 * Connections that have not yet said who they are, and refused ones that still read why. Nobody
 * here can disturb the running stream: there are at most TCP_DOOR_MAX, each is heard a hello's
 * length, and each has a time limit.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "plugins/tcp/tcp_source.h"

#define LISTENER UINT32_MAX

static int watch(struct tcp_door *d, int fd, uint32_t name)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = name};

	return epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

int tcp_door_open(struct tcp_door *d, int listener, struct dmaf_err *err)
{
	int rc;

	d->fd = listener;
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (d->epoll < 0) {
		rc = -errno;
		return dmaf_fail(err, rc, "no epoll descriptor: %s", strerror(-rc));
	}
	if (listener < 0)
		return 0;
	rc = watch(d, listener, LISTENER);
	if (rc)
		return dmaf_fail(err, rc, "watching the listener: %s", strerror(-rc));
	d->open = true;
	return 0;
}

static void forget(struct tcp_door *d, struct tcp_guest *g)
{
	close(g->fd);
	g->fd = -1;
	d->n--;
}

void tcp_door_shut(struct tcp_door *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	d->open = false;
}

void tcp_door_close(struct tcp_door *d)
{
	for (unsigned i = 0; i < TCP_DOOR_MAX; i++)
		if (d->guest[i].fd >= 0)
			forget(d, &d->guest[i]);
	tcp_door_shut(d);
	if (d->epoll >= 0)
		close(d->epoll);
	d->epoll = -1;
}

int tcp_door_add(struct tcp_door *d, int fd, bool leaving, uint64_t until)
{
	struct tcp_guest *g = NULL;
	int rc;

	for (unsigned i = 0; i < TCP_DOOR_MAX && !g; i++)
		if (d->guest[i].fd < 0)
			g = &d->guest[i];
	rc = g ? watch(d, fd, (uint32_t)(g - d->guest)) : -ENOSPC;
	if (rc) {
		close(fd);
		return rc;
	}
	g->fd = fd;
	g->leaving = leaving;
	g->until = until;
	g->have = 0;
	tcp_peer_name(fd, g->peer);
	d->n++;
	return 0;
}

int tcp_door_take(struct tcp_door *d, unsigned i)
{
	int fd = d->guest[i].fd;

	epoll_ctl(d->epoll, EPOLL_CTL_DEL, fd, NULL);
	d->guest[i].fd = -1;
	d->n--;
	return fd;
}

/* Closing with unread bytes would reset the link and take the reason with it: let it read first. */
static void say_why(int fd, const uint8_t *id, int why, const char *text)
{
	uint8_t out[DMAF_WIRE_CONTROL_MAX];
	struct dmaf_wire_hdr h = {0};
	uint32_t len;

	if (id)
		memcpy(h.id, id, sizeof(h.id));
	len = dmaf_wire_put_error(out, &h, (uint32_t)why, text, (uint32_t)strlen(text));
	(void)!send(fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
}

static void note_refusal(struct tcp_source *s, const char *peer, const char *text)
{
	s->src->p.count.errors++;
	dmaf_note(&s->src->p.count, "refused %s: %s", peer, text);
}

void tcp_door_refuse(struct tcp_source *s, unsigned i, int why, const char *text, uint64_t now)
{
	struct tcp_guest *g = &s->door.guest[i];

	note_refusal(s, g->peer, text);
	say_why(g->fd, NULL, why, text);
	g->leaving = true;
	g->until = now + TCP_LINGER_NS;
}

void tcp_send_away(struct tcp_source *s, int fd, int why, const char *text)
{
	say_why(fd, s->src->stream.id, why, text);
	if (s->door.epoll < 0)
		close(fd);
	else
		(void)tcp_door_add(&s->door, fd, true, dmaf_now_ns() + TCP_LINGER_NS);
}

/* Read on until the peer has seen the end; what it says is of no interest. */
static void hear_out(struct tcp_door *d, struct tcp_guest *g)
{
	char any[4096];
	ssize_t n = recv(g->fd, any, sizeof(any), MSG_DONTWAIT);

	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		forget(d, g);
}

/* Return: 1 when the hello is whole, 0: later, or the negative reason to refuse. */
static int hear(struct tcp_guest *g, struct dmaf_wire_frame *f, bool *gone)
{
	int need = dmaf_wire_get(g->bytes, g->have, DMAF_WIRE_BLOCK_MAX, f);

	while (need > 0) {
		ssize_t n;

		/* No other frame begins a stream, and this one is never longer. */
		if (g->have + (uint32_t)need > sizeof(g->bytes))
			return -DMAF_WIRE_E_NO_HELLO;
		n = recv(g->fd, g->bytes + g->have, (size_t)need, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0) {
			*gone = true;
			return 0;
		}
		g->have += (uint32_t)n;
		need = dmaf_wire_get(g->bytes, g->have, DMAF_WIRE_BLOCK_MAX, f);
	}
	if (need < 0)
		return need;
	return f->hdr.type == DMAF_WIRE_T_HELLO ? 1 : -DMAF_WIRE_E_NO_HELLO;
}

static void expire(struct tcp_source *s, uint64_t now)
{
	struct tcp_door *d = &s->door;
	char text[96];

	for (unsigned i = 0; i < TCP_DOOR_MAX; i++) {
		struct tcp_guest *g = &d->guest[i];

		if (g->fd < 0 || !g->until || now < g->until)
			continue;
		if (g->leaving) {
			forget(d, g);
			continue;
		}
		snprintf(text, sizeof(text), "no whole hello within %llu s: %u of %zu bytes came",
			 TCP_HELLO_NS / (1000 * TCP_MS), g->have, sizeof(g->bytes));
		tcp_door_refuse(s, i, DMAF_WIRE_E_TIMEOUT, text, now);
	}
}

/* While all places are taken the rest waits in the backlog. */
static void mind_listener(struct tcp_door *d)
{
	bool want = d->fd >= 0 && d->n < TCP_DOOR_MAX;

	if (want == d->open)
		return;
	if (want)
		d->open = !watch(d, d->fd, LISTENER);
	else if (!epoll_ctl(d->epoll, EPOLL_CTL_DEL, d->fd, NULL))
		d->open = false;
}

static int let_in(struct tcp_source *s, uint64_t now)
{
	struct tcp_door *d = &s->door;

	while (d->n < TCP_DOOR_MAX) {
		int fd = tcp_accept(d->fd, &s->opts, &s->src->p.err);

		if (fd == -EAGAIN)
			return 0;
		if (fd < 0)
			return fd;
		(void)tcp_door_add(d, fd, false, now + TCP_HELLO_NS);
	}
	return 0;
}

int tcp_door_round(struct tcp_source *s, struct dmaf_wire_frame *hello, uint64_t now)
{
	struct epoll_event ev[TCP_DOOR_MAX + 1];
	struct tcp_door *d = &s->door;
	int n, rc = 0;

	mind_listener(d);
	n = epoll_wait(d->epoll, ev, TCP_DOOR_MAX + 1, 0);
	for (int i = 0; i < n && !rc; i++) {
		struct tcp_guest *g;
		bool gone = false;

		if (ev[i].data.u32 == LISTENER) {
			rc = let_in(s, now);
			continue;
		}
		g = &d->guest[ev[i].data.u32];
		if (g->leaving) {
			hear_out(d, g);
			continue;
		}
		rc = hear(g, hello, &gone);
		if (rc == 1)
			return (int)ev[i].data.u32;
		if (rc < 0)
			tcp_door_refuse(s, ev[i].data.u32, -rc, dmaf_wire_reason(rc), now);
		rc = 0;
		if (gone) {
			note_refusal(s, g->peer, "it closed before a whole hello");
			forget(d, g);
		}
	}
	expire(s, now); /* who has just said all is not late */
	mind_listener(d);
	return rc ? rc : -EAGAIN;
}

void tcp_door_wait(const struct tcp_door *d, struct dmaf_wait *w)
{
	if (d->epoll < 0)
		return;
	dmaf_wait_fd(w, d->epoll, POLLIN);
	for (unsigned i = 0; i < TCP_DOOR_MAX; i++)
		if (d->guest[i].fd >= 0 && d->guest[i].until)
			dmaf_wait_until(w, d->guest[i].until);
}
