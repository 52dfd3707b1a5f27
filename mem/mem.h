/* SPDX-License-Identifier: MIT */
/* What the makers of regions in this folder share. */
#ifndef DMAF_MEM_MEM_H
#define DMAF_MEM_MEM_H

#include <dmaflow/mem.h>

/* A region with the mapping that is given back with it; .map is what dmaf_region.priv points to. */
struct dmaf_mem_map {
	void *start; /* of the mapping, guard pages included */
	size_t len;
};

/* The machine's base page in bytes. */
size_t dmaf_mem_page(void);

/* The default huge page in bytes, 0 where there are none. */
size_t dmaf_mem_huge_page(void);

/* One line of /proc/meminfo: its number, kB made bytes; 0 when it is not there. */
uint64_t dmaf_mem_info(const char *key);

/* Round @len up to @page. Return: 0, or -EINVAL for 0 and for what does not fit, explained. */
int dmaf_mem_round(size_t *len, size_t page, struct dmaf_err *err);

/*
 * Why there are no @len bytes of huge pages of @page bytes (0: of none at all), and what to set, or
 * which memory= to take @instead. Return: @rc.
 */
int dmaf_mem_no_huge(struct dmaf_err *err, int rc, size_t len, size_t page, const char *instead);

/* dmaf_region_memfd() on huge pages of the reserved pool: shared, so that a driver may pin them. */
int dmaf_mem_memfd_huge(dmaf_region **out, size_t len, struct dmaf_err *err);

/* Fault all pages in for writing. Return: 0 or negative errno. */
int dmaf_mem_populate(void *cpu, size_t len, size_t page);

/*
 * Make the region of a finished mapping. Takes over the mapping at @map..+@map_len and @fd (-1:
 * none), also when it fails.
 */
int dmaf_mem_region(dmaf_region **out, void *map, size_t map_len, void *cpu, size_t len,
		    size_t page, int fd, uint64_t fd_off, const char *name, struct dmaf_err *err);

#endif
