/* SPDX-License-Identifier: MIT */
/* A tcp source run by hand, and senders made by hand to talk to it. One thread, no flow. */
#ifndef DMAF_TESTS_TCP_RIG_H
#define DMAF_TESTS_TCP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "plugins/tcp/tcp_source.h"

#define RIG_BUFS 64
#define RIG_SEEN 512

struct rig_seen {
	uint64_t seq, offset, ts, ticks;
	size_t len;
	unsigned flags;
};

struct rig {
	dmaf_source src;
	struct tcp_source *s;
	dmaf_pool *pool;
	dmaf_region region;
	uint16_t port;
	int rc;     /* DMAF_END or the error, once dequeue gave one */
	bool hold;  /* buffers are kept until rig_done() */
	bool blind; /* content isn't looked at (mode=trunc) */
	dmaf_buf *held[RIG_BUFS];
	unsigned nheld;
	uint64_t bytes; /* payload that came */
	unsigned nseen;
	struct rig_seen seen[RIG_SEEN];
};

/* Every payload byte is a function of its place in the stream. */
uint8_t rig_byte(uint64_t offset);
void rig_fill(uint8_t *to, uint64_t offset, size_t len);

/* @address: what follows the kind; a listener is on a free port of 127.0.0.1. */
void rig_open(struct rig *r, const char *kind, const char *options, size_t block, unsigned count,
	      uint16_t port);
void rig_start(struct rig *r, const struct dmaf_resume *resume);
void rig_close(struct rig *r);
/* One dequeue; waits up to @ms for what the source says that it waits for when nothing came. */
void rig_step(struct rig *r, int ms);
/* Until @bytes of payload came, or the source ended. Fails the test after 10 s. */
void rig_until(struct rig *r, uint64_t bytes);
void rig_until_rc(struct rig *r, int rc);
/* A while of nothing in particular: @ms milliseconds. */
void rig_idle(struct rig *r, int ms);
/* The @i-th held buffer is completed by every sink. */
void rig_done(struct rig *r, unsigned i, int status);
/* finish() until it says it is over. */
void rig_finish(struct rig *r, int status);

/* A sender. */
struct peer {
	int fd;
	struct rig *rig; /* stepped while the peer waits */
	struct dmaf_wire_hdr hdr;
	struct dmaf_wire_hello hello;
	uint64_t lost;             /* buffers in all */
	struct dmaf_wire_frame in; /* the newest frame from the receiver */
	uint8_t bytes[DMAF_WIRE_CONTROL_MAX];
	size_t have;
};

void peer_connect(struct peer *p, struct rig *r);
void peer_close(struct peer *p);
/* Close so that the other side sees a reset. */
void peer_reset(struct peer *p);
void peer_send(struct peer *p, const void *bytes, size_t len);
/* .hdr.id, .hdr.pos and .hello are set to something valid; then change what you like. */
void peer_prepare(struct peer *p, uint8_t id, uint8_t ack, uint64_t window);
void peer_hello(struct peer *p);
/* Data from .hdr.pos on, which moves past it. */
void peer_data(struct peer *p, size_t len, uint16_t flags);
/* Bytes and buffers that the sender lost. */
void peer_lose(struct peer *p, uint64_t bytes, uint64_t buffers);
void peer_end(struct peer *p);
/* The next frame from the receiver into .in. Return: its type, 0: closed. */
int peer_hear(struct peer *p);
/* As peer_hear(), but -1 when nothing is there. */
int peer_peek(struct peer *p);
/* The receiver sends an error with this code, then closes. */
void peer_refused(struct peer *p, uint32_t code);

#endif
