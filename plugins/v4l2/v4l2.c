// SPDX-License-Identifier: MIT
/*
 * v4l2: - a camera whose driver is not ours, made to write into memory that the kernel can pin: its
 * own buffers (V4L2_MEMORY_MMAP) often are none (VM_PFNMAP), and then a send by reference says
 * EFAULT.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "mem/mem.h"
#include "plugins/plugins.h"
#include "plugins/v4l2/device.h"

struct video {
	struct v4l2_device dev;
	dmaf_buf **given; /* by index: buffers that the device has */
	unsigned count;
	bool stopped, last, begun;
	int failed;
	uint32_t next_sequence;
	uint64_t next_seq, next_off;
};

static const char *const memories[] = {"best", "udmabuf", "userptr", NULL};

static const struct dmaf_opt options[] = {
	{"memory", DMAF_OPT_WORD,
	 "how its driver gets our memory: as dma-bufs (udmabuf) or by address (userptr)",
	 .words = memories},
	{"huge", DMAF_OPT_FLAG, "frames lie in huge pages (vm.nr_hugepages): in one piece each"},
	{"width", DMAF_OPT_COUNT, "pixels a line (as it is set)", 1, 65536},
	{"height", DMAF_OPT_COUNT, "lines a frame (as it is set)", 1, 65536},
	{"format", DMAF_OPT_STRING, "four letters of a pixel format, such as YUYV (as it is set)"},
	{NULL},
};

static int video_open(dmaf_source *src)
{
	const dmaf_addr *a = src->p.addr;
	const char *format = dmaf_addr_str(a, "format", NULL);
	struct video *v = calloc(1, sizeof(*v));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int rc;

	src->p.priv = v;
	if (!v)
		return dmaf_fail(&src->p.err, -ENOMEM, "%s: no memory", dmaf_addr_text(a));
	v->dev.fd = -1;
	v->dev.label = dmaf_addr_text(a);
	v->dev.err = &src->p.err;
	v->dev.how = (enum v4l2_memory_how)dmaf_addr_u64(a, "memory", V4L2_HOW_BEST);
	if (!*dmaf_addr_main(a))
		return dmaf_fail(&src->p.err, -EINVAL, "%s: no device; write v4l2:/dev/video0",
				 dmaf_addr_text(a));
	if (format && strlen(format) != 4)
		return dmaf_fail(&src->p.err, -EINVAL, "%s: format=%s: four letters, such as YUYV",
				 dmaf_addr_text(a), format);
	rc = v4l2_device_open(&v->dev, dmaf_addr_main(a), (unsigned)dmaf_addr_u64(a, "width", 0),
			      (unsigned)dmaf_addr_u64(a, "height", 0), format);
	v->dev.err = NULL; /* the party moves to its place only now */
	if (rc)
		return rc;
	src->flags |= DMAF_SRC_NOT_PAUSABLE;
	src->p.need = (struct dmaf_need){
		.own = DMAF_OWN_MUST, /* a memfd of whole pages: nobody else makes one by chance */
		.backing = DMAF_PAGES,
		.align = page,
		/* In one piece each: no frame lies in two huge pages that it would fit in one of.
		 */
		.boundary = dmaf_addr_u64(a, "huge", 0) ? dmaf_mem_huge_page() : 0,
		.block_min = v->dev.size,
		.block_want = v->dev.size,
		.count_min = 2,
		.count_want = 8,
	};
	src->p.count.path = v->dev.how == V4L2_HOW_UDMABUF ? "udmabuf" : "userptr";
	(void)snprintf(src->stream.format, sizeof(src->stream.format), "%s", v->dev.fourcc);
	src->stream.clock = DMAF_CLOCK_MONOTONIC;
	if (getrandom(src->stream.id, sizeof(src->stream.id), 0) != sizeof(src->stream.id))
		return dmaf_fail(&src->p.err, -EIO, "%s: no random stream id", dmaf_addr_text(a));
	return 0;
}

static int video_pool(dmaf_source *src, const struct dmaf_terms *t, dmaf_pool **pool)
{
	dmaf_region *r = NULL;
	size_t len;
	int rc;

	*pool = NULL;
	if (__builtin_mul_overflow(t->stride, t->count, &len))
		return dmaf_fail(&src->p.err, -EINVAL, "%s: %u frames of %zu bytes: too much",
				 dmaf_addr_text(src->p.addr), t->count, t->block);
	rc = dmaf_addr_u64(src->p.addr, "huge", 0) ? dmaf_mem_memfd_huge(&r, len, &src->p.err)
						   : dmaf_region_memfd(&r, len, &src->p.err);
	if (!rc && t->align > r->page)
		rc = dmaf_fail(&src->p.err, -EINVAL, "%s: blocks aligned to %zu bytes; %s",
			       dmaf_addr_text(src->p.addr), t->align, r->name);
	if (!rc)
		rc = dmaf_pool_create(pool, r, t, NULL, NULL, &src->p.err);
	dmaf_region_put(r); /* the pool has its own reference */
	return rc;
}

static int video_attach(dmaf_source *src)
{
	struct video *v = src->p.priv;
	const struct dmaf_terms *t = dmaf_pool_terms(src->pool);

	v->dev.err = &src->p.err;
	v->count = t->count;
	v->given = calloc(t->count, sizeof(*v->given));
	if (!v->given)
		return dmaf_fail(&src->p.err, -ENOMEM, "%s: no memory",
				 dmaf_addr_text(src->p.addr));
	src->stream.block = t->block;
	return v4l2_device_use(&v->dev, dmaf_pool_region(src->pool), t->count, t->stride);
}

static int video_queue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct video *v = src->p.priv;
	unsigned i;

	for (i = 0; i < n && !v->failed; i++) {
		v->failed = v4l2_device_give(&v->dev, bufs[i]->index);
		if (v->failed)
			break;
		v->given[bufs[i]->index] = bufs[i];
	}
	/* Not in start(): without blocks the first frames would be lost. */
	if (!v->failed && !v->stopped)
		v->failed = v4l2_device_start(&v->dev);
	return (int)i;
}

static void number(dmaf_source *src, struct video *v, dmaf_buf *b, const struct v4l2_frame *f)
{
	/* The driver's number runs through 2^32, and need not begin at 0. */
	uint32_t lost = v->begun ? f->sequence - v->next_sequence : 0;

	v->begun = true;
	v->next_sequence = f->sequence + 1;
	src->p.count.lost += lost;
	src->p.count.lost_bytes += (uint64_t)lost * v->dev.size;
	src->p.count.errors += f->damaged;
	v->next_seq += lost;
	v->next_off += (uint64_t)lost * v->dev.size;
	b->seq = v->next_seq++;
	b->offset = v->next_off;
	v->next_off += f->len;
	b->mono_ns = f->mono_ns ? f->mono_ns : dmaf_now_ns();
	b->ts_ns = b->mono_ns;
	b->flags = (f->damaged ? DMAF_BUF_ERROR : 0) | (f->last ? DMAF_BUF_LAST : 0);
	v->last |= f->last;
}

static int video_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct video *v = src->p.priv;
	unsigned out = 0;

	while (out < n && !v->failed && v->dev.streams) {
		struct v4l2_frame f;
		int rc = v4l2_device_take(&v->dev, &f);
		dmaf_buf *b;

		if (rc < 0)
			v->failed = rc;
		if (rc <= 0)
			break;
		b = v->given[f.index];
		if (!b || f.len > dmaf_buf_room(b)) {
			v->failed = dmaf_fail(&src->p.err, -EPROTO,
					      "%s: the driver gives frame %u back, which it %s",
					      dmaf_addr_text(src->p.addr), f.index,
					      b ? "overfilled" : "did not have");
			break;
		}
		v->given[f.index] = NULL;
		number(src, v, b, &f);
		dmaf_buf_filled(b, f.len);
		bufs[out++] = b;
	}
	if (out)
		return (int)out; /* what went wrong behind them shows with the next call */
	if (v->failed)
		return v->failed;
	return v->stopped || v->last ? DMAF_END : 0;
}

static int video_stop(dmaf_source *src)
{
	struct video *v = src->p.priv;

	v4l2_device_stop(&v->dev);
	v->stopped = true;
	return 0;
}

static int video_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct video *v = src->p.priv;
	unsigned out = 0;

	if (!v || !v->given)
		return 0;
	v4l2_device_stop(&v->dev);
	for (unsigned i = 0; i < v->count && out < n; i++)
		if (v->given[i]) {
			bufs[out++] = v->given[i];
			v->given[i] = NULL;
		}
	return (int)out;
}

static void video_wait(dmaf_source *src, struct dmaf_wait *w)
{
	struct video *v = src->p.priv;

	if (v->failed || !v->dev.streams)
		dmaf_wait_until(w, dmaf_now_ns() + 1000000u);
	else
		dmaf_wait_fd(w, v->dev.fd, POLLIN);
}

static void video_close(dmaf_source *src)
{
	struct video *v = src->p.priv;

	if (!v)
		return;
	v4l2_device_close(&v->dev);
	free(v->given);
	free(v);
}

static const struct dmaf_source_ops video_source = {
	.open = video_open,
	.pool = video_pool,
	.attach = video_attach,
	.queue = video_queue,
	.dequeue = video_dequeue,
	.stop = video_stop,
	.cancel = video_cancel,
	.wait = video_wait,
	.close = video_close,
};

const struct dmaf_kind dmaf_kind_v4l2 = {
	.abi = DMAF_ABI,
	.name = "v4l2",
	.help = "a camera, whose driver writes into memory that can be sent by reference",
	.main = "/dev/videoN",
	.opts = options,
	.source = &video_source,
};
