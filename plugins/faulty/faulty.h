/* SPDX-License-Identifier: MIT */
/*
 * faulty: does what a partner may do and seldom does. It stands in front of another address (the
 * inner party), or plays one itself, and follows the contract of plugin.h to the letter: short
 * takes, late and reordered completions, stalls, failures. What goes wrong behind it is a fault of
 * its partner.
 */
#ifndef DMAF_FAULTY_H
#define DMAF_FAULTY_H

#include <stdbool.h>

#include <dmaflow/plugin.h>

#define FAULTY_BATCH 32u

enum faulty_op {
	FAULTY_SUBMIT,
	FAULTY_REAP,
	FAULTY_DEQUEUE,
	FAULTY_QUEUE,
	FAULTY_OPEN,
	FAULTY_ATTACH,
	FAULTY_START,
	FAULTY_BEGIN,
	FAULTY_FLUSH,
	FAULTY_STOP,
	FAULTY_FINISH,
	FAULTY_COMPLETE, /* not a call: a buffer that comes back with its status set */
	FAULTY_OPS,
};

/* A buffer that the inner party has given and the flow hasn't got yet. */
struct faulty_late {
	dmaf_buf *buf;
	uint64_t due_ns;
};

struct faulty {
	struct dmaf_party *party; /* the outer one; set again by each attach */
	bool briefly, reorder;
	bool hurry; /* flushing or cancelled: nothing is held back for its own sake */
	bool cancelled;
	bool inner_open, inner_ended, stopped;
	uint64_t delay_ns, keep, pace;
	uint64_t stall_after, stall_ns, stall_until;
	uint64_t gap_every, partial_every, error_every;
	int fail_op; /* -1: none */
	uint64_t fail_at, calls[FAULTY_OPS];
	uint64_t taken, paced, paced_from_ns, given;
	uint64_t random;
	struct faulty_late *late;
	unsigned nlate, cap;
	union {
		struct dmaf_party p; /* what the three begin with */
		dmaf_source source;
		dmaf_stage stage;
		dmaf_sink sink;
	} inner;
};

enum faulty_role { FAULTY_IS_SOURCE, FAULTY_IS_STAGE, FAULTY_IS_SINK };

/* Reads the options and resolves the inner address; .inner.p.kind NULL: it plays itself. */
int faulty_open(struct faulty **out, struct dmaf_party *p, enum faulty_role role);
int faulty_attach(struct faulty *f, struct dmaf_party *p, const dmaf_pool *pool);
void faulty_free(struct faulty *f);

/* Counts a call. Return: 0, or -EIO explained when it is the one that shall fail. */
int faulty_call(struct faulty *f, enum faulty_op op);
/* The inner party's figures and, when @rc is an error, its explanation. Return: @rc. */
int faulty_pass(struct faulty *f, int rc);

bool faulty_stalled(struct faulty *f);
/* Stalled, or ahead of its pace. */
bool faulty_held_up(struct faulty *f);
/* How many of @n buffers it takes in this call. */
unsigned faulty_takes(struct faulty *f, unsigned n);
void faulty_took(struct faulty *f, dmaf_buf *const *bufs, int n);

/* Buffers from the inner party, to be given on in time. */
unsigned faulty_late_room(const struct faulty *f);
void faulty_late_add(struct faulty *f, dmaf_buf *const *bufs, int n);
/* @any: in any order, if so asked. */
unsigned faulty_late_give(struct faulty *f, dmaf_buf **bufs, unsigned n, bool any);
void faulty_late_wait(struct faulty *f, struct dmaf_wait *w);

extern const struct dmaf_source_ops faulty_source_ops, faulty_play_source;
extern const struct dmaf_stage_ops faulty_stage_ops, faulty_play_stage;
extern const struct dmaf_sink_ops faulty_sink_ops, faulty_play_sink;

#endif
