/* SPDX-License-Identifier: MIT */
/*
 * The marks by which a program in a guest tells the copy meter (meter.c) what to count.
 *
 *	meter_clear()          forget all tags, those of programs before this one too
 *	meter_tag(buf, len)    these bytes' pages are payload
 *	meter_begin()          count from here
 *	meter_end()            to here: one line in the meter's output
 *
 * They are instructions that nobody else has a use for: no-ops, and loads, with rare displacements.
 * Without the meter they do nothing but read one byte per page. A tag is a load because the meter
 * learns of physical pages only by seeing them accessed; so tag memory after it has got its pages,
 * and only memory that stays where it is (locked, or a driver's).
 */
#ifndef DMAF_LAB_METER_H
#define DMAF_LAB_METER_H

#include <stddef.h>
#include <stdint.h>

#define METER_PAGE 4096u

/* Displacements; "dma" and a number. */
#define METER_BEGIN 0x616d6401
#define METER_END   0x616d6402
#define METER_TAG   0x616d6403
#define METER_UNTAG 0x616d6404
#define METER_CLEAR 0x616d6405

#define METER_STRING_(x) #x
#define METER_STRING(x)  METER_STRING_(x)

/* On Arm, outside of Thumb: hints without a meaning, and "ldrbt r0, [r1], #offset". */
#define METER_ARM_HINT(mark) (0xe320f060u | ((mark)&0xfu))
#define METER_ARM_LOAD(mark) (0xe4f10640u | ((mark)&0xfu))

#ifdef __arm__
#define METER_FUNCTION __attribute__((target("arm"), noinline, unused)) static void

#define METER_TOUCH(disp, page)                                \
	do {                                                   \
		register uintptr_t at_ __asm__("r1") = (page); \
		__asm__ volatile(".inst %c1"                   \
				 : "+r"(at_)                   \
				 : "i"(METER_ARM_LOAD(disp))   \
				 : "r0", "memory");            \
	} while (0)
#define METER_MARK(disp) __asm__ volatile(".inst %c0" : : "i"(METER_ARM_HINT(disp)) : "memory")
#else
#define METER_FUNCTION static inline void

/* 8a 87 disp32: mov disp(%rdi),%al */
#define METER_TOUCH(disp, page)                                            \
	do {                                                               \
		unsigned char got_;                                        \
		__asm__ volatile("movb " METER_STRING(disp) "(%%rdi),%%al" \
				 : "=a"(got_)                              \
				 : "D"((page) - (disp))                    \
				 : "memory");                              \
	} while (0)

/* 0f 1f 80 disp32: nopl disp(%rax) */
#define METER_MARK(disp) __asm__ volatile("nopl " METER_STRING(disp) "(%%rax)" : : : "memory")
#endif

METER_FUNCTION meter_tag(const void *start, size_t len)
{
	uintptr_t page = (uintptr_t)start & ~(uintptr_t)(METER_PAGE - 1);

	for (; page < (uintptr_t)start + len; page += METER_PAGE)
		METER_TOUCH(METER_TAG, page);
}

METER_FUNCTION meter_untag(const void *start, size_t len)
{
	uintptr_t page = (uintptr_t)start & ~(uintptr_t)(METER_PAGE - 1);

	for (; page < (uintptr_t)start + len; page += METER_PAGE)
		METER_TOUCH(METER_UNTAG, page);
}

METER_FUNCTION meter_begin(void)
{
	METER_MARK(METER_BEGIN);
}

METER_FUNCTION meter_clear(void)
{
	METER_MARK(METER_CLEAR);
}

METER_FUNCTION meter_end(void)
{
	METER_MARK(METER_END);
}

#endif
