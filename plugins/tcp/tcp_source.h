/* SPDX-License-Identifier: MIT */
/*
 * The source side of the tcp kinds, as its own files see it:
 *   tcp_source.c       the ops: options, the round, waiting, the end
 *   tcp_source_fill.c  blocks and what is received into them
 *   tcp_source_link.c  which connection is the stream's: taking, refusing, losing one
 *   tcp_source_ack.c   what every sink has completed, and telling the sender
 *   tcp_listen.c       connections that have not yet said who they are
 *   tcp_rx.c           frames, without sockets
 * Everything belongs to the flow's thread.
 */
#ifndef DMAF_TCP_SOURCE_H
#define DMAF_TCP_SOURCE_H

#include <stdbool.h>

#include <dmaflow/plugin.h>

#include "plugins/tcp/tcp_conn.h"
#include "plugins/tcp/tcp_rx.h"

#define TCP_MS 1000000ull

/* Connections that may be before their hello at once; the rest wait in the kernel's backlog. */
#define TCP_DOOR_MAX 16
/* From being accepted to a whole hello. */
#define TCP_HELLO_NS (2000 * TCP_MS)
/* A refused peer has this long to read why. */
#define TCP_LINGER_NS (1000 * TCP_MS)
/* Last words: acknowledgements to be read, or the sender to come back for them. */
#define TCP_FINISH_NS (4000 * TCP_MS)
/* Completed data is acknowledged this long after at the latest. */
#define TCP_ACK_IDLE_NS (10 * TCP_MS)

/** struct tcp_guest - a connection that is not (or no longer) the stream's. .fd -1: free. */
struct tcp_guest {
	int fd;
	bool leaving;   /* refused: kept until it has read why */
	uint64_t until; /* CLOCK_MONOTONIC; 0: no limit */
	uint32_t have;
	char peer[TCP_NAME];
	uint8_t bytes[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];
};

/** struct tcp_door - the listener and its guests; also the one guest that connecting brings. */
struct tcp_door {
	int fd;    /* listening; -1: not, or not any more */
	int epoll; /* all of them behind one descriptor */
	bool open; /* .fd is in .epoll */
	unsigned n;
	struct tcp_guest guest[TCP_DOOR_MAX];
};

/** struct tcp_out - a buffer on its way to the sinks. */
struct tcp_out {
	struct dmaf_wire_pos
		end;            /* the stream behind it and all that is completed right after it */
	unsigned before, after; /* the neighbours still out, in stream order */
};

/** struct tcp_acks - the contiguous prefix that all sinks have completed. */
struct tcp_acks {
	/*
	 * By buffer index, a list in stream order between .cap and .cap. A completed one leaves it
	 * at once: while the oldest is out, the others may go round any number of times.
	 */
	struct tcp_out *out;
	unsigned cap, n;
	struct dmaf_wire_pos done; /* everything before is completed */
	struct dmaf_wire_pos told; /* and so far the sender knows */
	uint64_t ahead_ns;         /* since when done is ahead of told; 0: it isn't */
	uint64_t step;             /* bytes to tell of at once: half the sender's window */
	bool failed;               /* a sink failed a buffer: the prefix stays where it is */
	bool sent_done;            /* DONE is in .bytes or sent */
	uint8_t bytes[DMAF_WIRE_HDR];
	unsigned at_byte, len; /* of .bytes: sent, to send */
};

enum tcp_phase {
	TCP_WAITING, /* no link: the first, or the stream's next one */
	TCP_UP,
	TCP_ENDED,  /* the stream is complete */
	TCP_FAILED, /* .fail; what is filled is delivered first */
};

struct tcp_source {
	dmaf_source *src;
	struct tcp_opts opts;
	struct tcp_connect conn;
	struct tcp_door door;
	const char *text; /* the address, for messages */
	bool listen, framed, trunc;
	uint8_t ack; /* enum dmaf_wire_ack */
	uint64_t delay_ns, timeout_ns;
	uint64_t back_ns; /* how long a cut stream may stay away; 0: it may not be cut */

	enum tcp_phase phase;
	int fail;
	bool stopping;
	int fd; /* the stream's link; -1: none */
	char peer[TCP_NAME];
	bool seen;  /* there is or was a stream */
	bool asked; /* connected, and a hello is to come */
	struct tcp_rx rx;
	bool resume_known;
	struct dmaf_resume resume;
	struct dmaf_wire_pos here; /* behind the last byte in a block */
	uint64_t skip;             /* bytes still to come that are here already */
	bool skip_done;            /* ... and that the sinks have completed */
	uint64_t cut_ns, finish_ns;
	bool complete; /* its end was seen, on this link or one before */
	bool shut;     /* last words are out */

	/* the block being filled, and where in the stream it is */
	dmaf_buf *buf;
	size_t fill, cap, cut; /* cap: where this one ends; cut: blocks end at its multiples */
	unsigned buf_flags;
	uint64_t ts_ns, ticks;
	uint64_t frame_ts, frame_ticks; /* of the frame that payload belongs to */
	bool frame_bad;
	uint64_t offset, seq; /* of the next byte; of this buffer */
	uint64_t gap_bytes, gap_buffers;
	bool gap;            /* hand over first, then go on behind the gap */
	uint64_t since_ns;   /* the block's first byte is not older than this */
	uint64_t last_ns;    /* when bytes came last */
	uint64_t patient_ns; /* when the peer last had reason to wait for us */
	bool quiet;          /* nothing came for a whole delay: the next byte wakes us */
	bool starved;        /* no free buffer */
	int lowat;
	uint64_t checked_ns; /* the door */
	bool waited;         /* something woke us, and it may be the door */

	struct tcp_acks acks;
};

static inline bool tcp_acked(const struct tcp_source *s)
{
	return s->ack != DMAF_WIRE_A_NONE;
}

/* tcp_source_fill.c */

enum tcp_fill {
	TCP_FILL_MORE,      /* as much came as was asked for */
	TCP_FILL_DRAINED,   /* nothing more now */
	TCP_FILL_HAND_OVER, /* the block must go before more can come */
	TCP_FILL_GONE,      /* phase changed */
};

/* One receive call at most. */
enum tcp_fill tcp_fill(struct tcp_source *s);
/* Have a block to fill. Return: false when none is free. */
bool tcp_take(struct tcp_source *s);
/* The block goes, filled so far; whole bytes only (fill > 0). */
dmaf_buf *tcp_hand_over(struct tcp_source *s, unsigned flags);
/* Place the stream at @offset and cut the next blocks from there. */
void tcp_place(struct tcp_source *s, uint64_t offset);
/* How much must be there to wake us. */
void tcp_set_lowat(struct tcp_source *s);
/* Bytes are missing before the next one; what is filled goes first. */
void tcp_gap(struct tcp_source *s, uint64_t bytes, uint64_t buffers);
/* The same for what the newest frame (or hello) says is missing before it. */
void tcp_found_gap(struct tcp_source *s);

/* tcp_source_link.c */

/* Connections come and go. Return: 0 or what the flow fails with, explained. */
int tcp_link_round(struct tcp_source *s, uint64_t now);
void tcp_link_wait(struct tcp_source *s, struct dmaf_wait *w);
/* The link is no more: @code says why, @why in words. */
void tcp_link_lost(struct tcp_source *s, int code, const char *why);
/* The sender breaks the rules: tell it why and drop the link. @why: enum dmaf_wire_why. */
void tcp_link_refuse(struct tcp_source *s, int why);
void tcp_fail(struct tcp_source *s, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Say @why and let the peer go, without ever waiting for it. Takes @fd. */
void tcp_send_away(struct tcp_source *s, int fd, int why, const char *text);

/* tcp_source_ack.c */

int tcp_acks_init(struct tcp_acks *a, unsigned buffers);
void tcp_acks_free(struct tcp_acks *a);
/* A link begins: all before @told is completed, and the sender knows. */
void tcp_acks_link(struct tcp_acks *a, const struct dmaf_wire_pos *told);
/* A buffer goes to the sinks; the stream behind it is at @end. */
void tcp_acks_push(struct tcp_acks *a, const dmaf_buf *buf, const struct dmaf_wire_pos *end);
void tcp_acks_done(struct tcp_acks *a, dmaf_buf *const *bufs, unsigned n);
/**
 * tcp_acks_send - tell the sender when it is time; never waits.
 * @now_anyway: do not wait for more to tell. @done: the stream has ended and this says so.
 * Return: 0 nothing is left to send, -EAGAIN: the socket is full, other: the link is broken.
 */
int tcp_acks_send(struct tcp_acks *a, int fd, const uint8_t id[16], uint64_t now, bool now_anyway,
		  bool done);

/* tcp_listen.c */

int tcp_door_open(struct tcp_door *d, int listener, struct dmaf_err *err);
void tcp_door_close(struct tcp_door *d);
/* Stop listening; guests stay. */
void tcp_door_shut(struct tcp_door *d);
/* A connection to be asked for its hello. Takes @fd. Return: 0, -ENOSPC, or negative errno. */
int tcp_door_add(struct tcp_door *d, int fd, bool leaving, uint64_t until);
/**
 * tcp_door_round - let guests in, hear them, send away who does not behave.
 * @hello: the next complete hello, from the guest whose index is returned; it stays a guest until
 *         tcp_door_take() or tcp_door_refuse(). -EAGAIN: nobody has more to say.
 */
int tcp_door_round(struct tcp_source *s, struct dmaf_wire_frame *hello, uint64_t now);
/* The guest becomes the stream's link. Return: its socket. */
int tcp_door_take(struct tcp_door *d, unsigned i);
void tcp_door_refuse(struct tcp_source *s, unsigned i, int why, const char *text, uint64_t now);
void tcp_door_wait(const struct tcp_door *d, struct dmaf_wait *w);

#endif
