/* SPDX-License-Identifier: MIT */
/* FILE.dmaflow: which stream a file holds and how far (base/record.h). One thread. */
#ifndef DMAF_FILE_RECORD_H
#define DMAF_FILE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <dmaflow/base/record.h>
#include <dmaflow/error.h>

struct file_record {
	char *path;
	int fd;     /* -1: not open */
	bool found; /* .rec is what was there */
	struct dmaf_record rec;
};

/*
 * Read the record beside @data, if there is one. Return: 0 (see .found), -EINVAL when what is there
 * is no record (explained), or another negative errno. Close it in either case.
 */
int file_record_load(struct file_record *r, const char *data, struct dmaf_err *err);

/* Open for writing, made when it is not there. @durable: its name survives power loss too. */
int file_record_create(struct file_record *r, bool durable, struct dmaf_err *err);

/* Write .rec as the next generation: one system call. */
int file_record_write(struct file_record *r, struct dmaf_err *err);

/* Remove the record beside @data; what is no record of ours stays. */
void file_record_remove(const char *data);

/* A zeroed record is accepted. */
void file_record_close(struct file_record *r);

/* Make the entry of a new file survive power loss. Return: 0 or negative errno. */
int file_sync_dir(const char *path);

#endif
