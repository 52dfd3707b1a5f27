/* SPDX-License-Identifier: MIT */
/*
 * Regions of memory that any program can have: anonymous pages, huge pages, memfd.
 *
 * All of them are filled in (prefaulted) and writable when they are given out, so that neither the
 * first pass over a pool nor a device pays for a page fault. They are DMAF_PAGES: the kernel pins
 * them for zero-copy sends, fixed buffers and O_DIRECT. Thread-safe: no state is shared.
 */
#ifndef DMAFLOW_MEM_H
#define DMAFLOW_MEM_H

#include <dmaflow/region.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a region is made of. */
enum dmaf_mem {
	DMAF_MEM_AUTO,  /* the best for most: pages */
	DMAF_MEM_PAGES, /* pages of the machine's base size */
	DMAF_MEM_THP,   /* transparent huge pages as far as the kernel has them */
	DMAF_MEM_HUGE,  /* huge pages from the reserved pool (vm.nr_hugepages), or none */
	DMAF_MEM_MEMFD, /* pages of a memfd, for sharing with another process */
};

/** dmaf_mem_parse - "pages", "thp", "huge", "memfd"; NULL is auto. Return: 0 or -EINVAL. */
DMAF_API int dmaf_mem_parse(const char *word, enum dmaf_mem *how, struct dmaf_err *err);

/**
 * dmaf_region_anon - a region of anonymous memory, not shared with child processes.
 * @len: bytes, rounded up to whole pages of the size used (region->page).
 * @how: DMAF_MEM_MEMFD too (as dmaf_region_memfd()).
 *
 * DMAF_MEM_THP keeps base pages where the kernel gave no huge ones; region->name and region->page
 * then say so. DMAF_MEM_HUGE gives huge pages or an error.
 * Return: 0 with one reference for the caller; -ENOMEM, -EINVAL, -ENODEV (no such pages on this
 * machine), explained in @err.
 */
DMAF_API int dmaf_region_anon(dmaf_region **out, size_t len, enum dmaf_mem how,
			      struct dmaf_err *err);

/**
 * dmaf_region_memfd - a region that can be given to another process: region->fd.
 * It is sealed against shrinking, growing and further seals (fcntl(2), F_ADD_SEALS), so whoever has
 * the descriptor can't take pages away under the kernel's or a device's hands.
 * Return: as dmaf_region_anon().
 */
DMAF_API int dmaf_region_memfd(dmaf_region **out, size_t len, struct dmaf_err *err);

/**
 * dmaf_region_import - map a memfd that another process made.
 * @fd: stays the caller's; the region keeps a duplicate.
 * @off: bytes from its start, a multiple of its page size. @len: bytes, 0: all that follow;
 * rounded up to whole pages.
 *
 * Refused unless F_SEAL_SHRINK is set: a peer that truncates a mapped file turns the next access
 * into SIGBUS. Read-only memory (F_SEAL_WRITE) is refused too: a region is for writers.
 * Return: 0; -EPERM not sealed, or sealed against writing; -EINVAL no memfd, misaligned; -ERANGE
 * beyond its end; -ENOMEM.
 */
DMAF_API int dmaf_region_import(dmaf_region **out, int fd, uint64_t off, size_t len,
				struct dmaf_err *err);

#ifdef __cplusplus
}
#endif
#endif
