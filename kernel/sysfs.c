// SPDX-License-Identifier: GPL-2.0-only
/* /sys/class/dmaflow/dmaflowN: what a shell script asks for. The same as INFO, SEGMENTS and STATS.
 */
#include <linux/device.h>
#include <linux/sysfs.h>

#include "internal.h"

static struct dmaf_dev *to_dev(struct device *dev)
{
	return container_of(dev, struct dmaf_dev, dev);
}

static ssize_t front_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", to_dev(dev)->front);
}
static DEVICE_ATTR_RO(front);

static ssize_t name_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", to_dev(dev)->name);
}
static DEVICE_ATTR_RO(name);

static ssize_t size_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct dmaf_dev *d = to_dev(dev);
	u64 len;

	mutex_lock(&d->lock);
	len = d->q ? d->q->region->len : 0;
	mutex_unlock(&d->lock);
	return sysfs_emit(buf, "%llu\n", len);
}
static DEVICE_ATTR_RO(size);

/* One a line: bus address, offset, length. As many as fit in a page; SEGMENTS has them all. */
static ssize_t segments_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct dmaf_dev *d = to_dev(dev);
	struct dmaf_region *r;
	u64 off = 0;
	int n = 0;

	mutex_lock(&d->lock);
	r = d->q ? d->q->region : NULL;
	while (r && r->mapped && off < r->len) {
		dma_addr_t iova;
		u64 len = dmaf_region_run(r, off, r->seg_max, &iova);

		n += sysfs_emit_at(buf, n, "%#llx %llu %llu\n", (u64)iova, off, len);
		off += len;
	}
	mutex_unlock(&d->lock);
	return n;
}
/* Bus addresses are half of a physical attack: not for everyone. */
static DEVICE_ATTR_ADMIN_RO(segments);

static ssize_t stats_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct dmaf_dev *d = to_dev(dev);
	struct dmaf_drv_stats s = {};

	spin_lock_irq(&d->qlock);
	if (d->q)
		s = d->q->stats;
	spin_unlock_irq(&d->qlock);
	return sysfs_emit(buf,
			  "error %d\nfilled %llu\nbytes %llu\nlost_no_block %llu\n"
			  "lost_done_full %llu\nlost_device %llu\nbad_index %llu\nnot_owned %llu\n"
			  "bounced_bytes %llu\nsync_cpu_bytes %llu\nsync_device_bytes %llu\n"
			  "kicks %llu\ninterrupts %llu\n",
			  s.error, s.filled, s.bytes, s.lost_no_block, s.lost_done_full,
			  s.lost_device, s.bad_index, s.not_owned, s.bounced_bytes,
			  s.sync_cpu_bytes, s.sync_device_bytes, s.kicks, s.interrupts);
}
static DEVICE_ATTR_RO(stats);

static struct attribute *attributes[] = {
	&dev_attr_front.attr,    &dev_attr_name.attr,  &dev_attr_size.attr,
	&dev_attr_segments.attr, &dev_attr_stats.attr, NULL,
};
static const struct attribute_group group = {.attrs = attributes};
const struct attribute_group *dmaf_groups[] = {&group, NULL};
