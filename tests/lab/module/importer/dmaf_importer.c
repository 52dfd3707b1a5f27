// SPDX-License-Identifier: MIT
/*
 * Imports a dma-buf on request: /dev/dmaf_importer. For tests of export.
 *
 *      ioctl 0xdb01 (fd)   attach and map
 *      ioctl 0xdb02        unmap and detach
 *      ioctl 0xdb03 (fd)   put a fence on the buffer that is not signalled
 *      ioctl 0xdb04        signal it
 *      ioctl 0xdb05 (fd)   the sum of its bytes, through dma_buf_vmap(), modulo 2^31
 */
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define dma_buf_vmap_unlocked             dma_buf_vmap
#define dma_buf_vunmap_unlocked           dma_buf_vunmap
#define dma_buf_map_attachment_unlocked   dma_buf_map_attachment
#define dma_buf_unmap_attachment_unlocked dma_buf_unmap_attachment
#endif

MODULE_IMPORT_NS(DMA_BUF);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Imports a dma-buf, for tests");

static struct platform_device *pdev;
static struct dma_buf *buf;
static struct dma_buf_attachment *at;
static struct sg_table *sgt;
static struct dma_fence *fence;
static DEFINE_SPINLOCK(fence_lock);

static const char *name(struct dma_fence *f)
{
	return "dmaf_importer";
}

static const struct dma_fence_ops fence_ops = {.get_driver_name = name, .get_timeline_name = name};

static void drop(void)
{
	if (sgt)
		dma_buf_unmap_attachment_unlocked(at, sgt, DMA_TO_DEVICE);
	sgt = NULL;
	if (at)
		dma_buf_detach(buf, at);
	at = NULL;
	if (buf)
		dma_buf_put(buf);
	buf = NULL;
}

static int import(int fd)
{
	int err;

	if (buf)
		return -EBUSY;
	buf = dma_buf_get(fd);
	if (IS_ERR(buf)) {
		err = PTR_ERR(buf);
		buf = NULL;
		return err;
	}
	at = dma_buf_attach(buf, &pdev->dev);
	if (IS_ERR(at)) {
		err = PTR_ERR(at);
		at = NULL;
		drop();
		return err;
	}
	sgt = dma_buf_map_attachment_unlocked(at, DMA_TO_DEVICE);
	if (IS_ERR(sgt)) {
		err = PTR_ERR(sgt);
		sgt = NULL;
		drop();
		return err;
	}
	return 0;
}

static int put_fence(int fd)
{
	struct dma_buf *b = dma_buf_get(fd);
	int err;

	if (IS_ERR(b))
		return PTR_ERR(b);
	fence = kzalloc(sizeof(*fence), GFP_KERNEL); /* freed by the last dma_fence_put() */
	if (!fence) {
		dma_buf_put(b);
		return -ENOMEM;
	}
	dma_fence_init(fence, &fence_ops, &fence_lock, dma_fence_context_alloc(1), 1);
	dma_resv_lock(b->resv, NULL);
	err = dma_resv_reserve_fences(b->resv, 1);
	if (!err)
		dma_resv_add_fence(b->resv, fence, DMA_RESV_USAGE_READ);
	dma_resv_unlock(b->resv);
	dma_buf_put(b);
	return err;
}

static int sum(int fd)
{
	struct dma_buf *b = dma_buf_get(fd);
	struct iosys_map map;
	u32 total = 0;
	size_t i;
	int err;

	if (IS_ERR(b))
		return PTR_ERR(b);
	err = dma_buf_begin_cpu_access(b, DMA_FROM_DEVICE);
	if (!err)
		err = dma_buf_vmap_unlocked(b, &map);
	if (!err) {
		for (i = 0; i < b->size; i++)
			total += ((u8 *)map.vaddr)[i];
		dma_buf_vunmap_unlocked(b, &map);
		dma_buf_end_cpu_access(b, DMA_FROM_DEVICE);
	}
	dma_buf_put(b);
	return err ? err : (int)(total & 0x7fffffff);
}

static long ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case 0xdb01: return import(arg);
	case 0xdb02: drop(); return 0;
	case 0xdb03: return put_fence(arg);
	case 0xdb04:
		if (!fence)
			return -ENOENT;
		dma_fence_signal(fence);
		dma_fence_put(fence);
		fence = NULL;
		return 0;
	case 0xdb05: return sum(arg);
	default: return -ENOTTY;
	}
}

static const struct file_operations fops = {.owner = THIS_MODULE, .unlocked_ioctl = ioctl};
static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmaf_importer",
	.fops = &fops,
};

static int __init start(void)
{
	int err;

	pdev = platform_device_register_simple("dmaf_importer", -1, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (!err)
		err = misc_register(&misc);
	if (err)
		platform_device_unregister(pdev);
	return err;
}

static void __exit stop(void)
{
	misc_deregister(&misc);
	drop();
	platform_device_unregister(pdev);
}

module_init(start);
module_exit(stop);
