/* SPDX-License-Identifier: MIT */
/*
 * ring_bench [--instructions] QUEUE BURST TOTAL   moves TOTAL 64-byte descriptors once and prints
 * one line of JSON.
 *
 * QUEUE is ring or ring-kick (base/ring.h), or rte_ring: DPDK's ring of elements, single producer
 * and single consumer, if there was a DPDK to build with. --instructions does it in one thread, for
 * callgrind. The library's own compiler and flags are used for both sides.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

#ifdef HAVE_DPDK
#include <rte_ring.h>
#include <rte_ring_elem.h>

static void rte_close(void *queue)
{
	free(queue);
}

/* DMAF_BENCH_SLOTS as a count means one less that can be used, as DPDK's own tests have it. */
static int rte_open(void **queue)
{
	ssize_t size = rte_ring_get_memsize_elem(sizeof(struct dmaf_bench_desc), DMAF_BENCH_SLOTS);
	struct rte_ring *r;
	int err;

	if (size < 0)
		return (int)size;
	r = aligned_alloc(128, ((size_t)size + 127) & ~(size_t)127);
	if (!r)
		return -ENOMEM;
	err = rte_ring_init(r, "bench", DMAF_BENCH_SLOTS, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (err) {
		free(r);
		return err;
	}
	*queue = r;
	return 0;
}

static __rte_always_inline void produce(struct rte_ring *r, uint64_t total, uint32_t burst)
{
	struct dmaf_bench_desc desc[DMAF_BENCH_BURST] = {0};
	uint64_t next;
	uint32_t i, n, sent, got;

	for (next = 0; next < total; next += n) {
		n = total - next < burst ? (uint32_t)(total - next) : burst;
		for (i = 0; i < n; i++)
			desc[i].sequence = next + i;
		for (sent = 0; sent < n; sent += got) {
			got = rte_ring_sp_enqueue_burst_elem(r, desc + sent, sizeof(desc[0]),
							     n - sent, NULL);
			if (!got)
				rte_pause();
		}
	}
}

static __rte_always_inline uint64_t consume(struct rte_ring *r, uint64_t total, uint32_t burst)
{
	struct dmaf_bench_desc desc[DMAF_BENCH_BURST];
	uint64_t next, wrong = 0;
	uint32_t i, got;

	for (next = 0; next < total; next += got) {
		got = rte_ring_sc_dequeue_burst_elem(r, desc, sizeof(desc[0]), burst, NULL);
		if (!got)
			rte_pause();
		for (i = 0; i < got; i++)
			wrong += desc[i].sequence != next + i;
	}
	return wrong;
}

static __rte_always_inline uint64_t alternate(struct rte_ring *r, uint64_t total, uint32_t burst)
{
	struct dmaf_bench_desc in[DMAF_BENCH_BURST] = {0}, out[DMAF_BENCH_BURST];
	uint64_t next, wrong = 0;
	uint32_t i;

	for (next = 0; next < total; next += burst) {
		for (i = 0; i < burst; i++)
			in[i].sequence = next + i;
		if (rte_ring_sp_enqueue_burst_elem(r, in, sizeof(in[0]), burst, NULL) != burst ||
		    rte_ring_sc_dequeue_burst_elem(r, out, sizeof(out[0]), burst, NULL) != burst)
			return total - next;
		for (i = 0; i < burst; i++)
			wrong += out[i].sequence != next + i;
	}
	return wrong;
}

static void rte_produce(void *queue, uint64_t total, uint32_t burst)
{
	if (burst == 1)
		produce(queue, total, 1);
	else
		produce(queue, total, DMAF_BENCH_BURST);
}

static uint64_t rte_consume(void *queue, uint64_t total, uint32_t burst)
{
	return burst == 1 ? consume(queue, total, 1) : consume(queue, total, DMAF_BENCH_BURST);
}

static uint64_t rte_alternate(void *queue, uint64_t total, uint32_t burst)
{
	return burst == 1 ? alternate(queue, total, 1) : alternate(queue, total, DMAF_BENCH_BURST);
}

static const struct dmaf_bench_queue rte = {
	.name = "rte_ring",
	.open = rte_open,
	.close = rte_close,
	.produce = rte_produce,
	.consume = rte_consume,
	.alternate = rte_alternate,
};
#endif

static const struct dmaf_bench_queue *const kinds[] = {
	&dmaf_bench_ring_polled,
	&dmaf_bench_ring_kick,
#ifdef HAVE_DPDK
	&rte,
#endif
};

static const struct dmaf_bench_queue *find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	}
	return NULL;
}

static int alternate_once(const struct dmaf_bench_queue *kind, uint64_t total, uint32_t burst)
{
	uint64_t wrong;
	void *queue;
	int err = kind->open(&queue);

	if (err)
		return err;
	wrong = kind->alternate(queue, total, burst);
	kind->close(queue);
	return wrong ? -EBADMSG : 0;
}

int main(int argc, char **argv)
{
	bool instructions = argc > 1 && !strcmp(argv[1], "--instructions");
	const struct dmaf_bench_queue *kind;
	double per_second = 0;
	uint64_t total;
	uint32_t burst;
	int err;

	argc -= instructions;
	argv += instructions;
	if (argc != 4) {
		fprintf(stderr, "usage: ring_bench [--instructions] QUEUE BURST TOTAL\n");
		return 2;
	}
	kind = find(argv[1]);
	burst = (uint32_t)strtoul(argv[2], NULL, 10);
	total = strtoull(argv[3], NULL, 10);
	if (!kind) {
		fprintf(stderr, "ring_bench: no queue %s%s\n", argv[1],
			strcmp(argv[1], "rte_ring") ? ": ring, ring-kick or rte_ring"
						    : " in this build: tools/setup bench brings "
						      "DPDK, meson setup --reconfigure finds it");
		return 2;
	}
	if ((burst != 1 && burst != DMAF_BENCH_BURST) || !total || total % burst) {
		fprintf(stderr, "ring_bench: burst %s, total %s: 1 or %u, and a multiple of it\n",
			argv[2], argv[3], DMAF_BENCH_BURST);
		return 2;
	}
	err = instructions ? alternate_once(kind, total, burst)
			   : dmaf_bench_queue_run(kind, total, burst, &per_second);
	if (err) {
		fprintf(stderr, "ring_bench: %s: %s\n", kind->name, strerror(-err));
		return 1;
	}
	printf("{\"queue\":\"%s\",\"burst\":%" PRIu32 ",\"total\":%" PRIu64
	       ",\"per_second\":%.0f}\n",
	       kind->name, burst, total, per_second);
	return 0;
}
