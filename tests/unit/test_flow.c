// SPDX-License-Identifier: MIT
/* The flow: who gets what, how it ends, and that every buffer comes back whatever happened. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "flow_kinds.h"

static struct dmaf_figures g;
static struct dmaf_err err;

static int reset(void **state)
{
	flow_kinds_reset();
	memset(&err, 0, sizeof(err));
	return 0;
}

static int kinds(void **state)
{
	flow_kinds_add();
	return 0;
}

/* Sink @k got exactly buffers [@from, @from + @n). */
static void got(int k, uint64_t from, unsigned n)
{
	assert_int_equal(tally[k].n, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(tally[k].seq[i], from + i);
}

static void sinks_share(void **state)
{
	assert_int_equal(RUN(&g, &err, "faulty:,count=500,block=4K", "verify:", "tally:0",
			     "tally:1", "tally:2"),
			 0);
	for (int k = 0; k < 3; k++) {
		got(k, 0, 500);
		assert_int_equal(tally[k].bytes, 500 * 4096);
		assert_int_equal(tally[k].begins, 1);
		assert_int_equal(tally[k].finishes, 1);
		assert_int_equal(tally[k].aborts, 0);
		assert_int_equal(g.sink[k].count.buffers, 500);
	}
	assert_int_equal(g.source.count.bytes, 500 * 4096);
	assert_int_equal(g.nstages, 1);
}

static void policies(void **state)
{
	assert_int_equal(RUN(&g, &err, "faulty:,count=100,block=4K", "tally:0",
			     "tally:1,after=100,on-full=drop-new,queue=4",
			     "tally:2,after=100,on-full=drop-old,queue=4"),
			 0);
	got(0, 0, 100);
	got(1, 0, 4);
	got(2, 96, 4);
	assert_int_equal(g.sink[1].count.dropped, 96);
	assert_int_equal(g.sink[2].count.dropped, 96);
	assert_int_equal(g.sink[0].count.dropped, 0);
}

/* What it holds can't be dropped any more: the new one goes, whatever the policy. */
static void dropping_when_all_is_held(void **state)
{
	assert_int_equal(RUN(&g, &err, "faulty:,count=50,block=4K", "tally:0",
			     "tally:1,hold,on-full=drop-old,queue=4"),
			 0);
	got(0, 0, 50);
	assert_int_equal(tally[1].n, 4);
	assert_int_equal(tally[1].seq[3], tally[1].seq[0] + 3);
	assert_int_equal(g.sink[1].count.dropped, 46);
}

static void blocking_waits_for_the_slowest(void **state)
{
	assert_int_equal(RUN(&g, &err, "faulty:,count=100,block=4K,blocks=4", "tally:0",
			     "faulty:tally:1,delay=300us,short,reorder"),
			 0);
	got(0, 0, 100);
	got(1, 0, 100);
}

static void stages(void **state)
{
	assert_int_equal(RUN(&g, &err, "faulty:,count=100,block=4K",
			     "verify:", "halves:", "verify:", "tally:0"),
			 0);
	got(0, 0, 200);
	assert_int_equal(tally[0].bytes, 100 * 4096);
	assert_int_equal(tally[0].len[1], 2048);
	assert_int_equal(g.stage[1].count.buffers, 200);
	reset(state);
	assert_int_equal(RUN(&g, &err, "faulty:,count=100,block=4K", "faulty:halves:,short",
			     "faulty:,delay=100us,keep=2",
			     "faulty:verify:,stall-after=20,stall=5ms", "tally:0"),
			 0);
	got(0, 0, 200);
}

static void a_stage_that_wants_no_more(void **state)
{
	assert_int_equal(RUN(&g, &err, "faulty:,block=4K", "halves:quit=10", "tally:0"), 0);
	got(0, 0, 20);
	assert_int_equal(tally[0].finishes, 1);
}

static void single_buffers(void **state)
{
	assert_int_equal(RUN(&g, &err, "faulty:,count=50,block=4K,blocks=1", "verify:", "tally:0",
			     "faulty:tally:1,short"),
			 0);
	got(0, 0, 50);
	got(1, 0, 50);
}

static void empty_streams(void **state)
{
	assert_int_equal(RUN(&g, &err, "script:", "verify:", "tally:0", "tally:1"), 0);
	assert_int_equal(tally[0].begins + tally[1].begins, 2);
	assert_int_equal(tally[0].finishes + tally[1].finishes, 2);
	assert_int_equal(tally[0].n, 0);
	assert_int_equal(script.finish_status, 0);
}

static void limits(void **state)
{
	assert_int_equal(RUN(&g, &err, "faulty:,bytes=10000,block=4K", "tally:0"), 0);
	assert_int_equal(tally[0].bytes, 10000);
	assert_int_equal(tally[0].len[2], 10000 - 8192);
	reset(state);
	assert_int_equal(RUN(&g, &err, "faulty:,bytes=10000,count=2,block=4K", "tally:0"), 0);
	assert_int_equal(tally[0].bytes, 8192);
	reset(state);
	assert_int_equal(RUN(&g, &err, "faulty:,duration=20ms,block=4K", "null:"), 0);
	assert_true(g.source.count.buffers > 0);
	assert_int_equal(g.source.count.buffers, g.sink[0].count.buffers);
	reset(state);
	assert_int_equal(RUN(&g, &err, "script:buffers=3,block=4K,max-delay=7ms", "tally:0"), 0);
	assert_int_equal(script.max_delay_ns, 7000000);
	assert_int_equal(script.done, 3);
	assert_int_equal(script.done_at_finish, 3);
}

/* A stream of slices has places of its own: lost buffers would have given one each. */
static void slices(void **state)
{
	assert_int_equal(RUN(&g, &err,
			     "faulty:,count=6,block=4K,slice=1000+3000,gap-every=2,"
			     "partial-every=4",
			     "tally:0"),
			 0);
	assert_int_equal(tally[0].n, 6);
	for (unsigned i = 0, lost = 0; i < 6; i++) {
		assert_int_equal(tally[0].seq[i], i + i / 2);
		lost += i && i % 2 == 0;
		assert_int_equal(tally[0].len[i], i == 3 ? 1048 : 3000);
		assert_int_equal(tally[0].offset[i], 3000 * (i + lost) - (i > 3 ? 1952 : 0));
	}
	reset(state);
	/* Half a block ends before the slice begins: nothing is left of it, and nothing missing. */
	assert_int_equal(RUN(&g, &err, "faulty:,count=4,block=4K,slice=3000+1000,partial-every=2",
			     "tally:0"),
			 0);
	got(0, 0, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(tally[0].offset[i], 1000 * i);
}

static void *stop_later(void *flow)
{
	struct timespec t = {0, 5000000};

	nanosleep(&t, NULL);
	dmaf_flow_stop(flow);
	return NULL;
}

/* The second block would be due in an hour. */
static void stopping_at_a_low_rate(void **state)
{
	dmaf_flow *f = dmaf_flow_new();
	pthread_t th;

	dmaf_flow_add(f, "faulty:pattern:fill=stamp,rate=1,block=4K,blocks=2");
	dmaf_flow_add(f, "tally:0");
	assert_int_equal(dmaf_flow_open(f), 0);
	pthread_create(&th, NULL, stop_later, f);
	assert_int_equal(dmaf_flow_run(f), 0);
	pthread_join(th, NULL);
	dmaf_flow_close(f);
	assert_int_equal(tally[0].finishes, 1);
}

struct moment {
	dmaf_flow *flow;
	long ns;
	int abort;
};

static void *at_a_moment(void *arg)
{
	struct moment *m = arg;
	struct timespec t = {0, m->ns};

	nanosleep(&t, NULL);
	(m->abort ? dmaf_flow_abort : dmaf_flow_stop)(m->flow);
	return NULL;
}

static void stop_and_abort_at_any_moment(void **state)
{
	static const char *const sources[] = {"pattern:block=8K", "faulty:,block=4K,delay=100us",
					      "pattern:block=4K,rate=20M"};

	srand(1);
	for (int i = 0; i < 60; i++) {
		struct moment m = {dmaf_flow_new(), rand() % 4000000, i % 2};
		pthread_t th;
		int rc;

		reset(state);
		dmaf_flow_add(m.flow, sources[i % 3]);
		dmaf_flow_add(m.flow, "verify:");
		dmaf_flow_add(m.flow, i % 4 < 2 ? "halves:" : "faulty:,short");
		dmaf_flow_add(m.flow, "tally:1,on-full=drop-old");
		dmaf_flow_add(m.flow, "faulty:null:,reorder,delay=200us");
		assert_int_equal(dmaf_flow_open(m.flow), 0);
		pthread_create(&th, NULL, at_a_moment, &m);
		rc = dmaf_flow_run(m.flow);
		pthread_join(th, NULL);
		dmaf_flow_figures(m.flow, &g);
		assert_int_equal(g.pool_free, g.pool_count);
		assert_int_equal(rc, m.abort ? -ECANCELED : 0);
		assert_int_equal(tally[1].finishes, !m.abort && tally[1].begins);
		if (!m.abort && i % 4 < 2)
			assert_int_equal(g.sink[1].count.buffers, 2 * g.source.count.buffers);
		dmaf_flow_close(m.flow);
	}
}

static void fails(const char *text, const char *a, const char *b, const char *c)
{
	flow_kinds_reset();
	assert_int_equal(flow_run((const char *const[]){a, b, c, NULL}, &g, &err), -EIO);
	if (!strstr(err.text, text))
		fail_msg("'%s' lacks '%s'", err.text, text);
}

/* Calls that are made again and again fail early and late; others have their first one only. */
static bool often(const char *op)
{
	return strcmp(op, "open") && strcmp(op, "attach") && strcmp(op, "start") &&
	       strcmp(op, "begin") && strcmp(op, "finish") && strcmp(op, "flush");
}

static void errors_surface(void **state)
{
	static const char *const src[] = {"open", "attach", "start", "queue", "dequeue", "finish"};
	static const char *const mid[] = {"open", "attach", "submit", "dequeue", "flush"};
	static const char *const dst[] = {"open", "attach",   "begin", "submit",
					  "reap", "complete", "flush"};
	static const struct {
		unsigned place, nops;
		const char *const *op;
	} list[] = {{0, 6, src}, {1, 5, mid}, {2, 7, dst}};
	static const int at[] = {1, 2, 9};

	for (unsigned i = 0; i < 18 * 3; i++) {
		unsigned r = i / 3 < 6 ? 0 : i / 3 < 11 ? 1 : 2;
		const char *op = list[r].op[i / 3 - (r ? 6 : 0) - (r > 1 ? 5 : 0)];
		char a[96], want[96];

		if (i % 3 && !often(op))
			continue;
		snprintf(a, sizeof(a), "faulty:,fail-op=%s,fail-at=%d%s", op, at[i % 3],
			 r ? "" : ",count=400,block=4K");
		snprintf(want, sizeof(want), ": %s number %d failed, as it was told to", op,
			 at[i % 3]);
		if (r == 0)
			fails(want, a, "verify:", "tally:0");
		else if (r == 1)
			fails(want, "script:buffers=400,block=4K", a, "tally:0");
		else
			fails(want, "script:buffers=400,block=4K", "tally:0", a);
		if (r == 2 && script.done)
			assert_int_equal(script.finish_status, -EIO);
		if (r == 1)
			assert_int_equal(tally[0].finishes, 0);
	}
}

static void stop_that_fails(void **state)
{
	assert_int_equal(RUN(&g, &err, "faulty:,fail-op=stop,duration=2ms,block=4K", "null:"),
			 -EIO);
	assert_non_null(strstr(err.text, "stop number 1 failed"));
}

/* What no sink has had goes back as cancelled, so that nobody acknowledges it. */
static void undelivered_is_not_done(void **state)
{
	assert_int_equal(
		RUN(&g, &err, "script:buffers=400,block=4K,blocks=8", "faulty:,short,fail-at=20"),
		-EIO);
	assert_true(script.failed > 0);
	assert_int_equal(script.done - script.failed, g.sink[0].count.buffers);
}

/* A stage is done with an input long before the sink has what was made of it. */
static void done_behind_stages(void **state)
{
	assert_int_equal(RUN(&g, &err, "script:acks,buffers=3,block=4K",
			     "halves:", "halves:", "tally:0,hold"),
			 0);
	assert_int_equal(tally[0].n, 12);
	assert_int_equal(tally[0].done_before, 0);
	assert_int_equal(script.done, 3);
	assert_int_equal(script.done_at_finish, 3);
	assert_int_equal(script.failed, 0);

	/* Memory of its own, so that a copy stage comes between. */
	flow_kinds_reset();
	assert_int_equal(RUN(&g, &err, "script:acks,own,buffers=6,block=4K", "tally:0,own,hold"),
			 0);
	assert_int_equal(tally[0].done_before, 0);
	assert_int_equal(script.done, 6);
}

static void undelivered_behind_a_stage(void **state)
{
	assert_int_equal(RUN(&g, &err, "script:acks,buffers=400,block=4K,blocks=8",
			     "halves:", "faulty:,short,reorder,fail-op=complete,fail-at=40"),
			 -EIO);
	assert_int_equal(script.done - script.failed > g.sink[0].count.buffers / 2, 0);
	assert_true(script.done > script.failed && script.failed > 0);
}

static void acks_need_a_sink_that_keeps(void **state)
{
	assert_int_equal(RUN(&g, &err, "script:acks,buffers=6", "tally:0,on-full=drop-new",
			     "tally:1,on-full=drop-old"),
			 -EINVAL);
	assert_string_equal(err.text,
			    "script:acks,buffers=6: acknowledges what is written, and every sink "
			    "may drop (tally:0,on-full=drop-new); give one of them on-full=block, "
			    "or leave out ack");
	assert_int_equal(RUN(&g, &err, "script:acks,bytes=4K", "tally:0"), -EINVAL);
	assert_non_null(strstr(err.text, "bytes= takes a part of the stream"));
	assert_int_equal(RUN(&g, &err, "script:acks,buffers=6,block=4K", "tally:0,on-full=drop-new",
			     "tally:1"),
			 0);
	got(1, 0, 6);
}

static void nothing_is_opened_before_all_are_right(void **state)
{
	assert_int_equal(RUN(&g, &err, "script:", "tally:0", "tallyho:1"), -EINVAL);
	assert_string_equal(err.text, "tallyho:1: unknown kind 'tallyho'; did you mean 'tally'?");
	assert_int_equal(RUN(&g, &err, "script:", "tally:0", "tally:1,nope"), -EINVAL);
	assert_int_equal(RUN(&g, &err, "script:nope", "tally:0"), -EINVAL);
	assert_int_equal(RUN(&g, &err, "script:", "halves:"), -EINVAL);
	assert_string_equal(err.text, "halves:: 'halves' can't be a sink, only: stage");
	assert_int_equal(RUN(&g, &err, "pattern:overwriting", "tally:0"), -EINVAL);
	assert_string_equal(err.text,
			    "tally:0: on-full=block, but pattern:overwriting overwrites its memory "
			    "and waits for nobody; use on-full=drop-new or drop-old");
	assert_int_equal(RUN(&g, &err, "script:"), -EINVAL);
	assert_int_equal(script.opens + tally[0].opens + tally[1].opens, 0);
}

#ifndef __SANITIZE_THREAD__
static void overwriting(void **state)
{
	assert_int_equal(RUN(&g, &err, "pattern:overwriting,rate=50M,block=64K,count=50",
			     "verify:", "tally:0,on-full=drop-new"),
			 0);
	assert_int_equal(g.nstages, 2);
	assert_string_equal(g.stage[0].count.copies[0].reason, dmaf_copy_overwriting);
	assert_int_equal(g.stage[0].count.copies[0].bytes, 50 * 65536);
	assert_int_equal(tally[0].n + g.sink[0].count.dropped + g.stage[0].count.lost, 50);
}
#endif

static void whose_memory(void **state)
{
	assert_int_equal(RUN(&g, &err, "script:buffers=20,block=4K", "tally:0,own", "tally:1"), 0);
	assert_string_equal(g.memory, "its own");
	assert_non_null(strstr(g.memory_why, "of tally:0,own, which works in no other"));
	assert_ptr_equal(tally[0].region, tally[1].region);
	assert_int_equal(g.nstages, 0);
	reset(state);
	assert_int_equal(RUN(&g, &err, "script:own,buffers=20,block=4K", "tally:0,own"), 0);
	got(0, 0, 20);
	assert_int_equal(g.nstages, 1);
	assert_string_equal(g.stage[0].count.copies[0].reason, dmaf_copy_mismatch);
	assert_int_equal(g.stage[0].count.copies[0].bytes, 20 * 4096);
	assert_string_equal(g.stage[0].count.note, "copying: no-common-memory");
	reset(state);
	assert_int_equal(RUN(&g, &err, "script:buffers=20", "tally:0,own", "tally:1,own"), -EINVAL);
	assert_string_equal(err.text, "tally:0,own and tally:1,own share no memory, and one buffer "
				      "can't lie in both; run them in two flows");
}

/* The stream is known when the first buffer comes; copies and stages pass that on. */
static void a_late_stream(void **state)
{
	assert_int_equal(RUN(&g, &err, "script:own,late-stream,buffers=3,block=4K",
			     "halves:", "faulty:", "tally:0,own"),
			 0);
	assert_int_equal(tally[0].stream.id[15], 7);
}

static void devices_are_paused(void **state)
{
	assert_int_equal(RUN(&g, &err, "script:buffers=100,block=4K,blocks=8",
			     "faulty:tally:0,delay=200us,queue=2"),
			 0);
	got(0, 0, 100);
	assert_true(script.paused > 0);
	assert_int_equal(script.paused, script.resumed);
}

static void *one_flow(void *arg)
{
	struct dmaf_figures mine;
	dmaf_flow *f = dmaf_flow_new();
	long rc;

	dmaf_flow_add(f, "pattern:count=500,block=4K");
	dmaf_flow_add(f, "faulty:,short");
	dmaf_flow_add(f, "verify:");
	rc = dmaf_flow_open(f);
	if (!rc)
		rc = dmaf_flow_run(f);
	dmaf_flow_figures(f, &mine);
	dmaf_flow_close(f);
	return (void *)(rc ? rc : (long)mine.sink[0].count.buffers);
}

static void two_flows(void **state)
{
	pthread_t th[2];
	void *n;

	for (int i = 0; i < 2; i++)
		pthread_create(&th[i], NULL, one_flow, NULL);
	for (int i = 0; i < 2; i++) {
		pthread_join(th[i], &n);
		assert_int_equal((long)n, 500);
	}
}

static void lives_that_end_early(void **state)
{
	dmaf_flow *f = dmaf_flow_new();

	dmaf_flow_close(NULL);
	assert_int_equal(dmaf_flow_run(f), -EINVAL);
	dmaf_flow_close(f);
	f = dmaf_flow_new();
	dmaf_flow_add(f, "pattern:block=4K");
	dmaf_flow_add(f, "faulty:,keep=2");
	assert_int_equal(dmaf_flow_open(f), 0);
	assert_int_equal(dmaf_flow_add(f, "null:"), -EINVAL);
	dmaf_flow_close(f); /* opened and never run */
	f = dmaf_flow_new();
	for (int i = 0; i < 17; i++)
		assert_int_equal(dmaf_flow_add(f, "null:"), 0);
	assert_int_equal(dmaf_flow_add(f, "null:"), -EINVAL);
	assert_int_equal(dmaf_flow_open(f), -EINVAL);
	assert_string_equal(dmaf_flow_err(f)->text, "null:: more than 8 sinks");
	dmaf_flow_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(sinks_share, reset),
		cmocka_unit_test_setup(policies, reset),
		cmocka_unit_test_setup(dropping_when_all_is_held, reset),
		cmocka_unit_test_setup(blocking_waits_for_the_slowest, reset),
		cmocka_unit_test_setup(stages, reset),
		cmocka_unit_test_setup(a_stage_that_wants_no_more, reset),
		cmocka_unit_test_setup(single_buffers, reset),
		cmocka_unit_test_setup(empty_streams, reset),
		cmocka_unit_test_setup(limits, reset),
		cmocka_unit_test_setup(slices, reset),
		cmocka_unit_test_setup(stopping_at_a_low_rate, reset),
		cmocka_unit_test_setup(stop_and_abort_at_any_moment, reset),
		cmocka_unit_test_setup(errors_surface, reset),
		cmocka_unit_test_setup(stop_that_fails, reset),
		cmocka_unit_test_setup(undelivered_is_not_done, reset),
		cmocka_unit_test_setup(done_behind_stages, reset),
		cmocka_unit_test_setup(undelivered_behind_a_stage, reset),
		cmocka_unit_test_setup(acks_need_a_sink_that_keeps, reset),
		cmocka_unit_test_setup(nothing_is_opened_before_all_are_right, reset),
#ifndef __SANITIZE_THREAD__ /* the device races with the copy, which asks afterwards who won */
		cmocka_unit_test_setup(overwriting, reset),
#endif
		cmocka_unit_test_setup(whose_memory, reset),
		cmocka_unit_test_setup(a_late_stream, reset),
		cmocka_unit_test_setup(devices_are_paused, reset),
		cmocka_unit_test_setup(two_flows, reset),
		cmocka_unit_test_setup(lives_that_end_early, reset),
	};

	return cmocka_run_group_tests(tests, kinds, NULL);
}
