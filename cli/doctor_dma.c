// SPDX-License-Identifier: MIT
/* A device behind dmaflow.ko: what it is, what it reaches, and what that means for blocks. */
#include "cli/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "mem/driver.h"

static void what_it_is(struct doctor *d, const char *area, const char *path,
		       const struct dmaf_drv_info *i)
{
	struct doctor_row *row = doctor_row(d, area, DOCTOR_YES, "%s", path);
	const char *does = i->caps & DMAF_DRV_CAP_MEMORY_ONLY
				   ? "memory only, for a device that your program drives"
			   : !(i->caps & DMAF_DRV_CAP_FROM_MEMORY) ? "writes memory (a source)"
			   : !(i->caps & DMAF_DRV_CAP_TO_MEMORY)
				   ? "reads memory (a sink)"
				   : "writes memory (a source), reads memory (a sink)";

	doctor_detail(d, row, "%s, %s: %s; interface version %u", i->name, i->front, does,
		      i->version);
	if (i->owned) {
		row->verdict = DOCTOR_LIMITED;
		doctor_reason(d, row, "its queue is taken by another program");
		doctor_remedy(d, row, "`fuser -v %s` shows which; it is free when that ends", path);
	} else if (i->caps & DMAF_DRV_CAP_OVERWRITES) {
		row->verdict = DOCTOR_LIMITED;
		doctor_reason(d, row,
			      "it writes its ring round and waits for nobody: each block is copied "
			      "before it goes on, and what is overtaken is lost and counted");
		doctor_remedy(d, row, "more blocks (blocks=) give a reader more time");
	}
}

static void addresses(struct doctor *d, const char *area, const struct dmaf_drv_info *i)
{
	bool iommu = i->caps & DMAF_DRV_CAP_IOMMU;
	struct doctor_row *row =
		doctor_row(d, area, iommu ? DOCTOR_YES : DOCTOR_LIMITED, "its IOMMU");

	if (iommu) {
		doctor_detail(d, row,
			      "bus addresses are translated: memory in pieces is one bus segment");
	} else {
		doctor_reason(d, row,
			      "bus addresses are physical ones: a block is as many bus segments as "
			      "the memory has pieces");
		doctor_remedy(d, row,
			      "nothing to do for a device with scatter-gather; for another: "
			      "contiguous, smaller blocks, or an IOMMU");
	}
	row = doctor_row(d, area, DOCTOR_YES, "its DMA mask");
	doctor_detail(d, row, "0x%" PRIx64 ": it reaches %d bits of addresses", i->dma_mask,
		      i->dma_mask ? 64 - __builtin_clzll(i->dma_mask) : 0);
	if (!iommu && i->dma_mask < UINT64_MAX >> 16) {
		row->verdict = DOCTOR_LIMITED;
		doctor_reason(d, row,
			      "memory beyond is out of its reach; the kernel would copy through a "
			      "bounce buffer");
		doctor_remedy(d, row,
			      "memory=driver (the default) is placed within reach, and the summary "
			      "counts every byte that was bounced");
	}
	if (i->max_mapping == UINT64_MAX)
		return;
	row = doctor_row(d, area, DOCTOR_LIMITED, "its bounce buffers");
	doctor_detail(d, row, "at most %" PRIu64 " bytes in one mapping", i->max_mapping);
	doctor_reason(d, row, "the kernel may put bounce buffers (swiotlb) in its way: copies");
	doctor_remedy(d, row,
		      "an IOMMU, or no swiotlb=force on the kernel's command line; "
		      "`dmaflow selftest` tells whether bytes are bounced");
}

static void blocks(struct doctor *d, const char *area, const struct dmaf_drv_info *i)
{
	struct doctor_row *row = doctor_row(d, area, DOCTOR_YES, "its blocks");
	char most[48] = "", step[64] = "";

	if (i->block_max)
		(void)snprintf(most, sizeof(most), ", of at most %" PRIu64 " bytes", i->block_max);
	if (i->block_align > 1)
		(void)snprintf(step, sizeof(step), ", in multiples of %u", i->block_align);
	doctor_detail(d, row, "begin at multiples of %u%s%s; %s", i->cache_align, most, step,
		      i->caps & DMAF_DRV_CAP_COHERENT
			      ? "coherent: a hand-over needs no cache maintenance"
			      : "the driver cleans or drops caches at each hand-over");
}

int doctor_driver(struct doctor *d, const char *area, const char *path, const char *label,
		  struct dmaf_err *err)
{
	struct dmaf_driver *drv;
	int rc = dmaf_driver_open(&drv, path, label, err);

	if (rc)
		return rc;
	what_it_is(d, area, path, dmaf_driver_info(drv));
	addresses(d, area, dmaf_driver_info(drv));
	blocks(d, area, dmaf_driver_info(drv));
	dmaf_driver_put(drv);
	return 0;
}

int doctor_dma(struct doctor *d, const char *address, const char *where)
{
	struct dmaf_err err = {0};
	int rc;

	if (!*where) {
		fprintf(stderr, "dmaflow: doctor: %s: no device; write dma:/dev/dmaflow0\n",
			address);
		return 2;
	}
	/* Opening one of ours starts nothing: only SETUP takes anything. */
	rc = doctor_driver(d, DOCTOR_END, where, address, &err);
	if (!rc)
		return 0;
	fprintf(stderr, "dmaflow: doctor: %s\n", err.text);
	return rc == -ENOTTY ? 2 : 1;
}
