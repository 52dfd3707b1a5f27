// SPDX-License-Identifier: GPL-2.0-only
/* /dev/dmaflowN: open, close, mmap, poll. */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "internal.h"

static int open(struct inode *inode, struct file *file)
{
	struct dmaf_dev *d = container_of(inode->i_cdev, struct dmaf_dev, cdev);
	struct dmaf_file *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	get_device(&d->dev);
	f->d = d;
	file->private_data = f;
	dmaf_all_offsets(file);
	return nonseekable_open(inode, file);
}

/*
 * The data may still be mapped, sent or written to a disk: the pages have references of their own.
 * The rings are mapped through this file, so that they are mapped no more.
 */
static int release(struct inode *inode, struct file *file)
{
	struct dmaf_file *f = file->private_data;
	struct dmaf_dev *d = f->d;

	mutex_lock(&d->lock);
	if (f->q) {
		dmaf_queue_stop(d, f->q);
		spin_lock_irq(&d->qlock);
		d->q = NULL;
		spin_unlock_irq(&d->qlock);
		d->owner = NULL;
		dmaf_queue_free(f->q);
	}
	mutex_unlock(&d->lock);
	put_device(&d->dev);
	kfree(f);
	return 0;
}

static __poll_t poll(struct file *file, poll_table *wait)
{
	struct dmaf_file *f = file->private_data;
	struct dmaf_dev *d = f->d;
	/* Pairs with the release in setup(): who sees the queue sees it whole. */
	struct dmaf_queue *q = smp_load_acquire(&f->q);
	__poll_t events = 0;

	poll_wait(file, &d->wait, wait);
	if (READ_ONCE(d->gone))
		return EPOLLHUP | EPOLLERR;
	if (!q)
		return EPOLLERR;
	spin_lock_irq(&d->qlock);
	if (q->error)
		events |= EPOLLERR;
	if (q->done.head != dmaf_load_relaxed(&q->done.shared->tail))
		events |= EPOLLIN | EPOLLRDNORM;
	if (q->fill.tail != dmaf_load_relaxed(&q->fill.shared->head) - q->fill.mask - 1)
		events |= EPOLLOUT | EPOLLWRNORM;
	spin_unlock_irq(&d->qlock);
	return events;
}

/*
 * From here on the mapping is the tmpfs file's, not the device's: the kernel treats it as any
 * shared memory, and it may outlive this file and the module.
 */
int dmaf_map_file(struct vm_area_struct *vma, struct file *data)
{
	vma_set_file(vma, data);
	return call_mmap(vma->vm_file, vma);
}

/*
 * No look at d->lock: who holds it may take mmap_lock, which mmap holds. The queue stays until this
 * file is closed.
 */
static int mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dmaf_file *f = file->private_data;
	struct dmaf_dev *d = f->d;
	struct dmaf_queue *q = smp_load_acquire(&f->q); /* as in poll() */
	u64 off = (u64)vma->vm_pgoff << PAGE_SHIFT, len = vma->vm_end - vma->vm_start;

	if (READ_ONCE(d->gone))
		return -ENODEV;
	if (!q)
		return dmaf_refuse(d, -EPERM, "mmap: only who has done SETUP maps");
	if (!(vma->vm_flags & VM_SHARED))
		return dmaf_refuse(d, -EINVAL,
				   "mmap: MAP_PRIVATE would copy what is written; use MAP_SHARED");
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (off == DMAF_DRV_OFF_FILL && len <= q->fill_len) {
		vma->vm_pgoff = 0;
		return remap_vmalloc_range(vma, q->fill_mem, 0);
	}
	if (off == DMAF_DRV_OFF_DONE && len <= q->done_len) {
		vma->vm_pgoff = 0;
		return remap_vmalloc_range(vma, q->done_mem, 0);
	}
	if (q->region->file && off < q->region->len && len <= q->region->len - off)
		return dmaf_map_file(vma, q->region->file);
	return dmaf_refuse(d, -EINVAL,
			   "mmap: %llu bytes at %#llx; data has %llu at 0, fill %llu at %#llx, "
			   "done %llu at %#llx",
			   len, off, q->region->file ? q->region->len : 0, q->fill_len,
			   DMAF_DRV_OFF_FILL, q->done_len, DMAF_DRV_OFF_DONE);
}

const struct file_operations dmaf_fops = {
	.owner = THIS_MODULE,
	.open = open,
	.release = release,
	.unlocked_ioctl = dmaf_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = mmap,
	.poll = poll,
#ifdef FOP_UNSIGNED_OFFSET
	.fop_flags = FOP_UNSIGNED_OFFSET,
#endif
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	/* Addresses at which huge pages can be mapped as such. */
	.get_unmapped_area = thp_get_unmapped_area,
#endif
};
