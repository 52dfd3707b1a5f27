// SPDX-License-Identifier: MIT
/*
 * Reading a file: depth reads ahead of what was given out, delivered in order though they end in
 * any. The end is where a read gives nothing, not where the size said it would be: a file may grow
 * or shrink meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <dmaflow/align.h>

#include "plugins/file/file.h"

/* What a start in the middle is brought back to: every alignment there is. */
#define REALIGN 4096u

enum slot_state { SLOT_READING, SLOT_FULL, SLOT_END, SLOT_FAILED };

struct slot {
	dmaf_buf *buf;
	uint64_t pos;
	size_t want; /* bytes to give out */
	size_t ask;  /* bytes to read: want, rounded up for direct I/O */
	size_t done;
	uint64_t mono_ns;
	enum slot_state state;
	int error;
};

struct file_source {
	struct file_target t;
	struct file_io io;
	struct slot *slot;   /* a ring of .depth; the head is given out next */
	unsigned head, tail; /* free-running */
	unsigned depth;
	uint64_t base;     /* position of the stream's byte 0 */
	uint64_t pos, end; /* next read, where the stream ends at the latest */
	uint64_t off, seq; /* of the next buffer given out */
	uint64_t hint;     /* size when we last looked; no reading ahead beyond it */
	bool entered, stopping, ended;
};

static struct slot *slot_at(const struct file_source *f, unsigned i)
{
	return &f->slot[i % f->depth];
}

static int file_open(dmaf_source *src)
{
	static const char *const sink_only[] = {"append", "sync", "prealloc", NULL};
	struct dmaf_party *p = &src->p;
	struct file_source *f = calloc(1, sizeof(*f));
	uint64_t len;
	int fd[FILE_WAYS], rc;

	if (!f)
		return dmaf_fail(&p->err, -ENOMEM, "no memory for a file source");
	p->priv = f;
	f->t.fd = f->t.dfd = -1;
	rc = file_refuse_options(p, sink_only, "written");
	if (!rc)
		rc = file_target_open(&f->t, dmaf_addr_main(p->addr), O_RDONLY,
				      dmaf_addr_u64(p->addr, "direct", 0), &p->err);
	if (!rc)
		rc = file_enter(&f->t, false, &p->err);
	if (rc)
		return rc;
	f->entered = true;
	f->base = dmaf_addr_u64(p->addr, "offset", 0);
	len = dmaf_addr_u64(p->addr, "length", 0);
	f->end = len && len < (uint64_t)INT64_MAX - f->base ? f->base + len : INT64_MAX;
	if (f->base > f->t.size)
		return dmaf_fail(&p->err, -EINVAL,
				 "file:%s: offset=%" PRIu64 " lies beyond its end, it has %" PRIu64
				 " bytes",
				 f->t.path, f->base, f->t.size);
	fd[FILE_BUFFERED] = f->t.fd;
	fd[FILE_DIRECT] = f->t.dfd;
	fd[FILE_RECORD] = -1;
	rc = file_io_open(&f->io, (unsigned)dmaf_addr_u64(p->addr, "depth", FILE_DEPTH), fd,
			  (enum file_engine)dmaf_addr_u64(p->addr, "engine", FILE_ENGINE_AUTO),
			  &p->count, &p->err);
	if (rc)
		return rc;
	f->depth = f->io.depth;
	f->slot = calloc(f->depth, sizeof(*f->slot));
	if (!f->slot)
		return dmaf_fail(&p->err, -ENOMEM, "no memory for depth=%u", f->depth);
	file_target_need(&f->t, f->depth, &p->need);
	return 0;
}

static int file_attach(dmaf_source *src)
{
	struct file_source *f = src->p.priv;

	/* Buffered reads copy anyway: pinning would only eat into the limit that sends need. */
	if (f->t.dfd >= 0)
		file_io_attach(&f->io, dmaf_pool_region(src->pool));
	src->p.count.path = file_io_path(&f->io, f->t.dfd >= 0, false);
	return 0;
}

static int file_start(dmaf_source *src, const struct dmaf_resume *resume)
{
	struct file_source *f = src->p.priv;
	int rc = file_target_size(&f->t);

	if (rc)
		return dmaf_fail(&src->p.err, rc, "file:%s: %s", f->t.path, strerror(-rc));
	/* What a sink has of another stream is no place in this one. */
	if (resume && !memcmp(resume->id, src->stream.id, sizeof(resume->id))) {
		f->off = resume->offset;
		f->seq = resume->seq;
	}
	if (f->off > f->t.size || f->base > f->t.size - f->off)
		return dmaf_fail(
			&src->p.err, -EINVAL,
			"file:%s: the receiver has %" PRIu64 " bytes already, and from %" PRIu64
			" on there are only %" PRIu64 ": it is not the file it was",
			f->t.path, f->off, f->base, f->base < f->t.size ? f->t.size - f->base : 0);
	f->pos = f->base + f->off;
	f->hint = f->t.size;
	if (f->t.dfd < 0)
		(void)posix_fadvise(f->t.fd, (off_t)f->pos, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

/* Hand the rest of a slot's read to the kernel. */
static bool ask(struct file_source *f, struct slot *s)
{
	struct file_req *req = file_io_get(&f->io, FILE_READ);
	char *p = (char *)dmaf_buf_data(s->buf) + s->done;
	uint64_t pos = s->pos + s->done;

	if (!req)
		return false;
	req->len = s->ask - s->done;
	req->way = FILE_BUFFERED;
	if (f->t.dfd >= 0 && file_aligned(&f->t, pos, p) &&
	    dmaf_is_aligned(req->len, f->t.off_align))
		req->way = FILE_DIRECT;
	else
		req->len = s->want - s->done;
	req->pos = pos;
	req->iov[0] = (struct iovec){p, req->len};
	req->niov = 1;
	req->owner = s;
	file_io_queue(&f->io, req);
	return true;
}

static void plan(struct file_source *f, struct slot *s, dmaf_buf *b)
{
	size_t room = dmaf_buf_room(b), up;

	*s = (struct slot){.buf = b, .pos = f->pos, .want = room, .state = SLOT_READING};
	if (s->want > f->end - f->pos)
		s->want = (size_t)(f->end - f->pos);
	s->ask = s->want;
	if (f->t.dfd < 0)
		return;
	if (!dmaf_is_aligned(f->pos, f->t.off_align)) {
		/* A short block first, so that all that follow are direct. */
		up = REALIGN - (size_t)(f->pos & (REALIGN - 1));
		if (s->want > up)
			s->want = s->ask = up;
		return;
	}
	if (dmaf_align_up(s->want, f->t.off_align, &up) && up <= room)
		s->ask = up;
}

static void read_ahead(dmaf_source *src, struct file_source *f)
{
	while (!f->stopping && !f->ended && f->tail - f->head < f->depth && f->pos < f->end) {
		struct slot *s = slot_at(f, f->tail);
		dmaf_buf *b;

		/* Past the size one read looks for more; several would only find the same end. */
		if (f->pos >= f->hint && f->tail != f->head)
			return;
		if (f->io.inflight >= f->io.depth)
			return;
		b = dmaf_pool_try(src->pool);
		if (!b)
			return;
		plan(f, s, b);
		f->pos += s->want;
		f->tail++;
		(void)ask(f, s);
	}
}

static void landed(struct file_source *f, struct slot *s, const struct file_req *req, uint64_t now)
{
	if (req->res < 0) {
		s->error = (int)req->res;
		s->state = SLOT_FAILED;
		return;
	}
	if (req->res == 0) {
		s->state = SLOT_END;
		return;
	}
	if (req->way == FILE_BUFFERED)
		dmaf_copied(f->io.count, dmaf_copy_page_cache, (uint64_t)req->res);
	s->done += (size_t)req->res;
	s->mono_ns = now;
	if (s->done >= s->want) {
		s->done = s->want;
		s->state = SLOT_FULL;
	}
}

/* Returns how many reads ended. */
static unsigned collect(struct file_source *f)
{
	struct file_req *req;
	uint64_t now = 0;
	unsigned n = 0;

	while ((req = file_io_next(&f->io))) {
		struct slot *s = req->owner;
		bool again = req->res == -EINTR || req->res == -EAGAIN;

		if (!now)
			now = dmaf_now_ns();
		if (!again)
			landed(f, s, req, now);
		file_io_put(&f->io, req);
		/* Short: ask for the rest, which also tells an end from a hiccup. */
		if (s->state == SLOT_READING)
			(void)ask(f, s);
		n++;
	}
	return n;
}

static void give(struct file_source *f, struct slot *s, bool last)
{
	dmaf_buf *b = s->buf;

	b->seq = f->seq++;
	b->offset = f->off;
	b->mono_ns = s->mono_ns;
	b->flags = (s->done < dmaf_buf_room(b) ? DMAF_BUF_PARTIAL : 0) | (last ? DMAF_BUF_LAST : 0);
	f->off += s->done;
	dmaf_buf_filled(b, s->done);
	s->buf = NULL;
}

static int read_failed(dmaf_source *src, struct file_source *f, const struct slot *s)
{
	const char *why = s->error == -EFAULT
				  ? "; the kernel can't pin this memory, `dmaflow doctor` "
				    "tells why"
			  : s->error == -EINVAL && f->t.dfd >= 0
				  ? "; this file takes no direct I/O like that, leave direct out"
				  : "";

	return dmaf_fail(&src->p.err, s->error,
			 "file:%s: reading at %" PRIu64 ": %s, after %" PRIu64 " good bytes%s",
			 f->t.path, s->pos + s->done, strerror(-s->error), f->off, why);
}

/* The end was found in @s: what was read behind it, if anything, is of a file that shrank. */
static void end_at(struct file_source *f)
{
	f->ended = true;
	f->end = f->pos = f->base + f->off;
}

static void drop_ended(struct file_source *f)
{
	while (f->head != f->tail && slot_at(f, f->head)->state != SLOT_READING) {
		struct slot *s = slot_at(f, f->head++);

		if (s->buf)
			dmaf_buf_abandon(s->buf);
	}
}

/* Give out what is ready at the head. Return: how many, or negative errno. */
static int deliver(dmaf_source *src, struct file_source *f, dmaf_buf **bufs, unsigned n)
{
	unsigned got = 0;

	while (got < n && f->head != f->tail && !f->ended) {
		struct slot *s = slot_at(f, f->head);
		dmaf_buf *b = s->buf;

		if (s->state == SLOT_READING)
			break;
		if (s->state == SLOT_FAILED)
			return got ? (int)got : read_failed(src, f, s);
		if (s->state == SLOT_END && !s->done) {
			end_at(f);
			break;
		}
		bufs[got++] = b;
		f->head++;
		if (s->pos + s->done > f->hint && !file_target_size(&f->t))
			f->hint = f->t.size; /* it grows: read ahead in what is new */
		if (s->state == SLOT_END || s->pos + s->done >= f->end) {
			give(f, s, true);
			end_at(f);
			break;
		}
		give(f, s, false);
	}
	return (int)got;
}

static int file_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct file_source *f = src->p.priv;
	unsigned got = 0;

	do {
		int rc;

		read_ahead(src, f);
		rc = file_io_kick(&f->io);
		if (rc)
			return dmaf_fail(&src->p.err, rc, "file:%s: io_uring: %s", f->t.path,
					 strerror(-rc));
		if (!collect(f) &&
		    (f->head == f->tail || slot_at(f, f->head)->state == SLOT_READING))
			break;
		rc = deliver(src, f, bufs + got, n - got);
		if (rc < 0)
			return got ? (int)got : rc;
		got += (unsigned)rc;
		/* Without io_uring each read blocks: others get their turn after one. */
	} while (!f->ended && (f->io.uring ? got < n : !got));
	if (f->ended)
		drop_ended(f);
	if (got)
		return (int)got;
	if (f->head == f->tail && (f->ended || f->stopping || f->pos >= f->end))
		return DMAF_END;
	return 0;
}

static int file_stop(dmaf_source *src)
{
	struct file_source *f = src->p.priv;

	f->stopping = true;
	return 0;
}

static int file_cancel(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	struct file_source *f = src->p.priv;
	struct file_req *req;
	unsigned got = 0;

	f->stopping = true;
	(void)file_io_cancel(&f->io, dmaf_pool_region(src->pool));
	while ((req = file_io_next(&f->io))) {
		((struct slot *)req->owner)->state = SLOT_FAILED;
		((struct slot *)req->owner)->error = -ECANCELED;
		file_io_put(&f->io, req);
	}
	while (got < n && f->head != f->tail) {
		struct slot *s = slot_at(f, f->head++);

		if (s->buf)
			bufs[got++] = s->buf;
		s->buf = NULL;
	}
	return (int)got;
}

static void file_wait(dmaf_source *src, struct dmaf_wait *w)
{
	struct file_source *f = src->p.priv;

	file_io_wait(&f->io, w);
}

static void file_close(dmaf_source *src)
{
	struct file_source *f = src->p.priv;

	if (!f)
		return;
	if (f->entered)
		file_leave(&f->t, false);
	(void)file_io_cancel(&f->io, src->pool ? dmaf_pool_region(src->pool) : NULL);
	file_io_close(&f->io);
	file_target_close(&f->t);
	free(f->slot);
	free(f);
	src->p.priv = NULL;
}

const struct dmaf_source_ops file_source_ops = {
	.open = file_open,
	.attach = file_attach,
	.start = file_start,
	.dequeue = file_dequeue,
	.stop = file_stop,
	.cancel = file_cancel,
	.wait = file_wait,
	.close = file_close,
};
