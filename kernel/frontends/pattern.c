// SPDX-License-Identifier: GPL-2.0-only
/*
 * pattern: a device in software. Its content follows from the place in the stream, so that a
 * receiver can verify every byte: the same words as `dmaflow run pattern:` makes, for `verify:`.
 *
 * Without a rate it waits for blocks; with one it goes on like hardware does, and what finds no
 * block is lost. As a reader of memory it compares, and marks what differs as damaged.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "frontends/words.h"
#include "internal.h"

#define DEPTH 4u /* blocks in hand, as hardware has descriptors */

static unsigned int pattern;
module_param(pattern, uint, 0444);
MODULE_PARM_DESC(pattern, "software devices to make (0)");

static ulong rate;
module_param(rate, ulong, 0644);
MODULE_PARM_DESC(rate, "bytes per second that a pattern device makes; 0: as fast as blocks come");

static ulong seed;
module_param(seed, ulong, 0644);
MODULE_PARM_DESC(seed, "start value of the pattern (0)");

struct pattern {
	struct platform_device *pdev;
	struct dmaf_dev *dev;
	struct task_struct *task;
	bool from_memory;
	bool kicked;
	bool stopped; /* no block will come any more */
	u64 rate, seed;
	u64 block; /* bytes: what a lost one would have had */
	u64 offset;
	struct dmaflow_block held[DEPTH];
	unsigned int head, nheld;
};

static struct pattern *devices;

static void transfer(struct pattern *p, const struct dmaflow_block *b)
{
	bool fine = true;
	u64 at = 0;

	while (at < b->len) {
		u32 in_page;
		struct page *page = dmaflow_block_page(p->dev, b, at, &in_page);
		u32 len = min_t(u64, PAGE_SIZE - in_page, b->len - at);
		u8 *map = kmap_local_page(page);

		if (p->from_memory)
			fine &= dmaf_words_right(map + in_page, len, p->offset + at, p->seed);
		else
			dmaf_words_fill(map + in_page, len, p->offset + at, p->seed);
		kunmap_local(map);
		at += len;
		if (!(at & (SZ_1M - 1)))
			cond_resched();
	}
	p->offset += b->len;
	/* The device's clock counts words. */
	dmaflow_done(p->dev, b, b->len, fine ? 0 : DMAF_DRV_DAMAGED, p->offset / 8);
}

/* Sleeps until there may be a block. */
static void wait_kick(struct pattern *p)
{
	set_current_state(TASK_IDLE);
	if (!READ_ONCE(p->kicked) && !kthread_should_stop())
		schedule();
	__set_current_state(TASK_RUNNING);
}

static void wait_until(u64 ns)
{
	ktime_t when = ns_to_ktime(ns);

	while (!kthread_should_stop() && ktime_get_ns() < ns) {
		set_current_state(TASK_IDLE);
		if (!kthread_should_stop())
			schedule_hrtimeout_range(&when, 10 * NSEC_PER_USEC, HRTIMER_MODE_ABS);
		__set_current_state(TASK_RUNNING);
	}
}

/* When the byte before @offset has been made. */
static u64 due(const struct pattern *p, u64 start, u64 offset)
{
	return start + mul_u64_u64_div_u64(offset, NSEC_PER_SEC, p->rate);
}

/*
 * Takes what there is. Not after each -EAGAIN again while there is work: every such call asks for
 * one more kick.
 */
static void take(struct pattern *p)
{
	if (p->nheld && !READ_ONCE(p->kicked))
		return;
	while (p->nheld < DEPTH) {
		int err;

		WRITE_ONCE(p->kicked, false);
		/* Pairs with kick(): for a block that the next call does not see yet, it comes
		 * later. */
		smp_mb();
		err = dmaflow_take(p->dev, &p->held[(p->head + p->nheld) % DEPTH]);
		if (err) {
			p->stopped = err != -EAGAIN;
			return;
		}
		p->nheld++;
	}
	/* There may be more. */
	WRITE_ONCE(p->kicked, true);
}

static int run(void *arg)
{
	struct pattern *p = arg;
	u64 start = ktime_get_ns();

	while (!kthread_should_stop()) {
		if (p->rate)
			wait_until(due(p, start, p->offset + p->block));
		take(p);
		if (p->nheld) {
			transfer(p, &p->held[p->head]);
			p->head = (p->head + 1) % DEPTH;
			p->nheld--;
			cond_resched();
		} else if (p->rate && !p->from_memory && !p->stopped) {
			dmaflow_lost(p->dev, 1, DMAFLOW_NO_BLOCK);
			p->offset += p->block;
		} else {
			wait_kick(p);
		}
	}
	return 0;
}

static int start(void *priv, const struct dmaflow_run *set)
{
	struct pattern *p = priv;
	struct task_struct *task;

	p->from_memory = set->from_memory;
	p->rate = rate;
	p->seed = seed;
	p->offset = 0;
	p->block = set->block;
	p->head = 0;
	p->nheld = 0;
	p->stopped = false;
	task = kthread_run(run, p, "%s", dev_name(&p->pdev->dev));
	if (IS_ERR(task))
		return PTR_ERR(task);
	p->task = task;
	return 0;
}

static void stop(void *priv)
{
	struct pattern *p = priv;

	if (p->task)
		kthread_stop(p->task);
	p->task = NULL;
}

static void kick(void *priv)
{
	struct pattern *p = priv;

	WRITE_ONCE(p->kicked, true);
	wake_up_process(p->task);
}

static const struct dmaflow_ops ops = {.start = start, .stop = stop, .kick = kick};

static int add(struct pattern *p, unsigned int nr)
{
	struct dmaflow_desc desc = {
		.ops = &ops,
		.priv = p,
		.front = "pattern",
		.caps = DMAF_DRV_CAP_TO_MEMORY | DMAF_DRV_CAP_FROM_MEMORY,
		.flags = DMAFLOW_SELF_MAPPED,
	};
	int err;

	p->pdev = platform_device_register_simple("dmaflow-pattern", nr, NULL, 0);
	if (IS_ERR(p->pdev))
		return PTR_ERR(p->pdev);
	err = dma_set_mask_and_coherent(&p->pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto pdev;
	desc.dma_dev = &p->pdev->dev;
	p->dev = dmaflow_register(&desc);
	if (IS_ERR(p->dev)) {
		err = PTR_ERR(p->dev);
		goto pdev;
	}
	return 0;
pdev:
	platform_device_unregister(p->pdev);
	p->pdev = NULL;
	return err;
}

static void remove(struct pattern *p)
{
	dmaflow_unregister(p->dev);
	platform_device_unregister(p->pdev);
}

int dmaf_pattern_init(void)
{
	unsigned int i;
	int err;

	devices = kcalloc(pattern, sizeof(*devices), GFP_KERNEL);
	if (!devices)
		return -ENOMEM;
	for (i = 0; i < pattern; i++) {
		err = add(&devices[i], i);
		if (err)
			goto undo;
	}
	return 0;
undo:
	while (i--)
		remove(&devices[i]);
	kfree(devices);
	return err;
}

void dmaf_pattern_exit(void)
{
	unsigned int i;

	for (i = 0; i < pattern; i++)
		remove(&devices[i]);
	kfree(devices);
}
