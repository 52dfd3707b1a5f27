// SPDX-License-Identifier: MIT
/* What parties agree on, and what is said when they can't. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmaflow/region.h>

#include "core/negotiate.h"

static struct dmaf_terms t;
static int owner, second;
static struct dmaf_err err;

static int settle(struct dmaf_need a, struct dmaf_need b, struct dmaf_wish w)
{
	struct dmaf_seat seats[] = {{"src:", &a}, {"dst:", &b}};

	memset(&err, 0, sizeof(err));
	w.label = "src:";
	return dmaf_negotiate(seats, 2, &w, &t, &owner, &second, &err);
}

#define NEED(...) ((struct dmaf_need){__VA_ARGS__})
#define WISH(...) ((struct dmaf_wish){__VA_ARGS__})

static void says(const char *message)
{
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.text, message);
}

static void defaults(void **state)
{
	assert_int_equal(settle(NEED(0), NEED(0), WISH(0)), 0);
	assert_int_equal(t.block, 256 << 10);
	assert_int_equal(t.stride, t.block);
	assert_int_equal(t.count, 16);
	assert_int_equal(t.backing, DMAF_BACKING_ANY);
	assert_int_equal(owner, -1);
	assert_int_equal(second, -1);
}

static void strictest_of_all(void **state)
{
	assert_int_equal(settle(NEED(.align = 512, .count_want = 4, .segs = 3,
				     .dma_mask = UINT32_MAX, .backing = DMAF_PAGES | DMAF_PFN),
				NEED(.align = 8192, .count_want = 9, .segs = 2, .count_min = 3,
				     .backing = DMAF_PFN | DMAF_MMIO),
				WISH(.block = 5000)),
			 0);
	assert_int_equal(t.align, 8192);
	assert_int_equal(t.stride, 8192);
	assert_int_equal(t.block, 5000);
	assert_int_equal(t.count, 9);
	assert_int_equal(t.segs, 2);
	assert_int_equal(t.dma_mask, UINT32_MAX);
	assert_int_equal(t.backing, DMAF_PFN);
}

static void steps(void **state)
{
	/* Sizes that no party alone would ask for: multiples of 6 and 4096. */
	assert_int_equal(
		settle(NEED(.len_align = 6), NEED(.len_align = 4096, .block_want = 4096), WISH(0)),
		0);
	assert_int_equal(t.block, 12288);
	assert_int_equal(settle(NEED(0), NEED(.len_align = 4096, .align_why = "O_DIRECT"),
				WISH(.block = 5000)),
			 -EINVAL);
	says("src:: block=5000 is not a multiple of 4096, which O_DIRECT needs for dst:; the next "
	     "are 4096 and 8192");
	assert_int_equal(settle(NEED(0), NEED(.len_align = 4096), WISH(.block = 1000)), -EINVAL);
	says("src:: block=1000 is not a multiple of 4096, which it needs for dst:; the next is "
	     "4096");
	assert_int_equal(settle(NEED(.len_align = 6), NEED(.len_align = 4), WISH(.block = 32)),
			 -EINVAL);
	says("src:: block=32 is not a multiple of 6, which it needs for src:; the next are 24 and "
	     "36");
}

static void limits(void **state)
{
	assert_int_equal(settle(NEED(.block_min = 1 << 20), NEED(0), WISH(0)), 0);
	assert_int_equal(t.block, 1 << 20);
	assert_int_equal(settle(NEED(0), NEED(.block_max = 10000, .len_align = 4096), WISH(0)), 0);
	assert_int_equal(t.block, 8192);
	assert_int_equal(settle(NEED(0), NEED(.segs = 1, .seg_max = 65536), WISH(0)), 0);
	assert_int_equal(t.block, 65536);
	assert_int_equal(settle(NEED(0), NEED(.segs = 1, .boundary = 65536), WISH(0)), 0);
	assert_int_equal(t.block, 65536);
	assert_int_equal(settle(NEED(0), NEED(.boundary = 65536), WISH(.block = 20000)), 0);
	assert_true(65536 % t.stride == 0 && t.align >= 20000);
	/* Limits that exclude each other are refused; this once went round for ever. */
	assert_int_equal(settle(NEED(.block_min = 1 << 20), NEED(.block_max = 65536), WISH(0)),
			 -EINVAL);
	says("src:: no block size suits every party: src: takes at least 1048576 bytes, dst: at "
	     "most 65536, in multiples of 1");
	assert_int_equal(settle(NEED(0), NEED(.block_max = 65536), WISH(.block = 100000)), -EINVAL);
	says("src:: block=100000, but dst: takes at most 65536 bytes");
	assert_int_equal(settle(NEED(0), NEED(.block_min = 65536), WISH(.block = 1000)), -EINVAL);
	says("src:: block=1000, but dst: takes at least 65536 bytes");
	assert_int_equal(settle(NEED(0), NEED(.count_min = 3), WISH(.count = 2)), -EINVAL);
	says("src:: blocks=2, but dst: needs at least 3");
}

static void slices(void **state)
{
	assert_int_equal(
		settle(NEED(0), NEED(0), WISH(.block = 4096, .slice_off = 64, .slice_len = 4032)),
		0);
	assert_int_equal(
		settle(NEED(0), NEED(0), WISH(.block = 4096, .slice_off = 64, .slice_len = 4033)),
		-EINVAL);
	says("src:: slice=64+4033 reaches past the block of 4096 bytes");
	assert_int_equal(settle(NEED(0), NEED(0), WISH(.slice_off = UINT64_MAX, .slice_len = 2)),
			 -EINVAL);
	assert_int_equal(settle(NEED(0), NEED(.align = 512, .align_why = "O_DIRECT"),
				WISH(.block = 4096, .slice_off = 64, .slice_len = 512)),
			 -EINVAL);
	says("src:: a slice at 64 is not at a multiple of 512, which O_DIRECT needs for dst:");
	assert_int_equal(settle(NEED(0), NEED(.len_align = 512),
				WISH(.block = 4096, .slice_off = 512, .slice_len = 1000)),
			 -EINVAL);
	says("src:: slice length=1000 is not a multiple of 512, which it needs for dst:; the next "
	     "are 512 and 1024");
}

static void owners(void **state)
{
	assert_int_equal(settle(NEED(.own = DMAF_OWN_CAN), NEED(.own = DMAF_OWN_CAN), WISH(0)), 0);
	assert_int_equal(owner, 0);
	assert_int_equal(settle(NEED(.own = DMAF_OWN_CAN), NEED(.own = DMAF_OWN_MUST), WISH(0)), 0);
	assert_int_equal(owner, 1);
	assert_int_equal(second, -1);
	assert_int_equal(settle(NEED(.own = DMAF_OWN_MUST), NEED(.own = DMAF_OWN_MUST), WISH(0)),
			 0);
	assert_int_equal(owner, 0);
	assert_int_equal(second, 1);
	assert_int_equal(settle(NEED(.backing = DMAF_PFN), NEED(.backing = DMAF_PAGES), WISH(0)),
			 0);
	assert_int_equal(owner, 0);
	assert_int_equal(second, 1);
	assert_int_equal(settle(NEED(.backing = 1 << 20), NEED(0), WISH(0)), -EINVAL);
	says("src:: takes no kind of memory that there is");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults), cmocka_unit_test(strictest_of_all),
		cmocka_unit_test(steps),    cmocka_unit_test(limits),
		cmocka_unit_test(slices),   cmocka_unit_test(owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
