// SPDX-License-Identifier: GPL-2.0-only
/* A region: pages, their bus addresses, and how they are handed over. */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

bool dmaf_translated(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && (domain->type & __IOMMU_DOMAIN_PAGING);
}

/* The longest bus segment that the device and what lies before it take: whole pages. */
static unsigned int max_segment(const struct dmaf_dev *d)
{
	u64 max = dma_max_mapping_size(d->dma_dev);

	/* What maps itself cuts as it needs. */
	if (!(d->desc.flags & DMAFLOW_SELF_MAPPED))
		max = min_t(u64, max, dma_get_max_seg_size(d->dma_dev));
	max = min_t(u64, max, UINT_MAX) & PAGE_MASK;
	return max ? max : PAGE_SIZE;
}

static u64 page_size_of_most(const struct dmaf_region *r)
{
	unsigned long huge = 0, i;

	for (i = 0; i < r->npages; i++)
		huge += compound_order(compound_head(r->pages[i])) >= PMD_SHIFT - PAGE_SHIFT;
	return huge > r->npages / 2 ? page_size(compound_head(r->pages[0])) : PAGE_SIZE;
}

/*
 * Without the sync that a mapping implies: each block is synchronised when it is handed over. The
 * one at unmapping would even do harm, by writing a bounce buffer over what the user owns by then.
 */
static int map(struct dmaf_dev *d, struct dmaf_region *r)
{
	int err = sg_alloc_table_from_pages_segment(&r->sgt, r->pages, r->npages, 0, r->len,
						    max_segment(d), GFP_KERNEL);
	unsigned long far;

	if (err)
		return dmaf_refuse(d, err, "SETUP: no memory for a list of %lu pages", r->npages);
	r->dma_dev = d->dma_dev;
	if (d->desc.flags & DMAFLOW_SELF_MAPPED)
		return 0;
	far = dmaf_region_unreachable(r, d->dma_dev);
	if (far)
		return dmaf_refuse(d, -ERANGE,
				   "SETUP: %lu of %lu pages are beyond the device's reach (mask "
				   "%#llx): use driver memory, or an IOMMU",
				   far, r->npages, dma_get_mask(d->dma_dev));
	err = dma_map_sgtable(d->dma_dev, &r->sgt, r->dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (err)
		return dmaf_refuse(d, err,
				   "SETUP: %llu bytes in %u runs can't be mapped for the device "
				   "(mask %#llx, largest mapping %zu): error %d",
				   r->len, r->sgt.orig_nents, dma_get_mask(d->dma_dev),
				   dma_max_mapping_size(d->dma_dev), err);
	r->mapped = true;
	return 0;
}

static enum dma_data_direction direction(const struct dmaf_dev *d, const struct dmaf_drv_setup *set)
{
	if (!d->ops)
		return DMA_BIDIRECTIONAL;
	return set->flags & DMAF_DRV_SETUP_FROM_MEM ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

struct dmaf_region *dmaf_region_create(struct dmaf_dev *d, const struct dmaf_drv_setup *set,
				       u64 len)
{
	struct dmaf_region *r = kzalloc(sizeof(*r), GFP_KERNEL);
	int err = -ENOMEM;

	if (!r)
		return ERR_PTR(err);
	r->len = len;
	r->npages = len >> PAGE_SHIFT;
	kref_init(&r->refs);
	spin_lock_init(&r->export_lock);
	INIT_LIST_HEAD(&r->exports);
	r->dir = direction(d, set);
	r->seg_max =
		d->desc.flags & DMAFLOW_SELF_MAPPED ? U64_MAX : dma_get_max_seg_size(d->dma_dev);
	r->iommu = dmaf_translated(d->dma_dev);
	r->pages = kvmalloc_array(r->npages, sizeof(*r->pages), GFP_KERNEL);
	if (!r->pages) {
		err = dmaf_refuse(d, err, "SETUP: no memory for a list of %lu pages", r->npages);
		goto free;
	}
	if (set->memory == DMAF_DRV_MEM_USER)
		err = dmaf_user_get(d, r, set->user_addr);
	else
		err = dmaf_shmem_get(d, r, set->flags);
	if (err)
		goto free;
	r->page_size = page_size_of_most(r);
	err = map(d, r);
	if (err)
		goto free;
	err = dmaf_region_index(r);
	if (err)
		goto free;
	return r;
free:
	dmaf_region_put(r);
	return ERR_PTR(err);
}

/* The device must have stopped. Once only; the pages stay. */
void dmaf_region_unmap(struct dmaf_region *r)
{
	if (r->mapped)
		dma_unmap_sgtable(r->dma_dev, &r->sgt, r->dir, DMA_ATTR_SKIP_CPU_SYNC);
	r->mapped = false;
	r->dma_dev = NULL;
}

static void destroy(struct kref *refs)
{
	struct dmaf_region *r = container_of(refs, struct dmaf_region, refs);

	dmaf_region_unmap(r);
	kvfree(r->chunks);
	sg_free_table(&r->sgt);
	if (r->file)
		dmaf_shmem_put(r);
	else
		dmaf_user_put(r);
	kvfree(r->pages);
	kfree(r);
}

void dmaf_region_hold(struct dmaf_region *r)
{
	kref_get(&r->refs);
}

void dmaf_region_put(struct dmaf_region *r)
{
	if (r)
		kref_put(&r->refs, destroy);
}
