// SPDX-License-Identifier: MIT
#include "plugins/file/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void file_list_push(struct file_list *l, struct file_req *req)
{
	req->next = NULL;
	*l->tail = req;
	l->tail = &req->next;
}

struct file_req *file_list_pop(struct file_list *l)
{
	struct file_req *req = l->head;

	if (!req)
		return NULL;
	l->head = req->next;
	if (!l->head)
		l->tail = &l->head;
	return req;
}

static long transfer(const struct file_io *io, struct file_req *req)
{
	int fd = io->fd[req->way];
	long n;

	do {
		switch (req->op) {
		case FILE_READ: n = preadv(fd, req->iov, (int)req->niov, (off_t)req->pos); break;
		case FILE_WRITE: n = pwritev(fd, req->iov, (int)req->niov, (off_t)req->pos); break;
		default: n = fdatasync(fd); break;
		}
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int sync_kick(struct file_io *io)
{
	struct file_req *req;

	while ((req = file_list_pop(&io->queued))) {
		req->res = transfer(io, req);
		file_list_push(&io->done, req);
	}
	return 0;
}

static struct file_req *sync_next(struct file_io *io)
{
	return file_list_pop(&io->done);
}

static void sync_give_up(struct file_io *io)
{
	struct file_req *req;

	while ((req = file_list_pop(&io->queued))) {
		req->res = -ECANCELED;
		file_list_push(&io->done, req);
	}
}

static const struct file_io_ops sync_ops = {sync_kick, sync_next, sync_give_up};

static int choose_engine(struct file_io *io, enum file_engine engine, struct dmaf_err *err)
{
	struct dmaf_err why = {0};
	int rc = -ENOSYS;

	if (engine != FILE_ENGINE_SYNC)
		rc = file_uring_open(io, &why);
	if (!rc)
		return 0;
	if (engine == FILE_ENGINE_URING)
		return dmaf_fail(err, rc, "engine=uring: %s; engine=sync does without", why.text);
	if (engine == FILE_ENGINE_AUTO)
		dmaf_note(io->count, "%s: pread and pwrite instead, one at a time", why.text);
	io->ops = &sync_ops;
	/* Blocking calls one after the other gain nothing from being gathered. */
	io->depth = 1;
	return 0;
}

int file_io_open(struct file_io *io, unsigned depth, const int fd[FILE_WAYS],
		 enum file_engine engine, struct dmaf_counters *count, struct dmaf_err *err)
{
	int rc;

	*io = (struct file_io){.depth = depth, .count = count};
	memcpy(io->fd, fd, sizeof(io->fd));
	io->queued.tail = &io->queued.head;
	io->done.tail = &io->done.head;
	io->all = calloc(depth + 1, sizeof(*io->all));
	if (!io->all)
		return dmaf_fail(err, -ENOMEM, "no memory for depth=%u", depth);
	for (unsigned i = 0; i <= depth; i++)
		file_io_put(io, &io->all[i]);
	rc = choose_engine(io, engine, err);
	if (rc)
		file_io_close(io);
	return rc;
}

void file_io_attach(struct file_io *io, dmaf_region *region)
{
	if (io->uring)
		file_uring_attach(io, region);
}

void file_io_set_fd(struct file_io *io, enum file_way way, int fd)
{
	io->fd[way] = fd;
	if (io->uring)
		file_uring_set_fd(io, way);
}

struct file_req *file_io_get(struct file_io *io, enum file_op op)
{
	struct file_req *req = io->idle;

	if (!req || (op != FILE_SYNC && io->inflight >= io->depth))
		return NULL;
	io->idle = req->next;
	req->op = op;
	req->len = 0;
	req->niov = 0;
	return req;
}

void file_io_put(struct file_io *io, struct file_req *req)
{
	req->next = io->idle;
	io->idle = req;
}

void file_io_queue(struct file_io *io, struct file_req *req)
{
	file_list_push(&io->queued, req);
	io->inflight++;
}

int file_io_kick(struct file_io *io)
{
	return io->ops->kick(io);
}

struct file_req *file_io_next(struct file_io *io)
{
	struct file_req *req = io->inflight ? io->ops->next(io) : NULL;

	if (req)
		io->inflight--;
	return req;
}

int file_io_cancel(struct file_io *io, dmaf_region *region)
{
	if (!io->ops || !io->inflight)
		return 0;
	io->ops->give_up(io);
	if (!io->gave_up)
		return 0;
	if (region)
		(void)dmaf_region_get(region); /* on purpose never put */
	return -ETIMEDOUT;
}

void file_io_wait(const struct file_io *io, struct dmaf_wait *w)
{
	if (io->inflight && io->uring)
		dmaf_wait_fd(w, file_uring_poll_fd(io), POLLIN);
}

void file_io_close(struct file_io *io)
{
	file_uring_close(io);
	/* A disk that never answered may still write its result through the ring into these. */
	if (!io->gave_up)
		free(io->all);
	*io = (struct file_io){0};
}

const char *file_io_path(const struct file_io *io, bool direct, bool writes)
{
	if (!io->uring)
		return direct   ? writes ? "O_DIRECT pwrite" : "O_DIRECT pread"
		       : writes ? "pwrite"
				: "pread";
	if (!direct)
		return "io_uring";
	return io->region ? "O_DIRECT io_uring fixed" : "O_DIRECT io_uring";
}
