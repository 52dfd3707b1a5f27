/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Types and memory order inside the Linux kernel. The names are explained in posix.h.
 * Source: Documentation/memory-barriers.txt.
 */
#ifndef DMAF_BASE_ENV_LINUX_KERNEL_H
#define DMAF_BASE_ENV_LINUX_KERNEL_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/version.h>
#include <asm/barrier.h>
#include <asm/processor.h>

#define DMAF_EPROTO EPROTO
#define DMAF_EINVAL EINVAL

#define DMAF_CACHELINE 64

#ifdef DMAF_DEBUG
#define DMAF_ASSERT(x) ((void)WARN_ON_ONCE(!(x)))
#else
#define DMAF_ASSERT(x) ((void)0)
#endif

#ifndef READ_ONCE /* before 3.19 */
#define READ_ONCE(x)     ACCESS_ONCE(x)
#define WRITE_ONCE(x, v) (ACCESS_ONCE(x) = (v))
#endif

static inline uint32_t dmaf_load_relaxed(const uint32_t *p)
{
	return READ_ONCE(*p);
}

static inline void dmaf_store_relaxed(uint32_t *p, uint32_t value)
{
	WRITE_ONCE(*p, value);
}

#ifdef smp_load_acquire
static inline uint32_t dmaf_load_acquire(const uint32_t *p)
{
	return smp_load_acquire(p);
}

static inline void dmaf_store_release(uint32_t *p, uint32_t value)
{
	smp_store_release(p, value);
}
#else /* before 3.14 */
static inline uint32_t dmaf_load_acquire(const uint32_t *p)
{
	uint32_t value = READ_ONCE(*p);

	smp_mb();
	return value;
}

static inline void dmaf_store_release(uint32_t *p, uint32_t value)
{
	smp_mb();
	WRITE_ONCE(*p, value);
}
#endif

static inline void dmaf_fence_full(void)
{
	smp_mb();
}

static inline void dmaf_cpu_relax(void)
{
	cpu_relax();
}

#endif
