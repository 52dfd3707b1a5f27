/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Types and memory order on the RP2040. The names are explained in posix.h.
 *
 * Two Cortex-M0+ (ARMv6-M) share SRAM without caches. The architecture has no exclusive access
 * instructions; an aligned 32-bit LDR or STR is single-copy atomic (ARMv6-M ARM, A3.5.1) and DMB
 * orders them (A3.7.3). LDR and STR are written out because some compilers turn __atomic
 * accesses into library calls for this core.
 */
#ifndef DMAF_BASE_ENV_RP2040_H
#define DMAF_BASE_ENV_RP2040_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DMAF_EPROTO 71
#define DMAF_EINVAL 22

/* No cache; the ring's lines keep this size because its layout is one for all machines. */
#define DMAF_CACHELINE 64

#ifdef NDEBUG
#define DMAF_ASSERT(x) ((void)0)
#else
#define DMAF_ASSERT(x) ((x) ? (void)0 : __builtin_trap())
#endif

static inline uint32_t dmaf_load_relaxed(const uint32_t *p)
{
	uint32_t value;

	__asm__ __volatile__("ldr %0, [%1]" : "=l"(value) : "l"(p), "m"(*p));
	return value;
}

static inline void dmaf_store_relaxed(uint32_t *p, uint32_t value)
{
	__asm__ __volatile__("str %1, [%2]" : "=m"(*p) : "l"(value), "l"(p));
}

static inline void dmaf_fence_full(void)
{
	__asm__ __volatile__("dmb" ::: "memory");
}

static inline uint32_t dmaf_load_acquire(const uint32_t *p)
{
	uint32_t value = dmaf_load_relaxed(p);

	dmaf_fence_full();
	return value;
}

static inline void dmaf_store_release(uint32_t *p, uint32_t value)
{
	dmaf_fence_full();
	dmaf_store_relaxed(p, value);
}

static inline void dmaf_cpu_relax(void)
{
	__asm__ __volatile__("nop" ::: "memory");
}

#endif
