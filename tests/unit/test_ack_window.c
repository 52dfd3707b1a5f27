/* SPDX-License-Identifier: MIT */
/* What may be unacknowledged, what is sent again, and acknowledgements that can't be. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plugins/tcp/ack_window.h"

static void limits(void **state)
{
	struct ack_window w = {.limit = 1000};

	assert_int_equal(ack_window_room(&w, 400), 400);
	assert_int_equal(ack_window_sent(&w, 400), 0);
	assert_int_equal(ack_window_room(&w, 900), 600);
	assert_int_equal(ack_window_sent(&w, 600), 0);
	assert_int_equal(ack_window_room(&w, 1), 0);
	assert_int_equal(ack_window_ack(&w, 1), 0);
	assert_int_equal(ack_window_room(&w, 5), 1);
}

static void a_block_above_the_limit_still_goes(void **state)
{
	struct ack_window w = {.limit = 100};

	assert_int_equal(ack_window_room(&w, 4096), 4096);
	ack_window_sent(&w, 4096);
	assert_int_equal(ack_window_room(&w, 1), 0);
	assert_int_equal(ack_window_ack(&w, 4095), 0);
	assert_int_equal(ack_window_room(&w, 4096), 99);
	assert_int_equal(ack_window_ack(&w, 4096), 0);
	assert_int_equal(ack_window_room(&w, 4096), 4096);
}

static void beyond_and_back(void **state)
{
	struct ack_window w = {.limit = 1000};

	ack_window_sent(&w, 300);
	assert_int_equal(ack_window_ack(&w, 301), -ERANGE);
	assert_int_equal(ack_window_ack(&w, 200), 0);
	assert_int_equal(ack_window_ack(&w, 200), 0);
	assert_int_equal(ack_window_ack(&w, 199), -EALREADY);
	assert_int_equal(w.acked, 200);
}

static void resending(void **state)
{
	struct ack_window w = {.limit = 1000};

	ack_window_sent(&w, 900);
	ack_window_ack(&w, 300);
	ack_window_free(&w, 256);
	assert_int_equal(ack_window_resume(&w, 255), -ENODATA);
	assert_int_equal(ack_window_resume(&w, 901), -ERANGE);
	/* It may have lost what it acknowledged, as long as we still hold it. */
	assert_int_equal(ack_window_resume(&w, 256), 0);
	assert_int_equal(w.acked, 256);
	assert_int_equal(w.sent, 256);
	assert_int_equal(ack_window_sent(&w, 600), 600);
	assert_int_equal(ack_window_sent(&w, 100), 44); /* the other 56 are new */
	assert_int_equal(w.resent, 644);
	assert_int_equal(w.high, 956);
	assert_int_equal(ack_window_resume(&w, 956), 0);
	assert_int_equal(ack_window_sent(&w, 10), 0);
}

static void resent_at_most_one_window(void **state)
{
	struct ack_window w = {.limit = 4096};
	uint64_t again;

	for (unsigned link = 0; link < 50; link++) {
		uint64_t n;

		while ((n = ack_window_room(&w, 700)) == 700)
			ack_window_sent(&w, n);
		ack_window_ack(&w, w.acked + link * 13 % (w.sent - w.acked));
		ack_window_free(&w, w.acked);
		ack_window_resume(&w, w.acked);
		again = w.high - w.sent;
		assert_true(again <= w.limit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits),
		cmocka_unit_test(a_block_above_the_limit_still_goes),
		cmocka_unit_test(beyond_and_back),
		cmocka_unit_test(resending),
		cmocka_unit_test(resent_at_most_one_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
