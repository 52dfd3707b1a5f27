/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The environment (fixed-width types, memory order) and the typed addresses.
 *
 * An address is one of three things that are not interchangeable:
 *   CPU pointer    what the CPU dereferences
 *   dmaf_iova      what a device puts on its bus; an IOMMU may stand between it and memory
 *   dmaf_phys      where memory is on the physical bus
 * The latter two are one-member structs, so that dereferencing one, or giving a device a pointer,
 * does not compile.
 */
#ifndef DMAF_BASE_TYPES_H
#define DMAF_BASE_TYPES_H

#if defined(__KERNEL__)
#include "env/linux_kernel.h"
#elif defined(DMAF_ENV_RP2040)
#include "env/rp2040.h"
#else
#include "env/posix.h"
#endif

#ifdef __cplusplus
#define DMAF_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define DMAF_STATIC_ASSERT(cond, text) _Static_assert(cond, text) /* GCC: in gnu89 too */
#endif

#define DMAF_INLINE      static inline __attribute__((__always_inline__, __unused__))
#define DMAF_MUST_CHECK  __attribute__((__warn_unused_result__))
#define DMAF_LIKELY(x)   __builtin_expect(!!(x), 1)
#define DMAF_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* An address as a device sees it, in bytes. Read it only through dmaf_iova_value(). */
typedef struct {
	uint64_t iova_;
} dmaf_iova;

/* An address on the physical bus, in bytes. Read it only through dmaf_phys_value(). */
typedef struct {
	uint64_t phys_;
} dmaf_phys;

DMAF_STATIC_ASSERT(sizeof(dmaf_iova) == 8, "dmaf_iova crosses the ABI as 8 bytes");
DMAF_STATIC_ASSERT(sizeof(dmaf_phys) == 8, "dmaf_phys crosses the ABI as 8 bytes");

/* The one place where a number becomes a device address: call it where the mapping is made. */
DMAF_INLINE dmaf_iova dmaf_iova_make(uint64_t value)
{
	dmaf_iova iova;

	iova.iova_ = value;
	return iova;
}

/* For writing into a descriptor or register, and for printing. */
DMAF_INLINE uint64_t dmaf_iova_value(dmaf_iova iova)
{
	return iova.iova_;
}

/* "No device address": all ones. 0 is a valid iova. */
DMAF_INLINE dmaf_iova dmaf_iova_none(void)
{
	return dmaf_iova_make(~(uint64_t)0);
}

DMAF_INLINE bool dmaf_iova_is_none(dmaf_iova iova)
{
	return iova.iova_ == ~(uint64_t)0;
}

/* offset in bytes; the caller keeps it inside the mapping. */
DMAF_INLINE dmaf_iova dmaf_iova_add(dmaf_iova iova, uint64_t offset)
{
	return dmaf_iova_make(iova.iova_ + offset);
}

/* From a physical address as the platform gives it (pagemap, /proc/iomem, page_to_phys). */
DMAF_INLINE dmaf_phys dmaf_phys_make(uint64_t value)
{
	dmaf_phys phys;

	phys.phys_ = value;
	return phys;
}

DMAF_INLINE uint64_t dmaf_phys_value(dmaf_phys phys)
{
	return phys.phys_;
}

/* "No physical address": all ones. */
DMAF_INLINE dmaf_phys dmaf_phys_none(void)
{
	return dmaf_phys_make(~(uint64_t)0);
}

DMAF_INLINE bool dmaf_phys_is_none(dmaf_phys phys)
{
	return phys.phys_ == ~(uint64_t)0;
}

/* offset in bytes; the caller keeps it inside the physically contiguous range. */
DMAF_INLINE dmaf_phys dmaf_phys_add(dmaf_phys phys, uint64_t offset)
{
	return dmaf_phys_make(phys.phys_ + offset);
}

#endif
