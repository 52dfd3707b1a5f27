/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "wire.h"

/*
 * The CRC is linear: the entry for a byte is the exclusive or of the entries for its bits. Eight
 * constants so define the table; each is the CRC register after shifting out one bit further.
 * The polynomial 0x1EDC6F41 appears reflected, as the entry for the top bit.
 */
#define B7   0x82f63b78u
#define N(b) (((b) >> 1) ^ (B7 & (0u - ((b)&1u))))
enum { B6 = (int)N(B7), B5 = (int)N((uint32_t)B6), B4 = (int)N((uint32_t)B5) };
enum { B3 = (int)N((uint32_t)B4), B2 = (int)N((uint32_t)B3), B1 = (int)N((uint32_t)B2) };
enum { B0 = (int)N((uint32_t)B1) };

#define BIT(i, n, b) ((i) & (1u << (n)) ? (uint32_t)(b) : 0u)
#define E(i)                                                                             \
	(BIT(i, 0, B0) ^ BIT(i, 1, B1) ^ BIT(i, 2, B2) ^ BIT(i, 3, B3) ^ BIT(i, 4, B4) ^ \
	 BIT(i, 5, B5) ^ BIT(i, 6, B6) ^ BIT(i, 7, B7))
#define E4(i)  E(i), E((i) + 1u), E((i) + 2u), E((i) + 3u)
#define E16(i) E4(i), E4((i) + 4u), E4((i) + 8u), E4((i) + 12u)
#define E64(i) E16(i), E16((i) + 16u), E16((i) + 32u), E16((i) + 48u)

static const uint32_t table[256] = {E64(0u), E64(64u), E64(128u), E64(192u)};

uint32_t dmaf_crc32c(uint32_t crc, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	crc = ~crc;
	while (len--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}
