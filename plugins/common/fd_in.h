/* SPDX-License-Identifier: MIT */
/*
 * A source that reads a byte stream from a descriptor: pipe, terminal, serial line. It fills a
 * block and hands it over when it is full, or when its first byte has waited long enough.
 */
#ifndef DMAF_COMMON_FD_IN_H
#define DMAF_COMMON_FD_IN_H

#include <stdbool.h>

#include <dmaflow/plugin.h>

struct dmaf_fd_in {
	int fd;            /* not owned; its O_NONBLOCK is neither needed nor changed */
	const char *label; /* for messages */
	const char *copy;  /* reason that reads are counted under */
	uint64_t delay_ns; /* of a byte in a block that does not fill */
	/* private */
	dmaf_buf *cur; /* being filled */
	size_t fill;
	uint64_t first_ns, last_ns; /* its first and last bytes' arrival, CLOCK_MONOTONIC */
	uint64_t off, seq;
	bool ended, stopping;
	int end_errno; /* why it ended: 0 end of file, or what read(2) said */
};

/* The ops of a source that has nothing else to do; all run on its struct dmaf_fd_in. */

/* Return: buffers, 0, DMAF_END, or negative errno explained. EIO is a hang-up: an end. */
int dmaf_fd_in_dequeue(dmaf_source *src, struct dmaf_fd_in *in, dmaf_buf **bufs, unsigned n);
int dmaf_fd_in_cancel(dmaf_source *src, struct dmaf_fd_in *in, dmaf_buf **bufs, unsigned n);
void dmaf_fd_in_wait(dmaf_source *src, struct dmaf_fd_in *in, struct dmaf_wait *w);

#endif
