// SPDX-License-Identifier: MIT
/* Opening a file, and what its file system asks of direct I/O. */
#include "plugins/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PROBE_SMALL 512
#define PROBE_LARGE 4096

static const char *fs_name(const struct file_target *t)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {{EXT4_SUPER_MAGIC, "ext4"},   {0x58465342, "xfs"},
		     {BTRFS_SUPER_MAGIC, "btrfs"}, {TMPFS_MAGIC, "tmpfs"},
		     {NFS_SUPER_MAGIC, "nfs"},     {OVERLAYFS_SUPER_MAGIC, "overlayfs"},
		     {F2FS_SUPER_MAGIC, "f2fs"},   {MSDOS_SUPER_MAGIC, "fat"},
		     {0x65735546, "fuse"},         {0x2fc12fc1, "zfs"}};
	struct statfs fs;

	if (t->block_dev)
		return "a block device";
	if (!fstatfs(t->fd, &fs))
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if ((unsigned long)fs.f_type == known[i].magic)
				return known[i].name;
	return "this file system";
}

/* Does a direct read of @len bytes into memory aligned to @len go? At the end it says nothing. */
static bool direct_read_goes(int dfd, size_t len, uint64_t size)
{
	void *p = NULL;
	bool goes;

	if (size < len || posix_memalign(&p, PROBE_LARGE, 2 * PROBE_LARGE))
		return false;
	goes = pread(dfd, (char *)p + (len % PROBE_LARGE), len, 0) == (ssize_t)len;
	free(p);
	return goes;
}

/*
 * statx(2), STATX_DIOALIGN, since Linux 6.1 and not by every file system. Otherwise: a block
 * device's sector; a trial read, where there is something to read; or 4096, the largest sector
 * and page that a file system of these machines insists on.
 */
static int find_alignment(struct file_target *t, struct dmaf_err *err)
{
	struct statx sx;
	int sector = 0;

	t->mem_align = t->off_align = PROBE_LARGE;
#ifdef STATX_DIOALIGN
	if (!statx(t->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) &&
	    (sx.stx_mask & STATX_DIOALIGN)) {
		if (!sx.stx_dio_offset_align)
			return dmaf_fail(
				err, -EINVAL,
				"file:%s,direct: %s does no direct I/O on this file; leave "
				"direct out",
				t->path, fs_name(t));
		t->mem_align = sx.stx_dio_mem_align;
		t->off_align = sx.stx_dio_offset_align;
		return 0;
	}
#endif
	if (t->block_dev && !ioctl(t->fd, BLKSSZGET, &sector) && sector > 0)
		t->mem_align = t->off_align = (size_t)sector;
	else if (direct_read_goes(t->dfd, PROBE_SMALL, t->size))
		t->mem_align = t->off_align = PROBE_SMALL;
	return 0;
}

static int open_direct(struct file_target *t, int flags, struct dmaf_err *err)
{
	int rc;

	t->dfd = open(t->path, (flags & O_ACCMODE) | O_DIRECT | O_CLOEXEC | O_NOCTTY);
	if (t->dfd < 0)
		return dmaf_fail(err, -errno,
				 errno == EINVAL
					 ? "file:%s,direct: %s has no direct I/O (%s); leave "
					   "direct out"
					 : "file:%s,direct: opening it on %s: %s",
				 t->path, fs_name(t), strerror(errno));
	rc = find_alignment(t, err);
	(void)snprintf(t->why, sizeof(t->why), "O_DIRECT on %s", fs_name(t));
	return rc;
}

int file_target_size(struct file_target *t)
{
	if (fstat(t->fd, &t->st))
		return -errno;
	t->size = t->regular ? (uint64_t)t->st.st_size : UINT64_MAX;
	if (t->block_dev && ioctl(t->fd, BLKGETSIZE64, &t->size))
		return -errno;
	return 0;
}

static int check_type(struct file_target *t, struct dmaf_err *err)
{
	mode_t type = t->st.st_mode & S_IFMT;

	t->regular = type == S_IFREG;
	t->block_dev = type == S_IFBLK;
	if (type == S_IFDIR)
		return dmaf_fail(err, -EISDIR, "file:%s: a directory; name a file in it", t->path);
	if (type == S_IFIFO)
		return dmaf_fail(err, -ESPIPE,
				 "file:%s: a fifo has no positions; pipe:%s reads and "
				 "writes it",
				 t->path, t->path);
	if (type == S_IFSOCK)
		return dmaf_fail(err, -ENXIO, "file:%s: a socket; tcp: or a pipe: moves streams",
				 t->path);
	if (type == S_IFCHR && isatty(t->fd))
		return dmaf_fail(err, -ENOTTY, "file:%s: a terminal; serial:%s reads and writes it",
				 t->path, t->path);
	return 0;
}

/* Opening a fifo would wait for its other end, and a tty for its line: look before. */
static int open_plain(struct file_target *t, int flags, struct dmaf_err *err)
{
	int extra = O_CLOEXEC | O_NOCTTY | O_NONBLOCK, err_no;
	struct stat st;

	if (!*t->path)
		return dmaf_fail(err, -EINVAL, "file: names no file; file:PATH does");
	if (!stat(t->path, &st)) {
		/* A mounted disk, or one that another program writes, is refused with EBUSY. */
		if (S_ISBLK(st.st_mode) && (flags & O_ACCMODE) != O_RDONLY)
			extra |= O_EXCL;
		flags &= ~O_CREAT;
	} else if (errno == ENOENT && (flags & O_CREAT)) {
		t->created = true;
	}
	t->fd = open(t->path, flags | extra, 0666);
	if (t->fd >= 0)
		return 0;
	err_no = errno;
	switch (err_no) {
	case ENOENT:
		return dmaf_fail(err, -ENOENT,
				 (flags & O_ACCMODE) == O_RDONLY
					 ? "file:%s: there is no such file"
					 : "file:%s: the directory it should be in does not exist",
				 t->path);
	case EISDIR:
		return dmaf_fail(err, -EISDIR, "file:%s: a directory; name a file in it", t->path);
	case EBUSY:
		return dmaf_fail(err, -EBUSY,
				 "file:%s: in use (mounted, or open elsewhere); unmount "
				 "it first",
				 t->path);
	case EACCES:
		return dmaf_fail(err, -EACCES, "file:%s: no permission to %s it", t->path,
				 (flags & O_ACCMODE) == O_RDONLY ? "read" : "write");
	case ENXIO:
		return dmaf_fail(err, -ENXIO,
				 "file:%s: a socket, a fifo or a device that is gone; "
				 "pipe:PATH is for fifos",
				 t->path);
	default: return dmaf_fail(err, -err_no, "file:%s: %s", t->path, strerror(err_no));
	}
}

int file_target_open(struct file_target *t, const char *path, int flags, bool direct,
		     struct dmaf_err *err)
{
	int rc;

	*t = (struct file_target){
		.path = path, .fd = -1, .dfd = -1, .mem_align = 1, .off_align = 1};
	rc = open_plain(t, flags, err);
	if (rc)
		return rc;
	if (fstat(t->fd, &t->st))
		return dmaf_fail(err, -errno, "file:%s: %s", path, strerror(errno));
	rc = check_type(t, err);
	if (rc)
		return rc;
	rc = file_target_size(t);
	if (rc)
		return dmaf_fail(err, rc, "file:%s: its size: %s", path, strerror(-rc));
	/* It was for the opening only: a regular file ignores it, a device must wait. */
	(void)fcntl(t->fd, F_SETFL, fcntl(t->fd, F_GETFL) & ~O_NONBLOCK);
	return direct ? open_direct(t, flags, err) : 0;
}

void file_target_close(struct file_target *t)
{
	if (t->dfd >= 0)
		(void)close(t->dfd);
	if (t->fd >= 0)
		(void)close(t->fd);
	t->dfd = t->fd = -1;
}

void file_target_need(const struct file_target *t, unsigned depth, struct dmaf_need *need)
{
	*need = (struct dmaf_need){.own = DMAF_OWN_NEVER, .count_want = 2 * depth};
	if (t->dfd < 0) {
		need->block_want = 256 * 1024;
		return;
	}
	need->backing = DMAF_PAGES; /* direct I/O pins them */
	need->align = t->mem_align;
	need->len_align = t->off_align;
	need->align_why = t->why;
	need->block_want = 1 << 20;
}

int file_refuse_options(struct dmaf_party *p, const char *const *names, const char *role)
{
	for (; *names; names++)
		if (dmaf_addr_has(p->addr, *names))
			return dmaf_fail(&p->err, -EINVAL, "%s: %s= is for a file that is %s",
					 dmaf_addr_text(p->addr), *names, role);
	return 0;
}

#define ENTERED_MAX 64

static struct {
	dev_t dev;
	ino_t ino;
	bool writes;
} entered[ENTERED_MAX];
static unsigned nentered;
static pthread_mutex_t entered_lock = PTHREAD_MUTEX_INITIALIZER;

int file_enter(const struct file_target *t, bool writes, struct dmaf_err *err)
{
	int rc = 0;

	if (!t->regular && !t->block_dev)
		return 0;
	pthread_mutex_lock(&entered_lock);
	for (unsigned i = 0; i < nentered && !rc; i++)
		if (entered[i].dev == t->st.st_dev && entered[i].ino == t->st.st_ino &&
		    (writes || entered[i].writes))
			rc = -EBUSY;
	/* Beyond the table nothing is checked: it guards against a slip, not an attack. */
	if (!rc && nentered < ENTERED_MAX) {
		entered[nentered].dev = t->st.st_dev;
		entered[nentered].ino = t->st.st_ino;
		entered[nentered++].writes = writes;
	}
	pthread_mutex_unlock(&entered_lock);
	if (rc)
		dmaf_fail(err, rc, "file:%s: this program %s it already; name another file",
			  t->path, writes ? "reads or writes" : "writes");
	return rc;
}

void file_leave(const struct file_target *t, bool writes)
{
	pthread_mutex_lock(&entered_lock);
	for (unsigned i = 0; i < nentered; i++)
		if (entered[i].dev == t->st.st_dev && entered[i].ino == t->st.st_ino &&
		    entered[i].writes == writes) {
			entered[i] = entered[--nentered];
			break;
		}
	pthread_mutex_unlock(&entered_lock);
}
