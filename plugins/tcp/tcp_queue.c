/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/tcp/tcp_sink.h"

/* What stands for a gap; longer gaps name it several times. Never written. */
static char zeros[64 << 10] __attribute__((aligned(4096)));
/* Zeros in one piece; longer gaps are several, since they may be longer than a size_t. */
#define ZEROS_MAX ((size_t)1 << 30)

static uint32_t power_of_two(uint64_t n)
{
	uint32_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

int tcp_queue_init(struct tcp_sink *t)
{
	uint32_t n = power_of_two(dmaf_pool_count(t->sink->pool));

	t->held = calloc(n, sizeof(*t->held));
	t->held_mask = n - 1;
	return t->held ? tcp_queue_frames(t, SIZE_MAX) : -ENOMEM;
}

void tcp_queue_free(struct tcp_sink *t)
{
	free(t->held);
	free(t->frame);
	free(t->hdr);
}

int tcp_queue_frames(struct tcp_sink *t, size_t block)
{
	size_t room = dmaf_pool_terms(t->sink->pool)->block;
	/* One more for a block that is resumed inside a frame, or has zeros in its front. */
	uint64_t per = (room > block ? (room + block - 1) / block : 1) + 1;
	uint64_t all = per * dmaf_pool_count(t->sink->pool);
	uint64_t most = per > TCP_HDR_SLOTS ? per : TCP_HDR_SLOTS;
	uint32_t n = power_of_two(all < most ? all : most);

	if (t->frame && n <= t->frame_mask + 1)
		return 0;
	free(t->frame);
	free(t->hdr);
	t->hdr = NULL;
	t->frame = calloc(n, sizeof(*t->frame));
	/* Their pages are pinned and spliced: whole pages, so that nothing else lies in them. */
	if (t->framed && posix_memalign((void **)&t->hdr, 4096, (size_t)n * sizeof(*t->hdr)))
		t->hdr = NULL;
	if (!t->frame || (t->framed && !t->hdr))
		return -ENOMEM;
	t->frame_mask = n - 1;
	t->f_tail = t->f_send = t->f_head = 0;
	return 0;
}

static void pass_gap(struct tcp_sink *t, uint64_t seq, uint64_t offset)
{
	uint64_t lost = seq > t->next_src_seq ? seq - t->next_src_seq : 0;

	t->next.sequence += lost;
	t->next.lost += lost;
	/* Offsets may jump where buffers were lost and nowhere else (docs/wire.md). */
	if (lost && offset > t->next_src_off)
		t->next.offset += offset - t->next_src_off;
}

void tcp_queue_end(struct tcp_sink *t)
{
	uint64_t seq = t->sink->dropped_seq, offset = t->sink->dropped_offset;

	if (seq > t->next_src_seq && (t->any || !t->relay)) {
		pass_gap(t, seq, offset);
		t->next_src_seq = seq;
		t->next_src_off = offset;
	}
	if (t->next.offset > t->reach.offset || t->next.sequence > t->reach.sequence)
		t->reach = t->next;
}

int tcp_queue_add(struct tcp_sink *t, dmaf_buf *b)
{
	struct tcp_held *e = tcp_held_at(t, t->h_tail);
	uint64_t zero = 0;
	int r;

	if (!t->any && t->relay) {
		/* The stream began elsewhere: what lies before is not missing here. */
		t->gap_seq = t->next_src_seq = t->next.sequence = b->seq;
		t->gap_off = t->next_src_off = t->next.offset = b->offset;
		t->floor = t->next;
	}
	r = dmaf_gap_check(t->sink, b, &t->gap_seq, &t->gap_off, &zero);
	if (r)
		return r;
	pass_gap(t, b->seq, b->offset);
	t->next_src_seq = b->seq + 1;
	t->next_src_off = b->offset + b->len;
	*e = (struct tcp_held){
		.buf = b,
		.pos = t->next,
		.pay = t->pay,
		.zeros = t->framed ? 0 : zero,
		.link_end = UINT64_MAX,
	};
	t->next.offset += b->len;
	t->next.sequence += b->len != 0; /* there is no frame without payload */
	t->pay += b->len;
	t->any = true;
	t->h_tail++;
	return 0;
}

static bool frame_room(const struct tcp_sink *t)
{
	return t->f_head - t->f_tail <= t->frame_mask;
}

static void put_frame(struct tcp_sink *t, struct tcp_held *e, size_t off, size_t len, bool zero)
{
	*tcp_frame_at(t, t->f_head) = (struct tcp_frame){e, off, len, zero};
	t->f_head++;
	t->link_cut += t->hdr_len + len;
}

static void put_header(struct tcp_sink *t, const struct tcp_held *e, size_t off, size_t len)
{
	const dmaf_buf *b = e->buf;
	struct dmaf_wire_hdr h = {
		.type = DMAF_WIRE_T_DATA,
		.flags = (uint16_t)((off + len < b->len ? DMAF_WIRE_MORE : 0) |
				    (b->flags & DMAF_BUF_PARTIAL ? DMAF_WIRE_SHORT : 0) |
				    (b->flags & DMAF_BUF_ERROR ? DMAF_WIRE_BAD : 0)),
		.length = (uint32_t)len,
		.pos = {e->pos.offset + off, e->pos.sequence,
			e->pos.sequence - t->tx.sent.sequence},
		.timestamp = b->ts_ns,
		.ticks = b->ticks,
	};

	memcpy(h.id, t->id, sizeof(h.id));
	dmaf_wire_put_data(t->hdr[t->f_head & t->frame_mask], &h);
	dmaf_wire_tx_sent(&t->tx, &h);
	if (t->tx.sent.offset > t->reach.offset || t->tx.sent.sequence > t->reach.sequence)
		t->reach = t->tx.sent;
}

/* Return: false when it has to wait for the window. */
static bool cut_one(struct tcp_sink *t, struct tcp_held *e)
{
	size_t len = e->buf->len - t->cut_off;

	if (t->framed && len > t->tx.block)
		len = t->tx.block;
	if (t->ack) {
		if (len > t->win.limit)
			len = (size_t)t->win.limit;
		if (ack_window_room(&t->win, len) < len)
			return false;
		t->count->resent_bytes += ack_window_sent(&t->win, len);
	}
	if (t->framed)
		put_header(t, e, t->cut_off, len);
	put_frame(t, e, t->cut_off, len, false);
	t->cut_off += len;
	return true;
}

void tcp_queue_cut(struct tcp_sink *t)
{
	while (t->h_cut != t->h_tail && frame_room(t)) {
		struct tcp_held *e = tcp_held_at(t, t->h_cut);

		if (t->cut_zeros < e->zeros) {
			uint64_t left = e->zeros - t->cut_zeros;
			size_t len = left < ZEROS_MAX ? (size_t)left : ZEROS_MAX;

			put_frame(t, e, 0, len, true);
			t->cut_zeros += len;
			continue;
		}
		if (t->cut_off < e->buf->len && !cut_one(t, e))
			return;
		if (t->cut_off < e->buf->len)
			continue;
		e->link_end = t->link_cut;
		e->frame_end = t->f_head;
		t->cut_off = 0;
		t->cut_zeros = 0;
		t->h_cut++;
	}
}

static unsigned add_zeros(struct tcp_sink *t, unsigned n, size_t left, size_t *bytes)
{
	while (left && n < TCP_IOVS) {
		size_t len = left < sizeof(zeros) ? left : sizeof(zeros);

		t->iov[n++] = (struct iovec){zeros, len};
		*bytes += len;
		left -= len;
	}
	return n;
}

/* @off: into the frame's payload. */
static unsigned add_payload(struct tcp_sink *t, unsigned n, const struct tcp_frame *f, size_t off,
			    size_t *bytes)
{
	const dmaf_buf *b = f->held->buf;
	size_t at = f->off + off, left = f->len - off;

	for (unsigned i = 0; i < b->nsegs && left && n < TCP_IOVS; i++) {
		const struct dmaf_seg *s = &b->seg[i];
		size_t len;

		if (at >= s->len) {
			at -= s->len;
			continue;
		}
		len = s->len - at < left ? s->len - at : left;
		t->iov[n++] = (struct iovec){(char *)dmaf_seg_data(s) + at, len};
		*bytes += len;
		left -= len;
		at = 0;
	}
	return n;
}

unsigned tcp_queue_iov(struct tcp_sink *t, size_t *bytes)
{
	size_t off = t->f_off;
	unsigned n = 0;

	*bytes = 0;
	for (uint32_t i = t->f_send; i != t->f_head && n < TCP_IOVS - 1; i++) {
		const struct tcp_frame *f = tcp_frame_at(t, i);

		if (off < t->hdr_len) {
			t->iov[n++] =
				(struct iovec){t->hdr[i & t->frame_mask] + off, t->hdr_len - off};
			*bytes += t->hdr_len - off;
			off = t->hdr_len;
		}
		off -= t->hdr_len;
		n = f->zeros ? add_zeros(t, n, f->len - off, bytes)
			     : add_payload(t, n, f, off, bytes);
		off = 0;
	}
	return n;
}

size_t tcp_queue_taken(struct tcp_sink *t, size_t n, uint64_t zc_end)
{
	size_t payload = 0;

	t->link_taken += n;
	while (n) {
		struct tcp_frame *f = tcp_frame_at(t, t->f_send);
		size_t left = t->hdr_len + f->len - t->f_off;
		size_t take = n < left ? n : left;
		size_t head = t->f_off < t->hdr_len ? t->hdr_len - t->f_off : 0;

		if (zc_end)
			f->held->zc_end = zc_end;
		payload += take > head ? take - head : 0;
		t->f_off += take;
		n -= take;
		if (take == left) {
			t->f_send++;
			t->f_off = 0;
		}
	}
	return payload;
}

void tcp_queue_rewind(struct tcp_sink *t)
{
	for (uint32_t i = t->h_head; i != t->h_tail; i++) {
		tcp_held_at(t, i)->link_end = UINT64_MAX;
		tcp_held_at(t, i)->zc_end = 0;
	}
	t->f_tail = t->f_send = t->f_head;
	t->f_off = 0;
	t->h_cut = t->h_head;
	t->cut_off = 0;
	t->cut_zeros = 0;
	t->link_cut = t->link_taken = t->link_sent = 0;
}

int tcp_queue_resume(struct tcp_sink *t, const struct dmaf_wire_pos *pos)
{
	uint64_t pay = t->pay;

	tcp_queue_rewind(t);
	for (; t->h_cut != t->h_tail; t->h_cut++) {
		struct tcp_held *e = tcp_held_at(t, t->h_cut);

		if (pos->offset >= e->pos.offset + e->buf->len &&
		    (pos->sequence > e->pos.sequence || !e->buf->len)) {
			e->frame_end = t->f_head;
			continue;
		}
		if (pos->offset <= e->pos.offset) {
			if (pos->sequence > e->pos.sequence)
				return -EPROTO;
			pay = e->pay;
			break;
		}
		if (pos->sequence != e->pos.sequence || pos->lost != e->pos.lost)
			return -EPROTO;
		if (pos->offset - e->pos.offset >= e->buf->len)
			return -EPROTO;
		t->cut_off = (size_t)(pos->offset - e->pos.offset);
		pay = e->pay + t->cut_off;
		break;
	}
	return ack_window_resume(&t->win, pay);
}

uint64_t tcp_queue_payload_at(struct tcp_sink *t, const struct dmaf_wire_pos *pos)
{
	for (uint32_t i = t->h_head; i != t->h_tail; i++) {
		const struct tcp_held *e = tcp_held_at(t, i);
		uint64_t end = e->pos.offset + e->buf->len;

		if (pos->offset <= e->pos.offset)
			return e->pay;
		if (pos->offset < end)
			return pos->sequence == e->pos.sequence
				       ? e->pay + (pos->offset - e->pos.offset)
				       : UINT64_MAX;
		if (pos->offset == end && pos->sequence <= e->pos.sequence && e->buf->len)
			return UINT64_MAX;
	}
	return t->pay;
}

uint64_t tcp_queue_sent_offset(struct tcp_sink *t)
{
	const struct tcp_frame *f = tcp_frame_at(t, t->f_send);

	if (t->f_send == t->f_head)
		return t->tx.sent.offset;
	return f->held->pos.offset + f->off + (t->f_off > t->hdr_len ? t->f_off - t->hdr_len : 0);
}

static bool is_done(const struct tcp_sink *t, const struct tcp_held *e)
{
	if (t->state == LINK_DEAD)
		return true;
	if (e->zc_end > t->zc.done)
		return false;
	return t->ack ? e->pay + e->buf->len <= t->win.acked : e->link_end <= t->link_sent;
}

unsigned tcp_queue_reap(struct tcp_sink *t, dmaf_buf **bufs, unsigned n)
{
	unsigned got = 0;

	for (; got < n && t->h_head != t->h_tail; t->h_head++) {
		struct tcp_held *e = tcp_held_at(t, t->h_head);

		if (!is_done(t, e))
			break;
		if (t->state == LINK_DEAD) {
			if (!e->buf->status)
				e->buf->status = t->status ? t->status : -ECANCELED;
		} else {
			if (t->h_head != t->h_cut)
				t->f_tail = e->frame_end;
			if (t->ack)
				ack_window_free(&t->win, e->pay + e->buf->len);
			t->floor = e->pos;
			t->floor.offset += e->buf->len;
			t->floor.sequence += e->buf->len != 0;
		}
		if (t->h_cut == t->h_head)
			t->h_cut++;
		bufs[got++] = e->buf;
	}
	return got;
}
