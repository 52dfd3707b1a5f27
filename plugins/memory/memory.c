// SPDX-License-Identifier: MIT
/*
 * memory: - pools from this machine's memory. What a flow takes when no party brings its own, and
 * what programs open that drive a device of their own: dmaf_pool_open(&pool, "memory:block=1M").
 */
#include <errno.h>

#include <dmaflow/align.h>
#include <dmaflow/mem.h>
#include <dmaflow/plugin.h>

#include "plugins/plugins.h"

#define BLOCK  (256u << 10)
#define BLOCKS 16

static const struct dmaf_opt options[] = {
	{"block", DMAF_OPT_SIZE, "bytes per buffer (256K)", 1, 1ull << 30},
	{"blocks", DMAF_OPT_COUNT, "buffers in the pool (16)", 1, 65536},
	{"memory", DMAF_OPT_STRING,
	 "pages (best unless measured otherwise), thp (transparent huge pages), huge (reserved "
	 "ones, "
	 "vm.nr_hugepages), memfd"},
	{NULL},
};

/* The address comes first, then what the flow agreed on, then the defaults. */
static int settle(const dmaf_addr *addr, const struct dmaf_terms *in, struct dmaf_terms *t,
		  struct dmaf_err *err)
{
	*t = in ? *in : (struct dmaf_terms){0};
	if (addr) {
		if (dmaf_addr_has(addr, "block")) {
			t->block = (size_t)dmaf_addr_u64(addr, "block", 0);
			t->stride = 0;
		}
		t->count = (unsigned)dmaf_addr_u64(addr, "blocks", t->count);
		t->memory = dmaf_addr_str(addr, "memory", t->memory);
	}
	if (!t->block)
		t->block = BLOCK;
	if (!t->count)
		t->count = BLOCKS;
	if (!t->segs)
		t->segs = 1;
	/*
	 * Pages, so that a block can be protected and pinned by itself; small blocks only get a
	 * cache line each, or a thousand of them would take megabytes.
	 */
	if (!t->align)
		t->align = t->block >= 4096 ? 4096 : 64;
	if (t->stride < t->block && !dmaf_align_up(t->block, t->align, &t->stride))
		return dmaf_fail(err, -EINVAL, "block=%zu: beyond the address space", t->block);
	return 0;
}

static int memory_open(const dmaf_addr *addr, const struct dmaf_terms *terms, dmaf_pool **pool,
		       struct dmaf_err *err)
{
	struct dmaf_terms t;
	dmaf_region *region;
	enum dmaf_mem how;
	size_t len;
	int rc;

	*pool = NULL;
	rc = settle(addr, terms, &t, err);
	if (!rc)
		rc = dmaf_mem_parse(t.memory, &how, err);
	if (rc)
		return rc;
	if (t.backing && !(t.backing & DMAF_PAGES))
		return dmaf_fail(err, -EINVAL,
				 "memory: gives pages, and a party of this flow takes none");
	if (__builtin_mul_overflow(t.stride, t.count, &len))
		return dmaf_fail(err, -EINVAL, "block=%zu, blocks=%u: beyond the address space",
				 t.block, t.count);
	rc = dmaf_region_anon(&region, len, how, err);
	if (rc)
		return rc;
	if (t.align > region->page) {
		rc = dmaf_fail(err, -EINVAL, "blocks aligned to %zu bytes: %s starts at %zu",
			       t.align, region->name, region->page);
	} else {
		rc = dmaf_pool_create(pool, region, &t, NULL, NULL, err);
	}
	dmaf_region_put(region); /* the pool has its own reference */
	return rc;
}

static const struct dmaf_pool_kind_ops pool_ops = {.open = memory_open};

const struct dmaf_kind dmaf_kind_memory = {
	.abi = DMAF_ABI,
	.name = "memory",
	.help = "buffers from this machine's memory",
	.main = "",
	.opts = options,
	.pool = &pool_ops,
};
