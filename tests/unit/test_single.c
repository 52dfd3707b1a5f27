// SPDX-License-Identifier: MIT
/* Pools, sinks and sources without a flow, for programs with a loop of their own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flow_kinds.h"

#include "plugins/common/pattern_data.h"

static uint64_t offset;

static int reset(void **state)
{
	flow_kinds_reset();
	offset = 0;
	return 0;
}

static int kinds(void **state)
{
	flow_kinds_add();
	return 0;
}

static dmaf_pool *pool_of(const char *address)
{
	dmaf_pool *p;

	assert_int_equal(dmaf_pool_open(&p, address), 0);
	return p;
}

/* Submits up to @n blocks of the pattern. Return: the first error. */
static int send(dmaf_pool *p, dmaf_sink *const *sinks, unsigned nsinks, unsigned n)
{
	int rc = 0;

	while (n-- && !rc) {
		dmaf_buf *b;

		rc = dmaf_pool_take(p, &b, -1);
		if (rc)
			return rc;
		dmaf_pattern_fill(dmaf_buf_data(b), dmaf_buf_room(b), offset, 0);
		offset += dmaf_buf_room(b);
		dmaf_buf_filled(b, dmaf_buf_room(b));
		for (unsigned k = 1; k < nsinks; k++)
			dmaf_buf_lend(b);
		for (unsigned k = 0; k < nsinks; k++) {
			int one = dmaf_sink_submit(sinks[k], b);

			rc = rc ? rc : one;
		}
	}
	return rc;
}

static void delivers(void **state)
{
	dmaf_pool *p = pool_of("memory:block=4K,blocks=4");
	dmaf_sink *s;

	assert_int_equal(dmaf_sink_open(&s, p, "faulty:verify:,short,reorder,delay=200us"), 0);
	assert_int_equal(send(p, &s, 1, 200), 0);
	assert_int_equal(dmaf_sink_drain(s, 5000), 0);
	assert_int_equal(s->p.count.buffers, 200);
	assert_int_equal(dmaf_pool_free_count(p), 4);
	dmaf_sink_close(s);
	dmaf_pool_close(p);
}

/* The first sink gives back at once; the second is the one to wait for. */
static void several_sinks(void **state)
{
	dmaf_pool *p = pool_of("memory:block=4K,blocks=2");
	dmaf_sink *s[2];

	assert_int_equal(dmaf_sink_open(&s[0], p, "null:"), 0);
	assert_int_equal(dmaf_sink_open(&s[1], p, "faulty:tally:0,delay=1ms"), 0);
	assert_int_equal(send(p, s, 2, 50), 0);
	for (int k = 0; k < 2; k++)
		assert_int_equal(dmaf_sink_drain(s[k], 5000), 0);
	assert_int_equal(tally[0].n, 50);
	assert_int_equal(tally[0].finishes, 1);
	for (int k = 0; k < 2; k++)
		dmaf_sink_close(s[k]);
	assert_int_equal(tally[0].aborts, 0);
	dmaf_pool_close(p);
}

static void failing(const char *op, int at, int n)
{
	dmaf_pool *p = pool_of("memory:block=4K,blocks=4");
	char address[64], want[64], text[1024] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");
	dmaf_sink *s;
	int rc;

	snprintf(address, sizeof(address), "faulty:,fail-op=%s,fail-at=%d", op, at);
	snprintf(want, sizeof(want), ": %s number %d failed, as it was told to\n", op, at);
	rc = dmaf_sink_open(&s, p, address);
	if (!rc)
		rc = send(p, &s, 1, (unsigned)n);
	if (!rc)
		rc = dmaf_sink_drain(s, 5000);
	assert_int_equal(rc, -EIO);
	dmaf_explain(f, rc, p, s);
	fclose(f);
	if (!strstr(text, want))
		fail_msg("'%s' lacks '%s'", text, want);
	dmaf_sink_close(s);
	assert_int_equal(dmaf_pool_free_count(p), 4);
	dmaf_pool_close(p);
}

static void failures(void **state)
{
	static const char *const once[] = {"open", "attach", "begin", "flush"};
	static const char *const often[] = {"submit", "reap", "complete"};

	for (int i = 0; i < 4; i++)
		failing(once[i], 1, 20);
	for (int i = 0; i < 3; i++)
		for (int at = 1; at < 12; at += 5)
			failing(often[i], at, 20);
	failing("begin", 1, 0); /* of an empty stream */
}

static void closing_without_draining(void **state)
{
	dmaf_pool *p = pool_of("memory:block=4K,blocks=4");
	dmaf_sink *s;

	assert_int_equal(dmaf_sink_open(&s, p, "tally:0,hold"), 0);
	assert_int_equal(send(p, &s, 1, 4), 0);
	assert_int_equal(dmaf_sink_drain(s, 0), -ETIMEDOUT);
	dmaf_sink_close(s);
	assert_int_equal(tally[0].aborts, 1);
	assert_int_equal(tally[0].finishes, 0);
	assert_int_equal(dmaf_pool_free_count(p), 4);
	dmaf_pool_close(p);
	dmaf_sink_close(NULL);
	dmaf_source_close(NULL);
}

static void nothing_to_take(void **state)
{
	dmaf_pool *p = pool_of("memory:block=4K,blocks=1");
	dmaf_buf *b, *none;
	dmaf_sink *s;

	assert_int_equal(dmaf_pool_take(p, &b, 0), 0);
	assert_int_equal(dmaf_pool_take(p, &none, 0), -EAGAIN);
	/* Nobody could ever give one back: waiting would be for ever. */
	assert_int_equal(dmaf_pool_take(p, &none, -1), -EAGAIN);
	assert_int_equal(dmaf_sink_open(&s, p, "null:"), 0);
	assert_int_equal(dmaf_pool_take(p, &none, -1), -EAGAIN);
	assert_non_null(strstr(dmaf_pool_err(p)->text, "no sink has one that it could give back"));
	dmaf_buf_abandon(b);
	dmaf_sink_close(s);
	dmaf_pool_close(p);
}

static void refusals(void **state)
{
	static const struct {
		const char *address, *says;
	} sinks[] = {
		{"nul:", "nul:: unknown kind 'nul'; did you mean 'null'?"},
		{"null:on-full=drop-new", "null:on-full=drop-new: on-full= and queue= are a "
					  "flow's; here the program waits for room"},
		{"tally:0,own", "tally:0,own takes only memory of its own; run it in a flow"},
	};
	static const struct {
		const char *address, *says;
	} sources[] = {
		{"faulty:,count=3",
		 "faulty:,count=3: count= is a flow's; here the program decides"},
		{"faulty:,rate=3", "faulty:,rate=3: rate= is a flow's; here the program decides"},
		{"pattern:overwriting", "pattern:overwriting: it overwrites what it gave, which "
					"only a flow can copy in time"},
		{"verify:", "verify:: 'verify' can't be a source, only: stage, sink"},
	};
	dmaf_pool *p = pool_of("memory:block=4K,blocks=1"), *bad;
	dmaf_source *src;
	dmaf_sink *s;

	for (size_t i = 0; i < sizeof(sinks) / sizeof(*sinks); i++) {
		assert_int_equal(dmaf_sink_open(&s, p, sinks[i].address), -EINVAL);
		assert_string_equal(s->p.err.text, sinks[i].says);
		dmaf_sink_close(s);
	}
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		assert_int_equal(dmaf_source_open(&src, sources[i].address), -EINVAL);
		assert_string_equal(src->p.err.text, sources[i].says);
		dmaf_source_close(src);
	}
	assert_int_equal(dmaf_pool_open(&bad, "memory:memory=cheap"), -EINVAL);
	assert_int_equal(dmaf_sink_open(&s, bad, "null:"), -EINVAL);
	dmaf_sink_close(s);
	dmaf_pool_close(bad);
	dmaf_pool_close(p);
}

static void sources(void **state)
{
	dmaf_source *src;
	dmaf_buf *b[3];

	assert_int_equal(
		dmaf_source_open(&src, "faulty:,block=4K,blocks=4,short,delay=200us,gap-every=5"),
		0);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(dmaf_source_next(src, &b[0], -1), 0);
		assert_int_equal(b[0]->seq, i + i / 5);
		assert_int_equal(
			dmaf_pattern_check(dmaf_buf_data(b[0]), b[0]->len, b[0]->offset, 0), 4096);
		dmaf_source_done(src, b[0]);
	}
	/* Returned in another order, and some never fetched. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(dmaf_source_next(src, &b[i], -1), 0);
	dmaf_source_done(src, b[1]);
	dmaf_source_done(src, b[2]);
	dmaf_source_done(src, b[0]);
	dmaf_source_close(src);

	assert_int_equal(dmaf_source_open(&src, "script:buffers=3,block=4K"), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dmaf_source_next(src, &b[0], -1), 0);
		dmaf_source_done(src, b[0]);
	}
	assert_int_equal(dmaf_source_next(src, &b[0], -1), DMAF_END);
	assert_int_equal(dmaf_source_next(src, &b[0], -1), DMAF_END);
	dmaf_source_close(src);
	assert_int_equal(script.done, 3);
	assert_int_equal(script.finish_status, 0);
}

static void failing_sources(void **state)
{
	static const char *const op[] = {"open", "attach", "start", "queue", "dequeue"};
	dmaf_source *src;
	dmaf_buf *b;

	for (int i = 0; i < 5; i++) {
		char address[64];
		int rc;

		snprintf(address, sizeof(address), "faulty:,block=4K,fail-op=%s", op[i]);
		rc = dmaf_source_open(&src, address);
		if (!rc)
			rc = dmaf_source_next(src, &b, -1);
		assert_int_equal(rc, -EIO);
		assert_non_null(strstr(src->p.err.text, "number 1 failed"));
		dmaf_source_close(src);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(delivers, reset),
		cmocka_unit_test_setup(several_sinks, reset),
		cmocka_unit_test_setup(failures, reset),
		cmocka_unit_test_setup(closing_without_draining, reset),
		cmocka_unit_test_setup(nothing_to_take, reset),
		cmocka_unit_test_setup(refusals, reset),
		cmocka_unit_test_setup(sources, reset),
		cmocka_unit_test_setup(failing_sources, reset),
	};

	return cmocka_run_group_tests(tests, kinds, NULL);
}
