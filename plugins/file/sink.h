/* SPDX-License-Identifier: MIT */
/* The file sink, as its own files see it: life (sink.c), writing (write.c), place (place.c). */
#ifndef DMAF_FILE_SINK_H
#define DMAF_FILE_SINK_H

#include "plugins/file/file.h"
#include "plugins/file/record.h"

/* How far a stream is written without a hole. */
struct file_mark {
	uint64_t pos;      /* in the file */
	uint64_t off, seq; /* in the stream */
	uint64_t lost;     /* buffers before there */
};

/* A buffer on its way into the file. */
struct file_entry {
	dmaf_buf *buf;
	uint64_t pos;         /* where its next unissued byte goes */
	struct file_mark end; /* behind it */
	unsigned seg;         /* issued up to here */
	size_t seg_off;
	unsigned flying; /* requests */
	bool issued;     /* all of it */
	int status;
};

/* The fdatasync that is on its way; the last two when the stream has ended. */
enum file_syncing { SYNC_NONE, SYNC_DATA, SYNC_RECORD, SYNC_END_DATA, SYNC_END_RECORD };

enum file_end { END_NOT_YET, END_TRIMMED, END_DATA_SAFE, END_RECORDED, END_DONE };

/*
 * Entries pass four marks, in order; each is an index that runs freely:
 *	head <= safe <= written <= issue <= tail
 * tail: accepted; issue: handed to the kernel; written: all up to here is; safe: recorded and,
 * where asked for, synced, so that it may be given back; head: given back.
 */
struct file_sink {
	struct file_target t;
	struct file_io io;
	struct file_entry *entry; /* .cap, a power of two */
	unsigned cap, head, safe, written, issue, tail;

	uint64_t pos;                /* in the file, behind the last accepted buffer */
	uint64_t next_off, next_seq; /* of the stream, behind it */
	uint64_t lost;               /* of its buffers, before there */
	uint64_t first_pos;          /* where this run began */
	struct file_mark whole;      /* behind the last good entry before .written */
	uint64_t old_size;           /* the file's data before this run ends here */
	uint64_t reserved_to;        /* disk space is reserved up to here; 0: none */
	uint64_t reserve_step;       /* 0: none ahead */
	uint64_t size_limit;         /* RLIMIT_FSIZE */

	enum file_way last_way; /* of the last write */
	uint64_t last_end;      /* where it ended */
	bool noted_unaligned;

	bool append, has_offset, entered, begun, recording;
	bool sync_end; /* fdatasync before the end is reported */
	struct file_record record;

	enum file_syncing sync;
	unsigned sync_to;         /* the sync on its way covers entries up to here */
	struct file_mark syncing; /* and is worth this record */
	enum file_end end;

	int failed;   /* first failure; nothing is written after it */
	bool broken;  /* an entry failed: .whole stays where it is */
	bool no_safe; /* what is not safe yet will not become it */
	bool told;
};

static inline struct file_entry *file_entry_at(const struct file_sink *s, unsigned i)
{
	return &s->entry[i & (s->cap - 1)];
}

/* place.c: where in the file */

/* The record beside a file that is appended to. */
int file_place_open(dmaf_sink *sink);
int file_place_resume(dmaf_sink *sink, struct dmaf_resume *resume);
/* Truncate or position; refuse what can't be appended. */
int file_place_begin(dmaf_sink *sink);
/* Have the record tell of @m: one system call. */
int file_record_mark(dmaf_sink *sink, const struct file_mark *m);
/* Reserve space so that a write up to @end does not extend the file. */
void file_reserve(struct file_sink *s, uint64_t end);
/* Zeros from pos on, in place of lost bytes. */
int file_zero(dmaf_sink *sink, uint64_t pos, uint64_t len);
/* Give up what was reserved behind @end. */
int file_trim(dmaf_sink *sink, uint64_t end);

/* write.c: getting bytes there */

/* A place in line for @buf. Return: 1, 0: none now, negative errno. */
int file_accept(dmaf_sink *sink, dmaf_buf *buf);
/* Make requests of what was accepted, as far as depth and order allow. */
void file_queue_up(dmaf_sink *sink);
/* The same, and hand them to the kernel. Return: 0 or negative errno. */
int file_issue(dmaf_sink *sink);
/* Collect what is done, and move everything on by what can move. Return: as file_issue(). */
int file_move_on(dmaf_sink *sink);
/* Nothing more is written: each entry gets its status. The io is cancelled. */
void file_give_up(dmaf_sink *sink, int status);

/* finish.c: what is safe, and the end */

/* Move .safe on: record, sync. */
void file_secure(dmaf_sink *sink);
/* A sync is done. */
void file_synced(dmaf_sink *sink, long res);
/* The stream is complete. Return: 0, -EAGAIN or negative errno. */
int file_finish(dmaf_sink *sink);

/* Note the first failure. Return: @rc. */
int file_failed(dmaf_sink *sink, int rc, uint64_t pos);

#endif
