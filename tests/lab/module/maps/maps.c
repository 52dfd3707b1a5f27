// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The mappings that drivers commonly hand out, as three devices of one megabyte each:
 *
 *	/dev/map_pfn        remap_pfn_range() of its pages
 *	/dev/map_coherent   dma_mmap_coherent() of memory of the DMA API, no IOMMU in front of it
 *	/dev/map_pages      split pages, vm_map_pages()
 *
 * And one that takes hold of the caller's memory and lets go again, as a driver or the network
 *does:
 *
 *	/dev/map_pin        ioctl(fd, MAP_PIN, &struct map_pin)
 */
#include <linux/dma-mapping.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/uaccess.h>

#include "maps.h"

#define LEN   (1u << 20)
#define PAGES (LEN / PAGE_SIZE)

static struct platform_device *pdev;
static struct page *first, *pages[PAGES];
static void *coherent;
static dma_addr_t coherent_at;

static int pfn_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_end - vma->vm_start > LEN || vma->vm_pgoff)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start, page_to_pfn(first), vma->vm_end - vma->vm_start,
			       vma->vm_page_prot);
}

static int coherent_mmap(struct file *file, struct vm_area_struct *vma)
{
	return dma_mmap_coherent(&pdev->dev, vma, coherent, coherent_at, LEN);
}

static int pages_mmap(struct file *file, struct vm_area_struct *vma)
{
	return vm_map_pages(vma, pages, PAGES);
}

static long pin_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct map_pin __user *user = (void __user *)arg;
	struct map_pin p;
	struct page **held;
	int want, got;

	if (cmd != MAP_PIN)
		return -ENOTTY;
	if (copy_from_user(&p, user, sizeof(p)))
		return -EFAULT;
	want = p.len / PAGE_SIZE;
	if (!want || p.len > (1ull << 30))
		return -EINVAL;
	held = kvcalloc(want, sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	p.ns = ktime_get_ns();
	got = pin_user_pages_fast(p.addr, want, FOLL_WRITE | FOLL_LONGTERM, held);
	p.ns = ktime_get_ns() - p.ns;
	if (got > 0)
		unpin_user_pages(held, got);
	kvfree(held);
	if (got < 0)
		return got;
	if (got < want)
		return -EAGAIN;
	return copy_to_user(user, &p, sizeof(p)) ? -EFAULT : 0;
}

static const struct file_operations pfn_fops = {.owner = THIS_MODULE, .mmap = pfn_mmap};
static const struct file_operations coherent_fops = {.owner = THIS_MODULE, .mmap = coherent_mmap};
static const struct file_operations pages_fops = {.owner = THIS_MODULE, .mmap = pages_mmap};
static const struct file_operations pin_fops = {.owner = THIS_MODULE, .unlocked_ioctl = pin_ioctl};

static struct miscdevice nodes[] = {
	{.minor = MISC_DYNAMIC_MINOR, .name = "map_pfn", .fops = &pfn_fops},
	{.minor = MISC_DYNAMIC_MINOR, .name = "map_coherent", .fops = &coherent_fops},
	{.minor = MISC_DYNAMIC_MINOR, .name = "map_pages", .fops = &pages_fops},
	{.minor = MISC_DYNAMIC_MINOR, .name = "map_pin", .fops = &pin_fops},
};

static void free_all(void)
{
	unsigned int i;

	for (i = 0; first && i < PAGES; i++)
		__free_page(first + i);
	if (coherent)
		dma_free_coherent(&pdev->dev, LEN, coherent, coherent_at);
	platform_device_unregister(pdev);
}

static int __init maps_init(void)
{
	unsigned int i;
	int err = -ENOMEM;

	pdev = platform_device_register_simple("maps", -1, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	coherent = dma_alloc_coherent(&pdev->dev, LEN, &coherent_at, GFP_KERNEL);
	first = alloc_pages(GFP_KERNEL | __GFP_ZERO, get_order(LEN));
	if (!coherent || !first)
		goto free;
	split_page(first, get_order(LEN));
	for (i = 0; i < PAGES; i++)
		pages[i] = first + i;
	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		err = misc_register(&nodes[i]);
		if (err)
			goto deregister;
	}
	return 0;

deregister:
	while (i--)
		misc_deregister(&nodes[i]);
free:
	free_all();
	return err;
}

static void __exit maps_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nodes); i++)
		misc_deregister(&nodes[i]);
	free_all();
}

module_init(maps_init);
module_exit(maps_exit);
MODULE_DESCRIPTION("mappings as drivers commonly make them");
MODULE_LICENSE("Dual MIT/GPL");
