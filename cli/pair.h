/* SPDX-License-Identifier: MIT */
/* A sending and a receiving flow in one process, for demo and bench. */
#ifndef DMAF_CLI_PAIR_H
#define DMAF_CLI_PAIR_H

#include <pthread.h>

#include "cli/cli.h"

struct side {
	dmaf_flow *flow; /* NULL: not used */
	pthread_t thread;
	bool started;
	int rc;
};

/* Add addresses (the list ends with NULL) and open. Return: 0 or negative errno; text in *why. */
int dmaf_side_open(struct side *s, const char *const *addresses, char *why, size_t size);
int dmaf_side_start(struct side *s);
/* Has it ended by itself? */
bool dmaf_side_ended(const struct side *s);
/* Join and keep the flow for its figures. Return: what dmaf_flow_run() returned. */
int dmaf_side_join(struct side *s);
void dmaf_side_close(struct side *s);

/* A TCP port on loopback that was free just now; 0: none. */
unsigned dmaf_free_port(void);

/* One way of sending, tried. */
struct tried {
	char asked[24], took[24]; /* mode as asked, path in use at the end */
	char note[200];           /* the last fallback in words */
	double rate, cpu_per_gib; /* bytes/s; CPU seconds of sender and receiver */
	double copies;            /* CPU copies per payload byte, both sides */
	int rc;
	char why[DMAF_ERR_TEXT]; /* when rc != 0 */
};

/*
 * Send for a while. @peer: "HOST:PORT" of a receiver, NULL: an own one on loopback. @mode: a word
 * of the tcp sink's mode=. @options: further ones for both ends, such as ",frame,ack"; "" none.
 */
void dmaf_try_mode(struct tried *t, const char *peer, const char *mode, const char *options,
		   const char *source, const char *sink);

/* The table of what was tried, best (least CPU) marked. */
void dmaf_print_tried(FILE *f, const struct tried *t, unsigned n);

#endif
