// SPDX-License-Identifier: MIT
/* Where in the file a stream goes: truncated, appended, resumed, reserved, trimmed. */
#include "plugins/file/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define RESERVE_STEP (64ull << 20)

static int place_failed(dmaf_sink *sink, const char *what)
{
	struct file_sink *s = sink->p.priv;

	return dmaf_fail(&sink->p.err, -errno, "file:%s: %s: %s", s->t.path, what, strerror(errno));
}

static bool stream_has_id(const dmaf_sink *sink)
{
	static const uint8_t none[16];

	return sink->stream && memcmp(sink->stream->id, none, sizeof(none)) != 0;
}

static void id_text(char out[33], const uint8_t id[16])
{
	for (unsigned i = 0; i < 16; i++)
		(void)snprintf(out + (size_t)i * 2, 3, "%02x", id[i]);
}

int file_place_open(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	int rc;

	if (!s->append)
		return 0;
	if (!s->t.regular)
		return dmaf_fail(&sink->p.err, -EINVAL,
				 "file:%s,append: only a regular file has an end to append to; "
				 "offset= names a place",
				 s->t.path);
	rc = file_record_load(&s->record, s->t.path, &sink->p.err);
	if (rc || !s->record.found)
		return rc;
	if (s->t.created) {
		dmaf_note(&sink->p.count,
			  "%s was left over from a file that is gone: it begins anew",
			  s->record.path);
		s->record.found = false;
		return 0;
	}
	if (s->t.size < s->record.rec.file_pos)
		return dmaf_fail(&sink->p.err, -EINVAL,
				 "file:%s,append: it has %" PRIu64
				 " bytes and its record %s says %" PRIu64
				 " were written: it was cut or replaced; remove both to begin anew",
				 s->t.path, s->t.size, s->record.path, s->record.rec.file_pos);
	return 0;
}

int file_place_resume(dmaf_sink *sink, struct dmaf_resume *resume)
{
	struct file_sink *s = sink->p.priv;

	if (!s->record.found)
		return 0;
	memcpy(resume->id, s->record.rec.id, sizeof(resume->id));
	resume->offset = s->record.rec.pos.offset;
	resume->seq = s->record.rec.pos.sequence;
	return 1;
}

/* The stream that the record tells of, or one after it. Sets .pos, .next_off and .next_seq. */
static int place_recorded(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	const struct dmaf_record *r = &s->record.rec;
	bool same = stream_has_id(sink) && !memcmp(r->id, sink->stream->id, sizeof(r->id));
	char is[33], was[33];

	if (same) {
		s->next_off = r->pos.offset;
		s->next_seq = r->pos.sequence;
		s->lost = r->pos.lost;
	}
	if (r->flags & DMAF_RECORD_FINISHED) {
		s->pos = s->t.size; /* all of it is data, and maybe what was appended since */
		return 0;
	}
	if (same) {
		s->pos = r->file_pos;
		return 0;
	}
	id_text(was, r->id);
	id_text(is, stream_has_id(sink) ? sink->stream->id : (const uint8_t[16]){0});
	return dmaf_fail(
		&sink->p.err, -EEXIST,
		"file:%s,append: it holds %" PRIu64 " bytes of stream %s, which is not "
		"finished, and this is %s%s; finish that one first, leave append out to begin "
		"anew, or name another file",
		s->t.path, r->pos.offset, was, stream_has_id(sink) ? "stream " : "",
		stream_has_id(sink) ? is : "an unframed stream");
}

int file_record_mark(dmaf_sink *sink, const struct file_mark *m)
{
	struct file_sink *s = sink->p.priv;
	struct dmaf_record *r = &s->record.rec;

	r->pos.offset = m->off;
	r->pos.sequence = m->seq;
	r->pos.lost = m->lost;
	r->file_pos = m->pos;
	return file_record_write(&s->record, &sink->p.err);
}

static int start_record(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	struct dmaf_record *r = &s->record.rec;
	int rc = file_record_create(&s->record, sink->durable, &sink->p.err);

	if (rc)
		return rc;
	memcpy(r->id, sink->stream->id, sizeof(r->id));
	r->flags = 0;
	rc = file_record_mark(sink, &s->whole);
	if (!rc && sink->durable && fdatasync(s->record.fd))
		rc = place_failed(sink, "syncing its record");
	if (rc)
		return rc;
	file_io_set_fd(&s->io, FILE_RECORD, s->record.fd);
	s->recording = true;
	return 0;
}

static int no_space(dmaf_sink *sink, uint64_t len, uint64_t unused)
{
	struct file_sink *s = sink->p.priv;

	return dmaf_fail(&sink->p.err, -ENOSPC,
			 "file:%s: prealloc=%" PRIu64 ": only %" PRIu64 " bytes are free",
			 s->t.path, len, unused);
}

static int reserve_asked(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	uint64_t len = dmaf_addr_u64(sink->p.addr, "prealloc", 0), unused;
	struct statvfs vfs;

	if (!len || !s->t.regular)
		return 0;
	if (fstatvfs(s->t.fd, &vfs))
		return place_failed(sink, "asking for free space");
	unused = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	/* A file system may take all there is before it says no, and everybody else gets ENOSPC. */
	if (s->pos + len > s->old_size && s->pos + len - s->old_size > unused)
		return no_space(sink, len, unused);
	if (!fallocate(s->t.fd, 0, (off_t)s->pos, (off_t)len)) {
		s->reserved_to = s->pos + len;
		return 0;
	}
	if (errno == EOPNOTSUPP) {
		dmaf_note(&sink->p.count, "prealloc=: this file system reserves no space");
		return 0;
	}
	return errno == ENOSPC ? no_space(sink, len, unused) : place_failed(sink, "prealloc=");
}

/* Direct writes that extend the file wait for each other; within its size they do not. */
static void plan_reserving(struct file_sink *s)
{
	struct rlimit lim;
	struct statfs fs;

	s->size_limit = INT64_MAX;
	if (!getrlimit(RLIMIT_FSIZE, &lim) && lim.rlim_cur < INT64_MAX)
		s->size_limit = lim.rlim_cur;
	if (s->t.dfd < 0 || !s->t.regular || s->reserved_to)
		return;
	/* In memory there is nothing to gain, and what is reserved is taken at once. */
	if (!fstatfs(s->t.fd, &fs) && fs.f_type != TMPFS_MAGIC)
		s->reserve_step = RESERVE_STEP;
}

static int place_plain(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;

	if (s->append) {
		s->pos = s->t.size;
		return 0;
	}
	if (s->t.regular)
		file_record_remove(s->t.path); /* it would tell of what is overwritten now */
	if (s->has_offset) {
		s->pos = dmaf_addr_u64(sink->p.addr, "offset", 0);
		return 0;
	}
	if (s->t.regular && ftruncate(s->t.fd, 0))
		return place_failed(sink, "emptying it");
	s->t.size = s->t.regular ? 0 : s->t.size;
	return 0;
}

int file_place_begin(dmaf_sink *sink)
{
	struct file_sink *s = sink->p.priv;
	int rc = file_target_size(&s->t);

	if (rc)
		return dmaf_fail(&sink->p.err, rc, "file:%s: its size: %s", s->t.path,
				 strerror(-rc));
	rc = s->append && s->record.found ? place_recorded(sink) : place_plain(sink);
	if (rc)
		return rc;
	/* Behind the record there is only what was reserved, or written and never told. */
	if (s->t.regular && s->append && s->pos < s->t.size) {
		if (ftruncate(s->t.fd, (off_t)s->pos))
			return place_failed(sink, "cutting it to what is recorded");
		s->t.size = s->pos;
	}
	s->first_pos = s->pos;
	s->whole = s->syncing = (struct file_mark){s->pos, s->next_off, s->next_seq, s->lost};
	s->old_size = s->t.size;
	s->begun = true;
	s->sync_end = sink->durable || dmaf_addr_u64(sink->p.addr, "sync", 0);
	rc = s->sync_end && s->t.created ? file_sync_dir(s->t.path) : 0;
	if (rc)
		return dmaf_fail(&sink->p.err, rc, "file:%s: its directory can't be synced: %s",
				 s->t.path, strerror(-rc));
	if (s->append && stream_has_id(sink))
		rc = start_record(sink);
	if (!rc)
		rc = reserve_asked(sink);
	if (!rc)
		plan_reserving(s);
	return rc;
}

void file_reserve(struct file_sink *s, uint64_t end)
{
	uint64_t from = s->reserved_to > s->old_size ? s->reserved_to : s->old_size, to;
	struct statvfs vfs;

	if (!s->reserve_step || end <= from)
		return;
	to = end + s->reserve_step;
	if (to > s->size_limit)
		to = s->size_limit;
	/* Near the disk's end others need the space more than this needs the speed. */
	if (to <= from || fstatvfs(s->t.fd, &vfs) ||
	    (uint64_t)vfs.f_bavail * vfs.f_frsize < 4 * (to - from) ||
	    fallocate(s->t.fd, 0, (off_t)from, (off_t)(to - from))) {
		s->reserve_step = 0;
		return;
	}
	s->reserved_to = to;
	/* A reservation waits for writes in flight: make them rare on long streams. */
	if (s->reserve_step < 8 * RESERVE_STEP)
		s->reserve_step *= 2;
}

int file_zero(dmaf_sink *sink, uint64_t pos, uint64_t len)
{
	static const char zeros[65536];
	struct file_sink *s = sink->p.priv;
	uint64_t end = pos + len;

	/* Beyond what the file held there are only holes and reserved space: both read as zeros. */
	if (s->t.regular && pos >= s->old_size)
		return 0;
	if (s->t.regular && end > s->old_size)
		end = s->old_size;
	if (!fallocate(s->t.fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)pos,
		       (off_t)(end - pos)))
		return 0;
	while (pos < end) {
		size_t want = end - pos < sizeof(zeros) ? (size_t)(end - pos) : sizeof(zeros);
		ssize_t n = pwrite(s->t.fd, zeros, want, (off_t)pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (!n)
				errno = ENOSPC;
			return place_failed(sink, "zeros for lost bytes");
		}
		pos += (uint64_t)n;
	}
	return 0;
}

int file_trim(dmaf_sink *sink, uint64_t end)
{
	struct file_sink *s = sink->p.priv;

	if (end < s->old_size)
		end = s->old_size;
	/* A gap at the end, or nothing but gaps, leaves the file shorter than its stream. */
	if (!s->t.regular || (file_target_size(&s->t) == 0 && s->t.size == end))
		return 0;
	s->reserved_to = 0;
	return ftruncate(s->t.fd, (off_t)end) ? place_failed(sink, "giving it its length") : 0;
}
