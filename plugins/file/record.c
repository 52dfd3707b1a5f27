// SPDX-License-Identifier: MIT
#include "plugins/file/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".dmaflow"

int file_record_load(struct file_record *r, const char *data, struct dmaf_err *err)
{
	uint8_t bytes[DMAF_RECORD_FILE];
	enum dmaf_record_found found;
	ssize_t n;

	*r = (struct file_record){.fd = -1};
	if (asprintf(&r->path, "%s" SUFFIX, data) < 0) {
		r->path = NULL;
		return dmaf_fail(err, -ENOMEM, "no memory for the name of a record");
	}
	r->fd = open(r->path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (r->fd < 0 && errno == ENOENT)
		return 0;
	if (r->fd < 0)
		return dmaf_fail(err, -errno, "%s, the record of what was received: %s", r->path,
				 strerror(errno));
	n = pread(r->fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return dmaf_fail(err, -errno, "%s, the record of what was received: %s", r->path,
				 strerror(errno));
	found = dmaf_record_get(bytes, (size_t)n, &r->rec);
	if (found == DMAF_RECORD_BAD)
		return dmaf_fail(
			err, -EINVAL,
			"%s: no record of what was received, or a ruined one; move it away to "
			"begin anew",
			r->path);
	r->found = found != DMAF_RECORD_NONE;
	return 0;
}

int file_sync_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = !slash          ? strdup(".")
		    : slash == path ? strdup("/")
				    : strndup(path, (size_t)(slash - path));
	int fd, rc = 0;

	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		rc = -errno;
	(void)close(fd);
	return rc;
}

int file_record_create(struct file_record *r, bool durable, struct dmaf_err *err)
{
	int rc;

	if (r->fd >= 0)
		return 0;
	r->fd = open(r->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (r->fd < 0)
		return dmaf_fail(err, -errno, "%s, the record of what was received: %s", r->path,
				 strerror(errno));
	rc = durable ? file_sync_dir(r->path) : 0;
	if (rc)
		return dmaf_fail(err, rc, "%s: its directory can't be synced: %s", r->path,
				 strerror(-rc));
	return 0;
}

int file_record_write(struct file_record *r, struct dmaf_err *err)
{
	uint8_t slot[DMAF_RECORD_SIZE];
	uint32_t at = dmaf_record_put(slot, &r->rec);
	ssize_t n = pwrite(r->fd, slot, sizeof(slot), at);

	if (n == (ssize_t)sizeof(slot))
		return 0;
	return dmaf_fail(
		err, n < 0 ? -errno : -ENOSPC,
		"%s, the record of what was received: %s; what follows is not acknowledged",
		r->path, n < 0 ? strerror(errno) : "the disk is full");
}

void file_record_remove(const char *data)
{
	struct file_record r;

	/* A file of that name which is no record is somebody else's. */
	if (!file_record_load(&r, data, NULL) && r.path && r.fd >= 0)
		(void)unlink(r.path);
	file_record_close(&r);
}

void file_record_close(struct file_record *r)
{
	if (r->path && r->fd >= 0)
		(void)close(r->fd);
	free(r->path);
	*r = (struct file_record){.fd = -1};
}
