/* SPDX-License-Identifier: MIT */
/*
 * Figures: what moved, what was lost, what was copied and why, and how long it took.
 */
#ifndef DMAFLOW_STATS_H
#define DMAFLOW_STATS_H

#include <stddef.h>
#include <stdint.h>

#include <dmaflow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Reasons one party can count copies under. */
#define DMAF_COPY_REASONS 6

/*
 * The reasons that more than one kind uses; a plug-in may add its own string. A copy is any CPU
 * load or store of payload, the kernel's included.
 */
extern DMAF_API const char dmaf_copy_send[]; /* kernel: send copies into socket buffers */
extern DMAF_API const char dmaf_copy_recv[]; /* kernel: receive copies out of them */
extern DMAF_API const char dmaf_copy_late[]; /* kernel: a zero-copy send was copied after all */
extern DMAF_API const char dmaf_copy_page_cache[];  /* kernel: buffered file I/O */
extern DMAF_API const char dmaf_copy_pipe[];        /* kernel: pipe or terminal */
extern DMAF_API const char dmaf_copy_overwriting[]; /* saved from memory that the device reuses */
extern DMAF_API const char dmaf_copy_mismatch[];    /* two parties that share no memory */
extern DMAF_API const char dmaf_copy_verify[];      /* content looked at */

struct dmaf_copies {
	const char *reason; /* NULL: free */
	uint64_t bytes;
};

/** struct dmaf_counters - of one party, since it was opened. */
struct dmaf_counters {
	uint64_t buffers, bytes;     /* produced, passed on, or completed */
	uint64_t lost;               /* buffers the source lost, or gaps a sink saw */
	uint64_t lost_bytes;         /* where the source knows */
	uint64_t dropped;            /* buffers a policy dropped in front of this sink */
	uint64_t stalls;             /* times it could not go on at once */
	uint64_t zerocopied, copied; /* zero-copy completions of either kind, in sends */
	uint64_t reconnects, resent_bytes;
	uint64_t errors; /* mended ones: retries, short transfers */
	struct dmaf_copies copies[DMAF_COPY_REASONS];
	const char *path; /* way in use: "copy", "zerocopy", "O_DIRECT", ... */
	char note[200];   /* the last fallback, in words; "" none */
	unsigned notes;   /* how often .note changed */
};

/** Buckets of a histogram: 16 per power of two. */
#define DMAF_HIST_BUCKETS (16 * 61)

/** struct dmaf_hist - of nanoseconds, within 1/16 of the value. */
struct dmaf_hist {
	uint64_t n, max;
	uint64_t bucket[DMAF_HIST_BUCKETS];
};

/** dmaf_hist_add - count one value. */
DMAF_API void dmaf_hist_add(struct dmaf_hist *h, uint64_t ns);

/** dmaf_hist_at - the value that a share of 0..1 of all lie at or below; 0 when empty. */
DMAF_API uint64_t dmaf_hist_at(const struct dmaf_hist *h, double share);

/** dmaf_copied - count a copy. @reason: compared by address, lives for ever. */
static inline void dmaf_copied(struct dmaf_counters *c, const char *reason, uint64_t bytes)
{
	for (unsigned i = 0; i < DMAF_COPY_REASONS; i++) {
		if (!c->copies[i].reason)
			c->copies[i].reason = reason;
		if (c->copies[i].reason == reason || i == DMAF_COPY_REASONS - 1) {
			c->copies[i].bytes += bytes;
			return;
		}
	}
}

/** dmaf_note - say a fallback: kept for the live line and the summary. */
DMAF_API void dmaf_note(struct dmaf_counters *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** dmaf_now_ns - CLOCK_MONOTONIC in nanoseconds. */
DMAF_API uint64_t dmaf_now_ns(void);

#ifdef __cplusplus
}
#endif
#endif
