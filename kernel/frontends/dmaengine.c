// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmaengine: any channel of the kernel's DMA engines, by device tree.
 *
 *      acquire {                               a peripheral that requests its transfers
 *              compatible = "dmaflow,dmaengine";
 *              dmas = <&dma 3>; dma-names = "rx";
 *              dmaflow,fifo = /bits/ 64 <0x43c00000>;  its data register; absent: the channel knows
 *              dmaflow,width = <4>;                    bytes per access (4)
 *              dmaflow,burst = <16>;                   accesses per burst (16)
 *      };
 *      copy {                                  memory to memory, as far as the engine goes
 *              compatible = "dmaflow,dmaengine";
 *              dmaflow,memcpy;                         with dmas, or whichever channel can
 *              dmaflow,source = /bits/ 64 <0x20000000 0x100000>;  where samples lie
 *      };
 *
 * A memcpy without a source copies the content of the pattern device from a buffer of its own: no
 * CPU writes into a block then either.
 */
#include <linux/dmaengine.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "compat.h"
#include "frontends/words.h"
#include "internal.h"

#define MAX_SLOTS 16
#define MAX_SEGS  256

struct engine;

/* A block that the engine has. */
struct slot {
	struct engine *e;
	struct dmaflow_block block;
	u8 *own; /* memcpy without a source: what is copied */
	dma_addr_t own_iova;
	bool landed;
	u64 len;
	u32 flags;
};

struct engine {
	struct device *dev;
	struct dma_chan *chan;
	struct dmaf_dev *flow;
	bool memcpy;
	u64 source, source_len;
	dma_addr_t source_iova;
	struct dma_slave_config config;

	spinlock_t lock; /* what follows */
	bool running;
	bool feeding, again; /* someone is in feed(); there is more to do for it */
	u64 block, offset;
	/* A channel works in order: @used of @n slots from @first on, round and round. */
	unsigned int first, used, n;
	struct slot slots[MAX_SLOTS];
	struct scatterlist sg[MAX_SEGS];
};

/* One transfer per block; a memcpy needs the block in one run, which SETUP's CONTIGUOUS gives. */
static struct dma_async_tx_descriptor *prepare(struct engine *e, struct slot *s)
{
	const unsigned long flags = DMA_PREP_INTERRUPT | DMA_CTRL_ACK;
	dmaf_iova iova;
	u64 run;
	int n;

	if (!e->memcpy) {
		n = dmaflow_block_sg(e->flow, &s->block, e->sg, MAX_SEGS);
		return n < 0 ? NULL
			     : dmaengine_prep_slave_sg(e->chan, e->sg, n, DMA_DEV_TO_MEM, flags);
	}
	iova = dmaflow_block_run(e->flow, &s->block, 0, &run);
	if (run < s->block.len)
		return NULL;
	if (!e->source_len) {
		dmaf_words_fill(s->own, s->block.len, e->offset, 0);
		e->offset += s->block.len;
	}
	return dmaengine_prep_dma_memcpy(e->chan, dmaf_iova_value(iova),
					 e->source_len ? e->source_iova : s->own_iova, s->block.len,
					 flags);
}

static void landed(void *arg, const struct dmaengine_result *result);

/* Under lock. Return: whether anything was. */
static bool submit(struct engine *e)
{
	struct dma_async_tx_descriptor *tx;
	bool any = false;
	struct slot *s;

	while (e->running && e->used < e->n) {
		s = &e->slots[(e->first + e->used) % e->n];
		if (dmaflow_take(e->flow, &s->block))
			break;
		tx = prepare(e, s);
		if (!tx) {
			dev_notice_ratelimited(
				e->dev,
				"the engine refuses a block of %llu bytes in %u pieces at most%s\n",
				s->block.len, MAX_SEGS,
				e->memcpy ? "; a memcpy needs contiguous ones" : "");
			dmaflow_failed(e->flow, -EIO);
			break;
		}
		tx->callback_result = landed;
		tx->callback_param = s;
		s->landed = false;
		if (dma_submit_error(dmaengine_submit(tx))) {
			dmaflow_failed(e->flow, -EIO);
			break;
		}
		e->used++;
		any = true;
	}
	return any;
}

/*
 * Gives the engine what there is. Some (PL330) call landed() from within issue_pending: so without
 * the lock, and whoever comes while another is here leaves it to that one, or they would be ever
 * deeper in each other.
 */
static void feed(struct engine *e)
{
	unsigned long irq;

	spin_lock_irqsave(&e->lock, irq);
	e->again = true;
	if (e->feeding)
		goto out;
	e->feeding = true;
	while (e->again) {
		e->again = false;
		if (!submit(e))
			continue;
		spin_unlock_irqrestore(&e->lock, irq);
		dma_async_issue_pending(e->chan);
		spin_lock_irqsave(&e->lock, irq);
	}
	e->feeding = false;
out:
	spin_unlock_irqrestore(&e->lock, irq);
}

/*
 * PL330's driver calls back from softirq and from issue_pending, and so sometimes the later before
 * the earlier: a block goes to the user when those before it have gone.
 */
static void landed(void *arg, const struct dmaengine_result *result)
{
	struct slot *s = arg;
	struct engine *e = s->e;
	unsigned long irq;

	spin_lock_irqsave(&e->lock, irq);
	s->len = s->block.len;
	s->flags = 0;
	if (result && result->residue && result->residue <= s->len) {
		s->len -= result->residue;
		s->flags = DMAF_DRV_PARTIAL;
	}
	if (result && result->result != DMA_TRANS_NOERROR)
		s->flags |= DMAF_DRV_DAMAGED;
	s->landed = true;
	if (e->running)
		dmaflow_interrupt(e->flow);
	for (s = &e->slots[e->first]; e->running && e->used && s->landed; s = &e->slots[e->first]) {
		dmaflow_done(e->flow, &s->block, s->len, s->flags, 0);
		e->first = (e->first + 1) % e->n;
		e->used--;
	}
	spin_unlock_irqrestore(&e->lock, irq);
	feed(e);
}

static void free_own(struct engine *e)
{
	unsigned int i;

	for (i = 0; i < MAX_SLOTS; i++) {
		struct slot *s = &e->slots[i];

		if (s->own)
			dma_free_coherent(e->chan->device->dev, e->block, s->own, s->own_iova);
		s->own = NULL;
	}
}

static int alloc_own(struct engine *e, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct slot *s = &e->slots[i];

		s->own = dma_alloc_coherent(e->chan->device->dev, e->block, &s->own_iova,
					    GFP_KERNEL);
		if (!s->own) {
			free_own(e);
			return -ENOMEM;
		}
	}
	return 0;
}

static int start(void *priv, const struct dmaflow_run *set)
{
	struct engine *e = priv;
	unsigned int n = min_t(u32, set->count, MAX_SLOTS);
	int err = 0;

	e->block = set->block;
	e->offset = 0;
	if (e->memcpy && e->source_len && e->block > e->source_len)
		return -EINVAL;
	if (e->memcpy && !e->source_len)
		err = alloc_own(e, n);
	else if (!e->memcpy && e->config.src_addr)
		err = dmaengine_slave_config(e->chan, &e->config);
	if (err)
		return err;
	spin_lock_irq(&e->lock);
	e->running = true;
	e->first = e->used = 0;
	e->n = n;
	spin_unlock_irq(&e->lock);
	feed(e);
	return 0;
}

static void stop(void *priv)
{
	struct engine *e = priv;

	spin_lock_irq(&e->lock);
	e->running = false;
	/* What it submitted must be issued before it is taken back: PL330's driver warns otherwise.
	 */
	while (e->feeding) {
		spin_unlock_irq(&e->lock);
		cpu_relax();
		spin_lock_irq(&e->lock);
	}
	spin_unlock_irq(&e->lock);
	dmaengine_terminate_sync(e->chan);
	free_own(e);
}

static void kick(void *priv)
{
	feed(priv);
}

static const struct dmaflow_ops ops = {.start = start, .stop = stop, .kick = kick};

static int get_channel(struct engine *e)
{
	dma_cap_mask_t mask;

	if (!e->memcpy || device_property_present(e->dev, "dmas")) {
		e->chan = dma_request_chan(e->dev, "rx");
	} else {
		dma_cap_zero(mask);
		dma_cap_set(DMA_MEMCPY, mask);
		e->chan = dma_request_chan_by_mask(&mask);
	}
	return PTR_ERR_OR_ZERO(e->chan);
}

static int read_properties(struct engine *e)
{
	u64 source[2] = {};
	u32 width = 4, burst = 16;
	u64 fifo = 0;

	e->memcpy = device_property_present(e->dev, "dmaflow,memcpy");
	device_property_read_u64(e->dev, "dmaflow,fifo", &fifo);
	device_property_read_u32(e->dev, "dmaflow,width", &width);
	device_property_read_u32(e->dev, "dmaflow,burst", &burst);
	if (width != 1 && width != 2 && width != 4 && width != 8)
		return dev_err_probe(e->dev, -EINVAL, "dmaflow,width is %u; 1, 2, 4 or 8\n", width);
	e->config.direction = DMA_DEV_TO_MEM;
	e->config.src_addr = fifo;
	e->config.src_addr_width = width;
	e->config.src_maxburst = burst;
	if (device_property_read_u64_array(e->dev, "dmaflow,source", source, 2))
		return 0;
	e->source = source[0];
	e->source_len = source[1];
	return 0;
}

static int map_source(struct engine *e)
{
	struct device *dma = e->chan->device->dev;

	if (!e->source_len)
		return 0;
	e->source_iova = dma_map_resource(dma, e->source, e->source_len, DMA_TO_DEVICE, 0);
	return dma_mapping_error(dma, e->source_iova);
}

static int probe(struct platform_device *pdev)
{
	struct dmaflow_desc desc = {
		.ops = &ops,
		.front = "dmaengine",
		.name = dev_name(&pdev->dev),
		.caps = DMAF_DRV_CAP_TO_MEMORY,
	};
	struct engine *e = devm_kzalloc(&pdev->dev, sizeof(*e), GFP_KERNEL);
	unsigned int i;
	int err;

	if (!e)
		return -ENOMEM;
	e->dev = &pdev->dev;
	spin_lock_init(&e->lock);
	for (i = 0; i < MAX_SLOTS; i++)
		e->slots[i].e = e;
	err = read_properties(e);
	if (err)
		return err;
	err = get_channel(e);
	if (err)
		return dev_err_probe(e->dev, err, "no DMA channel\n");
	err = map_source(e);
	if (err)
		goto channel;
	desc.priv = e;
	desc.dma_dev = e->chan->device->dev; /* the engine does the writing */
	e->flow = dmaflow_register(&desc);
	if (IS_ERR(e->flow)) {
		err = PTR_ERR(e->flow);
		goto source;
	}
	platform_set_drvdata(pdev, e);
	return 0;
source:
	if (e->source_len)
		dma_unmap_resource(desc.dma_dev, e->source_iova, e->source_len, DMA_TO_DEVICE, 0);
channel:
	dma_release_channel(e->chan);
	return err;
}

static DMAF_REMOVE_RESULT remove(struct platform_device *pdev)
{
	struct engine *e = platform_get_drvdata(pdev);

	dmaflow_unregister(e->flow);
	if (e->source_len)
		dma_unmap_resource(e->chan->device->dev, e->source_iova, e->source_len,
				   DMA_TO_DEVICE, 0);
	dma_release_channel(e->chan);
	DMAF_REMOVE_DONE;
}

static const struct of_device_id of_ids[] = {{.compatible = "dmaflow,dmaengine"}, {}};

static struct platform_driver driver = {
	.probe = probe,
	.remove = remove,
	.driver = {.name = "dmaflow-dmaengine", .of_match_table = of_ids},
};

int dmaf_engine_init(void)
{
	return platform_driver_register(&driver);
}

void dmaf_engine_exit(void)
{
	platform_driver_unregister(&driver);
}
