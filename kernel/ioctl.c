// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of base/driver_abi.h. Each checks everything before it does anything. */
#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/ioctl.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/uaccess.h>

#include "internal.h"

/* Slots of a ring, so that its bytes stay far below what vmalloc gives. */
#define RING_MAX (1u << 20)

/* Reads a struct that begins with its size. @least: bytes that every version has. */
static int get_struct(struct dmaf_dev *d, const char *what, void *to, u32 size, u32 least,
		      void __user *from)
{
	u32 given;
	int err;

	if (get_user(given, (u32 __user *)from))
		return -EFAULT;
	if (given < least || given > PAGE_SIZE)
		return dmaf_refuse(d, -EINVAL, "%s: a struct of %u bytes; this kernel's has %u",
				   what, given, size);
	err = copy_struct_from_user(to, size, from, given);
	if (err == -E2BIG)
		return dmaf_refuse(d, err,
				   "%s: uses what this kernel does not know (%u bytes, here %u)",
				   what, given, size);
	return err;
}

/* Answers with as much as the caller has room for. The first word stays the caller's size. */
static int put_struct(void __user *to, const void *from, u32 size)
{
	u32 given = *(const u32 *)from;

	return copy_to_user(to, from, min(given, size)) ? -EFAULT : 0;
}

static int info(struct dmaf_dev *d, struct dmaf_file *f, void __user *arg)
{
	struct dmaf_drv_info i = {};
	size_t max_mapping = dma_max_mapping_size(d->dma_dev);
	int err = get_struct(d, "INFO", &i, sizeof(i), 2 * sizeof(u32), arg);

	if (err)
		return err;
	i.version = DMAF_DRV_VERSION;
	i.caps = d->desc.caps &
		 (DMAF_DRV_CAP_TO_MEMORY | DMAF_DRV_CAP_FROM_MEMORY | DMAF_DRV_CAP_OVERWRITES);
	if (!d->ops)
		i.caps |= DMAF_DRV_CAP_MEMORY_ONLY;
	if (dmaf_translated(d->dma_dev))
		i.caps |= DMAF_DRV_CAP_IOMMU;
	if (d->desc.flags & DMAFLOW_SELF_MAPPED || dev_is_dma_coherent(d->dma_dev))
		i.caps |= DMAF_DRV_CAP_COHERENT;
	i.cache_align = d->cache_align;
	i.dma_mask = dma_get_mask(d->dma_dev);
	i.max_segment = dma_get_max_seg_size(d->dma_dev);
	i.max_mapping = max_mapping == SIZE_MAX ? U64_MAX : max_mapping;
	i.block_max = d->desc.block_max;
	i.block_align = max(d->desc.block_align, 1u);
	i.owned = !!d->owner;
	strscpy(i.front, d->front, sizeof(i.front));
	strscpy(i.name, d->name, sizeof(i.name));
	return put_struct(arg, &i, sizeof(i));
}

static int check_flags(struct dmaf_dev *d, const struct dmaf_drv_setup *s)
{
	const u32 known =
		DMAF_DRV_SETUP_CONTIGUOUS | DMAF_DRV_SETUP_NO_HUGE | DMAF_DRV_SETUP_FROM_MEM;
	u32 need = s->flags & DMAF_DRV_SETUP_FROM_MEM ? DMAF_DRV_CAP_FROM_MEMORY
						      : DMAF_DRV_CAP_TO_MEMORY;

	if (s->version != DMAF_DRV_VERSION)
		return dmaf_refuse(d, -EINVAL, "SETUP: version %u; this kernel speaks %u",
				   s->version, DMAF_DRV_VERSION);
	if (s->reserved)
		return dmaf_refuse(d, -EINVAL, "SETUP: reserved is %u, not 0", s->reserved);
	if (s->flags & ~known)
		return dmaf_refuse(d, -EINVAL, "SETUP: unknown flags %#x; known are %#x", s->flags,
				   known);
	if (s->memory != DMAF_DRV_MEM_DRIVER && s->memory != DMAF_DRV_MEM_USER)
		return dmaf_refuse(d, -EINVAL, "SETUP: memory %u; 0 is the driver's, 1 the user's",
				   s->memory);
	if (d->ops && !(d->desc.caps & need))
		return dmaf_refuse(d, -EOPNOTSUPP, "SETUP: this device does not %s memory",
				   s->flags & DMAF_DRV_SETUP_FROM_MEM ? "read" : "write");
	return 0;
}

/*
 * Below a page a power of two, so that no block lies in two pages; above, whole pages, so that no
 * two blocks share one. A contiguous block must not begin in one huge page and end in the next.
 */
static u64 own_stride(const struct dmaf_dev *d, const struct dmaf_drv_setup *s)
{
	u64 stride = max_t(u64, s->block, d->cache_align);

	if (stride < PAGE_SIZE)
		return roundup_pow_of_two(stride);
	stride = PAGE_ALIGN(stride);
	if (s->flags & DMAF_DRV_SETUP_CONTIGUOUS && stride <= PMD_SIZE &&
	    !dmaf_translated(d->dma_dev))
		stride = roundup_pow_of_two(stride);
	return stride;
}

static int check_block(struct dmaf_dev *d, struct dmaf_drv_setup *s)
{
	u32 align = max(d->desc.block_align, 1u);
	u64 len;

	if (!s->block || !s->count)
		return dmaf_refuse(d, -EINVAL, "SETUP: %u blocks of %llu bytes; at least 1 of 1",
				   s->count, s->block);
	/* The fill ring's offset begins there. */
	if (s->block >= DMAF_DRV_OFF_FILL)
		return dmaf_refuse(d, -EINVAL,
				   "SETUP: blocks of %llu bytes; less than %llu would do", s->block,
				   DMAF_DRV_OFF_FILL);
	if (d->desc.block_max && s->block > d->desc.block_max)
		return dmaf_refuse(d, -EINVAL,
				   "SETUP: blocks of %llu bytes; this device fills %llu", s->block,
				   d->desc.block_max);
	if (!dmaf_is_aligned(s->block, align))
		return dmaf_refuse(d, -EINVAL, "SETUP: blocks of %llu bytes; not a multiple of %u",
				   s->block, align);
	if (!s->stride)
		s->stride = own_stride(d, s);
	if (s->stride < s->block || !dmaf_is_aligned(s->stride, d->cache_align))
		return dmaf_refuse(
			d, -EINVAL,
			"SETUP: stride %llu; at least the block's %llu and a multiple of %u",
			s->stride, s->block, d->cache_align);
	if (check_mul_overflow(s->stride, (u64)s->count, &len) || len >= DMAF_DRV_OFF_FILL)
		return dmaf_refuse(d, -EINVAL,
				   "SETUP: %u blocks %llu apart; at most %llu bytes in all",
				   s->count, s->stride, DMAF_DRV_OFF_FILL);
	if ((u64)PAGE_ALIGN(len) >> PAGE_SHIFT > totalram_pages())
		return dmaf_refuse(d, -ENOMEM, "SETUP: %llu bytes; this machine has %lu pages", len,
				   totalram_pages());
	if (d->desc.region_max && len > d->desc.region_max)
		return dmaf_refuse(d, -ENOSPC, "SETUP: %llu bytes; this device was given %llu", len,
				   d->desc.region_max);
	return 0;
}

static int check_ring(struct dmaf_dev *d, struct dmaf_drv_setup *s)
{
	if (s->count > RING_MAX || s->ring > RING_MAX)
		return dmaf_refuse(d, -EINVAL, "SETUP: %u blocks, %u ring slots; at most %u",
				   s->count, s->ring, RING_MAX);
	if (!s->ring)
		s->ring = roundup_pow_of_two(s->count);
	if (!is_power_of_2(s->ring) || s->ring < s->count)
		return dmaf_refuse(
			d, -EINVAL,
			"SETUP: %u ring slots for %u blocks; a power of two, at least %lu", s->ring,
			s->count, roundup_pow_of_two(s->count));
	return 0;
}

static int check_user(struct dmaf_dev *d, const struct dmaf_drv_setup *s)
{
	u64 need = PAGE_ALIGN(s->stride * s->count);

	if (s->memory == DMAF_DRV_MEM_DRIVER) {
		if (s->user_addr || s->user_len)
			return dmaf_refuse(d, -EINVAL,
					   "SETUP: user_addr without DMAF_DRV_MEM_USER");
		return 0;
	}
	if (!dmaf_is_aligned(s->user_addr, PAGE_SIZE) || !dmaf_is_aligned(s->user_len, PAGE_SIZE))
		return dmaf_refuse(d, -EINVAL,
				   "SETUP: user memory %#llx, %llu bytes: not at multiples of %lu",
				   s->user_addr, s->user_len, PAGE_SIZE);
	if (s->user_len < need)
		return dmaf_refuse(d, -EINVAL,
				   "SETUP: %llu bytes of user memory; %u blocks need %llu",
				   s->user_len, s->count, need);
	if (s->user_addr > ULONG_MAX || s->user_len > ULONG_MAX ||
	    !access_ok((void __user *)(unsigned long)s->user_addr, s->user_len))
		return dmaf_refuse(d, -EFAULT, "SETUP: user memory at %#llx is not the user's",
				   s->user_addr);
	return 0;
}

static int setup(struct dmaf_dev *d, struct dmaf_file *f, void __user *arg)
{
	struct dmaf_drv_setup s = {};
	struct dmaf_queue *q;
	int err = get_struct(d, "SETUP", &s, sizeof(s), offsetof(struct dmaf_drv_setup, data_len),
			     arg);

	if (err)
		return err;
	if (d->owner)
		return dmaf_refuse(d, -EBUSY, "SETUP: the queue belongs to %s",
				   d->owner == f ? "this opener already; close to set it up anew"
						 : "another opener");
	err = check_flags(d, &s);
	if (!err)
		err = check_block(d, &s);
	if (!err)
		err = check_ring(d, &s);
	if (!err)
		err = check_user(d, &s);
	if (err)
		return err;
	q = dmaf_queue_create(d, &s);
	if (IS_ERR(q))
		return PTR_ERR(q);
	s.data_len = s.memory == DMAF_DRV_MEM_DRIVER ? q->region->len : 0;
	s.fill_len = q->fill_len;
	s.done_len = q->done_len;
	s.page = q->region->page_size;
	s.segments = q->region->nsegs;
	if (put_struct(arg, &s, sizeof(s))) {
		dmaf_queue_free(q);
		return -EFAULT;
	}
	spin_lock_irq(&d->qlock);
	d->q = q;
	spin_unlock_irq(&d->qlock);
	d->owner = f;
	/* Pairs with the acquires in poll() and mmap(), which don't hold d->lock. */
	smp_store_release(&f->q, q);
	return 0;
}

static int segments(struct dmaf_dev *d, struct dmaf_file *f, void __user *arg)
{
	struct dmaf_region *r = f->q->region;
	struct dmaf_drv_segments s = {};
	struct dmaf_drv_segment __user *to;
	u64 off = 0;
	u32 i, room;
	int err = get_struct(d, "SEGMENTS", &s, sizeof(s), sizeof(s), arg);

	if (err)
		return err;
	if (s.reserved)
		return dmaf_refuse(d, -EINVAL, "SEGMENTS: reserved is %u, not 0", s.reserved);
	to = u64_to_user_ptr(s.segments);
	room = s.count;
	s.count = 0;
	for (i = 0; off < r->len && s.count < room; i++) {
		struct dmaf_drv_segment one = {.off = off};
		dma_addr_t iova;

		one.len = dmaf_region_run(r, off, r->seg_max, &iova);
		one.iova = r->mapped ? dmaf_iova_make(iova) : dmaf_iova_none();
		off += one.len;
		if (i >= s.first && copy_to_user(&to[s.count++], &one, sizeof(one)))
			return -EFAULT;
	}
	return put_struct(arg, &s, sizeof(s));
}

static int sync(struct dmaf_dev *d, struct dmaf_file *f, void __user *arg)
{
	struct dmaf_queue *q = f->q;
	struct dmaf_drv_sync s = {};
	struct dmaf_synced done;
	int err = get_struct(d, "SYNC", &s, sizeof(s), sizeof(s), arg);

	if (err)
		return err;
	if (s.to > DMAF_DRV_SYNC_FOR_DEVICE)
		return dmaf_refuse(d, -EINVAL, "SYNC: to %u; 0 is the CPU, 1 the device", s.to);
	if (s.off > q->region->len || s.len > q->region->len - s.off)
		return dmaf_refuse(d, -EINVAL, "SYNC: %llu bytes at %llu; the region has %llu",
				   s.len, s.off, q->region->len);
	/* A device that drives itself syncs itself: by hand is for memory-only ones. */
	if (d->ops)
		return dmaf_refuse(d, -EOPNOTSUPP, "SYNC: this device's driver does it");
	done = dmaf_region_sync(q->region, s.off, s.len, s.to == DMAF_DRV_SYNC_FOR_CPU);
	spin_lock_irq(&d->qlock);
	if (s.to == DMAF_DRV_SYNC_FOR_CPU)
		q->stats.sync_cpu_bytes += done.bytes;
	else
		q->stats.sync_device_bytes += done.bytes;
	q->stats.bounced_bytes += done.bounced;
	spin_unlock_irq(&d->qlock);
	return 0;
}

static int start(struct dmaf_dev *d, struct dmaf_queue *q)
{
	if (!d->ops)
		return dmaf_refuse(d, -EOPNOTSUPP, "START: there is memory only, and no device");
	if (q->error)
		return dmaf_refuse(d, q->error, "START: stopped by error %d; close and set up anew",
				   q->error);
	if (q->running)
		return -EALREADY;
	return dmaf_queue_start(d, q);
}

static int stats(struct dmaf_dev *d, struct dmaf_file *f, void __user *arg)
{
	struct dmaf_drv_stats s = {};
	int err = get_struct(d, "STATS", &s, sizeof(s), sizeof(u32), arg);
	u32 size = s.size;

	if (err)
		return err;
	spin_lock_irq(&d->qlock);
	if (d->q)
		s = d->q->stats;
	else
		s = (struct dmaf_drv_stats){};
	spin_unlock_irq(&d->qlock);
	s.size = size;
	return put_struct(arg, &s, sizeof(s));
}

static int export(struct dmaf_dev *d, struct dmaf_file *f, void __user *arg)
{
	struct dmaf_drv_export e = {};
	struct dma_buf *buf;
	int err = get_struct(d, "EXPORT", &e, sizeof(e), sizeof(e), arg);

	if (err)
		return err;
	buf = dmaf_export(d, f->q, e.block, e.flags);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	e.fd = get_unused_fd_flags(e.flags & O_CLOEXEC);
	err = e.fd < 0 ? e.fd : put_struct(arg, &e, sizeof(e));
	if (err)
		goto put;
	fd_install(e.fd, buf->file);
	return 0;
put:
	if (e.fd >= 0)
		put_unused_fd(e.fd);
	dma_buf_put(buf);
	return err;
}

static int owners_ioctl(struct dmaf_dev *d, struct dmaf_file *f, unsigned int nr, void __user *arg)
{
	if (!f->q)
		return dmaf_refuse(d, -EPERM, "ioctl %u: only who has done SETUP may", nr);
	switch (nr) {
	case _IOC_NR(DMAF_IOC_SEGMENTS): return segments(d, f, arg);
	case _IOC_NR(DMAF_IOC_SYNC): return sync(d, f, arg);
	case _IOC_NR(DMAF_IOC_START): return start(d, f->q);
	case _IOC_NR(DMAF_IOC_STOP): dmaf_queue_stop(d, f->q); return 0;
	case _IOC_NR(DMAF_IOC_KICK): dmaf_queue_kick(d, f->q); return 0;
	case _IOC_NR(DMAF_IOC_EXPORT): return export(d, f, arg);
	default: return -ENOTTY;
	}
}

/* By number alone: the size that the command carries differs between versions of a struct. */
long dmaf_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct dmaf_file *f = file->private_data;
	struct dmaf_dev *d = f->d;
	void __user *ptr = (void __user *)arg;
	unsigned int nr = _IOC_NR(cmd);
	long err;

	if (_IOC_TYPE(cmd) != _IOC_TYPE(DMAF_IOC_INFO))
		return -ENOTTY;
	mutex_lock(&d->lock);
	if (d->gone)
		err = -ENODEV;
	else if (nr == _IOC_NR(DMAF_IOC_INFO))
		err = info(d, f, ptr);
	else if (nr == _IOC_NR(DMAF_IOC_SETUP))
		err = setup(d, f, ptr);
	else if (nr == _IOC_NR(DMAF_IOC_STATS))
		err = stats(d, f, ptr);
	else
		err = owners_ioctl(d, f, nr, ptr);
	mutex_unlock(&d->lock);
	return err;
}
