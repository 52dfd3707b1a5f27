/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <string.h>

#include "plugins/common/pattern_data.h"

/* An odd constant with no short period in any byte; a multiple of it needs only an addition. */
#define STEP 0x9e3779b97f4a7c15ull

static uint64_t word_at(uint64_t index, uint64_t seed)
{
	return seed + index * STEP;
}

uint8_t dmaf_pattern_byte(uint64_t offset, uint64_t seed)
{
	return (uint8_t)(word_at(offset / 8, seed) >> (offset % 8 * 8));
}

/* Bytes up to the next whole word of the stream. */
static size_t head_of(uint64_t offset, size_t len)
{
	size_t head = (size_t)(-offset % 8);

	return head < len ? head : len;
}

void dmaf_pattern_fill(void *to, size_t len, uint64_t offset, uint64_t seed)
{
	unsigned char *p = to;
	size_t head = head_of(offset, len), words;
	uint64_t w;

	for (size_t i = 0; i < head; i++)
		*p++ = dmaf_pattern_byte(offset++, seed);
	len -= head;
	words = len / 8;
	w = word_at(offset / 8, seed);
	for (size_t i = 0; i < words; i++) {
		uint64_t le = htole64(w);

		memcpy(p + i * 8, &le, 8);
		w += STEP;
	}
	p += words * 8;
	offset += words * 8;
	for (size_t i = 0; i < len % 8; i++)
		*p++ = dmaf_pattern_byte(offset++, seed);
}

size_t dmaf_pattern_check(const void *from, size_t len, uint64_t offset, uint64_t seed)
{
	const unsigned char *p = from;
	size_t head = head_of(offset, len), at = head, words = (len - head) / 8;
	uint64_t w, wrong = 0;

	for (size_t i = 0; i < head; i++)
		if (p[i] != dmaf_pattern_byte(offset + i, seed))
			return i;
	w = word_at((offset + head) / 8, seed);
	for (size_t done = 0; done < words;) {
		/* Whole runs without a branch, so that the compiler can use wide loads. */
		size_t run = words - done < 512 ? words - done : 512;

		for (size_t i = 0; i < run; i++) {
			uint64_t v;

			memcpy(&v, p + at + i * 8, 8);
			wrong |= le64toh(v) ^ w;
			w += STEP;
		}
		if (wrong)
			break;
		at += run * 8;
		done += run;
	}
	for (; at < len; at++)
		if (p[at] != dmaf_pattern_byte(offset + at, seed))
			return at;
	return len;
}
