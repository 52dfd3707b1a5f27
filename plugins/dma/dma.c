// SPDX-License-Identifier: MIT
/* dma: - a device behind dmaflow.ko: what it fills, what it reads, or memory for one of your own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <dmaflow/align.h>

#include "mem/mem.h"
#include "plugins/dma/dma.h"
#include "plugins/plugins.h"

#define LOOK_NS 100000000u /* between looks at the driver's counts */

/* The driver's copies between a block and memory that the device reaches. */
static const char copy_bounced[] = "kernel-bounce-buffer";

static const char *const memories[] = {"driver", "user", "huge", NULL};

static const struct dmaf_opt options[] = {
	{"block", DMAF_OPT_SIZE, "bytes per buffer (256K)", 1, 1ull << 30},
	{"blocks", DMAF_OPT_COUNT, "buffers in the pool (16)", 1, 65536},
	{"memory", DMAF_OPT_WORD,
	 "whose memory: the driver's, the user's (a memfd, which the driver pins), or huge pages "
	 "of his (vm.nr_hugepages)",
	 .words = memories},
	{"contiguous", DMAF_OPT_FLAG, "each block one run of bus addresses, or an error"},
	{"base-pages", DMAF_OPT_FLAG, "no huge pages in the driver's memory"},
	{NULL},
};

static int open_device(struct dmaf_driver **out, const dmaf_addr *a, struct dmaf_err *err)
{
	if (!*dmaf_addr_main(a))
		return dmaf_fail(err, -EINVAL,
				 "%s: no device; write dma:/dev/dmaflow0 ('ls /dev/dmaflow*' shows "
				 "what there is)",
				 dmaf_addr_text(a));
	return dmaf_driver_open(out, dmaf_addr_main(a), dmaf_addr_text(a), err);
}

static int check_caps(const struct dmaf_drv_info *i, uint32_t caps, const dmaf_addr *a,
		      struct dmaf_err *err)
{
	bool memory_only = i->caps & DMAF_DRV_CAP_MEMORY_ONLY;

	/* What memory can do says nothing of a device behind it: there is none. */
	if ((i->caps & caps) == caps && memory_only == (caps == DMAF_DRV_CAP_MEMORY_ONLY))
		return 0;
	if (caps == DMAF_DRV_CAP_MEMORY_ONLY)
		return dmaf_fail(
			err, -EOPNOTSUPP,
			"%s: %s (%s) is a device that the driver runs: a source or sink of "
			"a flow, no memory for a device of your own",
			dmaf_addr_text(a), i->name, i->front);
	if (memory_only)
		return dmaf_fail(err, -EOPNOTSUPP,
				 "%s: %s is memory with no device behind it, for a program that "
				 "drives one by itself (dmaf_pool_open(), examples/sender.c)",
				 dmaf_addr_text(a), i->name);
	return dmaf_fail(err, -EOPNOTSUPP, "%s: %s (%s) %s", dmaf_addr_text(a), i->name, i->front,
			 caps == DMAF_DRV_CAP_TO_MEMORY
				 ? "reads memory and writes none: it can be a sink, not a source"
				 : "writes memory and reads none: it can be a source, not a sink");
}

int dma_open(struct dma_end *e, struct dmaf_party *p)
{
	const struct dmaf_drv_info *i;
	int rc = open_device(&e->drv, p->addr, &p->err);

	if (rc)
		return rc;
	i = dmaf_driver_info(e->drv);
	rc = check_caps(i, e->from_memory ? DMAF_DRV_CAP_FROM_MEMORY : DMAF_DRV_CAP_TO_MEMORY,
			p->addr, &p->err);
	if (rc)
		return rc;
	p->need = (struct dmaf_need){
		/*
		 * Of its own memory the driver knows that the device reaches it. The user's it
		 * takes as it finds it, so it may as well be another party's.
		 */
		.own = dmaf_addr_u64(p->addr, "memory", DMA_MEMORY_DRIVER) == DMA_MEMORY_DRIVER
			       ? DMAF_OWN_MUST
			       : DMAF_OWN_CAN,
		.backing = DMAF_PAGES,
		.align = i->cache_align,
		.len_align = i->block_align,
		.align_why = "the device's transfers",
		.block_max = (size_t)i->block_max,
		.count_min = i->caps & DMAF_DRV_CAP_OVERWRITES ? 2 : 1,
		.dma_mask = i->dma_mask == UINT64_MAX ? 0 : i->dma_mask,
	};
	p->count.path = i->caps & DMAF_DRV_CAP_IOMMU ? "dmaflow.ko, IOMMU" : "dmaflow.ko";
	return 0;
}

static struct dmaf_driver_want want_of(const dmaf_addr *a, const struct dmaf_terms *t)
{
	return (struct dmaf_driver_want){
		.block = t->block,
		.stride = t->stride,
		.align = t->align,
		.count = t->count,
		.contiguous = dmaf_addr_u64(a, "contiguous", 0),
		.base_pages = dmaf_addr_u64(a, "base-pages", 0),
	};
}

/* Shared memory of this program's, for the driver to pin. */
static int user_region(dmaf_region **out, const dmaf_addr *a, const struct dmaf_terms *t,
		       struct dmaf_err *err)
{
	size_t len;

	if (__builtin_mul_overflow(t->stride, t->count, &len))
		return dmaf_fail(err, -EINVAL,
				 "%s: %u blocks of %zu bytes: beyond the address space",
				 dmaf_addr_text(a), t->count, t->block);
	return dmaf_addr_u64(a, "memory", 0) == DMA_MEMORY_HUGE ? dmaf_mem_memfd_huge(out, len, err)
								: dmaf_region_memfd(out, len, err);
}

/* Cut what the driver has mapped or pinned into buffers. */
static int make_pool(dmaf_pool **pool, dmaf_region *r, const dmaf_addr *a,
		     const struct dmaf_terms *t, struct dmaf_err *err)
{
	if (t->align && (uintptr_t)r->cpu % t->align)
		return dmaf_fail(err, -EINVAL,
				 "%s: blocks aligned to %zu bytes; %s starts at a page of %zu",
				 dmaf_addr_text(a), t->align, r->name, r->page);
	return dmaf_pool_create(pool, r, t, NULL, NULL, err);
}

int dma_pool(struct dma_end *e, struct dmaf_party *p, const struct dmaf_terms *t, dmaf_pool **pool)
{
	struct dmaf_driver_want want = want_of(p->addr, t);
	dmaf_region *mine = NULL, *r = NULL;
	int rc = 0;

	*pool = NULL;
	want.from_memory = e->from_memory;
	if (dmaf_addr_u64(p->addr, "memory", DMA_MEMORY_DRIVER) != DMA_MEMORY_DRIVER)
		rc = user_region(&mine, p->addr, t, &p->err);
	want.memory = mine;
	if (!rc)
		rc = dmaf_driver_setup(e->drv, &want, &r, &p->err);
	e->set_up = !rc;
	if (!rc)
		rc = make_pool(pool, r, p->addr, t, &p->err);
	dmaf_region_put(r); /* the pool has its own reference */
	dmaf_region_put(mine);
	return rc;
}

int dma_attach(struct dma_end *e, struct dmaf_party *p, dmaf_pool *pool)
{
	const struct dmaf_terms *t = dmaf_pool_terms(pool);
	struct dmaf_driver_want want = want_of(p->addr, t);
	dmaf_region *r = NULL;
	int rc = 0;

	if (!e->set_up) {
		want.from_memory = e->from_memory;
		want.memory = dmaf_pool_region(pool);
		rc = dmaf_driver_setup(e->drv, &want, &r, &p->err);
		dmaf_region_put(r);
		e->set_up = !rc;
	}
	if (rc)
		return rc;
	e->count = t->count;
	e->given = calloc(t->count, sizeof(*e->given));
	return e->given ? 0
			: dmaf_fail(&p->err, -ENOMEM, "%s: no memory for %u buffers",
				    dmaf_addr_text(p->addr), t->count);
}

static void note_lost(struct dma_end *e, struct dmaf_party *p, const struct dmaf_drv_stats *s)
{
	uint64_t lost = s->lost_no_block + s->lost_done_full + s->lost_device;

	if (lost == e->lost_noted)
		return;
	e->lost_noted = lost;
	dmaf_note(&p->count,
		  "lost so far, in blocks: %" PRIu64 " because none was free, %" PRIu64
		  " because nobody took what was filled, %" PRIu64 " by the device itself",
		  s->lost_no_block, s->lost_done_full, s->lost_device);
}

void dma_look(struct dma_end *e, struct dmaf_party *p, bool now)
{
	uint64_t at = dmaf_now_ns();
	struct dmaf_drv_stats s;

	if (!e->drv || !e->set_up || (!now && at - e->looked_ns < LOOK_NS))
		return;
	e->looked_ns = at;
	if (dmaf_driver_stats(e->drv, &s))
		return; /* a device that is gone */
	if (s.bounced_bytes > e->bounced) {
		if (!e->bounced)
			dmaf_note(&p->count,
				  "the device does not reach all of this memory: the kernel copies "
				  "through a bounce buffer");
		dmaf_copied(&p->count, copy_bounced, s.bounced_bytes - e->bounced);
		e->bounced = s.bounced_bytes;
	}
	/* Once early, so that who watches knows, and the sum at the end. */
	if (now || !e->lost_noted)
		note_lost(e, p, &s);
}

int dma_give(struct dma_end *e, struct dmaf_party *p, dmaf_buf *const *bufs, unsigned n, bool bytes)
{
	uint32_t index[DMA_BATCH];
	uint64_t len[DMA_BATCH];
	int took = 0;

	if (n > DMA_BATCH)
		n = DMA_BATCH;
	for (unsigned i = 0; i < n; i++) {
		index[i] = bufs[i]->index;
		len[i] = bufs[i]->len;
	}
	/* A ring that is written round needs no word for a block that may be written again. */
	if (dmaf_driver_info(e->drv)->caps & DMAF_DRV_CAP_OVERWRITES)
		took = (int)n;
	else
		took = dmaf_driver_give(e->drv, index, bytes ? len : NULL, n, &p->err);
	if (took <= 0)
		return took;
	for (int i = 0; i < took; i++)
		e->given[bufs[i]->index] = bufs[i];
	e->out += (unsigned)took;
	/* Not before: what a device has for the first block would be lost. */
	if (!e->stopped && !e->failed)
		e->failed = dmaf_driver_start(e->drv, &p->err);
	return took;
}

int dma_nothing(struct dma_end *e, struct dmaf_party *p)
{
	bool waited = e->waiting;

	e->waiting = false;
	if (!e->failed && waited)
		e->failed = dmaf_driver_state(e->drv, &p->err);
	return e->failed;
}

dmaf_buf *dma_take_back(struct dma_end *e, uint32_t index)
{
	dmaf_buf *b = e->given[index];

	e->given[index] = NULL;
	e->out -= b != NULL;
	return b;
}

dmaf_buf *dma_take_any(struct dma_end *e)
{
	for (uint32_t i = 0; e->out && i < e->count; i++)
		if (e->given[i])
			return dma_take_back(e, i);
	return NULL;
}

void dma_wait(struct dma_end *e, struct dmaf_wait *w)
{
	e->waiting = true;
	if (dmaf_driver_arm(e->drv))
		dmaf_wait_fd(w, dmaf_driver_fd(e->drv), POLLIN);
	else
		dmaf_wait_until(w, 1); /* it came meanwhile */
}

void dma_close(struct dma_end *e)
{
	if (!e)
		return;
	if (e->drv)
		dmaf_driver_stop(e->drv);
	dmaf_driver_put(e->drv);
	free(e->given);
	free(e);
}

/* The address comes first, then what dmaf_pool_open() proposes. */
static int pool_open(const dmaf_addr *a, const struct dmaf_terms *in, dmaf_pool **pool,
		     struct dmaf_err *err)
{
	struct dmaf_driver_want want;
	struct dmaf_terms t = *in;
	const struct dmaf_drv_info *i;
	struct dmaf_driver *d;
	dmaf_region *r = NULL;
	int rc = open_device(&d, a, err);

	*pool = NULL;
	if (rc)
		return rc;
	i = dmaf_driver_info(d);
	rc = check_caps(i, DMAF_DRV_CAP_MEMORY_ONLY, a, err);
	if (!rc && dmaf_addr_u64(a, "memory", DMA_MEMORY_DRIVER) != DMA_MEMORY_DRIVER)
		rc = dmaf_fail(err, -EINVAL,
			       "%s: memory=%s: a pool for a device of your own is the driver's "
			       "memory; leave memory= out",
			       dmaf_addr_text(a), dmaf_addr_str(a, "memory", ""));
	if (t.align < i->cache_align)
		t.align = i->cache_align;
	if (!rc && !dmaf_align_up(t.block, t.align, &t.stride))
		rc = dmaf_fail(err, -EINVAL, "%s: block=%zu: beyond the address space",
			       dmaf_addr_text(a), t.block);
	want = want_of(a, &t);
	if (!rc)
		rc = dmaf_driver_setup(d, &want, &r, err);
	if (!rc)
		rc = make_pool(pool, r, a, &t, err);
	dmaf_region_put(r);
	dmaf_driver_put(d); /* the region holds it */
	return rc;
}

static const struct dmaf_pool_kind_ops pool_ops = {.open = pool_open};

const struct dmaf_kind dmaf_kind_dma = {
	.abi = DMAF_ABI,
	.name = "dma",
	.help = "a device behind dmaflow.ko, or memory for one of your own",
	.main = "/dev/dmaflowN",
	.opts = options,
	.source = &dma_source_ops,
	.sink = &dma_sink_ops,
	.pool = &pool_ops,
};
