/* SPDX-License-Identifier: MIT */
/*
 * A tcp sink run by hand, and receivers made by hand. One thread, no flow: while the receiver waits
 * for bytes the sink is stepped. Every block that comes back is overwritten at once, so that memory
 * given back too early is seen by the receiver.
 */
#ifndef DMAF_TESTS_SINK_RIG_H
#define DMAF_TESTS_SINK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "plugins/tcp/tcp_sink.h"

struct out {
	dmaf_sink sink;
	struct tcp_sink *t;
	struct dmaf_stream stream;
	dmaf_pool *pool;
	dmaf_region region;
	int listener; /* the receiver's; -1 when the sink listens */
	uint16_t port;
	uint64_t want;        /* bytes still to be submitted */
	uint64_t seq, offset; /* of the next buffer */
	size_t len;           /* of each; 0: the block */
	unsigned submitted, back, failed;
	int status; /* of the first that failed */
	int rc;     /* what submit, reap or flush failed with */
	bool keep_content;
};

/* Every payload byte is a function of its place in the stream. */
uint8_t out_byte(uint64_t offset);

/* @kind: "tcp" or "tcp-listen". Return: what open, attach or begin gave. */
int out_open(struct out *o, const char *kind, const char *options, size_t block, unsigned count);
/* The same with memory that is there already. */
int out_open_on(struct out *o, const char *kind, const char *options, void *mem, size_t block,
		unsigned count, unsigned backing);
/* To a port that the rig does not listen on. */
int out_open_at(struct out *o, uint16_t port, const char *options, size_t block, unsigned count);
void out_close(struct out *o);
/* Submit what is wanted and reap; when nothing moved, wait for at most @ms. Return: what moved. */
unsigned out_step(struct out *o, int ms);
/* Until nothing moves any more, and @want is submitted or the pool is empty. */
void out_settle(struct out *o);
/* Until everything submitted is back. */
void out_drain(struct out *o);
/* flush(FINISH) until it is over. Return: what it gave. */
int out_finish(struct out *o);
/* cancel(), then reap until all is back; fails the test when that takes long. */
void out_cancel(struct out *o);

/* A receiver. */
struct in {
	int fd;
	struct out *out;
	uint64_t got;    /* payload bytes, all checked */
	uint64_t offset; /* where the next payload byte belongs */
	struct dmaf_wire_rx rx;
	struct dmaf_wire_frame f; /* the newest frame */
	unsigned frames, heartbeats;
	uint64_t lost;
	bool ended, error;
	char text[DMAF_WIRE_TEXT + 1];
	uint8_t bytes[1 << 16];
	size_t have;
};

/* Accept (or connect to a listening sink), stepping the sink meanwhile. @rcvbuf: 0: the system's.
 */
void in_open(struct in *in, struct out *o, int rcvbuf);
/* The next link; what was received stays known. */
void in_again(struct in *in);
void in_close(struct in *in);
/* Close so that the other side sees a reset. */
void in_reset(struct in *in);
/* Read raw bytes, at most @n; steps the sink while there are none. Return: how many; 0: closed, -1:
 * reset. */
ssize_t in_read(struct in *in, void *to, size_t n);
/* Unframed: read @n bytes and compare them. */
void in_check(struct in *in, uint64_t n);
/* Unframed: read to the end of the stream. Return: 0 closed, -1 reset. */
int in_to_end(struct in *in);
/* The next frame; payload is read and compared. Return: its type; 0: closed, -1: reset. */
int in_frame(struct in *in);
/* hello, and the answer to it. */
void in_hello(struct in *in, uint32_t max_block, uint8_t ack, uint64_t window);
void in_ack(struct in *in, const struct dmaf_wire_pos *pos, uint16_t flags);
/* Acknowledge all that was received. */
void in_ack_all(struct in *in);
/* Frames until @total payload bytes are here, acknowledging each @every bytes (0: never). */
void in_until(struct in *in, uint64_t total, uint64_t every);
/* Frames until end, which is acknowledged. */
void in_end(struct in *in, uint64_t every);

#endif
