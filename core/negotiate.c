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

/* Smallest multiple of every seat's len_align; 0: beyond the address space. */
static size_t common_step(const struct dmaf_seat *s, unsigned n)
{
	size_t step = 1;

	for (unsigned i = 0; i < n; i++) {
		size_t a = s[i].need->len_align, b = step;

		if (!a)
			continue;
		while (b) {
			size_t rest = a % b;

			a = b;
			b = rest;
		}
		if (__builtin_mul_overflow(step / a, s[i].need->len_align, &step))
			return 0;
	}
	return step;
}

static int check_multiple(const struct dmaf_seat *s, unsigned n, const struct dmaf_wish *wish,
			  size_t value, const char *what, struct dmaf_err *err)
{
	size_t step = common_step(s, n);
	const struct dmaf_seat *strict = NULL;

	for (unsigned i = 0; i < n; i++)
		if (s[i].need->len_align && value % s[i].need->len_align &&
		    (!strict || s[i].need->len_align > strict->need->len_align))
			strict = &s[i];
	if (!strict)
		return 0;
	if (!step)
		return dmaf_fail(err, -EINVAL,
				 "%s: %s=%zu is not a multiple of %zu, which %s needs for %s; no "
				 "length in this machine's memory suits all parties",
				 wish->label, what, value, strict->need->len_align,
				 strict->need->align_why ? strict->need->align_why : "it",
				 strict->label);
	if (value < step)
		return dmaf_fail(err, -EINVAL,
				 "%s: %s=%zu is not a multiple of %zu, which %s needs for %s; "
				 "the next is %zu",
				 wish->label, what, value, strict->need->len_align,
				 strict->need->align_why ? strict->need->align_why : "it",
				 strict->label, step);
	return dmaf_fail(err, -EINVAL,
			 "%s: %s=%zu is not a multiple of %zu, which %s needs for %s; "
			 "the next are %zu and %zu",
			 wish->label, what, value, strict->need->len_align,
			 strict->need->align_why ? strict->need->align_why : "it", strict->label,
			 value / step * step, (value / step + 1) * step);
}

/* Longest block that one party can take; 0: any. */
static size_t longest(const struct dmaf_need *d)
{
	size_t most = d->block_max;

	if (d->seg_max && (d->segs == 1 || !most) && (!most || d->seg_max < most))
		most = d->seg_max;
	if (d->boundary && d->segs == 1 && (!most || d->boundary < most))
		most = (size_t)d->boundary;
	return most;
}

/* Nobody asked for a size: as close to what is wanted as limits and step allow. */
static int choose_block(const struct dmaf_seat *s, unsigned n, const struct dmaf_wish *wish,
			struct dmaf_terms *t, struct dmaf_err *err)
{
	size_t step = common_step(s, n), least = 1, most = 0;
	const char *who_least = wish->label, *who_most = wish->label;

	for (unsigned i = 0; i < n; i++) {
		size_t limit = longest(s[i].need);

		if (s[i].need->block_min > least) {
			least = s[i].need->block_min;
			who_least = s[i].label;
		}
		if (limit && (!most || limit < most)) {
			most = limit;
			who_most = s[i].label;
		}
	}
	t->block = LARGEST(s, n, block_want);
	if (!t->block)
		t->block = BLOCK_DEFAULT;
	if (t->block < least)
		t->block = least;
	if (step && t->block <= SIZE_MAX - step)
		t->block = (t->block + step - 1) / step * step;
	if (step && most && t->block > most)
		t->block = most / step * step;
	if (step && t->block && t->block % step == 0 && t->block >= least)
		return 0;
	return dmaf_fail(err, -EINVAL,
			 "%s: no block size suits every party: %s takes at least %zu bytes, %s at "
			 "most %zu, in multiples of %zu",
			 wish->label, who_least, least, who_most, most, step);
}

static int settle_block(const struct dmaf_seat *s, unsigned n, const struct dmaf_wish *wish,
			struct dmaf_terms *t, struct dmaf_err *err)
{
	int rc;

	if (!wish->block)
		return choose_block(s, n, wish, t, err);
	t->block = wish->block;
	rc = check_multiple(s, n, wish, t->block, "block", err);
	for (unsigned i = 0; !rc && i < n; i++) {
		size_t least = s[i].need->block_min, most = longest(s[i].need);

		if (t->block < least || (most && t->block > most))
			rc = dmaf_fail(err, -EINVAL, "%s: block=%zu, but %s takes %s %zu bytes",
				       wish->label, t->block, s[i].label,
				       t->block < least ? "at least" : "at most",
				       t->block < least ? least : most);
	}
	return rc;
}

static int settle_slice(const struct dmaf_seat *s, unsigned n, const struct dmaf_wish *wish,
			const struct dmaf_terms *t, struct dmaf_err *err)
{
	const struct dmaf_seat *strict = largest(s, n, offsetof(struct dmaf_need, align));

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
	return check_multiple(s, n, wish, (size_t)wish->slice_len, "slice length", err);
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

/* A block within the boundary never crosses it when it starts at multiples of its own size. */
static size_t settle_align(const struct dmaf_seat *s, unsigned n, size_t block)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), align = LARGEST(s, n, align);

	if (align < ALIGN_LEAST)
		align = ALIGN_LEAST;
	if (block >= page && align < page)
		align = page;
	for (unsigned i = 0; i < n; i++)
		while (block <= s[i].need->boundary && align < block)
			align *= 2;
	return align;
}

/* The first seat whose memory is none of those before it; -1: all have some in common. */
static int settle_backing(const struct dmaf_seat *s, unsigned n, unsigned *backing, int *other)
{
	*backing = DMAF_BACKING_ANY;
	for (unsigned i = 0; i < n; i++) {
		if (!s[i].need->backing)
			continue;
		if (*backing & s[i].need->backing) {
			*backing &= s[i].need->backing;
			continue;
		}
		*other = 0;
		for (unsigned k = 0; k < i; k++)
			if (s[k].need->backing && !(s[k].need->backing & s[i].need->backing))
				*other = (int)k;
		return (int)i;
	}
	return -1;
}

int dmaf_negotiate(const struct dmaf_seat *s, unsigned n, const struct dmaf_wish *wish,
		   struct dmaf_terms *t, int *owner, int *second, struct dmaf_err *err)
{
	int rc, apart, other = 0;

	*t = (struct dmaf_terms){0};
	apart = settle_backing(s, n, &t->backing, &other);
	if (apart == 0)
		return dmaf_fail(err, -EINVAL, "%s: takes no kind of memory that there is",
				 s[0].label);
	settle_owner(s, n, owner, second);
	if (*second < 0 && apart > 0) {
		*owner = other;
		*second = apart;
	}
	if (*second >= 0)
		return 0;
	rc = settle_block(s, n, wish, t, err);
	if (!rc)
		rc = settle_slice(s, n, wish, t, err);
	if (rc)
		return rc;
	t->align = settle_align(s, n, t->block);
	t->stride = (t->block + t->align - 1) / t->align * t->align;

	t->count = wish->count;
	for (unsigned i = 0; i < n; i++) {
		const struct dmaf_need *d = s[i].need;

		if (!wish->count && d->count_want > t->count)
			t->count = d->count_want;
		if (d->segs && (!t->segs || d->segs < t->segs))
			t->segs = d->segs;
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
	return 0;
}
