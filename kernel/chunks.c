// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the bytes of a region lie. Two lists describe it: runs of physical memory, and the bus
 * segments that they became. An IOMMU may make one segment of many runs, but a sync call may cover
 * only what is one run in both: these are the chunks, sorted by offset.
 */
#include <linux/dma-direct.h>
#include <linux/mm.h>

#include "internal.h"

/* Walks both lists at once. Return: how many chunks there are; they are stored if @out. */
static u32 walk(const struct dmaf_region *r, struct dmaf_chunk *out)
{
	struct scatterlist *run = r->sgt.sgl, *seg = r->sgt.sgl;
	u64 off = 0, in_run = 0, in_seg = 0;
	u32 n = 0;

	while (off < r->len) {
		u64 len = run->length - in_run;
		u64 iova = (u64)DMA_MAPPING_ERROR;

		if (r->mapped) {
			len = min_t(u64, len, sg_dma_len(seg) - in_seg);
			iova = sg_dma_address(seg) + in_seg;
		}
		if (out) {
			phys_addr_t phys = sg_phys(run) + in_run;

			out[n].off = off;
			out[n].len = len;
			out[n].iova = iova;
			out[n].bounced =
				r->mapped && !r->iommu && iova != phys_to_dma(r->dma_dev, phys);
		}
		n++;
		off += len;
		in_run += len;
		in_seg += len;
		if (in_run == run->length) {
			run = sg_next(run);
			in_run = 0;
		}
		if (r->mapped && in_seg == sg_dma_len(seg)) {
			seg = sg_next(seg);
			in_seg = 0;
		}
	}
	return n;
}

/*
 * How many pages the device can't reach, and the kernel can't bounce either: mapping those would be
 * a warning in its log. Bounce buffers are there if there is a limit to what is mapped at once, and
 * lie below 4 GiB, but not where a device of fewer bits than 32 would reach them.
 */
unsigned long dmaf_region_unreachable(const struct dmaf_region *r, struct device *dev)
{
	u64 last = min_not_zero(dma_get_mask(dev), dev->bus_dma_limit);
	unsigned long i, n = 0;

	if (r->iommu ||
	    (dma_max_mapping_size(dev) != SIZE_MAX && dma_get_mask(dev) >= DMA_BIT_MASK(32)))
		return 0;
	/* dma_capable() needs what 32-bit kernels don't export. */
	for (i = 0; i < r->npages; i++)
		n += phys_to_dma(dev, page_to_phys(r->pages[i])) + PAGE_SIZE - 1 > last;
	return n;
}

int dmaf_region_index(struct dmaf_region *r)
{
	dma_addr_t iova;
	u64 off;

	r->nchunks = walk(r, NULL);
	r->chunks = kvmalloc_array(r->nchunks, sizeof(*r->chunks), GFP_KERNEL);
	if (!r->chunks)
		return -ENOMEM;
	walk(r, r->chunks);
	for (off = 0; off < r->len; r->nsegs++)
		off += dmaf_region_run(r, off, r->seg_max, &iova);
	return 0;
}

/* The chunk that @off lies in. */
static u32 find(const struct dmaf_region *r, u64 off)
{
	u32 low = 0, high = r->nchunks;

	while (high - low > 1) {
		u32 mid = low + (high - low) / 2;

		if (r->chunks[mid].off <= off)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/*
 * How far the bus addresses run on from @off without a gap, at most @max; *@iova is the first. For
 * what is not mapped, how far physical memory does.
 */
u64 dmaf_region_run(const struct dmaf_region *r, u64 off, u64 max, dma_addr_t *iova)
{
	u32 i = find(r, off);
	const struct dmaf_chunk *c = &r->chunks[i];
	u64 len = c->off + c->len - off;

	*iova = r->mapped ? c->iova + (off - c->off) : DMA_MAPPING_ERROR;
	for (; r->mapped && len < max && i + 1 < r->nchunks; i++, c++) {
		if (c[1].iova != c->iova + c->len)
			break;
		len += c[1].len;
	}
	return min(len, max);
}

struct dmaf_synced dmaf_region_sync(struct dmaf_region *r, u64 off, u64 len, bool for_cpu)
{
	struct dmaf_synced s = {};
	const struct dmaf_chunk *c;

	if (!r->mapped || !len)
		return s;
	for (c = &r->chunks[find(r, off)]; len; c++) {
		u64 at = off - c->off, n = min(len, c->len - at);

		if (for_cpu)
			dma_sync_single_for_cpu(r->dma_dev, c->iova + at, n, r->dir);
		else
			dma_sync_single_for_device(r->dma_dev, c->iova + at, n, r->dir);
		s.bytes += n;
		/* Towards the CPU nothing comes back from a device that only reads. */
		if (c->bounced && !(for_cpu ? r->dir == DMA_TO_DEVICE : r->dir == DMA_FROM_DEVICE))
			s.bounced += n;
		off += n;
		len -= n;
	}
	return s;
}
