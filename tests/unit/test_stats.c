// SPDX-License-Identifier: MIT
/* The histogram against the values themselves; copies and notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dmaflow/stats.h>

static struct dmaf_hist h;

static int fresh(void **state)
{
	memset(&h, 0, sizeof(h));
	return 0;
}

/* Never below the value, at most 1/16 above. */
static void one_value(uint64_t v)
{
	uint64_t at;

	memset(&h, 0, sizeof(h));
	dmaf_hist_add(&h, v);
	dmaf_hist_add(&h, UINT64_MAX); /* or the largest would be exact */
	at = dmaf_hist_at(&h, 0.5);
	if (at < v || at - v > v / 16)
		fail_msg("%llu is reported as %llu", (unsigned long long)v, (unsigned long long)at);
}

static void error_is_small(void **state)
{
	for (uint64_t v = 0; v < 5000; v++)
		one_value(v);
	for (unsigned bit = 12; bit < 64; bit++) {
		one_value(1ull << bit);
		one_value((1ull << bit) - 1);
		one_value((1ull << bit) + (1ull << bit) / 3);
	}
	one_value(UINT64_MAX);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void percentiles(void **state)
{
	enum { N = 10000 };
	static uint64_t v[N];
	static const double share[] = {0.01, 0.5, 0.9, 0.99, 0.999};
	uint64_t x = 1;

	for (int i = 0; i < N; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		v[i] = (x >> 33) % 1000000 + ((x >> 20) % 100 ? 0u : 50000000u);
		dmaf_hist_add(&h, v[i]);
	}
	qsort(v, N, sizeof(*v), by_size);
	for (size_t i = 0; i < sizeof(share) / sizeof(*share); i++) {
		uint64_t exact = v[(int)(share[i] * N) - 1], at = dmaf_hist_at(&h, share[i]);

		assert_true(at >= exact && at - exact <= exact / 16);
	}
	assert_int_equal(dmaf_hist_at(&h, 1), v[N - 1]);
	assert_int_equal(h.max, v[N - 1]);
	assert_int_equal(h.n, N);
}

static void empty(void **state)
{
	assert_int_equal(dmaf_hist_at(&h, 0.5), 0);
}

static void copies(void **state)
{
	static const char reason[DMAF_COPY_REASONS + 2][4] = {"a", "b", "c", "d",
							      "e", "f", "g", "h"};
	struct dmaf_counters c = {0};

	dmaf_copied(&c, reason[0], 5);
	dmaf_copied(&c, reason[1], 7);
	dmaf_copied(&c, reason[0], 5);
	assert_int_equal(c.copies[0].bytes, 10);
	assert_int_equal(c.copies[1].bytes, 7);
	/* More reasons than there is room for are counted with the last, never lost. */
	for (int i = 2; i < DMAF_COPY_REASONS + 2; i++)
		dmaf_copied(&c, reason[i], 1);
	assert_int_equal(c.copies[DMAF_COPY_REASONS - 1].bytes, 3);
	dmaf_note(&c, "%s after %d", "copying", 3);
	assert_string_equal(c.note, "copying after 3");
	assert_int_equal(c.notes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(error_is_small, fresh),
		cmocka_unit_test_setup(percentiles, fresh),
		cmocka_unit_test_setup(empty, fresh),
		cmocka_unit_test_setup(copies, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
