/* SPDX-License-Identifier: MIT */
/* base/align.h and base/types.h against 128-bit arithmetic, for every integer type. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <dmaflow/addr_types.h>
#include <dmaflow/align.h>

typedef __int128 wide;

/* The multiple of a at or below v. */
static wide floor_to(wide v, wide a)
{
	wide rest = v % a;

	return v - (rest < 0 ? rest + a : rest);
}

static bool pow2(wide v)
{
	wide p = 1;

	while (p < v)
		p *= 2;
	return p == v;
}

/* One value of one type against every power of two. */
#define DEFINE_CHECK(name, type)                                                 \
	static void check_##name(type v)                                         \
	{                                                                        \
		const wide max = (wide)DMAF_TYPE_MAX(type);                      \
		const wide min = DMAF_TYPE_IS_SIGNED(type) ? -max - 1 : 0;       \
		unsigned int shift;                                              \
                                                                                 \
		assert_int_equal(dmaf_is_pow2(v), pow2(v));                      \
		assert_int_equal(DMAF_IS_POW2(v), pow2(v));                      \
		for (shift = 0; shift < 64; shift++) {                           \
			const uint64_t a = (uint64_t)1 << shift;                 \
			const wide down = floor_to(v, (wide)a);                  \
			const wide up = down == v ? down : down + (wide)a;       \
			type out = 42;                                           \
                                                                                 \
			assert_int_equal(dmaf_is_aligned(v, a), down == v);      \
			if (down >= min)                                         \
				assert_true(dmaf_align_down(v, a) == down);      \
			assert_int_equal(dmaf_align_up(v, a, &out), up <= max);  \
			assert_true(out == (up <= max ? (type)up : 42));         \
		}                                                                \
	}                                                                        \
                                                                                 \
	static void test_##name(void **state)                                    \
	{                                                                        \
		const wide max = (wide)DMAF_TYPE_MAX(type);                      \
		const wide min = DMAF_TYPE_IS_SIGNED(type) ? -max - 1 : 0;       \
		unsigned int shift;                                              \
		wide v;                                                          \
		int d;                                                           \
                                                                                 \
		if (sizeof(type) <= 2) {                                         \
			for (v = min; v <= max; v += sizeof(type) == 1 ? 1 : 17) \
				check_##name((type)v);                           \
		}                                                                \
		for (shift = 0; shift < 8 * sizeof(type); shift++) {             \
			for (d = -3; d <= 3; d++) {                              \
				v = ((wide)1 << shift) + d;                      \
				if (v >= min && v <= max)                        \
					check_##name((type)v);                   \
				if (-v >= min && -v <= max)                      \
					check_##name((type)-v);                  \
			}                                                        \
		}                                                                \
		for (d = 0; d < 5; d++) {                                        \
			check_##name((type)(min + d));                           \
			check_##name((type)(max - d));                           \
		}                                                                \
	}

DEFINE_CHECK(char, char)
DEFINE_CHECK(signed_char, signed char)
DEFINE_CHECK(unsigned_char, unsigned char)
DEFINE_CHECK(short, short)
DEFINE_CHECK(unsigned_short, unsigned short)
DEFINE_CHECK(int, int)
DEFINE_CHECK(unsigned_int, unsigned int)
DEFINE_CHECK(long, long)
DEFINE_CHECK(unsigned_long, unsigned long)
DEFINE_CHECK(long_long, long long)
DEFINE_CHECK(unsigned_long_long, unsigned long long)
DEFINE_CHECK(size, size_t)

/* What other macros get wrong. */
static void test_known_traps(void **state)
{
	uint64_t high = 0x123456789abcull;
	uint32_t a32 = 4096;
	int evaluated = 0;
	uint8_t byte = 250;
	uint64_t up;

	/* A 32-bit mask must not cut a 64-bit value. */
	assert_true(dmaf_align_down(high, a32) == 0x123456789000ull);
	assert_true(dmaf_align_up(high, a32, &up) && up == 0x12345678a000ull);
	/* A narrow type must not be widened out of an overflow. */
	assert_false(dmaf_align_up(byte, 16, &byte));
	assert_int_equal(byte, 250);
	/* Arguments count once. */
	assert_true(dmaf_align_up((evaluated++, 7u), 8, &up) && up == 8);
	assert_int_equal(evaluated, 1);
	assert_false(dmaf_is_aligned((evaluated++, 7), 8));
	assert_true(dmaf_align_down((evaluated++, 15u), 8) == 8);
	assert_true(dmaf_is_pow2((evaluated++, 16)));
	assert_int_equal(evaluated, 4);
	assert_true(dmaf_ptr_is_aligned((void *)(uintptr_t)64, 64));
	assert_false(dmaf_ptr_is_aligned((void *)(uintptr_t)65, 2));
	/* Constants where C wants constants. */
	_Static_assert(DMAF_IS_POW2(64) && !DMAF_IS_POW2(0) && !DMAF_IS_POW2(-64), "constant");
	_Static_assert(DMAF_ALIGN_UP(65, 64) == 128 && dmaf_is_aligned(128, 64), "constant");
	_Static_assert(dmaf_align_down(130, 64) == 128, "constant");
}

static void test_order(void **state)
{
	uint64_t unit, size;
	unsigned int n, shift;

	for (shift = 0; shift < 64; shift++) {
		unit = (uint64_t)1 << shift;
		assert_int_equal(dmaf_order(0, unit), 0);
		assert_int_equal(dmaf_order(1, unit), 0);
		assert_int_equal(dmaf_order(UINT64_MAX, unit), 64 - shift);
		for (n = 0; n + shift < 64; n++) {
			size = unit << n;
			assert_int_equal(dmaf_order(size, unit), n);
			assert_int_equal(dmaf_order(size + 1, unit), n + 1);
			if (size - 1 > unit)
				assert_int_equal(dmaf_order(size - 1, unit),
						 n - (size - 1 <= size / 2));
		}
	}
	assert_int_equal(dmaf_order(4097, 4096), 1);
	assert_int_equal(dmaf_order(6 << 20, 4096), 11);
}

static void expect_report(uint64_t given, uint64_t need, enum dmaf_align_fault fault, uint64_t down,
			  uint64_t up)
{
	struct dmaf_align_report report;

	memset(&report, 0xa5, sizeof(report));
	assert_int_equal(dmaf_align_check("block", given, need, &report), fault == DMAF_ALIGN_FINE);
	assert_int_equal(dmaf_align_check("block", given, need, NULL), fault == DMAF_ALIGN_FINE);
	assert_string_equal(report.what, "block");
	assert_true(report.given == given);
	assert_true(report.need == need);
	assert_int_equal(report.fault, fault);
	assert_true(report.down == down);
	assert_true(report.up == up);
}

static void test_report(void **state)
{
	struct dmaf_align_report report;
	const uint64_t top = (uint64_t)1 << 63;
	char text[160];

	expect_report(0, 4096, DMAF_ALIGN_FINE, 0, 0);
	expect_report(8192, 4096, DMAF_ALIGN_FINE, 8192, 8192);
	expect_report(1000, 512, DMAF_ALIGN_OFF, 512, 1024);
	expect_report(1, 4096, DMAF_ALIGN_OFF, 0, 4096);
	/* Nothing right above: only the one below is offered. */
	expect_report(UINT64_MAX, 4096, DMAF_ALIGN_OFF, UINT64_MAX - 4095, UINT64_MAX - 4095);
	expect_report(top + 1, top, DMAF_ALIGN_OFF, top, top);
	/* A need that is none. */
	expect_report(1000, 1000, DMAF_ALIGN_BAD_NEED, 512, 1024);
	expect_report(0, 0, DMAF_ALIGN_BAD_NEED, 1, 1);
	expect_report(0, 3, DMAF_ALIGN_BAD_NEED, 2, 4);
	expect_report(0, UINT64_MAX, DMAF_ALIGN_BAD_NEED, top, top);

	assert_false(dmaf_align_check("block size", 1000, 512, &report));
	snprintf(text, sizeof(text), DMAF_ALIGN_FMT, DMAF_ALIGN_ARG(&report));
	assert_string_equal(text, "block size 0x3e8 (1000): not a multiple of 512; "
				  "512 or 1024 would be right");
}

/* dmaf_iova and dmaf_phys carry all 64 bits; that mixing them up does not compile is in headers.sh.
 */
static void test_addresses(void **state)
{
	dmaf_iova iova = dmaf_iova_make(0xfedcba9876543210ull);
	dmaf_phys phys = dmaf_phys_make(0x1000);

	assert_true(dmaf_iova_value(iova) == 0xfedcba9876543210ull);
	assert_true(dmaf_iova_value(dmaf_iova_add(iova, 0x10)) == 0xfedcba9876543220ull);
	assert_true(dmaf_iova_is_none(dmaf_iova_none()));
	assert_false(dmaf_iova_is_none(dmaf_iova_make(0)));
	assert_true(dmaf_phys_value(phys) == 0x1000);
	assert_true(dmaf_phys_value(dmaf_phys_add(phys, 0xff0)) == 0x1ff0);
	assert_true(dmaf_phys_is_none(dmaf_phys_none()));
	assert_false(dmaf_phys_is_none(dmaf_phys_make(0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_char),
		cmocka_unit_test(test_signed_char),
		cmocka_unit_test(test_unsigned_char),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_unsigned_short),
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_unsigned_int),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_unsigned_long),
		cmocka_unit_test(test_long_long),
		cmocka_unit_test(test_unsigned_long_long),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_known_traps),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests_name("align", tests, NULL, NULL);
}
