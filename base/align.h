/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Alignment, right for every integer type of up to 64 bits (signed ones and bool-sized ones too)
 * and every power of two up to 2^63.
 *
 * The arithmetic is done in 64 bits and the result given back in the type of the value: a 32-bit
 * alignment never cuts the upper half off a 64-bit address, a negative value is not special
 * (-1 lies between -8 and 0), and a narrow type is not widened behind the caller's back. Nothing
 * here divides, so it links in 32-bit kernels.
 *
 * Each argument is evaluated once unless the macro's name is in capitals.
 * Alignments must be powers of two; where they come from outside, use dmaf_align_check().
 */
#ifndef DMAF_BASE_ALIGN_H
#define DMAF_BASE_ALIGN_H

#include "types.h"

/* Constant expressions, for static assertions and array sizes. Arguments evaluated repeatedly. */
#define DMAF_IS_POW2(x)     ((x) > 0 && ((uint64_t)(x) & ((uint64_t)(x)-1)) == 0)
#define DMAF_ALIGN_UP(x, a) (((uint64_t)(x) + ((uint64_t)(a)-1)) & ~((uint64_t)(a)-1))

/* The largest value of an integer type, two's complement if signed. */
#define DMAF_TYPE_IS_SIGNED(type) ((type)-1 < (type)1)
#define DMAF_TYPE_MAX(type)                                                      \
	(DMAF_TYPE_IS_SIGNED(type) ? ((uint64_t)1 << (8 * sizeof(type) - 1)) - 1 \
				   : (uint64_t)(type)-1)

/* True if x is a multiple of a. A constant expression when its arguments are. */
#define dmaf_is_aligned(x, a) (((uint64_t)(x) & ((uint64_t)(a)-1)) == 0)

/* The same for a CPU pointer. */
#define dmaf_ptr_is_aligned(p, a) dmaf_is_aligned((uintptr_t)(p), a)

/* True if x is 1, 2, 4, …; false for 0 and for negative values. */
#define dmaf_is_pow2(x) dmaf_is_pow2_below((uint64_t)(x), DMAF_TYPE_MAX(__typeof__(x)))

/*
 * The largest multiple of a that is not above x, in the type of x. It always fits in an unsigned
 * type, and in a signed one if a does. A constant expression when its arguments are.
 */
#define dmaf_align_down(x, a) ((__typeof__(x))((uint64_t)(x) & ~((uint64_t)(a)-1)))

/*
 * Takes x as the type of *out, stores the smallest multiple of a that is not below it in *out
 * and is true; false, with *out untouched, if that multiple does not fit in the type of *out.
 */
#define dmaf_align_up(x, a, out)                                                           \
	__extension__({                                                                    \
		__typeof__(*(out)) dmaf_value_ = (x);                                      \
		uint64_t dmaf_up_ = 0;                                                     \
		bool dmaf_fits_ =                                                          \
			dmaf_align_up_below((uint64_t)dmaf_value_, (uint64_t)(a),          \
					    DMAF_TYPE_MAX(__typeof__(*(out))), &dmaf_up_); \
		DMAF_STATIC_ASSERT(sizeof(dmaf_value_) <= 8, "at most 64 bits");           \
		if (dmaf_fits_)                                                            \
			*(out) = (__typeof__(*(out)))dmaf_up_;                             \
		dmaf_fits_;                                                                \
	})

/* Behind dmaf_is_pow2(): a negative value, sign-extended, is above max. */
DMAF_INLINE bool dmaf_is_pow2_below(uint64_t x, uint64_t max)
{
	return x <= max && DMAF_IS_POW2(x);
}

/* Behind dmaf_align_up(): x and max are sign-extended, so max - x is exact modulo 2^64. */
DMAF_INLINE bool dmaf_align_up_below(uint64_t x, uint64_t a, uint64_t max, uint64_t *up)
{
	uint64_t missing = (0 - x) & (a - 1);

	if (missing > max - x)
		return false;
	*up = x + missing;
	return true;
}

/*
 * The smallest n with unit << n >= size: what page allocators call the order. unit is a power of
 * two. 0 for sizes of 0 up to unit, at most 64.
 */
DMAF_INLINE unsigned int dmaf_order(uint64_t size, uint64_t unit)
{
	unsigned int order = 0;
	uint64_t last =
		size ? size - 1 : 0; /* the last byte's address decides, and can't overflow */

	for (; unit > 1; unit >>= 1)
		last >>= 1;
	for (; last; last >>= 1)
		order++;
	return order;
}

enum dmaf_align_fault {
	DMAF_ALIGN_FINE,
	DMAF_ALIGN_OFF,      /* given is not a multiple of need */
	DMAF_ALIGN_BAD_NEED, /* need is not a power of two; down and up are its neighbours that are
			      */
};

/* What a border's check found, for the caller to put into words. Plain data, may be copied. */
struct dmaf_align_report {
	const char *what; /* what was checked, such as "block size"; the caller's string */
	uint64_t given;   /* the address or length, in bytes */
	uint64_t need;    /* the alignment asked for, in bytes */
	uint64_t down;    /* the nearest right value below */
	uint64_t up;      /* the nearest right value above; equals down if there is none */
	enum dmaf_align_fault fault;
};

/* For printf and printk: what was given, what is wrong, what would be right. */
#define DMAF_ALIGN_FMT "%s %#llx (%llu): not a multiple of %llu; %llu or %llu would be right"
#define DMAF_ALIGN_ARG(r)                                                          \
	(r)->what, (unsigned long long)(r)->given, (unsigned long long)(r)->given, \
		(unsigned long long)(r)->need, (unsigned long long)(r)->down,      \
		(unsigned long long)(r)->up

/* Behind dmaf_align_check(), out of the fast path. */
static inline __attribute__((__unused__)) void dmaf_align_explain(uint64_t given, uint64_t need,
								  struct dmaf_align_report *report)
{
	uint64_t pow2 = (uint64_t)1 << 63;

	if (DMAF_IS_POW2(need)) {
		report->fault = DMAF_ALIGN_OFF;
		report->down = dmaf_align_down(given, need);
		report->up = report->down;
		(void)dmaf_align_up(given, need, &report->up);
		return;
	}
	report->fault = DMAF_ALIGN_BAD_NEED;
	while (pow2 > 1 && pow2 > need)
		pow2 >>= 1;
	report->down = pow2;
	report->up = pow2 < (uint64_t)1 << 63 && need ? pow2 << 1 : pow2;
}

/*
 * The check at a border: true if given (an address or a length, in bytes) is a multiple of need
 * and need a power of two; else false, with *report saying what would do. report may be NULL.
 */
DMAF_INLINE DMAF_MUST_CHECK bool dmaf_align_check(const char *what, uint64_t given, uint64_t need,
						  struct dmaf_align_report *report)
{
	bool fine = DMAF_IS_POW2(need) && dmaf_is_aligned(given, need);

	if (!report)
		return fine;
	report->what = what;
	report->given = given;
	report->need = need;
	report->down = given;
	report->up = given;
	report->fault = DMAF_ALIGN_FINE;
	if (!fine)
		dmaf_align_explain(given, need, report);
	return fine;
}

#endif
