// SPDX-License-Identifier: MIT
/*
 * Getting buffers into the file. With O_DIRECT a piece that is not aligned (a tail, a partial
 * block) goes through the page cache by a second descriptor. The two ways never run at once: a
 * buffered write reads the rest of its page first and would later write it back over a direct
 * write next to it.
 */
#include "plugins/file/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <dmaflow/align.h>

#define PAGE 4096u /* a multiple of what shares a page in the cache, on machines of 4 KiB pages */

int file_failed(dmaf_sink *sink, int rc, uint64_t pos)
{
	struct file_sink *s = sink->p.priv;
	const char *hint = "";

	if (s->failed)
		return s->failed;
	s->failed = rc;
	switch (-rc) {
	case ENOSPC: hint = "; free some space, or name a file on another disk"; break;
	case EDQUOT: hint = "; raise the quota, or name a file on another disk"; break;
	case EFBIG: hint = "; the limit is this process's (ulimit -f) or the file system's"; break;
	case EIO: hint = "; the device failed, the kernel's log has more"; break;
	case EFAULT: hint = "; the kernel can't pin this memory, `dmaflow doctor` tells why"; break;
	case EINVAL:
		if (s->t.dfd >= 0)
			hint = "; the file takes no direct I/O like that, leave direct out";
		break;
	}
	return dmaf_fail(&sink->p.err, rc,
			 "file:%s: writing at %" PRIu64 ": %s, after %" PRIu64 " bytes%s",
			 s->t.path, pos, strerror(-rc), s->whole.pos - s->first_pos, hint);
}

int file_accept(dmaf_sink *sink, dmaf_buf *buf)
{
	struct file_sink *s = sink->p.priv;
	uint64_t zeros = 0, lost;
	struct file_entry *e;
	int rc;

	if (s->issue != s->tail || s->tail - s->head == s->cap)
		return 0;
	/* Zeros may share a page with what is being written: one after the other. */
	if (buf->seq != s->next_seq && sink->on_gap == DMAF_GAP_ZERO && s->io.inflight)
		return 0;
	lost = buf->seq - s->next_seq;
	rc = dmaf_gap_check(sink, buf, &s->next_seq, &s->next_off, &zeros);
	if (rc)
		return rc;
	s->lost += lost;
	if (zeros > INT64_MAX || buf->len > INT64_MAX - zeros ||
	    s->pos > INT64_MAX - zeros - buf->len)
		return file_failed(sink, -EFBIG, s->pos);
	rc = zeros ? file_zero(sink, s->pos, zeros) : 0;
	if (rc)
		return rc;
	s->pos += zeros;
	e = file_entry_at(s, s->tail++);
	*e = (struct file_entry){.buf = buf, .pos = s->pos, .issued = !buf->len};
	s->pos += buf->len;
	e->end = (struct file_mark){s->pos, s->next_off, s->next_seq, s->lost};
	file_reserve(s, s->pos);
	return 1;
}

/* Bytes at the entry's cursor that can be written directly; 0: none. Skips empty segments. */
static size_t direct_run(const struct file_sink *s, struct file_entry *e, char **p, size_t *left)
{
	const struct dmaf_seg *seg = &e->buf->seg[e->seg];

	while (e->seg_off == seg->len && e->seg + 1 < e->buf->nsegs) {
		seg = &e->buf->seg[++e->seg];
		e->seg_off = 0;
	}
	*p = (char *)dmaf_seg_data(seg) + e->seg_off;
	*left = seg->len - e->seg_off;
	if (s->t.dfd < 0 || !file_aligned(&s->t, e->pos, *p))
		return 0;
	return dmaf_align_down(*left, s->t.off_align);
}

static void gather(const struct file_sink *s, struct file_entry *e, struct file_req *req)
{
	while (req->niov < FILE_IOVS && !e->issued) {
		size_t left, direct, run;
		char *p;

		direct = direct_run(s, e, &p, &left);
		if (!left) {
			e->issued = true;
			break;
		}
		if ((direct != 0) != (req->way == FILE_DIRECT))
			break;
		run = direct ? direct : left;
		req->iov[req->niov++] = (struct iovec){p, run};
		req->len += run;
		e->pos += run;
		e->seg_off += run;
		e->issued = e->seg + 1 == e->buf->nsegs && run == left;
	}
}

/* Between the two ways: nothing in flight, and no dirty page under a direct write. */
static bool may_switch(dmaf_sink *sink, enum file_way way, uint64_t pos)
{
	struct file_sink *s = sink->p.priv;
	uint64_t page = dmaf_align_down(pos, PAGE);

	if (way == s->last_way)
		return true;
	if (s->io.inflight)
		return false;
	if (way == FILE_DIRECT && s->last_end > page)
		(void)sync_file_range(s->t.fd, (off_t)page, PAGE,
				      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					      SYNC_FILE_RANGE_WAIT_AFTER);
	if (way == FILE_BUFFERED && !s->noted_unaligned) {
		s->noted_unaligned = true;
		dmaf_note(&sink->p.count,
			  "at %" PRIu64 " a piece is not aligned to %zu: written through the page "
			  "cache",
			  pos, s->t.off_align);
	}
	s->last_way = way;
	return true;
}

static bool issue_entry(dmaf_sink *sink, struct file_entry *e)
{
	struct file_sink *s = sink->p.priv;

	while (!e->issued) {
		struct file_req *req;
		enum file_way way;
		size_t left;
		char *p;

		way = direct_run(s, e, &p, &left) ? FILE_DIRECT : FILE_BUFFERED;
		if (!may_switch(sink, way, e->pos))
			return false;
		req = file_io_get(&s->io, FILE_WRITE);
		if (!req)
			return false;
		req->way = way;
		req->pos = e->pos;
		req->owner = e;
		gather(s, e, req);
		s->last_end = e->pos;
		e->flying++;
		file_io_queue(&s->io, req);
	}
	return true;
}

void file_queue_up(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;

	while (!s->failed && s->issue != s->tail && issue_entry(sink, file_entry_at(s, s->issue)))
		s->issue++;
}

int file_issue(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	int rc;

	file_queue_up(sink);
	rc = file_io_kick(&s->io);
	return rc ? file_failed(sink, rc, s->whole.pos) : 0;
}

/* Cut what was written off the request's front. Return: false when that was nothing. */
static bool advance(const struct file_sink *s, struct file_req *req)
{
	size_t done = (size_t)req->res;
	unsigned i = 0;

	if (req->way == FILE_DIRECT)
		done = dmaf_align_down(done, s->t.off_align);
	if (!done)
		return false;
	req->pos += done;
	req->len -= done;
	while (done >= req->iov[i].iov_len)
		done -= req->iov[i++].iov_len;
	req->niov -= i;
	memmove(req->iov, req->iov + i, req->niov * sizeof(req->iov[0]));
	req->iov[0].iov_base = (char *)req->iov[0].iov_base + done;
	req->iov[0].iov_len -= done;
	return true;
}

static void landed(dmaf_sink *sink, struct file_req *req)
{
	struct file_sink *s = sink->p.priv;
	struct file_entry *e = req->owner;
	int rc = req->res < 0 ? (int)req->res : 0;

	if (req->res > 0 && req->way == FILE_BUFFERED)
		dmaf_copied(&sink->p.count, dmaf_copy_page_cache, (uint64_t)req->res);
	if (!s->failed && (rc == -EINTR || rc == -EAGAIN)) {
		file_io_queue(&s->io, req);
		return;
	}
	if (!rc && (size_t)req->res < req->len) {
		sink->p.count.errors++;
		if (!s->failed && advance(s, req)) {
			file_io_queue(&s->io, req);
			return;
		}
		/* Nothing written and no error: the end of a block device, or a full disk. */
		rc = req->res ? -EIO : -ENOSPC;
	}
	e->flying--;
	if (rc && !e->status)
		e->status = file_failed(sink, rc, req->pos);
	file_io_put(&s->io, req);
}

static void move_written(struct file_sink *s)
{
	while (s->written != s->tail) {
		struct file_entry *e = file_entry_at(s, s->written);

		if (e->flying)
			return;
		if (s->failed && !e->issued) {
			/* Never to be: behind a failure nothing is written. */
			e->issued = true;
			e->status = s->failed;
			if (s->issue == s->written)
				s->issue++;
		}
		if (!e->issued)
			return;
		if (s->issue == s->written)
			s->issue++;
		s->broken = s->broken || e->status;
		if (!s->broken)
			s->whole = e->end;
		s->written++;
	}
}

int file_move_on(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	struct file_req *req;
	bool moved;

	do {
		int rc;

		moved = false;
		while ((req = file_io_next(&s->io))) {
			moved = true;
			if (req->op == FILE_SYNC) {
				long res = req->res;

				file_io_put(&s->io, req);
				file_synced(sink, res);
			} else {
				landed(sink, req);
			}
		}
		move_written(s);
		file_secure(sink);
		rc = file_issue(sink);
		if (rc)
			return rc;
		/* Without io_uring the kick has done it all already. */
	} while (moved || (!s->io.uring && s->io.inflight));
	return 0;
}

void file_give_up(dmaf_sink *sink, int status)
{
	struct file_sink *s = sink->p.priv;
	struct file_req *req;

	if (!s->failed)
		s->failed = status;
	s->no_safe = true;
	(void)file_io_cancel(&s->io, sink->pool ? dmaf_pool_region(sink->pool) : NULL);
	while ((req = file_io_next(&s->io))) {
		if (req->op == FILE_WRITE) {
			landed(sink, req);
		} else {
			s->sync = SYNC_NONE;
			file_io_put(&s->io, req);
		}
	}
	move_written(s);
	file_secure(sink);
}
