// SPDX-License-Identifier: GPL-2.0-only
/*
 * pci-edu: QEMU's educational PCI device, 1234:11e8. It has a 4 KiB buffer and copies between that
 * and memory, with an MSI at the end. Registers: QEMU's docs/specs/edu.txt.
 *
 * As a source each piece goes from a coherent scratch buffer into the device, and from there into
 * the block; as a reader the other way round, and what arrives is compared. The content is that of
 * the pattern device.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "frontends/words.h"
#include "internal.h"

#define REG_IRQ_STATUS 0x24
#define REG_IRQ_ACK    0x64
#define REG_DMA_SRC    0x80 /* this and the next two: also 64 bits wide */
#define REG_DMA_DST    0x88
#define REG_DMA_COUNT  0x90
#define REG_DMA_CMD    0x98

#define CMD_RUN         0x1
#define CMD_FROM_DEVICE 0x2
#define CMD_IRQ         0x4
#define IRQ_DMA         0x100

#define BUFFER 0x40000 /* the device's own address of its buffer */
/* Half of the buffer: QEMU up to 9.0 ends itself when asked for all of it. */
#define PIECE 2048u

/* A piece takes the device 100 ms. */
#define PIECE_MS 1000u

static uint edu_dma_bits = 28;
module_param(edu_dma_bits, uint, 0444);
MODULE_PARM_DESC(edu_dma_bits, "address bits that edu drives, as its dma_mask= says (28)");

struct edu {
	struct pci_dev *pdev;
	void __iomem *regs;
	u8 *scratch;
	dma_addr_t scratch_iova;
	struct dmaf_dev *dev;

	spinlock_t lock; /* what follows, against the interrupt */
	bool running, busy, from_memory;
	bool second; /* of the two transfers of a piece */
	bool damaged;
	struct dmaflow_block block;
	u64 at;     /* bytes of the block done */
	u32 piece;  /* bytes of this piece */
	u64 offset; /* of the block, in the stream */
};

static void set_address(struct edu *e, u32 reg, u64 value)
{
	/* 32 bits at a time won't do: the device takes the upper half with the lower only. */
#ifdef CONFIG_64BIT
	if (value >> 32) {
		writeq(value, e->regs + reg);
		return;
	}
#endif
	writel(value, e->regs + reg);
}

static void transfer(struct edu *e, u64 iova, bool from_device)
{
	set_address(e, REG_DMA_SRC, from_device ? BUFFER : iova);
	set_address(e, REG_DMA_DST, from_device ? iova : BUFFER);
	set_address(e, REG_DMA_COUNT, e->piece);
	e->busy = true;
	writel(CMD_RUN | CMD_IRQ | (from_device ? CMD_FROM_DEVICE : 0), e->regs + REG_DMA_CMD);
}

/* Programs what comes next: the scratch's half of a piece, or the block's. */
static void go_on(struct edu *e)
{
	u64 run;
	dmaf_iova iova = dmaflow_block_run(e->dev, &e->block, e->at, &run);

	if (!e->second) {
		e->piece = min_t(u64, PIECE, run);
		if (!e->from_memory)
			dmaf_words_fill(e->scratch, e->piece, e->offset + e->at, 0);
	}
	/* First towards the device, then away from it; the block is one of the two ends. */
	if (e->second != e->from_memory)
		transfer(e, dmaf_iova_value(iova), e->second);
	else
		transfer(e, e->scratch_iova, e->second);
}

static void next_block(struct edu *e)
{
	if (!e->running || dmaflow_take(e->dev, &e->block))
		return;
	e->at = 0;
	e->second = false;
	e->damaged = false;
	go_on(e);
}

static void advance(struct edu *e)
{
	e->busy = false;
	if (!e->running)
		return;
	if (e->second) {
		if (e->from_memory && !dmaf_words_right(e->scratch, e->piece, e->offset + e->at, 0))
			e->damaged = true;
		e->at += e->piece;
	}
	e->second = !e->second;
	if (e->at < e->block.len) {
		go_on(e);
		return;
	}
	e->offset += e->block.len;
	dmaflow_done(e->dev, &e->block, e->block.len, e->damaged ? DMAF_DRV_DAMAGED : 0, 0);
	next_block(e);
}

static irqreturn_t interrupt(int irq, void *arg)
{
	struct edu *e = arg;
	unsigned long flags;
	u32 status = readl(e->regs + REG_IRQ_STATUS);

	if (!(status & IRQ_DMA) || status == ~0u) /* all ones: it was pulled out */
		return IRQ_NONE;
	writel(status, e->regs + REG_IRQ_ACK);
	spin_lock_irqsave(&e->lock, flags);
	dmaflow_interrupt(e->dev);
	if (e->busy)
		advance(e);
	spin_unlock_irqrestore(&e->lock, flags);
	return IRQ_HANDLED;
}

static int start(void *priv, const struct dmaflow_run *set)
{
	struct edu *e = priv;

	spin_lock_irq(&e->lock);
	e->running = true;
	e->from_memory = set->from_memory;
	e->offset = 0;
	next_block(e);
	spin_unlock_irq(&e->lock);
	return 0;
}

static void kick(void *priv)
{
	struct edu *e = priv;

	spin_lock_irq(&e->lock);
	if (!e->busy)
		next_block(e);
	spin_unlock_irq(&e->lock);
}

/* The device can't be told to stop: what it does is waited for, and else its bus is taken away. */
static void stop(void *priv)
{
	struct edu *e = priv;
	unsigned int ms;

	spin_lock_irq(&e->lock);
	e->running = false;
	spin_unlock_irq(&e->lock);
	for (ms = 0; ms < PIECE_MS && readl(e->regs + REG_DMA_CMD) & CMD_RUN; ms += 2) {
		if (pci_dev_is_disconnected(e->pdev) || readl(e->regs + REG_DMA_CMD) == ~0u)
			break;
		msleep(2);
	}
	if (ms >= PIECE_MS) {
		pci_clear_master(e->pdev);
		dev_warn(&e->pdev->dev, "edu writes on after %u ms; it may write no more\n", ms);
	}
	synchronize_irq(pci_irq_vector(e->pdev, 0));
	e->busy = false;
}

static const struct dmaflow_ops ops = {.start = start, .stop = stop, .kick = kick};

static int make_reachable(struct edu *e)
{
	struct device *dev = &e->pdev->dev;
	int err;

	if (!IS_ENABLED(CONFIG_64BIT) && edu_dma_bits > 32)
		edu_dma_bits = 32;
	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(clamp(edu_dma_bits, 16u, 64u)));
	if (err)
		return dev_err_probe(dev, err, "no DMA mask of %u bits\n", edu_dma_bits);
	dma_set_max_seg_size(dev, UINT_MAX);
	e->scratch = dmam_alloc_coherent(dev, PIECE, &e->scratch_iova, GFP_KERNEL);
	return e->scratch ? 0 : -ENOMEM;
}

static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct dmaflow_desc desc = {
		.ops = &ops,
		.dma_dev = &pdev->dev,
		.front = "pci-edu",
		.caps = DMAF_DRV_CAP_TO_MEMORY | DMAF_DRV_CAP_FROM_MEMORY,
	};
	struct edu *e = devm_kzalloc(&pdev->dev, sizeof(*e), GFP_KERNEL);
	int err;

	if (!e)
		return -ENOMEM;
	e->pdev = pdev;
	spin_lock_init(&e->lock);
	err = pcim_enable_device(pdev);
	if (!err)
		err = pcim_iomap_regions(pdev, BIT(0), "dmaflow");
	if (!err)
		err = make_reachable(e);
	if (err)
		return err;
	e->regs = pcim_iomap_table(pdev)[0];
	pci_set_master(pdev);
	err = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	if (err < 0)
		return dev_err_probe(&pdev->dev, err, "no MSI\n");
	err = request_irq(pci_irq_vector(pdev, 0), interrupt, 0, "dmaflow", e);
	if (err)
		goto vectors;
	desc.priv = e;
	e->dev = dmaflow_register(&desc);
	if (IS_ERR(e->dev)) {
		err = PTR_ERR(e->dev);
		goto irq;
	}
	pci_set_drvdata(pdev, e);
	return 0;
irq:
	free_irq(pci_irq_vector(pdev, 0), e);
vectors:
	pci_free_irq_vectors(pdev);
	return err;
}

static void remove(struct pci_dev *pdev)
{
	struct edu *e = pci_get_drvdata(pdev);

	dmaflow_unregister(e->dev);
	free_irq(pci_irq_vector(pdev, 0), e);
	pci_free_irq_vectors(pdev);
	pci_clear_master(pdev);
}

static const struct pci_device_id ids[] = {{PCI_DEVICE(0x1234, 0x11e8)}, {}};
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver driver = {
	.name = "dmaflow-edu",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
};

int dmaf_edu_init(void)
{
	return pci_register_driver(&driver);
}

void dmaf_edu_exit(void)
{
	pci_unregister_driver(&driver);
}
