/* SPDX-License-Identifier: MIT */
/* Parties of the flow's tests that keep a record of what was done to them. */
#ifndef DMAF_TESTS_FLOW_KINDS_H
#define DMAF_TESTS_FLOW_KINDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmaflow/flow.h>

#define TALLIES   4
#define TALLY_MAX 4096

/*
 * tally:N,... a sink that writes down what it gets. hold: gives nothing back before the stream
 * ends. after=K: takes nothing before tally:0 has got K. own: works in memory of its own only.
 */
struct tally {
	unsigned opens, closes, begins, finishes, aborts, n;
	unsigned done_before; /* buffers that script: was told are done when flush began */
	uint64_t bytes, seq[TALLY_MAX], offset[TALLY_MAX];
	size_t len[TALLY_MAX];
	struct dmaf_stream stream;
	const dmaf_region *region;
};
extern struct tally tally[TALLIES];

/*
 * script: a source. Nothing: ends at once. acks: tells another side what is done. own: in memory of
 * its own only. late-stream: knows the stream when the first buffer comes. Gives buffers=N buffers.
 * Notes what it was told.
 */
struct script {
	unsigned opens, closes, done, done_at_finish, failed, paused, resumed;
	uint64_t max_delay_ns;
	int finish_status;
};
extern struct script script;

/* halves: a transforming stage: each input becomes two outputs. quit=N: wants no more after N. */

void flow_kinds_add(void);
void flow_kinds_reset(void);

/* Opens and runs; the figures are exact afterwards. Every buffer must have come back. */
int flow_run(const char *const *addresses, struct dmaf_figures *g, struct dmaf_err *err);
#define RUN(g, err, ...) flow_run((const char *const[]){__VA_ARGS__, NULL}, g, err)

#endif
