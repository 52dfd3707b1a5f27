/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Types and memory order for user space (and for any freestanding GCC or clang with __atomic).
 *
 * Every env header gives the same names: the fixed-width types, dmaf_load_relaxed,
 * dmaf_load_acquire, dmaf_store_relaxed, dmaf_store_release, dmaf_fence_full, dmaf_cpu_relax,
 * DMAF_CACHELINE, DMAF_ASSERT and the two errno values that base/ returns.
 */
#ifndef DMAF_BASE_ENV_POSIX_H
#define DMAF_BASE_ENV_POSIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __STDC_HOSTED__
#include <errno.h>
#define DMAF_EPROTO EPROTO
#define DMAF_EINVAL EINVAL
#else
#define DMAF_EPROTO 71
#define DMAF_EINVAL 22
#endif

/* Coherence unit assumed for placement; correctness never depends on it. */
#define DMAF_CACHELINE 64

/* A caller's bug, never input. */
#ifdef NDEBUG
#define DMAF_ASSERT(x) ((void)0)
#else
#define DMAF_ASSERT(x) ((x) ? (void)0 : __builtin_trap())
#endif

static inline uint32_t dmaf_load_relaxed(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint32_t dmaf_load_acquire(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void dmaf_store_relaxed(uint32_t *p, uint32_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static inline void dmaf_store_release(uint32_t *p, uint32_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/* Orders every access before it against every access after it, stores before loads too. */
static inline void dmaf_fence_full(void)
{
	/* Not __atomic_thread_fence: GCC refuses that under -fsanitize=thread -Werror. */
	__sync_synchronize();
}

/* Inside a spin loop: give the other hardware thread the core's resources. */
static inline void dmaf_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__asm__ __volatile__("pause" ::: "memory");
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
	__asm__ __volatile__("yield" ::: "memory");
#else
	__asm__ __volatile__("" ::: "memory");
#endif
}

#endif
