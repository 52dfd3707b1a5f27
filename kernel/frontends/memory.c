// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory-only: no device behind the queue. For those whose own code in user space drives the
 * hardware: SETUP allocates and maps, SEGMENTS tells bus addresses, SYNC hands over.
 *
 * Devices come from the parameter memory=NAME:SIZE[,NAME:SIZE] or from a device tree:
 *
 *      samples { compatible = "dmaflow,memory"; size = /bits/ 64 <0x1000000>; dma-bits = <32>; };
 */
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

#define MAX_DEVICES 16

static char *memory;
module_param(memory, charp, 0444);
MODULE_PARM_DESC(memory, "memory-only devices: NAME:SIZE[,NAME:SIZE]; SIZE takes K, M, G");

static uint memory_dma_bits = 64;
module_param(memory_dma_bits, uint, 0444);
MODULE_PARM_DESC(memory_dma_bits, "address bits that the hardware behind memory= drives (64)");

static struct platform_device *made[MAX_DEVICES];
static unsigned int nmade;

static int probe(struct platform_device *pdev)
{
	struct dmaflow_desc desc = {
		.dma_dev = &pdev->dev,
		.front = "memory-only",
		.caps = DMAF_DRV_CAP_TO_MEMORY | DMAF_DRV_CAP_FROM_MEMORY,
	};
	struct dmaf_dev *d;
	u32 bits = 64;
	int err;

	device_property_read_u64(&pdev->dev, "size", &desc.region_max);
	device_property_read_string(&pdev->dev, "label", &desc.name);
	device_property_read_u32(&pdev->dev, "dma-bits", &bits);
	if (!bits || bits > 64)
		return dev_err_probe(&pdev->dev, -EINVAL, "dma-bits is %u; 1 to 64 would do\n",
				     bits);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(bits));
	if (err)
		return dev_err_probe(&pdev->dev, err, "the bus has no DMA mask of %u bits\n", bits);
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	d = dmaflow_register(&desc);
	if (IS_ERR(d))
		return PTR_ERR(d);
	platform_set_drvdata(pdev, d);
	return 0;
}

static DMAF_REMOVE_RESULT remove(struct platform_device *pdev)
{
	dmaflow_unregister(platform_get_drvdata(pdev));
	DMAF_REMOVE_DONE;
}

static const struct of_device_id of_ids[] = {{.compatible = "dmaflow,memory"}, {}};

static struct platform_driver driver = {
	.probe = probe,
	.remove = remove,
	.driver = {.name = "dmaflow-memory", .of_match_table = of_ids},
};

static int make(const char *name, u64 size)
{
	const struct property_entry properties[] = {
		PROPERTY_ENTRY_U64("size", size),
		PROPERTY_ENTRY_STRING("label", name),
		PROPERTY_ENTRY_U32("dma-bits", memory_dma_bits),
		{},
	};
	const struct platform_device_info info = {
		.name = "dmaflow-memory",
		.id = nmade,
		.properties = properties,
	};

	made[nmade] = platform_device_register_full(&info);
	if (IS_ERR(made[nmade]))
		return PTR_ERR(made[nmade]);
	nmade++;
	return 0;
}

/* One NAME:SIZE. */
static int parse(char *item)
{
	char *size = strchr(item, ':'), *end;
	u64 bytes;

	if (!size || size == item || nmade == MAX_DEVICES)
		goto bad;
	*size++ = '\0';
	bytes = memparse(size, &end);
	if (!bytes || *end)
		goto bad;
	return make(item, bytes);
bad:
	pr_err("dmaflow: memory=%s: NAME:SIZE is wanted, at most %u of them\n", item, MAX_DEVICES);
	return -EINVAL;
}

static void unmake(void)
{
	while (nmade)
		platform_device_unregister(made[--nmade]);
}

int dmaf_memory_init(void)
{
	char *copy, *rest, *item;
	int err = platform_driver_register(&driver);

	if (err || !memory)
		return err;
	copy = kstrdup(memory, GFP_KERNEL);
	if (!copy)
		err = -ENOMEM;
	for (rest = copy; !err && (item = strsep(&rest, ","));)
		err = parse(item);
	kfree(copy);
	if (err) {
		unmake();
		platform_driver_unregister(&driver);
	}
	return err;
}

void dmaf_memory_exit(void)
{
	unmake();
	platform_driver_unregister(&driver);
}
