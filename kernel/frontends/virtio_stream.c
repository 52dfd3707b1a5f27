// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-stream: a virtio entropy device taken for a source of samples, because what the host puts
 * into it comes out in order, by DMA, at gigabytes per second. Only with virtio=1, so that no
 * machine loses its entropy by accident.
 *
 * virtio maps buffers by itself on every kernel that this is for; a second mapping of the core's
 * would overlap with it. A buffer comes back with as much as the host had: those are partial
 * blocks.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "internal.h"

#define MAX_SEGS  1024 /* QEMU's limit for one buffer, VIRTQUEUE_MAX_SIZE */
#define MAX_SLOTS 64

static bool virtio;
module_param(virtio, bool, 0444);
MODULE_PARM_DESC(virtio, "take virtio entropy devices for sources of samples (0)");

static uint virtio_depth = MAX_SLOTS;
module_param(virtio_depth, uint, 0444);
MODULE_PARM_DESC(virtio_depth, "blocks that a virtio device has at once; its queue is the limit");

struct stream {
	struct virtio_device *vdev;
	struct dmaf_dev *dev;
	spinlock_t lock;      /* vq and what follows, against the interrupt */
	struct virtqueue *vq; /* NULL: stopped, and the device reset */
	unsigned int depth, free;
	struct dmaflow_block blocks[MAX_SLOTS];
	u32 stack[MAX_SLOTS]; /* indices of blocks[] that are free */
	struct scatterlist *sg;
};

/* Under lock. Gives the device what the fill ring has. */
static void feed(struct stream *s)
{
	bool any = false;

	while (s->free) {
		struct dmaflow_block *b = &s->blocks[s->stack[s->free - 1]];
		int n, err;

		if (dmaflow_take(s->dev, b))
			break;
		n = dmaflow_block_sg(s->dev, b, s->sg, MAX_SEGS);
		err = n < 0 ? n : virtqueue_add_inbuf(s->vq, s->sg, n, b, GFP_ATOMIC);
		if (err) {
			/* The block stays the device's until stop. */
			dev_notice_ratelimited(&s->vdev->dev,
					       "a block of %llu bytes: error %d; larger pages or "
					       "smaller blocks would do\n",
					       b->len, err);
			dmaflow_failed(s->dev, err);
			break;
		}
		s->free--;
		any = true;
	}
	if (any)
		virtqueue_kick(s->vq);
}

static void came(struct virtqueue *vq)
{
	struct stream *s = vq->vdev->priv;
	struct dmaflow_block *b;
	unsigned long flags;
	unsigned int len;

	spin_lock_irqsave(&s->lock, flags);
	if (s->vq) {
		dmaflow_interrupt(s->dev);
		while ((b = virtqueue_get_buf(s->vq, &len))) {
			s->stack[s->free++] = b - s->blocks;
			dmaflow_done(s->dev, b, len, len < b->len ? DMAF_DRV_PARTIAL : 0, 0);
		}
		feed(s);
	}
	spin_unlock_irqrestore(&s->lock, flags);
}

static int open_queue(struct stream *s)
{
	struct virtqueue *vq = virtio_find_single_vq(s->vdev, came, "input");
	unsigned int i;

	if (IS_ERR(vq))
		return PTR_ERR(vq);
	s->depth = min(clamp(virtio_depth, 1u, (uint)MAX_SLOTS), virtqueue_get_vring_size(vq));
	s->free = s->depth;
	for (i = 0; i < s->depth; i++)
		s->stack[i] = i;
	spin_lock_irq(&s->lock);
	s->vq = vq;
	spin_unlock_irq(&s->lock);
	return 0;
}

static int restore(struct virtio_device *vdev)
{
	return open_queue(vdev->priv);
}

static int start(void *priv, const struct dmaflow_run *set)
{
	struct stream *s = priv;
	/* Stop has reset the device, and probe left it without a queue: as after a suspend. */
	int err = virtio_device_restore(s->vdev);

	if (err)
		return err;
	spin_lock_irq(&s->lock);
	feed(s);
	spin_unlock_irq(&s->lock);
	return 0;
}

/* Resetting is the only way to get buffers back that the device has. */
static void stop(void *priv)
{
	struct stream *s = priv;
	struct virtqueue *vq = s->vq;

	if (!vq)
		return;
	spin_lock_irq(&s->lock);
	s->vq = NULL; /* what an interrupt finds from here on is nobody's */
	spin_unlock_irq(&s->lock);
	virtio_reset_device(s->vdev);
	while (virtqueue_detach_unused_buf(vq))
		;
	s->vdev->config->del_vqs(s->vdev);
}

static void kick(void *priv)
{
	struct stream *s = priv;

	spin_lock_irq(&s->lock);
	if (s->vq)
		feed(s);
	spin_unlock_irq(&s->lock);
}

static const struct dmaflow_ops ops = {.start = start, .stop = stop, .kick = kick};

static int probe(struct virtio_device *vdev)
{
	struct dmaflow_desc desc = {
		.ops = &ops,
		.dma_dev = vdev->dev.parent,
		.front = "virtio-stream",
		.name = dev_name(&vdev->dev),
		.caps = DMAF_DRV_CAP_TO_MEMORY,
		.flags = DMAFLOW_SELF_MAPPED,
	};
	struct stream *s = kzalloc(sizeof(*s), GFP_KERNEL);
	int err = -ENOMEM;

	if (!s)
		return err;
	s->sg = kmalloc_array(MAX_SEGS, sizeof(*s->sg), GFP_KERNEL);
	if (!s->sg)
		goto free;
	spin_lock_init(&s->lock);
	s->vdev = vdev;
	vdev->priv = s;
	desc.priv = s;
	s->dev = dmaflow_register(&desc);
	if (!IS_ERR(s->dev))
		return 0;
	err = PTR_ERR(s->dev);
free:
	kfree(s->sg);
	kfree(s);
	return err;
}

static void remove(struct virtio_device *vdev)
{
	struct stream *s = vdev->priv;

	dmaflow_unregister(s->dev);
	virtio_reset_device(vdev);
	kfree(s->sg);
	kfree(s);
}

static int freeze(struct virtio_device *vdev)
{
	return -EBUSY; /* a running acquisition is not put to sleep */
}

static const struct virtio_device_id ids[] = {{VIRTIO_ID_RNG, VIRTIO_DEV_ANY_ID}, {}};

static struct virtio_driver driver = {
	.driver = {.name = "dmaflow-virtio", .owner = THIS_MODULE},
	.id_table = ids,
	.probe = probe,
	.remove = remove,
	.freeze = freeze,
	.restore = restore,
};

int dmaf_virtio_init(void)
{
	return virtio ? register_virtio_driver(&driver) : 0;
}

void dmaf_virtio_exit(void)
{
	if (virtio)
		unregister_virtio_driver(&driver);
}
