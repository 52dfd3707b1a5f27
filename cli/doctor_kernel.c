// SPDX-License-Identifier: MIT
/* The kernel: version, limits, io_uring, and whether it takes modules. */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <dmaflow/inspect.h>

#include "config.h"

#if DMAF_HAVE_URING
#include <liburing.h>
#endif

#define AREA "kernel"

/* Capabilities by number, <linux/capability.h>. */
#define CAP_BIT_IPC_LOCK 14U

static void version(struct doctor *d)
{
	unsigned int v = dmaf_kernel_version();
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "version");
	struct utsname u;

	if (v == 0 || uname(&u) < 0) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row, "uname(2) gives no version");
		doctor_remedy(d, row, "nothing to do: what follows was tried");
		return;
	}
	doctor_detail(d, row, "%s %s, %s", u.sysname, u.release, u.machine);
	if (v >= DMAF_KERNEL(6, 0))
		return;
	row->verdict = v < DMAF_KERNEL(4, 14) ? DOCTOR_NO : DOCTOR_LIMITED;
	doctor_reason(d, row,
		      "MSG_ZEROCOPY came with 4.14 (TCP) and 5.0 (UDP), io_uring with 5.1, "
		      "SEND_ZC with 6.0");
	doctor_remedy(d, row,
		      "what is missing below is done by other modes; a kernel from 6.1 on "
		      "has all of them");
}

static bool has_capability(unsigned int bit)
{
	unsigned long long caps = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	fclose(f);
	return caps >> bit & 1;
}

static void memlock(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "locked memory");
	struct rlimit rl;
	char text[32];

	if (getrlimit(RLIMIT_MEMLOCK, &rl) < 0) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row, "getrlimit(RLIMIT_MEMLOCK): %s", strerror(errno));
		doctor_remedy(d, row, "let the filter pass prlimit64");
		return;
	}
	if (rl.rlim_cur == RLIM_INFINITY) {
		doctor_detail(d, row, "RLIMIT_MEMLOCK unlimited");
		return;
	}
	doctor_bytes(rl.rlim_cur, text, sizeof(text));
	if (has_capability(CAP_BIT_IPC_LOCK)) {
		doctor_detail(d, row, "RLIMIT_MEMLOCK %s, not applied to you (CAP_IPC_LOCK)", text);
		return;
	}
	row->verdict = DOCTOR_LIMITED;
	doctor_detail(d, row, "RLIMIT_MEMLOCK %s", text);
	doctor_reason(d, row,
		      "bounds pages in flight by MSG_ZEROCOPY (then ENOBUFS), registered with "
		      "io_uring (ENOMEM) and mapped through VFIO");
	doctor_remedy(d, row,
		      "as root: `ulimit -l unlimited`, or `* - memlock unlimited` in "
		      "/etc/security/limits.conf, or LimitMEMLOCK=infinity in the unit");
}

static void uring_refused(struct doctor *d, int err)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_NO, "io_uring");
	long long disabled = doctor_read_number("/proc/sys/kernel/io_uring_disabled", 0);

	doctor_detail(d, row, "io_uring_setup: %s", strerror(-err));
	if (err == -EPERM && disabled) {
		doctor_reason(d, row, "sysctl kernel.io_uring_disabled is %lld (%s)", disabled,
			      disabled == 1 ? "only for CAP_SYS_ADMIN and kernel.io_uring_group"
					    : "for everybody");
		doctor_remedy(d, row,
			      "as root: sysctl kernel.io_uring_disabled=0; until then "
			      "plain system calls are used");
	} else if (err == -EPERM || err == -EACCES) {
		doctor_reason(d, row,
			      "a seccomp filter or security module forbids it, as "
			      "containers' default profiles do");
		doctor_remedy(d, row,
			      "let the container's seccomp profile pass io_uring_setup, "
			      "io_uring_enter and io_uring_register");
	} else if (err == -ENOMEM) {
		doctor_reason(d, row, "before Linux 5.12 its rings count against RLIMIT_MEMLOCK");
		doctor_remedy(d, row, "raise the limit; see \"locked memory\"");
	} else if (err == -ENOSYS) {
		doctor_reason(d, row,
			      "the kernel is older than 5.1 or built without "
			      "CONFIG_IO_URING, or a filter hides it");
		doctor_remedy(d, row, "another kernel; until then plain system calls are used");
	} else {
		doctor_reason(d, row, "not a refusal known here: see io_uring_setup(2)");
		doctor_remedy(d, row, "none known; plain system calls are used");
	}
}

#if DMAF_HAVE_URING
static const struct {
	int op;
	const char *name, *needs;
} opcodes[] = {
	{IORING_OP_READ_FIXED, "READ_FIXED", "5.1"},
	{IORING_OP_WRITE_FIXED, "WRITE_FIXED", "5.1"},
	{IORING_OP_SEND, "SEND", "5.6"},
	{IORING_OP_RECV, "RECV", "5.6"},
	{IORING_OP_SPLICE, "SPLICE", "5.7"},
	{IORING_OP_FSYNC, "FSYNC", "5.1"},
	{IORING_OP_SEND_ZC, "SEND_ZC", "6.0"},
	{IORING_OP_SENDMSG_ZC, "SENDMSG_ZC", "6.1"},
};

static void uring_opcodes(struct doctor *d, struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	struct doctor_row *row;

	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		bool yes = probe && io_uring_opcode_supported(probe, opcodes[i].op);

		row = doctor_row(d, AREA, yes ? DOCTOR_YES : DOCTOR_NO, "io_uring %s",
				 opcodes[i].name);
		if (yes)
			continue;
		if (!probe)
			row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row,
			      probe ? "came with Linux %s"
				    : "the kernel has no "
				      "IORING_REGISTER_PROBE (5.6); it came with %s",
			      opcodes[i].needs);
		doctor_remedy(d, row, "a newer kernel; until then another mode is used");
	}
	io_uring_free_probe(probe);
}

static void uring(struct doctor *d)
{
	struct io_uring ring;
	struct doctor_row *row;
	int err = io_uring_queue_init(4, &ring, 0);

	if (err < 0) {
		uring_refused(d, err);
		return;
	}
	row = doctor_row(d, AREA, DOCTOR_YES, "io_uring");
	doctor_detail(d, row, "a ring was made; features 0x%x", ring.features);
	uring_opcodes(d, &ring);
	io_uring_queue_exit(&ring);
}
#else
static void uring(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_NO, "io_uring");

	(void)uring_refused;
	doctor_reason(d, row, "this dmaflow was built without liburing");
	doctor_remedy(d, row, "install liburing-dev, then meson setup -Dio_uring=enabled");
}
#endif

/* What takes own memory by reference, by trying it: the base line for every other memory. */
static void facilities(struct doctor *d)
{
	struct dmaf_facility_trial t[DMAF_FACILITIES];
	size_t len = 65536;
	struct doctor_row *row;
	void *p;
	int err;

	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		d->no_memory = true;
		return;
	}
	err = dmaf_inspect_try(p, len, t);
	munmap(p, len);
	for (unsigned int f = 0; !err && f < DMAF_FACILITIES; f++) {
		row = doctor_row(d, "ordinary memory", DOCTOR_YES, "%s",
				 dmaf_facility_name((enum dmaf_facility)f));
		if (t[f].tried && !t[f].err) {
			doctor_detail(d, row, "tried: works%s",
				      t[f].copied ? " (loopback always copies)" : "");
			continue;
		}
		row->verdict = t[f].tried ? DOCTOR_NO : DOCTOR_UNKNOWN;
		doctor_detail(d, row, "%s: %s", t[f].tried ? "tried" : "couldn't be tried",
			      strerror(-t[f].err));
		if (f == DMAF_FACILITY_ODIRECT && !t[f].tried) {
			doctor_reason(d, row,
				      "no directory on a disk to make a file in: $TMPDIR, "
				      "/var/tmp, the current one, /tmp");
			doctor_remedy(d, row, "TMPDIR=a directory on a disk");
		} else if (t[f].err == -ENOMEM || t[f].err == -ENOBUFS) {
			doctor_reason(d, row, "a limit on locked memory");
			doctor_remedy(d, row, "see \"locked memory\" and \"optmem_max\"");
		} else if (f >= DMAF_FACILITY_URING_FIXED && !t[f].tried) {
			doctor_reason(d, row, "needs io_uring and its opcode");
			doctor_remedy(d, row, "see \"io_uring\"; other modes remain");
		} else {
			doctor_reason(d, row,
				      "refused for memory that nothing is wrong with: the "
				      "kernel lacks it or a filter forbids it");
			doctor_remedy(d, row, "nothing to do: other modes remain");
		}
	}
}

/* Byte 4 of the variable, after four of attributes (UEFI 2.10, 3.3). -1: no UEFI or not told. */
static int secure_boot(void)
{
	unsigned char var[5];
	int fd = open("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
		      O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, var, sizeof(var));
	close(fd);
	return n == (ssize_t)sizeof(var) ? var[4] : -1;
}

/* "none [integrity] confidentiality": the one in brackets. */
static void lockdown_state(char *state, size_t room)
{
	char text[128], *open, *close;

	snprintf(state, room, "not told");
	if (doctor_read("/sys/kernel/security/lockdown", text, sizeof(text)) <= 0)
		return;
	open = strchr(text, '[');
	close = open ? strchr(open, ']') : NULL;
	if (close)
		snprintf(state, room, "%.*s", (int)(close - open - 1), open + 1);
}

static void modules(struct doctor *d)
{
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "unsigned modules");
	int sb = secure_boot();
	char enforce[8], lockdown[32];

	lockdown_state(lockdown, sizeof(lockdown));
	if (access("/proc/modules", F_OK) < 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "the kernel is built without loadable modules");
		doctor_remedy(d, row,
			      "a kernel with CONFIG_MODULES; until then dmaflow.ko and "
			      "other drivers can't be added");
		return;
	}
	doctor_detail(d, row, "Secure Boot %s, lockdown %s",
		      sb < 0 ? "absent or not told"
		      : sb   ? "on"
			     : "off",
		      lockdown);
	doctor_read("/sys/module/module/parameters/sig_enforce", enforce, sizeof(enforce));
	if (doctor_read_number("/proc/sys/kernel/modules_disabled", 0) == 1) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "sysctl kernel.modules_disabled is 1");
		doctor_remedy(d, row, "it can't be taken back: reboot without it");
	} else if (enforce[0] == 'Y' || !strcmp(lockdown, "integrity") ||
		   !strcmp(lockdown, "confidentiality")) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "%s: only modules signed with an enrolled key load",
			      enforce[0] == 'Y' ? "module.sig_enforce is on"
						: "kernel lockdown is on");
		doctor_remedy(d, row,
			      "sign the module with a key of your own and enrol it with "
			      "`mokutil --import`, or turn Secure Boot off");
	} else if (sb > 0) {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row,
			      "Secure Boot is on, yet neither lockdown nor sig_enforce "
			      "says that modules must be signed");
		doctor_remedy(d, row, "load it and see: dmesg tells of a refused signature");
	}
}

void doctor_kernel(struct doctor *d)
{
	version(d);
	memlock(d);
	modules(d);
	uring(d);
	facilities(d);
}
