/* SPDX-License-Identifier: MIT */
/* What every sink has completed, in any order, and telling the sender the contiguous part. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/tcp/tcp_source.h"

int tcp_acks_init(struct tcp_acks *a, unsigned buffers)
{
	*a = (struct tcp_acks){.cap = buffers};
	a->out = calloc((size_t)buffers + 1, sizeof(*a->out));
	if (!a->out)
		return -ENOMEM;
	a->out[buffers].before = a->out[buffers].after = buffers;
	return 0;
}

void tcp_acks_free(struct tcp_acks *a)
{
	free(a->out);
	*a = (struct tcp_acks){0};
}

void tcp_acks_link(struct tcp_acks *a, const struct dmaf_wire_pos *told)
{
	a->done = a->told = *told;
	a->ahead_ns = 0;
	a->sent_done = false;
	a->at_byte = a->len = 0;
}

void tcp_acks_push(struct tcp_acks *a, const dmaf_buf *buf, const struct dmaf_wire_pos *end)
{
	unsigned i = buf->index, last = a->out[a->cap].before;

	if (a->failed) /* nothing behind the failed one is ever told, and its place is taken */
		return;
	a->out[i] = (struct tcp_out){.end = *end, .before = last, .after = a->cap};
	a->out[last].after = a->out[a->cap].before = i;
	a->n++;
}

static void completed(struct tcp_acks *a, unsigned i)
{
	struct tcp_out *o = &a->out[i];

	if (o->before == a->cap)
		a->done = o->end;
	else
		a->out[o->before].end = o->end;
	a->out[o->before].after = o->after;
	a->out[o->after].before = o->before;
	a->n--;
}

void tcp_acks_done(struct tcp_acks *a, dmaf_buf *const *bufs, unsigned n)
{
	for (unsigned i = 0; i < n && !a->failed; i++) {
		if (bufs[i]->status < 0)
			a->failed = true;
		else
			completed(a, bufs[i]->index);
	}
}

static bool ahead(const struct tcp_acks *a)
{
	return a->done.offset > a->told.offset || a->done.sequence > a->told.sequence;
}

static int flush(struct tcp_acks *a, int fd)
{
	while (a->at_byte < a->len) {
		ssize_t n = send(fd, a->bytes + a->at_byte, a->len - a->at_byte,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		a->at_byte += (unsigned)n;
	}
	return 0;
}

int tcp_acks_send(struct tcp_acks *a, int fd, const uint8_t id[16], uint64_t now, bool now_anyway,
		  bool done)
{
	struct dmaf_wire_hdr h = {0};
	int rc = flush(a, fd);

	if (rc || a->sent_done)
		return rc;
	if (!done) {
		if (!ahead(a))
			return 0;
		if (!a->ahead_ns)
			a->ahead_ns = now;
		if (!now_anyway && a->done.offset - a->told.offset < a->step &&
		    now - a->ahead_ns < TCP_ACK_IDLE_NS)
			return 0;
	}
	memcpy(h.id, id, sizeof(h.id));
	h.pos = a->done;
	h.flags = done ? DMAF_WIRE_DONE : 0;
	a->len = dmaf_wire_put_ack(a->bytes, &h);
	a->at_byte = 0;
	a->told = a->done;
	a->ahead_ns = 0;
	a->sent_done = done;
	return flush(a, fd);
}
