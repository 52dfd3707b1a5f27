/* SPDX-License-Identifier: MIT */
/* The tcp sink: every way of sending against receivers that read, stall, reset and leave. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sink_rig.h"

static const char *const unframed[] = {"copy", "zerocopy", "sendzc", "auto"};
static const char *const acked[] = {"copy", "zerocopy", "sendzc", "splice", "auto"};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *with(const char *mode, const char *more)
{
	static char text[128];

	snprintf(text, sizeof(text), ",mode=%s%s", mode, more);
	return text;
}

static uint64_t copies(const struct out *o, const char *reason)
{
	for (unsigned i = 0; i < DMAF_COPY_REASONS; i++)
		if (o->sink.p.count.copies[i].reason == reason)
			return o->sink.p.count.copies[i].bytes;
	return 0;
}

static void whole_stream(void **state)
{
	for (unsigned m = 0; m < COUNT(unframed); m++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(unframed[m], ""), 65536, 8), 0);
		in_open(&in, &o, 0);
		o.want = 5000000;
		in_check(&in, 5000000);
		out_drain(&o);
		assert_int_equal(o.failed, 0);
		assert_int_equal(o.sink.ops->flush(&o.sink, DMAF_FLUSH_FINISH), -EAGAIN);
		assert_int_equal(in_to_end(&in), 0);
		assert_int_equal(out_finish(&o), 0);
		assert_int_equal(in.got, 5000000);
		assert_int_equal(copies(&o, dmaf_copy_send) + copies(&o, dmaf_copy_late), 5000000);
		in_close(&in);
		out_close(&o);
	}
}

/* Whoever copies says so, by reason: loopback copies what was sent without a copy. */
static void copies_are_counted(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",mode=zerocopy", 65536, 8), 0);
	in_open(&in, &o, 0);
	o.want = 1 << 20;
	in_check(&in, 1 << 20);
	out_drain(&o);
	assert_int_equal(copies(&o, dmaf_copy_late), 1 << 20);
	assert_int_equal(copies(&o, dmaf_copy_send), 0);
	assert_true(o.sink.p.count.copied > 0);
	assert_int_equal(o.sink.p.count.zerocopied, 0);
	assert_string_equal(o.sink.p.count.path, "zerocopy");
	in_close(&in);
	out_close(&o);
}

static void auto_leaves_what_copies(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", "", 65536, 256), 0);
	in_open(&in, &o, 0);
	o.want = 32 << 20;
	in_check(&in, 32 << 20);
	out_drain(&o);
	assert_string_equal(o.sink.p.count.path, "copy");
	assert_non_null(strstr(o.sink.p.count.note, "zerocopy → copy: the kernel copied"));
	assert_non_null(strstr(o.sink.p.count.note, "loopback copies"));
	assert_true(o.sink.p.count.copied >= 16 && o.sink.p.count.copied < 100);
	in_close(&in);
	out_close(&o);
}

static void short_writes(void **state)
{
	for (unsigned m = 0; m < COUNT(unframed); m++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(unframed[m], ",sndbuf=4096"), 100000, 4),
				 0);
		in_open(&in, &o, 4096);
		o.want = 1234567;
		in_check(&in, 1234567);
		out_drain(&o);
		assert_int_equal(o.failed, 0);
		in_close(&in);
		out_close(&o);
	}
}

/* A receiver that stops reading: the pool runs dry, nothing comes back early, then all goes on. */
static void stops_reading_and_goes_on(void **state)
{
	for (unsigned m = 0; m < COUNT(unframed); m++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(unframed[m], ",sndbuf=16K"), 65536, 8),
				 0);
		in_open(&in, &o, 8192);
		o.want = 4 << 20;
		in_check(&in, 100000);
		out_settle(&o);
		assert_true(o.want > 0);
		assert_int_equal(dmaf_pool_free_count(o.pool), 0);
		in_check(&in, (4 << 20) - 100000);
		out_drain(&o);
		assert_int_equal(o.failed, 0);
		/* Every notification was one that a send had been waiting for. */
		assert_int_equal(o.sink.p.count.errors, 0);
		in_close(&in);
		out_close(&o);
	}
}

/*
 * A receiver that never reads again: cancel makes the memory ours at once. What is written to it
 * then must never reach the receiver.
 */
static void never_comes_back(void **state)
{
	for (unsigned m = 0; m < COUNT(unframed); m++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(unframed[m], ""), 65536, 64), 0);
		in_open(&in, &o, 8192);
		o.want = 64 << 20;
		out_settle(&o);
		assert_int_equal(dmaf_pool_free_count(o.pool), 0);
		assert_true(o.back < o.submitted);
		out_cancel(&o);
		assert_true(o.failed > 0);
		assert_int_equal(o.status, -ECANCELED);
		assert_int_equal(dmaf_pool_free_count(o.pool), 64);
		assert_int_equal(in_to_end(&in), -1); /* a reset, after what had arrived */
		in_close(&in);
		out_close(&o);
	}
}

static void reset_in_the_middle(void **state)
{
	for (unsigned m = 0; m < COUNT(unframed); m++) {
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(unframed[m], ""), 65536, 16), 0);
		in_open(&in, &o, 0);
		o.want = 64 << 20;
		in_check(&in, 1000000);
		in_reset(&in);
		out_drain(&o);
		assert_true(o.rc < 0);
		assert_true(o.failed > 0);
		assert_true(o.status == -ECONNRESET || o.status == -EPIPE);
		assert_non_null(strstr(o.sink.p.err.text, "the peer closed the connection"));
		assert_int_equal(dmaf_pool_free_count(o.pool), 16);
		out_close(&o);
	}
}

/* Nothing is being sent when the peer goes: the next wait finds out. */
static void reset_while_idle(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", "", 4096, 4), 0);
	in_open(&in, &o, 0);
	o.want = 4096;
	in_check(&in, 4096);
	out_drain(&o);
	in_reset(&in);
	for (unsigned i = 0; i < 100 && !o.rc; i++)
		out_step(&o, 10);
	assert_int_equal(o.rc, -ECONNRESET);
	out_close(&o);
}

/* Bytes that the peer's TCP has not taken are not sent. */
static void finish_waits_for_the_peer(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp", ",mode=copy", 65536, 16), 0);
	in_open(&in, &o, 4096);
	o.want = 16 * 65536;
	while (o.back < 16) {
		out_step(&o, 5);
		if (o.submitted == 16 && o.t->blocked)
			in_check(&in, 4096);
	}
	assert_int_equal(o.sink.ops->flush(&o.sink, DMAF_FLUSH_FINISH), -EAGAIN);
	out_settle(&o);
	assert_int_equal(o.sink.ops->flush(&o.sink, DMAF_FLUSH_FINISH), -EAGAIN);
	assert_int_equal(in_to_end(&in), 0);
	assert_int_equal(in.got, 16 * 65536);
	assert_int_equal(out_finish(&o), 0);
	in_close(&in);
	out_close(&o);
}

static void user_timeout(void **state)
{
	struct out o;
	struct in in;
	unsigned i;

	assert_int_equal(out_open(&o, "tcp", ",mode=copy,user-timeout=200ms", 65536, 16), 0);
	in_open(&in, &o, 4096);
	o.want = 8 << 20;
	for (i = 0; i < 1000 && !o.rc; i++)
		out_step(&o, 20);
	assert_int_equal(o.rc, -ETIMEDOUT);
	assert_non_null(strstr(o.sink.p.err.text, "acknowledges nothing any more"));
	out_drain(&o);
	in_close(&in);
	out_close(&o);
}

static void loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		_exit(10);
	close(fd);
}

/* In a network of its own, whose optmem is @bytes. */
static int in_network(const char *bytes, void (*f)(void))
{
	int status, fd;
	pid_t pid = fork();

	if (!pid) {
		if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
			_exit(11);
		loopback_up();
		fd = open("/proc/sys/net/core/optmem_max", O_WRONLY);
		if (fd < 0 || write(fd, bytes, strlen(bytes)) < 0)
			_exit(12);
		close(fd);
		f();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void starve(const char *mode)
{
	struct out o;
	struct in in;

	if (out_open(&o, "tcp", with(mode, ",sndbuf=64K"), 16384, 64))
		_exit(20);
	in_open(&in, &o, 4096);
	o.want = 3000000;
	out_settle(&o); /* the receiver stalls: notifications are withheld and use optmem up */
	in_check(&in, 3000000);
	out_drain(&o);
	if (o.failed)
		_exit(21);
	if (!o.sink.p.count.errors)
		_exit(22); /* ENOBUFS was never met: the test tests nothing */
	in_close(&in);
	out_close(&o);
}

static void starve_zerocopy(void)
{
	starve("zerocopy");
}

/* optmem runs out: wait for completions, or copy where none will come; never fail. */
static void no_optmem(void **state)
{
	assert_int_equal(in_network("2048", starve_zerocopy), 0);
	assert_int_equal(in_network("0", starve_zerocopy), 0);
}

/* [vvar]: page frames that the kernel will not pin, in every process. */
static void *pfn_page(void)
{
	char line[256];
	unsigned long at = 0;
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && !at && fgets(line, sizeof(line), f))
		if (strstr(line, "[vvar]"))
			at = strtoul(line, NULL, 16);
	if (f)
		fclose(f);
	return (void *)at;
}

static void memory_that_is_not_pinned(void **state)
{
	static const char *const modes[] = {"zerocopy", "sendzc", "splice,frame,ack"};
	void *vvar = pfn_page();
	struct out o;
	struct in in;
	int r;

	assert_non_null(vvar);
	for (unsigned m = 0; m < COUNT(modes); m++) {
		r = out_open_on(&o, "tcp", with(modes[m], ""), vvar, 4096, 1, DMAF_PFN);
		assert_int_equal(r, -EFAULT);
		assert_non_null(strstr(o.sink.p.err.text, "will not pin"));
		o.keep_content = true;
		out_close(&o);
	}
	assert_int_equal(out_open_on(&o, "tcp", "", vvar, 4096, 1, DMAF_PFN), 0);
	assert_string_equal(o.sink.p.err.text, "");
	o.keep_content = true;
	in_open(&in, &o, 0);
	o.want = 4 * 4096;
	in_check(&in, 4 * 4096);
	assert_string_equal(o.sink.p.count.path, "copy");
	assert_non_null(strstr(o.sink.p.count.note, "will not pin"));
	in_close(&in);
	out_close(&o);
}

/* Memory that was said to be pinnable and isn't. */
static void refused_when_sending(void **state)
{
	static const char *const modes[] = {"zerocopy", "sendzc"};

	for (unsigned m = 0; m < COUNT(modes); m++) {
		struct out o;
		struct in in;

		assert_int_equal(
			out_open_on(&o, "tcp", with(modes[m], ""), pfn_page(), 4096, 1, DMAF_PAGES),
			0);
		o.keep_content = true;
		in_open(&in, &o, 0);
		o.want = 4 * 4096;
		in_check(&in, 4 * 4096);
		out_drain(&o);
		assert_int_equal(o.failed, 0);
		assert_string_equal(o.sink.p.count.path, "copy");
		assert_non_null(strstr(o.sink.p.count.note, "EFAULT"));
		in_close(&in);
		out_close(&o);
	}
}

static void zeros_for_a_gap(void **state)
{
	struct out o;
	struct in in;
	uint8_t bytes[4096];
	unsigned zero = 0;

	assert_int_equal(out_open(&o, "tcp", ",on-gap=zero", 4096, 4), 0);
	in_open(&in, &o, 0);
	o.want = 4096;
	in_check(&in, 4096);
	o.seq += 50;
	o.offset += 50 * 4096;
	o.want = 4096;
	while (zero < 50 * 4096) {
		size_t left = 50 * 4096 - zero;
		ssize_t r = in_read(&in, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

		assert_true(r > 0);
		for (ssize_t i = 0; i < r; i++)
			assert_int_equal(bytes[i], 0);
		zero += (unsigned)r;
	}
	in.offset = o.offset - 4096;
	in_check(&in, 4096);
	assert_int_equal(o.sink.p.count.lost, 50);
	out_drain(&o);
	in_close(&in);
	out_close(&o);
}

/* Buffers of several segments go in order, from where they lie. */
static void several_segments(void **state)
{
	for (unsigned m = 0; m < COUNT(unframed); m++) {
		struct out o;
		struct in in;
		dmaf_buf *b;
		uint8_t *data, got[8000];
		size_t have = 0;

		assert_int_equal(out_open(&o, "tcp", with(unframed[m], ""), 16384, 2), 0);
		in_open(&in, &o, 0);
		b = dmaf_pool_try(o.pool);
		data = dmaf_buf_data(b);
		for (unsigned i = 0; i < 16384; i++)
			data[i] = (uint8_t)(i / 64);
		b->nsegs = 2;
		b->seg[1] = (struct dmaf_seg){b->seg[0].region, b->seg[0].off + 100, 5000};
		b->seg[0].off += 9000;
		b->seg[0].len = 3000;
		b->len = 8000;
		dmaf_buf_sent(b);
		assert_int_equal(o.sink.ops->submit(&o.sink, &b, 1), 1);
		o.submitted = 1;
		while (have < sizeof(got)) {
			ssize_t r = in_read(&in, got + have, sizeof(got) - have);

			assert_true(r > 0);
			have += (size_t)r;
		}
		for (unsigned i = 0; i < 8000; i++)
			assert_int_equal(got[i],
					 (uint8_t)((i < 3000 ? 9000 + i : 100 + i - 3000) / 64));
		out_drain(&o);
		in_close(&in);
		out_close(&o);
	}
}

static void waits_for_a_peer(void **state)
{
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp-listen", "", 65536, 8), 0);
	in_open(&in, &o, 0);
	o.want = 1000000;
	in_check(&in, 1000000);
	o.sink.ops->flush(&o.sink, DMAF_FLUSH_FINISH);
	assert_int_equal(in_to_end(&in), 0);
	assert_int_equal(out_finish(&o), 0);
	out_drain(&o);
	in_close(&in);
	out_close(&o);
}

/* Nobody listens, and waiting is not wanted. */
static void nobody_there(void **state)
{
	struct out o, other;

	/* A port that was free a moment ago. */
	assert_int_equal(out_open(&other, "tcp-listen", "", 4096, 2), 0);
	out_close(&other);
	assert_int_equal(out_open_at(&o, other.port, ",retry=0", 4096, 2), -ECONNREFUSED);
	assert_non_null(strstr(o.sink.p.err.text, "nobody listens on 127.0.0.1:"));
	out_close(&o);
}

/* What was given, what is wrong, what would be right. */
static void bad_input(void **state)
{
	static const struct {
		const char *options, *says;
	} t[] = {
		{",ack", "write frame,ack"},
		{",frame,window=1M", "window without ack"},
		{",mode=splice", "write frame,ack,mode=splice"},
		{",mode=splice,frame", "write frame,ack,mode=splice"},
		{",mode=trunc", "is a way to receive"},
		{",cc=nosuch", "the kernel has no such congestion control; loaded: "},
		{",nodelay,cork", "contradict each other"},
		{",bind=5", "no address"},
		{",bind=::1", "of different families"},
		{",user-timeout=30000h", "at most 24 days"},
		{",sndbuf=8G", "at most"},
	};
	struct out o;

	for (unsigned i = 0; i < COUNT(t); i++) {
		assert_int_equal(out_open(&o, "tcp", t[i].options, 4096, 2), -EINVAL);
		if (!strstr(o.sink.p.err.text, t[i].says))
			fail_msg("%s: %s", t[i].options, o.sink.p.err.text);
		out_close(&o);
	}
}

static void bound_and_tuned(void **state)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	struct out o;
	struct in in;

	assert_int_equal(out_open(&o, "tcp",
				  ",bind=127.0.0.9,cc=cubic,nodelay,keepalive,user-timeout=10s,"
				  "sndbuf=64K,rcvbuf=64K",
				  65536, 4),
			 0);
	in_open(&in, &o, 0);
	assert_int_equal(getpeername(in.fd, (struct sockaddr *)&peer, &len), 0);
	assert_int_equal(ntohl(peer.sin_addr.s_addr), 0x7f000009);
	o.want = 300000;
	in_check(&in, 300000);
	out_drain(&o);
	in_close(&in);
	out_close(&o);
}

static unsigned fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void nothing_leaks(void **state)
{
	unsigned before = fds();

	for (unsigned i = 0; i < 300; i++) {
		const char *mode = acked[i % COUNT(acked)];
		struct out o;
		struct in in;

		assert_int_equal(out_open(&o, "tcp", with(mode, ",frame,ack"), 8192, 4), 0);
		in_open(&in, &o, 0);
		o.want = 50000;
		if (i % 3) {
			in_hello(&in, 1 << 20, DMAF_WIRE_A_WRITTEN, 1 << 20);
			in_until(&in, 20000, 8192);
		}
		in_close(&in);
		out_close(&o);
	}
	assert_int_equal(fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_stream),
		cmocka_unit_test(copies_are_counted),
		cmocka_unit_test(auto_leaves_what_copies),
		cmocka_unit_test(short_writes),
		cmocka_unit_test(stops_reading_and_goes_on),
		cmocka_unit_test(never_comes_back),
		cmocka_unit_test(reset_in_the_middle),
		cmocka_unit_test(reset_while_idle),
		cmocka_unit_test(finish_waits_for_the_peer),
		cmocka_unit_test(user_timeout),
		cmocka_unit_test(no_optmem),
		cmocka_unit_test(memory_that_is_not_pinned),
		cmocka_unit_test(refused_when_sending),
		cmocka_unit_test(zeros_for_a_gap),
		cmocka_unit_test(several_segments),
		cmocka_unit_test(waits_for_a_peer),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(bad_input),
		cmocka_unit_test(bound_and_tuned),
		cmocka_unit_test(nothing_leaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
