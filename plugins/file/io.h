/* SPDX-License-Identifier: MIT */
/*
 * Reads, writes and syncs of one open file, several at a time: by io_uring, or by pread and pwrite
 * where there is none. Both look the same from above. One thread.
 */
#ifndef DMAF_FILE_IO_H
#define DMAF_FILE_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <dmaflow/plugin.h>

#define FILE_IOVS      16  /* segments of one request */
#define FILE_DEPTH     4   /* depth= unless told */
#define FILE_DEPTH_MAX 256 /* more requests than any disk keeps in flight */

enum file_op { FILE_READ, FILE_WRITE, FILE_SYNC };

/* Which descriptor a request goes to. */
enum file_way { FILE_BUFFERED, FILE_DIRECT, FILE_RECORD, FILE_WAYS };

enum file_engine { FILE_ENGINE_AUTO, FILE_ENGINE_URING, FILE_ENGINE_SYNC };

struct file_req {
	enum file_op op;
	enum file_way way;
	uint64_t pos; /* in the file */
	size_t len;   /* sum of iov */
	unsigned niov;
	struct iovec iov[FILE_IOVS];
	long res; /* bytes, or negative errno */
	void *owner;
	bool in_kernel;
	struct file_req *next;
};

struct file_list {
	struct file_req *head, **tail;
};

struct file_io;
struct file_uring;

struct file_io_ops {
	int (*kick)(struct file_io *io);
	struct file_req *(*next)(struct file_io *io);
	void (*give_up)(struct file_io *io);
};

struct file_io {
	const struct file_io_ops *ops;
	int fd[FILE_WAYS]; /* -1: none; not owned */
	unsigned depth;    /* data requests at once; one more is kept for a sync */
	unsigned inflight; /* queued and not given by file_io_next() yet */
	struct file_req *all, *idle;
	struct file_list queued, done;
	struct dmaf_counters *count;
	struct file_uring *uring;
	dmaf_region *region; /* registered, with a reference; NULL: none */
	bool gave_up;        /* a device did not answer: its ring and memory are kept for ever */
};

/*
 * @depth: 1..FILE_DEPTH_MAX; pread and pwrite take one at a time whatever it is.
 * Return: 0, or negative errno explained: no memory; engine=uring asked for and not to be had.
 * io_uring missing under engine=auto is noted in @count. Nothing is left behind on failure.
 */
int file_io_open(struct file_io *io, unsigned depth, const int fd[FILE_WAYS],
		 enum file_engine engine, struct dmaf_counters *count, struct dmaf_err *err);

/*
 * Let direct requests use the region without pinning its pages each time. What the kernel refuses
 * is noted, not an error: requests then carry plain addresses.
 */
void file_io_attach(struct file_io *io, dmaf_region *region);

/* Another descriptor for a way; the old one has no request in flight. */
void file_io_set_fd(struct file_io *io, enum file_way way, int fd);

/* An idle request, NULL when as many are out as depth allows (syncs: one more). */
struct file_req *file_io_get(struct file_io *io, enum file_op op);
void file_io_put(struct file_io *io, struct file_req *req);

/* To the end of what the next kick hands to the kernel. */
void file_io_queue(struct file_io *io, struct file_req *req);

/* One system call for all that was queued. Return: 0 or negative errno. */
int file_io_kick(struct file_io *io);

/* A request that is done; NULL: none now. */
struct file_req *file_io_next(struct file_io *io);

/*
 * End every request in bounded time: afterwards neither kernel nor disk uses any buffer. A device
 * that does not answer for 10 s is given up: its requests come back with -ETIMEDOUT, and @region
 * (what they refer to) is never freed. The requests are then given by file_io_next().
 * Return: 0 or -ETIMEDOUT.
 */
int file_io_cancel(struct file_io *io, dmaf_region *region);

void file_io_wait(const struct file_io *io, struct dmaf_wait *w);

/* After file_io_cancel(). A zeroed io is accepted. */
void file_io_close(struct file_io *io);

/* "O_DIRECT io_uring fixed" and its like. */
const char *file_io_path(const struct file_io *io, bool direct, bool writes);

/* uring.c; -ENOSYS where it was built without. */
int file_uring_open(struct file_io *io, struct dmaf_err *err);
void file_uring_close(struct file_io *io);
void file_uring_attach(struct file_io *io, dmaf_region *region);
void file_uring_set_fd(struct file_io *io, enum file_way way);
int file_uring_poll_fd(const struct file_io *io);

void file_list_push(struct file_list *l, struct file_req *req);
struct file_req *file_list_pop(struct file_list *l);

#endif
