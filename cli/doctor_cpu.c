// SPDX-License-Identifier: MIT
/* Stores that fill a line of write-combined memory at once, each executed on own memory. */
#include "cli/doctor.h"

#include <stdint.h>
#include <string.h>

#define AREA "cpu"

#if defined(__x86_64__) || defined(__i386__)

#include <cpuid.h>
#include <immintrin.h>

__attribute__((target("sse2"))) static void store_sse2(void *to, const void *from)
{
	for (size_t i = 0; i < 4; i++)
		_mm_stream_si128((__m128i *)to + i, _mm_loadu_si128((const __m128i *)from + i));
	_mm_sfence();
}

__attribute__((target("avx2"))) static void store_avx2(void *to, const void *from)
{
	for (size_t i = 0; i < 2; i++)
		_mm256_stream_si256((__m256i *)to + i,
				    _mm256_loadu_si256((const __m256i *)from + i));
	_mm_sfence();
}

__attribute__((target("avx512f"))) static void store_avx512(void *to, const void *from)
{
	_mm512_stream_si512((__m512i *)to, _mm512_loadu_si512(from));
	_mm_sfence();
}

/* movdir64b (%rsi),%rdi as bytes: assemblers older than the instruction are about. */
static void store_movdir64b(void *to, const void *from)
{
#ifdef __x86_64__
	__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x3e" : : "D"(to), "S"(from) : "memory");
#endif
	_mm_sfence();
}

/* CPUID leaf 7, ECX bit 28 (Intel SDM volume 2A, CPUID). Nothing to save for the system. */
static bool has_movdir64b(void)
{
	unsigned int a, b, c = 0, d;

#ifndef __x86_64__
	return false;
#endif
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 28 & 1);
}

static void check(struct doctor *d, const char *name, bool has,
		  void (*store)(void *to, const void *from), const char *fills, const char *without)
{
	_Alignas(64) unsigned char to[64] = {0}, from[64];
	struct doctor_row *row;

	for (unsigned int i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i + 1);
	if (has)
		store(to, from);
	row = doctor_row(d, AREA, has ? DOCTOR_YES : DOCTOR_NO, "%s", name);
	if (has && memcmp(to, from, sizeof(to)) != 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "announced by CPUID, but the line stored differs");
		doctor_remedy(d, row, "a fault of the CPU or its emulator: use plain stores");
	} else if (has) {
		doctor_detail(d, row, "%s; executed", fills);
	} else {
		doctor_reason(d, row, "CPUID doesn't announce it, or the system doesn't enable it");
		doctor_remedy(d, row, "%s", without);
	}
}

void doctor_cpu(struct doctor *d)
{
	__builtin_cpu_init();
	check(d, "SSE2 movntdq", __builtin_cpu_supports("sse2"), store_sse2,
	      "four stores fill a 64-byte line", "plain stores in order still combine");
	check(d, "AVX2 vmovntdq", __builtin_cpu_supports("avx2"), store_avx2,
	      "two stores fill a 64-byte line", "nothing to do: SSE2 stores are used");
	check(d, "AVX-512 vmovntdq", __builtin_cpu_supports("avx512f"), store_avx512,
	      "one store fills a 64-byte line", "nothing to do: narrower stores are used");
	check(d, "MOVDIR64B", has_movdir64b(), store_movdir64b,
	      "64 bytes written as one, never split", "nothing to do: narrower stores are used");
}

#elif defined(__aarch64__) || (defined(__arm__) && defined(__linux__))

#include <sys/auxv.h>

#ifdef __aarch64__
#include <asm/hwcap.h>
#define HAS_NEON (getauxval(AT_HWCAP) & HWCAP_ASIMD)
#else
/* <asm/hwcap.h> on Arm: HWCAP_NEON */
#define HAS_NEON (getauxval(AT_HWCAP) & (1UL << 12))
#endif

/* Returns false where this build has no floating point registers to do it with. */
static bool store_neon(void *to, const void *from)
{
#ifdef __aarch64__
	__asm__ volatile("ld1 {v0.16b-v3.16b}, [%1]\n\tst1 {v0.16b-v3.16b}, [%0]"
			 :
			 : "r"(to), "r"(from)
			 : "v0", "v1", "v2", "v3", "memory");
	return true;
#elif defined(__ARM_FP)
	/* The directive, since armhf's base line has no NEON and the core at hand may. */
	__asm__ volatile(".fpu neon\n\t"
			 "vld1.8 {d0-d3}, [%1]!\n\tvst1.8 {d0-d3}, [%0]!\n\t"
			 "vld1.8 {d0-d3}, [%1]\n\tvst1.8 {d0-d3}, [%0]"
			 : "+r"(to), "+r"(from)
			 :
			 : "d0", "d1", "d2", "d3", "memory");
	return true;
#else
	return false;
#endif
}

void doctor_cpu(struct doctor *d)
{
	_Alignas(64) unsigned char to[64] = {0}, from[64];
	bool has = HAS_NEON;
	struct doctor_row *row;

	for (unsigned int i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i + 1);
	row = doctor_row(d, AREA, has ? DOCTOR_YES : DOCTOR_NO, "NEON");
	if (!has) {
		doctor_reason(d, row, "the kernel doesn't announce it (AT_HWCAP)");
		doctor_remedy(d, row, "nothing to do: plain stores in order still combine");
	} else if (!store_neon(to, from)) {
		doctor_detail(d, row,
			      "announced by the kernel; not executed by this soft-float "
			      "build");
	} else if (memcmp(to, from, sizeof(to)) != 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "announced by the kernel, but the line stored differs");
		doctor_remedy(d, row, "a fault of the CPU or its emulator: use plain stores");
	} else {
		doctor_detail(d, row, "four registers store a 64-byte line; executed");
	}
}

#else

void doctor_cpu(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_UNKNOWN, "wide stores");

	doctor_reason(d, row, "no check for this kind of CPU");
	doctor_remedy(d, row, "nothing to do: plain stores in order still combine");
}

#endif
