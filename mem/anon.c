// SPDX-License-Identifier: MIT
/* Anonymous memory: base pages, transparent huge pages, huge pages from the reserved pool. */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <dmaflow/align.h>
#include <dmaflow/inspect.h>

#include "mem/mem.h"

/*
 * What is best when nobody says: base pages, of whatever size the region is. Huge pages would save
 * a device or an io_uring registration page-table work, but
 *  - filling them costs 37 ms for 16 MiB where base pages cost 4 ms, most of the 50 ms that
 *    a start to the first byte may take;
 *  - SEND_ZC from registered transparent huge pages falls to a twentieth of its speed (6.18);
 *  - the CPU time per GiB of every other way to send and store is the same within noise.
 * So they are for those who ask: memory=thp or memory=huge.
 */
#define BEST DMAF_MEM_PAGES

static const char *size_text(char out[24], uint64_t bytes)
{
	/* Regions are whole pages. */
	(void)snprintf(out, 24, "%" PRIu64 " %s", bytes % (1 << 20) ? bytes >> 10 : bytes >> 20,
		       bytes % (1 << 20) ? "KiB" : "MiB");
	return out;
}

static int no_memory(int err_no, size_t len, const char *what, struct dmaf_err *err)
{
	char size[24];

	return dmaf_fail(err, -err_no,
			 "%s of %s: %s; ask for less (block=, blocks=) or raise the "
			 "limit that holds here (ulimit -v, the cgroup's memory.max)",
			 size_text(size, len), what, strerror(err_no));
}

/*
 * Address space for @len bytes from a multiple of @align on, with a page that faults on either
 * side: an overrun is caught, and the mapping never merges with a neighbour's, so that what smaps
 * says of it is about this region alone.
 */
static int reserve(size_t len, size_t align, void **map, size_t *map_len, void **cpu)
{
	size_t page = dmaf_mem_page();
	uintptr_t start;

	*map_len = len + align + page;
	*map = mmap(NULL, *map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (*map == MAP_FAILED)
		return -errno;
	start = dmaf_align_down((uintptr_t)*map + align, align);
	if (start == (uintptr_t)*map)
		start += align;
	*cpu = mmap((void *)start, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (*cpu == MAP_FAILED) {
		int err_no = errno;

		(void)munmap(*map, *map_len);
		return -err_no;
	}
	return 0;
}

/* How much of the region the kernel made of huge pages, in bytes. */
static uint64_t huge_bytes(const void *cpu, size_t len)
{
	struct dmaf_mapping m;

	return dmaf_inspect_addr(cpu, len, &m) ? 0 : m.huge;
}

static int of_pages(dmaf_region **out, size_t len, int thp, struct dmaf_err *err)
{
	size_t base = dmaf_mem_page(), huge = thp ? dmaf_mem_huge_page() : 0;
	size_t page = huge ? huge : base, map_len;
	char size[24], name[48];
	void *map, *cpu;
	int rc;

	rc = dmaf_mem_round(&len, page, err);
	if (rc)
		return rc;
	rc = reserve(len, page, &map, &map_len, &cpu);
	if (rc)
		return no_memory(-rc, len, "memory", err);
	/* Each is a hint; what came of it is read back below. */
	(void)madvise(cpu, len, thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	/*
	 * After a fork the parent's next write would land in a new page while the kernel or a
	 * device goes on with the old one.
	 */
	(void)madvise(cpu, len, MADV_DONTFORK);
	rc = dmaf_mem_populate(cpu, len, base);
	if (rc) {
		(void)munmap(map, map_len);
		return no_memory(-rc, len, "memory", err);
	}
	size_text(size, len);
	if (!thp) {
		(void)snprintf(name, sizeof(name), "anonymous %s", size);
	} else if (huge && huge_bytes(cpu, len) == len) {
		(void)snprintf(name, sizeof(name), "huge pages (transparent) %.16s", size);
	} else {
		page = base;
		(void)snprintf(name, sizeof(name), "anonymous %.12s (huge pages: %s)", size,
			       huge && huge_bytes(cpu, len) ? "only some" : "none given");
	}
	return dmaf_mem_region(out, map, map_len, cpu, len, page, -1, 0, name, err);
}

int dmaf_mem_no_huge(struct dmaf_err *err, int rc, size_t len, size_t page, const char *instead)
{
	uint64_t free_pages = dmaf_mem_info("HugePages_Free");
	char size[24], psize[24];

	if (!page)
		return dmaf_fail(err, rc,
				 "memory=huge: this kernel has no huge pages (CONFIG_HUGETLBFS); "
				 "leave memory= out");
	return dmaf_fail(
		err, rc,
		"memory=huge: %s are %zu huge pages of %s, %" PRIu64
		" are free (%s); set %zu aside with sysctl vm.nr_hugepages, or take "
		"memory=%s",
		size_text(size, len), len / page, size_text(psize, page), free_pages, strerror(-rc),
		len / page + (size_t)(dmaf_mem_info("HugePages_Total") - free_pages), instead);
}

static int of_huge(dmaf_region **out, size_t len, struct dmaf_err *err)
{
	size_t page = dmaf_mem_huge_page();
	char size[24], name[48];
	void *cpu;
	int rc;

	if (!page)
		return dmaf_mem_no_huge(err, -ENODEV, len, 0, "thp");
	rc = dmaf_mem_round(&len, page, err);
	if (rc)
		return rc;
	size_text(size, len);
	cpu = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1,
		   0);
	if (cpu == MAP_FAILED)
		return dmaf_mem_no_huge(err, -errno, len, page, "thp");
	(void)madvise(cpu, len, MADV_DONTFORK);
	rc = dmaf_mem_populate(cpu, len, page);
	if (rc) {
		(void)munmap(cpu, len);
		return no_memory(-rc, len, "huge pages", err);
	}
	(void)snprintf(name, sizeof(name), "huge pages %s", size);
	return dmaf_mem_region(out, cpu, len, cpu, len, page, -1, 0, name, err);
}

int dmaf_region_anon(dmaf_region **out, size_t len, enum dmaf_mem how, struct dmaf_err *err)
{
	*out = NULL;
	switch (how == DMAF_MEM_AUTO ? BEST : how) {
	case DMAF_MEM_HUGE: return of_huge(out, len, err);
	case DMAF_MEM_MEMFD: return dmaf_region_memfd(out, len, err);
	case DMAF_MEM_THP: return of_pages(out, len, 1, err);
	default: return of_pages(out, len, 0, err);
	}
}
