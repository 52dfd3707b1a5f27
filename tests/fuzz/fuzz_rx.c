/* SPDX-License-Identifier: MIT */
/*
 * Frames as they arrive: in pieces of any size, payload into room of any size. What the state
 * machine makes of it must be what the decoder makes of the whole. The first byte of the input
 * chooses: bits 0-2  size of the pieces: everything that was asked for, or at most 1, 2, 7, 95, 97,
 * 160, 1000 bits 3-5  room for payload: 1, 2, 3, 16, 100, 1000, 4096, 65536 bit 6     every header
 * gets a right CRC, so that what lies behind it is reached bit 7     the sender wants acks, and is
 * resumed in the middle the rest is what follows a hello.
 */
#include <string.h>

#include "plugins/tcp/tcp_rx.h"

#include "fuzz.h"

#define BLOCK 65536u

static const uint8_t id[16] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
			       0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};
static const size_t pieces[] = {SIZE_MAX, 1, 2, 7, 95, 97, 160, 1000};
static const size_t rooms[] = {1, 2, 3, 16, 100, 1000, 4096, 65536};

/* What came of it: a checksum over every event and every payload byte, and how it ended. */
struct story {
	uint64_t sum, payload, events;
	int verdict;
	struct dmaf_wire_pos pos;
};

static void add(struct story *s, uint64_t v)
{
	s->sum = (s->sum ^ v) * 0x100000001b3ull;
}

static void add_event(struct story *s, const struct dmaf_wire_rx *rx,
		      const struct dmaf_wire_frame *f, int type)
{
	s->events++;
	add(s, (uint64_t)type);
	add(s, s->payload);
	add(s, f->hdr.pos.offset);
	add(s, f->hdr.timestamp);
	add(s, rx->gap_bytes);
	add(s, rx->gap_buffers);
}

static void add_payload(struct story *s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(s, p[i]);
	s->payload += n;
}

static struct dmaf_wire_rx after_hello(uint8_t choice)
{
	struct dmaf_wire_frame f = {.hdr = {.type = DMAF_WIRE_T_HELLO}};
	uint8_t out[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];
	struct dmaf_wire_pos pos = {24, 3, 1};
	struct dmaf_wire_rx rx;

	memcpy(f.hdr.id, id, sizeof(id));
	f.u.hello.block = BLOCK;
	f.u.hello.ack = choice >> 7;
	dmaf_wire_rx_init(&rx, BLOCK);
	if (f.u.hello.ack)
		dmaf_wire_rx_resume(&rx, id, &pos);
	must(!dmaf_wire_rx_check(&rx, &f));
	if (f.u.hello.ack)
		must(dmaf_wire_rx_answer(&rx, out, f.u.hello.ack, BLOCK) > 0);
	return rx;
}

static void sign(uint8_t *p)
{
	uint32_t crc = dmaf_crc32c(0, p, DMAF_WIRE_HDR - 4), i;

	for (i = 0; i < 4; i++)
		p[DMAF_WIRE_HDR - 4 + i] = (uint8_t)(crc >> 8 * i);
}

/* The whole input at once. */
static struct story at_once(uint8_t *p, size_t len, uint8_t choice)
{
	struct dmaf_wire_rx rx = after_hello(choice);
	struct story s = {0};
	struct dmaf_wire_frame f;
	size_t at = 0, body;

	while (at < len) {
		if (choice & 64 && len - at >= DMAF_WIRE_HDR)
			sign(p + at);
		s.verdict = dmaf_wire_get(p + at, len - at, dmaf_wire_rx_limit(&rx), &f);
		if (s.verdict > 0)
			s.verdict = 0;
		else if (!s.verdict)
			s.verdict = dmaf_wire_rx_check(&rx, &f);
		else
			break;
		if (s.verdict || len - at < DMAF_WIRE_HDR)
			break;
		if (f.hdr.type != DMAF_WIRE_T_DATA && len - at < DMAF_WIRE_HDR + f.hdr.length)
			break;
		at += DMAF_WIRE_HDR;
		switch (f.hdr.type) {
		case DMAF_WIRE_T_DATA: add_event(&s, &rx, &f, TCP_RX_DATA); break;
		case DMAF_WIRE_T_END: add_event(&s, &rx, &f, TCP_RX_END); break;
		case DMAF_WIRE_T_ERROR: add_event(&s, &rx, &f, TCP_RX_ERROR); break;
		}
		body = f.hdr.length < len - at ? f.hdr.length : len - at;
		if (f.hdr.type == DMAF_WIRE_T_DATA)
			add_payload(&s, p + at, body);
		at += body;
	}
	s.pos = rx.pos;
	return s;
}

static size_t scatter(const struct iovec *iov, unsigned n, const uint8_t *p, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len < len - done ? iov[i].iov_len : len - done;

		memcpy(iov[i].iov_base, p + done, part);
		done += part;
	}
	return done;
}

static struct story in_pieces(const uint8_t *p, size_t len, uint8_t choice)
{
	size_t piece = pieces[choice & 7], room_len = rooms[choice >> 3 & 7], at = 0;
	struct dmaf_wire_rx wire = after_hello(choice);
	uint8_t *room = malloc(room_len);
	struct tcp_rx *rx = malloc(sizeof(*rx));
	struct dmaf_wire_pos was, now;
	struct story s = {0};

	must(room && rx);
	tcp_rx_begin(rx, &wire);
	tcp_rx_pos(rx, &was);
	while (at < len) {
		struct iovec iov[2];
		unsigned n = tcp_rx_iov(rx, room, room_len, iov);
		size_t want = piece < len - at ? piece : len - at, got, body;

		must(n >= 1 && n <= 2);
		must(iov[0].iov_len && (n < 2 || iov[1].iov_len));
		must(rx->left || tcp_rx_iov(rx, NULL, 0, iov) == 1);
		n = tcp_rx_iov(rx, room, room_len, iov);
		got = scatter(iov, n, p + at, want);
		at += got;
		s.verdict = tcp_rx_landed(rx, room_len, got, &body);
		must(body <= got && body <= room_len);
		add_payload(&s, room, body);
		if (s.verdict > 0)
			add_event(&s, &rx->wire, &rx->frame, s.verdict);
		if (s.verdict < 0)
			break;
		s.verdict = 0;
		tcp_rx_pos(rx, &now);
		must(now.offset >= was.offset && now.sequence >= was.sequence &&
		     now.lost >= was.lost);
		must(now.offset + rx->left == rx->wire.pos.offset);
		was = now;
	}
	s.pos = rx->wire.pos;
	free(rx);
	free(room);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct story whole, parts;
	uint8_t *p;

	if (!size)
		return 0;
	p = malloc(size);
	must(p);
	memcpy(p, data + 1, size - 1);
	whole = at_once(p, size - 1, *data);
	parts = in_pieces(p, size - 1, *data);
	must(whole.verdict == parts.verdict);
	must(whole.events == parts.events);
	must(whole.payload == parts.payload);
	must(whole.sum == parts.sum);
	must(!memcmp(&whole.pos, &parts.pos, sizeof(whole.pos)));
	free(p);
	return 0;
}
