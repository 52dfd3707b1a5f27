/* SPDX-License-Identifier: MIT */
/*
 * Which of two ways of sending moves more, measured on the stream itself: two runs of each in turn,
 * by what was acknowledged in what time. Says nothing of a stream that the source keeps waiting: it
 * goes through either way. No system calls.
 */
#ifndef DMAF_TCP_TRIAL_H
#define DMAF_TCP_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#define TRIAL_RUNS 4u /* first, second, first, second */

/** struct trial - positions are payload bytes of the stream. One thread at a time. */
struct trial {
	uint64_t step;    /* acknowledged bytes that make a run */
	uint64_t from;    /* where the run begins: what was sent before, went the other way */
	uint64_t at, ns;  /* where and when its first acknowledgement was; .ns 0: not yet */
	uint64_t best[2]; /* least time of each way's runs, in ps a byte; 0: none yet */
	unsigned run;     /* TRIAL_RUNS: over */
};

enum trial_word {
	TRIAL_STAY,   /* go on as it is */
	TRIAL_CHANGE, /* go on the other way */
	TRIAL_OVER,   /* decided; said once. trial_second_won() tells which */
};

/** trial_begin - (again) from the run that was on, at @sent. @step: at least a window. */
void trial_begin(struct trial *t, uint64_t sent, uint64_t step);

/**
 * trial_acked - the peer has @acked, of @sent so far.
 * @busy: the source is waiting for us, not we for the source.
 * @now_ns: any monotonic clock.
 */
enum trial_word trial_acked(struct trial *t, uint64_t acked, uint64_t sent, bool busy,
			    uint64_t now_ns);

/** trial_second_won - by more than noise; the first way is kept otherwise. */
bool trial_second_won(const struct trial *t);

#endif
