/* SPDX-License-Identifier: MIT */
/*
 * A flow: a source, stages, one or more sinks, and the loop that moves ownership between them.
 *
 * A flow belongs to the thread that runs it, except dmaf_flow_stop() (any thread, signal-safe) and
 * dmaf_flow_figures() (any thread).
 */
#ifndef DMAFLOW_FLOW_H
#define DMAFLOW_FLOW_H

#include <dmaflow/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dmaf_flow dmaf_flow;

/** dmaf_flow_new - an empty flow. Return: NULL when there is no memory. */
DMAF_API dmaf_flow *dmaf_flow_new(void);

/**
 * dmaf_flow_add - add a party by its address: the first is the source, the last is a sink; between
 * them, whatever can be a stage is one, and from the first that can't on all are sinks.
 * The kinds are resolved by dmaf_flow_open(). Return: 0, -EINVAL, -ENOMEM.
 */
DMAF_API int dmaf_flow_add(dmaf_flow *flow, const char *address);

/** dmaf_flow_open - open all parties, negotiate memory, attach. Return: 0 or negative errno. */
DMAF_API int dmaf_flow_open(dmaf_flow *flow);

/** dmaf_flow_run - until the end, an error or a stop. Return: 0 or negative errno, explained. */
DMAF_API int dmaf_flow_run(dmaf_flow *flow);

/** dmaf_flow_stop - end cleanly: what is filled is still delivered. Signal-safe, any thread. */
DMAF_API void dmaf_flow_stop(dmaf_flow *flow);

/** dmaf_flow_abort - end now: what is in flight is cancelled. Signal-safe, any thread. */
DMAF_API void dmaf_flow_abort(dmaf_flow *flow);

/** dmaf_flow_close - give everything back. NULL is accepted. */
DMAF_API void dmaf_flow_close(dmaf_flow *flow);

DMAF_API const struct dmaf_err *dmaf_flow_err(const dmaf_flow *flow);

#define DMAF_FLOW_SINKS  8
#define DMAF_FLOW_STAGES 8

/** struct dmaf_party_figures - a snapshot of one party. */
struct dmaf_party_figures {
	char address[160];
	struct dmaf_counters count;
	unsigned held; /* buffers it holds now; of a source: empty ones to fill */
};

/** struct dmaf_figures - a snapshot of a flow. */
struct dmaf_figures {
	uint64_t at_ns, started_ns, ended_ns; /* CLOCK_MONOTONIC; ended 0: still running */
	uint64_t first_byte_ns;               /* first completion; 0: none yet */
	struct dmaf_party_figures source;
	unsigned nstages, nsinks;
	struct dmaf_party_figures stage[DMAF_FLOW_STAGES];
	struct dmaf_party_figures sink[DMAF_FLOW_SINKS];
	unsigned pool_count, pool_free;
	size_t block, region_len;
	char memory[64];                           /* where the memory comes from */
	char memory_why[96];                       /* whose it is and why */
	uint64_t lat_n, lat_p50, lat_p99, lat_max; /* ns, first sink */
};

/** dmaf_flow_figures - the newest snapshot, at most 50 ms old while running, exact afterwards. */
DMAF_API void dmaf_flow_figures(dmaf_flow *flow, struct dmaf_figures *out);

/* One sink or source without a flow, for programs that run their own loop. */

/**
 * dmaf_sink_open - a sink that takes buffers of @pool.
 * Return: 0 or negative errno; then *out still is a handle for dmaf_explain() and must be closed
 * (NULL only on -ENOMEM). @pool NULL: -EINVAL.
 */
DMAF_API int dmaf_sink_open(dmaf_sink **out, dmaf_pool *pool, const char *address);

/** dmaf_sink_submit - hand a filled buffer over; takes it, even on error. Waits for room. */
DMAF_API int dmaf_sink_submit(dmaf_sink *sink, dmaf_buf *buf);

/** dmaf_sink_drain - wait until all is delivered and end the stream. -ETIMEDOUT: not in time. */
DMAF_API int dmaf_sink_drain(dmaf_sink *sink, int timeout_ms);

/** dmaf_sink_close - cancel what is still in flight, give buffers back, close. NULL accepted. */
DMAF_API void dmaf_sink_close(dmaf_sink *sink);

/** dmaf_source_open - a source with its own loop; brings or makes its pool. As dmaf_sink_open(). */
DMAF_API int dmaf_source_open(dmaf_source **out, const char *address);

/**
 * dmaf_source_next - the next filled buffer, the caller's to read until dmaf_source_done().
 * @timeout_ms: -1 for ever. Return: 0, -EAGAIN, DMAF_END, or negative errno.
 */
DMAF_API int dmaf_source_next(dmaf_source *src, dmaf_buf **buf, int timeout_ms);
DMAF_API void dmaf_source_done(dmaf_source *src, dmaf_buf *buf);
DMAF_API void dmaf_source_close(dmaf_source *src);

/** dmaf_explain - write what failed and what to do, from the handle that failed. NULLs accepted. */
DMAF_API void dmaf_explain(FILE *f, int err, dmaf_pool *pool, dmaf_sink *sink);

#ifdef __cplusplus
}
#endif
#endif
