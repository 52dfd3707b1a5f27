// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "config.h"
#include "plugins/file/io.h"

#if DMAF_HAVE_URING

#include <liburing.h>

#define FIXED_MAX  ((size_t)1 << 30) /* bytes of one registered buffer: io_uring_register(2) */
#define FIXED_BUFS 64
#define GIVE_UP_S  10

/* Completions wait for our next system call instead of interrupting us for each. */
#define COOPERATIVE (IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG)

struct file_uring {
	struct io_uring ring;
	struct dmaf_engine engine;
	char *base; /* of the registered region */
	size_t len;
	bool files; /* descriptors are registered */
};

/* The key says nothing: one ring registers one region. */
static int attach(dmaf_engine *engine, dmaf_region *region, struct dmaf_attachment *att,
		  struct dmaf_err *err)
{
	struct file_uring *u = engine->priv;
	struct iovec iov[FIXED_BUFS];
	unsigned n = 0;
	int rc;

	for (size_t at = 0; at < region->len; at += FIXED_MAX) {
		size_t left = region->len - at;

		if (n == FIXED_BUFS)
			return dmaf_fail(err, -ENOSPC, "%s: more than %u GiB", region->name,
					 FIXED_BUFS);
		iov[n++] = (struct iovec){(char *)region->cpu + at,
					  left < FIXED_MAX ? left : FIXED_MAX};
	}
	rc = io_uring_register_buffers(&u->ring, iov, n);
	if (rc)
		return dmaf_fail(err, rc, "%s: %s", region->name, strerror(-rc));
	u->base = region->cpu;
	u->len = region->len;
	return 0;
}

static void detach(dmaf_engine *engine, dmaf_region *region, struct dmaf_attachment *att)
{
	struct file_uring *u = engine->priv;

	(void)io_uring_unregister_buffers(&u->ring);
	u->base = NULL;
	u->len = 0;
}

static const struct dmaf_engine_ops engine_ops = {attach, detach};

/* The registered buffer that holds all of @iov, or -1. */
static int fixed_index(const struct file_uring *u, const struct iovec *iov)
{
	size_t off = (size_t)((char *)iov->iov_base - u->base);

	/* An address below base wraps to an offset beyond len. */
	if (!u->base || off >= u->len || iov->iov_len > u->len - off)
		return -1;
	if (off / FIXED_MAX != (off + iov->iov_len - 1) / FIXED_MAX)
		return -1;
	return (int)(off / FIXED_MAX);
}

static void prepare(struct file_io *io, struct io_uring_sqe *sqe, struct file_req *req)
{
	struct file_uring *u = io->uring;
	int fd = u->files ? (int)req->way : io->fd[req->way];
	int buf = req->niov == 1 ? fixed_index(u, req->iov) : -1;
	void *p = req->iov[0].iov_base;
	unsigned len = (unsigned)req->len;

	if (req->op == FILE_SYNC)
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	else if (buf >= 0 && req->op == FILE_READ)
		io_uring_prep_read_fixed(sqe, fd, p, len, req->pos, buf);
	else if (buf >= 0)
		io_uring_prep_write_fixed(sqe, fd, p, len, req->pos, buf);
	else if (req->op == FILE_READ)
		io_uring_prep_readv(sqe, fd, req->iov, req->niov, req->pos);
	else
		io_uring_prep_writev(sqe, fd, req->iov, req->niov, req->pos);
	if (u->files)
		sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, req);
	req->in_kernel = true;
}

/* The next completion: its request, NULL for the answer to a cancellation. */
static struct file_req *take(struct io_uring *ring, struct io_uring_cqe *cqe)
{
	struct file_req *req = io_uring_cqe_get_data(cqe);

	if (req) {
		req->res = cqe->res;
		req->in_kernel = false;
	}
	io_uring_cqe_seen(ring, cqe);
	return req;
}

static int kick(struct file_io *io)
{
	struct io_uring *ring = &io->uring->ring;
	struct io_uring_sqe *sqe;
	int rc;

	/* Twice as many entries as requests: there is always room. */
	while (io->queued.head && (sqe = io_uring_get_sqe(ring)))
		prepare(io, sqe, file_list_pop(&io->queued));
	if (!io_uring_sq_ready(ring))
		return 0;
	rc = io_uring_submit(ring);
	/* Not now; what was not taken goes with the next kick. */
	if (rc == -EAGAIN || rc == -EBUSY || rc == -EINTR)
		return 0;
	return rc < 0 ? rc : 0;
}

static struct file_req *next(struct file_io *io)
{
	struct file_req *req = file_list_pop(&io->done);
	struct io_uring_cqe *cqe;

	while (!req && io->inflight && !io->gave_up && !io_uring_peek_cqe(&io->uring->ring, &cqe))
		req = take(&io->uring->ring, cqe);
	return req;
}

/* Ask for the end of everything, then wait for the kernel to say so of each request. */
static void give_up(struct file_io *io)
{
	struct io_uring *ring = &io->uring->ring;
	struct __kernel_timespec ts = {.tv_sec = GIVE_UP_S};
	struct io_uring_cqe *cqe;
	struct file_req *req;
	unsigned flying = 0;

	while ((req = file_list_pop(&io->queued))) {
		req->res = -ECANCELED;
		file_list_push(&io->done, req);
	}
	for (unsigned i = 0; i <= io->depth; i++) {
		struct io_uring_sqe *sqe;

		if (!io->all[i].in_kernel)
			continue;
		flying++;
		sqe = io_uring_get_sqe(ring);
		if (!sqe)
			continue; /* what is not cancelled ends by itself */
		io_uring_prep_cancel(sqe, &io->all[i], 0);
		io_uring_sqe_set_data(sqe, NULL);
	}
	(void)io_uring_submit(ring);
	while (flying) {
		int rc = io_uring_wait_cqe_timeout(ring, &cqe, &ts);

		if (rc == -EINTR)
			continue;
		if (rc)
			break;
		req = take(ring, cqe);
		if (!req)
			continue;
		file_list_push(&io->done, req);
		flying--;
	}
	if (!flying)
		return;
	io->gave_up = true;
	for (unsigned i = 0; i <= io->depth; i++)
		if (io->all[i].in_kernel) {
			io->all[i].res = -ETIMEDOUT;
			file_list_push(&io->done, &io->all[i]);
		}
}

static const struct file_io_ops uring_ops = {kick, next, give_up};

static void explain_setup(int rc, struct dmaf_err *err)
{
	if (rc == -EPERM)
		dmaf_fail(err, rc,
			  "io_uring is forbidden here (sysctl kernel.io_uring_disabled, or a "
			  "seccomp filter)");
	else if (rc == -ENOSYS)
		dmaf_fail(err, rc, "io_uring is not in this kernel, or a seccomp filter hides it");
	else
		dmaf_fail(err, rc, "io_uring: %s", strerror(-rc));
}

int file_uring_open(struct file_io *io, struct dmaf_err *err)
{
	struct file_uring *u = calloc(1, sizeof(*u));
	struct io_uring_params p = {.flags = COOPERATIVE};
	int rc;

	if (!u)
		return dmaf_fail(err, -ENOMEM, "no memory for io_uring");
	rc = io_uring_queue_init_params(2 * (io->depth + 1), &u->ring, &p);
	if (rc == -EINVAL) { /* before Linux 5.19 */
		p = (struct io_uring_params){.flags = IORING_SETUP_CLAMP};
		rc = io_uring_queue_init_params(2 * (io->depth + 1), &u->ring, &p);
	}
	if (rc) {
		free(u);
		explain_setup(rc, err);
		return rc;
	}
	(void)io_uring_ring_dontfork(&u->ring);
	u->engine = (struct dmaf_engine){&engine_ops, "io_uring", u};
	u->files = !io_uring_register_files(&u->ring, io->fd, FILE_WAYS);
	io->uring = u;
	io->ops = &uring_ops;
	return 0;
}

void file_uring_set_fd(struct file_io *io, enum file_way way)
{
	struct file_uring *u = io->uring;

	if (u->files && io_uring_register_files_update(&u->ring, way, &io->fd[way], 1) != 1) {
		(void)io_uring_unregister_files(&u->ring);
		u->files = false;
	}
}

void file_uring_attach(struct file_io *io, dmaf_region *region)
{
	struct file_uring *u = io->uring;
	struct dmaf_err why = {0};
	struct rlimit lim;

	if (!dmaf_region_attach(region, &u->engine, &why)) {
		io->region = dmaf_region_get(region);
		return;
	}
	if (why.code == -ENOMEM && !getrlimit(RLIMIT_MEMLOCK, &lim) &&
	    lim.rlim_cur != RLIM_INFINITY && lim.rlim_cur < region->len)
		dmaf_note(
			io->count,
			"%zu KiB can't be registered with io_uring, the limit is %llu (ulimit -l): "
			"pages are pinned for each request",
			region->len / 1024, (unsigned long long)lim.rlim_cur / 1024);
	else
		dmaf_note(io->count,
			  "not registered with io_uring (%s): pages are pinned for each request",
			  why.text);
}

int file_uring_poll_fd(const struct file_io *io)
{
	return io->uring->ring.ring_fd;
}

void file_uring_close(struct file_io *io)
{
	struct file_uring *u = io->uring;

	if (!u)
		return;
	if (io->gave_up)
		return;
	if (io->region) {
		dmaf_region_detach(io->region, &u->engine);
		dmaf_region_put(io->region);
	}
	/* The ring itself goes later, in the background; the files would stay open until then. */
	if (u->files)
		(void)io_uring_unregister_files(&u->ring);
	io_uring_queue_exit(&u->ring);
	free(u);
}

#else

int file_uring_open(struct file_io *io, struct dmaf_err *err)
{
	return dmaf_fail(err, -ENOSYS, "io_uring was left out of this build");
}

void file_uring_close(struct file_io *io)
{
}

void file_uring_attach(struct file_io *io, dmaf_region *region)
{
}

void file_uring_set_fd(struct file_io *io, enum file_way way)
{
}

int file_uring_poll_fd(const struct file_io *io)
{
	return -1;
}

#endif
