// SPDX-License-Identifier: MIT
/* O_DIRECT per file system: what statx says, and a write to a file without a name. */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define AREA "disk"

/* A machine may have thousands of mounts (containers); each is tried by a write. */
#define MAX_MOUNTS 64

/* What a mount point of a line is told as. */
struct mount {
	char dir[PATH_MAX], type[64], device[32];
};

enum mount_class { MOUNT_DISK, MOUNT_MEMORY, MOUNT_REMOTE, MOUNT_NONE };

static bool in_list(const char *type, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(type, *list))
			return true;
	return false;
}

/* Where a server may be gone a look can hang for ever, so nothing there is touched unasked. */
static enum mount_class classify(const char *type)
{
	static const char *const disk[] = {"ext2",     "ext3",  "ext4",  "xfs",    "btrfs",
					   "f2fs",     "vfat",  "exfat", "ntfs3",  "zfs",
					   "bcachefs", "ubifs", "jfs",   "nilfs2", "hfsplus",
					   "overlay",  "udf",   NULL};
	static const char *const memory[] = {"tmpfs", "ramfs", NULL};
	static const char *const remote[] = {"nfs",   "nfs4",     "cifs", "smb3",   "ceph",
					     "9p",    "fuse",     "afs",  "lustre", "gfs2",
					     "ocfs2", "virtiofs", NULL};

	if (in_list(type, disk))
		return MOUNT_DISK;
	if (in_list(type, memory))
		return MOUNT_MEMORY;
	if (in_list(type, remote) || !strncmp(type, "fuse.", 5))
		return MOUNT_REMOTE;
	return MOUNT_NONE;
}

/* \040 and the like, proc(5) mountinfo. In place. */
static void unescape(char *s)
{
	char *o = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*o++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*o++ = *s;
		}
	}
	*o = '\0';
}

/* "id parent major:minor root dir options [tags] - type source options" */
static bool parse_mount(const char *line, struct mount *m)
{
	const char *dash = strstr(line, " - ");

	if (!dash || sscanf(line, "%*d %*d %31s %*s %4095s", m->device, m->dir) != 2 ||
	    sscanf(dash, " - %63s", m->type) != 1)
		return false;
	unescape(m->dir);
	return true;
}

/* A file that no one else sees. named: where the file system has none, one whose name goes at once.
 */
static int scratch_file(const char *dir, bool named)
{
	char path[PATH_MAX + 32];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (!named || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return -errno;
	snprintf(path, sizeof(path), "%s/.dmaflow-doctor-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

/* The smallest block that a direct write takes; 0: none up to 64 KiB, err says why. */
static size_t smallest_write(int fd, int *err)
{
	size_t max = 65536, len;
	void *p = mmap(NULL, max, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		*err = -errno;
		return 0;
	}
	for (len = 512; len <= max; len *= 2) {
		*err = pwrite(fd, p, len, 0) < 0 ? -errno : 0;
		if (*err != -EINVAL)
			break;
	}
	munmap(p, max);
	return *err || len > max ? 0 : len;
}

static void dio_align(struct doctor *d, struct doctor_row *row, int fd, const char *type)
{
	unsigned int mem = 0, off = 0;
	char told[96];
	size_t block;
	int err = 0;
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN)) {
		mem = stx.stx_dio_mem_align;
		off = stx.stx_dio_offset_align;
	}
#endif
	block = smallest_write(fd, &err);
	if (block == 0) {
		row->verdict = err == -ENOSPC || err == -EDQUOT ? DOCTOR_UNKNOWN : DOCTOR_NO;
		doctor_detail(d, row, "%s; a direct write: %s", type, strerror(-err));
		doctor_reason(d, row,
			      err == -EINVAL ? "no block up to 64 KiB is taken"
					     : "the write failed");
		doctor_remedy(d, row, "without `direct` the page cache copies once");
		return;
	}
	snprintf(told, sizeof(told), "memory %u, offset and length %u bytes (statx)", mem, off);
	doctor_detail(d, row, "%s; %s; %zu bytes were written", type,
		      mem ? told : "statx doesn't tell the alignment", block);
}

void doctor_directory(struct doctor *d, const char *area, const char *dir, const char *type,
		      bool named)
{
	struct doctor_row *row = doctor_row(d, area, DOCTOR_YES, "%s", dir);
	struct statvfs vfs;
	int fd;

	if (classify(type) == MOUNT_MEMORY) {
		row->verdict = DOCTOR_LIMITED;
		doctor_detail(d, row, "%s", type);
		doctor_reason(d, row,
			      "lies in memory: storing there is a copy, and O_DIRECT "
			      "changes nothing");
		doctor_remedy(d, row, "to send it again, splice takes its pages without a copy");
		return;
	}
	if (statvfs(dir, &vfs) == 0 && (vfs.f_flag & ST_RDONLY)) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_detail(d, row, "%s", type);
		doctor_reason(d, row, "mounted read-only: no file could be made to try");
		doctor_remedy(d, row,
			      "nothing to do: what is read goes through the page cache, "
			      "which sendfile and splice send without a copy");
		return;
	}
	fd = scratch_file(dir, named);
	if (fd < 0) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_detail(d, row, "%s", type);
		doctor_reason(d, row, "no file could be made to try: %s", strerror(-fd));
		doctor_remedy(d, row, "dmaflow doctor file:%s%sNAME, where you may write", dir,
			      dir[strlen(dir) - 1] == '/' ? "" : "/");
		return;
	}
	if (fcntl(fd, F_SETFL, O_DIRECT) < 0) {
		row->verdict = DOCTOR_NO;
		doctor_detail(d, row, "%s", type);
		doctor_reason(d, row, "the file system refuses O_DIRECT: %s", strerror(errno));
		doctor_remedy(d, row, "without `direct` the page cache copies once");
	} else {
		dio_align(d, row, fd, type);
	}
	close(fd);
}

void doctor_fs_type(dev_t device, char *type, size_t room)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	struct mount *m = malloc(sizeof(*m));
	char *line = NULL, want[32];
	size_t len = 0;

	snprintf(type, room, "file system");
	snprintf(want, sizeof(want), "%u:%u", major(device), minor(device));
	while (f && m && getline(&line, &len, f) > 0)
		if (parse_mount(line, m) && !strcmp(m->device, want))
			snprintf(type, room, "%s", m->type);
	free(line);
	free(m);
	if (f)
		fclose(f);
}

/* Bind mounts and containers show one file system many times: the first place stands for all. */
static bool seen_before(char (*seen)[32], size_t n, const char *device)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(seen[i], device))
			return true;
	return false;
}

static void remote_mount(struct doctor *d, const struct mount *m)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_UNKNOWN, "%s", m->dir);

	doctor_detail(d, row, "%s", m->type);
	doctor_reason(d, row, "not tried: with its server gone this would hang");
	doctor_remedy(d, row, "dmaflow doctor file:%s/NAME", m->dir);
}

/* Not what another mount hides, nor what systems keep their own things in. */
static bool useful_memory(const struct mount *m, dev_t dev)
{
	char device[32];

	snprintf(device, sizeof(device), "%u:%u", major(dev), minor(dev));
	return !strcmp(device, m->device) && access(m->dir, W_OK) == 0 &&
	       strncmp(m->dir, "/sys/", 5) != 0 && strncmp(m->dir, "/run", 4) != 0;
}

static void each_mount(struct doctor *d, FILE *f, struct mount *m, char (*seen)[32])
{
	struct stat cwd, st;
	char here[PATH_MAX];
	bool have_cwd = getcwd(here, sizeof(here)) && stat(here, &cwd) == 0;
	char *line = NULL;
	size_t room = 0, n = 0;

	while (n < MAX_MOUNTS && getline(&line, &room, f) > 0) {
		enum mount_class c = parse_mount(line, m) ? classify(m->type) : MOUNT_NONE;

		if (c == MOUNT_NONE || seen_before(seen, n, m->device))
			continue;
		snprintf(seen[n++], sizeof(seen[0]), "%s", m->device);
		if (c == MOUNT_REMOTE) {
			remote_mount(d, m);
			continue;
		}
		/* Bound onto a file: not a directory to try. */
		if (stat(m->dir, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (c == MOUNT_MEMORY && !useful_memory(m, st.st_dev))
			continue;
		if (have_cwd && st.st_dev == cwd.st_dev)
			doctor_directory(d, AREA, here, m->type, true);
		else
			doctor_directory(d, AREA, m->dir, m->type, false);
	}
	free(line);
}

void doctor_disks(struct doctor *d)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	struct mount *m = malloc(sizeof(*m));
	char(*seen)[32] = calloc(MAX_MOUNTS, sizeof(*seen));
	struct doctor_row *row;

	if (!m || !seen) {
		d->no_memory = true;
	} else if (!f) {
		row = doctor_row(d, AREA, DOCTOR_UNKNOWN, "file systems");
		doctor_reason(d, row, "/proc/self/mountinfo: %s", strerror(errno));
		doctor_remedy(d, row, "mount /proc, or name a file: dmaflow doctor file:PATH");
		doctor_directory(d, AREA, ".", "current directory", true);
	} else {
		each_mount(d, f, m, seen);
	}
	free(m);
	free(seen);
	if (f)
		fclose(f);
}
