/* SPDX-License-Identifier: MIT */
/* The codec and the rules, by hand; the checked-in vectors: test_wire_vectors.c. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dmaflow/base/wire.h>

#define BLOCK 65536u

static uint8_t buf[DMAF_WIRE_CONTROL_MAX];
static const uint8_t id_a[16] = {1, 2, 3};
static const uint8_t id_b[16] = {1, 2, 4};

static struct dmaf_wire_hdr hdr(uint64_t offset, uint64_t sequence, uint64_t lost)
{
	struct dmaf_wire_hdr h = {.pos = {offset, sequence, lost}};

	memcpy(h.id, id_a, 16);
	return h;
}

static struct dmaf_wire_hello a_hello(uint8_t ack)
{
	struct dmaf_wire_hello hello = {
		.sample = DMAF_WIRE_S_COMPLEX_INT,
		.big_endian = 1,
		.bits = 0x1234,
		.channels = 0x12345678,
		.rate_millihz = 0x123456789abcdef0,
		.clock = DMAF_WIRE_C_TAI,
		.ack = ack,
		.block = BLOCK,
		.window = 0xfedcba9876543210,
		.name = "ci16_le",
	};

	return hello;
}

static void same_hdr(const struct dmaf_wire_hdr *a, const struct dmaf_wire_hdr *b)
{
	assert_int_equal(a->flags, b->flags);
	assert_memory_equal(a->id, b->id, 16);
	assert_true(a->pos.offset == b->pos.offset);
	assert_true(a->pos.sequence == b->pos.sequence);
	assert_true(a->pos.lost == b->pos.lost);
	assert_true(a->timestamp == b->timestamp);
	assert_true(a->ticks == b->ticks);
}

/* Decode @len bytes given one more at a time; every step says what is still needed. */
static int get_by_byte(uint32_t len, uint32_t max, struct dmaf_wire_frame *f)
{
	uint32_t have;
	int r = 0;

	for (have = 0; have <= len; have++) {
		uint8_t *part = malloc(have ? have : 1);

		/* A block of its own, so that the sanitizer sees a read beyond it. */
		assert_non_null(part);
		memcpy(part, buf, have);
		r = dmaf_wire_get(part, have, max, f);
		free(part);
		if (r <= 0)
			return r;
		if (have < DMAF_WIRE_HDR)
			assert_int_equal(r, DMAF_WIRE_HDR - have);
		else
			assert_int_equal(r, len - have);
	}
	return r;
}

/* By the definition, bit by bit. */
static uint32_t slow_crc(const uint8_t *p, uint32_t len)
{
	uint32_t crc = ~0u, bit;

	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* RFC 3720 B.4. */
static void crc_of_known_texts(void **state)
{
	uint8_t bytes[32];
	uint32_t i;

	assert_int_equal(dmaf_crc32c(0, "", 0), 0);
	assert_int_equal(dmaf_crc32c(0, "123456789", 9), 0xe3069283);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(dmaf_crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(dmaf_crc32c(0, bytes, 32), 0x62a8ab43);
	for (i = 0; i < 32; i++)
		bytes[i] = (uint8_t)i;
	assert_int_equal(dmaf_crc32c(0, bytes, 32), 0x46dd794e);
	for (i = 0; i <= 32; i++)
		assert_int_equal(dmaf_crc32c(dmaf_crc32c(0, bytes, i), bytes + i, 32 - i),
				 0x46dd794e);
	/* Every byte value at every place in a step of four, against the definition. */
	for (i = 0; i < 4 * 256; i++) {
		memset(bytes, 0x5a, sizeof(bytes));
		bytes[5 + i / 256] = (uint8_t)i;
		assert_int_equal(dmaf_crc32c(0, bytes, 11), slow_crc(bytes, 11));
		assert_int_equal(dmaf_crc32c(0, bytes + 1, 11), slow_crc(bytes + 1, 11));
	}
}

static void data_comes_back(void **state)
{
	struct dmaf_wire_hdr h = hdr(0xfedcba9876543210, 0xf0f1f2f3f4f5f6f7, 0xfffefdfcfbfaf9f8);
	struct dmaf_wire_frame f;

	h.flags = DMAF_WIRE_MORE | DMAF_WIRE_SHORT | DMAF_WIRE_BAD;
	h.length = 0x00ab00cd;
	h.timestamp = 0xe0e1e2e3e4e5e6e7;
	h.ticks = 0xd0d1d2d3d4d5d6d7;
	assert_int_equal(dmaf_wire_put_data(buf, &h), DMAF_WIRE_HDR);
	assert_int_equal(get_by_byte(DMAF_WIRE_HDR, h.length, &f), 0);
	assert_int_equal(f.hdr.type, DMAF_WIRE_T_DATA);
	assert_int_equal(f.hdr.length, h.length);
	same_hdr(&f.hdr, &h);
	assert_int_equal(dmaf_wire_get(buf, DMAF_WIRE_HDR, h.length - 1, &f),
			 -DMAF_WIRE_E_TOO_LONG);
}

static void hello_comes_back(void **state)
{
	struct dmaf_wire_hello in = a_hello(DMAF_WIRE_A_SYNCED);
	struct dmaf_wire_hdr h = hdr(10, 5, 2);
	struct dmaf_wire_frame f;
	uint32_t len;

	h.flags = DMAF_WIRE_ANSWER;
	len = dmaf_wire_put_hello(buf, &h, &in);
	assert_int_equal(len, DMAF_WIRE_HDR + DMAF_WIRE_HELLO);
	assert_int_equal(get_by_byte(len, 0, &f), 0);
	assert_int_equal(f.hdr.type, DMAF_WIRE_T_HELLO);
	same_hdr(&f.hdr, &h);
	assert_int_equal(f.u.hello.sample, in.sample);
	assert_int_equal(f.u.hello.big_endian, 1);
	assert_int_equal(f.u.hello.bits, in.bits);
	assert_int_equal(f.u.hello.channels, in.channels);
	assert_true(f.u.hello.rate_millihz == in.rate_millihz);
	assert_int_equal(f.u.hello.clock, in.clock);
	assert_int_equal(f.u.hello.ack, in.ack);
	assert_int_equal(f.u.hello.block, in.block);
	assert_true(f.u.hello.window == in.window);
	assert_memory_equal(f.u.hello.name, in.name, sizeof(in.name));
}

static void the_rest_comes_back(void **state)
{
	struct dmaf_wire_hdr h = hdr(1000, 10, 3);
	struct dmaf_wire_frame f;
	uint32_t len;

	len = dmaf_wire_put_end(buf, &h, 9);
	assert_int_equal(get_by_byte(len, 0, &f), 0);
	assert_int_equal(f.hdr.type, DMAF_WIRE_T_END);
	same_hdr(&f.hdr, &h);
	assert_int_equal(f.u.end.bytes, 1000);
	assert_int_equal(f.u.end.lost, 9);

	len = dmaf_wire_put_heartbeat(buf, &h);
	assert_int_equal(get_by_byte(len, 0, &f), 0);
	assert_int_equal(f.hdr.type, DMAF_WIRE_T_HEARTBEAT);
	same_hdr(&f.hdr, &h);

	h.flags = DMAF_WIRE_DONE;
	len = dmaf_wire_put_ack(buf, &h);
	assert_int_equal(get_by_byte(len, 0, &f), 0);
	assert_int_equal(f.hdr.type, DMAF_WIRE_T_ACK);
	same_hdr(&f.hdr, &h);
}

static void check_error_text(const char *in, uint32_t in_len, const char *want, uint32_t want_len)
{
	struct dmaf_wire_hdr h = hdr(0, 0, 0);
	struct dmaf_wire_frame f;
	uint32_t len = dmaf_wire_put_error(buf, &h, 77, in, in_len);

	assert_int_equal(len, DMAF_WIRE_HDR + DMAF_WIRE_ERROR + want_len);
	/* Decoded where it lies: the text points into the bytes given. */
	assert_int_equal(dmaf_wire_get(buf, len, 0, &f), 0);
	assert_int_equal(f.u.error.code, 77);
	assert_int_equal(f.u.error.text_len, want_len);
	assert_memory_equal(f.u.error.text, want, want_len);
	assert_int_equal(get_by_byte(len, 0, &f), 0);
}

static void error_texts_are_made_clean(void **state)
{
	char big[600], want[600];

	check_error_text("disk full", 9, "disk full", 9);
	check_error_text("", 0, "", 0);
	check_error_text("a\x1b[2J\n\x7f", 7, "a?[2J??", 7);
	check_error_text("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
			 "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9);
	check_error_text("\xc2\x9b|\xed\xa0\x80|\xc0\x80|\xf5|\xe2\x82", 14, "??|???|??|?|??", 14);
	check_error_text("\xbf\xbf|\xc3"
			 "A|\xc2\xa0|\xc2\x9f",
			 11, "??|?A|\xc2\xa0|??", 11);
	check_error_text("\xe2\x82\xac", 2, "??", 2); /* a character beyond the given end */
	memset(big, 'x', sizeof(big));
	check_error_text(big, sizeof(big), big, DMAF_WIRE_TEXT);
	/* A character that would not fit whole stays away whole. */
	memcpy(want, big, sizeof(want));
	big[DMAF_WIRE_TEXT - 1] = (char)0xc3;
	big[DMAF_WIRE_TEXT] = (char)0xa9;
	check_error_text(big, sizeof(big), want, DMAF_WIRE_TEXT - 1);
}

static void encoders_stay_inside(void **state)
{
	struct dmaf_wire_hello hello = a_hello(1);
	struct dmaf_wire_hdr h = hdr(1, 1, 1);
	char text[DMAF_WIRE_TEXT + 1];
	uint8_t out[DMAF_WIRE_CONTROL_MAX + 8];
	uint32_t len[6], i, j;

	memset(text, 'x', sizeof(text));
	memset(hello.name, 'n', sizeof(hello.name));
	for (i = 0; i < 6; i++) {
		memset(out, 0xee, sizeof(out));
		switch (i) {
		case 0: len[i] = dmaf_wire_put_data(out, &h); break;
		case 1: len[i] = dmaf_wire_put_ack(out, &h); break;
		case 2: len[i] = dmaf_wire_put_heartbeat(out, &h); break;
		case 3: len[i] = dmaf_wire_put_hello(out, &h, &hello); break;
		case 4: len[i] = dmaf_wire_put_end(out, &h, 1); break;
		case 5: len[i] = dmaf_wire_put_error(out, &h, 1, text, sizeof(text)); break;
		}
		assert_true(len[i] <= DMAF_WIRE_CONTROL_MAX);
		for (j = len[i]; j < sizeof(out); j++)
			assert_int_equal(out[j], 0xee);
	}
	assert_int_equal(len[5], DMAF_WIRE_CONTROL_MAX);
}

static void sign(uint8_t *frame)
{
	uint32_t crc = slow_crc(frame, DMAF_WIRE_HDR - 4), i;

	for (i = 0; i < 4; i++)
		frame[DMAF_WIRE_HDR - 4 + i] = (uint8_t)(crc >> 8 * i);
}

static void unknown_types_are_refused(void **state)
{
	struct dmaf_wire_hdr h = hdr(0, 0, 0);
	struct dmaf_wire_frame f;
	uint32_t type;

	for (type = 0; type < 0x10000; type += type < 20 ? 1 : 251) {
		dmaf_wire_put_heartbeat(buf, &h);
		buf[8] = (uint8_t)type;
		buf[9] = (uint8_t)(type >> 8);
		sign(buf);
		if (type < DMAF_WIRE_T_HELLO || type > DMAF_WIRE_T_HEARTBEAT)
			assert_int_equal(dmaf_wire_get(buf, sizeof(buf), 0, &f), -DMAF_WIRE_E_TYPE);
		else
			assert_int_not_equal(dmaf_wire_get(buf, sizeof(buf), 0, &f),
					     -DMAF_WIRE_E_TYPE);
	}
}

static void every_flipped_bit_is_refused(void **state)
{
	struct dmaf_wire_hdr h = hdr(1, 2, 3);
	struct dmaf_wire_frame f;
	uint32_t bit;

	h.length = 10;
	dmaf_wire_put_data(buf, &h);
	for (bit = 0; bit < DMAF_WIRE_HDR * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(dmaf_wire_get(buf, DMAF_WIRE_HDR, BLOCK, &f) < 0);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(dmaf_wire_get(buf, DMAF_WIRE_HDR, BLOCK, &f), 0);
}

/* Whatever is accepted has the right CRC by a second implementation, and encodes to the same bytes.
 */
static void random_damage_is_never_accepted(void **state)
{
	struct dmaf_wire_hello hello = a_hello(1);
	uint64_t seed = 0x9e3779b97f4a7c15;
	uint8_t good[DMAF_WIRE_CONTROL_MAX], again[DMAF_WIRE_HDR];
	uint32_t round, i, n, at, kept = 0;

	for (round = 0; round < 20000; round++) {
		struct dmaf_wire_hdr h = hdr(round, 2, 1);
		struct dmaf_wire_frame f;
		int r;

		h.length = 100;
		if (round % 2)
			dmaf_wire_put_hello(good, &h, &hello);
		else
			dmaf_wire_put_data(good, &h);
		memcpy(buf, good, sizeof(buf));
		for (i = 0, n = 1 + round % 7; i < n; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			at = (uint32_t)(seed >> 32) % DMAF_WIRE_HDR;
			buf[at] = (uint8_t)seed;
		}
		/* Every third gets a right CRC again, so that the field checks are reached. */
		if (round % 3 == 0)
			sign(buf);
		r = dmaf_wire_get(buf, sizeof(buf), BLOCK, &f);
		if (r < 0)
			continue;
		assert_int_equal(r, 0);
		assert_int_equal(slow_crc(buf, 92), (uint32_t)buf[92] | (uint32_t)buf[93] << 8 |
							    (uint32_t)buf[94] << 16 |
							    (uint32_t)buf[95] << 24);
		if (f.hdr.type == DMAF_WIRE_T_DATA) {
			dmaf_wire_put_data(again, &f.hdr);
			assert_memory_equal(again, buf, DMAF_WIRE_HDR);
		}
		kept++;
	}
	assert_true(kept > 100);
}

/* What a peer of another protocol sends first is refused by its first wrong byte. */
static void wrong_starts_are_refused_early(void **state)
{
	struct dmaf_wire_frame f;

	assert_int_equal(dmaf_wire_get("", 0, BLOCK, &f), DMAF_WIRE_HDR);
	assert_int_equal(dmaf_wire_get("G", 1, BLOCK, &f), -DMAF_WIRE_E_MAGIC);
	assert_int_equal(dmaf_wire_get("DMA", 3, BLOCK, &f), DMAF_WIRE_HDR - 3);
	assert_int_equal(dmaf_wire_get("DMAf", 4, BLOCK, &f), -DMAF_WIRE_E_MAGIC);
	assert_int_equal(dmaf_wire_get("DMAF\2", 5, BLOCK, &f), DMAF_WIRE_HDR - 5);
	assert_int_equal(dmaf_wire_get("DMAF\2\0", 6, BLOCK, &f), -DMAF_WIRE_E_VERSION);
	assert_int_equal(dmaf_wire_get("DMAF\1\1", 6, BLOCK, &f), -DMAF_WIRE_E_VERSION);
	assert_int_equal(dmaf_wire_get("DMAF\1\0\x60\1", 8, BLOCK, &f), -DMAF_WIRE_E_HEADER);
	assert_int_equal(dmaf_wire_get("DMAF\1\0\x60\0", 8, BLOCK, &f), DMAF_WIRE_HDR - 8);
}

static void reasons_have_texts(void **state)
{
	int i, j;

	for (i = 1; i <= DMAF_WIRE_E_LAST; i++) {
		assert_non_null(dmaf_wire_reason(i));
		assert_string_equal(dmaf_wire_reason(i), dmaf_wire_reason(-i));
		for (j = 0; j < i; j++)
			assert_string_not_equal(dmaf_wire_reason(i), dmaf_wire_reason(j));
	}
	assert_string_equal(dmaf_wire_reason(INT_MIN), dmaf_wire_reason(INT_MAX));
	assert_string_equal(dmaf_wire_reason(DMAF_WIRE_E_LAST + 1), dmaf_wire_reason(INT_MAX));
	assert_string_equal(dmaf_wire_type_name(DMAF_WIRE_T_DATA), "data");
	assert_string_equal(dmaf_wire_type_name(0), "unknown");
	assert_string_equal(dmaf_wire_type_name(7), "unknown");
}

static struct dmaf_wire_frame frame(uint16_t type, struct dmaf_wire_hdr h)
{
	struct dmaf_wire_frame f = {.hdr = h};

	f.hdr.type = type;
	return f;
}

static int rx_hello(struct dmaf_wire_rx *rx, uint8_t ack, struct dmaf_wire_hdr h)
{
	struct dmaf_wire_frame f = frame(DMAF_WIRE_T_HELLO, h);

	f.u.hello = a_hello(ack);
	return dmaf_wire_rx_check(rx, &f);
}

static int rx_data(struct dmaf_wire_rx *rx, uint16_t flags, uint32_t length, struct dmaf_wire_hdr h)
{
	struct dmaf_wire_frame f = frame(DMAF_WIRE_T_DATA, h);

	f.hdr.flags = flags;
	f.hdr.length = length;
	return dmaf_wire_rx_check(rx, &f);
}

static void the_block_is_agreed_on(void **state)
{
	struct dmaf_wire_rx rx;
	struct dmaf_wire_tx tx;
	struct dmaf_wire_frame f;
	struct dmaf_wire_pos zero = {0, 0, 0};
	int len;

	dmaf_wire_rx_init(&rx, 1000);
	assert_int_equal(dmaf_wire_rx_limit(&rx), 1000);
	assert_int_equal(dmaf_wire_rx_answer(&rx, buf, 1, 1), -DMAF_WIRE_E_NO_HELLO);
	assert_int_equal(rx_hello(&rx, DMAF_WIRE_A_WRITTEN, hdr(0, 0, 0)), 0);
	assert_int_equal(dmaf_wire_rx_answer(&rx, buf, DMAF_WIRE_A_NONE, 1), -DMAF_WIRE_E_ACK_MODE);
	len = dmaf_wire_rx_answer(&rx, buf, DMAF_WIRE_A_SYNCED, 5000);
	assert_int_equal(len, DMAF_WIRE_HDR + DMAF_WIRE_HELLO);
	assert_int_equal(dmaf_wire_rx_limit(&rx), 1000);

	dmaf_wire_tx_init(&tx, id_a, &zero, &zero, BLOCK, DMAF_WIRE_A_WRITTEN);
	assert_int_equal(dmaf_wire_get(buf, (size_t)len, 0, &f), 0);
	assert_int_equal(dmaf_wire_tx_check(&tx, &f), 0);
	assert_int_equal(tx.block, 1000);
	assert_int_equal(tx.peer_window, 5000);
	assert_int_equal(tx.ack, DMAF_WIRE_A_SYNCED);
	assert_int_equal(rx_data(&rx, 0, 1001, hdr(0, 0, 0)), -DMAF_WIRE_E_TOO_LONG);
	assert_int_equal(rx_data(&rx, 0, 1000, hdr(0, 0, 0)), 0);

	/* The smaller one wins on the other side, too. */
	dmaf_wire_rx_init(&rx, 1u << 20);
	assert_int_equal(rx_hello(&rx, DMAF_WIRE_A_NONE, hdr(0, 0, 0)), 0);
	assert_int_equal(dmaf_wire_rx_limit(&rx), BLOCK);
	assert_int_equal(dmaf_wire_rx_answer(&rx, buf, 1, 1), -DMAF_WIRE_E_ACK_MODE);
}

static void a_refused_frame_changes_nothing(void **state)
{
	struct dmaf_wire_rx rx, before;
	struct dmaf_wire_hdr other = hdr(100, 1, 0);

	memset(&rx, 0, sizeof(rx));
	dmaf_wire_rx_init(&rx, BLOCK);
	assert_int_equal(rx_hello(&rx, 0, hdr(0, 0, 0)), 0);
	assert_int_equal(rx_data(&rx, 0, 100, hdr(0, 0, 0)), 0);
	memcpy(other.id, id_b, 16);
	memcpy(&before, &rx, sizeof(rx));
	assert_int_equal(rx_data(&rx, 0, 1, other), -DMAF_WIRE_E_STREAM);
	assert_int_equal(rx_data(&rx, 0, 1, hdr(99, 1, 0)), -DMAF_WIRE_E_OFFSET);
	assert_int_equal(rx_data(&rx, 0, 1, hdr(100, 3, 1)), -DMAF_WIRE_E_SEQUENCE);
	assert_int_equal(rx_data(&rx, 0, 1, hdr(100, 0, UINT64_MAX)), -DMAF_WIRE_E_WRAP);
	assert_int_equal(rx_data(&rx, 0, BLOCK + 1, hdr(100, 1, 0)), -DMAF_WIRE_E_TOO_LONG);
	assert_memory_equal(&before, &rx, sizeof(rx));
	assert_int_equal(rx_data(&rx, 0, 1, hdr(100, 1, 0)), 0);
}

/* What one side's state allows, the other's does: a walk with losses, splits, breaks and resumes.
 */
static void sender_and_receiver_agree(void **state)
{
	struct dmaf_wire_pos start = {0, 0, 0}, held = start, most = start;
	struct dmaf_wire_rx rx;
	struct dmaf_wire_tx tx;
	struct dmaf_wire_frame f;
	uint32_t seed = 1, round, i;
	uint64_t told = 0;
	int more = 0;

	for (round = 0; round < 200; round++) {
		struct dmaf_wire_hdr h = hdr(held.offset, held.sequence, held.lost);
		struct dmaf_wire_hello hello = a_hello(DMAF_WIRE_A_WRITTEN);
		struct dmaf_wire_pos ours = round ? rx.pos : start;

		/* The link broke: the receiver goes by its record, the sender by its last ack. */
		dmaf_wire_rx_init(&rx, BLOCK);
		if (round)
			dmaf_wire_rx_resume(&rx, id_a, &ours);
		dmaf_wire_tx_init(&tx, id_a, &held, &most, BLOCK, DMAF_WIRE_A_WRITTEN);
		dmaf_wire_put_hello(buf, &h, &hello);
		assert_int_equal(dmaf_wire_get(buf, sizeof(buf), 0, &f), 0);
		assert_int_equal(dmaf_wire_rx_check(&rx, &f), 0);
		assert_int_equal(dmaf_wire_rx_answer(&rx, buf, DMAF_WIRE_A_WRITTEN, 1),
				 DMAF_WIRE_HDR + DMAF_WIRE_HELLO);
		assert_int_equal(dmaf_wire_get(buf, sizeof(buf), 0, &f), 0);
		assert_int_equal(dmaf_wire_tx_check(&tx, &f), 0);
		assert_memory_equal(&tx.sent, &ours, sizeof(ours));

		for (i = 0; i < 10; i++) {
			uint64_t lost = more ? 0 : (seed >> 8) % 3;

			seed = seed * 1664525u + 1013904223u;
			h = hdr(tx.sent.offset + lost * 7, tx.sent.sequence + lost, lost);
			h.length = 1 + (seed >> 16) % 1000;
			h.flags = seed & 0x8000 ? DMAF_WIRE_MORE : 0;
			told += lost;
			more = h.flags & DMAF_WIRE_MORE;
			dmaf_wire_put_data(buf, &h);
			assert_int_equal(dmaf_wire_get(buf, sizeof(buf), BLOCK, &f), 0);
			assert_int_equal(dmaf_wire_rx_check(&rx, &f), 0);
			assert_int_equal(rx.gap_buffers, lost);
			assert_int_equal(rx.gap_bytes, lost * 7);
			dmaf_wire_tx_sent(&tx, &f.hdr);
			assert_memory_equal(&tx.sent, &rx.pos, sizeof(rx.pos));
			if (i == seed % 10) {
				h = hdr(rx.pos.offset, rx.pos.sequence, rx.pos.lost);
				dmaf_wire_put_ack(buf, &h);
				assert_int_equal(dmaf_wire_get(buf, sizeof(buf), 0, &f), 0);
				assert_int_equal(dmaf_wire_tx_check(&tx, &f), 0);
			}
		}
		held = tx.acked;
		most = tx.sent;
	}
	assert_int_equal(rx.pos.lost, told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_of_known_texts),
		cmocka_unit_test(data_comes_back),
		cmocka_unit_test(hello_comes_back),
		cmocka_unit_test(the_rest_comes_back),
		cmocka_unit_test(error_texts_are_made_clean),
		cmocka_unit_test(encoders_stay_inside),
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(random_damage_is_never_accepted),
		cmocka_unit_test(wrong_starts_are_refused_early),
		cmocka_unit_test(reasons_have_texts),
		cmocka_unit_test(the_block_is_agreed_on),
		cmocka_unit_test(a_refused_frame_changes_nothing),
		cmocka_unit_test(sender_and_receiver_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
