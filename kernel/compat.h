/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the kernels of docs/kernel.md, so that no other file has to ask. */
#ifndef DMAFLOW_COMPAT_H
#define DMAFLOW_COMPAT_H

#include <linux/device/class.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}
#endif

static inline struct class *dmaf_class_create(const char *name)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	return class_create(THIS_MODULE, name);
#else
	return class_create(name);
#endif
}

/* A platform driver's remove: it has nothing to say, but said it until 6.11. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define DMAF_REMOVE_RESULT int
#define DMAF_REMOVE_DONE   return 0
#else
#define DMAF_REMOVE_RESULT void
#define DMAF_REMOVE_DONE   return
#endif

/* A 32-bit kernel lets a driver have no offsets beyond 4 GiB in mmap unless it says that it can. */
static inline void dmaf_all_offsets(struct file *file)
{
#ifndef FOP_UNSIGNED_OFFSET
	file->f_mode |= FMODE_UNSIGNED_OFFSET;
#endif
}

#endif
