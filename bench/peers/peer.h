/* SPDX-License-Identifier: MIT */
/*
 * What the hand-written peers share: arguments, a pool of blocks, one TCP connection, one report.
 *
 * A peer is the plainest program that moves bytes in one way, written as somebody would write it
 * by hand, so that dmaflow has something honest to be compared with. Peers are never linked into
 * the program. Each takes key=value arguments:
 *
 *	host= port=     the other end (default 127.0.0.1:9000); receivers listen there, once
 *	cc=             congestion control (default cubic; a machine's default may be another)
 *	block=          bytes of one system call (default 128K)
 *	pool=           bytes that the blocks rotate through (default: one block)
 *	bytes=          how much to send (default 1G); receivers take all that comes
 *	mode=           what a peer with several ways does; see each
 *	file=           where from or where to
 *	pages=          what the pool lies in: small (default), thp
 *	lowat=          SO_RCVLOWAT of a receiver (default: leave alone)
 *	ack=            receiver: send the running total back each so many bytes; sender: wait for
 *it before a block is used again (default 0: no acknowledgements) depth=          writes in flight
 *(default 4)
 *
 * and prints one line of JSON: bytes, seconds from connection to the other end's close, and the
 * CPU seconds of its own process.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer {
	const char *host;
	const char *cc;
	const char *mode;
	const char *file;
	uint16_t port;
	bool thp;
	size_t block;
	size_t pool;
	size_t lowat;
	size_t depth;
	uint64_t bytes;
	uint64_t ack;
	double started;
};

/* Reads key=value arguments; a wrong one ends the program with status 2. */
void peer_args(struct peer *p, int argc, char **argv);

/* Ends the program with status 1 and errno's text. */
void peer_die(const char *what) __attribute__((noreturn));

/* A pool of p->pool bytes, every page touched; the kind of page is p->pages. */
void *peer_pool(const struct peer *p);

/* A connected socket; the clock starts. */
int peer_connect(struct peer *p);

/* Listens, takes one connection, closes the listener; the clock starts. */
int peer_accept(struct peer *p);

/* Half-closes, waits until the other end has closed too, so that all of it has been read. */
void peer_finish(int sock);

/* Prints the line of JSON. */
void peer_report(const struct peer *p, uint64_t bytes);

/* Reads running totals that the receiver sent; waits for one if wait is set. Returns the newest. */
uint64_t peer_acked(int sock, uint64_t newest, bool wait);

#endif
