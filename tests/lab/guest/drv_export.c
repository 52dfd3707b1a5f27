// SPDX-License-Identifier: MIT
/*
 * dma-buf export, with an importer (tests/lab/importer): who has a block mapped, or a fence on it,
 * keeps it from being filled again; the pages outlive the device's file.
 *
 * usage: drv_export DEVICE
 */
#include <linux/dma-buf.h>

#include "drv.h"

static int importer;

static int export(struct drv *q, uint32_t block)
{
	struct dmaf_drv_export e = {.size = sizeof(e), .flags = O_CLOEXEC | O_RDWR, .block = block};

	return ioctl(q->fd, DMAF_IOC_EXPORT, &e) < 0 ? -1 : e.fd;
}

static void refusals(struct drv *q)
{
	struct dmaf_drv_export e = {.size = sizeof(e), .block = q->s.count};

	fails(ioctl(q->fd, DMAF_IOC_EXPORT, &e), EINVAL, "a block beyond count");
	e = (struct dmaf_drv_export){.size = sizeof(e), .flags = O_APPEND};
	fails(ioctl(q->fd, DMAF_IOC_EXPORT, &e), EINVAL, "an unknown flag");
}

/* The content of block 1 is the same for the exporter, the importer and a mapping of the dma-buf.
 */
static void content(struct drv *q, int fd)
{
	struct dma_buf_sync begin = {DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ};
	struct dma_buf_sync end = {DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ};
	unsigned char *at = q->data + q->s.stride, *m;
	uint32_t sum = 0;

	for (uint64_t i = 0; i < q->s.block; i++)
		sum += at[i] = (unsigned char)(i * 31 + (i >> 7));
	ok((uint32_t)ioctl(importer, 0xdb05, fd) == (sum & 0x7fffffff),
	   "an importer reads the block");
	m = mmap(NULL, q->s.block, PROT_READ, MAP_SHARED, fd, 0);
	works(ioctl(fd, DMA_BUF_IOCTL_SYNC, &begin), "begin of CPU access");
	ok(m != MAP_FAILED && !memcmp(m, at, q->s.block), "so does a mapping of the dma-buf");
	works(ioctl(fd, DMA_BUF_IOCTL_SYNC, &end), "end of CPU access");
	ok(lseek(fd, 0, SEEK_END) == (off_t)q->s.block, "it is as long as the block");
	munmap(m, q->s.block);
}

/* Fills block 1 while @what, and says whether the queue stopped. */
static int refuses(const char *dev, const char *what, int map, int fence)
{
	struct dmaf_drv_stats st = {.size = sizeof(st)};
	struct drv q = {.s = drv_ask(65536, 4)};
	struct dmaf_drv_done e;
	int fd, refused;

	if (drv_open(&q, dev))
		return ok(0, "%s: open", what);
	fd = export(&q, 1);
	if (map && !works(ioctl(importer, 0xdb01, fd), "import"))
		return 0;
	if (fence && !works(ioctl(importer, 0xdb03, fd), "a fence"))
		return 0;
	drv_submit(&q, 1);
	ioctl(q.fd, DMAF_IOC_START);
	refused = drv_next(&q, &e, 1000) < 0;
	ioctl(q.fd, DMAF_IOC_STATS, &st);
	refused &= st.not_owned == 1;
	if (map)
		ioctl(importer, 0xdb02);
	if (fence)
		ioctl(importer, 0xdb04);
	close(fd);
	drv_close(&q, 0);
	return refused;
}

/* Once the importer is done the block is filled as ever. */
static void goes_on(const char *dev)
{
	struct drv q = {.s = drv_ask(65536, 4)};
	struct dmaf_drv_done e;
	int fd;

	drv_open(&q, dev);
	fd = export(&q, 1);
	works(ioctl(importer, 0xdb01, fd), "import");
	works(ioctl(importer, 0xdb02), "and done with it");
	drv_submit(&q, 1);
	ioctl(q.fd, DMAF_IOC_START);
	ok(drv_next(&q, &e, 2000) == 1 && e.index == 1 && drv_right(q.data + q.s.stride, e.len, 0),
	   "the block can be filled again");
	close(fd);
	drv_close(&q, 0);
}

static void outlives(const char *dev)
{
	struct drv q = {.s = drv_ask(65536, 4)};
	uint32_t sum = 0;
	int fd;

	drv_open(&q, dev);
	for (uint64_t i = 0; i < q.s.data_len; i++)
		sum += q.data[i] = (unsigned char)(i * 5);
	fd = export(&q, ~0u);
	works(fd, "export of the whole region");
	works(ioctl(importer, 0xdb01, fd), "imported");
	drv_close(&q, 0);
	ok((uint32_t)ioctl(importer, 0xdb05, fd) == (sum & 0x7fffffff),
	   "it outlives the device's file");
	close(fd);
	works(ioctl(importer, 0xdb02), "the importer lets go last");
}

int main(int argc, char **argv)
{
	struct drv q = {.s = drv_ask(65536, 4)};
	int fd;

	if (argc != 2)
		return 2;
	importer = open("/dev/dmaf_importer", O_RDWR);
	if (!works(importer, "the importer") || !works(drv_open(&q, argv[1]), "open and SETUP"))
		return drv_end();
	refusals(&q);
	fd = export(&q, 1);
	works(fd, "export");
	content(&q, fd);
	close(fd);
	drv_close(&q, 0);
	ok(refuses(argv[1], "mapped", 1, 0), "a block that an importer has mapped can't be filled");
	ok(refuses(argv[1], "fence", 0, 1), "nor one with a fence that is not signalled");
	ok(!refuses(argv[1], "neither", 0, 0), "one that is only exported can");
	goes_on(argv[1]);
	outlives(argv[1]);
	return drv_end();
}
