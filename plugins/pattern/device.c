/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <dmaflow/stats.h>

#include "plugins/common/pattern_data.h"
#include "plugins/pattern/device.h"

/* How long the device may sleep without looking whether it is to stop. */
#define NAP_MS 50

static void ring_bell(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n; /* full: the other side is awake anyway */
}

static void silence_bell(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n;
}

static unsigned ring_count(unsigned blocks)
{
	unsigned n = 1;

	while (n < blocks)
		n *= 2;
	return n;
}

static int make_ring(void **mem, unsigned count, unsigned entry, struct dmaf_ring_prod *p,
		     struct dmaf_ring_cons *c)
{
	struct dmaf_ring_geometry g = {.count = count, .entry_size = entry};
	uint64_t bytes = dmaf_ring_bytes(count, entry);

	/* A ring of a 64-bit machine's size need not fit in a 32-bit one's memory. */
	*mem = bytes == (size_t)bytes ? aligned_alloc(DMAF_RING_LINE, (size_t)bytes) : NULL;
	if (!*mem)
		return -ENOMEM;
	if (dmaf_ring_format(*mem, bytes, &g) || dmaf_ring_prod_init(p, *mem, bytes, &g) ||
	    dmaf_ring_cons_init(c, *mem, bytes, &g))
		return -EINVAL;
	return 0;
}

int device_create(struct device **out, const struct device_setup *set, struct dmaf_err *err)
{
	struct device *d = aligned_alloc(64, (sizeof(*d) + 63) / 64 * 64);
	unsigned count = ring_count(set->count);

	*out = NULL;
	if (!d)
		return dmaf_fail(err, -ENOMEM, "pattern: no memory for a device");
	memset(d, 0, sizeof(*d));
	d->set = *set;
	d->fill_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->written = calloc(set->count, sizeof(*d->written));
	if (d->fill_fd < 0 || d->done_fd < 0 || !d->written ||
	    make_ring(&d->fill_mem, count, sizeof(struct device_fill_entry), &d->fill_prod,
		      &d->fill_cons) ||
	    make_ring(&d->done_mem, count, sizeof(struct device_done_entry), &d->done_prod,
		      &d->done_cons)) {
		device_destroy(d);
		return dmaf_fail(err, -ENOMEM, "pattern: no rings of %u entries", count);
	}
	*out = d;
	return 0;
}

void device_destroy(struct device *d)
{
	if (!d)
		return;
	device_stop(d);
	if (d->fill_fd >= 0)
		close(d->fill_fd);
	if (d->done_fd >= 0)
		close(d->done_fd);
	free(d->fill_mem);
	free(d->done_mem);
	free(d->written);
	free(d);
}

static bool stopping(struct device *d)
{
	return atomic_load_explicit(&d->stop, memory_order_relaxed);
}

/* Sleeps to a moment in steps, so that a stop is seen. */
static void sleep_until(struct device *d, uint64_t mono_ns)
{
	uint64_t now;

	while (!stopping(d) && (now = dmaf_now_ns()) < mono_ns) {
		uint64_t left = mono_ns - now, step = NAP_MS * 1000000ull;
		struct timespec ts;

		if (left > step)
			left = step;
		ts.tv_sec = 0;
		ts.tv_nsec = (long)left;
		nanosleep(&ts, NULL);
	}
}

/* Waits for an empty block. Return: false when there is none and the device is to stop. */
static bool wait_fill(struct device *d)
{
	while (!stopping(d)) {
		struct pollfd p = {.fd = d->fill_fd, .events = POLLIN};

		if (dmaf_ring_peek(&d->fill_cons, 1) != 0)
			return true;
		if (dmaf_ring_cons_sleep(&d->fill_cons, 1) == 1) {
			poll(&p, 1, NAP_MS);
			dmaf_ring_cons_awake(&d->fill_cons);
			silence_bell(d->fill_fd);
		}
	}
	return dmaf_ring_peek(&d->fill_cons, 1) > 0;
}

/* The "DMA": content lands in the block. */
static void land(struct device *d, uint32_t index, uint64_t offset)
{
	char *to = d->set.memory + (size_t)index * d->set.stride;

	/* Not before: until it is given to the device, the block is another's. */
	if (d->set.fill == DEVICE_FILL_FULL || !d->written[index])
		dmaf_pattern_fill(to, d->set.block, offset, d->set.seed);
	else if (d->set.fill == DEVICE_FILL_STAMP)
		dmaf_pattern_fill(to, d->set.block < DEVICE_STAMP ? d->set.block : DEVICE_STAMP,
				  offset, d->set.seed);
	d->written[index] = true;
}

static bool tell(struct device *d, uint32_t index, uint64_t seq)
{
	struct device_done_entry e = {
		.index = index,
		.bytes = d->set.block,
		.seq = seq,
		.offset = seq * d->set.block,
		.mono_ns = dmaf_now_ns(),
		.ticks = (seq + 1) * d->set.block / 8,
	};
	bool kick;

	if (dmaf_ring_enqueue_burst(&d->done_prod, &e, sizeof(e), 1, &kick) != 1)
		return false;
	if (kick)
		ring_bell(d->done_fd);
	return true;
}

/* An empty block that the driver gave, or -1: none. */
static int64_t empty_block(struct device *d)
{
	struct device_fill_entry e;
	bool kick;

	if (dmaf_ring_dequeue_burst(&d->fill_cons, &e, sizeof(e), 1, &kick) != 1)
		return -1;
	/* The other side's word is not taken for granted, as a driver's isn't by hardware. */
	return e.index < d->set.count ? (int64_t)e.index : -1;
}

static void *run(void *arg)
{
	struct device *d = arg;
	uint64_t start = dmaf_now_ns();

	for (uint64_t seq = 0; !stopping(d); seq++) {
		int64_t index;

		if (d->set.rate)
			sleep_until(d, start + (uint64_t)((double)(seq + 1) * (double)d->set.block *
							  1e9 / (double)d->set.rate));
		if (d->set.full == DEVICE_OVERWRITE) {
			index = (int64_t)(seq % d->set.count);
			atomic_store_explicit(&d->writing, seq, memory_order_relaxed);
			/* The note comes before the bytes, for device_intact(). */
			atomic_thread_fence(memory_order_seq_cst);
		} else {
			if (d->set.full == DEVICE_BLOCK && !wait_fill(d))
				break;
			index = empty_block(d);
			if (index < 0)
				continue; /* an overrun: the number says so */
		}
		land(d, (uint32_t)index, seq * d->set.block);
		if (!tell(d, (uint32_t)index, seq) && d->set.full == DEVICE_OVERWRITE)
			continue; /* nobody took the last ones: overtaken */
	}
	ring_bell(d->done_fd);
	return NULL;
}

int device_start(struct device *d, struct dmaf_err *err)
{
	int rc;

	rc = pthread_create(&d->thread, NULL, run, d);
	if (rc)
		return dmaf_fail(err, -rc, "pattern: no thread for the device: %s", strerror(rc));
	d->running = true;
	return 0;
}

void device_stop(struct device *d)
{
	if (!d->running)
		return;
	atomic_store_explicit(&d->stop, true, memory_order_relaxed);
	ring_bell(d->fill_fd);
	pthread_join(d->thread, NULL);
	d->running = false;
}

int device_give(struct device *d, const uint32_t *index, unsigned n)
{
	unsigned i;
	bool kick = false;

	for (i = 0; i < n; i++) {
		struct device_fill_entry e = {.index = index[i]};

		if (dmaf_ring_enqueue_burst(&d->fill_prod, &e, sizeof(e), 1, NULL) != 1)
			break;
	}
	if (i)
		kick = dmaf_ring_prod_must_kick(&d->fill_prod);
	if (kick)
		ring_bell(d->fill_fd);
	return (int)i;
}

int device_take(struct device *d, struct device_done_entry *e, unsigned n)
{
	if (d->done_sleeping) {
		dmaf_ring_cons_awake(&d->done_cons);
		d->done_sleeping = false;
		silence_bell(d->done_fd);
	}
	return dmaf_ring_dequeue_burst(&d->done_cons, e, sizeof(*e), n, NULL);
}

bool device_arm(struct device *d)
{
	if (!d->done_sleeping)
		d->done_sleeping = dmaf_ring_cons_sleep(&d->done_cons, 1) == 1;
	return d->done_sleeping;
}

bool device_intact(const struct device *d, uint64_t seq)
{
	/* The copy's loads come before this look at how far the device is. */
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&d->writing, memory_order_relaxed) < seq + d->set.count;
}
