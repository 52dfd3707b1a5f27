/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "plugins/tcp/zc_track.h"

void zc_reset(struct zc_track *t)
{
	t->next = 0;
	t->done = 0;
	memset(t->seen, 0, sizeof(t->seen));
}

uint64_t zc_sent(struct zc_track *t, uint64_t bytes)
{
	assert(zc_room(t));
	t->bytes[t->next % ZC_WINDOW] = bytes;
	return ++t->next;
}

static bool is_seen(const struct zc_track *t, uint64_t i)
{
	return t->seen[i % ZC_WINDOW / 64] >> (i % 64) & 1;
}

int zc_notified(struct zc_track *t, uint32_t lo, uint32_t hi, bool copied)
{
	/* Distances from .done survive the wrap of the 32 bits: at most ZC_WINDOW are out. */
	uint64_t first = t->done + (uint32_t)(lo - (uint32_t)t->done);
	uint64_t last = t->done + (uint32_t)(hi - (uint32_t)t->done);

	/* A number below .done seems to lie almost 2^32 ahead: sent long ago, notified before. */
	if (first - t->done > UINT32_MAX / 2)
		return -EALREADY;
	if (first > last || last >= t->next)
		return -ERANGE;
	for (uint64_t i = first; i <= last; i++)
		if (is_seen(t, i))
			return -EALREADY;
	for (uint64_t i = first; i <= last; i++) {
		t->seen[i % ZC_WINDOW / 64] |= 1ull << (i % 64);
		if (copied)
			t->copied_bytes += t->bytes[i % ZC_WINDOW];
	}
	*(copied ? &t->copied : &t->zerocopied) += last - first + 1;
	while (t->done < t->next && is_seen(t, t->done)) {
		t->seen[t->done % ZC_WINDOW / 64] &= ~(1ull << (t->done % 64));
		t->done++;
	}
	return 0;
}
