/* SPDX-License-Identifier: GPL-2.0-only */
/* Content that follows from its place in the stream: what plugins/common/pattern_data.c makes. */
#ifndef DMAFLOW_WORDS_H
#define DMAFLOW_WORDS_H

#include <linux/string.h>
#include <linux/types.h>
#include <asm/byteorder.h>

#define DMAF_WORDS_STEP 0x9e3779b97f4a7c15ull

static inline u64 dmaf_word(u64 offset, u64 seed)
{
	return seed + offset / 8 * DMAF_WORDS_STEP;
}

static inline void dmaf_words_fill(u8 *to, u32 len, u64 offset, u64 seed)
{
	for (; len && offset % 8; len--, offset++)
		*to++ = dmaf_word(offset, seed) >> (offset % 8 * 8);
	for (; len >= 8; len -= 8, offset += 8, to += 8) {
		__le64 w = cpu_to_le64(dmaf_word(offset, seed));

		memcpy(to, &w, 8);
	}
	for (; len; len--, offset++)
		*to++ = dmaf_word(offset, seed) >> (offset % 8 * 8);
}

static inline bool dmaf_words_right(const u8 *from, u32 len, u64 offset, u64 seed)
{
	bool right = true;

	for (; len && offset % 8; len--, offset++)
		right &= *from++ == (u8)(dmaf_word(offset, seed) >> (offset % 8 * 8));
	for (; len >= 8; len -= 8, offset += 8, from += 8) {
		__le64 w = cpu_to_le64(dmaf_word(offset, seed));

		right &= !memcmp(from, &w, 8);
	}
	for (; len; len--, offset++)
		right &= *from++ == (u8)(dmaf_word(offset, seed) >> (offset % 8 * 8));
	return right;
}

#endif
