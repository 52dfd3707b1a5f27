// SPDX-License-Identifier: GPL-2.0-only
/* User memory: a shared memfd or huge pages, pinned for as long as the queue lives. */
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* How many pages one call pins: keeps the time in which it can't be killed short. */
#define PIN_BATCH 512u

/*
 * Only memory whose pages stay the mapping's own: private memory would be copied on write after a
 * fork, and pages of a file on a disk are the file system's to write back.
 */
static int check_backing(struct dmaf_dev *d, u64 addr, u64 len)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	u64 at = addr;
	int err = 0;

	mmap_read_lock(mm);
	while (at < addr + len) {
		unsigned long magic;

		vma = find_vma(mm, at);
		if (!vma || vma->vm_start > at) {
			err = -EFAULT;
			break;
		}
		magic = vma->vm_file ? file_inode(vma->vm_file)->i_sb->s_magic : 0;
		if (!(vma->vm_flags & VM_SHARED) ||
		    (magic != TMPFS_MAGIC && magic != HUGETLBFS_MAGIC)) {
			err = -EINVAL;
			break;
		}
		at = vma->vm_end;
	}
	mmap_read_unlock(mm);
	if (err == -EFAULT)
		return dmaf_refuse(d, err, "SETUP: nothing is mapped at %#llx of the user's memory",
				   at);
	if (err)
		return dmaf_refuse(d, err,
				   "SETUP: user memory at %#llx is neither a MAP_SHARED memfd nor "
				   "MAP_SHARED huge pages",
				   at);
	return 0;
}

static int pin(struct dmaf_dev *d, struct dmaf_region *r, u64 addr)
{
	/* A device that only reads needs no right to write. */
	unsigned int flags = FOLL_LONGTERM | (r->dir == DMA_TO_DEVICE ? 0 : FOLL_WRITE);

	while (r->pinned < r->npages) {
		int n = min_t(unsigned long, r->npages - r->pinned, PIN_BATCH);

		if (fatal_signal_pending(current))
			return -EINTR;
		n = pin_user_pages_fast(addr + ((u64)r->pinned << PAGE_SHIFT), n, flags,
					r->pages + r->pinned);
		if (n <= 0)
			return dmaf_refuse(
				d, n ? n : -EFAULT,
				"SETUP: page %lu of %lu of the user's memory can't be pinned (%d)",
				r->pinned, r->npages, n);
		r->pinned += n;
	}
	return 0;
}

int dmaf_user_get(struct dmaf_dev *d, struct dmaf_region *r, u64 addr)
{
	int err = check_backing(d, addr, r->len);

	if (err)
		return err;
	err = account_locked_vm(current->mm, r->npages, true);
	if (err)
		return dmaf_refuse(d, err,
				   "SETUP: %lu pages to pin are above RLIMIT_MEMLOCK (%lu bytes): "
				   "raise it by ulimit -l",
				   r->npages, rlimit(RLIMIT_MEMLOCK));
	mmgrab(current->mm);
	r->mm = current->mm;
	return pin(d, r, addr);
}

void dmaf_user_put(struct dmaf_region *r)
{
	if (r->pinned)
		unpin_user_pages_dirty_lock(r->pages, r->pinned, r->dir != DMA_TO_DEVICE);
	r->pinned = 0;
	if (r->mm) {
		account_locked_vm(r->mm, r->npages, false);
		mmdrop(r->mm);
	}
	r->mm = NULL;
}
