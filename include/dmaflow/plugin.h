/* SPDX-License-Identifier: MIT */
/*
 * How a kind plugs in: a name, a table of options, and up to four small tables of operations.
 *
 * Ops run on the flow's thread, never block, and work on arrays. Completions and returns come in
 * any order. An absent op has the default that its comment gives. Every op returns 0 or a count, or
 * a negative errno with the explanation in party->err.
 *
 * A party lies at its final address from attach() on: open() may not keep the pointer.
 * The life of a party:  open, (pool), attach, [start], work, flush, [cancel], close.
 * close() is called once for every open() that was called, also after one that failed.
 */
#ifndef DMAFLOW_PLUGIN_H
#define DMAFLOW_PLUGIN_H

#include <poll.h>

#include <dmaflow/addr.h>
#include <dmaflow/buf.h>
#include <dmaflow/error.h>
#include <dmaflow/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of everything a plug-in sees; a plug-in of another one is refused. */
#define DMAF_ABI 1

/** dequeue: nothing will come any more. Not an errno. */
#define DMAF_END (-0x10000)

/** struct dmaf_stream - what the bytes are. Known when the first buffer is there at the latest. */
struct dmaf_stream {
	uint8_t id[16];    /* all zero: none (an unframed stream) */
	char format[16];   /* sample format: "u8", "s16le", ...; "": bytes */
	uint32_t channels; /* 0: unknown */
	uint64_t rate_mhz; /* samples per second and channel, in thousandths of a hertz; 0: unknown
			    */
	uint32_t clock;    /* enum dmaf_clock */
	uint64_t block;    /* largest data block in bytes */
};

enum dmaf_clock {
	DMAF_CLOCK_NONE,
	DMAF_CLOCK_DEVICE,
	DMAF_CLOCK_MONOTONIC,
	DMAF_CLOCK_REALTIME,
	DMAF_CLOCK_TAI,
};

/** struct dmaf_resume - what a sink has already, of which stream. */
struct dmaf_resume {
	uint8_t id[16];
	uint64_t offset; /* contiguous bytes of the stream, lost ones included */
	uint64_t seq;    /* next sequence number */
};

enum dmaf_own {
	DMAF_OWN_NEVER, /* uses what the other side has */
	DMAF_OWN_CAN,   /* has memory if nobody insists */
	DMAF_OWN_MUST,  /* only its own memory will do */
};

/**
 * struct dmaf_need - what a party asks of the memory that it works on; filled by its open().
 * Zero means "no demand" everywhere. Bytes.
 */
struct dmaf_need {
	enum dmaf_own own;
	unsigned backing; /* accepted enum dmaf_backing bits; 0: any that the CPU can read */
	size_t align;     /* of each block's start; power of two */
	size_t len_align; /* each block is a multiple of this (the last of a stream may be short) */
	const char *align_why; /* what asks for it, for the message: "O_DIRECT on ext4" */
	size_t block_min, block_max, block_want;
	unsigned count_min, count_want;
	unsigned segs;     /* segments per buffer it can take; 0: any number */
	size_t seg_max;    /* longest segment */
	uint64_t boundary; /* no segment crosses a multiple of this; power of two */
	uint64_t dma_mask; /* highest bus address; 0: any */
};

/** Longest wait list of one party. */
#define DMAF_WAIT_FDS 6

/** struct dmaf_wait - what a party waits for. */
struct dmaf_wait {
	struct pollfd fds[DMAF_WAIT_FDS];
	unsigned nfds;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
};

static inline void dmaf_wait_fd(struct dmaf_wait *w, int fd, short events)
{
	if (fd >= 0 && w->nfds < DMAF_WAIT_FDS)
		w->fds[w->nfds++] = (struct pollfd){.fd = fd, .events = events};
}

static inline void dmaf_wait_until(struct dmaf_wait *w, uint64_t mono_ns)
{
	if (!w->deadline_ns || mono_ns < w->deadline_ns)
		w->deadline_ns = mono_ns;
}

typedef struct dmaf_source dmaf_source;
typedef struct dmaf_stage dmaf_stage;
typedef struct dmaf_sink dmaf_sink;
struct dmaf_kind;

/** struct dmaf_party - what source, stage and sink have in common. */
struct dmaf_party {
	const struct dmaf_kind *kind;
	dmaf_addr *addr;
	struct dmaf_need need; /* set by open */
	struct dmaf_err err;
	struct dmaf_counters count;
	void *priv; /* the plug-in's; set by open, freed by close */
};

enum dmaf_source_flag {
	DMAF_SRC_OVERWRITING =
		1 << 0, /* its memory is reused without asking: never sent by reference */
	DMAF_SRC_NOT_PAUSABLE =
		1 << 1,            /* loses data when nobody takes it: serial, a free-running ADC */
	DMAF_SRC_DURABLE = 1 << 2, /* sinks complete only what survives power loss (ack=synced) */
	DMAF_SRC_OWN_RATE = 1 << 3, /* does rate= by itself */
	/* done tells another side that it may forget what it sent: buffers come there only when
	 * sinks that may not drop have them, whatever stages lie between */
	DMAF_SRC_ACKS = 1 << 4,
};

struct dmaf_source {
	struct dmaf_party p;
	const struct dmaf_source_ops *ops;
	unsigned flags;            /* enum dmaf_source_flag; set by open */
	struct dmaf_stream stream; /* set before the first buffer */
	uint64_t max_delay_ns;     /* max-delay=; UINT64_MAX: not given */
	dmaf_pool *pool;           /* whose buffers it fills; set before attach */
};

struct dmaf_source_ops {
	/** Read the address, open what it names, fill need, flags and (if known) stream. */
	int (*open)(dmaf_source *src);
	/** Own memory: make the pool (dmaf_pool_create). Needed when need.own is not NEVER. */
	int (*pool)(dmaf_source *src, const struct dmaf_terms *terms, dmaf_pool **pool);
	/** src->pool is settled: attach its region, allocate per-buffer state. Absent: nothing. */
	int (*attach)(dmaf_source *src);
	/** Begin. @resume: what the sink has already, or NULL. Absent: nothing to do. */
	int (*start)(dmaf_source *src, const struct dmaf_resume *resume);
	/**
	 * Filled buffers (dmaf_buf_filled() done, seq, offset, mono_ns set).
	 * Return: how many, 0 none yet, DMAF_END, or negative errno.
	 */
	int (*dequeue)(dmaf_source *src, dmaf_buf **bufs, unsigned n);
	/**
	 * Empty buffers to fill; ownership passes (owner is WRITER).
	 * Return: how many were taken. Absent: the source takes from src->pool by itself.
	 */
	int (*queue)(dmaf_source *src, dmaf_buf **bufs, unsigned n);
	/**
	 * Buffers of this source that every sink has completed, in any order; their metadata and
	 * status are still there. They return to the pool afterwards. Absent: not asked for.
	 */
	void (*done)(dmaf_source *src, dmaf_buf *const *bufs, unsigned n);
	/**
	 * Overwriting sources: is what @buf refers to still what was handed over? Asked after it
	 * was copied. Return: 1 intact, 0 overtaken (the copy is dropped and counted as lost).
	 */
	int (*intact)(dmaf_source *src, const dmaf_buf *buf);
	/** Pause (0) or go on (1): back-pressure for devices. Absent: it is not told. */
	void (*pause)(dmaf_source *src, int go);
	/** No more is wanted: what is filled may still be dequeued, then DMAF_END. Absent: END now.
	 */
	int (*stop)(dmaf_source *src);
	/**
	 * After DMAF_END or stop, when every buffer is done: last words to the other side.
	 * @status: 0, or what the flow failed with. Return: 0 or -EAGAIN. Absent: 0.
	 */
	int (*finish)(dmaf_source *src, int status);
	/**
	 * Give up empty buffers at once: what it returns is never written again. Called until it
	 * returns 0. Return: how many. Absent: it holds none.
	 */
	int (*cancel)(dmaf_source *src, dmaf_buf **bufs, unsigned n);
	/** What to wait for when dequeue gave nothing. Absent: it is polled each millisecond. */
	void (*wait)(dmaf_source *src, struct dmaf_wait *w);
	void (*close)(dmaf_source *src);
};

struct dmaf_sink {
	struct dmaf_party p;
	const struct dmaf_sink_ops *ops;
	dmaf_pool *pool;                  /* whose buffers it gets; set before attach */
	const struct dmaf_stream *stream; /* set before begin */
	int durable;                      /* complete only what survives power loss */
	int on_gap;                       /* enum dmaf_on_gap */
	void *host;                       /* of the core */
	/* Behind the last buffer that a policy dropped in front of it; a sink that got less before
	 * flush lacks what is between. */
	uint64_t dropped_seq, dropped_offset;
};

enum dmaf_on_gap {
	DMAF_GAP_SKIP, /* leave lost bytes out */
	DMAF_GAP_ZERO, /* zeros stand for them */
	DMAF_GAP_STOP, /* a gap is an error */
};

enum dmaf_flush {
	DMAF_FLUSH_FINISH, /* the stream is complete */
	DMAF_FLUSH_ABORT,  /* it was cut: say so to the other side, mark nothing as finished */
};

struct dmaf_sink_ops {
	int (*open)(dmaf_sink *sink);
	/** Own memory, as in struct dmaf_source_ops. */
	int (*pool)(dmaf_sink *sink, const struct dmaf_terms *terms, dmaf_pool **pool);
	int (*attach)(dmaf_sink *sink);
	/** What it has already, for a source that can go on from there. Return: 1, 0 or error. */
	int (*resume)(dmaf_sink *sink, struct dmaf_resume *resume);
	/** sink->stream is known; before the first submit. Absent: not interested. */
	int (*begin)(dmaf_sink *sink);
	/**
	 * Buffers to read, in order. They stay the sink's until reaped.
	 * Return: how many it took (the rest stays the caller's, and is offered again), 0: none
	 * now, or negative errno (nothing taken).
	 */
	int (*submit)(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n);
	/**
	 * Buffers it is done with, in any order; a failed one has status set. Also the place where
	 * a sink moves on. Return: how many, or negative errno (later calls still give buffers).
	 */
	int (*reap)(dmaf_sink *sink, dmaf_buf **bufs, unsigned n);
	/**
	 * Nothing more will be submitted. Return: 0 when all that was reaped is where it belongs,
	 * -EAGAIN: call again after waiting, other: failed. Absent: 0 once all are reaped.
	 */
	int (*flush)(dmaf_sink *sink, enum dmaf_flush how);
	/** Stop using every buffer now, in bounded time: reap gives all back afterwards.
	 *  Absent: nothing is ever in use outside submit and reap. */
	void (*cancel)(dmaf_sink *sink);
	/** What to wait for. Absent: it is polled each millisecond while it holds buffers. */
	void (*wait)(dmaf_sink *sink, struct dmaf_wait *w);
	void (*close)(dmaf_sink *sink);
};

struct dmaf_stage {
	struct dmaf_party p;
	const struct dmaf_stage_ops *ops;
	const struct dmaf_stream *in_stream;
	struct dmaf_stream stream; /* what comes out; preset to what goes in */
	dmaf_pool *in_pool,
		*pool;  /* .pool: what comes out of it; equal when it passes buffers on */
	int transforms; /* set by open: gives buffers of its own pool, not its inputs */
};

struct dmaf_stage_ops {
	int (*open)(dmaf_stage *stage);
	/** Own output memory; absent: it is made for it. Only when .transforms. */
	int (*pool)(dmaf_stage *stage, const struct dmaf_terms *terms, dmaf_pool **pool);
	int (*attach)(dmaf_stage *stage);
	/** Inputs, in order. Return: how many were taken, or negative errno. */
	int (*submit)(dmaf_stage *stage, dmaf_buf *const *bufs, unsigned n);
	/** Outputs. Without .transforms these are the inputs, passed on. Return: as a source's. */
	int (*dequeue)(dmaf_stage *stage, dmaf_buf **bufs, unsigned n);
	/**
	 * Inputs it is done with, in order (.transforms only): those of which nothing is left that
	 * dequeue has not given yet. Behind a source that acknowledges (DMAF_SRC_ACKS) they are
	 * kept until the sinks have what came out of them.
	 */
	int (*reap)(dmaf_stage *stage, dmaf_buf **bufs, unsigned n);
	/** No more input. Return: 0 when all output has been dequeued, -EAGAIN. Absent: 0. */
	int (*flush)(dmaf_stage *stage);
	void (*cancel)(dmaf_stage *stage);
	void (*wait)(dmaf_stage *stage, struct dmaf_wait *w);
	void (*close)(dmaf_stage *stage);
};

/** Where pools come from: "memory:", a driver's "dma:". */
struct dmaf_pool_kind_ops {
	/** Check that the memory could be had and say what it needs. */
	int (*open)(const dmaf_addr *addr, const struct dmaf_terms *terms, dmaf_pool **pool,
		    struct dmaf_err *err);
};

/** struct dmaf_kind - a plug-in. Loadable ones export it as `dmaf_plugin`. */
struct dmaf_kind {
	unsigned abi;     /* DMAF_ABI */
	const char *name; /* as in addresses */
	const char *help; /* one line */
	const char *main; /* what the main part is: "HOST:PORT"; "": none */
	const struct dmaf_opt *opts;
	const struct dmaf_source_ops *source; /* NULL: can't be one */
	const struct dmaf_stage_ops *stage;
	const struct dmaf_sink_ops *sink;
	const struct dmaf_pool_kind_ops *pool;
};

/** dmaf_kind_add - make a kind known. Not thread-safe. Return: 0, -EEXIST, -EINVAL (other ABI). */
DMAF_API int dmaf_kind_add(const struct dmaf_kind *kind);

/** dmaf_kind_load - load kinds from a shared object. Return: 0 or negative errno, explained. */
DMAF_API int dmaf_kind_load(const char *path, struct dmaf_err *err);

/** dmaf_kind_find - by name; NULL and an explanation that names the nearest one. */
DMAF_API const struct dmaf_kind *dmaf_kind_find(const char *name, struct dmaf_err *err);

/** dmaf_kind_at - the @i-th known kind, NULL past the last. */
DMAF_API const struct dmaf_kind *dmaf_kind_at(unsigned i);

/**
 * dmaf_gap_check - what a sink does about bytes that are missing before @buf.
 * @next_seq, @next_off: what the sink expected; updated past @buf. @skipped: bytes to stand for
 * the gap (0 unless on-gap=zero). The gap is counted. Return: 0 or -EPIPE (on-gap=stop).
 */
DMAF_API int dmaf_gap_check(dmaf_sink *sink, const dmaf_buf *buf, uint64_t *next_seq,
			    uint64_t *next_off, uint64_t *skipped);

#ifdef __cplusplus
}
#endif
#endif
