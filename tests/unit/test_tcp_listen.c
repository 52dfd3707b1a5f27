/* SPDX-License-Identifier: MIT */
/* tcp-listen: as a source: who may be the stream, what is acknowledged, and what a break costs. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tcp_rig.h"

#define BLOCK 65536u
#define ACK   DMAF_WIRE_A_WRITTEN

static struct rig r;
static struct peer p, q;

static void listening(const char *options, size_t block, const struct dmaf_resume *resume)
{
	rig_open(&r, "tcp-listen", options, block, 16, 0);
	if (r.rc)
		fail_msg("%s", r.src.p.err.text);
	rig_start(&r, resume);
}

/* A sender that is let in; its position is what the answer says. */
static void come(struct peer *who, uint8_t id, uint8_t ack, uint64_t window)
{
	peer_connect(who, &r);
	peer_prepare(who, id, ack, window);
	peer_hello(who);
	if (!ack)
		return;
	if (peer_hear(who) != DMAF_WIRE_T_HELLO)
		fail_msg("no answer: %.*s", (int)who->in.u.error.text_len, who->in.u.error.text);
	assert_int_equal(who->in.hdr.flags, DMAF_WIRE_ANSWER);
	who->hdr.pos = who->in.hdr.pos;
	who->hdr.pos.lost = 0;
}

static void acked(struct peer *who, uint64_t offset)
{
	do
		assert_int_equal(peer_hear(who), DMAF_WIRE_T_ACK);
	while (who->in.hdr.pos.offset < offset);
	assert_int_equal(who->in.hdr.pos.offset, offset);
}

static void leave_done(struct peer *who)
{
	peer_end(who);
	rig_until_rc(&r, DMAF_END);
	do
		assert_int_equal(peer_hear(who), DMAF_WIRE_T_ACK);
	while (!(who->in.hdr.flags & DMAF_WIRE_DONE));
	assert_int_equal(who->in.hdr.pos.offset, who->hdr.pos.offset);
	assert_int_equal(who->in.hdr.pos.sequence, who->hdr.pos.sequence);
	peer_close(who);
	rig_finish(&r, 0);
}

/* Whatever knocks, the running stream goes on as if nothing was. */
static void strangers(void **state)
{
	uint8_t out[DMAF_WIRE_CONTROL_MAX];
	uint32_t n;

	listening(",frame", BLOCK, NULL);
	come(&p, 1, 0, 0);
	peer_data(&p, 1000, 0);

	peer_connect(&q, &r);
	peer_send(&q, "GET / HTTP/1.0\r\n\r\n", 18);
	peer_refused(&q, DMAF_WIRE_E_MAGIC);

	peer_connect(&q, &r);
	peer_prepare(&q, 2, 0, 0);
	n = dmaf_wire_put_hello(out, &q.hdr, &q.hello);
	out[50] ^= 4;
	peer_send(&q, out, n);
	peer_refused(&q, DMAF_WIRE_E_CRC);

	peer_connect(&q, &r);
	peer_prepare(&q, 2, 0, 0);
	q.hdr.length = 0xffffffff;
	dmaf_wire_put_data(out, &q.hdr);
	peer_send(&q, out, DMAF_WIRE_HDR);
	peer_refused(&q, DMAF_WIRE_E_TOO_LONG);

	peer_connect(&q, &r);
	peer_prepare(&q, 2, 0, 0);
	peer_send(&q, out, dmaf_wire_put_heartbeat(out, &q.hdr));
	peer_refused(&q, DMAF_WIRE_E_NO_HELLO);

	peer_connect(&q, &r);
	peer_prepare(&q, 2, 0, 0);
	peer_hello(&q);
	peer_refused(&q, DMAF_WIRE_E_BUSY);

	peer_connect(&q, &r);
	peer_prepare(&q, 1, 0, 0);
	q.hdr.flags = DMAF_WIRE_ANSWER;
	peer_hello(&q);
	peer_refused(&q, DMAF_WIRE_E_DIRECTION);

	peer_connect(&q, &r);
	peer_send(&q, "DMAF", 4);
	peer_close(&q);
	rig_idle(&r, 20);

	peer_data(&p, 500, 0);
	peer_end(&p);
	rig_until_rc(&r, DMAF_END);
	assert_int_equal(r.bytes, 1500);
	assert_int_equal(r.src.p.count.errors, 7);
	assert_non_null(strstr(r.src.p.count.note, "refused 127.0.0.1:"));
	peer_close(&p);
	rig_close(&r);
}

/* 16 who say half a hello fill the door; the 17th to 20th wait, and get in when time is up. */
static void crowd(void **state)
{
	uint8_t out[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];
	struct peer many[20];

	listening(",frame", BLOCK, NULL);
	come(&p, 1, 0, 0);
	peer_data(&p, 1000, 0);
	rig_until(&r, 1000);
	peer_prepare(&q, 2, 0, 0);
	dmaf_wire_put_hello(out, &q.hdr, &q.hello);
	for (unsigned i = 0; i < 20; i++) {
		peer_connect(&many[i], &r);
		peer_send(&many[i], out, 80);
		rig_step(&r, 1);
	}
	rig_idle(&r, 50);
	assert_int_equal(r.s->door.n, 16);
	for (unsigned i = 0; i < 20; i++) {
		peer_data(&p, 1000, 0);
		peer_refused(&many[i], DMAF_WIRE_E_TIMEOUT);
	}
	assert_int_equal(r.src.p.count.errors, 20);
	peer_end(&p);
	rig_until_rc(&r, DMAF_END);
	assert_int_equal(r.bytes, 21000);
	peer_close(&p);
	rig_close(&r);
}

/* A listener of raw bytes takes the first and nobody else. */
static void raw_first(void **state)
{
	uint8_t bytes[100];

	rig_fill(bytes, 0, sizeof(bytes));
	listening("", BLOCK, NULL);
	peer_connect(&p, &r);
	peer_send(&p, bytes, sizeof(bytes));
	rig_until(&r, 100);
	assert_int_equal(r.s->door.fd, -1);
	peer_close(&p);
	rig_until_rc(&r, DMAF_END);
	rig_close(&r);
}

static void ack_modes(void **state)
{
	listening(",frame", BLOCK, NULL);
	peer_connect(&p, &r);
	peer_prepare(&p, 1, ACK, BLOCK);
	peer_hello(&p);
	peer_refused(&p, DMAF_WIRE_E_ACK_MODE);
	rig_close(&r);

	listening(",frame,ack", BLOCK, NULL);
	assert_int_equal(r.src.flags & DMAF_SRC_DURABLE, 0);
	peer_connect(&p, &r);
	peer_prepare(&p, 1, DMAF_WIRE_A_NONE, BLOCK);
	peer_hello(&p);
	peer_refused(&p, DMAF_WIRE_E_ACK_MODE);
	peer_connect(&p, &r);
	peer_prepare(&p, 1, DMAF_WIRE_A_SYNCED, BLOCK);
	peer_hello(&p);
	peer_refused(&p, DMAF_WIRE_E_ACK_MODE);
	rig_close(&r);

	listening(",frame,ack=synced", BLOCK, NULL);
	assert_int_equal(r.src.flags & DMAF_SRC_DURABLE, DMAF_SRC_DURABLE);
	come(&p, 1, ACK, BLOCK);
	assert_int_equal(p.in.u.hello.ack, DMAF_WIRE_A_SYNCED);
	leave_done(&p);
	rig_close(&r);
}

/* Completed in any order; acknowledged is what all before is completed too. */
static void prefix(void **state)
{
	listening(",frame,ack", BLOCK, NULL);
	r.hold = true;
	come(&p, 1, ACK, 2 * BLOCK);
	peer_data(&p, BLOCK, 0);
	peer_data(&p, BLOCK, 0);
	peer_data(&p, BLOCK, 0);
	rig_until(&r, 3 * BLOCK);
	assert_int_equal(r.nheld, 3);
	rig_idle(&r, 30);
	assert_int_equal(peer_peek(&p), -1);
	rig_done(&r, 2, 0);
	rig_done(&r, 1, 0);
	rig_idle(&r, 30);
	assert_int_equal(peer_peek(&p), -1);
	rig_done(&r, 0, 0);
	acked(&p, 3 * BLOCK);
	assert_int_equal(p.in.hdr.pos.sequence, 3);
	assert_int_equal(peer_peek(&p), -1);

	/* A buffer that a sink failed is not written, and nothing behind it counts. */
	peer_data(&p, BLOCK, 0);
	peer_data(&p, BLOCK, 0);
	rig_until(&r, 5 * BLOCK);
	rig_done(&r, 0, -ENOSPC);
	rig_done(&r, 0, 0);
	rig_idle(&r, 30);
	assert_int_equal(peer_peek(&p), -1);
	r.src.ops->stop(&r.src);
	rig_until_rc(&r, DMAF_END);
	rig_step(&r, 0);
	while (r.src.ops->finish(&r.src, -ENOSPC) == -EAGAIN)
		if (peer_peek(&p) == DMAF_WIRE_T_ERROR)
			break;
	assert_int_equal(p.in.u.error.code, DMAF_WIRE_E_SINK);
	peer_close(&p);
	rig_close(&r);
}

/* An ack inside a frame names that frame's number. */
static void inside_a_frame(void **state)
{
	listening(",frame,ack", BLOCK, NULL);
	come(&p, 1, ACK, 8 * BLOCK);
	peer_data(&p, 100, 0);
	peer_data(&p, 2 * BLOCK, DMAF_WIRE_MORE);
	rig_until(&r, 100 + 2 * BLOCK);
	acked(&p, 100 + 2 * BLOCK);
	assert_int_equal(p.in.hdr.pos.sequence, 1);
	peer_data(&p, 100, 0);
	acked(&p, 200 + 2 * BLOCK);
	assert_int_equal(p.in.hdr.pos.sequence, 2);
	leave_done(&p);
	rig_close(&r);
}

/* A sender with two buffers of 64 KiB against blocks of 1 MiB: neither waits for the other. */
static void small_window(void **state)
{
	uint64_t total = 3 * 1048576 + 17, got = 0;
	const uint64_t window = 2 * BLOCK;
	unsigned whole = 0;

	listening(",frame,ack,max-delay=1h", 1 << 20, NULL);
	come(&p, 1, ACK, window);
	while (got < total) {
		size_t len = total - p.hdr.pos.offset < BLOCK ? (size_t)(total - p.hdr.pos.offset)
							      : BLOCK;

		if (len && p.hdr.pos.offset + len - got <= window) {
			peer_data(&p, len, 0);
		} else {
			assert_int_equal(peer_hear(&p), DMAF_WIRE_T_ACK);
			assert_true(p.in.hdr.pos.offset > got);
			got = p.in.hdr.pos.offset;
		}
	}
	assert_int_equal(r.bytes, total);
	/* Blocks of half a window; a late sender may see one go early, but that is not the rule. */
	for (unsigned i = 0; i < r.nseen; i++)
		whole += r.seen[i].len == BLOCK && !(r.seen[i].flags & DMAF_BUF_PARTIAL);
	assert_true(whole > r.nseen / 2);
	leave_done(&p);
	rig_close(&r);
}

/* One buffer is all that the sender has, and it is no multiple of anything. */
static void one_odd_buffer(void **state)
{
	listening(",frame,ack,max-delay=1h", BLOCK, NULL);
	come(&p, 1, ACK, 30001);
	for (unsigned i = 1; i <= 5; i++) {
		peer_data(&p, 30001, 0);
		acked(&p, 30001 * (uint64_t)i);
	}
	leave_done(&p);
	rig_close(&r);
}

/* A link that breaks inside a frame: the rest comes on the next one, nothing lost or twice. */
static void comes_back(void **state)
{
	uint8_t out[DMAF_WIRE_HDR + 3000];

	listening(",frame,ack", BLOCK, NULL);
	come(&p, 1, ACK, 4 * BLOCK);
	peer_data(&p, BLOCK + 500, 0);
	p.hdr.length = 10000;
	dmaf_wire_put_data(out, &p.hdr);
	rig_fill(out + DMAF_WIRE_HDR, p.hdr.pos.offset, 3000);
	peer_send(&p, out, sizeof(out));
	rig_until(&r, BLOCK + 3500);
	acked(&p, BLOCK + 3500);
	peer_close(&p);
	rig_idle(&r, 20);
	assert_int_equal(r.rc, 0);

	peer_connect(&q, &r);
	peer_prepare(&q, 9, ACK, BLOCK);
	peer_hello(&q);
	peer_refused(&q, DMAF_WIRE_E_BUSY);

	come(&p, 1, ACK, 4 * BLOCK);
	assert_int_equal(p.hdr.pos.offset, BLOCK + 3500);
	assert_int_equal(p.hdr.pos.sequence, 1);
	peer_data(&p, 7000, 0);
	leave_done(&p);
	assert_int_equal(r.bytes, BLOCK + 10500);
	assert_int_equal(r.src.p.count.reconnects, 1);
	for (unsigned i = 0, at = 0; i < r.nseen; at += (unsigned)r.seen[i++].len) {
		assert_int_equal(r.seen[i].offset, at);
		assert_int_equal(r.seen[i].seq, i);
	}
	rig_close(&r);
}

/*
 * What lies in our blocks but isn't completed is not yet ours to promise: the sender is told the
 * completed part, sends the rest again, and it is taken once.
 */
static void comes_back_early(void **state)
{
	listening(",frame,ack,max-delay=1h", BLOCK, NULL);
	r.hold = true;
	come(&p, 1, ACK, 8 * BLOCK);
	peer_data(&p, BLOCK, 0);
	peer_data(&p, BLOCK, 0);
	peer_lose(&p, 2 * BLOCK, 2);
	peer_data(&p, BLOCK, 0);
	peer_data(&p, 100, 0);
	rig_until(&r, 3 * BLOCK + 100);
	rig_done(&r, 0, 0);
	acked(&p, BLOCK);
	peer_reset(&p);
	rig_idle(&r, 20);

	peer_connect(&p, &r);
	peer_prepare(&p, 1, ACK, 8 * BLOCK);
	p.lost = 2;
	peer_hello(&p);
	assert_int_equal(peer_hear(&p), DMAF_WIRE_T_HELLO);
	p.hdr.pos = p.in.hdr.pos;
	assert_int_equal(p.hdr.pos.offset, BLOCK);
	assert_int_equal(p.hdr.pos.sequence, 1);
	assert_int_equal(p.hdr.pos.lost, 0);
	peer_data(&p, BLOCK, 0);
	p.lost = 0;
	peer_lose(&p, 2 * BLOCK, 2);
	rig_done(&r, 0, 0);
	rig_done(&r, 0, 0);
	rig_done(&r, 0, 0);
	rig_idle(&r, 30);
	/* All is completed, but the sender hasn't sent that far again. */
	assert_int_equal(peer_peek(&p), -1);
	peer_data(&p, BLOCK, 0);
	peer_data(&p, 100, 0);
	acked(&p, 5 * BLOCK + 100);
	peer_data(&p, 50, 0);
	r.hold = false;
	rig_until(&r, 3 * BLOCK + 150);
	assert_int_equal(r.src.p.count.lost, 2);
	leave_done(&p);
	rig_close(&r);
}

/* The same stream on a second link: the first one is half open and goes. */
static void superseded(void **state)
{
	listening(",frame,ack", BLOCK, NULL);
	come(&p, 1, ACK, 4 * BLOCK);
	peer_data(&p, 1000, 0);
	rig_until(&r, 1000);
	acked(&p, 1000);
	come(&q, 1, ACK, 4 * BLOCK);
	assert_int_equal(q.hdr.pos.offset, 1000);
	peer_refused(&p, DMAF_WIRE_E_SUPERSEDED);
	peer_data(&q, 1000, 0);
	leave_done(&q);
	assert_int_equal(r.bytes, 2000);
	rig_close(&r);
}

/* A sender that replays below what it was told is refused; the listener lives. */
static void replayed(void **state)
{
	listening(",frame,ack", BLOCK, NULL);
	come(&p, 1, ACK, 4 * BLOCK);
	peer_data(&p, 1000, 0);
	acked(&p, 1000);
	p.hdr.pos = (struct dmaf_wire_pos){0};
	peer_data(&p, 1000, 0);
	peer_refused(&p, DMAF_WIRE_E_SEQUENCE);
	come(&p, 1, ACK, 4 * BLOCK);
	assert_int_equal(p.hdr.pos.offset, 1000);
	leave_done(&p);
	assert_int_equal(r.bytes, 1000);
	rig_close(&r);
}

static void stays_away(void **state)
{
	listening(",frame,ack,wait=50ms", BLOCK, NULL);
	come(&p, 1, ACK, BLOCK);
	peer_data(&p, 1000, 0);
	rig_until(&r, 1000);
	peer_close(&p);
	rig_until_rc(&r, -ETIMEDOUT);
	assert_non_null(strstr(r.src.p.err.text, "1000 bytes"));
	rig_finish(&r, -ETIMEDOUT);
	rig_close(&r);

	listening(",frame,ack,wait=0", BLOCK, NULL);
	come(&p, 1, ACK, BLOCK);
	peer_data(&p, 1000, 0);
	peer_close(&p);
	rig_until_rc(&r, -EPIPE);
	assert_int_equal(r.bytes, 1000);
	rig_close(&r);
}

/* The last acknowledgement was lost with its link: who comes for it gets it. */
static void done_again(void **state)
{
	listening(",frame,ack", BLOCK, NULL);
	come(&p, 1, ACK, BLOCK);
	peer_data(&p, 1000, 0);
	peer_end(&p);
	rig_until_rc(&r, DMAF_END);
	peer_reset(&p);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(r.src.ops->finish(&r.src, 0), -EAGAIN);
	peer_connect(&p, &r);
	peer_prepare(&p, 1, ACK, BLOCK);
	peer_hello(&p);
	assert_int_equal(peer_hear(&p), DMAF_WIRE_T_HELLO);
	assert_int_equal(p.in.hdr.pos.offset, 1000);
	p.hdr.pos = p.in.hdr.pos;
	peer_end(&p);
	assert_int_equal(peer_hear(&p), DMAF_WIRE_T_ACK);
	assert_int_equal(p.in.hdr.flags, DMAF_WIRE_DONE);
	peer_close(&p);
	rig_finish(&r, 0);
	rig_close(&r);
}

static void record(struct dmaf_resume *to, uint8_t id, uint64_t offset, uint64_t seq)
{
	memset(to->id, id, sizeof(to->id));
	to->offset = offset;
	to->seq = seq;
}

/* Started again on what is written already. */
static void resumed(void **state)
{
	struct dmaf_resume resume;

	record(&resume, 1, 3000, 2);
	/* The sender still holds it from 1000 on, under numbers of its own. */
	listening(",frame,ack", BLOCK, &resume);
	peer_connect(&p, &r);
	peer_prepare(&p, 2, ACK, BLOCK);
	peer_hello(&p);
	peer_refused(&p, DMAF_WIRE_E_STREAM);
	peer_connect(&p, &r);
	peer_prepare(&p, 1, ACK, BLOCK);
	p.hdr.pos = (struct dmaf_wire_pos){1000, 10, 0};
	peer_hello(&p);
	assert_int_equal(peer_hear(&p), DMAF_WIRE_T_HELLO);
	assert_int_equal(p.in.hdr.pos.offset, 1000);
	peer_data(&p, 1000, 0);
	peer_data(&p, 1500, 0);
	rig_until(&r, 500);
	assert_int_equal(r.seen[0].offset, 3000);
	assert_int_equal(r.seen[0].seq, 2);
	acked(&p, 3500);
	assert_int_equal(p.in.hdr.pos.sequence, 12);
	leave_done(&p);
	rig_close(&r);

	/* It was started again and holds nothing, and its window is smaller than what comes again.
	 */
	record(&resume, 1, 4 * BLOCK, 16);
	listening(",frame,ack", BLOCK, &resume);
	come(&p, 1, ACK, BLOCK);
	assert_int_equal(p.hdr.pos.offset, 0);
	for (unsigned i = 1; i <= 4; i++) {
		peer_data(&p, BLOCK, 0);
		acked(&p, (uint64_t)i * BLOCK);
	}
	assert_int_equal(r.bytes, 0);
	peer_data(&p, 100, 0);
	rig_until(&r, 100);
	assert_int_equal(r.seen[0].seq, 16);
	leave_done(&p);
	rig_close(&r);

	/* A gap beyond what is written is not yet written itself. */
	record(&resume, 1, 1000, 1);
	listening(",frame,ack", BLOCK, &resume);
	r.hold = true;
	come(&p, 1, ACK, 8 * BLOCK);
	peer_data(&p, 1000, 0);
	peer_lose(&p, 1000, 1);
	peer_data(&p, 1000, 0);
	rig_until(&r, 1000);
	acked(&p, 1000);
	assert_int_equal(r.seen[0].offset, 2000);
	assert_int_equal(r.seen[0].seq, 2);
	rig_idle(&r, 30);
	assert_int_equal(peer_peek(&p), -1);
	rig_done(&r, 0, 0);
	acked(&p, 3000);
	leave_done(&p);
	rig_close(&r);

	/* It can't go back to where we are. */
	record(&resume, 1, 500, 1);
	listening(",frame,ack", BLOCK, &resume);
	peer_connect(&p, &r);
	peer_prepare(&p, 1, ACK, BLOCK);
	p.hdr.pos = (struct dmaf_wire_pos){1000, 10, 0};
	peer_hello(&p);
	peer_refused(&p, DMAF_WIRE_E_BEHIND);
	rig_close(&r);
}

/* All that was received again on resuming is known to be written: it is acknowledged. */
static void resumed_tells(void **state)
{
	struct dmaf_resume resume;

	record(&resume, 1, 3000, 2);
	listening(",frame,ack", BLOCK, &resume);
	come(&p, 1, ACK, BLOCK);
	assert_int_equal(p.hdr.pos.offset, 0);
	peer_data(&p, 3000, 0);
	acked(&p, 3000);
	assert_int_equal(r.bytes, 0);
	leave_done(&p);
	rig_close(&r);
}

static void heartbeats(void **state)
{
	uint8_t out[DMAF_WIRE_HDR];

	listening(",frame,ack,timeout=60ms,wait=0", BLOCK, NULL);
	come(&p, 1, ACK, BLOCK);
	for (unsigned i = 0; i < 10; i++) {
		rig_idle(&r, 20);
		peer_send(&p, out, dmaf_wire_put_heartbeat(out, &p.hdr));
	}
	assert_int_equal(r.rc, 0);
	rig_until_rc(&r, -ETIMEDOUT);
	peer_close(&p);
	rig_close(&r);
}

/* A sender that is silent because we haven't completed what it sent is not gone. */
static void patient(void **state)
{
	listening(",frame,ack,timeout=60ms,wait=0", BLOCK, NULL);
	r.hold = true;
	come(&p, 1, ACK, BLOCK);
	peer_data(&p, BLOCK, 0);
	rig_until(&r, BLOCK);
	rig_idle(&r, 200);
	assert_int_equal(r.rc, 0);
	while (r.nheld)
		rig_done(&r, 0, 0);
	rig_until_rc(&r, -ETIMEDOUT);
	peer_close(&p);
	rig_close(&r);
}

static unsigned open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Opened and closed a thousand times, strangers and a stream at the door: nothing stays behind. */
static void thousand_times(void **state)
{
	unsigned before = open_files();

	for (unsigned i = 0; i < 1000; i++) {
		listening(i % 2 ? ",frame,ack" : "", 4096, NULL);
		if (i % 10 == 1) {
			peer_connect(&q, &r);
			peer_send(&q, "DMAF", 4);
			come(&p, 1, ACK, BLOCK);
			peer_data(&p, 5000, 0);
			rig_until(&r, 5000);
			peer_close(&p);
			peer_close(&q);
		}
		rig_close(&r);
	}
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers),      cmocka_unit_test(crowd),
		cmocka_unit_test(raw_first),      cmocka_unit_test(ack_modes),
		cmocka_unit_test(prefix),         cmocka_unit_test(inside_a_frame),
		cmocka_unit_test(small_window),   cmocka_unit_test(one_odd_buffer),
		cmocka_unit_test(comes_back),     cmocka_unit_test(comes_back_early),
		cmocka_unit_test(superseded),     cmocka_unit_test(replayed),
		cmocka_unit_test(stays_away),     cmocka_unit_test(done_again),
		cmocka_unit_test(resumed),        cmocka_unit_test(resumed_tells),
		cmocka_unit_test(heartbeats),     cmocka_unit_test(patient),
		cmocka_unit_test(thousand_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
