/* SPDX-License-Identifier: MIT */
/* Measurements that the program and bench/ share. */
#ifndef DMAF_CLI_BENCH_H
#define DMAF_CLI_BENCH_H

#include <stdint.h>
#include <stdio.h>

/* The descriptor that the ring benches move: the size of one cache line. */
struct dmaf_bench_desc {
	uint64_t sequence;
	uint64_t payload[7];
};

/*
 * One kind of queue between two threads. produce and consume move total descriptors in bursts of
 * burst; produce numbers them from 0, consume checks that and gives the number of wrong ones.
 * alternate does both in one thread, a burst in and a burst out, for counting instructions.
 */
struct dmaf_bench_queue {
	const char *name;
	int (*open)(void **queue);
	void (*close)(void *queue);
	void (*produce)(void *queue, uint64_t total, uint32_t burst);
	uint64_t (*consume)(void *queue, uint64_t total, uint32_t burst);
	uint64_t (*alternate)(void *queue, uint64_t total, uint32_t burst);
};

/* The bursts that are measured: this one and 1. Any other number counts as this one. */
#define DMAF_BENCH_BURST 32u

/* Slots in every queue that is measured. */
#define DMAF_BENCH_SLOTS 1024u

/* base/ring.h with an end that polls, and with the check for a sleeping consumer on each burst. */
extern const struct dmaf_bench_queue dmaf_bench_ring_polled;
extern const struct dmaf_bench_queue dmaf_bench_ring_kick;

/*
 * Moves total descriptors between two threads, each pinned to a core of its own where there are
 * two. Stores descriptors per second. 0, a negative errno, or -EBADMSG if any arrived wrong.
 */
int dmaf_bench_queue_run(const struct dmaf_bench_queue *kind, uint64_t total, uint32_t burst,
			 double *per_second);

/* Median of n samples, which it sorts. */
double dmaf_bench_median(double *samples, unsigned int n);

/*
 * `dmaflow bench ring`: this library's ring only, as a table or one line of JSON; takes about two
 * seconds. 0, or a negative errno with nothing printed.
 */
int dmaf_bench_ring(FILE *out, int json);

#endif
