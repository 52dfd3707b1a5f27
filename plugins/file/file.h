/* SPDX-License-Identifier: MIT */
/* What the file kind's source and sink share: the opened file and what direct I/O asks of it. */
#ifndef DMAF_FILE_FILE_H
#define DMAF_FILE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "plugins/file/io.h"

struct file_target {
	const char *path;
	int fd;  /* through the page cache */
	int dfd; /* O_DIRECT; -1: not asked for */
	struct stat st;
	bool regular, block_dev;
	bool created;     /* by us: it was not there before */
	uint64_t size;    /* bytes at open; UINT64_MAX: unknown (a character device) */
	size_t mem_align; /* O_DIRECT: of a buffer's address */
	size_t off_align; /* O_DIRECT: of a position and a length; 1 without */
	char why[48];     /* "O_DIRECT on ext4" */
};

extern const struct dmaf_opt file_options[];
extern const struct dmaf_source_ops file_source_ops;
extern const struct dmaf_sink_ops file_sink_ops;

/*
 * Open @path and, with @direct, find out what direct I/O asks for.
 * @flags: O_RDONLY, or O_WRONLY | O_CREAT for a sink.
 * Return: 0 or negative errno explained; close the target in either case.
 */
int file_target_open(struct file_target *t, const char *path, int flags, bool direct,
		     struct dmaf_err *err);
void file_target_close(struct file_target *t);

/* What the party asks of the flow's memory. */
void file_target_need(const struct file_target *t, unsigned depth, struct dmaf_need *need);

/* Size now. Return: 0 or negative errno. */
int file_target_size(struct file_target *t);

/* Refuse options that the other role has. Return: 0 or -EINVAL. */
int file_refuse_options(struct dmaf_party *p, const char *const *names, const char *role);

/*
 * One process reads a file and writes the same: the writer would empty it first. Each opened file
 * is noted; Return: 0, -EBUSY explained. file_leave() forgets it.
 */
int file_enter(const struct file_target *t, bool writes, struct dmaf_err *err);
void file_leave(const struct file_target *t, bool writes);

static inline bool file_aligned(const struct file_target *t, uint64_t pos, const void *p)
{
	return !(pos & (t->off_align - 1)) && !((uintptr_t)p & (t->mem_align - 1));
}

#endif
