// SPDX-License-Identifier: MIT
#include <dmaflow/inspect.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *const kind_names[DMAF_MAPPING_KINDS] = {
	[DMAF_MAPPING_UNKNOWN] = "unknown", [DMAF_MAPPING_PAGES] = "pages",
	[DMAF_MAPPING_HUGETLB] = "hugetlb", [DMAF_MAPPING_MIXED] = "mixed",
	[DMAF_MAPPING_DEVICE] = "device",   [DMAF_MAPPING_PFN] = "pfn",
	[DMAF_MAPPING_IO] = "io",           [DMAF_MAPPING_SECRET] = "secret",
	[DMAF_MAPPING_KERNEL] = "kernel",
};

static const char *const facility_names[DMAF_FACILITIES] = {
	[DMAF_FACILITY_MSG_ZEROCOPY] = "MSG_ZEROCOPY",
	[DMAF_FACILITY_VMSPLICE] = "vmsplice",
	[DMAF_FACILITY_ODIRECT] = "O_DIRECT",
	[DMAF_FACILITY_URING_FIXED] = "io_uring fixed buffers",
	[DMAF_FACILITY_SEND_ZC] = "SEND_ZC",
};

const char *dmaf_mapping_kind_name(enum dmaf_mapping_kind kind)
{
	return (unsigned int)kind < DMAF_MAPPING_KINDS ? kind_names[kind] : "unknown";
}

const char *dmaf_facility_name(enum dmaf_facility facility)
{
	return (unsigned int)facility < DMAF_FACILITIES ? facility_names[facility] : "unknown";
}

unsigned int dmaf_kernel_version(void)
{
	unsigned int major, minor;
	struct utsname u;

	if (uname(&u) < 0 || sscanf(u.release, "%5u.%5u", &major, &minor) != 2)
		return 0;
	return DMAF_KERNEL(major, minor);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int digit_of(char c, unsigned int base)
{
	int d = hex_digit(c);

	return d >= 0 && (unsigned int)d < base ? d : -1;
}

/* One unsigned number that fits 64 bits, followed by `end`; steps over both. */
static bool take_number(const char **s, unsigned int base, char end, uint64_t *out)
{
	const char *p = *s;
	uint64_t v = 0;
	int d;

	if (digit_of(*p, base) < 0)
		return false;
	for (; (d = digit_of(*p, base)) >= 0; p++) {
		if (v > (UINT64_MAX - (unsigned int)d) / base)
			return false;
		v = v * base + (unsigned int)d;
	}
	if (*p != end)
		return false;
	*s = p + (end != '\0');
	*out = v;
	return true;
}

static bool take_perms(const char **s, uint32_t *perms)
{
	static const char letters[] = "rwxs";
	const char *p = *s;
	uint32_t bits = 0;

	for (unsigned int i = 0; i < 4; i++) {
		if (p[i] == letters[i])
			bits |= 1U << i;
		else if (p[i] != (i < 3 ? '-' : 'p'))
			return false;
	}
	if (p[4] != ' ')
		return false;
	*s = p + 5;
	*perms = bits;
	return true;
}

/* "start-end perms offset major:minor inode   name"; the name may hold any byte but a newline. */
static bool parse_header(const char *line, bool cut, struct dmaf_mapping *m)
{
	uint64_t major, minor;
	const char *p = line;
	size_t n;

	if (!take_number(&p, 16, '-', &m->start) || !take_number(&p, 16, ' ', &m->end) ||
	    m->end <= m->start || !take_perms(&p, &m->perms) ||
	    !take_number(&p, 16, ' ', &m->offset) || !take_number(&p, 16, ':', &major) ||
	    !take_number(&p, 16, ' ', &minor) || major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	/* Without a name old kernels end the line at the inode, newer ones after a space. */
	if (!take_number(&p, 10, ' ', &m->inode) && !take_number(&p, 10, '\0', &m->inode))
		return false;
	m->dev_major = (uint32_t)major;
	m->dev_minor = (uint32_t)minor;
	while (*p == ' ')
		p++;
	n = strlen(p);
	m->path_cut = cut || n >= sizeof(m->path);
	if (n >= sizeof(m->path))
		n = sizeof(m->path) - 1;
	memcpy(m->path, p, n);
	m->path[n] = '\0';
	return true;
}

static void parse_vmflags(const char *p, struct dmaf_mapping *m)
{
	static const struct {
		char name[3];
		uint32_t bit;
	} known[] = {
		{"pf", DMAF_VM_PFN},     {"io", DMAF_VM_IO},     {"mm", DMAF_VM_MIXED},
		{"ht", DMAF_VM_HUGETLB}, {"lo", DMAF_VM_LOCKED}, {"dd", DMAF_VM_NODUMP},
		{"de", DMAF_VM_NOGROW},
	};
	size_t n;

	m->vm |= DMAF_VM_KNOWN;
	while (*p == ' ')
		p++;
	snprintf(m->vmflags, sizeof(m->vmflags), "%s", p);
	for (n = strlen(m->vmflags); n && m->vmflags[n - 1] == ' '; n--)
		m->vmflags[n - 1] = '\0';
	for (; *p; p += n, p += strspn(p, " ")) {
		n = strcspn(p, " ");
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (n == 2 && !memcmp(p, known[i].name, 2))
				m->vm |= known[i].bit;
	}
}

/* "Key:   number kB" into bytes. */
static bool parse_kb(const char *p, uint64_t *bytes)
{
	uint64_t v;

	while (*p == ' ')
		p++;
	if (!take_number(&p, 10, ' ', &v) || strcmp(p, "kB") != 0 || v > UINT64_MAX / 1024)
		return false;
	*bytes = v * 1024;
	return true;
}

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* A device's own file, as far as a name can tell: shared memory lives under /dev as well. */
static bool names_device(const struct dmaf_mapping *m)
{
	static const char *const memory[] = {"/dev/shm/", "/dev/zero", "/dev/hugepages",
					     "/dev/mqueue/"};

	if (m->inode == 0)
		return false;
	if (starts(m->path, "anon_inode:") || starts(m->path, "/dmabuf:"))
		return true;
	if (!starts(m->path, "/dev/"))
		return false;
	for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
		if (starts(m->path, memory[i]))
			return false;
	return true;
}

static enum dmaf_mapping_kind classify(const struct dmaf_mapping *m)
{
	if (m->start >> 63)
		return DMAF_MAPPING_KERNEL;
	if (!(m->vm & DMAF_VM_KNOWN))
		return DMAF_MAPPING_UNKNOWN;
	if (m->vm & DMAF_VM_PFN)
		return DMAF_MAPPING_PFN;
	if (m->vm & DMAF_VM_IO)
		return DMAF_MAPPING_IO;
	/* A file of that name elsewhere has a device number, and isn't locked and undumpable. */
	if (!strcmp(m->path, "/secretmem (deleted)") && m->dev_major == 0 &&
	    (m->vm & DMAF_VM_LOCKED) && (m->vm & DMAF_VM_NODUMP))
		return DMAF_MAPPING_SECRET;
	if (m->vm & DMAF_VM_HUGETLB)
		return DMAF_MAPPING_HUGETLB;
	if (m->vm & DMAF_VM_MIXED)
		return DMAF_MAPPING_MIXED;
	return names_device(m) ? DMAF_MAPPING_DEVICE : DMAF_MAPPING_PAGES;
}

static void hand_over(struct dmaf_smaps *s)
{
	if (!s->open)
		return;
	s->open = false;
	s->cur.kind = classify(&s->cur);
	s->mappings++;
	s->stopped = s->fn(s->arg, &s->cur);
}

static void begin_mapping(struct dmaf_smaps *s, bool cut)
{
	hand_over(s);
	if (s->stopped)
		return;
	/* The name alone is 4 KiB: clear what is in front of it. */
	memset(&s->cur, 0, offsetof(struct dmaf_mapping, path) + 1);
	s->open = parse_header(s->line, cut, &s->cur);
	if (!s->open)
		s->malformed++;
}

static void take_key(struct dmaf_smaps *s, const char *colon)
{
	size_t n = (size_t)(colon - s->line);
	const char *value = colon + 1;
	uint64_t bytes = 0;
	bool ok = true;

	/* Keys of a mapping whose first line was unreadable belong to nobody. */
	if (!s->open)
		return;
	if (n == 7 && !memcmp(s->line, "VmFlags", n)) {
		parse_vmflags(value, &s->cur);
	} else if (n == 14 && !memcmp(s->line, "KernelPageSize", n)) {
		ok = parse_kb(value, &s->cur.page_size);
	} else if (n == 3 && !memcmp(s->line, "Rss", n)) {
		ok = parse_kb(value, &s->cur.resident);
	} else if ((n == 13 && !memcmp(s->line, "AnonHugePages", n)) ||
		   (n == 14 && !memcmp(s->line, "ShmemPmdMapped", n))) {
		ok = parse_kb(value, &bytes) &&
		     !__builtin_add_overflow(s->cur.huge, bytes, &s->cur.huge);
	}
	if (!ok)
		s->malformed++;
}

/* A first line begins with an address in lower case hex, a key with an upper case letter. */
static void take_line(struct dmaf_smaps *s)
{
	bool cut = s->line_len >= sizeof(s->line);
	const char *colon;

	s->line[cut ? sizeof(s->line) - 1 : s->line_len] = '\0';
	s->line_len = 0;
	if (s->stopped)
		return;
	if (hex_digit(s->line[0]) >= 0) {
		begin_mapping(s, cut);
		return;
	}
	colon = strchr(s->line, ':');
	if (s->line[0] >= 'A' && s->line[0] <= 'Z' && colon)
		take_key(s, colon);
	else
		s->malformed++;
}

void dmaf_smaps_init(struct dmaf_smaps *parser, dmaf_mapping_fn *fn, void *arg)
{
	memset(parser, 0, sizeof(*parser));
	parser->fn = fn;
	parser->arg = arg;
}

int dmaf_smaps_feed(struct dmaf_smaps *parser, const char *text, size_t len)
{
	while (len && !parser->stopped) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) : len;
		size_t room = sizeof(parser->line) - parser->line_len;
		size_t keep = n < room ? n : room;

		memcpy(parser->line + parser->line_len, text, keep);
		parser->line_len += keep;
		if (!nl)
			break;
		take_line(parser);
		text += n + 1;
		len -= n + 1;
	}
	return parser->stopped;
}

int dmaf_smaps_finish(struct dmaf_smaps *parser)
{
	if (!parser->stopped && parser->line_len)
		take_line(parser);
	if (!parser->stopped)
		hand_over(parser);
	return parser->stopped;
}

static int walk(int fd, dmaf_mapping_fn *fn, void *arg)
{
	struct dmaf_smaps parser;
	char text[16384];
	ssize_t n;
	int ret;

	dmaf_smaps_init(&parser, fn, arg);
	for (;;) {
		n = read(fd, text, sizeof(text));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return dmaf_smaps_finish(&parser);
		ret = dmaf_smaps_feed(&parser, text, (size_t)n);
		if (ret)
			return ret;
	}
}

int dmaf_inspect_pid(pid_t pid, dmaf_mapping_fn *fn, void *arg)
{
	char path[64];
	int fd, ret;

	if (pid < 0)
		return -ESRCH;
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	else
		snprintf(path, sizeof(path), "/proc/self/smaps");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ret = errno;
		if (ret != ENOENT)
			return ret == EPERM ? -EACCES : -ret;
		/* Neither a process that is gone nor a kernel without smaps has the file. */
		return access("/proc/self/smaps", F_OK) < 0 ? -ENOSYS : -ESRCH;
	}
	ret = walk(fd, fn, arg);
	close(fd);
	return ret;
}

struct addr_walk {
	uint64_t start, end; /* asked for */
	uint64_t next;       /* first byte not seen mapped yet */
	unsigned int refusals;
	unsigned int kernel;
	bool found;
	struct dmaf_mapping *worst;
};

static unsigned int count_refusals(const struct dmaf_mapping *m, unsigned int kernel)
{
	unsigned int n = 0;

	for (unsigned int f = 0; f < DMAF_FACILITIES; f++)
		n += dmaf_mapping_verdict(m, (enum dmaf_facility)f, kernel).err != 0;
	return n;
}

static int on_addr(void *arg, const struct dmaf_mapping *m)
{
	struct addr_walk *w = arg;
	unsigned int refusals;

	if (m->end <= w->next)
		return 0;
	if (m->start > w->next)
		return 1; /* sorted by address: a hole stays a hole */
	refusals = count_refusals(m, w->kernel);
	if (!w->found || refusals > w->refusals) {
		*w->worst = *m;
		w->refusals = refusals;
		w->found = true;
	}
	w->next = m->end;
	return w->next >= w->end;
}

int dmaf_inspect_addr(const void *addr, size_t len, struct dmaf_mapping *mapping)
{
	struct addr_walk w = {
		.start = (uintptr_t)addr,
		.next = (uintptr_t)addr,
		.kernel = dmaf_kernel_version(),
		.worst = mapping,
	};
	int ret;

	if (len == 0 || __builtin_add_overflow(w.start, (uint64_t)len, &w.end))
		return -EINVAL;
	ret = dmaf_inspect_pid(0, on_addr, &w);
	if (ret < 0)
		return ret;
	return w.next >= w.end ? 0 : -ENOMEM;
}

static const struct dmaf_facility_verdict works = {0, "works"};

/*
 * Registration pins for writing and for long. Up to 6.4 io_uring itself refused files other than
 * shared memory and huge pages; since then mm/gup.c refuses those that need write-back.
 */
static struct dmaf_facility_verdict registration(const struct dmaf_mapping *m, unsigned int kernel)
{
	static const struct dmaf_facility_verdict
		read_only = {-EFAULT, "registration pins for writing, and it is mapped read-only"},
		old_file = {-EOPNOTSUPP, "before Linux 6.5 io_uring registers no mapping of a file "
					 "or device except shared memory and huge pages"},
		dirty = {-EFAULT, "a shared mapping of a file on disk can't be pinned for long: "
				  "its pages must stay trackable for write-back"};
	bool memory = starts(m->path, "/memfd:") || starts(m->path, "/dev/zero") ||
		      starts(m->path, "/dev/shm/") || starts(m->path, "/SYSV");

	if (!(m->perms & DMAF_PERM_WRITE))
		return read_only;
	if (m->inode == 0 || m->kind == DMAF_MAPPING_HUGETLB || memory)
		return works;
	if (kernel && kernel < DMAF_KERNEL(6, 5))
		return old_file;
	/* Anonymous file systems (major 0) hold memory or are a device's; disks have numbers. */
	if (m->kind == DMAF_MAPPING_PAGES && (m->perms & DMAF_PERM_SHARED) && m->dev_major)
		return dirty;
	return works;
}

struct dmaf_facility_verdict dmaf_mapping_verdict(const struct dmaf_mapping *mapping,
						  enum dmaf_facility facility, unsigned int kernel)
{
	static const struct dmaf_facility_verdict
		unknown = {-ENODATA, "the kernel doesn't say what lies behind it (no VmFlags)"},
		pfn = {-EFAULT, "a PFN map has no pages that the kernel could pin"},
		io = {-EFAULT, "mapped as device registers, which the kernel doesn't pin"},
		secret = {-EFAULT, "secret memory is kept out of the kernel's reach"},
		above = {-EFAULT, "above the addresses of user space"},
		unreadable = {-EFAULT, "mapped without read permission"};

	switch (mapping->kind) {
	case DMAF_MAPPING_UNKNOWN:
	case DMAF_MAPPING_KINDS: return unknown;
	case DMAF_MAPPING_PFN: return pfn;
	case DMAF_MAPPING_IO: return io;
	case DMAF_MAPPING_SECRET: return secret;
	case DMAF_MAPPING_KERNEL: return above;
	case DMAF_MAPPING_PAGES:
	case DMAF_MAPPING_HUGETLB:
	case DMAF_MAPPING_MIXED:
	case DMAF_MAPPING_DEVICE: break;
	}
	if (!(mapping->perms & DMAF_PERM_READ))
		return unreadable;
	if (facility == DMAF_FACILITY_URING_FIXED)
		return registration(mapping, kernel ? kernel : dmaf_kernel_version());
	return works;
}
