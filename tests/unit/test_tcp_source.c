/* SPDX-License-Identifier: MIT */
/* tcp: and tcp-listen: as sources: one stream from one sender that behaves or doesn't. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tcp_rig.h"

#define BLOCK 65536u

static struct rig r;
static struct peer p;
static uint8_t bulk[8 * BLOCK];

static void listening(const char *options, size_t block)
{
	rig_open(&r, "tcp-listen", options, block, 16, 0);
	if (r.rc)
		fail_msg("%s", r.src.p.err.text);
	rig_start(&r, NULL);
	peer_connect(&p, &r);
}

static uint64_t copied(void)
{
	return r.src.p.count.copies[0].reason == dmaf_copy_recv ? r.src.p.count.copies[0].bytes : 0;
}

static void raw_blocks(void **state)
{
	listening(",max-delay=10s", BLOCK);
	rig_fill(bulk, 0, sizeof(bulk));
	peer_send(&p, bulk, 3 * BLOCK + 100);
	peer_close(&p);
	rig_until_rc(&r, DMAF_END);
	assert_int_equal(r.bytes, 3 * BLOCK + 100);
	assert_int_equal(r.nseen, 4);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(r.seen[i].len, BLOCK);
		assert_int_equal(r.seen[i].seq, i);
		assert_int_equal(r.seen[i].offset, i * BLOCK);
		assert_int_equal(r.seen[i].flags, 0);
		assert_true(r.seen[i].ts);
	}
	assert_int_equal(r.seen[3].flags, DMAF_BUF_PARTIAL | DMAF_BUF_LAST);
	assert_int_equal(copied(), r.bytes);
	rig_finish(&r, 0);
	rig_close(&r);
}

/* A slow stream is handed over in part, and then in whole blocks from a block's edge again. */
static void raw_partial(void **state)
{
	listening(",max-delay=5ms", BLOCK);
	rig_fill(bulk, 0, sizeof(bulk));
	peer_send(&p, bulk, 1000);
	rig_until(&r, 1000);
	assert_int_equal(r.nseen, 1);
	assert_int_equal(r.seen[0].flags, DMAF_BUF_PARTIAL);
	peer_send(&p, bulk + 1000, BLOCK - 1000);
	rig_until(&r, BLOCK);
	peer_send(&p, bulk + BLOCK, 2 * BLOCK);
	rig_until(&r, 3 * BLOCK);
	for (unsigned i = 1; i < r.nseen; i++)
		assert_true(r.seen[i].offset / BLOCK ==
			    (r.seen[i].offset + r.seen[i].len - 1) / BLOCK);
	peer_close(&p);
	rig_until_rc(&r, DMAF_END);
	rig_close(&r);
}

static void raw_reset(void **state)
{
	listening("", BLOCK);
	rig_fill(bulk, 0, sizeof(bulk));
	peer_send(&p, bulk, 5000);
	rig_until(&r, 5000);
	peer_reset(&p);
	rig_until_rc(&r, -ECONNRESET);
	assert_non_null(strstr(r.src.p.err.text, "5000 bytes"));
	rig_finish(&r, -ECONNRESET);
	rig_close(&r);
}

/* Checked builds take blocks that aren't the CPU's away from it; the test wants to see them all. */
static void look_inside(void)
{
	assert_return_code(mprotect(r.region.cpu, r.region.len, PROT_READ | PROT_WRITE), errno);
}

static void raw_trunc(void **state)
{
	listening(",mode=trunc", BLOCK);
	r.blind = true;
	look_inside();
	memset(r.region.cpu, 0xaa, r.region.len);
	rig_fill(bulk, 0, sizeof(bulk));
	peer_send(&p, bulk, 2 * BLOCK);
	peer_close(&p);
	rig_until_rc(&r, DMAF_END);
	assert_int_equal(r.bytes, 2 * BLOCK);
	assert_int_equal(copied(), 0);
	look_inside();
	for (size_t i = 0; i < r.region.len; i++)
		assert_int_equal(((uint8_t *)r.region.cpu)[i], 0xaa);
	assert_non_null(strstr(r.src.p.count.note, "trunc"));
	rig_close(&r);
}

static void raw_stop(void **state)
{
	listening(",max-delay=10s", BLOCK);
	rig_fill(bulk, 0, sizeof(bulk));
	peer_send(&p, bulk, 100);
	rig_idle(&r, 50);
	assert_int_equal(r.bytes, 0);
	r.src.ops->stop(&r.src);
	rig_until_rc(&r, DMAF_END);
	assert_int_equal(r.bytes, 100);
	rig_finish(&r, 0);
	peer_close(&p);
	rig_close(&r);
}

/* With every block taken nothing is read; with one back it goes on. */
static void starved(void **state)
{
	listening("", BLOCK);
	r.hold = true;
	rig_fill(bulk, 0, BLOCK);
	for (unsigned i = 0; i < 17; i++) {
		rig_fill(bulk, (uint64_t)i * BLOCK, BLOCK);
		peer_send(&p, bulk, BLOCK);
		rig_idle(&r, 1);
	}
	rig_until(&r, 16 * BLOCK);
	rig_idle(&r, 50);
	assert_int_equal(r.bytes, 16 * BLOCK);
	assert_true(r.src.p.count.stalls > 0);
	rig_done(&r, 5, 0);
	rig_until(&r, 17 * BLOCK);
	rig_done(&r, 0, 0);
	peer_close(&p);
	rig_until_rc(&r, DMAF_END);
	rig_close(&r);
}

static void frames(void **state)
{
	listening(",frame,max-delay=10s", BLOCK);
	peer_prepare(&p, 1, DMAF_WIRE_A_NONE, 0);
	peer_hello(&p);
	for (unsigned i = 0; i < 40; i++)
		peer_data(&p, 5000, 0);
	peer_data(&p, 3 * BLOCK, DMAF_WIRE_MORE);
	peer_data(&p, 11, DMAF_WIRE_SHORT);
	peer_end(&p);
	rig_until_rc(&r, DMAF_END);
	assert_int_equal(r.bytes, 40 * 5000 + 3 * BLOCK + 11);
	assert_int_equal(r.nseen, (r.bytes + BLOCK - 1) / BLOCK);
	for (unsigned i = 0; i < r.nseen; i++) {
		assert_int_equal(r.seen[i].seq, i);
		assert_int_equal(r.seen[i].offset, i * BLOCK);
	}
	/* The first block ends within the 14th frame, the last one is the 41st. */
	assert_int_equal(r.seen[0].ts, 1013);
	assert_int_equal(r.seen[0].ticks, 7 * 13);
	assert_int_equal(r.seen[r.nseen - 1].ts, 1040);
	assert_int_equal(r.seen[r.nseen - 1].flags, DMAF_BUF_PARTIAL | DMAF_BUF_LAST);
	assert_int_equal(r.src.stream.channels, 2);
	assert_int_equal(r.src.stream.rate_mhz, 48000000);
	assert_int_equal(r.src.stream.clock, DMAF_CLOCK_REALTIME);
	assert_string_equal(r.src.stream.format, "s16le");
	assert_int_equal(r.src.stream.id[15], 1);
	assert_int_equal(copied(), r.bytes);
	rig_finish(&r, 0);
	peer_close(&p);
	rig_close(&r);
}

static void byte_at_a_time(void **state)
{
	uint8_t out[4 * DMAF_WIRE_CONTROL_MAX + 300];
	struct dmaf_wire_hdr h;
	size_t n = 0;

	listening(",frame,max-delay=10s", 128);
	peer_prepare(&p, 1, DMAF_WIRE_A_NONE, 0);
	h = p.hdr;
	n += dmaf_wire_put_hello(out, &h, &p.hello);
	h.length = 300;
	n += dmaf_wire_put_data(out + n, &h);
	rig_fill(out + n, 0, 300);
	n += 300;
	h.pos.offset = 300;
	h.pos.sequence = 1;
	n += dmaf_wire_put_heartbeat(out + n, &h);
	n += dmaf_wire_put_end(out + n, &h, 0);
	for (size_t i = 0; i < n; i++) {
		peer_send(&p, out + i, 1);
		rig_step(&r, 1);
	}
	rig_until_rc(&r, DMAF_END);
	assert_int_equal(r.bytes, 300);
	assert_int_equal(r.nseen, 3);
	peer_close(&p);
	rig_close(&r);
}

/* What the sender lost is missing in numbers and offsets, and a block doesn't run across. */
static void gaps(void **state)
{
	listening(",frame,max-delay=10s", BLOCK);
	peer_prepare(&p, 1, DMAF_WIRE_A_NONE, 0);
	peer_hello(&p);
	peer_data(&p, 1000, 0);
	peer_lose(&p, 3000, 3);
	peer_data(&p, 1000, DMAF_WIRE_BAD);
	peer_lose(&p, 0, 2); /* how many bytes the sender can't know */
	peer_data(&p, 1000, 0);
	peer_end(&p);
	rig_until_rc(&r, DMAF_END);
	assert_int_equal(r.nseen, 3);
	assert_int_equal(r.seen[0].offset, 0);
	assert_int_equal(r.seen[1].offset, 4000);
	assert_int_equal(r.seen[1].seq, 4);
	assert_int_equal(r.seen[1].flags, DMAF_BUF_PARTIAL | DMAF_BUF_ERROR);
	assert_int_equal(r.seen[2].offset, 5000);
	assert_int_equal(r.seen[2].seq, 7);
	assert_int_equal(r.src.p.count.lost, 5);
	assert_int_equal(r.src.p.count.lost_bytes, 3000);
	peer_close(&p);
	rig_close(&r);
}

static void cut_is_no_end(void **state)
{
	listening(",frame", BLOCK);
	peer_prepare(&p, 1, DMAF_WIRE_A_NONE, 0);
	peer_hello(&p);
	peer_data(&p, 7000, 0);
	peer_close(&p);
	rig_until_rc(&r, -EPIPE);
	assert_int_equal(r.bytes, 7000);
	assert_non_null(strstr(r.src.p.err.text, "cut after 7000 bytes"));
	assert_int_equal(r.seen[r.nseen - 1].flags & DMAF_BUF_LAST, 0);
	rig_close(&r);
}

static void sender_gives_up(void **state)
{
	uint8_t out[DMAF_WIRE_CONTROL_MAX];

	listening(",frame", BLOCK);
	peer_prepare(&p, 1, DMAF_WIRE_A_NONE, 0);
	peer_hello(&p);
	peer_data(&p, 10, 0);
	peer_send(&p, out,
		  dmaf_wire_put_error(out, &p.hdr, DMAF_WIRE_E_SOURCE, "the lens cap is on", 18));
	rig_until_rc(&r, -EPIPE);
	assert_int_equal(r.bytes, 10);
	assert_non_null(strstr(r.src.p.err.text, "the lens cap is on"));
	peer_close(&p);
	rig_close(&r);
}

static void bad_frame(void (*spoil)(uint8_t *header), uint32_t code)
{
	uint8_t out[DMAF_WIRE_HDR];

	listening(",frame", BLOCK);
	peer_prepare(&p, 1, DMAF_WIRE_A_NONE, 0);
	peer_hello(&p);
	peer_data(&p, 100, 0);
	p.hdr.length = 100;
	dmaf_wire_put_data(out, &p.hdr);
	spoil(out);
	peer_send(&p, out, sizeof(out));
	rig_until_rc(&r, -EPROTO);
	assert_int_equal(r.bytes, 100);
	peer_refused(&p, code);
	rig_close(&r);
}

static void sign(uint8_t *h)
{
	uint32_t crc = dmaf_crc32c(0, h, DMAF_WIRE_HDR - 4);

	for (unsigned i = 0; i < 4; i++)
		h[DMAF_WIRE_HDR - 4 + i] = (uint8_t)(crc >> 8 * i);
}

static void flip(uint8_t *h)
{
	h[40] ^= 1;
}

static void again(uint8_t *h)
{
	struct dmaf_wire_hdr old = p.hdr;

	old.pos.offset -= 100;
	old.pos.sequence--;
	dmaf_wire_put_data(h, &old);
}

static void huge(uint8_t *h)
{
	struct dmaf_wire_hdr big = p.hdr;

	big.length = 0xfffffff0;
	dmaf_wire_put_data(h, &big);
	sign(h);
}

static void garbled(uint8_t *h)
{
	memset(h, 'x', DMAF_WIRE_HDR);
}

static void wrong_crc(void **state)
{
	bad_frame(flip, DMAF_WIRE_E_CRC);
}

static void replayed(void **state)
{
	bad_frame(again, DMAF_WIRE_E_SEQUENCE);
}

static void huge_length(void **state)
{
	bad_frame(huge, DMAF_WIRE_E_TOO_LONG);
}

static void garbage_inside(void **state)
{
	bad_frame(garbled, DMAF_WIRE_E_MAGIC);
}

static void silence(void **state)
{
	listening(",frame,timeout=50ms", BLOCK);
	peer_prepare(&p, 1, DMAF_WIRE_A_NONE, 0);
	peer_hello(&p);
	peer_data(&p, 10, 0);
	rig_until_rc(&r, -ETIMEDOUT);
	assert_int_equal(r.bytes, 10);
	peer_close(&p);
	rig_close(&r);
}

static int self_listen(uint16_t *port)
{
	struct rig l;
	int fd;

	rig_open(&l, "tcp-listen", "", 4096, 1, 0);
	*port = l.port;
	fd = dup(l.s->door.fd);
	rig_close(&l);
	return fd;
}

static int accept_it(int fd)
{
	uint64_t t = dmaf_now_ns();
	int got;

	while ((got = accept(fd, NULL, NULL)) < 0) {
		assert_int_equal(errno, EAGAIN);
		assert_true(dmaf_now_ns() - t < 5000 * TCP_MS);
		rig_step(&r, 5);
	}
	return got;
}

static void connects(void **state)
{
	uint16_t port;
	int fd = self_listen(&port);

	rig_open(&r, "tcp", "", BLOCK, 4, port);
	rig_start(&r, NULL);
	p = (struct peer){.rig = &r, .fd = accept_it(fd)};
	rig_fill(bulk, 0, sizeof(bulk));
	peer_send(&p, bulk, sizeof(bulk));
	peer_close(&p);
	rig_until_rc(&r, DMAF_END);
	assert_int_equal(r.bytes, sizeof(bulk));
	rig_close(&r);

	rig_open(&r, "tcp", ",frame,ack", BLOCK, 4, port);
	rig_start(&r, NULL);
	p = (struct peer){.rig = &r, .fd = accept_it(fd)};
	peer_prepare(&p, 3, DMAF_WIRE_A_WRITTEN, BLOCK);
	peer_hello(&p);
	assert_int_equal(peer_hear(&p), DMAF_WIRE_T_HELLO);
	peer_data(&p, 100, 0);
	rig_until(&r, 100);
	peer_close(&p); /* it connects again by itself */
	p = (struct peer){.rig = &r, .fd = accept_it(fd)};
	peer_prepare(&p, 3, DMAF_WIRE_A_WRITTEN, BLOCK);
	peer_hello(&p);
	assert_int_equal(peer_hear(&p), DMAF_WIRE_T_HELLO);
	assert_int_equal(p.in.hdr.pos.offset, 100);
	p.hdr.pos = p.in.hdr.pos;
	peer_end(&p);
	assert_int_equal(peer_hear(&p), DMAF_WIRE_T_ACK);
	assert_int_equal(p.in.hdr.flags, DMAF_WIRE_DONE);
	peer_close(&p);
	rig_close(&r);
	close(fd);
}

static void not_a_sender(void **state)
{
	uint16_t port;
	int fd = self_listen(&port);

	rig_open(&r, "tcp", ",frame", BLOCK, 4, port);
	rig_start(&r, NULL);
	p = (struct peer){.rig = &r, .fd = accept_it(fd)};
	peer_send(&p, "220 ready\r\n", 11);
	rig_until_rc(&r, -EPROTO);
	assert_non_null(strstr(r.src.p.err.text, "framed sender"));
	peer_close(&p);
	rig_close(&r);
	close(fd);
}

static void bad_options(void **state)
{
	static const char *const bad[] = {",ack", ",mode=copy", ",mode=trunc,frame", ",wait=1s"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_open(&r, "tcp-listen", bad[i], BLOCK, 4, 0);
		assert_int_equal(r.rc, -EINVAL);
		assert_true(r.src.p.err.text[0]);
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_blocks),
		cmocka_unit_test(raw_partial),
		cmocka_unit_test(raw_reset),
		cmocka_unit_test(raw_trunc),
		cmocka_unit_test(raw_stop),
		cmocka_unit_test(starved),
		cmocka_unit_test(frames),
		cmocka_unit_test(byte_at_a_time),
		cmocka_unit_test(gaps),
		cmocka_unit_test(cut_is_no_end),
		cmocka_unit_test(sender_gives_up),
		cmocka_unit_test(wrong_crc),
		cmocka_unit_test(replayed),
		cmocka_unit_test(huge_length),
		cmocka_unit_test(garbage_inside),
		cmocka_unit_test(silence),
		cmocka_unit_test(connects),
		cmocka_unit_test(not_a_sender),
		cmocka_unit_test(bad_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
