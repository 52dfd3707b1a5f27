// SPDX-License-Identifier: MIT
/* A process's mappings that the kernel will not pin. Reads /proc/PID/smaps and status only. */
#include "cli/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dmaflow/inspect.h>

#define AREA "mapping"

struct visit {
	struct doctor *d;
	unsigned int kernel;
	uint64_t mappings, refused;
};

static const char driver_remedy[] =
	"its driver has to give pages: alloc_pages() + split_page() mapped by vm_map_pages() or "
	"vm_insert_pages() (VmFlags then say mm), or take user memory (huge pages, memfd) and pin "
	"it, as dmaflow.ko does; with V4L2 import a dma-buf (udmabuf over huge pages) or use "
	"USERPTR. Until then: mode=copy";

static bool kernels_own(const struct dmaf_mapping *m)
{
	return m->path[0] == '[' && strncmp(m->path, "[anon", 5) != 0;
}

/* Names of what fails, of what works; "" for none. */
static void split_facilities(const struct visit *v, const struct dmaf_mapping *m, char *fails,
			     char *fine, size_t room)
{
	fails[0] = fine[0] = '\0';
	for (unsigned int f = 0; f < DMAF_FACILITIES; f++) {
		struct dmaf_facility_verdict fv =
			dmaf_mapping_verdict(m, (enum dmaf_facility)f, v->kernel);
		char *to = fv.err ? fails : fine;
		size_t len = strlen(to);

		snprintf(to + len, room - len, "%s%s", len ? ", " : "",
			 dmaf_facility_name((enum dmaf_facility)f));
	}
}

static void perms_text(const struct dmaf_mapping *m, char out[5])
{
	out[0] = m->perms & DMAF_PERM_READ ? 'r' : '-';
	out[1] = m->perms & DMAF_PERM_WRITE ? 'w' : '-';
	out[2] = m->perms & DMAF_PERM_EXEC ? 'x' : '-';
	out[3] = m->perms & DMAF_PERM_SHARED ? 's' : 'p';
	out[4] = '\0';
}

static void set_remedy(struct doctor *d, struct doctor_row *row, const struct dmaf_mapping *m)
{
	switch (m->kind) {
	case DMAF_MAPPING_PFN:
	case DMAF_MAPPING_IO:
		if (kernels_own(m))
			doctor_remedy(d, row, "nothing to do: the kernel's own, never payload");
		else if (!strncmp(m->path, "anon_inode:[perf", 16))
			doctor_remedy(d, row, "copy out what you read: perf rings are made so");
		else
			doctor_remedy(d, row, "%s", driver_remedy);
		break;
	case DMAF_MAPPING_SECRET:
		doctor_remedy(d, row,
			      "payload belongs in a memfd or anonymous memory; "
			      "memfd_secret() is for keys");
		break;
	case DMAF_MAPPING_MIXED:
	case DMAF_MAPPING_DEVICE:
		doctor_remedy(d, row,
			      "Linux 6.5 or newer for registration; SEND_ZC without a "
			      "registered buffer and MSG_ZEROCOPY work as they are");
		break;
	case DMAF_MAPPING_KERNEL:
		doctor_remedy(d, row, "nothing to do: the kernel's own, never payload");
		break;
	case DMAF_MAPPING_UNKNOWN:
		doctor_remedy(d, row, "a kernel with CONFIG_PROC_PAGE_MONITOR tells");
		break;
	default:
		doctor_remedy(d, row,
			      "payload belongs in a memfd or anonymous memory, which "
			      "everything takes");
		break;
	}
}

static void mapping_row(const struct visit *v, const struct dmaf_mapping *m)
{
	enum doctor_verdict verdict = DOCTOR_NO;
	const char *why = NULL;
	char fails[256], fine[256], perms[5], size[32];
	struct doctor_row *row;

	split_facilities(v, m, fails, fine, sizeof(fails));
	if (fine[0])
		verdict = fails[0] ? DOCTOR_LIMITED : DOCTOR_YES;
	if (m->kind == DMAF_MAPPING_UNKNOWN)
		verdict = DOCTOR_UNKNOWN;
	for (unsigned int f = 0; f < DMAF_FACILITIES && !why; f++) {
		struct dmaf_facility_verdict fv =
			dmaf_mapping_verdict(m, (enum dmaf_facility)f, v->kernel);

		why = fv.err ? fv.why : NULL;
	}
	perms_text(m, perms);
	row = doctor_row(v->d, AREA, verdict, "%" PRIx64 "-%" PRIx64 " %s%s", m->start, m->end,
			 m->path[0] ? m->path : "(no name)", m->path_cut ? "..." : "");
	doctor_detail(v->d, row, "%s, %s, %s, VmFlags %s", perms,
		      doctor_bytes(m->end - m->start, size, sizeof(size)),
		      dmaf_mapping_kind_name(m->kind), m->vmflags[0] ? m->vmflags : "not given");
	if (!why)
		return;
	doctor_reason(v->d, row, "%s; refused: %s%s%s", why, fails, fine[0] ? "; works: " : "",
		      fine);
	set_remedy(v->d, row, m);
}

/* errno names, since JSON is read by programs. Only what the table gives. */
static const char *errno_name(int err)
{
	return err == -EFAULT       ? "EFAULT"
	       : err == -EOPNOTSUPP ? "EOPNOTSUPP"
	       : err == -ENODATA    ? "ENODATA"
				    : "EINVAL";
}

static json_t *facilities_json(const struct visit *v, const struct dmaf_mapping *m)
{
	json_t *all = json_object();

	for (unsigned int f = 0; all && f < DMAF_FACILITIES; f++) {
		struct dmaf_facility_verdict fv =
			dmaf_mapping_verdict(m, (enum dmaf_facility)f, v->kernel);
		json_t *one = json_pack("{s:b, s:s?, s:s}", "works", fv.err == 0, "error",
					fv.err ? errno_name(fv.err) : NULL, "why", fv.why);

		if (json_object_set_new(all, dmaf_facility_name((enum dmaf_facility)f), one) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

/* Addresses as text: JSON's numbers lose bits above 2^53 in many readers. */
static int mapping_json(const struct visit *v, const struct dmaf_mapping *m)
{
	char start[24], end[24], perms[5];
	char *path = doctor_clean(m->path);
	json_t *j, *f = facilities_json(v, m);

	snprintf(start, sizeof(start), "0x%" PRIx64, m->start);
	snprintf(end, sizeof(end), "0x%" PRIx64, m->end);
	perms_text(m, perms);
	j = path && f ? json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:O}", "start", start, "end",
				  end, "perms", perms, "path", path, "vmflags", m->vmflags, "kind",
				  dmaf_mapping_kind_name(m->kind), "page_size",
				  (json_int_t)m->page_size, "facilities", f)
		      : NULL;
	json_decref(f);
	free(path);
	return json_array_append_new(v->d->mappings, j);
}

/*
 * Which mappings are worth a line? Text and constants are read-only and can't be registered
 * either, in every process: only what is no ordinary page is told, and shared files on disk.
 */
static bool telling(const struct visit *v, const struct dmaf_mapping *m)
{
	bool writable_share = (m->perms & DMAF_PERM_SHARED) && (m->perms & DMAF_PERM_WRITE);

	switch (m->kind) {
	case DMAF_MAPPING_PAGES:
	case DMAF_MAPPING_HUGETLB:
		return writable_share &&
		       dmaf_mapping_verdict(m, DMAF_FACILITY_URING_FIXED, v->kernel).err;
	case DMAF_MAPPING_DEVICE:
	case DMAF_MAPPING_MIXED: return true;
	default: return true;
	}
}

static int on_mapping(void *arg, const struct dmaf_mapping *m)
{
	struct visit *v = arg;

	v->mappings++;
	if (!telling(v, m))
		return 0;
	v->refused += dmaf_mapping_verdict(m, DMAF_FACILITY_MSG_ZEROCOPY, v->kernel).err != 0;
	mapping_row(v, m);
	if (mapping_json(v, m) < 0)
		v->d->no_memory = true;
	return 0;
}

/* Name and owner from status, which everybody may read. */
static void who(pid_t pid, char *name, size_t room, int *uid)
{
	char path[64], line[256], text[64];
	FILE *f;

	snprintf(name, room, "?");
	*uid = -1;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Name:\t%63[^\n]", text) == 1)
			snprintf(name, room, "%s", text);
		else if (sscanf(line, "Uid: %d", uid) == 1)
			break;
	}
	fclose(f);
}

static int explain(pid_t pid, int err)
{
	char name[64], *clean;
	int uid;

	switch (err) {
	case -ESRCH:
		fprintf(stderr, "dmaflow: doctor: --pid %d: no such process; `ps -e` lists them\n",
			(int)pid);
		break;
	case -EACCES:
		who(pid, name, sizeof(name), &uid);
		clean = doctor_clean(name);
		fprintf(stderr,
			"dmaflow: doctor: --pid %d (%s): not permitted; its user (uid %d) may "
			"look, "
			"and who has CAP_SYS_PTRACE in its user namespace (root)%s\n",
			(int)pid, clean ? clean : "?", uid,
			geteuid() == 0 ? "; you are root: its namespace, Yama or another security "
					 "module refuses"
				       : "");
		free(clean);
		break;
	case -ENOSYS:
		fprintf(stderr,
			"dmaflow: doctor: --pid %d: this kernel has no /proc/PID/smaps "
			"(CONFIG_PROC_PAGE_MONITOR), or /proc isn't mounted\n",
			(int)pid);
		break;
	default:
		fprintf(stderr, "dmaflow: doctor: --pid %d: reading /proc/%d/smaps: %s\n", (int)pid,
			(int)pid, strerror(-err));
		break;
	}
	return 1;
}

int doctor_pid(struct doctor *d, const char *text)
{
	struct visit v = {.d = d, .kernel = dmaf_kernel_version()};
	struct doctor_row *row;
	char name[64], *end;
	long pid;
	int uid, err;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || pid < 1 || pid > INT_MAX) {
		fprintf(stderr, "dmaflow: doctor: --pid %s: not a process id; a number from 1 on\n",
			text);
		return 2;
	}
	d->mappings = json_array();
	if (!d->mappings) {
		d->no_memory = true;
		return 0;
	}
	who((pid_t)pid, name, sizeof(name), &uid);
	row = doctor_row(d, "process", DOCTOR_YES, "%ld (%s)", pid, name);
	err = dmaf_inspect_pid((pid_t)pid, on_mapping, &v);
	if (err < 0)
		return explain((pid_t)pid, err);
	if (v.refused) {
		row->verdict = DOCTOR_LIMITED;
		doctor_reason(d, row, "what lies in those can't be sent or stored by reference");
		doctor_remedy(d, row, "see each mapping below; the kernel's own don't matter");
	}
	doctor_detail(d, row, "%" PRIu64 " mappings, of which %" PRIu64 " can't be pinned at all",
		      v.mappings, v.refused);
	if (!v.mappings)
		doctor_detail(d, row, "no mappings: a kernel thread, or one that has just ended");
	return 0;
}
