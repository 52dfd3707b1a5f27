/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "plugins/tcp/tcp_sink.h"

#define S 1000000000ull

#define RETRY_NS     (5 * S)  /* while the receiver starts */
#define RETRY_ACK_NS (30 * S) /* while it is started again */

static int check_options(struct tcp_sink *t, const dmaf_addr *a)
{
	bool ack = dmaf_addr_has(a, "ack");

	if (t->asked >= TCP_MODES)
		return dmaf_fail(t->err, -EINVAL,
				 "%s: mode=%s is a way to receive; to send: auto, copy, zerocopy, "
				 "sendzc, splice",
				 t->o.text, dmaf_addr_str(a, "mode", "?"));
	if (ack && !t->framed)
		return dmaf_fail(t->err, -EINVAL,
				 "%s: ack without frame: only frames can be acknowledged; write "
				 "frame,ack",
				 t->o.text);
	if (dmaf_addr_has(a, "window") && !ack)
		return dmaf_fail(
			t->err, -EINVAL,
			"%s: window without ack: it limits what is not acknowledged; write "
			"frame,ack,window=...",
			t->o.text);
	if (t->asked == TCP_MODE_SPLICE && !ack)
		return dmaf_fail(t->err, -EINVAL,
				 "%s: mode=splice without ack: nobody tells when spliced pages are "
				 "free again but the receiver; write frame,ack,mode=splice",
				 t->o.text);
	if (t->sink->durable && !ack)
		return dmaf_fail(
			t->err, -EINVAL,
			"%s: the source promises that data survives power loss, which takes "
			"frame,ack=synced here",
			t->o.text);
	return 0;
}

static int open_common(dmaf_sink *sink, bool listens)
{
	const dmaf_addr *a = sink->p.addr;
	struct tcp_sink *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return dmaf_fail(&sink->p.err, -ENOMEM, "%s: no memory", dmaf_addr_text(a));
	sink->p.priv = t;
	t->sink = sink;
	t->count = &sink->p.count;
	t->err = &sink->p.err;
	t->o.text = dmaf_addr_text(a);
	t->listens = listens;
	t->fd = t->listener = t->conn.fd = t->pipe[0] = t->pipe[1] = -1;
	t->framed = dmaf_addr_u64(a, "frame", 0);
	t->ack = dmaf_addr_has(a, "ack");
	t->asked = (enum tcp_mode)dmaf_addr_u64(a, "mode", TCP_MODE_AUTO);
	t->hdr_len = t->framed ? DMAF_WIRE_HDR : 0;
	if (t->ack)
		t->ack_level = dmaf_addr_u64(a, "ack", 0) == TCP_ACK_SYNCED || sink->durable
				       ? DMAF_WIRE_A_SYNCED
				       : DMAF_WIRE_A_WRITTEN;
	r = check_options(t, a);
	if (!r)
		r = tcp_opts_read(&t->o, a, listens, t->ack ? RETRY_ACK_NS : RETRY_NS, t->err);
	if (r)
		return r;
	if (t->asked > TCP_MODE_COPY)
		sink->p.need.backing = DMAF_PAGES;
	t->count->path = "connecting";
	return tcp_link_open(t);
}

static int sink_open(dmaf_sink *sink)
{
	return open_common(sink, false);
}

static int listen_open(dmaf_sink *sink)
{
	return open_common(sink, true);
}

static int sink_attach(dmaf_sink *sink)
{
	struct tcp_sink *t = sink->p.priv;
	const struct dmaf_terms *terms = dmaf_pool_terms(sink->pool);
	uint64_t window = dmaf_addr_u64(sink->p.addr, "window", UINT64_MAX);
	int r;

	t->pool_bytes = (uint64_t)terms->block * dmaf_pool_count(sink->pool);
	t->win.limit = window < t->pool_bytes ? window : t->pool_bytes;
	r = tcp_mode_check(t);
	if (r)
		return r;
	r = tcp_queue_init(t);
	if (r)
		return dmaf_fail(t->err, r, "%s: no memory for %u buffers", t->o.text,
				 dmaf_pool_count(sink->pool));
	/* A peer that isn't there is found out before there is data; this machine answers at once.
	 */
	for (int tries = 0; tries < 2 && t->state == LINK_DOWN && !t->listens; tries++)
		tcp_link_step(t);
	return t->status;
}

static int sink_begin(dmaf_sink *sink)
{
	static const uint8_t none[16];
	struct tcp_sink *t = sink->p.priv;

	t->relay = sink->stream && memcmp(sink->stream->id, none, sizeof(none)) != 0;
	if (t->relay)
		memcpy(t->id, sink->stream->id, sizeof(t->id));
	else if (getrandom(t->id, sizeof(t->id), 0) != sizeof(t->id))
		return dmaf_fail(t->err, -EIO, "%s: no random stream id: %s", t->o.text,
				 strerror(errno));
	t->begun = true;
	return 0;
}

void tcp_push_checked(struct tcp_sink *t)
{
	int r;

	if (t->state != LINK_UP || t->end >= END_SHUT)
		return;
	r = tcp_push(t);
	if (r)
		tcp_link_failed(t, r);
}

void tcp_move(struct tcp_sink *t)
{
	if (t->end == END_DONE)
		return;
	tcp_link_step(t);
	tcp_push_checked(t);
	if (t->end != END_NOT)
		tcp_end_step(t);
	/* A break found while sending begins to be mended at once. */
	if (t->state == LINK_DRAIN)
		tcp_link_step(t);
	t->waited = false;
}

static int sink_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	struct tcp_sink *t = sink->p.priv;
	unsigned took = 0;
	int r = 0;

	if (t->status)
		return t->status;
	while (took < n && t->h_tail - t->h_head <= t->held_mask) {
		r = tcp_queue_add(t, bufs[took]);
		if (r)
			break;
		took++;
	}
	if (took)
		tcp_move(t);
	return took ? (int)took : r;
}

static int sink_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	struct tcp_sink *t = sink->p.priv;

	tcp_move(t);
	if (t->status && t->status != -ECANCELED && !t->reported) {
		t->reported = true;
		return t->status;
	}
	return (int)tcp_queue_reap(t, bufs, n);
}

static int sink_flush(dmaf_sink *sink, enum dmaf_flush how)
{
	struct tcp_sink *t = sink->p.priv;

	return how == DMAF_FLUSH_FINISH ? tcp_end_finish(t) : tcp_end_abort(t);
}

static void sink_cancel(dmaf_sink *sink)
{
	tcp_end_cancel(sink->p.priv);
}

static void sink_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	struct tcp_sink *t = sink->p.priv;

	if (t->end == END_DONE)
		return;
	tcp_link_waiting(t, w);
	tcp_end_wait(t, w);
}

static void sink_close(dmaf_sink *sink)
{
	struct tcp_sink *t = sink->p.priv;

	if (!t)
		return;
	tcp_connect_cancel(&t->conn);
	/* Not finished: a reset, so that the peer can't take a cut stream for a whole one. */
	if (t->fd >= 0 && !tcp_end_clean(t))
		tcp_release_pages(t->fd);
	if (t->fd >= 0)
		close(t->fd);
	if (t->listener >= 0)
		close(t->listener);
	tcp_splice_close(t);
	tcp_uring_close(t);
	tcp_queue_free(t);
	free(t);
	sink->p.priv = NULL;
}

const struct dmaf_sink_ops dmaf_tcp_sink_ops = {
	.open = sink_open,
	.attach = sink_attach,
	.begin = sink_begin,
	.submit = sink_submit,
	.reap = sink_reap,
	.flush = sink_flush,
	.cancel = sink_cancel,
	.wait = sink_wait,
	.close = sink_close,
};

const struct dmaf_sink_ops dmaf_tcp_listen_sink_ops = {
	.open = listen_open,
	.attach = sink_attach,
	.begin = sink_begin,
	.submit = sink_submit,
	.reap = sink_reap,
	.flush = sink_flush,
	.cancel = sink_cancel,
	.wait = sink_wait,
	.close = sink_close,
};
