// SPDX-License-Identifier: GPL-2.0-only
/*
 * Driver memory: the pages of an unlinked tmpfs file. Why tmpfs: its mappings are ordinary ones
 * that everything in the kernel can pin (io_uring's fixed buffers on 6.1 accept no other file), and
 * may be huge. docs/kernel.md weighs the alternatives.
 *
 * The device writes into pages, user space maps the file: nothing may part the two. Each page is
 * held from set-up to teardown, which keeps it from being swapped, migrated or replaced; sealed
 * against size changes and immutable, the file can't be truncated or have holes punched into it.
 */
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <uapi/linux/fcntl.h>

#include "internal.h"

static struct vfsmount *huge_mnt; /* NULL: no huge pages here */

int dmaf_shmem_init(void)
{
	/* Not "always": that takes 2 MiB for the last few KiB of each region. */
	char opts[] = "huge=within_size";
	struct file_system_type *type = get_fs_type("tmpfs");
	struct vfsmount *mnt;

	if (!type)
		return -ENODEV;
	mnt = vfs_kern_mount(type, SB_KERNMOUNT, type->name, opts);
	if (IS_ERR(mnt))
		pr_info("dmaflow: no huge pages in tmpfs (%ld); mapping base pages\n",
			PTR_ERR(mnt));
	else
		huge_mnt = mnt;
	return 0;
}

/* Files that are still mapped keep the mount alive. */
void dmaf_shmem_exit(void)
{
	if (huge_mnt)
		kern_unmount(huge_mnt);
}

/* The zone that the device reaches all of. An IOMMU reaches everything. */
static gfp_t zone_for(struct device *dev)
{
	u64 mask = min_not_zero(dma_get_mask(dev), dev->bus_dma_limit);

	if (dmaf_translated(dev) || mask >= dma_get_required_mask(dev))
		return GFP_HIGHUSER;
	if (mask >= DMA_BIT_MASK(32))
		return GFP_USER | GFP_DMA32;
	return GFP_USER | GFP_DMA;
}

static void seal(struct inode *inode)
{
	SHMEM_I(inode)->seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	/*
	 * vfs_fallocate() refuses it, and with it MADV_REMOVE; so does opening it for writing by
	 * way of /proc. No operations of our own, that would have to outlive the module.
	 */
	inode_lock(inode);
	inode_set_flags(inode, S_IMMUTABLE, S_IMMUTABLE);
	inode_unlock(inode);
}

static int read_in(struct dmaf_dev *d, struct dmaf_region *r, gfp_t gfp)
{
	struct address_space *mapping = r->file->f_mapping;
	struct page *page;

	for (; r->pinned < r->npages; r->pinned++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		page = shmem_read_mapping_page_gfp(mapping, r->pinned, gfp);
		if (IS_ERR(page))
			return dmaf_refuse(
				d, PTR_ERR(page),
				"SETUP: memory ended after %lu of %lu pages%s; ask for less",
				r->pinned, r->npages,
				gfp & (GFP_DMA | GFP_DMA32) ? " that the device's DMA mask reaches"
							    : "");
		r->pages[r->pinned] = page;
		cond_resched();
	}
	return 0;
}

/*
 * The file may be longer than the region, so that the last pages of it are one huge page, too:
 * where half of that would be used anyway, or where a block must be in one piece.
 */
static u64 file_len(const struct dmaf_region *r, u32 flags)
{
	u64 tail = r->len & (PMD_SIZE - 1);
	bool one_piece = flags & DMAF_DRV_SETUP_CONTIGUOUS && !r->iommu && tail > PAGE_SIZE;

	return one_piece || tail >= PMD_SIZE / 2 ? ALIGN(r->len, PMD_SIZE) : r->len;
}

int dmaf_shmem_get(struct dmaf_dev *d, struct dmaf_region *r, u32 flags)
{
	/* No OOM killing: whoever asks for too much is told so instead. */
	gfp_t gfp = zone_for(d->dma_dev) | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;

	if (flags & DMAF_DRV_SETUP_NO_HUGE || !huge_mnt)
		r->file = shmem_file_setup("dmaflow", r->len, 0);
	else
		r->file = shmem_file_setup_with_mnt(huge_mnt, "dmaflow", file_len(r, flags), 0);
	if (IS_ERR(r->file)) {
		int err = PTR_ERR(r->file);

		r->file = NULL;
		return dmaf_refuse(d, err,
				   "SETUP: %llu bytes of driver memory: error %d; ask for less",
				   r->len, err);
	}
	mapping_set_gfp_mask(r->file->f_mapping, gfp);
	mapping_set_unevictable(r->file->f_mapping);
	seal(file_inode(r->file));
	return read_in(d, r, gfp);
}

/* Drops what the driver holds. Mappings and the kernel's other users hold their own. */
void dmaf_shmem_put(struct dmaf_region *r)
{
	while (r->pinned) {
		struct page *page = r->pages[--r->pinned];

		/* What a device wrote is in no page table: without this a clean page might be
		 * dropped as if it had never been written.
		 */
		set_page_dirty_lock(page);
		put_page(page);
		if (!(r->pinned & 511))
			cond_resched();
	}
	if (r->file)
		fput(r->file);
	r->file = NULL;
}
