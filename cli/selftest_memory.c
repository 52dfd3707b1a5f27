// SPDX-License-Identifier: MIT
/* selftest: the device's memory, seen from the CPU, the bus and the rest of the kernel. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <dmaflow/align.h>
#include <dmaflow/inspect.h>

#include "cli/selftest.h"
#include "mem/mem.h"

#define BLOCK  (256u << 10)
#define BLOCKS 16u

/* The address comes first, then what is usual, as far as the device allows. */
static struct dmaf_driver_want wanted(const struct selftest *t)
{
	const struct dmaf_drv_info *i = &t->info;
	uint64_t block = dmaf_addr_u64(t->addr, "block", 0), stride = 0;
	size_t align = i->cache_align;

	if (!block) {
		block = i->block_max && i->block_max < BLOCK ? i->block_max : BLOCK;
		if (i->block_align > 1 && block > i->block_align)
			block -= block % i->block_align;
	}
	/* Blocks that are no smaller than a page begin at one, as in a flow. */
	if (block >= dmaf_mem_page() && align < dmaf_mem_page())
		align = dmaf_mem_page();
	if (!dmaf_align_up(block, align, &stride))
		stride = block;
	return (struct dmaf_driver_want){
		.block = block,
		.stride = stride,
		.count = (unsigned)dmaf_addr_u64(t->addr, "blocks", BLOCKS),
		.contiguous = dmaf_addr_u64(t->addr, "contiguous", 0),
		.base_pages = dmaf_addr_u64(t->addr, "base-pages", 0),
		.from_memory = !(i->caps & (DMAF_DRV_CAP_TO_MEMORY | DMAF_DRV_CAP_MEMORY_ONLY)),
	};
}

int selftest_take(struct selftest *t, struct dmaf_err *err)
{
	enum {
		DRIVER,
		USER,
		HUGE_PAGES
	} memory = dmaf_addr_u64(t->addr, "memory", DRIVER); /* the order of the option's words */
	struct dmaf_driver_want want;
	dmaf_region *mine = NULL;
	size_t len;
	int rc = dmaf_driver_open(&t->drv, dmaf_addr_main(t->addr), t->text, err);

	if (rc)
		return rc;
	t->info = *dmaf_driver_info(t->drv);
	want = wanted(t);
	if (memory != DRIVER) {
		if (__builtin_mul_overflow(want.stride, want.count, &len))
			return dmaf_fail(err, -EINVAL, "%s: beyond the address space", t->text);
		rc = memory == USER ? dmaf_region_memfd(&mine, len, err)
				    : dmaf_mem_memfd_huge(&mine, len, err);
		want.memory = mine;
	}
	if (!rc)
		rc = dmaf_driver_setup(t->drv, &want, &t->region, err);
	dmaf_region_put(mine);
	return rc;
}

void selftest_release(struct selftest *t)
{
	dmaf_region_put(t->region);
	dmaf_driver_put(t->drv);
	t->region = NULL;
	t->drv = NULL;
}

static void bus(struct selftest *t)
{
	const struct dmaf_attachment *att = dmaf_region_find(t->region, dmaf_driver_engine(t->drv));
	const struct dmaf_drv_setup *s = dmaf_driver_layout(t->drv);
	struct doctor_row *row = doctor_row(&t->report, "memory", DOCTOR_YES, "bus segments");
	size_t longest = 0, run;
	unsigned whole = 0, beyond = 0;
	char text[32];

	if (!att->nsegs) {
		doctor_detail(&t->report, row,
			      "none told: the device's bus maps each block by itself");
		return;
	}
	for (unsigned i = 0; i < att->nsegs; i++) {
		if (att->segs[i].len > longest)
			longest = att->segs[i].len;
		beyond += dmaf_iova_value(att->segs[i].iova) + att->segs[i].len - 1 >
			  t->info.dma_mask;
	}
	for (uint32_t i = 0; i < s->count; i++) {
		dmaf_iova iova;

		if (!dmaf_region_iova(t->region, att->engine, (size_t)(i * s->stride), &iova, &run))
			whole += run >= s->block;
	}
	doctor_detail(&t->report, row, "%u, the longest of %s; %u of %u blocks lie in one",
		      att->nsegs, doctor_bytes(longest, text, sizeof(text)), whole, s->count);
	if (beyond) {
		row->verdict = DOCTOR_NO;
		doctor_reason(&t->report, row, "%u lie beyond the DMA mask 0x%" PRIx64, beyond,
			      t->info.dma_mask);
		doctor_remedy(&t->report, row, "this is a fault of the driver: report it");
	}
}

static void calls(struct selftest *t, const struct dmaf_mapping *m)
{
	struct dmaf_facility_trial tried[DMAF_FACILITIES];
	int rc = dmaf_inspect_try(t->region->cpu, t->region->len, tried);

	for (unsigned f = 0; f < DMAF_FACILITIES; f++) {
		struct dmaf_facility_verdict v = dmaf_mapping_verdict(m, (enum dmaf_facility)f, 0);
		struct doctor_row *row =
			doctor_row(&t->report, "calls that pin it", DOCTOR_YES, "%s",
				   dmaf_facility_name((enum dmaf_facility)f));

		if (!rc && tried[f].tried && !tried[f].err) {
			doctor_detail(&t->report, row, "tried: works%s",
				      tried[f].copied ? " (loopback always copies)" : "");
			continue;
		}
		row->verdict = rc || !tried[f].tried ? DOCTOR_UNKNOWN
			       : v.err               ? DOCTOR_LIMITED
						     : DOCTOR_NO;
		doctor_reason(&t->report, row, "%s%s", strerror(rc ? -rc : -tried[f].err),
			      row->verdict == DOCTOR_UNKNOWN ? ", before the memory was looked at"
							     : "");
		doctor_remedy(&t->report, row, "%s",
			      row->verdict == DOCTOR_UNKNOWN ? "`dmaflow doctor` says what is amiss"
			      : v.err                        ? v.why
				      : "this memory should be taken: report it");
	}
}

void selftest_memory(struct selftest *t)
{
	const struct dmaf_drv_setup *s = dmaf_driver_layout(t->drv);
	struct doctor_row *row = doctor_row(&t->report, "memory", DOCTOR_YES, "mapping");
	char block[32], page[32];
	struct dmaf_mapping m;
	int rc = dmaf_inspect_addr(t->region->cpu, t->region->len, &m);

	if (rc) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(&t->report, row, "/proc/self/smaps: %s", strerror(-rc));
		doctor_remedy(&t->report, row, "a kernel with CONFIG_PROC_PAGE_MONITOR");
		memset(&m, 0, sizeof(m));
	} else {
		doctor_detail(&t->report, row,
			      "%s: %u blocks of %s, %" PRIu64 " apart, pages of %s, VmFlags %s",
			      dmaf_mapping_kind_name(m.kind), s->count,
			      doctor_bytes(s->block, block, sizeof(block)), s->stride,
			      doctor_bytes(s->page, page, sizeof(page)), m.vmflags);
	}
	bus(t);
	calls(t, &m);
}
