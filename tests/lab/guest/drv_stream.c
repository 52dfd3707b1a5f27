// SPDX-License-Identifier: MIT
/*
 * Streams from, or to, any device and checks what can be checked: content of the pattern, numbers,
 * bus addresses, figures.
 *
 * usage: drv_stream DEVICE BLOCK COUNT BYTES [pattern|any] [contiguous] [no-huge] [from-memory]
 * [iommu] [bounced]
 */
#include "drv.h"

static int has(int argc, char **argv, const char *word)
{
	for (int i = 5; i < argc; i++)
		if (!strcmp(argv[i], word))
			return 1;
	return 0;
}

static uint64_t phys(const void *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (pread(fd, &entry, 8, (off_t)((uintptr_t)at / 4096 * 8)) != 8)
		entry = 0;
	close(fd);
	return (entry & ((1ull << 55) - 1)) * 4096;
}

/* Bus addresses cover the region, and are physical ones exactly if nothing translates. */
static void segments(struct drv *q, int iommu, int bounced)
{
	struct dmaf_drv_segment *seg = calloc(q->s.segments, sizeof(*seg));
	struct dmaf_drv_segments s = {
		.size = sizeof(s),
		.count = q->s.segments,
		.segments = (uintptr_t)seg,
	};
	uint64_t off = 0, same = 0;

	works(ioctl(q->fd, DMAF_IOC_SEGMENTS, &s), "SEGMENTS");
	for (uint32_t i = 0; i < s.count; i++) {
		same += dmaf_iova_value(seg[i].iova) == phys(q->data + seg[i].off);
		if (seg[i].off != off)
			break;
		off += seg[i].len;
	}
	ok(s.count == q->s.segments && off == q->s.data_len, "%u segments cover it all", s.count);
	if (s.count && dmaf_iova_is_none(seg[0].iova))
		printf("# no bus addresses: the device maps itself\n");
	else
		ok(iommu || bounced ? same == 0 : same == s.count,
		   "%llu bus addresses are physical, of %u", (unsigned long long)same, s.count);
	free(seg);
}

static int stream(struct drv *q, uint64_t bytes, int content, int from_memory)
{
	uint64_t off = 0, seq = 0, fed = 0;
	struct dmaf_drv_done e;

	for (uint32_t i = 0; i < q->s.count; i++) {
		for (uint64_t b = 0; from_memory && b < q->s.block; b++)
			q->data[i * q->s.stride + b] = drv_byte(fed + b);
		fed += q->s.block;
		drv_submit(q, i);
	}
	if (!works(ioctl(q->fd, DMAF_IOC_START), "START"))
		return 0;
	while (off < bytes) {
		if (drv_next(q, &e, 20000) != 1) {
			printf("# nothing came: errno %d, %llu bytes so far\n", errno,
			       (unsigned long long)off);
			return 0;
		}
		if (e.seq != seq++ || !e.len || e.flags & ~DMAF_DRV_PARTIAL) {
			printf("# seq %llu len %llu flags %#x\n", (unsigned long long)e.seq,
			       (unsigned long long)e.len, e.flags);
			return 0;
		}
		if (content && !drv_right(q->data + e.index * q->s.stride, e.len, off))
			return 0;
		off += e.len;
		for (uint64_t b = 0; from_memory && b < q->s.block; b++)
			q->data[e.index * q->s.stride + b] = drv_byte(fed + b);
		fed += q->s.block;
		drv_submit(q, e.index);
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct dmaf_drv_stats st = {.size = sizeof(st)};
	struct dmaf_drv_info info = {.size = sizeof(info)};
	struct dmaf_drv_done e;
	struct drv q;
	int from, bounced, content;
	uint32_t back = 0;
	uint64_t bytes;

	if (argc < 5) {
		fprintf(stderr, "usage: %s DEVICE BLOCK COUNT BYTES [WORD]...\n", argv[0]);
		return 2;
	}
	q.s = drv_ask(strtoull(argv[2], NULL, 0), (uint32_t)strtoul(argv[3], NULL, 0));
	bytes = strtoull(argv[4], NULL, 0);
	from = has(argc, argv, "from-memory");
	bounced = has(argc, argv, "bounced");
	content = !has(argc, argv, "any");
	q.s.flags = (has(argc, argv, "contiguous") ? DMAF_DRV_SETUP_CONTIGUOUS : 0) |
		    (has(argc, argv, "no-huge") ? DMAF_DRV_SETUP_NO_HUGE : 0) |
		    (from ? DMAF_DRV_SETUP_FROM_MEM : 0);
	if (!works(drv_open(&q, argv[1]), "SETUP, mapped"))
		return drv_end();
	ioctl(q.fd, DMAF_IOC_INFO, &info);
	printf("# %s %s: mask %#llx, caps %#x, %u segments, pages of %llu, stride %llu\n",
	       info.front, info.name, (unsigned long long)info.dma_mask, info.caps, q.s.segments,
	       (unsigned long long)q.s.page, (unsigned long long)q.s.stride);
	ok(!(info.caps & DMAF_DRV_CAP_IOMMU) == !has(argc, argv, "iommu"), "an IOMMU as expected");
	memset(q.data, 0xa5, q.s.data_len);
	segments(&q, has(argc, argv, "iommu"), bounced);
	if (!(info.caps & DMAF_DRV_CAP_MEMORY_ONLY)) {
		ok(stream(&q, bytes, content && !from, from), "%llu bytes%s",
		   (unsigned long long)bytes, content ? ", every one right" : "");
		works(ioctl(q.fd, DMAF_IOC_STOP), "STOP");
		while (drv_next(&q, &e, 0) == 1)
			back += !!(e.flags & DMAF_DRV_RETURNED);
		printf("# %u came back unfilled\n", back);
		works(ioctl(q.fd, DMAF_IOC_STATS, &st), "STATS");
		printf("# filled %llu bytes %llu bounced %llu sync cpu %llu device %llu kicks %llu "
		       "interrupts %llu\n",
		       (unsigned long long)st.filled, (unsigned long long)st.bytes,
		       (unsigned long long)st.bounced_bytes, (unsigned long long)st.sync_cpu_bytes,
		       (unsigned long long)st.sync_device_bytes, (unsigned long long)st.kicks,
		       (unsigned long long)st.interrupts);
		ok(st.bytes >= bytes && !st.error, "figures");
		ok(bounced ? st.bounced_bytes >= bytes : !st.bounced_bytes, "bounced bytes");
		for (uint32_t i = 0; i < q.s.count; i++)
			drv_submit(&q, i);
		works(ioctl(q.fd, DMAF_IOC_START), "START again");
		ok(drv_next(&q, &e, 20000) == 1 && e.seq == 0, "a block again");
	}
	drv_close(&q, 0);
	return drv_end();
}
