/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The framed stream: which frame may follow which, on either side. */
#include "wire.h"

static int same_id(const uint8_t *a, const uint8_t *b)
{
	uint32_t i;

	for (i = 0; i < 16; i++)
		if (a[i] != b[i])
			return 0;
	return 1;
}

static void copy_id(uint8_t *to, const uint8_t *from)
{
	uint32_t i;

	for (i = 0; i < 16; i++)
		to[i] = from[i];
}

void dmaf_wire_rx_init(struct dmaf_wire_rx *rx, uint32_t max_block)
{
	static const struct dmaf_wire_rx fresh;

	*rx = fresh;
	rx->max_block = max_block;
}

void dmaf_wire_rx_resume(struct dmaf_wire_rx *rx, const uint8_t id[16],
			 const struct dmaf_wire_pos *pos)
{
	copy_id(rx->id, id);
	rx->pos = *pos;
	rx->known = 1;
}

uint32_t dmaf_wire_rx_limit(const struct dmaf_wire_rx *rx)
{
	return rx->had_hello ? rx->block : rx->max_block;
}

/* Without acks the sender can't know what arrived and goes on further down: count what is missing.
 */
static int rx_skip(struct dmaf_wire_rx *rx, const struct dmaf_wire_pos *to)
{
	uint64_t buffers, told;

	if (to->offset < rx->pos.offset)
		return -DMAF_WIRE_E_OFFSET;
	if (to->sequence < rx->pos.sequence || to->lost < rx->pos.lost)
		return -DMAF_WIRE_E_SEQUENCE;
	buffers = to->sequence - rx->pos.sequence;
	told = to->lost - rx->pos.lost;
	if (told > buffers || (!buffers && to->offset != rx->pos.offset))
		return -DMAF_WIRE_E_SEQUENCE;
	rx->gap_bytes = to->offset - rx->pos.offset;
	rx->gap_buffers = buffers;
	rx->cut += buffers - told;
	rx->pos = *to;
	return 0;
}

static int rx_hello(struct dmaf_wire_rx *rx, const struct dmaf_wire_frame *f)
{
	const struct dmaf_wire_hello *hello = &f->u.hello;
	const struct dmaf_wire_pos *pos = &f->hdr.pos;
	int err;

	if (f->hdr.flags & DMAF_WIRE_ANSWER)
		return -DMAF_WIRE_E_DIRECTION;
	if (rx->had_hello)
		return -DMAF_WIRE_E_HELLO_AGAIN;
	if (pos->lost > pos->sequence)
		return -DMAF_WIRE_E_SEQUENCE;
	if (rx->known && !same_id(rx->id, f->hdr.id))
		return -DMAF_WIRE_E_STREAM;
	if (hello->ack == DMAF_WIRE_A_NONE && hello->block > rx->max_block)
		return -DMAF_WIRE_E_TOO_LONG; /* there is no answer in which to ask for less */

	if (!rx->known) {
		rx->pos = *pos;
	} else if (hello->ack == DMAF_WIRE_A_NONE) {
		err = rx_skip(rx, pos);
		if (err)
			return err;
	} else if (pos->offset > rx->pos.offset || pos->sequence > rx->pos.sequence) {
		return -DMAF_WIRE_E_BEHIND;
	} else if (pos->lost > rx->pos.lost) {
		return -DMAF_WIRE_E_SEQUENCE;
	}
	copy_id(rx->id, f->hdr.id);
	rx->known = 1;
	rx->hello = *hello;
	rx->block = hello->block < rx->max_block ? hello->block : rx->max_block;
	rx->had_hello = 1;
	return 0;
}

/* The place where a data or end frame must begin, from what it says was lost before it. */
static int rx_follows(struct dmaf_wire_rx *rx, const struct dmaf_wire_pos *pos)
{
	if (rx->pos.sequence + pos->lost < pos->lost)
		return -DMAF_WIRE_E_WRAP;
	if (pos->sequence != rx->pos.sequence + pos->lost)
		return -DMAF_WIRE_E_SEQUENCE;
	/* A buffer that is only half here can't have lost ones before its other half. */
	if (rx->more && pos->lost)
		return -DMAF_WIRE_E_SEQUENCE;
	if (pos->offset < rx->pos.offset || (!pos->lost && pos->offset != rx->pos.offset))
		return -DMAF_WIRE_E_OFFSET;
	return 0;
}

static void rx_advance(struct dmaf_wire_rx *rx, const struct dmaf_wire_pos *pos)
{
	rx->gap_bytes = pos->offset - rx->pos.offset;
	rx->gap_buffers = pos->lost;
	rx->pos.offset = pos->offset;
	rx->pos.sequence = pos->sequence;
	rx->pos.lost += pos->lost;
}

static int rx_data(struct dmaf_wire_rx *rx, const struct dmaf_wire_hdr *h)
{
	int err = rx_follows(rx, &h->pos);

	if (err)
		return err;
	if (h->length > rx->block)
		return -DMAF_WIRE_E_TOO_LONG;
	rx_advance(rx, &h->pos);
	rx->pos.offset += h->length;
	rx->more = !!(h->flags & DMAF_WIRE_MORE);
	rx->pos.sequence += !rx->more;
	return 0;
}

static int rx_end(struct dmaf_wire_rx *rx, const struct dmaf_wire_frame *f)
{
	int err = rx_follows(rx, &f->hdr.pos);

	if (err)
		return err;
	if (rx->more || f->u.end.bytes != f->hdr.pos.offset ||
	    f->u.end.lost != rx->pos.lost + f->hdr.pos.lost)
		return -DMAF_WIRE_E_TOTAL;
	rx_advance(rx, &f->hdr.pos);
	rx->ended = 1;
	return 0;
}

int dmaf_wire_rx_check(struct dmaf_wire_rx *rx, const struct dmaf_wire_frame *f)
{
	const struct dmaf_wire_hdr *h = &f->hdr;

	if (rx->ended)
		return -DMAF_WIRE_E_AFTER_END;
	if (h->type == DMAF_WIRE_T_HELLO)
		return rx_hello(rx, f);
	if (h->type == DMAF_WIRE_T_ACK)
		return -DMAF_WIRE_E_DIRECTION;
	if (rx->had_hello && !same_id(rx->id, h->id))
		return -DMAF_WIRE_E_STREAM;
	if (h->type == DMAF_WIRE_T_ERROR) {
		rx->gap_bytes = 0;
		rx->gap_buffers = 0;
		rx->ended = 2;
		return 0;
	}
	if (!rx->had_hello)
		return -DMAF_WIRE_E_NO_HELLO;
	if (rx->hello.ack != DMAF_WIRE_A_NONE && !rx->answered)
		return -DMAF_WIRE_E_NO_ANSWER;
	switch (h->type) {
	case DMAF_WIRE_T_DATA: return rx_data(rx, h);
	case DMAF_WIRE_T_END: return rx_end(rx, f);
	case DMAF_WIRE_T_HEARTBEAT:
		if (h->pos.offset != rx->pos.offset)
			return -DMAF_WIRE_E_OFFSET;
		if (h->pos.sequence != rx->pos.sequence || h->pos.lost != rx->pos.lost)
			return -DMAF_WIRE_E_SEQUENCE;
		rx->gap_bytes = 0;
		rx->gap_buffers = 0;
		return 0;
	default: return -DMAF_WIRE_E_TYPE;
	}
}

int dmaf_wire_rx_answer(struct dmaf_wire_rx *rx, uint8_t *out, uint8_t ack, uint64_t window)
{
	struct dmaf_wire_hello hello = rx->hello;
	struct dmaf_wire_hdr h = {.flags = DMAF_WIRE_ANSWER, .pos = rx->pos};

	if (!rx->had_hello)
		return -DMAF_WIRE_E_NO_HELLO;
	if (rx->hello.ack == DMAF_WIRE_A_NONE || ack < rx->hello.ack)
		return -DMAF_WIRE_E_ACK_MODE;
	copy_id(h.id, rx->id);
	hello.ack = ack;
	hello.block = rx->block;
	hello.window = window;
	rx->answered = 1;
	return (int)dmaf_wire_put_hello(out, &h, &hello);
}

void dmaf_wire_tx_init(struct dmaf_wire_tx *tx, const uint8_t id[16],
		       const struct dmaf_wire_pos *floor, const struct dmaf_wire_pos *reach,
		       uint32_t block, uint8_t ack)
{
	static const struct dmaf_wire_tx fresh;

	*tx = fresh;
	copy_id(tx->id, id);
	tx->acked = *floor;
	tx->sent = *floor;
	tx->reach = *reach;
	tx->block = block;
	tx->ack = ack;
}

void dmaf_wire_tx_sent(struct dmaf_wire_tx *tx, const struct dmaf_wire_hdr *h)
{
	tx->sent.offset = h->pos.offset;
	tx->sent.sequence = h->pos.sequence;
	tx->sent.lost += h->pos.lost;
	if (h->type == DMAF_WIRE_T_END) {
		tx->ended = 1;
		return;
	}
	tx->sent.offset += h->length;
	tx->sent.sequence += !(h->flags & DMAF_WIRE_MORE);
}

static int tx_answer(struct dmaf_wire_tx *tx, const struct dmaf_wire_frame *f)
{
	const struct dmaf_wire_pos *pos = &f->hdr.pos;
	const struct dmaf_wire_hello *hello = &f->u.hello;

	if (!(f->hdr.flags & DMAF_WIRE_ANSWER) || tx->ack == DMAF_WIRE_A_NONE)
		return -DMAF_WIRE_E_DIRECTION;
	if (tx->answered)
		return -DMAF_WIRE_E_HELLO_AGAIN;
	if (hello->ack < tx->ack)
		return -DMAF_WIRE_E_ACK_MODE;
	if (hello->block > tx->block)
		return -DMAF_WIRE_E_TOO_LONG;
	if (pos->offset < tx->acked.offset || pos->sequence < tx->acked.sequence)
		return -DMAF_WIRE_E_BEHIND;
	if (pos->offset > tx->reach.offset || pos->sequence > tx->reach.sequence ||
	    pos->lost > tx->reach.lost)
		return -DMAF_WIRE_E_AHEAD;
	if (pos->lost > pos->sequence || pos->lost < tx->acked.lost)
		return -DMAF_WIRE_E_SEQUENCE;
	tx->acked = *pos;
	tx->sent = *pos;
	tx->block = hello->block;
	tx->ack = hello->ack;
	tx->peer_window = hello->window;
	tx->answered = 1;
	return 0;
}

static int tx_ack(struct dmaf_wire_tx *tx, const struct dmaf_wire_hdr *h)
{
	const struct dmaf_wire_pos *pos = &h->pos;

	if (tx->ack == DMAF_WIRE_A_NONE)
		return -DMAF_WIRE_E_DIRECTION;
	if (!tx->answered)
		return -DMAF_WIRE_E_NO_ANSWER;
	if (tx->done)
		return -DMAF_WIRE_E_AFTER_END;
	if (pos->offset > tx->sent.offset || pos->sequence > tx->sent.sequence ||
	    pos->lost > tx->sent.lost)
		return -DMAF_WIRE_E_ACK_BEYOND;
	if (pos->offset < tx->acked.offset || pos->sequence < tx->acked.sequence ||
	    pos->lost < tx->acked.lost)
		return -DMAF_WIRE_E_ACK_BACK;
	if (h->flags & DMAF_WIRE_DONE) {
		if (!tx->ended || pos->offset != tx->sent.offset ||
		    pos->sequence != tx->sent.sequence || pos->lost != tx->sent.lost)
			return -DMAF_WIRE_E_DONE;
		tx->done = 1;
	}
	tx->acked = *pos;
	return 0;
}

int dmaf_wire_tx_check(struct dmaf_wire_tx *tx, const struct dmaf_wire_frame *f)
{
	static const uint8_t none[16];

	/* A listener that refuses before it has read a hello names no stream. */
	if (!same_id(tx->id, f->hdr.id) &&
	    !(f->hdr.type == DMAF_WIRE_T_ERROR && same_id(f->hdr.id, none)))
		return -DMAF_WIRE_E_STREAM;
	switch (f->hdr.type) {
	case DMAF_WIRE_T_HELLO: return tx_answer(tx, f);
	case DMAF_WIRE_T_ACK: return tx_ack(tx, &f->hdr);
	case DMAF_WIRE_T_ERROR: return 0;
	default: return -DMAF_WIRE_E_DIRECTION;
	}
}
