/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include <dmaflow/align.h>

#include "core/negotiate.h"

#define BLOCK_DEFAULT (256u << 10)
#define COUNT_DEFAULT 16u
#define SEGS_DEFAULT  4u
/* A block's start never shares a cache line with its neighbour. */
#define ALIGN_LEAST 64u

/* The seat with the largest value of one field, or NULL when all are 0. */
static const struct dmaf_seat *largest(const struct dmaf_seat *s, unsigned n, size_t field)
{
	const struct dmaf_seat *best = NULL;
	size_t most = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t v = *(const size_t *)(const void *)((const char *)s[i].need + field);

		if (v > most) {
			most = v;
			best = &s[i];
		}
	}
	return best;
}

static size_t largest_value(const struct dmaf_seat *s, unsigned n, size_t field)
{
	const struct dmaf_seat *best = largest(s, n, field);

	return best ? *(const size_t *)(const void *)((const char *)best->need + field) : 0;
}

#define LARGEST(s, n, f) largest_value(s, n, offsetof(struct dmaf_need, f))

static int check_multiple(const struct dmaf_seat *strict, const struct dmaf_wish *wish,
			  size_t value, const char *what, struct dmaf_err *err)
{
	size_t need = strict->need->len_align;
	const char *why = strict->need->align_why ? strict->need->align_why : "it";

	if (value % need == 0)
		return 0;
	if (value < need)
		return dmaf_fail(err, -EINVAL,
				 "%s: %s=%zu is not a multiple of %zu, which %s needs for %s; "
				 "the next is %zu",
				 wish->label, what, value, need, why, strict->label, need);
	return dmaf_fail(err, -EINVAL,
			 "%s: %s=%zu is not a multiple of %zu, which %s needs for %s; "
			 "the next are %zu and %zu",
			 wish->label, what, value, need, why, strict->label, value / need * need,
			 (value / need + 1) * need);
}

static int settle_block(const struct dmaf_seat *s, unsigned n, const struct dmaf_wish *wish,
			struct dmaf_terms *t, struct dmaf_err *err)
{
	const struct dmaf_seat *strict = largest(s, n, offsetof(struct dmaf_need, len_align));
	size_t step = strict ? strict->need->len_align : 1;

	t->block = wish->block;
	if (t->block && strict) {
		int rc = check_multiple(strict, wish, t->block, "block", err);

		if (rc)
			return rc;
	}
	if (!t->block) {
		t->block = LARGEST(s, n, block_want);
		if (!t->block)
			t->block = BLOCK_DEFAULT;
		t->block = (t->block + step - 1) / step * step;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct dmaf_need *d = s[i].need;
		size_t most = d->block_max;

		if (d->seg_max && (d->segs == 1 || !most) && (!most || d->seg_max < most))
			most = d->seg_max;
		if (t->block >= d->block_min && (!most || t->block <= most))
			continue;
		if (!wish->block && most && t->block > most && most >= step) {
			t->block = most / step * step;
			i = (unsigned)-1; /* look at all again */
			continue;
		}
		if (!wish->block && t->block < d->block_min) {
			t->block = (d->block_min + step - 1) / step * step;
			continue;
		}
		return dmaf_fail(err, -EINVAL, "%s: block=%zu, but %s takes %s %zu bytes",
				 wish->label, t->block, s[i].label,
				 t->block < d->block_min ? "at least" : "at most",
				 t->block < d->block_min ? d->block_min : most);
	}
	return 0;
}

static int settle_slice(const struct dmaf_seat *s, unsigned n, const struct dmaf_wish *wish,
			const struct dmaf_terms *t, struct dmaf_err *err)
{
	const struct dmaf_seat *strict = largest(s, n, offsetof(struct dmaf_need, align));
	const struct dmaf_seat *whole = largest(s, n, offsetof(struct dmaf_need, len_align));

	if (!wish->slice_len)
		return 0;
	if (wish->slice_off >= t->block || wish->slice_len > t->block - wish->slice_off)
		return dmaf_fail(err, -EINVAL,
				 "%s: slice=%" PRIu64 "+%" PRIu64
				 " reaches past the block of %zu bytes",
				 wish->label, wish->slice_off, wish->slice_len, t->block);
	if (strict && wish->slice_off % strict->need->align)
		return dmaf_fail(err, -EINVAL,
				 "%s: a slice at %" PRIu64 " is not at a multiple of %zu, which %s "
				 "needs for %s",
				 wish->label, wish->slice_off, strict->need->align,
				 strict->need->align_why ? strict->need->align_why : "it",
				 strict->label);
	return whole ? check_multiple(whole, wish, (size_t)wish->slice_len, "slice length", err)
		     : 0;
}

static void settle_owner(const struct dmaf_seat *s, unsigned n, int *owner, int *second)
{
	*owner = *second = -1;
	for (unsigned i = 0; i < n; i++)
		if (s[i].need->own == DMAF_OWN_MUST) {
			if (*owner < 0)
				*owner = (int)i;
			else if (*second < 0)
				*second = (int)i;
		}
	for (unsigned i = 0; i < n && *owner < 0; i++)
		if (s[i].need->own == DMAF_OWN_CAN)
			*owner = (int)i;
}

int dmaf_negotiate(const struct dmaf_seat *s, unsigned n, const struct dmaf_wish *wish,
		   struct dmaf_terms *t, int *owner, int *second, struct dmaf_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int rc;

	*t = (struct dmaf_terms){.backing = DMAF_BACKING_ANY};
	rc = settle_block(s, n, wish, t, err);
	if (!rc)
		rc = settle_slice(s, n, wish, t, err);
	if (rc)
		return rc;
	t->align = LARGEST(s, n, align);
	if (t->align < ALIGN_LEAST)
		t->align = ALIGN_LEAST;
	if (t->block >= page && t->align < page)
		t->align = page;
	t->stride = (t->block + t->align - 1) / t->align * t->align;

	t->count = wish->count;
	for (unsigned i = 0; i < n; i++) {
		const struct dmaf_need *d = s[i].need;

		if (!wish->count && d->count_want > t->count)
			t->count = d->count_want;
		if (d->segs && (!t->segs || d->segs < t->segs))
			t->segs = d->segs;
		if (d->backing)
			t->backing &= d->backing;
		if (d->dma_mask && (!t->dma_mask || d->dma_mask < t->dma_mask))
			t->dma_mask = d->dma_mask;
	}
	if (!t->segs || t->segs > SEGS_DEFAULT)
		t->segs = SEGS_DEFAULT;
	if (!t->count)
		t->count = COUNT_DEFAULT;
	for (unsigned i = 0; i < n; i++)
		if (t->count < s[i].need->count_min) {
			if (wish->count)
				return dmaf_fail(
					err, -EINVAL, "%s: blocks=%u, but %s needs at least %u",
					wish->label, wish->count, s[i].label, s[i].need->count_min);
			t->count = s[i].need->count_min;
		}
	if (!t->backing)
		return dmaf_fail(err, -EINVAL,
				 "%s: no kind of memory suits every party of the flow",
				 wish->label);
	settle_owner(s, n, owner, second);
	return 0;
}
