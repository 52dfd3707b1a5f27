// SPDX-License-Identifier: MIT
/* FILE.dmaflow: a framed stream that is cut, killed, resumed, finished, or not the one it was. */
#include "file_help.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <dmaflow/base/record.h>

#define RUN "gen:block=64K,blocks=8"

static const char *const ways[] = {"", ",engine=sync", ",direct", ",direct,engine=sync"};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static char sink[128];

static void sink_of(size_t way)
{
	(void)snprintf(sink, sizeof(sink), "file:%%s/out,append%s", ways[way]);
}

static struct dmaf_record record(const char *name)
{
	uint8_t bytes[DMAF_RECORD_FILE] = {0};
	struct dmaf_record r;
	int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, bytes, sizeof(bytes));
	assert_true(n > 0);
	assert_int_equal(close(fd), 0);
	assert_true(dmaf_record_get(bytes, (size_t)n, &r) > 0);
	return r;
}

static void cut_and_resumed(void **state)
{
	for (size_t w = 0; w < WAYS; w++)
		for (int durable = 0; durable < 2; durable++) {
			struct dmaf_record r;

			sink_of(w);
			gen = (struct gen){
				.total = MIB + 333, .id = 7, .fail_after = 14, .durable = durable};
			assert_int_equal(run_flow(RUN, sink), -ECONNRESET);
			assert_false(gen.resumed);
			r = record("out.dmaflow");
			assert_int_equal(r.id[0], 7);
			assert_int_equal(r.flags, 0);
			/* What was given back is recorded, what is recorded is there. */
			if (r.pos.offset < gen.done_bytes)
				fail_msg("%s: recorded %llu, given back %llu", sink,
					 (unsigned long long)r.pos.offset,
					 (unsigned long long)gen.done_bytes);
			assert_true(size_of("out") >= r.file_pos);
			check_bytes("out", 0, 0, r.file_pos);

			gen.fail_after = 0;
			if (run_flow(RUN, sink))
				fail_msg("%s", why);
			assert_true(gen.resumed);
			assert_int_equal(gen.from.offset, r.pos.offset);
			assert_int_equal(gen.from.seq, r.pos.sequence);
			check_file("out", gen.total);
			assert_int_equal(record("out.dmaflow").flags, DMAF_RECORD_FINISHED);

			/* Once more: all of it is there, nothing is added. */
			assert_int_equal(run_flow(RUN, sink), 0);
			assert_int_equal(gen.from.offset, gen.total);
			check_file("out", gen.total);
			assert_int_equal(unlink(in_dir("out")), 0);
			assert_int_equal(unlink(in_dir("out.dmaflow")), 0);
		}
}

/* The record is ahead of what the source is told, at every moment. */
static void ahead_of_done(void)
{
	struct dmaf_record r = record("out.dmaflow");

	if (r.pos.offset < gen.done_bytes)
		fail_msg("recorded %llu, given back %llu", (unsigned long long)r.pos.offset,
			 (unsigned long long)gen.done_bytes);
}

static void recorded_before_given_back(void **state)
{
	for (size_t w = 0; w < WAYS; w++)
		for (int durable = 0; durable < 2; durable++) {
			sink_of(w);
			gen = (struct gen){.total = 3 * MIB,
					   .id = 7,
					   .durable = durable,
					   .on_done = ahead_of_done};
			assert_int_equal(run_flow(RUN, sink), 0);
			assert_int_equal(gen.done_bytes, gen.total);
			check_file("out", gen.total);
			assert_int_equal(unlink(in_dir("out")), 0);
			assert_int_equal(unlink(in_dir("out.dmaflow")), 0);
		}
}

static void gaps_are_recorded(void **state)
{
	struct dmaf_record r;

	gen = (struct gen){
		.total = 20 * 64 * KIB, .id = 7, .fail_after = 18, .lose_at = 3, .lose = 4};
	assert_int_equal(run_flow(RUN, "file:%s/out,append,on-gap=skip"), -ECONNRESET);
	r = record("out.dmaflow");
	assert_true(r.pos.sequence > 7);
	assert_int_equal(r.pos.offset, r.pos.sequence * 64 * KIB);
	assert_int_equal(r.file_pos, r.pos.offset - 4 * 64 * KIB);
	gen.fail_after = gen.lose = 0;
	assert_int_equal(run_flow(RUN, "file:%s/out,append,on-gap=skip"), 0);
	assert_int_equal(size_of("out"), gen.total - 4 * 64 * KIB);
	check_bytes("out", 0, 0, 3 * 64 * KIB);
	check_bytes("out", 3 * 64 * KIB, 7 * 64 * KIB, gen.total - 7 * 64 * KIB);
	assert_int_equal(fig.sink[0].count.lost, 0); /* told in the first run, not again */
}

static void other_streams(void **state)
{
	uint64_t first = 15 * 64 * KIB + 9;

	gen = (struct gen){.total = MIB, .id = 7, .fail_after = 14};
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), -ECONNRESET);
	/* Another one, or one without a name, would be written over what that one still needs. */
	gen = (struct gen){.total = MIB, .id = 8};
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), -EEXIST);
	assert_non_null(strstr(why, "of stream 07000000"));
	assert_non_null(strstr(why, "this is stream 08000000"));
	gen.id = 0;
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), -EEXIST);
	assert_non_null(strstr(why, "unframed"));
	assert_int_equal(record("out.dmaflow").id[0], 7);
	check_bytes("out", 0, 0, record("out.dmaflow").file_pos);

	/* Behind a finished one it is welcome. */
	gen = (struct gen){.total = first, .id = 7};
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), 0);
	check_file("out", first);
	gen = (struct gen){.total = MIB, .id = 8, .fail_after = 14};
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), -ECONNRESET);
	gen.fail_after = 0;
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), 0);
	assert_int_equal(size_of("out"), first + MIB);
	check_bytes("out", 0, 0, first);
	check_bytes("out", first, 0, MIB);
	assert_int_equal(record("out.dmaflow").pos.offset, MIB);

	/* Without append it all begins anew, and the record goes. */
	gen = (struct gen){.total = 1000, .id = 9};
	assert_int_equal(run_flow(RUN, "file:%s/out"), 0);
	check_file("out", 1000);
	assert_false(exists("out.dmaflow"));
}

static void file_and_record_differ(void **state)
{
	gen = (struct gen){.total = MIB, .id = 7, .fail_after = 14};
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), -ECONNRESET);
	gen.fail_after = 0;

	/* Shorter than recorded. */
	assert_int_equal(truncate(in_dir("out"), 1000), 0);
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), -EINVAL);
	assert_non_null(strstr(why, "1000 bytes"));
	assert_int_equal(size_of("out"), 1000);

	/* Gone: the record speaks of nothing. */
	assert_int_equal(unlink(in_dir("out")), 0);
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), 0);
	assert_false(gen.resumed);
	check_file("out", gen.total);

	/* Longer, as after a kill: what is behind the record is not trusted. */
	assert_int_equal(unlink(in_dir("out")), 0);
	assert_int_equal(unlink(in_dir("out.dmaflow")), 0);
	gen.fail_after = 14;
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), -ECONNRESET);
	assert_int_equal(truncate(in_dir("out"), 8 * MIB), 0);
	gen.fail_after = 0;
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), 0);
	check_file("out", gen.total);

	/* Not a record, or a ruined one: not ours to write over, whatever is asked. */
	make_file("out.dmaflow", 300);
	assert_int_equal(run_flow(RUN, "file:%s/out,append"), -EINVAL);
	assert_non_null(strstr(why, "out.dmaflow"));
	assert_int_equal(run_flow(RUN, "file:%s/out"), 0);
	check_file("out.dmaflow", 300);
}

/* A child that is killed while it writes; what it left is resumed until the stream is whole. */
static void killed(void **state)
{
	for (size_t w = 0; w < WAYS; w++) {
		int killed = 0, status = -1, seed = 1;

		sink_of(w);
		for (int round = 0; round < 200 && status; round++) {
			struct timespec nap = {.tv_nsec = (seed = (seed * 75) % 65537) * 400};
			pid_t pid;

			gen = (struct gen){.total = 24 * MIB + 5, .id = 7};
			pid = fork();
			assert_true(pid >= 0);
			if (!pid) {
				(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
				if (!run_flow(RUN, sink))
					_exit(0);
				(void)fprintf(stderr, "# %s\n", why);
				_exit(1);
			}
			/* Each round gets longer, so that the stream does end. */
			nap.tv_nsec += round * 1000000;
			(void)nanosleep(&nap, NULL);
			(void)kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			killed += WIFSIGNALED(status) != 0;
			assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
			/* Empty, it was made and not yet written when the end came. */
			if (exists("out.dmaflow") && size_of("out.dmaflow") && WIFSIGNALED(status))
				check_bytes("out", 0, 0, record("out.dmaflow").file_pos);
		}
		assert_int_equal(status, 0);
		assert_true(killed > 0);
		check_file("out", gen.total);
		assert_int_equal(unlink(in_dir("out")), 0);
		assert_int_equal(unlink(in_dir("out.dmaflow")), 0);
	}
}

/* A file source goes on where the sink is, also in the middle of a sector. */
static void source_resumes(void **state)
{
	struct dmaf_resume r = {.offset = 70001, .seq = 9};
	dmaf_source *src;
	dmaf_buf *b;
	uint64_t at = 70001;
	int rc;

	make_file("in", 300 * KIB);
	for (int direct = 0; direct < 2; direct++) {
		(void)snprintf(why, sizeof(why), "file:%s,block=64K%s", in_dir("in"),
			       direct ? ",direct" : "");
		assert_int_equal(dmaf_source_open(&src, why), 0);
		assert_int_equal(src->ops->start(src, &r), 0);
		for (at = r.offset; !(rc = dmaf_source_next(src, &b, 1000)); at += b->len) {
			const uint8_t *p = dmaf_buf_data(b);

			if (at == r.offset)
				assert_int_equal(b->seq, 9);
			assert_int_equal(b->offset, at);
			for (size_t i = 0; i < b->len; i++)
				assert_int_equal(p[i], byte_at(at + i));
			dmaf_source_done(src, b);
		}
		assert_int_equal(rc, DMAF_END);
		assert_int_equal(at, 300 * KIB);
		/* Further than the file goes, or of another stream. */
		r.offset = 300 * KIB + 1;
		assert_int_equal(src->ops->start(src, &r), -EINVAL);
		assert_non_null(strstr(src->p.err.text, "not the file it was"));
		r.offset = 70001;
		dmaf_source_close(src);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(cut_and_resumed), T(recorded_before_given_back), T(gaps_are_recorded),
		T(other_streams),   T(file_and_record_differ),     T(killed),
		T(source_resumes),
	};

	if (dmaf_kind_add(&gen_kind))
		return 1;
	return cmocka_run_group_tests_name("file_resume", tests, NULL, NULL);
}
