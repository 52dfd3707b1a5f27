/* SPDX-License-Identifier: MIT */
/*
 * A sink that writes a byte stream to a descriptor: pipe, terminal, serial line, socket. It takes
 * buffers while there is room for them and writes as much as goes without waiting.
 */
#ifndef DMAF_COMMON_FD_OUT_H
#define DMAF_COMMON_FD_OUT_H

#include <stdbool.h>
#include <sys/uio.h>

#include <dmaflow/plugin.h>

/* How to write without waiting to a descriptor whose O_NONBLOCK others may rely on. */
enum dmaf_fd_how {
	DMAF_FD_NONBLOCK, /* it is ours and has O_NONBLOCK */
	DMAF_FD_NOWAIT,   /* pwritev2(RWF_NOWAIT): pipes */
	DMAF_FD_SOCKET,   /* MSG_DONTWAIT */
	DMAF_FD_CHUNK,    /* poll first, then no more than what poll promised room for */
	DMAF_FD_PLAIN,    /* regular files: a write does not wait for anyone */
};

#define DMAF_FD_IOVS 64

struct dmaf_fd_out {
	int fd;            /* not owned; -1: not open yet, submit takes nothing */
	const char *label; /* for messages */
	const char *copy;  /* reason that writes are counted under */
	enum dmaf_fd_how how;
	size_t chunk; /* DMAF_FD_CHUNK: bytes */
	/* private */
	struct dmaf_fd_entry *entry; /* .cap, a power of two */
	unsigned cap, head, done, tail;
	uint64_t written;
	uint64_t next_off, next_seq;
	int failed;
	bool told, sigpipe;
};

/* After the pool is known. Return: 0 or -ENOMEM. */
int dmaf_fd_out_attach(dmaf_sink *sink, struct dmaf_fd_out *out);
int dmaf_fd_out_submit(dmaf_sink *sink, struct dmaf_fd_out *out, dmaf_buf *const *bufs, unsigned n);
int dmaf_fd_out_reap(dmaf_sink *sink, struct dmaf_fd_out *out, dmaf_buf **bufs, unsigned n);
int dmaf_fd_out_flush(const struct dmaf_fd_out *out);
void dmaf_fd_out_cancel(struct dmaf_fd_out *out);
void dmaf_fd_out_wait(const struct dmaf_fd_out *out, struct dmaf_wait *w);
void dmaf_fd_out_close(struct dmaf_fd_out *out);

#endif
