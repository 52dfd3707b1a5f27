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

/* 8a 87 disp32: mov disp(%rdi),%al */
#define METER_TOUCH(disp, page)                                            \
	do {                                                               \
		unsigned char got_;                                        \
		__asm__ volatile("movb " METER_STRING(disp) "(%%rdi),%%al" \
				 : "=a"(got_)                              \
				 : "D"((page) - (disp))                    \
				 : "memory");                              \
	} while (0)

static inline void meter_tag(const void *start, size_t len)
{
	uintptr_t page = (uintptr_t)start & ~(uintptr_t)(METER_PAGE - 1);

	for (; page < (uintptr_t)start + len; page += METER_PAGE)
		METER_TOUCH(METER_TAG, page);
}

static inline void meter_untag(const void *start, size_t len)
{
	uintptr_t page = (uintptr_t)start & ~(uintptr_t)(METER_PAGE - 1);

	for (; page < (uintptr_t)start + len; page += METER_PAGE)
		METER_TOUCH(METER_UNTAG, page);
}

/* 0f 1f 80 disp32: nopl disp(%rax) */
static inline void meter_begin(void)
{
	__asm__ volatile("nopl " METER_STRING(METER_BEGIN) "(%%rax)" : : : "memory");
}

static inline void meter_clear(void)
{
	__asm__ volatile("nopl " METER_STRING(METER_CLEAR) "(%%rax)" : : : "memory");
}

static inline void meter_end(void)
{
	__asm__ volatile("nopl " METER_STRING(METER_END) "(%%rax)" : : : "memory");
}

#endif
