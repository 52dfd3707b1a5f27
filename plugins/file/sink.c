// SPDX-License-Identifier: MIT
/* The file sink's life: opened, begun, fed, finished or given up, closed. */
#include "plugins/file/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 200 /* of 10 ms */

/*
 * One writer per file. The lock belongs to the open file, which a killed writer's requests hold as
 * long as the disk works on them: once it is ours nothing of the old stream lands any more.
 */
static int lock(const struct file_target *t, struct dmaf_err *err)
{
	struct timespec pause = {.tv_nsec = 10000000};

	if (!t->regular)
		return 0;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(t->fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
			return 0; /* a file system without locks is no reason to refuse */
		(void)nanosleep(&pause, NULL);
	}
	return dmaf_fail(err, -EBUSY, "file:%s: another program writes it; name another file",
			 t->path);
}

static int open_target(dmaf_sink *sink)
{
	static const char *const source_only[] = {"length", NULL};
	struct file_sink *s = sink->p.priv;
	struct dmaf_party *p = &sink->p;
	int rc = file_refuse_options(p, source_only, "read");

	if (!rc && s->append && s->has_offset)
		rc = dmaf_fail(&p->err, -EINVAL,
			       "%s: append and offset= name two places; leave one out",
			       dmaf_addr_text(p->addr));
	if (!rc)
		rc = file_target_open(&s->t, dmaf_addr_main(p->addr), O_WRONLY | O_CREAT,
				      dmaf_addr_u64(p->addr, "direct", 0), &p->err);
	if (!rc)
		rc = file_enter(&s->t, true, &p->err);
	if (rc)
		return rc;
	s->entered = true;
	rc = lock(&s->t, &p->err);
	/* The one that had the lock may have written since. */
	if (!rc && file_target_size(&s->t))
		rc = dmaf_fail(&p->err, -errno, "file:%s: %s", s->t.path, strerror(errno));
	return rc ? rc : file_place_open(sink);
}

static int file_open(dmaf_sink *sink)
{
	struct dmaf_party *p = &sink->p;
	struct file_sink *s = calloc(1, sizeof(*s));
	int fd[FILE_WAYS], rc;

	if (!s)
		return dmaf_fail(&p->err, -ENOMEM, "no memory for a file sink");
	p->priv = s;
	s->t.fd = s->t.dfd = s->record.fd = -1;
	s->append = dmaf_addr_u64(p->addr, "append", 0);
	s->has_offset = dmaf_addr_has(p->addr, "offset");
	rc = open_target(sink);
	if (rc)
		return rc;
	fd[FILE_BUFFERED] = s->t.fd;
	fd[FILE_DIRECT] = s->t.dfd;
	fd[FILE_RECORD] = -1;
	rc = file_io_open(&s->io, (unsigned)dmaf_addr_u64(p->addr, "depth", FILE_DEPTH), fd,
			  (enum file_engine)dmaf_addr_u64(p->addr, "engine", FILE_ENGINE_AUTO),
			  &p->count, &p->err);
	if (!rc)
		file_target_need(&s->t, s->io.depth, &p->need);
	return rc;
}

static int file_attach(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	unsigned count = dmaf_pool_count(sink->pool);

	for (s->cap = 1; s->cap < count; s->cap *= 2)
		;
	s->entry = calloc(s->cap, sizeof(*s->entry));
	if (!s->entry)
		return dmaf_fail(&sink->p.err, -ENOMEM, "no memory for %u buffers", count);
	s->last_way = s->t.dfd >= 0 ? FILE_DIRECT : FILE_BUFFERED;
	/* Buffered writes copy anyway: pinning would only eat into the limit that sends need. */
	if (s->t.dfd >= 0)
		file_io_attach(&s->io, dmaf_pool_region(sink->pool));
	sink->p.count.path = file_io_path(&s->io, s->t.dfd >= 0, true);
	return 0;
}

static int file_submit(dmaf_sink *sink, dmaf_buf *const *bufs, unsigned n)
{
	struct file_sink *s = sink->p.priv;
	unsigned took = 0;

	if (s->failed)
		return s->failed;
	while (took < n) {
		int rc = file_accept(sink, bufs[took]);

		if (rc < 0 && !took)
			return rc;
		if (rc <= 0)
			break;
		took++;
		/* Without io_uring a write is done when it was issued; the next takes its place. */
		if (s->io.uring)
			file_queue_up(sink);
		else if (file_move_on(sink))
			break;
	}
	/* A failure from here on is told by reap: these buffers are ours now. */
	(void)file_issue(sink);
	return (int)took;
}

static int file_reap(dmaf_sink *sink, dmaf_buf **bufs, unsigned n)
{
	struct file_sink *s = sink->p.priv;
	unsigned got = 0;

	(void)file_move_on(sink);
	if (s->failed && !s->told) {
		s->told = true;
		return s->failed;
	}
	while (got < n && s->head != s->safe) {
		struct file_entry *e = file_entry_at(s, s->head++);

		if (e->status && !e->buf->status)
			e->buf->status = e->status;
		bufs[got++] = e->buf;
	}
	return (int)got;
}

static int file_flush(dmaf_sink *sink, enum dmaf_flush how)
{
	/* A cut file gets its length in close, when nothing is in flight any more. */
	return how == DMAF_FLUSH_FINISH ? file_finish(sink) : 0;
}

static void file_cancel(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;

	s->told = true;
	file_give_up(sink, -ECANCELED);
}

static void file_wait(dmaf_sink *sink, struct dmaf_wait *w)
{
	struct file_sink *s = sink->p.priv;

	file_io_wait(&s->io, w);
}

static void file_close(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;

	if (!s)
		return;
	file_give_up(sink, -ECANCELED);
	if (s->begun && s->end == END_NOT_YET)
		(void)file_trim(sink, s->whole.pos);
	if (s->t.created && !s->begun)
		(void)unlink(s->t.path); /* ours, and nothing was ever meant for it */
	if (s->entered)
		file_leave(&s->t, true);
	file_io_close(&s->io);
	file_record_close(&s->record);
	file_target_close(&s->t);
	free(s->entry);
	free(s);
	sink->p.priv = NULL;
}

const struct dmaf_sink_ops file_sink_ops = {
	.open = file_open,
	.attach = file_attach,
	.resume = file_place_resume,
	.begin = file_place_begin,
	.submit = file_submit,
	.reap = file_reap,
	.flush = file_flush,
	.cancel = file_cancel,
	.wait = file_wait,
	.close = file_close,
};
