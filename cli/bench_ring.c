/* SPDX-License-Identifier: MIT */
/* The descriptor ring between two threads, measured. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include <dmaflow/align.h>
#include <dmaflow/ring.h>

#include "cli/bench.h"

struct pair {
	struct dmaf_ring_prod *prod;
	struct dmaf_ring_cons *cons;
	void *mem;
};

static void pair_close(void *queue)
{
	struct pair *pair = queue;

	free(pair->prod);
	free(pair->cons);
	free(pair->mem);
	free(pair);
}

/* The ends lie apart: they are each thread's own, and sharing a line would measure that. */
static void *own_lines(size_t size)
{
	size_t bytes;

	return dmaf_align_up(size, (size_t)128, &bytes) ? aligned_alloc(128, bytes) : NULL;
}

static int pair_open(void **queue)
{
	struct dmaf_ring_geometry g = {DMAF_BENCH_SLOTS, sizeof(struct dmaf_bench_desc)};
	size_t bytes = (size_t)dmaf_ring_bytes(g.count, g.entry_size);
	struct pair *pair = calloc(1, sizeof(*pair));
	int err = -ENOMEM;

	if (!pair)
		return err;
	pair->prod = own_lines(sizeof(*pair->prod));
	pair->cons = own_lines(sizeof(*pair->cons));
	pair->mem = own_lines(bytes);
	if (!pair->prod || !pair->cons || !pair->mem)
		goto fail;
	err = dmaf_ring_format(pair->mem, bytes, &g);
	if (!err)
		err = dmaf_ring_prod_init(pair->prod, pair->mem, bytes, &g);
	if (!err)
		err = dmaf_ring_cons_init(pair->cons, pair->mem, bytes, &g);
	if (err)
		goto fail;
	*queue = pair;
	return 0;
fail:
	pair_close(pair);
	return err;
}

DMAF_INLINE void number(struct dmaf_bench_desc *desc, uint32_t n, uint64_t from)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		desc[i].sequence = from + i;
}

DMAF_INLINE uint64_t misnumbered(const struct dmaf_bench_desc *desc, uint32_t n, uint64_t from)
{
	uint64_t wrong = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		wrong += desc[i].sequence != from + i;
	return wrong;
}

/* The loops are inlined for each burst, a constant there as it is where bursts matter in earnest.
 */
DMAF_INLINE void produce(struct dmaf_ring_prod *p, uint64_t total, uint32_t burst, bool check)
{
	struct dmaf_bench_desc desc[DMAF_BENCH_BURST] = {0};
	uint64_t next;
	bool kick;
	uint32_t n, sent;
	int got;

	for (next = 0; next < total; next += n) {
		n = total - next < burst ? (uint32_t)(total - next) : burst;
		number(desc, n, next);
		for (sent = 0; sent < n; sent += (uint32_t)got) {
			got = dmaf_ring_enqueue_burst(p, desc + sent, sizeof(desc[0]), n - sent,
						      check ? &kick : NULL);
			if (got < 0)
				return;
			if (!got)
				dmaf_cpu_relax();
		}
	}
}

DMAF_INLINE uint64_t consume(struct dmaf_ring_cons *c, uint64_t total, uint32_t burst, bool check)
{
	struct dmaf_bench_desc desc[DMAF_BENCH_BURST];
	uint64_t next, wrong = 0;
	bool kick;
	int got;

	for (next = 0; next < total; next += (uint32_t)got) {
		got = dmaf_ring_dequeue_burst(c, desc, sizeof(desc[0]), burst,
					      check ? &kick : NULL);
		if (got < 0)
			return total - next;
		if (!got)
			dmaf_cpu_relax();
		wrong += misnumbered(desc, (uint32_t)got, next);
	}
	return wrong;
}

DMAF_INLINE uint64_t alternate(const struct pair *pair, uint64_t total, uint32_t burst, bool check)
{
	struct dmaf_ring_prod *p = pair->prod;
	struct dmaf_ring_cons *c = pair->cons;
	struct dmaf_bench_desc in[DMAF_BENCH_BURST] = {0}, out[DMAF_BENCH_BURST];
	uint64_t next, wrong = 0;
	bool kick;

	for (next = 0; next < total; next += burst) {
		number(in, burst, next);
		if (dmaf_ring_enqueue_burst(p, in, sizeof(in[0]), burst, check ? &kick : NULL) !=
		    (int)burst)
			return total - next;
		if (dmaf_ring_dequeue_burst(c, out, sizeof(out[0]), burst, check ? &kick : NULL) !=
		    (int)burst)
			return total - next;
		wrong += misnumbered(out, burst, next);
	}
	return wrong;
}

/* One set of loops with the check for a sleeping peer, one without. */
#define DEFINE_LOOPS(name, check)                                                        \
	static void produce_##name(void *queue, uint64_t total, uint32_t burst)          \
	{                                                                                \
		struct pair *pair = queue;                                               \
                                                                                         \
		if (burst == 1)                                                          \
			produce(pair->prod, total, 1, check);                            \
		else                                                                     \
			produce(pair->prod, total, DMAF_BENCH_BURST, check);             \
	}                                                                                \
                                                                                         \
	static uint64_t consume_##name(void *queue, uint64_t total, uint32_t burst)      \
	{                                                                                \
		struct pair *pair = queue;                                               \
                                                                                         \
		return burst == 1 ? consume(pair->cons, total, 1, check)                 \
				  : consume(pair->cons, total, DMAF_BENCH_BURST, check); \
	}                                                                                \
                                                                                         \
	static uint64_t alternate_##name(void *queue, uint64_t total, uint32_t burst)    \
	{                                                                                \
		return burst == 1 ? alternate(queue, total, 1, check)                    \
				  : alternate(queue, total, DMAF_BENCH_BURST, check);    \
	}

DEFINE_LOOPS(polled, false)
DEFINE_LOOPS(kick, true)

const struct dmaf_bench_queue dmaf_bench_ring_polled = {
	.name = "ring",
	.open = pair_open,
	.close = pair_close,
	.produce = produce_polled,
	.consume = consume_polled,
	.alternate = alternate_polled,
};

const struct dmaf_bench_queue dmaf_bench_ring_kick = {
	.name = "ring-kick",
	.open = pair_open,
	.close = pair_close,
	.produce = produce_kick,
	.consume = consume_kick,
	.alternate = alternate_kick,
};

struct job {
	const struct dmaf_bench_queue *kind;
	void *queue;
	uint64_t total;
	uint32_t burst;
	pthread_barrier_t start;
};

static void pin(unsigned int nth)
{
	cpu_set_t may, one;
	size_t cpu;

	if (sched_getaffinity(0, sizeof(may), &may) || CPU_COUNT(&may) < 2)
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &may) || nth--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		/* Refused, it costs accuracy and nothing else. */
		(void)pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
		return;
	}
}

static void *producer(void *arg)
{
	struct job *job = arg;

	pin(0);
	pthread_barrier_wait(&job->start);
	job->kind->produce(job->queue, job->total, job->burst);
	return NULL;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

struct consumer {
	struct job *job;
	uint64_t wrong;
	double seconds;
};

static void *consumer(void *arg)
{
	struct consumer *self = arg;
	struct job *job = self->job;
	double began;

	pin(1);
	pthread_barrier_wait(&job->start);
	began = now();
	self->wrong = job->kind->consume(job->queue, job->total, job->burst);
	self->seconds = now() - began;
	return NULL;
}

int dmaf_bench_queue_run(const struct dmaf_bench_queue *kind, uint64_t total, uint32_t burst,
			 double *per_second)
{
	struct job job = {.kind = kind, .total = total, .burst = burst};
	struct consumer cons = {.job = &job};
	pthread_t threads[2];
	int err = kind->open(&job.queue);

	if (err)
		return err;
	pthread_barrier_init(&job.start, NULL, 3);
	err = -pthread_create(&threads[0], NULL, producer, &job);
	if (err)
		goto close;
	err = -pthread_create(&threads[1], NULL, consumer, &cons);
	if (err) {
		pthread_cancel(threads[0]); /* it waits at the barrier, having taken nothing */
		pthread_join(threads[0], NULL);
		goto close;
	}
	pthread_barrier_wait(&job.start);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	*per_second = (double)total / cons.seconds;
	err = cons.wrong ? -EBADMSG : 0;
close:
	pthread_barrier_destroy(&job.start);
	kind->close(job.queue);
	return err;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double dmaf_bench_median(double *samples, unsigned int n)
{
	qsort(samples, n, sizeof(*samples), by_value);
	return n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
}

#define ROUNDS 5u

static const struct row {
	const struct dmaf_bench_queue *kind;
	const char *text;
	uint32_t burst;
	uint64_t total;
} rows[] = {
	{&dmaf_bench_ring_polled, "both ends poll", 1, 2000000},
	{&dmaf_bench_ring_polled, "both ends poll", DMAF_BENCH_BURST, 8000000},
	{&dmaf_bench_ring_kick, "either end may sleep", 1, 2000000},
	{&dmaf_bench_ring_kick, "either end may sleep", DMAF_BENCH_BURST, 8000000},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

int dmaf_bench_ring(FILE *out, int json)
{
	double samples[ROUNDS], rate[ROWS];
	unsigned int r, i;
	int err;

	for (r = 0; r < ROWS; r++) {
		for (i = 0; i < ROUNDS; i++) {
			err = dmaf_bench_queue_run(rows[r].kind, rows[r].total, rows[r].burst,
						   &samples[i]);
			if (err)
				return err;
		}
		rate[r] = dmaf_bench_median(samples, ROUNDS);
	}
	if (!json)
		fprintf(out,
			"descriptors of %zu bytes between two threads, %u slots, median of %u\n",
			sizeof(struct dmaf_bench_desc), DMAF_BENCH_SLOTS, ROUNDS);
	else
		fprintf(out,
			"{\"bench\":\"ring\",\"entry_size\":%zu,\"slots\":%u,\"rounds\":%u,"
			"\"rows\":[",
			sizeof(struct dmaf_bench_desc), DMAF_BENCH_SLOTS, ROUNDS);
	for (r = 0; r < ROWS; r++) {
		if (!json)
			fprintf(out, "  %-20s  burst %2" PRIu32 "  %8.2f M/s  %6.2f ns each\n",
				rows[r].text, rows[r].burst, rate[r] / 1e6, 1e9 / rate[r]);
		else
			fprintf(out,
				"%s{\"kind\":\"%s\",\"burst\":%" PRIu32 ",\"per_second\":%.0f}",
				r ? "," : "", rows[r].kind->name, rows[r].burst, rate[r]);
	}
	if (json)
		fprintf(out, "]}\n");
	return 0;
}
