/* SPDX-License-Identifier: MIT */
/* The tcp sink with frames and acknowledgements: what is told, held, resent and refused. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink_rig.h"

#define W DMAF_WIRE_A_WRITTEN

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const modes[] = {"copy", "zerocopy", "sendzc", "splice", "auto"};

static const char *with(const char *mode, const char *more)
{
	static char text[128];

	snprintf(text, sizeof(text), ",frame,ack,mode=%s%s", mode, more);
	return text;
}

static void whole_stream(void **state)
{
	for (unsigned m = 0; m < COUNT(modes); m++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(modes[m], ""), 131072, 8), 0);
		in_open(&in, &o, 0);
		o.want = 5000000;
		in_hello(&in, 1 << 20, W, 1 << 20);
		in_until(&in, 5000000, 131072);
		in_end(&in, 1);
		assert_int_equal(out_finish(&o), 0);
		out_drain(&o);
		assert_int_equal(in.got, 5000000);
		assert_int_equal(in.f.u.end.bytes, 5000000);
		assert_int_equal(o.failed, 0);
		assert_int_equal(o.sink.p.count.reconnects, 0);
		in_close(&in);
		out_close(&o);
	}
}

/* On one machine pages are shared for real when the receiver says what it no longer needs. */
static void auto_shares_pages(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack", 131072, 8), 0);
	in_open(&in, &o, 0);
	o.want = 4 << 20;
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 4 << 20, 131072);
	assert_string_equal(o.sink.p.count.path, "splice");
	for (unsigned i = 0; i < DMAF_COPY_REASONS; i++)
		assert_int_equal(o.sink.p.count.copies[i].bytes, 0);
	in_ack_all(&in);
	out_drain(&o);
	in_close(&in);
	out_close(&o);
}

/* Nothing comes back before it is acknowledged, whatever the socket has taken. */
static void held_until_acknowledged(void **state)
{
	for (unsigned m = 0; m < COUNT(modes); m++) {
		struct out o;
		struct in in;
		struct dmaf_wire_pos part;

		assert_int_equal(out_open(&o, "tcp", with(modes[m], ""), 4096, 16), 0);
		in_open(&in, &o, 0);
		o.want = 16 * 4096;
		in_hello(&in, 1 << 20, W, 1 << 20);
		in_until(&in, 16 * 4096, 0);
		out_settle(&o);
		assert_int_equal(o.submitted, 16);
		assert_int_equal(o.back, 0);
		part = (struct dmaf_wire_pos){.offset = 5 * 4096 + 1000, .sequence = 5};
		in_ack(&in, &part, 0);
		out_settle(&o);
		assert_int_equal(o.back, 5);
		in_ack_all(&in);
		out_drain(&o);
		assert_int_equal(o.failed, 0);
		in_close(&in);
		out_close(&o);
	}
}

static void window(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack,window=10K", 4096, 16), 0);
	in_open(&in, &o, 0);
	o.want = 16 * 4096;
	in_hello(&in, 1 << 20, W, 1 << 20);
	assert_int_equal(in.rx.hello.window, 10240);
	while (in.got < 16 * 4096) {
		out_settle(&o);
		assert_true(o.t->win.sent - o.t->win.acked <= 10240);
		in_until(&in, in.got + 4096, 0);
		in_ack_all(&in);
	}
	out_drain(&o);
	assert_int_equal(o.sink.p.count.resent_bytes, 0);
	in_close(&in);
	out_close(&o);
}

/* A receiver that takes less at once gets each buffer in several frames. */
static void smaller_frames(void **state)
{
	for (unsigned m = 0; m < COUNT(modes); m++) {
		struct out o;
		struct in in;
		unsigned frames = 0;

		assert_int_equal(out_open(&o, "tcp", with(modes[m], ""), 65536, 4), 0);
		in_open(&in, &o, 0);
		o.want = 4 * 65536;
		in_hello(&in, 1000, W, 1 << 20);
		while (in.got < 4 * 65536) {
			assert_int_equal(in_frame(&in), DMAF_WIRE_T_DATA);
			frames++;
			assert_true(in.f.hdr.length <= 1000);
			assert_int_equal(!!(in.f.hdr.flags & DMAF_WIRE_MORE), frames % 66 != 0);
		}
		in_ack_all(&in);
		out_drain(&o);
		in_close(&in);
		out_close(&o);
	}
}

/*
 * The link breaks; the receiver has a part of it. The stream goes on exactly there: nothing lost,
 * nothing twice, and no more resent than was under way.
 */
static void link_made_again(void **state)
{
	for (unsigned m = 0; m < COUNT(modes); m++) {
		uint8_t id[16];
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(modes[m], ""), 50000, 8), 0);
		in_open(&in, &o, 0);
		o.want = 6000000;
		in_hello(&in, 1 << 20, W, 1 << 20);
		memcpy(id, in.rx.id, 16);
		for (unsigned i = 1; i <= 20; i++) {
			struct dmaf_wire_pos have;

			in_until(&in, i * 250000, 100000);
			have = in.rx.pos;
			assert_int_equal(have.offset, in.got);
			if (i % 2)
				in_reset(&in);
			else
				in_close(&in);
			in_again(&in);
			in_hello(&in, 1 << 20, W, 1 << 20);
			assert_memory_equal(in.f.hdr.id, id, 16);
			assert_true(in.f.hdr.pos.offset <= have.offset);
			in.got = have.offset;
		}
		in_until(&in, 6000000, 100000);
		in_end(&in, 1);
		assert_int_equal(out_finish(&o), 0);
		out_drain(&o);
		assert_int_equal(o.failed, 0);
		assert_int_equal(in.got, 6000000);
		assert_int_equal(o.sink.p.count.reconnects, 20);
		assert_true(o.sink.p.count.resent_bytes <= 20 * 400000);
		in_close(&in);
		out_close(&o);
	}
}

/* The receiver's record ends inside a buffer: the first frame begins there. */
static void resumed_inside_a_buffer(void **state)
{
	for (unsigned m = 0; m < COUNT(modes); m++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(modes[m], ""), 10000, 4), 0);
		in_open(&in, &o, 0);
		o.want = 40000;
		in_hello(&in, 1 << 20, W, 1 << 20);
		in_until(&in, 40000, 0);
		in_reset(&in);
		in.rx.pos = (struct dmaf_wire_pos){.offset = 12345, .sequence = 1};
		in.got = 12345;
		in_again(&in);
		in_hello(&in, 1 << 20, W, 1 << 20);
		assert_int_equal(in.f.hdr.pos.offset, 0);
		assert_int_equal(in_frame(&in), DMAF_WIRE_T_DATA);
		assert_int_equal(in.f.hdr.pos.offset, 12345);
		assert_int_equal(in.f.hdr.pos.sequence, 1);
		assert_int_equal(in.f.hdr.length, 20000 - 12345);
		in_until(&in, 40000, 0);
		assert_int_equal(o.sink.p.count.resent_bytes, 40000 - 12345);
		in_ack_all(&in);
		out_drain(&o);
		in_close(&in);
		out_close(&o);
	}
}

/* What the receiver acknowledged is gone from here: it can't have it again. */
static void less_than_it_acknowledged(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack", 4096, 8), 0);
	in_open(&in, &o, 0);
	o.want = 8 * 4096;
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 8 * 4096, 4096);
	out_settle(&o);
	assert_true(o.back >= 7);
	in_reset(&in);
	in_again(&in);
	/* It would say that it has nothing; so say it by hand. */
	memset(&in.rx, 0, sizeof(in.rx));
	in_hello(&in, 1 << 20, 0, 0);
	in.rx.pos = (struct dmaf_wire_pos){0};
	{
		uint8_t answer[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];
		int n = dmaf_wire_rx_answer(&in.rx, answer, W, 1 << 20);

		assert_true(n > 0);
		assert_int_equal(send(in.fd, answer, (size_t)n, MSG_NOSIGNAL), n);
	}
	out_drain(&o);
	for (unsigned i = 0; i < 50 && !o.rc; i++)
		out_step(&o, 10);
	assert_int_equal(o.rc, -EPROTO);
	assert_non_null(strstr(o.sink.p.err.text, "no longer held here"));
	in_close(&in);
	out_close(&o);
}

static void more_than_was_sent(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack", 4096, 8), 0);
	in_open(&in, &o, 0);
	o.want = 4 * 4096;
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 4 * 4096, 0);
	in_reset(&in);
	in.rx.pos = (struct dmaf_wire_pos){.offset = 5 * 4096, .sequence = 5};
	in_again(&in);
	in_hello(&in, 1 << 20, W, 1 << 20);
	out_drain(&o);
	assert_int_equal(o.rc, -EPROTO);
	assert_int_equal(o.failed, 4);
	assert_non_null(strstr(o.sink.p.err.text, "claims more of this stream than was ever sent"));
	in_close(&in);
	out_close(&o);
}

/* An ack that can't be ends the link, not the stream: nothing is given back on its word. */
static void impossible_acks(void **state)
{
	static const struct dmaf_wire_pos wrong[] = {
		{.offset = 9 * 4096, .sequence = 9},     /* beyond what was sent */
		{.offset = 8 * 4096, .sequence = 9},     /* a buffer more */
		{.offset = 0, .sequence = 0},            /* backwards */
		{.offset = 2 * 4096 + 5, .sequence = 4}, /* inside another buffer */
		{.offset = 3 * 4096, .sequence = 3, .lost = 1},
	};

	for (unsigned i = 0; i <= COUNT(wrong); i++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", ",frame,ack", 4096, 8), 0);
		in_open(&in, &o, 0);
		o.want = 8 * 4096;
		in_hello(&in, 1 << 20, W, 1 << 20);
		in_until(&in, 8 * 4096, 0);
		in_ack(&in, &(struct dmaf_wire_pos){.offset = 2 * 4096, .sequence = 2}, 0);
		out_settle(&o);
		assert_int_equal(o.back, 2);
		if (i < COUNT(wrong)) {
			in_ack(&in, &wrong[i], 0);
		} else { /* of another stream */
			in.rx.id[3] ^= 1;
			in_ack_all(&in);
			in.rx.id[3] ^= 1;
		}
		for (unsigned k = 0; k < 100 && o.t->links == 1; k++)
			out_step(&o, 10);
		assert_int_equal(o.back, 2);
		close(in.fd);
		in_again(&in);
		in_hello(&in, 1 << 20, W, 1 << 20);
		assert_int_equal(o.sink.p.count.reconnects, 1);
		in_ack_all(&in);
		out_drain(&o);
		assert_int_equal(o.failed, 0);
		in_close(&in);
		out_close(&o);
	}
}

/* Bytes that are cut into frames and still wait here can't have been written there. */
static void ack_of_what_still_waits(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack,mode=copy,sndbuf=4096", 65536, 16), 0);
	in_open(&in, &o, 4096);
	o.want = 16 * 65536;
	in_hello(&in, 1 << 20, W, 1 << 20);
	out_settle(&o);
	assert_int_equal(o.submitted, 16);
	in_ack(&in, &(struct dmaf_wire_pos){.offset = 16 * 65536, .sequence = 16}, 0);
	for (unsigned k = 0; k < 100 && o.t->state == LINK_UP; k++)
		out_step(&o, 10);
	assert_int_equal(o.back, 0);
	assert_non_null(strstr(o.sink.p.count.note, "link 1 broken"));
	in_close(&in);
	out_close(&o);
}

static void gives_up_after_retry(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack,retry=100ms", 4096, 8), 0);
	in_open(&in, &o, 0);
	o.want = 8 * 4096;
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 8 * 4096, 0);
	close(o.listener);
	o.listener = -1;
	in_reset(&in);
	out_drain(&o);
	assert_int_equal(o.rc, -ECONNREFUSED);
	assert_int_equal(o.failed, 8);
	assert_int_equal(o.status, -ECONNREFUSED);
	out_close(&o);
}

static void no_retry(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack,retry=0", 4096, 8), 0);
	in_open(&in, &o, 0);
	o.want = 8 * 4096;
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 8 * 4096, 0);
	in_reset(&in);
	out_drain(&o);
	assert_int_equal(o.rc, -ECONNRESET);
	assert_int_equal(o.failed, 8);
	out_close(&o);
}

/* Without acks a broken link is the end, and says what would have helped. */
static void broken_without_acks(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame", 4096, 8), 0);
	in_open(&in, &o, 0);
	o.want = 100 * 4096;
	in_hello(&in, 1 << 20, 0, 0);
	assert_int_equal(in.rx.hello.ack, DMAF_WIRE_A_NONE);
	in_until(&in, 50 * 4096, 0);
	in_reset(&in);
	out_drain(&o);
	assert_true(o.rc < 0);
	assert_non_null(strstr(o.sink.p.err.text, "with frame,ack on both ends"));
	out_close(&o);
}

static void refuse(struct in *in, uint32_t code, const char *text)
{
	struct dmaf_wire_hdr h = {0};
	uint8_t bytes[DMAF_WIRE_CONTROL_MAX];
	uint32_t n;

	memcpy(h.id, in->rx.id, 16);
	n = dmaf_wire_put_error(bytes, &h, code, text, (uint32_t)strlen(text));
	assert_int_equal(send(in->fd, bytes, n, MSG_NOSIGNAL), n);
	in_close(in);
}

static void refused_by_the_receiver(void **state)
{
	static const struct {
		const char *options;
		uint32_t code;
		int rc;
	} t[] = {
		{",frame", DMAF_WIRE_E_ACK_MODE, -EPROTO},
		{",frame,ack", DMAF_WIRE_E_ACK_MODE, -EPROTO},
		{",frame,ack", DMAF_WIRE_E_STREAM, -EPROTO},
		{",frame,ack", DMAF_WIRE_E_SINK, -EIO},
	};

	for (unsigned i = 0; i < COUNT(t); i++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", t[i].options, 4096, 4), 0);
		in_open(&in, &o, 0);
		o.want = 1 << 20;
		in_hello(&in, 1 << 20, 0, 0);
		refuse(&in, t[i].code, "because I say so");
		out_drain(&o);
		assert_int_equal(o.rc, t[i].rc);
		assert_non_null(
			strstr(o.sink.p.err.text, "the receiver refused: because I say so"));
		assert_int_equal(dmaf_pool_free_count(o.pool), 4);
		out_close(&o);
	}
}

/* A receiver that is busy, or is being stopped, is tried again. */
static void put_off_by_the_receiver(void **state)
{
	static const uint32_t codes[] = {DMAF_WIRE_E_BUSY, DMAF_WIRE_E_STOPPED,
					 DMAF_WIRE_E_SUPERSEDED};

	for (unsigned i = 0; i < COUNT(codes); i++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", ",frame,ack", 4096, 4), 0);
		in_open(&in, &o, 0);
		o.want = 100000;
		in_hello(&in, 1 << 20, 0, 0);
		refuse(&in, codes[i], "not now");
		in_again(&in);
		in_hello(&in, 1 << 20, W, 1 << 20);
		in_until(&in, 100000, 4096);
		in_ack_all(&in);
		out_drain(&o);
		assert_int_equal(o.failed, 0);
		in_close(&in);
		out_close(&o);
	}
}

static void acknowledges_less_than_asked(void **state)
{
	struct out o;
	struct in in;
	uint8_t answer[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];
	int n;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack=synced", 4096, 4), 0);
	in_open(&in, &o, 0);
	o.want = 4096;
	in_hello(&in, 1 << 20, 0, 0);
	assert_int_equal(in.rx.hello.ack, DMAF_WIRE_A_SYNCED);
	in.rx.hello.ack = W;
	n = dmaf_wire_rx_answer(&in.rx, answer, W, 1 << 20);
	assert_int_equal(send(in.fd, answer, (size_t)n, MSG_NOSIGNAL), n);
	out_drain(&o);
	assert_int_equal(o.rc, -EPROTO);
	assert_non_null(strstr(o.sink.p.err.text, "give it ack=synced too"));
	in_close(&in);
	out_close(&o);
}

static void no_speaker_of_frames(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack,retry=0", 4096, 4), 0);
	in_open(&in, &o, 0);
	o.want = 4096;
	in_hello(&in, 1 << 20, 0, 0);
	assert_int_equal(send(in.fd, "HTTP/1.1 400 Bad Request\r\n", 26, MSG_NOSIGNAL), 26);
	out_drain(&o);
	assert_int_equal(o.rc, -EPROTO);
	assert_non_null(strstr(o.sink.p.err.text, "no receiver of framed streams?"));
	in_close(&in);
	out_close(&o);
}

static void losses_are_told(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack", 4096, 8), 0);
	in_open(&in, &o, 0);
	o.want = 2 * 4096;
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 2 * 4096, 0);
	o.seq += 7;
	o.offset += 7 * 4096;
	o.want = 4096;
	assert_int_equal(in_frame(&in), DMAF_WIRE_T_DATA);
	assert_int_equal(in.f.hdr.pos.lost, 7);
	assert_int_equal(in.f.hdr.pos.sequence, 9);
	assert_int_equal(in.f.hdr.pos.offset, 9 * 4096);
	/* The gap stays where it was when the link breaks behind it, or right in it. */
	for (unsigned i = 0; i < 2; i++) {
		in_reset(&in);
		in.rx.pos = (struct dmaf_wire_pos){.offset = 8192, .sequence = 2};
		in_again(&in);
		in_hello(&in, 1 << 20, W, 1 << 20);
		assert_int_equal(in_frame(&in), DMAF_WIRE_T_DATA);
		assert_int_equal(in.f.hdr.pos.lost, 7);
	}
	in_end(&in, 1);
	assert_int_equal(in.f.u.end.lost, 7);
	assert_int_equal(out_finish(&o), 0);
	out_drain(&o);
	assert_int_equal(o.sink.p.count.lost, 7);
	in_close(&in);
	out_close(&o);
}

static void stream_is_described(void **state)
{
	static const struct {
		const char *format;
		uint8_t sample, big;
		uint16_t bits;
	} t[] = {
		{"", DMAF_WIRE_S_BYTES, 0, 0},
		{"u8", DMAF_WIRE_S_UINT, 0, 8},
		{"s16le", DMAF_WIRE_S_INT, 0, 16},
		{"f32be", DMAF_WIRE_S_FLOAT, 1, 32},
		{"cs16le", DMAF_WIRE_S_COMPLEX_INT, 0, 16},
		{"s16", DMAF_WIRE_S_OTHER, 0, 0},
		{"opus", DMAF_WIRE_S_OTHER, 0, 0},
	};

	for (unsigned i = 0; i < COUNT(t); i++) {
		struct dmaf_stream s = {.channels = 2, .rate_mhz = 48000000, .clock = 2};
		struct dmaf_wire_hello h = {0};

		snprintf(s.format, sizeof(s.format), "%s", t[i].format);
		tcp_stream_to_hello(&s, &h);
		assert_int_equal(h.sample, t[i].sample);
		assert_int_equal(h.bits, t[i].bits);
		assert_int_equal(h.big_endian, t[i].big);
		assert_int_equal(h.channels, 2);
		assert_int_equal(h.rate_millihz, 48000000);
		assert_int_equal(h.clock, 2);
		if (t[i].sample == DMAF_WIRE_S_OTHER)
			assert_string_equal(h.name, t[i].format);
	}
}

/* A stream that has an id keeps it, and begins where it begins. */
static void passed_on(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack", 4096, 8), 0);
	memset(o.stream.id, 0x42, 16);
	assert_int_equal(o.sink.ops->begin(&o.sink), 0);
	o.seq = 1000;
	o.offset = 1000 * 4096;
	o.want = 4 * 4096;
	in_open(&in, &o, 0);
	in_hello(&in, 1 << 20, W, 1 << 20);
	assert_memory_equal(in.f.hdr.id, o.stream.id, 16);
	assert_int_equal(in.f.hdr.pos.offset, 1000 * 4096);
	assert_int_equal(in.f.hdr.pos.sequence, 1000);
	in_until(&in, 4 * 4096, 4096);
	assert_int_equal(in.lost, 0);
	assert_int_equal(o.sink.p.count.lost, 0);
	in_ack_all(&in);
	out_drain(&o);
	in_close(&in);
	out_close(&o);
}

static void heartbeats(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame", 4096, 8), 0);
	in_open(&in, &o, 0);
	o.want = 4096;
	in_hello(&in, 1 << 20, 0, 0);
	in_until(&in, 4096, 0);
	assert_int_equal(in_frame(&in), DMAF_WIRE_T_HEARTBEAT);
	assert_int_equal(in.f.hdr.pos.offset, 4096);
	o.want = 4096;
	in_until(&in, 8192, 0);
	out_drain(&o);
	in_close(&in);
	out_close(&o);
}

/* Cut short: the frame in progress is finished, and then it says so. */
static void abort_is_told(void **state)
{
	struct out o;
	struct in in;
	int r;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack,mode=copy,sndbuf=16K", 65536, 16), 0);
	in_open(&in, &o, 16384);
	o.want = 16 * 65536;
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 65536, 0);
	o.want = 0;
	while ((r = o.sink.ops->flush(&o.sink, DMAF_FLUSH_ABORT)) == -EAGAIN && !in.error)
		assert_true(in_frame(&in) > 0);
	while (!in.error)
		assert_true(in_frame(&in) > 0);
	assert_false(in.ended);
	assert_true(in.got < 16 * 65536);
	assert_non_null(strstr(in.text, "stopped before the end"));
	out_cancel(&o);
	assert_true(o.failed > 0);
	in_close(&in);
	out_close(&o);
}

static void cancel_with_pages_shared(void **state)
{
	for (unsigned m = 0; m < COUNT(modes); m++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(modes[m], ""), 65536, 64), 0);
		in_open(&in, &o, 8192);
		o.want = 64 * 65536;
		in_hello(&in, 1 << 20, W, 1 << 20);
		out_settle(&o);
		assert_int_equal(o.submitted, 64);
		out_cancel(&o);
		assert_int_equal(o.failed, 64);
		assert_int_equal(o.status, -ECANCELED);
		in_close(&in);
		out_close(&o);
	}
}

/* The end was sent and the link broke: it is told again, and the stream is whole. */
static void broken_at_the_end(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",frame,ack", 4096, 8), 0);
	in_open(&in, &o, 0);
	o.want = 5 * 4096;
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 5 * 4096, 4096);
	in_end(&in, 0);
	in_reset(&in);
	in.rx.ended = 0;
	in_again(&in);
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_end(&in, 1);
	assert_int_equal(out_finish(&o), 0);
	out_drain(&o);
	assert_int_equal(o.failed, 0);
	assert_int_equal(in.got, 5 * 4096);
	in_close(&in);
	out_close(&o);
}

static void listener_is_left_and_found_again(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp-listen", ",frame,ack", 65536, 8), 0);
	in_open(&in, &o, 0);
	o.want = 2000000;
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 1000000, 65536);
	in_reset(&in);
	in_again(&in);
	in_hello(&in, 1 << 20, W, 1 << 20);
	in_until(&in, 2000000, 65536);
	in_end(&in, 1);
	assert_int_equal(out_finish(&o), 0);
	out_drain(&o);
	assert_int_equal(o.failed, 0);
	in_close(&in);
	out_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_stream),
		cmocka_unit_test(auto_shares_pages),
		cmocka_unit_test(held_until_acknowledged),
		cmocka_unit_test(window),
		cmocka_unit_test(smaller_frames),
		cmocka_unit_test(link_made_again),
		cmocka_unit_test(resumed_inside_a_buffer),
		cmocka_unit_test(less_than_it_acknowledged),
		cmocka_unit_test(more_than_was_sent),
		cmocka_unit_test(impossible_acks),
		cmocka_unit_test(ack_of_what_still_waits),
		cmocka_unit_test(gives_up_after_retry),
		cmocka_unit_test(no_retry),
		cmocka_unit_test(broken_without_acks),
		cmocka_unit_test(refused_by_the_receiver),
		cmocka_unit_test(put_off_by_the_receiver),
		cmocka_unit_test(acknowledges_less_than_asked),
		cmocka_unit_test(no_speaker_of_frames),
		cmocka_unit_test(losses_are_told),
		cmocka_unit_test(stream_is_described),
		cmocka_unit_test(passed_on),
		cmocka_unit_test(heartbeats),
		cmocka_unit_test(abort_is_told),
		cmocka_unit_test(cancel_with_pages_shared),
		cmocka_unit_test(broken_at_the_end),
		cmocka_unit_test(listener_is_left_and_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
