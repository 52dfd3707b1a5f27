// SPDX-License-Identifier: GPL-2.0-only
/*
 * dma-buf: a block, or the whole region, for other drivers. Each importer gets its own mapping of
 * the same pages. While one has them mapped, or a fence says that it still works on them, the block
 * can't be filled again: dmaf_exported() is asked.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fcntl.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS(DMA_BUF);
#else
MODULE_IMPORT_NS("DMA_BUF");
#endif

struct export
{
	struct dmaf_region *region;
	struct dma_buf *buf;
	u32 first, count; /* blocks */
	unsigned long page, npages;
	struct mutex lock;
	struct list_head mappings;
	struct list_head link; /* in the region's list */
	atomic_t mapped;       /* importers that have it mapped */
};

/* One importer's. */
struct mapping {
	struct list_head link;
	struct device *dev;
	struct sg_table sgt;
	enum dma_data_direction dir;
	bool mapped;
};

/*
 * Whether someone else works on the block. In any context: the counts are atomic, and the list only
 * shrinks under the lock that is taken here.
 */
bool dmaf_exported(struct dmaf_region *r, u32 block)
{
	struct export *x;
	unsigned long irq;
	bool busy = false;

	if (!atomic_read(&r->nexports))
		return false;
	spin_lock_irqsave(&r->export_lock, irq);
	list_for_each_entry(x, &r->exports, link)
	{
		if (block - x->first >= x->count)
			continue;
		busy |= atomic_read(&x->mapped) > 0;
		busy |= !dma_resv_test_signaled(x->buf->resv, DMA_RESV_USAGE_READ);
	}
	spin_unlock_irqrestore(&r->export_lock, irq);
	return busy;
}

static int attach(struct dma_buf *buf, struct dma_buf_attachment *at)
{
	struct export *x = buf->priv;
	struct mapping *m = kzalloc(sizeof(*m), GFP_KERNEL);
	int err;

	if (!m)
		return -ENOMEM;
	m->dev = at->dev;
	err = sg_alloc_table_from_pages_segment(
		&m->sgt, x->region->pages + x->page, x->npages, 0, x->npages << PAGE_SHIFT,
		dma_get_max_seg_size(at->dev) & PAGE_MASK, GFP_KERNEL);
	if (err) {
		kfree(m);
		return err;
	}
	at->priv = m;
	mutex_lock(&x->lock);
	list_add(&m->link, &x->mappings);
	mutex_unlock(&x->lock);
	return 0;
}

static void detach(struct dma_buf *buf, struct dma_buf_attachment *at)
{
	struct export *x = buf->priv;
	struct mapping *m = at->priv;

	mutex_lock(&x->lock);
	list_del(&m->link);
	mutex_unlock(&x->lock);
	sg_free_table(&m->sgt);
	kfree(m);
}

static struct sg_table *map(struct dma_buf_attachment *at, enum dma_data_direction dir)
{
	struct export *x = at->dmabuf->priv;
	struct mapping *m = at->priv;
	int err = dma_map_sgtable(at->dev, &m->sgt, dir, 0);

	if (err)
		return ERR_PTR(err);
	mutex_lock(&x->lock);
	m->dir = dir;
	m->mapped = true;
	mutex_unlock(&x->lock);
	atomic_inc(&x->mapped);
	return &m->sgt;
}

static void unmap(struct dma_buf_attachment *at, struct sg_table *sgt, enum dma_data_direction dir)
{
	struct export *x = at->dmabuf->priv;
	struct mapping *m = at->priv;

	mutex_lock(&x->lock);
	m->mapped = false;
	mutex_unlock(&x->lock);
	dma_unmap_sgtable(at->dev, sgt, dir, 0);
	atomic_dec(&x->mapped);
}

/*
 * Our own device has handed the block over already; this is for the importers' devices. In the
 * direction that each is mapped in: whatever the CPU means to do, a sync in another is an error.
 */
static void sync(struct export *x, bool for_cpu)
{
	struct mapping *m;

	mutex_lock(&x->lock);
	list_for_each_entry(m, &x->mappings, link)
	{
		if (!m->mapped)
			continue;
		if (for_cpu)
			dma_sync_sgtable_for_cpu(m->dev, &m->sgt, m->dir);
		else
			dma_sync_sgtable_for_device(m->dev, &m->sgt, m->dir);
	}
	mutex_unlock(&x->lock);
}

static int begin(struct dma_buf *buf, enum dma_data_direction dir)
{
	sync(buf->priv, true);
	return 0;
}

static int end(struct dma_buf *buf, enum dma_data_direction dir)
{
	sync(buf->priv, false);
	return 0;
}

static int mmap(struct dma_buf *buf, struct vm_area_struct *vma)
{
	struct export *x = buf->priv;

	if (!x->region->file) /* the user has mapped it already */
		return -EOPNOTSUPP;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vma->vm_pgoff += x->page;
	return dmaf_map_file(vma, x->region->file);
}

static int map_kernel(struct dma_buf *buf, struct iosys_map *to)
{
	struct export *x = buf->priv;
	void *at = vmap(x->region->pages + x->page, x->npages, VM_MAP, PAGE_KERNEL);

	if (!at)
		return -ENOMEM;
	iosys_map_set_vaddr(to, at);
	return 0;
}

static void unmap_kernel(struct dma_buf *buf, struct iosys_map *from)
{
	vunmap(from->vaddr);
}

static void release(struct dma_buf *buf)
{
	struct export *x = buf->priv;
	struct dmaf_region *r = x->region;

	spin_lock_irq(&r->export_lock);
	list_del(&x->link);
	spin_unlock_irq(&r->export_lock);
	atomic_dec(&r->nexports);
	dmaf_region_put(r);
	kfree(x);
}

static const struct dma_buf_ops ops = {
	.attach = attach,
	.detach = detach,
	.map_dma_buf = map,
	.unmap_dma_buf = unmap,
	.begin_cpu_access = begin,
	.end_cpu_access = end,
	.mmap = mmap,
	.vmap = map_kernel,
	.vunmap = unmap_kernel,
	.release = release,
};

static struct export *make(struct dmaf_queue *q, u32 block)
{
	struct export *x = kzalloc(sizeof(*x), GFP_KERNEL);
	u64 from, to;

	if (!x)
		return NULL;
	x->first = block == ~0u ? 0 : block;
	x->count = block == ~0u ? q->count : 1;
	from = x->first * q->stride;
	to = PAGE_ALIGN(from + (x->count - 1) * q->stride + q->block);
	x->region = q->region;
	x->page = from >> PAGE_SHIFT;
	x->npages = (to - from) >> PAGE_SHIFT;
	mutex_init(&x->lock);
	INIT_LIST_HEAD(&x->mappings);
	return x;
}

/* A dma-buf, or an ERR_PTR. Under d->lock. */
struct dma_buf *dmaf_export(struct dmaf_dev *d, struct dmaf_queue *q, u32 block, u32 flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dmaf_region *r = q->region;
	struct dma_buf *buf;
	struct export *x;

	if (flags & ~(u32)(O_CLOEXEC | O_RDWR))
		return ERR_PTR(dmaf_refuse(
			d, -EINVAL, "EXPORT: flags %#x; O_CLOEXEC and O_RDWR are known", flags));
	if (block != ~0u && block >= q->count)
		return ERR_PTR(dmaf_refuse(d, -EINVAL, "EXPORT: block %u of %u", block, q->count));
	if (block != ~0u && !dmaf_is_aligned(q->stride, PAGE_SIZE))
		return ERR_PTR(dmaf_refuse(d, -EINVAL,
					   "EXPORT: blocks lie %llu apart, several in a page: set "
					   "up a stride of whole pages",
					   q->stride));
	x = make(q, block);
	if (!x)
		return ERR_PTR(-ENOMEM);
	info.ops = &ops;
	info.size = (size_t)x->npages << PAGE_SHIFT;
	info.flags = flags;
	info.priv = x;
	buf = dma_buf_export(&info);
	if (IS_ERR(buf)) {
		kfree(x);
		return buf;
	}
	x->buf = buf;
	dmaf_region_hold(r);
	atomic_inc(&r->nexports);
	spin_lock_irq(&r->export_lock);
	list_add(&x->link, &r->exports);
	spin_unlock_irq(&r->export_lock);
	return buf;
}
