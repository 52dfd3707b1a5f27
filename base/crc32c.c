/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "wire.h"
#include "le.h"

/*
 * Four bytes a step, by four tables. The CRC is linear: a table's entry for a byte is the exclusive
 * or of its entries for the byte's bits, and those are the polynomial (0x1EDC6F41, reflected)
 * shifted through the register, one position further for each: 32 steps define all 1024 entries,
 * and none has to be typed in or computed at start.
 */
#define POLY    0x82f63b78u
#define NEXT(s) ((int)(((uint32_t)(s) >> 1) ^ (POLY & (0u - ((uint32_t)(s)&1u)))))
enum { S0 = (int)POLY, S1 = NEXT(S0), S2 = NEXT(S1), S3 = NEXT(S2), S4 = NEXT(S3) };
enum { S5 = NEXT(S4), S6 = NEXT(S5), S7 = NEXT(S6), S8 = NEXT(S7), S9 = NEXT(S8) };
enum { S10 = NEXT(S9), S11 = NEXT(S10), S12 = NEXT(S11), S13 = NEXT(S12), S14 = NEXT(S13) };
enum { S15 = NEXT(S14), S16 = NEXT(S15), S17 = NEXT(S16), S18 = NEXT(S17), S19 = NEXT(S18) };
enum { S20 = NEXT(S19), S21 = NEXT(S20), S22 = NEXT(S21), S23 = NEXT(S22), S24 = NEXT(S23) };
enum { S25 = NEXT(S24), S26 = NEXT(S25), S27 = NEXT(S26), S28 = NEXT(S27), S29 = NEXT(S28) };
enum { S30 = NEXT(S29), S31 = NEXT(S30) };

#define BIT(i, n, s) ((i) & (1u << (n)) ? (uint32_t)(s) : 0u)
#define BYTE(i, s7, s6, s5, s4, s3, s2, s1, s0)                                          \
	(BIT(i, 0, s0) ^ BIT(i, 1, s1) ^ BIT(i, 2, s2) ^ BIT(i, 3, s3) ^ BIT(i, 4, s4) ^ \
	 BIT(i, 5, s5) ^ BIT(i, 6, s6) ^ BIT(i, 7, s7))
#define T0(i)     BYTE(i, S0, S1, S2, S3, S4, S5, S6, S7)
#define T1(i)     BYTE(i, S8, S9, S10, S11, S12, S13, S14, S15)
#define T2(i)     BYTE(i, S16, S17, S18, S19, S20, S21, S22, S23)
#define T3(i)     BYTE(i, S24, S25, S26, S27, S28, S29, S30, S31)
#define R4(T, i)  T(i), T((i) + 1u), T((i) + 2u), T((i) + 3u)
#define R16(T, i) R4(T, i), R4(T, (i) + 4u), R4(T, (i) + 8u), R4(T, (i) + 12u)
#define R64(T, i) R16(T, i), R16(T, (i) + 16u), R16(T, (i) + 32u), R16(T, (i) + 48u)
#define R256(T)   R64(T, 0u), R64(T, 64u), R64(T, 128u), R64(T, 192u)

/* table[k][b]: what byte b comes to, once k more bytes have gone through the register. */
static const uint32_t table[4][256] = {{R256(T0)}, {R256(T1)}, {R256(T2)}, {R256(T3)}};

uint32_t dmaf_crc32c(uint32_t crc, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	crc = ~crc;
	for (; len >= 4; len -= 4, p += 4) {
		crc ^= dmaf_get_le32(p);
		crc = table[3][crc & 0xff] ^ table[2][crc >> 8 & 0xff] ^
		      table[1][crc >> 16 & 0xff] ^ table[0][crc >> 24];
	}
	while (len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	return ~crc;
}
