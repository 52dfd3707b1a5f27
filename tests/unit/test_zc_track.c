/* SPDX-License-Identifier: MIT */
/* Zero-copy notifications: merged, out of order, wrapping, and ones that can't be. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "plugins/tcp/zc_track.h"

static struct zc_track t;

static int fresh(void **state)
{
	memset(&t, 0, sizeof(t));
	return 0;
}

/* As if the socket had sent for long: the low 32 bits of the next number are @low. */
static void begin_at(uint32_t low)
{
	t.next = t.done = (3ull << 32) + low;
}

static void send_n(unsigned n)
{
	while (n--)
		zc_sent(&t, 100);
}

static void one_by_one(void **state)
{
	assert_int_equal(zc_sent(&t, 10), 1);
	assert_int_equal(zc_sent(&t, 20), 2);
	assert_int_equal(zc_pending(&t), 2);
	assert_int_equal(zc_notified(&t, 0, 0, false), 0);
	assert_int_equal(t.done, 1);
	assert_int_equal(zc_notified(&t, 1, 1, true), 0);
	assert_int_equal(t.done, 2);
	assert_int_equal(t.zerocopied, 1);
	assert_int_equal(t.copied, 1);
	assert_int_equal(t.copied_bytes, 20);
}

static void merged(void **state)
{
	send_n(1000);
	assert_int_equal(zc_notified(&t, 0, 999, false), 0);
	assert_int_equal(t.done, 1000);
	assert_int_equal(t.zerocopied, 1000);
	assert_int_equal(zc_pending(&t), 0);
}

static void out_of_order(void **state)
{
	send_n(10);
	assert_int_equal(zc_notified(&t, 5, 7, false), 0);
	assert_int_equal(t.done, 0);
	assert_int_equal(zc_notified(&t, 1, 3, true), 0);
	assert_int_equal(t.done, 0);
	assert_int_equal(zc_notified(&t, 0, 0, false), 0);
	assert_int_equal(t.done, 4);
	assert_int_equal(zc_notified(&t, 4, 4, false), 0);
	assert_int_equal(t.done, 8);
	assert_int_equal(zc_pending(&t), 2);
	assert_int_equal(t.copied_bytes, 300);
}

static void wrap(void **state)
{
	begin_at(UINT32_MAX - 2);
	send_n(6); /* ...fd ...fe ...ff 0 1 2 */
	assert_int_equal(zc_notified(&t, UINT32_MAX, 1, false), 0);
	assert_int_equal(zc_pending(&t), 6);
	assert_int_equal(zc_notified(&t, UINT32_MAX - 2, UINT32_MAX - 1, false), 0);
	assert_int_equal(zc_pending(&t), 1);
	assert_int_equal(t.done, (4ull << 32) + 2);
	assert_int_equal(zc_notified(&t, 2, 2, false), 0);
	assert_int_equal(zc_pending(&t), 0);
}

static void whole_window_across_wrap(void **state)
{
	begin_at(UINT32_MAX - ZC_WINDOW / 2);
	send_n(ZC_WINDOW);
	assert_false(zc_room(&t));
	assert_int_equal(zc_notified(&t, UINT32_MAX - ZC_WINDOW / 2, ZC_WINDOW / 2 - 2, true), 0);
	assert_int_equal(zc_pending(&t), 0);
	assert_int_equal(t.copied_bytes, 100ull * ZC_WINDOW);
	assert_true(zc_room(&t));
}

static void twice_is_refused(void **state)
{
	send_n(10);
	assert_int_equal(zc_notified(&t, 0, 3, false), 0);
	assert_int_equal(zc_notified(&t, 3, 3, false), -EALREADY);
	assert_int_equal(zc_notified(&t, 6, 7, false), 0);
	assert_int_equal(zc_notified(&t, 5, 6, true), -EALREADY);
	assert_int_equal(t.done, 4);
	assert_int_equal(t.zerocopied, 6);
	assert_int_equal(t.copied, 0);
	assert_int_equal(t.copied_bytes, 0);
	assert_int_equal(zc_notified(&t, 4, 5, false), 0);
	assert_int_equal(t.done, 8);
}

static void never_sent_is_refused(void **state)
{
	assert_int_equal(zc_notified(&t, 0, 0, false), -ERANGE);
	send_n(5);
	assert_int_equal(zc_notified(&t, 4, 5, false), -ERANGE);
	assert_int_equal(zc_notified(&t, 3, 2, false), -ERANGE);
	assert_int_equal(zc_notified(&t, 0, UINT32_MAX, false), -ERANGE);
	assert_int_equal(t.done, 0);
	assert_int_equal(zc_pending(&t), 5);
}

static void a_new_socket_counts_from_zero(void **state)
{
	send_n(7);
	assert_int_equal(zc_notified(&t, 2, 3, true), 0);
	zc_reset(&t);
	assert_int_equal(zc_pending(&t), 0);
	send_n(4);
	assert_int_equal(zc_notified(&t, 0, 3, false), 0);
	assert_int_equal(t.done, 4);
	assert_int_equal(t.copied, 2); /* totals stay */
	assert_int_equal(t.zerocopied, 4);
}

/* Any order of any pieces gives everything back once, and nothing early. */
static void random_orders(void **state)
{
	unsigned char told[ZC_WINDOW] = {0};
	uint64_t base, prefix = 0;

	srandom(7);
	begin_at(UINT32_MAX - 500);
	base = t.next;
	send_n(ZC_WINDOW);
	for (unsigned left = ZC_WINDOW; left;) {
		unsigned lo = (unsigned)random() % ZC_WINDOW, hi = lo;

		if (told[lo])
			continue;
		while (hi + 1 < ZC_WINDOW && !told[hi + 1] && hi - lo < 60)
			hi++;
		assert_int_equal(
			zc_notified(&t, (uint32_t)(base + lo), (uint32_t)(base + hi), false), 0);
		for (unsigned i = lo; i <= hi; i++, left--)
			told[i] = 1;
		while (prefix < ZC_WINDOW && told[prefix])
			prefix++;
		assert_int_equal(t.done, base + prefix);
	}
	assert_int_equal(t.zerocopied, ZC_WINDOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_by_one, fresh),
		cmocka_unit_test_setup(merged, fresh),
		cmocka_unit_test_setup(out_of_order, fresh),
		cmocka_unit_test_setup(wrap, fresh),
		cmocka_unit_test_setup(whole_window_across_wrap, fresh),
		cmocka_unit_test_setup(twice_is_refused, fresh),
		cmocka_unit_test_setup(never_sent_is_refused, fresh),
		cmocka_unit_test_setup(a_new_socket_counts_from_zero, fresh),
		cmocka_unit_test_setup(random_orders, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
