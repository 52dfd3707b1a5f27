// SPDX-License-Identifier: GPL-2.0-only
/* The module, and the devices that come and go. */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define DEVICES 256

static struct class *class;
static dev_t first;
static DEFINE_IDA(numbers);

static void release_dev(struct device *dev)
{
	struct dmaf_dev *d = container_of(dev, struct dmaf_dev, dev);

	ida_free(&numbers, MINOR(dev->devt));
	put_device(d->dma_dev);
	kfree(d);
}

static void describe(struct dmaf_dev *d, const struct dmaflow_desc *desc)
{
	d->desc = *desc;
	d->ops = desc->ops;
	d->priv = desc->priv;
	d->dma_dev = get_device(desc->dma_dev);
	strscpy(d->front, desc->front, sizeof(d->front));
	strscpy(d->name, desc->name ?: dev_name(desc->dma_dev), sizeof(d->name));
	/* x86 says 1: no two blocks in a cache line, all the same. */
	d->cache_align = roundup_pow_of_two(max_t(u32, dma_get_cache_alignment(), L1_CACHE_BYTES));
	mutex_init(&d->lock);
	spin_lock_init(&d->qlock);
	init_waitqueue_head(&d->wait);
}

struct dmaf_dev *dmaflow_register(const struct dmaflow_desc *desc)
{
	struct dmaf_dev *d;
	int nr, err;

	if (!desc->dma_dev || !desc->front ||
	    (desc->ops && (!desc->ops->start || !desc->ops->stop)))
		return ERR_PTR(-EINVAL);
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return ERR_PTR(-ENOMEM);
	nr = ida_alloc_max(&numbers, DEVICES - 1, GFP_KERNEL);
	if (nr < 0) {
		kfree(d);
		return ERR_PTR(nr);
	}
	describe(d, desc);
	device_initialize(&d->dev); /* from here on freed by put_device() */
	d->dev.class = class;
	d->dev.parent = desc->dma_dev;
	d->dev.devt = MKDEV(MAJOR(first), nr);
	d->dev.id = nr;
	d->dev.release = release_dev;
	cdev_init(&d->cdev, &dmaf_fops);
	d->cdev.owner = THIS_MODULE;
	err = dev_set_name(&d->dev, "dmaflow%d", nr);
	if (!err)
		err = cdev_device_add(&d->cdev, &d->dev);
	if (err) {
		put_device(&d->dev);
		return ERR_PTR(err);
	}
	return d;
}
EXPORT_SYMBOL_GPL(dmaflow_register);

/* Files stay open: their memory stays, everything else says -ENODEV. */
void dmaflow_unregister(struct dmaf_dev *d)
{
	if (IS_ERR_OR_NULL(d))
		return;
	cdev_device_del(&d->cdev, &d->dev);
	mutex_lock(&d->lock);
	WRITE_ONCE(d->gone, true);
	if (d->q) {
		dmaf_queue_stop(d, d->q);
		/* The pages live on; that they are mapped for a device that is gone must end here.
		 */
		dmaf_region_unmap(d->q->region);
	}
	mutex_unlock(&d->lock);
	wake_up_all(&d->wait);
	put_device(&d->dev);
}
EXPORT_SYMBOL_GPL(dmaflow_unregister);

static char *devnode(
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	struct device *dev,
#else
	const struct device *dev,
#endif
	umode_t *mode)
{
	if (mode)
		*mode = 0660;
	return NULL;
}

static const struct {
	int (*init)(void);
	void (*exit)(void);
} frontends[] = {
	{dmaf_pattern_init, dmaf_pattern_exit}, {dmaf_memory_init, dmaf_memory_exit},
#ifdef CONFIG_PCI
	{dmaf_edu_init, dmaf_edu_exit},
#endif
#ifdef CONFIG_DMA_ENGINE
	{dmaf_engine_init, dmaf_engine_exit},
#endif
#if IS_ENABLED(CONFIG_VIRTIO) && defined(CONFIG_PM_SLEEP)
	{dmaf_virtio_init, dmaf_virtio_exit},
#endif
};

static int frontends_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(frontends); i++) {
		err = frontends[i].init();
		if (err)
			goto undo;
	}
	return 0;
undo:
	while (i--)
		frontends[i].exit();
	return err;
}

static int __init dmaf_init(void)
{
	int err = alloc_chrdev_region(&first, 0, DEVICES, "dmaflow");

	if (err)
		return err;
	class = dmaf_class_create("dmaflow");
	if (IS_ERR(class)) {
		err = PTR_ERR(class);
		goto chrdev;
	}
	class->devnode = devnode;
	class->dev_groups = dmaf_groups;
	err = dmaf_shmem_init();
	if (err)
		goto class;
	err = frontends_init();
	if (err)
		goto shmem;
	return 0;
shmem:
	dmaf_shmem_exit();
	class : class_destroy(class);
chrdev:
	unregister_chrdev_region(first, DEVICES);
	return err;
}

static void __exit dmaf_exit(void)
{
	unsigned int i = ARRAY_SIZE(frontends);

	while (i--)
		frontends[i].exit();
	dmaf_shmem_exit();
	class_destroy(class);
	unregister_chrdev_region(first, DEVICES);
	ida_destroy(&numbers);
}

module_init(dmaf_init);
module_exit(dmaf_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION(
	"Device memory that the kernel can send, store and pin, in shared queues of blocks");
