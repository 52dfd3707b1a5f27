// SPDX-License-Identifier: MIT
/*
 * A driver of one's own with a queue of blocks: /dev/dmaflowN for a device that makes a number
 * every ten milliseconds. Real hardware programs dmaflow_block_run() addresses instead of writing
 * itself, leaves out DMAFLOW_SELF_MAPPED, and calls dmaflow_done() from its interrupt.
 */
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/workqueue.h>

#include <dmaflow.h>

static struct platform_device *pdev;
static struct dmaf_dev *dev;
static u64 ticks;

static void tick(struct work_struct *work);
static DECLARE_DELAYED_WORK(ticker, tick);

static void tick(struct work_struct *work)
{
	struct dmaflow_block b;
	struct page *page;
	u32 in_page;
	__le64 *map;

	ticks++;
	if (dmaflow_take(dev, &b)) {
		dmaflow_lost(dev, 1, DMAFLOW_NO_BLOCK);
	} else {
		page = dmaflow_block_page(dev, &b, 0, &in_page);
		map = kmap_local_page(page) + in_page;
		*map = cpu_to_le64(ticks);
		kunmap_local(map);
		dmaflow_done(dev, &b, sizeof(*map), DMAF_DRV_PARTIAL, ticks);
	}
	schedule_delayed_work(&ticker, msecs_to_jiffies(10));
}

static int start(void *priv, const struct dmaflow_run *run)
{
	if (run->block < sizeof(u64))
		return -EINVAL;
	ticks = 0;
	schedule_delayed_work(&ticker, 0);
	return 0;
}

static void stop(void *priv)
{
	cancel_delayed_work_sync(&ticker);
}

static const struct dmaflow_ops ops = {.start = start, .stop = stop};

static int __init ticker_init(void)
{
	struct dmaflow_desc desc = {
		.ops = &ops,
		.front = "ticker",
		.caps = DMAF_DRV_CAP_TO_MEMORY,
		.flags = DMAFLOW_SELF_MAPPED,
	};
	int err;

	pdev = platform_device_register_simple("ticker", -1, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	desc.dma_dev = &pdev->dev;
	dev = err ? ERR_PTR(err) : dmaflow_register(&desc);
	if (IS_ERR(dev)) {
		platform_device_unregister(pdev);
		return PTR_ERR(dev);
	}
	return 0;
}

static void __exit ticker_exit(void)
{
	dmaflow_unregister(dev);
	platform_device_unregister(pdev);
}

module_init(ticker_init);
module_exit(ticker_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("An example of dmaflow_register()");
