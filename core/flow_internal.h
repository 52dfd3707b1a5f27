/* SPDX-License-Identifier: MIT */
/* The flow as its own files see it: open (flow_open.c), run (flow_loop.c), end (flow_end.c). */
#ifndef DMAF_CORE_FLOW_INTERNAL_H
#define DMAF_CORE_FLOW_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <dmaflow/flow.h>

#define FLOW_BATCH  32u
#define FLOW_ADDRS  (1 + DMAF_FLOW_STAGES + DMAF_FLOW_SINKS)
#define FLOW_POOLS  (1 + DMAF_FLOW_STAGES)
#define SNAPSHOT_NS 50000000ull
#define ABORT_NS    1000000000ull /* last words to a sink's other side */
#define FINISH_NS   5000000000ull /* last words to the source's other side */
#define CANCEL_NS   5000000000ull /* until in-flight memory is given up for leaked */

enum on_full { ON_FULL_BLOCK, ON_FULL_DROP_NEW, ON_FULL_DROP_OLD };

/* Buffers that wait, in order; the array holds as many as its pool has. */
struct buf_queue {
	dmaf_buf **at;
	unsigned head, n, cap;
};

struct flow_hold;

struct flow_stage {
	dmaf_stage stage;
	struct buf_queue in;
	struct flow_hold *hold; /* NULL: inputs are done when the stage is done with them */
	unsigned held;          /* inputs submitted and not reaped, or (passing on) not dequeued */
	bool opened, flushing, flushed;
	bool preset; /* stage.stream tells of the input's */
	bool ended;  /* it gave DMAF_END */
};

struct flow_sink {
	dmaf_sink sink;
	struct buf_queue in;
	unsigned held;  /* submitted and not reaped */
	unsigned limit; /* of in.n + held */
	enum on_full on_full;
	bool opened, begun, flushed, stopped;
	struct dmaf_hist latency;
};

struct flow_pool {
	dmaf_pool *pool;
	char memory[64], why[96];
};

enum flow_state {
	FLOW_NEW,
	FLOW_OPEN,
	FLOW_RUNNING,
	FLOW_SOURCE_ENDED, /* nothing comes any more; stages and sinks empty themselves */
	FLOW_FLUSHED,
	FLOW_DONE,
};

struct dmaf_flow {
	enum flow_state state;
	int status; /* first error */
	struct dmaf_err err;
	unsigned naddr;
	char *addr[FLOW_ADDRS];

	dmaf_source src;
	bool src_opened, src_started, src_stopping, src_paused, resume_known;
	bool slept; /* the loop has waited since the sinks were last looked at */
	struct dmaf_resume resume;
	unsigned src_held; /* empty buffers that the source has */
	unsigned nstages, nsinks, npools;
	struct flow_stage *stage;
	struct flow_sink *sink;
	struct flow_pool pool[FLOW_POOLS];
	struct dmaf_stream stream; /* as it reaches the sinks */

	/* the source's common options */
	uint64_t rate, count_left, bytes_left, end_at_ns, slice_off, slice_len;
	uint64_t slice_at, slice_next_seq; /* in the stream of slices; what the source gives next */
	uint64_t slice_empty;              /* blocks that the slice left nothing of */
	uint64_t budget_at_ns, budget_spent;

	bool holds;                 /* a stage has .hold */
	dmaf_buf *done[FLOW_BATCH]; /* returned by the last reader, not yet back in the pool */
	unsigned ndone;

	uint64_t now; /* of this round */
	int wake_fd;
	atomic_int stop, abort;

	pthread_mutex_t figures_lock;
	struct dmaf_figures figures;
	uint64_t snapshot_at;
	uint64_t started_ns, ended_ns, first_byte_ns;
};

/* queue of waiting buffers */
int dmaf_queue_init(struct buf_queue *q, unsigned cap);
static inline void dmaf_queue_push(struct buf_queue *q, dmaf_buf *b)
{
	unsigned at = q->head + q->n++;

	q->at[at >= q->cap ? at - q->cap : at] = b;
}
static inline void dmaf_queue_drop(struct buf_queue *q, unsigned n)
{
	q->n -= n;
	q->head += n;
	if (q->head >= q->cap)
		q->head -= q->cap;
}
/* The longest run at the head that lies in one piece. */
static inline unsigned dmaf_queue_run(const struct buf_queue *q)
{
	unsigned to_end = q->cap - q->head;

	return q->n < to_end ? q->n : to_end;
}

/* A reader of the flow is done with a buffer. */
void dmaf_flow_release(dmaf_flow *f, dmaf_buf *b);
/* Tell the source what is done and give the memory back. */
void dmaf_flow_recycle(dmaf_flow *f);
/* Inputs that are done once what was made of them is (flow_hold.c): given, reaped, come back. */
int dmaf_hold_init(struct flow_stage *s);
void dmaf_hold_free(struct flow_stage *s);
void dmaf_hold_out(struct flow_stage *s, dmaf_buf *const *bufs, unsigned n);
void dmaf_hold_in(dmaf_flow *f, struct flow_stage *s, dmaf_buf *in);
void dmaf_hold_back(dmaf_flow *f, const dmaf_buf *out);
/* Note the first failure; later ones are its consequences. */
void dmaf_flow_failed(dmaf_flow *f, int rc, const struct dmaf_err *err, const char *who);

int dmaf_flow_round(dmaf_flow *f);           /* one turn of everything; how much moved */
void dmaf_flow_wait(dmaf_flow *f);           /* until something can move */
int dmaf_flow_sinks(dmaf_flow *f);           /* submit and reap */
unsigned dmaf_flow_room(const dmaf_flow *f); /* buffers the sinks can take without blocking */
void dmaf_flow_dispatch(dmaf_flow *f, dmaf_buf *const *bufs, unsigned n);
int dmaf_flow_begin(dmaf_flow *f); /* tell the sinks what the stream is */
void dmaf_flow_end(dmaf_flow *f);  /* after the loop: finish, cancel, give everything back */
void dmaf_flow_snapshot(dmaf_flow *f);

/* Stands between two parties that share no memory, or saves what a source will overwrite. */
extern const struct dmaf_stage_ops dmaf_copy_stage_ops;
extern const struct dmaf_kind dmaf_copy_kind;
struct copy_stage {
	const char *reason;
	dmaf_source *src; /* asked whether the original was still intact; NULL: not needed */
	dmaf_buf *out[FLOW_BATCH], *in[FLOW_BATCH];
	unsigned nout, nin;
};

#endif
