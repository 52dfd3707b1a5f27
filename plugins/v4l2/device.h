/* SPDX-License-Identifier: MIT */
/*
 * A V4L2 capture device that writes into memory of ours: the ioctls, and what their refusals mean.
 * Documentation/userspace-api/media/v4l in the kernel's sources. Each call returns 0 or a negative
 * errno with the explanation in the err it was opened with.
 */
#ifndef DMAF_PLUGINS_V4L2_DEVICE_H
#define DMAF_PLUGINS_V4L2_DEVICE_H

#include <dmaflow/error.h>
#include <dmaflow/region.h>

enum v4l2_memory_how {
	V4L2_HOW_BEST,    /* a dma-buf if this machine makes one of our memory, else by address */
	V4L2_HOW_UDMABUF, /* each block a dma-buf */
	V4L2_HOW_USERPTR, /* each block by its address */
};

struct v4l2_device {
	int fd;
	const char *label; /* begins messages; outlives the device */
	struct dmaf_err *err;
	enum v4l2_memory_how how; /* settled by v4l2_device_open() */
	size_t size;              /* bytes of a frame at most */
	unsigned width, height;
	char fourcc[5], card[33];
	int *dmabuf; /* a block each; NULL: by address */
	unsigned count;
	size_t stride;
	char *memory;
	bool streams;
};

/* What comes with a frame. */
struct v4l2_frame {
	unsigned index;
	size_t len;
	uint32_t sequence;
	uint64_t mono_ns; /* 0: the driver stamps by another clock */
	bool damaged, last;
};

/* @width, @height, @fourcc: what to ask the device for; 0 and NULL: as it is set. */
int v4l2_device_open(struct v4l2_device *d, const char *path, unsigned width, unsigned height,
		     const char *fourcc);

/* The blocks that frames go to: @count, @stride apart, in @region, whose .fd is a memfd. */
int v4l2_device_use(struct v4l2_device *d, const dmaf_region *region, unsigned count,
		    size_t stride);

/* A block to the device; the first begin the stream. */
int v4l2_device_give(struct v4l2_device *d, unsigned index);
int v4l2_device_start(struct v4l2_device *d);

/* The next frame. Return: 1, 0 none yet, or negative errno. */
int v4l2_device_take(struct v4l2_device *d, struct v4l2_frame *f);

/* Nothing is written any more, and no block is the device's. */
void v4l2_device_stop(struct v4l2_device *d);
void v4l2_device_close(struct v4l2_device *d);

#endif
