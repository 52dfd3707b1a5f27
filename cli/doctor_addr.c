// SPDX-License-Identifier: MIT
/* One end of a flow: does it exist, may you use it, and what does it allow? */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <dmaflow/addr.h>
#include <dmaflow/plugin.h>

#include "core/kind.h"

static void access_row(struct doctor *d, const char *path, const char *name, int mode)
{
	bool yes = access(path, mode) == 0;
	struct doctor_row *row =
		doctor_row(d, DOCTOR_END, yes ? DOCTOR_YES : DOCTOR_NO, "%s", name);

	if (!yes) {
		doctor_reason(d, row, "%s: %s", path, strerror(errno));
		doctor_remedy(d, row,
			      "needed only where it is used so: chmod, chown, or another "
			      "place");
	}
}

static void free_space(struct doctor *d, const char *dir)
{
	struct doctor_row *row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "free space");
	unsigned long long bytes;
	struct statvfs vfs;
	char text[32];

	if (statvfs(dir, &vfs) < 0) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row, "%s: %s", dir, strerror(errno));
		doctor_remedy(d, row, "see `df %s`", dir);
		return;
	}
	bytes = (unsigned long long)vfs.f_bavail * vfs.f_frsize;
	doctor_detail(d, row, "%s", doctor_bytes(bytes, text, sizeof(text)));
	if (bytes == 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "nothing more can be stored by you");
		doctor_remedy(d, row, "free some, or another disk");
	}
}

static void special_file(struct doctor *d, const char *path, mode_t mode)
{
	struct doctor_row *row = doctor_row(d, DOCTOR_END, DOCTOR_UNKNOWN, "kind of file");
	const char *what = S_ISBLK(mode)    ? "a block device"
			   : S_ISCHR(mode)  ? "a character device"
			   : S_ISFIFO(mode) ? "a pipe"
					    : "a socket";
	int fd;

	doctor_detail(d, row, "%s", what);
	if (!d->open_ok || !(S_ISBLK(mode) || S_ISCHR(mode))) {
		doctor_reason(d, row, "not opened: that may act on who is behind it");
		doctor_remedy(d, row,
			      S_ISBLK(mode) || S_ISCHR(mode)
				      ? "--open opens it, to read, and closes it again"
				      : "run a flow with it to see");
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	row->verdict = fd < 0 ? DOCTOR_NO : DOCTOR_YES;
	if (fd < 0) {
		doctor_reason(d, row, "open: %s", strerror(errno));
		doctor_remedy(d, row, "see that its driver is loaded and nobody else holds it");
	} else {
		close(fd);
	}
}

/* Returns 1 after its message when there is no directory either. */
static int absent_file(struct doctor *d, const char *address, const char *dir, int err)
{
	struct doctor_row *row;
	struct stat st;

	if (err != ENOENT || stat(dir, &st) < 0) {
		fprintf(stderr, "dmaflow: doctor: %s: directory %s: %s; name a path that exists\n",
			address, dir, strerror(err == ENOENT ? errno : err));
		return 1;
	}
	row = doctor_row(d, DOCTOR_END, DOCTOR_LIMITED, "file");
	doctor_reason(d, row, "it doesn't exist: it can be written, not read");
	doctor_remedy(d, row, "nothing to do for a sink");
	access_row(d, dir, "can be made", W_OK | X_OK);
	return 0;
}

static int look_at_file(struct doctor *d, const char *address, const char *path)
{
	char copy[PATH_MAX], type[64], size[32];
	struct doctor_row *row;
	struct stat st;
	char *dir;

	if (!*path || strlen(path) >= sizeof(copy)) {
		fprintf(stderr, "dmaflow: doctor: %s: %s; write file:PATH\n", address,
			*path ? "path too long" : "no path");
		return 2;
	}
	memcpy(copy, path, strlen(path) + 1);
	dir = dirname(copy);
	if (stat(path, &st) < 0) {
		if (absent_file(d, address, dir, errno))
			return 1;
	} else if (S_ISDIR(st.st_mode)) {
		fprintf(stderr,
			"dmaflow: doctor: %s: a directory; name a file in it, as in "
			"file:%s%sNAME\n",
			address, path, path[strlen(path) - 1] == '/' ? "" : "/");
		return 2;
	} else if (!S_ISREG(st.st_mode)) {
		special_file(d, path, st.st_mode);
		access_row(d, path, "readable", R_OK);
		access_row(d, path, "writable", W_OK);
		return 0;
	} else {
		row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "file");
		doctor_detail(d, row, "%s",
			      doctor_bytes((unsigned long long)st.st_size, size, sizeof(size)));
		access_row(d, path, "readable", R_OK);
		access_row(d, path, "writable", W_OK);
	}
	free_space(d, dir);
	if (stat(dir, &st) == 0) {
		doctor_fs_type(st.st_dev, type, sizeof(type));
		doctor_directory(d, DOCTOR_END, dir, type, access(dir, W_OK | X_OK) == 0);
	}
	return 0;
}

/* Without opening it: sysfs knows what class a device is of; pseudo-terminals aren't in it. */
static bool is_tty(dev_t dev)
{
	char path[64], link[PATH_MAX];
	ssize_t n;

	if (major(dev) >= 136 && major(dev) <= 143)
		return true;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem", major(dev), minor(dev));
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0)
		return false;
	link[n] = '\0';
	return n >= 4 && !strcmp(link + n - 4, "/tty");
}

static void serial_open(struct doctor *d, const char *path)
{
	struct doctor_row *row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "opens");
	struct termios t;
	int fd;

	if (!d->open_ok) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row, "not opened: that raises DTR, which resets some boards");
		doctor_remedy(d, row, "--open opens it and closes it again");
		return;
	}
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || tcgetattr(fd, &t) < 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "%s: %s", fd < 0 ? "open" : "tcgetattr", strerror(errno));
		doctor_remedy(d, row, "see that it is plugged in and nobody else holds it");
	} else {
		doctor_detail(d, row, "it is a terminal line");
	}
	if (fd >= 0)
		close(fd);
}

static int look_at_serial(struct doctor *d, const char *address, const char *path)
{
	struct doctor_row *row;
	struct group *gr;
	struct stat st;

	if (!*path) {
		fprintf(stderr, "dmaflow: doctor: %s: no device; write serial:/dev/ttyACM0\n",
			address);
		return 2;
	}
	if (stat(path, &st) < 0) {
		fprintf(stderr,
			"dmaflow: doctor: %s: %s: %s; `ls /dev/tty[AU]*` shows what is "
			"plugged in\n",
			address, path, strerror(errno));
		return 1;
	}
	row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "serial line");
	if (!S_ISCHR(st.st_mode) || !is_tty(st.st_rdev)) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "%s is not a terminal device", path);
		doctor_remedy(d, row, "a line is called /dev/ttyUSB0, /dev/ttyACM0, /dev/ttyS0");
		return 0;
	}
	doctor_detail(d, row, "a terminal device, %u:%u", major(st.st_rdev), minor(st.st_rdev));
	row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "permission");
	if (access(path, R_OK | W_OK) < 0) {
		gr = getgrgid(st.st_gid);
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "%s", strerror(errno));
		doctor_remedy(d, row, "as root: usermod -aG %s YOU, then log in again",
			      gr ? gr->gr_name : "dialout");
		return 0;
	}
	serial_open(d, path);
	return 0;
}

/* Any other kind: what it is, and its device node where it names one. */
static int look_at_other(struct doctor *d, const struct dmaf_kind *kind, const char *what)
{
	struct doctor_row *row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "kind %s", kind->name);
	struct stat st;

	doctor_detail(d, row, "%s (%s%s%s%s ); its options: dmaflow list",
		      kind->help ? kind->help : "known here", kind->source ? " source" : "",
		      kind->stage ? " stage" : "", kind->sink ? " sink" : "",
		      kind->pool ? " memory" : "");

	if (what[0] != '/')
		return 0;
	if (stat(what, &st) < 0) {
		row = doctor_row(d, DOCTOR_END, DOCTOR_NO, "%s", what);
		doctor_reason(d, row, "%s", strerror(errno));
		doctor_remedy(d, row, "plug it in, load its driver, or name another");
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		special_file(d, what, st.st_mode);
	access_row(d, what, "readable", R_OK);
	access_row(d, what, "writable", W_OK);
	return 0;
}

/* Returns 0, or 2 after its message; *found is NULL for an end that needs no plug-in to be looked
 * at. */
static int check_kind(const char *text, dmaf_addr *addr, bool needed,
		      const struct dmaf_kind **found)
{
	static const struct dmaf_opt nothing[] = {{NULL}};
	struct dmaf_err why = {0};
	const struct dmaf_kind *kind = dmaf_kind_find(dmaf_addr_kind(addr), &why);
	const struct dmaf_opt *tables[] = {nothing, dmaf_source_options, dmaf_sink_options, NULL};

	*found = kind;
	if (!kind && !needed)
		return 0;
	if (!kind) {
		fprintf(stderr, "dmaflow: doctor: %s: %s\n", text, why.text);
		return 2;
	}
	if (kind->opts)
		tables[0] = kind->opts;
	if (dmaf_addr_check(addr, tables, &why)) {
		fprintf(stderr, "dmaflow: doctor: %s\n", why.text);
		return 2;
	}
	return 0;
}

static const struct {
	const char *kind;
	int (*look)(struct doctor *d, const char *address, const char *where);
} ends[] = {
	{"tcp", doctor_tcp},    {"tcp-listen", doctor_tcp_listen},
	{"file", look_at_file}, {"serial", look_at_serial},
	{"dma", doctor_dma},    {"v4l2", doctor_v4l2},
};

int doctor_address(struct doctor *d, const char *text)
{
	const struct dmaf_kind *kind;
	struct dmaf_err why = {0};
	int (*look)(struct doctor *, const char *, const char *) = NULL;
	const char *where;
	dmaf_addr *addr;
	int ret;

	if (dmaf_addr_parse(&addr, text, &why)) {
		fprintf(stderr, "dmaflow: doctor: %s\n", why.text);
		return 2;
	}
	where = dmaf_addr_main(addr);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!strcmp(ends[i].kind, dmaf_addr_kind(addr)))
			look = ends[i].look;
	ret = check_kind(text, addr, !look, &kind);
	if (!ret)
		ret = look ? look(d, text, where) : look_at_other(d, kind, where);
	dmaf_addr_free(addr);
	return ret;
}
