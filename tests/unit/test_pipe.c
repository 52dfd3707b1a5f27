// SPDX-License-Identifier: MIT
/* Standard input and output, fifos, and what may be behind them. */
#include "file_help.h"

#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#define TOTAL (3 * MIB + 1234)

/* Runs a flow in a child whose standard input and output are these; -1: as they are. */
static pid_t child(int in, int out, const char *source, const char *sink, const char *says)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)signal(SIGPIPE, SIG_DFL);
	if ((in >= 0 && dup2(in, 0) < 0) || (out >= 0 && dup2(out, 1) < 0))
		_exit(99);
	for (int fd = 3; fd < 64; fd++)
		(void)close(fd);
	if (in == -2)
		(void)close(0);
	{
		int rc = run_flow(source, sink);

		if (says && !strstr(why, says))
			_exit(98);
		_exit(rc ? -rc : 0);
	}
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Reads to the end, @step bytes at a time at most. Returns how many were as they should be. */
static uint64_t drain(int fd, size_t step)
{
	static uint8_t buf[65536];
	uint64_t at = 0;
	ssize_t n;

	while ((n = read(fd, buf, step)) > 0)
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] == byte_at(at))
				at++;
			else
				return 0;
	return at;
}

static void feed(int fd, uint64_t from, uint64_t len, size_t step)
{
	static uint8_t buf[65536];

	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < step ? (size_t)(len - at) : step;
		ssize_t put;

		for (size_t i = 0; i < n; i++)
			buf[i] = byte_at(from + at + i);
		put = write(fd, buf, n);
		assert_true(put > 0);
		at += (uint64_t)put;
	}
}

static void to_standard_output(void **state)
{
	static const size_t steps[] = {1000, 65536};

	for (int kind = 0; kind < 2; kind++)
		for (size_t s = 0; s < 2; s++) {
			int p[2];
			pid_t pid;

			if (kind)
				assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
			else
				assert_int_equal(pipe(p), 0);
			gen = (struct gen){.total = TOTAL, .piece = {0, 77, 5000, 1}};
			pid = child(-1, p[1], "gen:block=64K,blocks=4", "-", NULL);
			(void)close(p[1]);
			assert_int_equal(drain(p[0], steps[s]), TOTAL);
			assert_int_equal(status_of(pid), 0);
			(void)close(p[0]);
		}
}

static void from_standard_input(void **state)
{
	int p[2];
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	pid = child(p[0], -1, "-,block=64K", "file:%s/out", NULL);
	(void)close(p[0]);
	feed(p[1], 0, 100, 7);
	feed(p[1], 100, TOTAL - 100, 50000);
	(void)close(p[1]);
	assert_int_equal(status_of(pid), 0);
	check_file("out", TOTAL);
}

/* `>>` and `<` move an offset that the shell's next command goes on from. */
static void regular_files(void **state)
{
	int in, out;

	make_file("in", 100 * KIB);
	make_file("out", 1000);
	in = open(in_dir("in"), O_RDONLY | O_CLOEXEC);
	out = open(in_dir("out"), O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(in >= 0 && out >= 0);
	assert_int_equal(lseek(in, 500, SEEK_SET), 500);
	assert_int_equal(status_of(child(in, -1, "-", "file:%s/rest", NULL)), 0);
	assert_int_equal(lseek(in, 0, SEEK_CUR), 100 * KIB);
	check_bytes("rest", 0, 500, 100 * KIB - 500);
	gen = (struct gen){.total = 5000};
	assert_int_equal(status_of(child(-1, out, "gen:block=4K", "-", NULL)), 0);
	assert_int_equal(size_of("out"), 6000);
	check_bytes("out", 1000, 0, 5000);
	(void)close(in);
	(void)close(out);
}

/* Others read and write the same description: it must stay as blocking as it was. */
static void flags_stay(void **state)
{
	int p[2], q[2], status;
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(q), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		(void)dup2(p[0], 0);
		(void)dup2(q[1], 1);
		(void)close(p[1]);
		(void)close(q[0]);
		gen = (struct gen){.total = TOTAL};
		_exit(run_flow("-", "file:%s/in") || run_flow("gen:", "-") ||
		      (fcntl(0, F_GETFL) & O_NONBLOCK) || (fcntl(1, F_GETFL) & O_NONBLOCK));
	}
	(void)close(q[1]);
	(void)close(p[0]);
	(void)close(p[1]);
	assert_int_equal(drain(q[0], 65536), TOTAL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(q[0]);
}

static void to_a_terminal(void **state)
{
	struct termios raw;
	int m, s;
	pid_t pid;

	assert_int_equal(openpty(&m, &s, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(s, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(s, TCSANOW, &raw), 0);
	gen = (struct gen){.total = 100000};
	pid = child(-1, s, "gen:block=4K", "-", NULL);
	assert_false(fcntl(s, F_GETFL) & O_NONBLOCK);
	(void)close(s);
	assert_int_equal(drain(m, 512), 100000); /* ends with EIO */
	assert_int_equal(status_of(pid), 0);
	(void)close(m);
}

static void reader_leaves(void **state)
{
	int p[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(p), 0);
	gen = (struct gen){.total = 64 * MIB};
	pid = child(-1, p[1], "gen:", "-", "the other end is closed");
	(void)close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	(void)close(p[0]);
	assert_int_equal(status_of(pid), EPIPE); /* and not killed by SIGPIPE */
}

static void gap_as_zeros(void **state)
{
	uint8_t *got = malloc(MIB);
	size_t at = 0;
	int p[2];
	pid_t pid;
	ssize_t n;

	assert_non_null(got);
	assert_int_equal(pipe(p), 0);
	gen = (struct gen){
		.total = 10 * 5000, .piece = {5000, 5000, 5000, 5000}, .lose_at = 2, .lose = 3};
	pid = child(-1, p[1], "gen:block=8K", "-,on-gap=zero", NULL);
	(void)close(p[1]);
	while ((n = read(p[0], got + at, MIB - at)) > 0)
		at += (size_t)n;
	assert_int_equal(status_of(pid), 0);
	assert_int_equal(at, gen.total);
	for (size_t i = 0; i < at; i++)
		assert_int_equal(got[i], i >= 10000 && i < 25000 ? 0 : byte_at(i));
	(void)close(p[0]);
	free(got);
}

static void fifo_either_first(void **state)
{
	int fd;
	pid_t pid;

	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	/* The reader is there before any writer. */
	pid = child(-1, -1, "pipe:%s/fifo,block=64K", "file:%s/out", NULL);
	fd = open(in_dir("fifo"), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	feed(fd, 0, TOTAL, 30000);
	(void)close(fd);
	assert_int_equal(status_of(pid), 0);
	check_file("out", TOTAL);
	/* The writer is. */
	gen = (struct gen){.total = TOTAL};
	pid = child(-1, -1, "gen:block=64K", "pipe:%s/fifo", NULL);
	fd = open(in_dir("fifo"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(drain(fd, 65536), TOTAL);
	(void)close(fd);
	assert_int_equal(status_of(pid), 0);
}

/* A few bytes do not wait for a block that never fills. */
static void partial_blocks(void **state)
{
	dmaf_source *src;
	dmaf_buf *b;
	int fd;

	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	(void)snprintf(why, sizeof(why), "pipe:%s,max-delay=1ms,block=64K", in_dir("fifo"));
	assert_int_equal(dmaf_source_open(&src, why), 0);
	assert_int_equal(dmaf_source_next(src, &b, 0), -EAGAIN); /* no writer is no end */
	fd = open(in_dir("fifo"), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (uint64_t at = 0; at < 5; at++) {
		feed(fd, at * 10, 10, 10);
		assert_int_equal(dmaf_source_next(src, &b, 10000), 0);
		assert_int_equal(b->len, 10);
		assert_int_equal(b->seq, at);
		assert_int_equal(b->offset, at * 10);
		assert_true(b->flags & DMAF_BUF_PARTIAL);
		assert_int_equal(*(uint8_t *)dmaf_buf_data(b), byte_at(at * 10));
		dmaf_source_done(src, b);
	}
	feed(fd, 50, 3, 3);
	(void)close(fd);
	assert_int_equal(dmaf_source_next(src, &b, 10000), 0);
	assert_int_equal(b->len, 3);
	dmaf_source_done(src, b);
	assert_int_equal(dmaf_source_next(src, &b, 10000), DMAF_END);
	dmaf_source_close(src);

	/* Without it they do wait: only the end makes them go. */
	(void)snprintf(why, sizeof(why), "pipe:%s,max-delay=1h,block=64K", in_dir("fifo"));
	assert_int_equal(dmaf_source_open(&src, why), 0);
	fd = open(in_dir("fifo"), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	feed(fd, 0, 10, 10);
	assert_int_equal(dmaf_source_next(src, &b, 150), -EAGAIN);
	(void)close(fd);
	assert_int_equal(dmaf_source_next(src, &b, 10000), 0);
	assert_true(b->flags & DMAF_BUF_LAST);
	dmaf_source_done(src, b);
	dmaf_source_close(src);
}

static void *abort_flow(void *flow)
{
	(void)usleep(50000);
	dmaf_flow_abort(flow);
	return NULL;
}

/* Nobody reads, or nobody ever opens: an abort still gets every buffer back. */
static void stuck_and_aborted(void **state)
{
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	for (int reader = 0; reader < 2; reader++) {
		int fd = reader ? open(in_dir("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
		dmaf_flow *f = dmaf_flow_new();
		pthread_t t;

		assert_non_null(f);
		gen = (struct gen){.total = 64 * MIB};
		(void)snprintf(why, sizeof(why), "pipe:%s", in_dir("fifo"));
		assert_int_equal(dmaf_flow_add(f, "gen:"), 0);
		assert_int_equal(dmaf_flow_add(f, why), 0);
		assert_int_equal(dmaf_flow_open(f), 0);
		assert_int_equal(pthread_create(&t, NULL, abort_flow, f), 0);
		assert_int_equal(dmaf_flow_run(f), -ECANCELED);
		assert_int_equal(pthread_join(t, NULL), 0);
		dmaf_flow_figures(f, &fig);
		assert_int_equal(fig.pool_free, fig.pool_count);
		dmaf_flow_close(f);
		if (fd >= 0)
			(void)close(fd);
	}
}

static void refused(const char *source, const char *sink, int rc, const char *says)
{
	int got = run_flow(source, sink);

	if (got != rc || !strstr(why, says))
		fail_msg("%s to %s: %d '%s', not %d '%s'", source, sink, got, why, rc, says);
}

static void bad_ends(void **state)
{
	gen = (struct gen){.total = 100};
	make_file("in", 10);
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	refused("pipe:%s/absent", "null:", -ENOENT, "mkfifo");
	refused("gen:", "pipe:%s/absent", -ENOENT, "mkfifo");
	refused("pipe:%s/in", "null:", -EINVAL, "file:");
	refused("pipe:%s", "null:", -EINVAL, "not a fifo");
	refused("pipe:", "null:", -EINVAL, "pipe:PATH");
	refused("-", "-", -EINVAL, "both ends");
	refused("gen:", "pipe:%s/fifo,max-delay=3", -EINVAL, "max-delay");
	gen.durable = true;
	refused("gen:", "pipe:%s/fifo", -EINVAL, "power loss");
	assert_int_equal(status_of(child(-2, -1, "-", "null:", "standard input is closed")), EBADF);
}

static void nothing_leaks(void **state)
{
	unsigned before = open_fds();

	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	for (int i = 0; i < 500; i++) {
		dmaf_source *src;

		(void)snprintf(why, sizeof(why), "pipe:%s,block=4K", in_dir("fifo"));
		assert_int_equal(dmaf_source_open(&src, why), 0);
		dmaf_source_close(src);
		(void)run_flow("gen:", "pipe:%s/absent");
	}
	assert_int_equal(open_fds(), before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(to_standard_output), T(from_standard_input),
		T(regular_files),      T(flags_stay),
		T(to_a_terminal),      T(reader_leaves),
		T(gap_as_zeros),       T(fifo_either_first),
		T(partial_blocks),     T(stuck_and_aborted),
		T(bad_ends),           T(nothing_leaks),
	};

	if (dmaf_kind_add(&gen_kind))
		return 1;
	return cmocka_run_group_tests_name("pipe", tests, NULL, NULL);
}
