/* SPDX-License-Identifier: MIT */
/*
 * The tcp sink as its own files see it.
 *
 *   tcp_sink.c   the operations; what is done when
 *   tcp_queue.c  buffers held, frames cut from them, how far the link has taken them
 *   tcp_send.c   handing bytes to the kernel: copy and zerocopy; which mode auto takes
 *   tcp_uring.c  ... sendzc           tcp_splice.c  ... splice
 *   tcp_link.c   connect, hello, acknowledgements, broken links
 *   tcp_end.c    the end of a stream: finish, abort, cancel
 *
 * A submitted buffer is *held* until the kernel no longer needs its memory and, with ack, until the
 * receiver has written it. Held buffers are cut into *frames* (without frame: one per buffer),
 * which are what is sent. Both are rings with free-running indices, and both are given back in
 * order.
 */
#ifndef DMAF_TCP_SINK_H
#define DMAF_TCP_SINK_H

#include <sys/uio.h>

#include <dmaflow/base/wire.h>
#include <dmaflow/plugin.h>

#include "config.h"
#include "plugins/tcp/ack_window.h"
#include "plugins/tcp/tcp.h"
#include "plugins/tcp/tcp_conn.h"
#include "plugins/tcp/trial.h"
#include "plugins/tcp/zc_track.h"

#define TCP_IOVS      256    /* segments in one send */
#define TCP_HDR_SLOTS 16384u /* most headers kept at once, unless one buffer needs more */
#define TCP_RX        4096   /* bytes of answers and acks read at once */

enum link_state {
	LINK_DOWN,  /* connecting, listening, or waiting to try again */
	LINK_HELLO, /* connected; with ack the answer is awaited */
	LINK_UP,
	LINK_DRAIN, /* given up; the kernel may still hold pages */
	LINK_DEAD,  /* for good; t->status says why */
};

enum end_state {
	END_NOT,
	END_WANTED, /* all is submitted */
	END_SENT,   /* the end frame is queued, or nothing is to be said */
	END_SHUT,   /* our direction is closed */
	END_DONE,
};

struct tcp_held {
	dmaf_buf *buf;
	struct dmaf_wire_pos pos; /* where it begins; .lost counts all before it */
	uint64_t pay;             /* payload bytes submitted before it */
	uint64_t zeros;           /* bytes to send in its front for a gap (unframed) */
	uint64_t link_end;        /* this link's bytes up to its end; UINT64_MAX: not cut yet */
	uint64_t zc_end;          /* its memory is free when zc.done reaches this */
	uint32_t frame_end;       /* frames up to its end */
};

struct tcp_frame {
	struct tcp_held *held;
	size_t off, len; /* payload, in the buffer */
	bool zeros;      /* .len zeros instead */
};

struct tcp_uring; /* io_uring and what belongs to it; tcp_uring.c */

struct tcp_sink {
	dmaf_sink *sink;
	struct dmaf_counters *count;
	struct dmaf_err *err;
	struct tcp_opts o;
	bool listens, framed, ack;
	uint8_t ack_level; /* enum dmaf_wire_ack */

	/* held buffers: [head, cut) are frames, [cut, tail) are not yet */
	struct tcp_held *held;
	uint32_t held_mask, h_head, h_cut, h_tail;
	size_t cut_off;        /* in held[h_cut], already cut */
	uint64_t cut_zeros;    /* ... and of the zeros in its front */
	bool any;              /* a buffer was submitted */
	uint64_t next_src_seq; /* what the source's next buffer should carry */
	uint64_t next_src_off;
	uint64_t gap_seq, gap_off; /* dmaf_gap_check()'s */
	struct dmaf_wire_pos next; /* where the next buffer will begin */
	struct dmaf_wire_pos
		floor; /* behind the last one given back, before any gap that follows */
	uint64_t pay;  /* payload bytes submitted */

	/* frames: [tail, send) are sent and their headers kept, [send, head) wait */
	struct tcp_frame *frame;
	uint8_t (*hdr)[DMAF_WIRE_HDR];
	uint32_t frame_mask, f_tail, f_send, f_head;
	size_t f_off; /* bytes of frame[f_send] handed over, its header included */
	size_t hdr_len;
	uint64_t link_cut,
		link_taken; /* bytes of this link: cut into frames; gone from the frames */
	uint64_t link_sent; /* ... and in the socket, not only in a pipe */
	struct iovec iov[TCP_IOVS];

	/* the link */
	enum link_state state;
	int fd, listener;
	struct tcp_connect conn;
	bool last_words;    /* reading what a peer said before it broke the link */
	bool begun, local;  /* the stream is known; the peer is on this machine */
	bool blocked;       /* the socket was full */
	bool starved;       /* ENOBUFS: wait for notifications */
	bool waited;        /* the loop has slept since we last looked at the socket */
	bool moved;         /* something went out since the loop last slept */
	unsigned links;     /* connections so far */
	unsigned fruitless; /* links in a row that brought nothing further */
	uint64_t up_acked;  /* what was acknowledged when the link came up */
	bool said_hello;
	uint64_t hello_by_ns; /* when the answer must be there */
	uint64_t give_up_ns;  /* when not to try again any more */
	uint64_t last_tx_ns;
	uint8_t ctl[DMAF_WIRE_CONTROL_MAX + DMAF_WIRE_HDR]; /* hello, heartbeat, end, error */
	uint32_t ctl_len, ctl_sent;
	uint8_t rx[TCP_RX];
	uint32_t rx_have;
	struct dmaf_wire_tx tx;
	struct ack_window win;
	uint64_t since_rx, since_errq; /* bytes sent since acks, notifications were looked at */
	struct dmaf_wire_pos reach;    /* furthest place cut into frames on any link */

	/* modes */
	enum tcp_mode asked, mode;
	struct zc_track zc;
	uint64_t zc_base_zero, zc_base_copied; /* totals when the mode began, or was last judged */
	uint64_t judged;                       /* notifications that auto has judged by */
	struct trial trial;                    /* auto: splice against copy */
	bool try_copy;                         /* ... is on */
	uint64_t late_told;                    /* zc.copied_bytes already counted */
	uint64_t pool_bytes;
	bool zc_on; /* SO_ZEROCOPY is set on .fd */
	struct tcp_uring *uring;
	int pipe[2];
	uint64_t piped; /* bytes in the pipe */

	enum end_state end;
	uint64_t end_left; /* bytes the peer's TCP had not taken when we last looked */
	uint64_t end_by_ns, end_look_ns, end_wait_ns;
	bool aborting, abort_said;
	bool relay; /* the stream has an id of its own */
	uint8_t id[16];
	int status;    /* why the link is dead; 0 */
	bool reported; /* .status was returned by reap */
};

static inline struct tcp_held *tcp_held_at(struct tcp_sink *t, uint32_t i)
{
	return &t->held[i & t->held_mask];
}

static inline struct tcp_frame *tcp_frame_at(struct tcp_sink *t, uint32_t i)
{
	return &t->frame[i & t->frame_mask];
}

/* tcp_queue.c */

/** tcp_queue_init - rings for the pool's buffers. Return: 0 or -ENOMEM. */
int tcp_queue_init(struct tcp_sink *t);
void tcp_queue_free(struct tcp_sink *t);
/** tcp_queue_frames - make room for frames of at most @block bytes. Return: 0 or negative errno. */
int tcp_queue_frames(struct tcp_sink *t, size_t block);
/** tcp_queue_add - hold a buffer. Return: 0 or -EPIPE (on-gap=stop), explained. */
int tcp_queue_add(struct tcp_sink *t, dmaf_buf *buf);
/** tcp_queue_end - all is held that ever will be: what was dropped behind it is a gap. */
void tcp_queue_end(struct tcp_sink *t);
/** tcp_queue_cut - cut frames from what is held, as far as window and headers allow. */
void tcp_queue_cut(struct tcp_sink *t);
/**
 * tcp_queue_iov - the next bytes to send, as segments in t->iov.
 * @bytes: how many they are. Return: segments; 0: nothing to send.
 */
unsigned tcp_queue_iov(struct tcp_sink *t, size_t *bytes);
/**
 * tcp_queue_taken - @n bytes are handed over.
 * @zc_end: their memory is free when zc.done reaches this; 0: they were copied, or only an ack
 * tells. Return: the payload among them.
 */
size_t tcp_queue_taken(struct tcp_sink *t, size_t n, uint64_t zc_end);
/** tcp_queue_empty - nothing is cut and unsent, or half sent. */
static inline bool tcp_queue_empty(const struct tcp_sink *t)
{
	return t->f_send == t->f_head && !t->piped;
}
/** tcp_queue_between - the link stands between two frames: a control frame may go. */
static inline bool tcp_queue_between(const struct tcp_sink *t)
{
	return !t->f_off && !t->piped;
}
/** tcp_queue_rewind - nothing of what is held is on a link; the kernel holds none of it. */
void tcp_queue_rewind(struct tcp_sink *t);
/** tcp_queue_resume - a new link, which goes on at @pos. Return: 0, -ENODATA, -ERANGE, -EPROTO. */
int tcp_queue_resume(struct tcp_sink *t, const struct dmaf_wire_pos *pos);
/** tcp_queue_payload_at - payload before an acknowledged place; UINT64_MAX: no such place. */
uint64_t tcp_queue_payload_at(struct tcp_sink *t, const struct dmaf_wire_pos *pos);
/** tcp_queue_sent_offset - stream offset up to which bytes were handed over. */
uint64_t tcp_queue_sent_offset(struct tcp_sink *t);
/** tcp_queue_reap - held buffers that are done with. Return: how many. */
unsigned tcp_queue_reap(struct tcp_sink *t, dmaf_buf **bufs, unsigned n);

/* tcp_send.c */

/** tcp_mode_check - what the asked mode needs of memory and kernel. Return: 0 or explained. */
int tcp_mode_check(struct tcp_sink *t);
/** tcp_mode_start - choose the mode for a fresh link, set the socket up. Return: 0 or explained. */
int tcp_mode_start(struct tcp_sink *t);
/** tcp_mode_leave - go on in another mode, and say why. */
void tcp_mode_leave(struct tcp_sink *t, enum tcp_mode to, const char *why);
/** tcp_mode_acked - auto compares splice with copying by what comes back; now and then that is the
 * better one, depending on block and CPU. */
void tcp_mode_acked(struct tcp_sink *t);
/** tcp_push - send until the socket is full or nothing is left. Return: 0 or why the link broke. */
int tcp_push(struct tcp_sink *t);
/** tcp_completions - read notifications. */
void tcp_completions(struct tcp_sink *t);
/** tcp_sent - bookkeeping after @n bytes went to the socket; @zc: a notification will follow. */
void tcp_sent(struct tcp_sink *t, size_t n, bool zc);
/** tcp_plain - send @n segments of t->iov by copying. Return: bytes or negative errno. */
ssize_t tcp_plain(struct tcp_sink *t, unsigned n);
/** tcp_header - send the header that t->iov begins with; its payload follows. As tcp_plain(). */
ssize_t tcp_header(struct tcp_sink *t);
/** tcp_notified - one notification of either kind. */
void tcp_notified(struct tcp_sink *t, uint32_t lo, uint32_t hi, bool copied);

/* tcp_uring.c */
int tcp_uring_open(struct tcp_sink *t, struct dmaf_err *err);
void tcp_uring_close(struct tcp_sink *t);
ssize_t tcp_uring_send(struct tcp_sink *t);
void tcp_uring_reap(struct tcp_sink *t);
int tcp_uring_fd(const struct tcp_sink *t);

/* tcp_splice.c */
int tcp_splice_open(struct tcp_sink *t, struct dmaf_err *err);
void tcp_splice_close(struct tcp_sink *t);
ssize_t tcp_splice_send(struct tcp_sink *t);

/* tcp_link.c */

/** tcp_link_open - listen, or start to connect. Return: 0 or explained. */
int tcp_link_open(struct tcp_sink *t);
/** tcp_link_step - connect, say hello, read what the peer says. */
void tcp_link_step(struct tcp_sink *t);
/** tcp_link_broken - the link failed with @code: reconnect if that can mend it, else die. */
void tcp_link_broken(struct tcp_sink *t, int code, const char *what);
/** tcp_link_die - no further link; the explanation is in t->err. */
void tcp_link_die(struct tcp_sink *t, int code);
/** tcp_link_drop - let go of the socket; LINK_DRAIN until the kernel holds none of our pages. */
void tcp_link_drop(struct tcp_sink *t);
/** tcp_link_ctl - send what is in t->ctl if the link stands between frames. Return: 0 or errno. */
int tcp_link_ctl(struct tcp_sink *t);
void tcp_link_waiting(struct tcp_sink *t, struct dmaf_wait *w);
/** tcp_link_failed - as tcp_link_broken(), in the words of the errno. */
void tcp_link_failed(struct tcp_sink *t, int code);
/** tcp_link_read - read answers, acks and errors. */
void tcp_link_read(struct tcp_sink *t);

/* tcp_end.c */
int tcp_end_finish(struct tcp_sink *t);
int tcp_end_abort(struct tcp_sink *t);
void tcp_end_cancel(struct tcp_sink *t);
/** tcp_end_clean - the peer knows how the stream ended: no reset is needed to tell it. */
bool tcp_end_clean(const struct tcp_sink *t);
/** tcp_end_step - part of every move: queue the end frame when all is sent. */
void tcp_end_step(struct tcp_sink *t);
void tcp_end_wait(struct tcp_sink *t, struct dmaf_wait *w);

/* tcp_hello.c */

/** tcp_stream_to_hello - what the bytes are; @s may be NULL. */
void tcp_stream_to_hello(const struct dmaf_stream *s, struct dmaf_wire_hello *hello);

/* tcp_sink.c */

/** tcp_move - do what can be done now. */
void tcp_move(struct tcp_sink *t);
/** tcp_push_checked - tcp_push() if the link is up; a break is dealt with. */
void tcp_push_checked(struct tcp_sink *t);

#endif
