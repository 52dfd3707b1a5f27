/* SPDX-License-Identifier: MIT */
/*
 * The framed stream's decoder and both checkers. The first byte of the input chooses:
 *   bit 0    we are the sender (else the receiver)
 *   bit 1    every header gets a right CRC, so that what lies behind it is reached
 *   bit 2    the receiver knows the stream already
 *   bits 3-4 the sender's acks wanted, 5-6 how much it has sent
 * the rest is what the peer says.
 */
#include <string.h>

#include <dmaflow/base/wire.h>

#include "fuzz.h"

#define BLOCK 65536u

static const uint8_t id[16] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
			       0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};

static struct dmaf_wire_rx rx;
static struct dmaf_wire_tx tx;

static void sign(uint8_t *p)
{
	uint32_t crc = dmaf_crc32c(0, p, DMAF_WIRE_HDR - 4), i;

	for (i = 0; i < 4; i++)
		p[DMAF_WIRE_HDR - 4 + i] = (uint8_t)(crc >> 8 * i);
}

/* What was accepted says the same when it is written again. */
static void encodes_alike(const uint8_t *p, const struct dmaf_wire_frame *f)
{
	uint8_t out[DMAF_WIRE_CONTROL_MAX];
	uint32_t len = 0;

	switch (f->hdr.type) {
	case DMAF_WIRE_T_HELLO: len = dmaf_wire_put_hello(out, &f->hdr, &f->u.hello); break;
	case DMAF_WIRE_T_DATA: len = dmaf_wire_put_data(out, &f->hdr); break;
	case DMAF_WIRE_T_END: len = dmaf_wire_put_end(out, &f->hdr, f->u.end.lost); break;
	case DMAF_WIRE_T_ERROR:
		len = dmaf_wire_put_error(out, &f->hdr, f->u.error.code, f->u.error.text,
					  f->u.error.text_len);
		break;
	case DMAF_WIRE_T_ACK: len = dmaf_wire_put_ack(out, &f->hdr); break;
	case DMAF_WIRE_T_HEARTBEAT: len = dmaf_wire_put_heartbeat(out, &f->hdr); break;
	}
	must(len >= DMAF_WIRE_HDR);
	must(!memcmp(out, p, len));
}

/* A decision once made on fewer bytes stays. */
static int decode(const uint8_t *p, size_t have, uint32_t limit, struct dmaf_wire_frame *f)
{
	struct dmaf_wire_frame part;
	int whole = dmaf_wire_get(p, have, limit, f), r;
	size_t n;

	for (n = 0; n < have && n < DMAF_WIRE_CONTROL_MAX; n += 1 + n / 7) {
		r = dmaf_wire_get(p, n, limit, &part);
		must(r > 0 || r == whole);
		must(r < 0 || n + (size_t)r <= DMAF_WIRE_CONTROL_MAX);
	}
	must(whole < DMAF_WIRE_CONTROL_MAX + 1);
	must(whole >= 0 || whole >= -DMAF_WIRE_E_LAST);
	return whole;
}

static int same_rx(const struct dmaf_wire_rx *a, const struct dmaf_wire_rx *b)
{
	return !memcmp(a->id, b->id, sizeof(a->id)) && !memcmp(&a->pos, &b->pos, sizeof(a->pos)) &&
	       a->gap_bytes == b->gap_bytes && a->gap_buffers == b->gap_buffers &&
	       a->cut == b->cut && a->block == b->block && a->known == b->known &&
	       a->had_hello == b->had_hello && a->answered == b->answered && a->more == b->more &&
	       a->ended == b->ended;
}

static int receive(const struct dmaf_wire_frame *f)
{
	struct dmaf_wire_rx before = rx;
	uint8_t out[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];
	int r = dmaf_wire_rx_check(&rx, f);

	if (r) {
		must(same_rx(&before, &rx));
		return r;
	}
	must(rx.pos.lost <= rx.pos.sequence);
	must(!before.known || rx.pos.offset >= before.pos.offset);
	must(!before.known || rx.pos.sequence >= before.pos.sequence);
	must(!before.known || rx.pos.lost >= before.pos.lost);
	must(!before.ended);
	must(before.had_hello || f->hdr.type == DMAF_WIRE_T_HELLO ||
	     f->hdr.type == DMAF_WIRE_T_ERROR);
	must(rx.block <= rx.max_block);
	if (f->hdr.type == DMAF_WIRE_T_DATA) {
		must(f->hdr.length <= rx.block);
		must(rx.pos.offset == before.pos.offset + rx.gap_bytes + f->hdr.length);
		must(rx.pos.lost == before.pos.lost + rx.gap_buffers);
		must(rx.gap_buffers || !rx.gap_bytes);
	}
	if (f->hdr.type == DMAF_WIRE_T_HELLO && rx.hello.ack) {
		must(dmaf_wire_rx_answer(&rx, out, rx.hello.ack, BLOCK) == (int)sizeof(out));
		must(!dmaf_wire_get(out, sizeof(out), 0, &(struct dmaf_wire_frame){0}));
	}
	return 0;
}

static void send_some(uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct dmaf_wire_hdr h = {
			.type = i < 2 ? DMAF_WIRE_T_DATA : DMAF_WIRE_T_END,
			.length = i < 2 ? 8 : 0,
			.pos = {tx.sent.offset, tx.sent.sequence + i % 2, i % 2},
		};

		dmaf_wire_tx_sent(&tx, &h);
	}
}

static int hear(const struct dmaf_wire_frame *f, uint32_t sends)
{
	struct dmaf_wire_tx before = tx;
	int r = dmaf_wire_tx_check(&tx, f);

	if (r) {
		must(!memcmp(&before, &tx, sizeof(tx)));
		return r;
	}
	must(tx.acked.offset >= before.acked.offset);
	must(tx.acked.sequence >= before.acked.sequence);
	must(tx.acked.offset <= tx.sent.offset);
	must(tx.acked.sequence <= tx.sent.sequence);
	must(tx.acked.lost <= tx.sent.lost);
	must(!tx.done || (tx.ended && !memcmp(&tx.acked, &tx.sent, sizeof(tx.sent))));
	must(tx.block && tx.block <= BLOCK);
	must(tx.sent.offset <= tx.reach.offset || before.answered);
	if (f->hdr.type == DMAF_WIRE_T_HELLO)
		send_some(sends);
	return 0;
}

static void begin(uint8_t choice)
{
	struct dmaf_wire_pos pos = {12, 1, 0}, reach = {24, 3, 1}, zero = {0, 0, 0};

	memset(&rx, 0, sizeof(rx));
	memset(&tx, 0, sizeof(tx));
	dmaf_wire_rx_init(&rx, BLOCK);
	if (choice & 4)
		dmaf_wire_rx_resume(&rx, id, &pos);
	dmaf_wire_tx_init(&tx, id, &zero, &reach, BLOCK, (choice >> 3 & 3) % 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dmaf_wire_frame f;
	uint8_t *p, choice;
	size_t at = 0, len;
	int r;

	if (!size)
		return 0;
	choice = *data;
	len = size - 1;
	p = malloc(len ? len : 1);
	must(p);
	memcpy(p, data + 1, len);
	begin(choice);
	while (at < len) {
		if (choice & 2 && len - at >= DMAF_WIRE_HDR)
			sign(p + at);
		r = decode(p + at, len - at, choice & 1 ? tx.block : dmaf_wire_rx_limit(&rx), &f);
		if (r)
			break;
		encodes_alike(p + at, &f);
		r = choice & 1 ? hear(&f, choice >> 5 & 3) : receive(&f);
		if (r)
			break;
		at += DMAF_WIRE_HDR;
		at += f.hdr.length < len - at ? f.hdr.length : len - at;
	}
	free(p);
	return 0;
}
