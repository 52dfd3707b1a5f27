/* SPDX-License-Identifier: MIT */
/*
 * The emulated acquisition device: a thread that stands for the hardware. It writes into blocks
 * that it owns, learns of empty ones through a fill ring and tells of full ones through a done
 * ring.
 */
#ifndef DMAF_PATTERN_DEVICE_H
#define DMAF_PATTERN_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <dmaflow/error.h>
#include <dmaflow/ring.h>

enum device_fill { DEVICE_FILL_FULL, DEVICE_FILL_STAMP, DEVICE_FILL_NONE };

/* When the device has a block's worth of samples and no empty block. */
enum device_full { DEVICE_BLOCK, DEVICE_DROP, DEVICE_OVERWRITE };

/* Bytes that fill=stamp writes at the start of each block. */
#define DEVICE_STAMP 64u

/* One line per descriptor, as hardware would have it. */
struct device_fill_entry {
	uint32_t index;
	uint32_t reserved[15];
};

struct device_done_entry {
	uint32_t index;
	uint32_t flags;
	uint64_t bytes;
	uint64_t seq;     /* counts dropped blocks too */
	uint64_t offset;  /* in the device's stream */
	uint64_t mono_ns; /* last byte landed */
	uint64_t ticks;   /* sample counter: one per 8 bytes */
	uint64_t reserved[2];
};

struct device_setup {
	char *memory;
	size_t block, stride;
	unsigned count;
	uint64_t rate; /* bytes per second; 0: as fast as it can */
	uint64_t seed;
	enum device_fill fill;
	enum device_full full;
};

struct device {
	struct device_setup set;
	void *fill_mem, *done_mem;
	bool *written; /* the device's, by block: it has content from the first time */
	struct dmaf_ring_prod fill_prod; /* the driver's end */
	_Alignas(64) struct dmaf_ring_cons done_cons;
	_Alignas(64) struct dmaf_ring_cons fill_cons; /* the device's */
	_Alignas(64) struct dmaf_ring_prod done_prod;
	int fill_fd, done_fd; /* doorbells */
	pthread_t thread;
	bool running, done_sleeping;
	atomic_bool stop, paused;
	/* overwriting: the block with this number is being written, so block number - count is
	 * gone */
	_Alignas(64) atomic_uint_fast64_t writing;
};

int device_create(struct device **out, const struct device_setup *set, struct dmaf_err *err);
int device_start(struct device *d, struct dmaf_err *err);
/* The thread has ended when it returns: no block is written any more. */
void device_stop(struct device *d);
void device_destroy(struct device *d);

/* The driver's side. */
int device_give(struct device *d, const uint32_t *index, unsigned n); /* how many were taken */
int device_take(struct device *d, struct device_done_entry *e, unsigned n);
/* Arm the doorbell. Return: true when nothing is there, so that waiting on done_fd makes sense. */
bool device_arm(struct device *d);
/* Overwriting: is block @seq still what it was when it was told of? */
bool device_intact(const struct device *d, uint64_t seq);

#endif
