// SPDX-License-Identifier: MIT
/*
 * What is safe: recorded beside the file and, for who asks for it, on the disk. A buffer is given
 * back only then, because giving it back leads to its acknowledgement. While one fdatasync runs the
 * next batch gathers behind it.
 */
#include "plugins/file/sink.h"

#include <errno.h>
#include <string.h>

static int start_sync(struct file_sink *s, enum file_way way, enum file_syncing what)
{
	struct file_req *req = file_io_get(&s->io, FILE_SYNC);

	if (!req)
		return -EAGAIN; /* depth + 1 requests, and there is only one sync at a time */
	req->way = way;
	req->owner = NULL;
	file_io_queue(&s->io, req);
	s->sync = what;
	return 0;
}

/* What is written but will never be safe goes back as failed. */
static void safe_with_status(struct file_sink *s, int status)
{
	while (s->safe != s->written) {
		struct file_entry *e = file_entry_at(s, s->safe++);

		if (!e->status)
			e->status = status;
	}
}

static void lost_safety(dmaf_sink *sink, int rc, const char *what)
{
	struct file_sink *s = sink->p.priv;

	s->no_safe = true;
	if (s->failed)
		return;
	s->failed = rc;
	if (what)
		dmaf_fail(&sink->p.err, rc,
			  "file:%s: %s: %s; what was written last may not be on the "
			  "disk",
			  s->t.path, what, strerror(-rc));
}

void file_secure(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;

	if (s->sync)
		return;
	if (!sink->durable && !s->recording) {
		s->safe = s->written;
		return;
	}
	if (s->safe == s->written)
		return;
	if (s->no_safe) {
		safe_with_status(s, s->failed);
		return;
	}
	s->sync_to = s->written;
	s->syncing = s->whole;
	if (sink->durable) {
		(void)start_sync(s, FILE_BUFFERED, SYNC_DATA);
		return;
	}
	if (file_record_mark(sink, &s->syncing)) {
		lost_safety(sink, sink->p.err.code, NULL);
		safe_with_status(s, s->failed);
		return;
	}
	s->safe = s->sync_to;
}

/* Character devices have nothing to sync. */
static long tolerate(const struct file_sink *s, long res)
{
	return !s->t.regular && !s->t.block_dev && (res == -EINVAL || res == -ENOTSUP) ? 0 : res;
}

void file_synced(dmaf_sink *sink, long res)
{
	struct file_sink *s = sink->p.priv;
	enum file_syncing was = s->sync;

	s->sync = SYNC_NONE;
	if (res == -EINTR || res == -EAGAIN) {
		(void)start_sync(s,
				 was == SYNC_RECORD || was == SYNC_END_RECORD ? FILE_RECORD
									      : FILE_BUFFERED,
				 was);
		return;
	}
	res = tolerate(s, res);
	if (res < 0) {
		lost_safety(sink, (int)res, "fdatasync");
		return;
	}
	switch (was) {
	case SYNC_DATA:
		if (!s->recording) {
			s->safe = s->sync_to;
		} else if (file_record_mark(sink, &s->syncing)) {
			lost_safety(sink, sink->p.err.code, NULL);
		} else {
			(void)start_sync(s, FILE_RECORD, SYNC_RECORD);
		}
		break;
	case SYNC_RECORD: s->safe = s->sync_to; break;
	case SYNC_END_DATA: s->end = END_DATA_SAFE; break;
	case SYNC_END_RECORD: s->end = END_DONE; break;
	default: break;
	}
}

/* One step of the end that does not wait. Return: 1 a step was made, 0 one is on its way. */
static int end_step(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	int rc;

	if (s->sync)
		return 0;
	switch (s->end) {
	case END_NOT_YET:
		rc = file_trim(sink, s->pos);
		if (rc)
			return rc;
		s->end = END_TRIMMED;
		return 1;
	case END_TRIMMED:
		if (s->sync_end)
			return start_sync(s, FILE_BUFFERED, SYNC_END_DATA) ? 0 : 1;
		s->end = END_DATA_SAFE;
		return 1;
	case END_DATA_SAFE:
		if (s->recording) {
			s->record.rec.flags |= DMAF_RECORD_FINISHED;
			rc = file_record_mark(sink, &s->whole);
			if (rc)
				return rc;
		}
		s->end = END_RECORDED;
		return 1;
	case END_RECORDED:
		if (s->recording && s->sync_end)
			return start_sync(s, FILE_RECORD, SYNC_END_RECORD) ? 0 : 1;
		s->end = END_DONE;
		return 1;
	default: return 0;
	}
}

int file_finish(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	int rc;

	do {
		rc = file_move_on(sink);
		if (!rc)
			rc = s->failed;
		if (rc)
			return rc;
		if (s->safe != s->tail)
			return -EAGAIN;
		if (s->end == END_DONE)
			return 0;
		rc = end_step(sink);
	} while (rc > 0);
	return rc ? rc : -EAGAIN;
}
