// SPDX-License-Identifier: MIT
#include "plugins/v4l2/device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <linux/videodev2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define VIDEO_MAJOR 81 /* Documentation/admin-guide/devices.txt */

static int call(int fd, unsigned long request, void *arg)
{
	int rc;

	do
		rc = ioctl(fd, request, arg);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

static int open_node(struct v4l2_device *d, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return dmaf_fail(d->err, -errno,
				 "%s: %s: %s; 'ls /dev/video*' shows which cameras there are",
				 d->label, path, strerror(errno));
	/* Others may act on being opened. */
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) != VIDEO_MAJOR)
		return dmaf_fail(d->err, -ENOTTY, "%s: %s is no video device; write /dev/video0",
				 d->label, path);
	d->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return d->fd < 0 ? dmaf_fail(d->err, -errno, "%s: opening %s: %s", d->label, path,
				     strerror(errno))
			 : 0;
}

static int check_capture(struct v4l2_device *d)
{
	struct v4l2_capability cap = {0};
	uint32_t caps;
	int rc = call(d->fd, VIDIOC_QUERYCAP, &cap);

	if (rc)
		return dmaf_fail(d->err, rc, "%s: VIDIOC_QUERYCAP: %s", d->label, strerror(-rc));
	(void)snprintf(d->card, sizeof(d->card), "%s", (const char *)cap.card);
	caps = cap.capabilities & V4L2_CAP_DEVICE_CAPS ? cap.device_caps : cap.capabilities;
	if (caps & V4L2_CAP_VIDEO_CAPTURE && caps & V4L2_CAP_STREAMING)
		return 0;
	return dmaf_fail(d->err, -EOPNOTSUPP, "%s: %s %s", d->label, d->card,
			 caps & V4L2_CAP_VIDEO_CAPTURE_MPLANE
				 ? "gives frames of several planes, which is not done yet; another "
				   "node or format of it may have one"
			 : caps & V4L2_CAP_VIDEO_CAPTURE
				 ? "does not stream; file: reads what it has"
				 : "does not capture video; a camera often has several nodes "
				   "(v4l2-ctl --list-devices)");
}

static int set_format(struct v4l2_device *d, unsigned width, unsigned height, const char *fourcc)
{
	struct v4l2_format f = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
	int rc = call(d->fd, VIDIOC_G_FMT, &f);

	if (rc)
		return dmaf_fail(d->err, rc, "%s: VIDIOC_G_FMT: %s", d->label, strerror(-rc));
	if (width || height || fourcc) {
		if (width)
			f.fmt.pix.width = width;
		if (height)
			f.fmt.pix.height = height;
		if (fourcc)
			memcpy(&f.fmt.pix.pixelformat, fourcc, 4);
		/* The driver works out what a line and a frame take. */
		f.fmt.pix.bytesperline = f.fmt.pix.sizeimage = 0;
		rc = call(d->fd, VIDIOC_S_FMT, &f);
		if (rc)
			return dmaf_fail(d->err, rc, "%s: VIDIOC_S_FMT: %s%s", d->label,
					 strerror(-rc),
					 rc == -EBUSY ? "; another program streams from it" : "");
	}
	d->size = f.fmt.pix.sizeimage;
	d->width = f.fmt.pix.width;
	d->height = f.fmt.pix.height;
	memcpy(d->fourcc, &f.fmt.pix.pixelformat, 4);
	if ((!width || width == d->width) && (!height || height == d->height) &&
	    (!fourcc || !memcmp(fourcc, d->fourcc, 4)) && d->size)
		return 0;
	return dmaf_fail(d->err, -EINVAL,
			 "%s: %s does not do that; the nearest is width=%u,height=%u,format=%s "
			 "(v4l2-ctl --list-formats-ext)",
			 d->label, d->card, d->width, d->height, d->fourcc);
}

/* Before a queue is taken: would this way be taken? Unknown ones are tried. */
static int settle_how(struct v4l2_device *d)
{
	bool can_make = !access("/dev/udmabuf", R_OK | W_OK);
	struct v4l2_requestbuffers probe = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
	uint32_t caps = 0;
	int rc = call(d->fd, VIDIOC_REQBUFS, &probe); /* of none: tells and takes nothing */

	if (rc == -EBUSY)
		return dmaf_fail(d->err, rc, "%s: another program streams from it", d->label);
	if (!rc)
		caps = probe.capabilities;
	if (d->how == V4L2_HOW_UDMABUF && !can_make)
		return dmaf_fail(
			d->err, -ENODEV,
			"%s: memory=udmabuf: /dev/udmabuf: %s; as root: modprobe udmabuf (a "
			"kernel with CONFIG_UDMABUF), or take memory=userptr",
			d->label, strerror(errno));
	if (d->how == V4L2_HOW_BEST)
		d->how = can_make && (!caps || caps & V4L2_BUF_CAP_SUPPORTS_DMABUF)
				 ? V4L2_HOW_UDMABUF
				 : V4L2_HOW_USERPTR;
	if (!caps || caps & (d->how == V4L2_HOW_UDMABUF ? V4L2_BUF_CAP_SUPPORTS_DMABUF
							: V4L2_BUF_CAP_SUPPORTS_USERPTR))
		return 0;
	return dmaf_fail(
		d->err, -EOPNOTSUPP, "%s: %s takes no memory of the user's by %s%s", d->label,
		d->card, d->how == V4L2_HOW_UDMABUF ? "dma-buf" : "address",
		d->how == V4L2_HOW_UDMABUF ? "; try memory=userptr"
		: caps & V4L2_BUF_CAP_SUPPORTS_DMABUF
			? "; it takes dma-bufs: memory=udmabuf, where the kernel has udmabuf"
			: "");
}

int v4l2_device_open(struct v4l2_device *d, const char *path, unsigned width, unsigned height,
		     const char *fourcc)
{
	int rc = open_node(d, path);

	if (!rc)
		rc = check_capture(d);
	if (!rc)
		rc = set_format(d, width, height, fourcc);
	if (!rc)
		rc = settle_how(d);
	return rc;
}

static int make_dmabufs(struct v4l2_device *d, const dmaf_region *r)
{
	int maker = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), rc = 0;

	if (maker < 0)
		return dmaf_fail(d->err, -errno, "%s: /dev/udmabuf: %s", d->label, strerror(errno));
	for (unsigned i = 0; !rc && i < d->count; i++) {
		struct udmabuf_create make = {
			.memfd = (__u32)r->fd,
			.flags = UDMABUF_FLAGS_CLOEXEC,
			.offset = r->fd_off + i * d->stride,
			.size = d->stride,
		};

		d->dmabuf[i] = call(maker, UDMABUF_CREATE, &make);
		if (d->dmabuf[i] < 0)
			rc = dmaf_fail(d->err, d->dmabuf[i],
				       "%s: a dma-buf of %zu bytes of %s: %s (limits: "
				       "/sys/module/udmabuf/parameters)",
				       d->label, d->stride, r->name, strerror(-d->dmabuf[i]));
	}
	(void)close(maker);
	return rc;
}

int v4l2_device_use(struct v4l2_device *d, const dmaf_region *r, unsigned count, size_t stride)
{
	struct v4l2_requestbuffers req = {
		.count = count,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = d->how == V4L2_HOW_UDMABUF ? V4L2_MEMORY_DMABUF : V4L2_MEMORY_USERPTR,
	};
	int rc = call(d->fd, VIDIOC_REQBUFS, &req);

	if (rc || req.count != count)
		return dmaf_fail(d->err, rc ? rc : -EINVAL,
				 "%s: %s takes %u buffers at once, %u were asked for (blocks=): %s",
				 d->label, d->card, rc ? 0 : req.count, count,
				 rc ? strerror(-rc) : "a limit of the driver's");
	d->memory = r->cpu;
	d->stride = stride;
	d->count = count;
	if (d->how != V4L2_HOW_UDMABUF)
		return 0;
	d->dmabuf = malloc(count * sizeof(*d->dmabuf));
	if (!d->dmabuf)
		return dmaf_fail(d->err, -ENOMEM, "%s: no memory", d->label);
	for (unsigned i = 0; i < count; i++)
		d->dmabuf[i] = -1;
	return make_dmabufs(d, r);
}

/* What the exporter of a dma-buf wants to hear before and after the CPU looks. */
static void sync_block(const struct v4l2_device *d, unsigned index, uint64_t flags)
{
	struct dma_buf_sync s = {.flags = flags | DMA_BUF_SYNC_READ};

	if (d->dmabuf)
		(void)call(d->dmabuf[index], DMA_BUF_IOCTL_SYNC, &s);
}

static int not_queued(struct v4l2_device *d, int rc)
{
	if (rc == -ENODEV)
		return dmaf_fail(d->err, rc, "%s: %s is gone: unplugged", d->label, d->card);
	if (rc == -EFAULT || rc == -EINVAL || rc == -ENOMEM)
		return dmaf_fail(
			d->err, rc, "%s: %s does not take the block by %s: %s%s", d->label, d->card,
			d->dmabuf ? "dma-buf" : "address", strerror(-rc),
			"; a device without scatter-gather needs each block in one piece: add "
			"huge (with sysctl vm.nr_hugepages), or try the other memory=");
	return dmaf_fail(d->err, rc, "%s: VIDIOC_QBUF: %s", d->label, strerror(-rc));
}

int v4l2_device_give(struct v4l2_device *d, unsigned index)
{
	struct v4l2_buffer b = {
		.index = index,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.length = (__u32)d->stride,
	};
	int rc;

	if (d->dmabuf) {
		b.memory = V4L2_MEMORY_DMABUF;
		b.m.fd = d->dmabuf[index];
	} else {
		b.memory = V4L2_MEMORY_USERPTR;
		b.m.userptr = (unsigned long)(uintptr_t)(d->memory + index * d->stride);
	}
	rc = call(d->fd, VIDIOC_QBUF, &b);
	return rc ? not_queued(d, rc) : 0;
}

int v4l2_device_start(struct v4l2_device *d)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE, rc;

	if (d->streams)
		return 0;
	rc = call(d->fd, VIDIOC_STREAMON, &type);
	if (rc)
		return dmaf_fail(d->err, rc, "%s: %s does not begin to stream: %s", d->label,
				 d->card, strerror(-rc));
	d->streams = true;
	return 0;
}

int v4l2_device_take(struct v4l2_device *d, struct v4l2_frame *f)
{
	struct v4l2_buffer b = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = d->dmabuf ? V4L2_MEMORY_DMABUF : V4L2_MEMORY_USERPTR,
	};
	int rc = call(d->fd, VIDIOC_DQBUF, &b);

	if (rc == -EAGAIN)
		return 0;
	if (rc == -ENODEV)
		return dmaf_fail(d->err, rc, "%s: %s is gone: unplugged", d->label, d->card);
	if (rc)
		return dmaf_fail(d->err, rc, "%s: VIDIOC_DQBUF: %s", d->label, strerror(-rc));
	if (b.index >= d->count || b.bytesused > d->stride)
		return dmaf_fail(d->err, -EPROTO, "%s: the driver gives buffer %u of %u bytes back",
				 d->label, b.index, b.bytesused);
	sync_block(d, b.index, DMA_BUF_SYNC_START);
	sync_block(d, b.index, DMA_BUF_SYNC_END);
	*f = (struct v4l2_frame){
		.index = b.index,
		.len = b.bytesused,
		.sequence = b.sequence,
		.damaged = b.flags & V4L2_BUF_FLAG_ERROR,
		.last = b.flags & V4L2_BUF_FLAG_LAST,
	};
	if ((b.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC)
		f->mono_ns = (uint64_t)b.timestamp.tv_sec * 1000000000u +
			     (uint64_t)b.timestamp.tv_usec * 1000u;
	return 1;
}

void v4l2_device_stop(struct v4l2_device *d)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	if (d->streams)
		(void)call(d->fd, VIDIOC_STREAMOFF, &type);
	d->streams = false;
}

void v4l2_device_close(struct v4l2_device *d)
{
	if (d->fd < 0)
		return;
	v4l2_device_stop(d);
	for (unsigned i = 0; d->dmabuf && i < d->count; i++)
		if (d->dmabuf[i] >= 0)
			(void)close(d->dmabuf[i]);
	free(d->dmabuf);
	d->dmabuf = NULL;
	(void)close(d->fd);
	d->fd = -1;
}
