// SPDX-License-Identifier: MIT
/* Serial lines, on pseudo-terminals: settings, transparency, hang-up. */
#include "file_help.h"

#include <asm/termbits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>

#ifndef TIOCGEXCL
#define TIOCGEXCL _IOR('T', 0x40, int)
#endif

static int master, held; /* .held: the slave, open so that closing the line is no hang-up */
static char line[64];

static int open_line(void **state)
{
	if (make_dir(state))
		return -1;
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) || unlockpt(master) ||
	    ptsname_r(master, line, sizeof(line)))
		return -1;
	held = open(line, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return held < 0;
}

static int close_line(void **state)
{
	if (held >= 0)
		(void)close(held);
	if (master >= 0)
		(void)close(master);
	return remove_dir(state);
}

static const char *address(const char *options)
{
	static char a[256];

	(void)snprintf(a, sizeof(a), "serial:%s%s", line, options);
	return a;
}

static struct termios2 settings(void)
{
	struct termios2 t;

	assert_int_equal(ioctl(held, TCGETS2, &t), 0);
	return t;
}

static void settings_and_back(void **state)
{
	struct termios2 before = settings(), during, after;
	dmaf_source *src;
	int excl = 0;

	assert_true(before.c_lflag & ICANON);
	/* No classic rate. */
	assert_int_equal(dmaf_source_open(&src, address(",baud=250000,stop=2,flow=xonxoff")), 0);
	during = settings();
	assert_int_equal(during.c_ospeed, 250000);
	assert_int_equal(during.c_ispeed, 250000);
	assert_int_equal(during.c_lflag & (ICANON | ECHO | ISIG), 0);
	assert_int_equal(during.c_oflag & OPOST, 0);
	assert_int_equal(during.c_iflag & (IXON | IXOFF | ICRNL), IXON | IXOFF);
	assert_true(during.c_cflag & CSTOPB);
	assert_int_equal(ioctl(held, TIOCGEXCL, &excl), 0);
	assert_int_equal(excl, 1);
	dmaf_source_close(src);
	after = settings();
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(ioctl(held, TIOCGEXCL, &excl), 0);
	assert_int_equal(excl, 0);
}

static void every_byte_comes(void **state)
{
	uint8_t sent[4096], got[4096];
	size_t in = 0, out = 0;
	dmaf_source *src;
	dmaf_buf *b;
	int flags;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i ^ (i >> 8)); /* all values: XON, EOF, NL, 0xff among them */
	assert_int_equal(dmaf_source_open(&src, address(",block=1K")), 0);
	while (in < sizeof(sent)) {
		if (out < sizeof(sent)) {
			ssize_t n = write(master, sent + out,
					  sizeof(sent) - out < 500 ? sizeof(sent) - out : 500);

			assert_true(n > 0);
			out += (size_t)n;
		}
		assert_int_equal(dmaf_source_next(src, &b, 10000), 0);
		assert_int_equal(b->offset, in);
		memcpy(got + in, dmaf_buf_data(b), b->len);
		in += b->len;
		dmaf_source_done(src, b);
	}
	assert_memory_equal(sent, got, sizeof(sent));
	assert_int_equal(src->p.count.copies[0].bytes, sizeof(sent));
	assert_true(src->flags & DMAF_SRC_NOT_PAUSABLE);
	dmaf_source_close(src);

	/* And the other way. */
	flags = fcntl(master, F_GETFL);
	assert_int_equal(fcntl(master, F_SETFL, flags | O_NONBLOCK), 0);
	{
		dmaf_pool *pool;
		dmaf_sink *sink;

		assert_int_equal(dmaf_pool_open(&pool, "memory:block=1K,blocks=4"), 0);
		assert_int_equal(dmaf_sink_open(&sink, pool, address(",baud=9600")), 0);
		for (size_t i = 0; i < sizeof(sent); i += 1024) {
			assert_int_equal(dmaf_pool_take(pool, &b, 0), 0);
			memcpy(dmaf_buf_data(b), sent + i, 1024);
			dmaf_buf_filled(b, 1024);
			assert_int_equal(dmaf_sink_submit(sink, b), 0);
			for (in = 0; in < 1024;) {
				struct pollfd p = {.fd = master, .events = POLLIN};
				ssize_t n;

				assert_int_equal(poll(&p, 1, 10000), 1);
				n = read(master, got + i + in, 1024 - in);
				assert_true(n > 0);
				in += (size_t)n;
			}
		}
		assert_int_equal(dmaf_sink_drain(sink, 5000), 0);
		assert_memory_equal(sent, got, sizeof(sent));
		dmaf_sink_close(sink);
		dmaf_pool_close(pool);
	}
}

static void *hang_up(void *unused)
{
	uint8_t bytes[300];
	ssize_t n;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = byte_at(i);
	n = write(master, bytes, sizeof(bytes));
	(void)usleep(30000);
	(void)close(master);
	master = -1;
	return n == sizeof(bytes) ? NULL : (void *)1;
}

static void hang_up_is_an_end(void **state)
{
	char source[256];
	pthread_t t;
	void *failed;
	dmaf_flow *f = dmaf_flow_new();

	assert_non_null(f);
	(void)close(held);
	held = -1;
	(void)snprintf(source, sizeof(source), "%s", address(""));
	(void)snprintf(why, sizeof(why), "file:%s", in_dir("out"));
	assert_int_equal(dmaf_flow_add(f, source), 0);
	assert_int_equal(dmaf_flow_add(f, why), 0);
	assert_int_equal(dmaf_flow_open(f), 0);
	assert_int_equal(pthread_create(&t, NULL, hang_up, NULL), 0);
	assert_int_equal(dmaf_flow_run(f), 0);
	assert_int_equal(pthread_join(t, &failed), 0);
	assert_null(failed);
	dmaf_flow_figures(f, &fig);
	assert_non_null(strstr(fig.source.count.note, "hung up after 300 bytes"));
	dmaf_flow_close(f);
	check_file("out", 300);
}

static void hang_up_under_a_sink(void **state)
{
	pthread_t t;
	char sink[256];
	dmaf_flow *f = dmaf_flow_new();

	assert_non_null(f);
	(void)close(held);
	held = -1;
	gen = (struct gen){.total = 64 * MIB};
	(void)snprintf(sink, sizeof(sink), "%s", address(""));
	assert_int_equal(dmaf_flow_add(f, "gen:"), 0);
	assert_int_equal(dmaf_flow_add(f, sink), 0);
	assert_int_equal(dmaf_flow_open(f), 0);
	assert_int_equal(pthread_create(&t, NULL, hang_up, NULL), 0);
	assert_int_equal(dmaf_flow_run(f), -EIO);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_non_null(strstr(dmaf_flow_err(f)->text, "the other end is closed"));
	dmaf_flow_figures(f, &fig);
	assert_int_equal(fig.pool_free, fig.pool_count);
	dmaf_flow_close(f);
}

static void refused(const char *source, int rc, const char *says)
{
	int got = run_flow(source, "null:");

	if (got != rc || !strstr(why, says))
		fail_msg("%s: %d '%s', not %d '%s'", source, got, why, rc, says);
}

static void bad_lines(void **state)
{
	struct termios2 before = settings(), after;
	dmaf_source *src;

	make_file("in", 10);
	refused("serial:/dev/ttyNONE9", -ENOENT, "no such line");
	refused("serial:", -EINVAL, "/dev/ttyUSB0");
	refused("serial:%s/in", -ENOTTY, "file:");
	refused("serial:/dev/null", -ENOTTY, "not a serial line");
	refused(address(",baud=12"), -EINVAL, "baud");
	refused(address(",bits=9"), -EINVAL, "bits");
	refused(address(",parity=some"), -EINVAL, "parity");
	/* A pseudo-terminal has 8 data bits and no parity, and says so when it is read back. */
	refused(address(",parity=even"), -EINVAL, "parity=even");
	refused(address(",bits=7"), -EINVAL, "bits=7");
	after = settings();
	assert_memory_equal(&before, &after, sizeof(before));

	assert_int_equal(dmaf_source_open(&src, address("")), 0);
	refused(address(""), -EBUSY, "another program has it");
	dmaf_source_close(src);
	assert_int_equal(dmaf_source_open(&src, address("")), 0);
	dmaf_source_close(src);
}

static void nothing_leaks(void **state)
{
	unsigned before = open_fds();

	for (int i = 0; i < 500; i++) {
		dmaf_source *src;

		assert_int_equal(dmaf_source_open(&src, address(",baud=57600")), 0);
		dmaf_source_close(src);
		assert_int_equal(dmaf_source_open(&src, address(",bits=7")), -EINVAL);
		dmaf_source_close(src);
	}
	assert_int_equal(open_fds(), before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_line, close_line)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(settings_and_back),    T(every_byte_comes), T(hang_up_is_an_end),
		T(hang_up_under_a_sink), T(bad_lines),        T(nothing_leaks),
	};

	if (dmaf_kind_add(&gen_kind))
		return 1;
	return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
