// SPDX-License-Identifier: MIT
/* What dmaflow.ko refuses, in words: what was asked, what refused, what to do. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "mem/driver_internal.h"

int dmaf_driver_no_node(const char *path, const char *label, int rc, struct dmaf_err *err)
{
	switch (rc) {
	case -ENOENT:
		if (!dmaf_driver_loaded())
			return dmaf_fail(err, rc,
					 "%s: there is no %s, because dmaflow.ko is not loaded; as "
					 "root: modprobe dmaflow",
					 label, path);
		return dmaf_fail(err, rc,
				 "%s: there is no %s; dmaflow.ko is loaded, so no device of that "
				 "number was found; see 'ls /dev/dmaflow*' and dmesg",
				 label, path);
	case -ENOTTY:
		return dmaf_fail(err, rc,
				 "%s: %s is no device of dmaflow.ko; they are called "
				 "/dev/dmaflow0, /dev/dmaflow1 and so on",
				 label, path);
	case -EACCES:
	case -EPERM:
		return dmaf_fail(err, rc,
				 "%s: you may not open %s; its group must be yours "
				 "('ls -l %s', as root: usermod -aG GROUP YOU) or a udev rule "
				 "must give it to you",
				 label, path, path);
	case -EBUSY:
		return dmaf_fail(err, rc, "%s: %s is in use; 'fuser -v %s' shows by whom", label,
				 path, path);
	case -ENODEV:
	case -ENXIO:
		return dmaf_fail(err, rc,
				 "%s: %s has no device behind it any more (unplugged, or its "
				 "driver unbound)",
				 label, path);
	default: return dmaf_fail(err, rc, "%s: opening %s: %s", label, path, strerror(-rc));
	}
}

int dmaf_driver_no_info(const struct dmaf_driver *d, int rc, struct dmaf_err *err)
{
	if (rc == -EPROTO)
		return dmaf_fail(err, rc,
				 "%s: the loaded dmaflow.ko speaks version %u of its interface, "
				 "this program version %u; load the module of the same release "
				 "('modinfo dmaflow', 'dkms status')",
				 d->label, d->info.version, DMAF_DRV_VERSION);
	if (rc == -ENOTTY || rc == -EINVAL)
		return dmaf_driver_no_node(d->path, d->label, -ENOTTY, err);
	return dmaf_driver_failed(d, "asking what it is", rc, err);
}

/* Which of the numbers that were asked for the device can't do. */
static int not_possible(const struct dmaf_driver *d, const struct dmaf_driver_want *want, int rc,
			struct dmaf_err *err)
{
	const struct dmaf_drv_info *i = &d->info;

	if (want->from_memory && !(i->caps & DMAF_DRV_CAP_FROM_MEMORY))
		return dmaf_fail(err, rc, "%s: %s (%s) writes memory and does not read it",
				 d->label, i->name, i->front);
	if (i->block_max && want->block > i->block_max)
		return dmaf_fail(err, rc,
				 "%s: blocks of %" PRIu64 " bytes; %s (%s) takes at most %" PRIu64,
				 d->label, want->block, i->name, i->front, i->block_max);
	if (i->block_align > 1 && want->block % i->block_align)
		return dmaf_fail(err, rc,
				 "%s: blocks of %" PRIu64 " bytes; %s (%s) takes multiples of %u",
				 d->label, want->block, i->name, i->front, i->block_align);
	if (i->cache_align > 1 && want->stride % i->cache_align)
		return dmaf_fail(err, rc,
				 "%s: blocks %" PRIu64 " bytes apart; %s (%s) needs multiples of "
				 "%u, a line of the cache",
				 d->label, want->stride, i->name, i->front, i->cache_align);
	if (want->memory)
		return dmaf_fail(err, rc,
				 "%s: %s can't be given to the device: the driver takes shared "
				 "memory only (memfd, huge pages of one), from a page on",
				 d->label, want->memory->name);
	return dmaf_fail(err, rc,
			 "%s: %u blocks of %" PRIu64 " bytes, %" PRIu64
			 " apart, are refused by the driver; dmesg has its reason",
			 d->label, want->count, want->block, want->stride);
}

int dmaf_driver_no_setup(const struct dmaf_driver *d, const struct dmaf_driver_want *want, int rc,
			 struct dmaf_err *err)
{
	switch (rc) {
	case -EBUSY:
		return dmaf_fail(err, rc,
				 "%s: its queue is taken by another program, and one at a time can "
				 "have it; 'fuser -v %s' shows which",
				 d->label, d->path);
	case -E2BIG:
		if (want->contiguous)
			return dmaf_fail(err, rc,
					 "%s: contiguous, but no %" PRIu64
					 " bytes in one bus segment are to be had%s; take smaller "
					 "blocks, leave contiguous out, or load the module earlier "
					 "(dmesg says how large the largest free piece is)",
					 d->label, want->block,
					 d->info.caps & DMAF_DRV_CAP_IOMMU
						 ? ""
						 : " (no IOMMU stands in front of this device)");
		return dmaf_fail(err, rc,
				 "%s: %u blocks of %" PRIu64
				 " bytes are more than the device reaches; dmesg has the numbers",
				 d->label, want->count, want->block);
	case -ENOSPC:
		return dmaf_fail(err, rc,
				 "%s: %u blocks of %" PRIu64
				 " bytes are more than this device was given (the module's "
				 "memory=NAME:SIZE, or size in the device tree)",
				 d->label, want->count, want->block);
	case -ENOMEM:
		return dmaf_fail(err, rc,
				 "%s: %u blocks of %" PRIu64
				 " bytes: the kernel has not that much memory%s; ask for less "
				 "(block=, blocks=)%s",
				 d->label, want->count, want->block,
				 want->memory ? " to pin" : " where this device reaches it",
				 want->memory ? " or raise the limit on locked memory (ulimit -l)"
					      : "");
	case -EFAULT:
	case -EOPNOTSUPP:
		if (want->memory)
			return dmaf_fail(err, rc,
					 "%s: %s can't be pinned for the device (%s); take "
					 "memory=driver",
					 d->label, want->memory->name, strerror(-rc));
		return not_possible(d, want, rc, err);
	case -EINVAL: return not_possible(d, want, rc, err);
	case -EPROTO: return dmaf_driver_no_info(d, rc, err);
	default: return dmaf_driver_failed(d, "setting the queue up", rc, err);
	}
}

int dmaf_driver_failed(const struct dmaf_driver *d, const char *what, int rc, struct dmaf_err *err)
{
	switch (rc) {
	case -ENODEV:
	case -ENXIO:
		return dmaf_fail(err, rc,
				 "%s: the device %s is gone: unplugged, or its driver unbound or "
				 "unloaded; what it had filled until then was delivered",
				 d->label, d->info.name);
	case -EPROTO:
		return dmaf_fail(err, rc,
				 "%s: %s broke the protocol, and the queue has stopped; load the "
				 "module of the same release as this program and see dmesg",
				 d->label, what);
	case -EOPNOTSUPP:
		return dmaf_fail(err, rc,
				 "%s: %s (%s) can't do that (%s): there is memory and no device "
				 "behind it",
				 d->label, d->info.name, d->info.front, what);
	case -EBUSY:
		return dmaf_fail(err, rc, "%s: %s: the queue is another's, or in use by a dma-buf",
				 d->label, what);
	default:
		return dmaf_fail(err, rc, "%s: %s (%s, %s): %s; dmesg may say more", d->label, what,
				 d->info.name, d->info.front, strerror(-rc));
	}
}
