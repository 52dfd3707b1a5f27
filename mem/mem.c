// SPDX-License-Identifier: MIT
#include <dmaflow/mem.h>

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dmaflow/align.h>

#include "mem/mem.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14, madvise(2) */
#endif

size_t dmaf_mem_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

uint64_t dmaf_mem_info(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	size_t klen = strlen(key);
	char line[128];
	uint64_t v = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, klen) || line[klen] != ':')
			continue;
		v = strtoull(line + klen + 1, NULL, 10);
		if (strstr(line, "kB"))
			v *= 1024;
		break;
	}
	(void)fclose(f);
	return v;
}

size_t dmaf_mem_huge_page(void)
{
	return (size_t)dmaf_mem_info("Hugepagesize");
}

int dmaf_mem_round(size_t *len, size_t page, struct dmaf_err *err)
{
	if (!*len)
		return dmaf_fail(err, -EINVAL, "a region of 0 bytes: at least 1 is needed");
	/* Half the address space is more than any mapping, and keeps sums with guards in range. */
	if (*len > SIZE_MAX / 2 || !dmaf_align_up(*len, page, len))
		return dmaf_fail(err, -EINVAL, "a region of %zu bytes: beyond the address space",
				 *len);
	return 0;
}

int dmaf_mem_populate(void *cpu, size_t len, size_t page)
{
	if (!madvise(cpu, len, MADV_POPULATE_WRITE))
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* Before Linux 5.14. The page may hold data already (import), so its byte is kept. */
	for (size_t at = 0; at < len; at += page) {
		volatile char *p = (char *)cpu + at;

		*p = *p;
	}
	return 0;
}

static void release(dmaf_region *r)
{
	struct dmaf_mem_map *map = r->priv;

	(void)munmap(map->start, map->len);
	if (r->fd >= 0)
		(void)close(r->fd);
	free(map);
	free(r);
}

int dmaf_mem_region(dmaf_region **out, void *map, size_t map_len, void *cpu, size_t len,
		    size_t page, int fd, uint64_t fd_off, const char *name, struct dmaf_err *err)
{
	static const struct dmaf_region_ops ops = {.release = release};
	dmaf_region *r = calloc(1, sizeof(*r));
	struct dmaf_mem_map *m = malloc(sizeof(*m));

	if (!r || !m) {
		free(r);
		free(m);
		(void)munmap(map, map_len);
		if (fd >= 0)
			(void)close(fd);
		return dmaf_fail(err, -ENOMEM, "no memory to describe a region");
	}
	*m = (struct dmaf_mem_map){map, map_len};
	dmaf_region_init(r, &ops, cpu, len, page, DMAF_PAGES, name);
	r->priv = m;
	r->fd = fd;
	r->fd_off = fd_off;
	*out = r;
	return 0;
}

int dmaf_mem_parse(const char *word, enum dmaf_mem *how, struct dmaf_err *err)
{
	static const struct {
		const char *word;
		enum dmaf_mem how;
	} words[] = {{"pages", DMAF_MEM_PAGES},
		     {"thp", DMAF_MEM_THP},
		     {"huge", DMAF_MEM_HUGE},
		     {"memfd", DMAF_MEM_MEMFD}};

	*how = DMAF_MEM_AUTO;
	if (!word)
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(word, words[i].word)) {
			*how = words[i].how;
			return 0;
		}
	}
	return dmaf_fail(err, -EINVAL,
			 "memory=%s: no such memory; there are pages, thp, huge, memfd", word);
}
