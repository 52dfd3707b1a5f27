// SPDX-License-Identifier: MIT
/* The smaps parser on recorded and damaged texts, and its verdicts against what the kernel does. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmaflow/inspect.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Cut from /proc/PID/smaps of Linux 6.1 and 6.18; names of files changed to hostile ones. */
static const char recorded[] =
	"55d0c8a00000-55d0c8a21000 rw-p 00000000 00:00 0                          [heap]\n"
	"Size:                132 kB\n"
	"KernelPageSize:        4 kB\n"
	"MMUPageSize:           4 kB\n"
	"Rss:                   8 kB\n"
	"AnonHugePages:         0 kB\n"
	"ShmemPmdMapped:        0 kB\n"
	"THPeligible:    0\n"
	"VmFlags: rd wr mr mw me ac sd \n"
	"7f0000000000-7f0000200000 rw-s 00000000 00:0f 22 /dev/hugepages/x (deleted)\n"
	"KernelPageSize:     2048 kB\n"
	"VmFlags: rd wr sh mr mw me ms de ht sd \n"
	"7f1000000000-7f1000100000 rw-s 00100000 00:06 412                        /dev/my fpga\n"
	"KernelPageSize:        4 kB\n"
	"VmFlags: rd wr sh mr mw me ms pf io de dd \n"
	"7f1100000000-7f1100001000 rw-s 00000000 00:06 413                        /dev/regs\n"
	"VmFlags: rd wr sh mr mw me ms io de dd \n"
	"7f2000000000-7f2000100000 rw-s 00000000 00:06 414                        /dev/split\n"
	"VmFlags: rd wr sh mr mw me ms mm \n"
	"7f3000000000-7f3000001000 r--p 00000000 fe:00 99 /tmp/a\\012VmFlags: pf io\n"
	"VmFlags: rd mr mw me sd \n"
	"7f4000000000-7f4000001000 rw-s 00000000 00:01 7 /secretmem (deleted)\n"
	"VmFlags: rd wr sh mr mw me ms lo dd \n"
	"7f5000000000-7f5000001000 rw-s 00000000 00:06 415                        /dev/plain\n"
	"VmFlags: rd wr sh mr mw me ms \n"
	"7f6000000000-7f6000200000 rw-p 00000000 00:00 0 \n"
	"AnonHugePages:      2048 kB\n"
	"VmFlags: rd wr mr mw me ac hg \n"
	"7f7000000000-7f7000001000 rw-p 00000000 00:00 0\n"
	"Rss:                   4 kB\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
	"VmFlags: ex \n";

struct seen {
	struct dmaf_mapping *m;
	size_t n, max;
	int stop_at; /* 1-based; 0: never */
};

static int collect(void *arg, const struct dmaf_mapping *m)
{
	struct seen *s = arg;

	assert_true(s->n < s->max);
	s->m[s->n++] = *m;
	return s->stop_at && s->n == (size_t)s->stop_at ? 42 : 0;
}

static struct seen seen_new(size_t max)
{
	struct seen s = {.m = calloc(max, sizeof(*s.m)), .max = max};

	assert_non_null(s.m);
	return s;
}

static uint64_t parse(const char *text, size_t len, size_t piece, struct seen *s, int *ret)
{
	static struct dmaf_smaps p;
	int r = 0;

	dmaf_smaps_init(&p, collect, s);
	for (size_t at = 0; at < len && !r; at += piece)
		r = dmaf_smaps_feed(&p, text + at, len - at < piece ? len - at : piece);
	if (!r)
		r = dmaf_smaps_finish(&p);
	if (ret)
		*ret = r;
	assert_int_equal(p.mappings, s->n);
	return p.malformed;
}

static void recorded_text(void **state)
{
	static const enum dmaf_mapping_kind kinds[] = {
		DMAF_MAPPING_PAGES, DMAF_MAPPING_HUGETLB, DMAF_MAPPING_PFN,    DMAF_MAPPING_IO,
		DMAF_MAPPING_MIXED, DMAF_MAPPING_PAGES,   DMAF_MAPPING_SECRET, DMAF_MAPPING_DEVICE,
		DMAF_MAPPING_PAGES, DMAF_MAPPING_UNKNOWN, DMAF_MAPPING_KERNEL,
	};
	struct seen s = seen_new(16);

	assert_int_equal(parse(recorded, sizeof(recorded) - 1, SIZE_MAX / 2, &s, NULL), 0);
	assert_int_equal(s.n, LEN(kinds));
	for (size_t i = 0; i < LEN(kinds); i++)
		assert_int_equal(s.m[i].kind, kinds[i]);
	assert_true(s.m[0].start == 0x55d0c8a00000 && s.m[0].end == 0x55d0c8a21000);
	assert_int_equal(s.m[0].perms, DMAF_PERM_READ | DMAF_PERM_WRITE);
	assert_int_equal(s.m[0].page_size, 4096);
	assert_int_equal(s.m[0].resident, 8192);
	assert_string_equal(s.m[0].path, "[heap]");
	assert_string_equal(s.m[0].vmflags, "rd wr mr mw me ac sd");
	assert_int_equal(s.m[1].page_size, 2048 * 1024);
	assert_int_equal(s.m[1].dev_minor, 0xf);
	assert_string_equal(s.m[2].path, "/dev/my fpga");
	assert_int_equal(s.m[2].offset, 0x100000);
	assert_int_equal(s.m[2].inode, 412);
	assert_int_equal(s.m[2].perms, DMAF_PERM_READ | DMAF_PERM_WRITE | DMAF_PERM_SHARED);
	assert_int_equal(s.m[5].dev_major, 0xfe);
	assert_string_equal(s.m[5].path, "/tmp/a\\012VmFlags: pf io");
	assert_int_equal(s.m[8].huge, 2048 * 1024);
	assert_string_equal(s.m[8].path, "");
	assert_string_equal(s.m[9].path, "");
	free(s.m);
}

static void cut_anywhere(void **state)
{
	struct seen whole = seen_new(16);

	parse(recorded, sizeof(recorded) - 1, SIZE_MAX / 2, &whole, NULL);
	for (size_t piece = 1; piece < 100; piece += 7) {
		struct seen s = seen_new(16);

		assert_int_equal(parse(recorded, sizeof(recorded) - 1, piece, &s, NULL), 0);
		assert_int_equal(s.n, whole.n);
		assert_memory_equal(s.m, whole.m, s.n * sizeof(*s.m));
		free(s.m);
	}
	free(whole.m);
}

static void stops_when_told(void **state)
{
	struct seen s = seen_new(16);
	int ret;

	s.stop_at = 3;
	parse(recorded, sizeof(recorded) - 1, 10, &s, &ret);
	assert_int_equal(ret, 42);
	assert_int_equal(s.n, 3);
	free(s.m);
}

static void malformed_lines(void **state)
{
	static const char *const bad[] = {
		"1000-1000 rw-p 00000000 00:00 0\n",              /* empty range */
		"2000-1000 rw-p 00000000 00:00 0\n",              /* backwards */
		"1000-2000 rw-q 00000000 00:00 0\n",              /* no such permission */
		"1000-2000 rw- 00000000 00:00 0\n",               /* one short */
		"1000-10000000000000000 rw-p 00000000 00:00 0\n", /* above 64 bits */
		"1000-2000 rw-p 00000000 100000000:00 0\n",       /* device above 32 bits */
		"1000-2000 rw-p 00000000 00:00 99999999999999999999\n",
		"1000-2000 rw-p 00000000 00:00 x\n",
		"1000-2000\n",
		"1000\n",
		"a\n",
		"\n",
		"rubbish\n",
		"Nocolon\n",
	};
	static const char good[] = "1000-2000 rw-p 00000000 00:00 0\n";

	for (size_t i = 0; i < LEN(bad); i++) {
		struct seen s = seen_new(4);
		char text[256];
		int n = snprintf(text, sizeof(text), "%sVmFlags: pf\n%s", bad[i], good);

		assert_int_equal(parse(text, (size_t)n, 5, &s, NULL), 1);
		assert_int_equal(s.n, 1);
		/* The flags of the unreadable one must not land on its neighbour. */
		assert_int_equal(s.m[0].vm, 0);
		free(s.m);
	}
}

static void bad_values_are_left_out(void **state)
{
	static const char text[] = "1000-2000 rw-p 00000000 00:00 0\n"
				   "Rss: 18446744073709551615 kB\n"
				   "Rss: 4 MB\n"
				   "KernelPageSize: kB\n"
				   "VmFlags: pfx p f pf\n";
	struct seen s = seen_new(4);

	assert_int_equal(parse(text, sizeof(text) - 1, 3, &s, NULL), 3);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.m[0].resident, 0);
	assert_int_equal(s.m[0].page_size, 0);
	assert_int_equal(s.m[0].kind, DMAF_MAPPING_PFN);
	free(s.m);
}

static void long_lines(void **state)
{
	static const size_t lens[] = {4000, 4095, 4096, 8191, 8192, 8193, 100000};
	static const char head[] = "1000-2000 rw-p 00000000 fe:00 1 /";
	static const char tail[] = "\nVmFlags: pf\n2000-3000 rw-p 00000000 00:00 0\n";

	for (size_t i = 0; i < LEN(lens); i++) {
		struct seen s = seen_new(4);
		size_t len = sizeof(head) - 1 + lens[i] + sizeof(tail) - 1;
		char *text = malloc(len + 1);

		assert_non_null(text);
		memcpy(text, head, sizeof(head) - 1);
		memset(text + sizeof(head) - 1, 'x', lens[i]);
		memcpy(text + sizeof(head) - 1 + lens[i], tail, sizeof(tail));
		assert_int_equal(parse(text, len, 1000, &s, NULL), 0);
		assert_int_equal(s.n, 2);
		assert_int_equal(s.m[0].path_cut, lens[i] + 1 >= DMAF_MAPPING_PATH);
		assert_int_equal(s.m[0].kind, DMAF_MAPPING_PFN);
		assert_false(s.m[1].path_cut);
		free(text);
		free(s.m);
	}
}

static int sane(void *arg, const struct dmaf_mapping *m)
{
	uint64_t *n = arg;

	assert_true(m->end > m->start);
	assert_true((unsigned int)m->kind < DMAF_MAPPING_KINDS);
	assert_non_null(memchr(m->path, '\0', sizeof(m->path)));
	assert_non_null(memchr(m->vmflags, '\0', sizeof(m->vmflags)));
	for (unsigned int f = 0; f < DMAF_FACILITIES; f++) {
		struct dmaf_facility_verdict v =
			dmaf_mapping_verdict(m, (enum dmaf_facility)f, DMAF_KERNEL(6, 1));

		assert_true(v.err <= 0);
		assert_non_null(v.why);
	}
	++*n;
	return 0;
}

/* Same mutations each run: a fixed linear congruential generator (Knuth's MMIX constants). */
static uint32_t next_random(uint64_t *x)
{
	*x = *x * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*x >> 33);
}

static void damaged_texts(void **state)
{
	static struct dmaf_smaps p;
	static char text[sizeof(recorded)];
	uint64_t x = 1, mappings = 0;

	for (int round = 0; round < 5000; round++) {
		size_t len = sizeof(recorded) - 1 - next_random(&x) % 40;
		size_t cut = next_random(&x) % len;

		memcpy(text, recorded, sizeof(recorded));
		for (uint32_t i = next_random(&x) % 30; i; i--)
			text[next_random(&x) % len] = (char)next_random(&x);
		dmaf_smaps_init(&p, sane, &mappings);
		dmaf_smaps_feed(&p, text, cut);
		dmaf_smaps_feed(&p, text + cut, len - cut);
		dmaf_smaps_finish(&p);
	}
	/* Most of a slightly damaged text stays readable. */
	assert_true(mappings > 5000 * 5);
}

static void verdict_depends_on_kernel(void **state)
{
	struct dmaf_mapping m = {
		.start = 4096,
		.end = 8192,
		.inode = 1,
		.perms = DMAF_PERM_READ | DMAF_PERM_WRITE | DMAF_PERM_SHARED,
		.vm = DMAF_VM_KNOWN | DMAF_VM_MIXED,
		.kind = DMAF_MAPPING_MIXED,
	};

	assert_int_equal(dmaf_mapping_verdict(&m, DMAF_FACILITY_URING_FIXED, DMAF_KERNEL(6, 1)).err,
			 -EOPNOTSUPP);
	assert_int_equal(
		dmaf_mapping_verdict(&m, DMAF_FACILITY_URING_FIXED, DMAF_KERNEL(6, 12)).err, 0);
	assert_int_equal(
		dmaf_mapping_verdict(&m, DMAF_FACILITY_MSG_ZEROCOPY, DMAF_KERNEL(6, 1)).err, 0);
}

static size_t page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* What the table says must be what the kernel does. Returns how many facilities were tried. */
static unsigned int compare(const char *what, const void *p, size_t len,
			    enum dmaf_mapping_kind kind)
{
	struct dmaf_facility_trial t[DMAF_FACILITIES];
	struct dmaf_mapping *m = malloc(sizeof(*m));
	unsigned int tried = 0;

	assert_non_null(m);
	assert_int_equal(dmaf_inspect_addr(p, len, m), 0);
	if (m->kind != kind)
		print_message("# %s: %s, VmFlags %s\n", what, dmaf_mapping_kind_name(m->kind),
			      m->vmflags);
	assert_int_equal(m->kind, kind);
	assert_int_equal(dmaf_inspect_try(p, len, t), 0);
	for (unsigned int f = 0; f < DMAF_FACILITIES; f++) {
		struct dmaf_facility_verdict v = dmaf_mapping_verdict(m, (enum dmaf_facility)f, 0);

		if (!t[f].tried) {
			print_message("# %s, %s: not tried: %s\n", what,
				      dmaf_facility_name((enum dmaf_facility)f),
				      strerror(-t[f].err));
			continue;
		}
		if (t[f].err != v.err)
			print_message("# %s, %s: kernel %d, table %d\n", what,
				      dmaf_facility_name((enum dmaf_facility)f), t[f].err, v.err);
		assert_int_equal(t[f].err, v.err);
		tried++;
	}
	free(m);
	return tried;
}

static void *map_pages(int prot, int flags, int fd)
{
	void *p = mmap(NULL, 8 * page(), prot, flags, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void ordinary_memory(void **state)
{
	char name[] = "inspect-XXXXXX";
	int memfd = memfd_create("test", MFD_CLOEXEC);
	int file = mkstemp(name);
	void *p;

	assert_true(memfd >= 0 && file >= 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(ftruncate(memfd, (off_t)(8 * page())), 0);
	assert_int_equal(ftruncate(file, (off_t)(8 * page())), 0);

	p = map_pages(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	assert_true(compare("anonymous", p, 8 * page(), DMAF_MAPPING_PAGES) >= 2);
	munmap(p, 8 * page());
	p = map_pages(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	compare("anonymous read-only", p, 8 * page(), DMAF_MAPPING_PAGES);
	munmap(p, 8 * page());
	p = map_pages(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	compare("no access", p, 8 * page(), DMAF_MAPPING_PAGES);
	munmap(p, 8 * page());
	p = map_pages(PROT_READ | PROT_WRITE, MAP_SHARED, memfd);
	compare("memfd", p, 8 * page(), DMAF_MAPPING_PAGES);
	munmap(p, 8 * page());
	p = map_pages(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	compare("shared anonymous", p, 8 * page(), DMAF_MAPPING_PAGES);
	munmap(p, 8 * page());
	p = map_pages(PROT_READ | PROT_WRITE, MAP_PRIVATE, file);
	compare("private file", p, 8 * page(), DMAF_MAPPING_PAGES);
	munmap(p, 8 * page());
	p = map_pages(PROT_READ | PROT_WRITE, MAP_SHARED, file);
	compare("shared file", p, 8 * page(), DMAF_MAPPING_PAGES);
	munmap(p, 8 * page());
	close(memfd);
	close(file);
}

/* Memory that needs a setting or a right of this machine; what it refuses is said, not failed. */
static void special_memory(void **state)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.exclude_kernel = 1,
	};
	size_t huge = 2U << 20;
	struct dmaf_mapping *m = malloc(sizeof(*m));
	void *p;
	int fd;

	assert_non_null(m);
	fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	p = MAP_FAILED;
	if (fd >= 0 && ftruncate(fd, (off_t)(8 * page())) == 0)
		p = mmap(NULL, 8 * page(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		memset(p, 1, 8 * page());
		compare("memfd_secret", p, 8 * page(), DMAF_MAPPING_SECRET);
		munmap(p, 8 * page());
	} else {
		print_message("# memfd_secret: not to be had here: %s\n", strerror(errno));
	}
	if (fd >= 0)
		close(fd);

	fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	p = fd >= 0 ? mmap(NULL, 9 * page(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
		    : MAP_FAILED;
	if (p != MAP_FAILED) {
		/* Kernels differ in how they map it: the table has to follow what smaps says. */
		assert_int_equal(dmaf_inspect_addr(p, 9 * page(), m), 0);
		print_message("# perf ring: %s, VmFlags %s\n", dmaf_mapping_kind_name(m->kind),
			      m->vmflags);
		compare("perf ring", p, 9 * page(), m->kind);
		munmap(p, 9 * page());
	} else {
		print_message("# perf ring: not to be had here: %s\n", strerror(errno));
	}
	if (fd >= 0)
		close(fd);

	p = mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1,
		 0);
	if (p != MAP_FAILED) {
		compare("huge page", p, huge, DMAF_MAPPING_HUGETLB);
		munmap(p, huge);
	} else {
		print_message("# huge page: not to be had here: %s\n", strerror(errno));
	}
	free(m);
}

struct vvar {
	uint64_t start, end;
};

static int find_vvar(void *arg, const struct dmaf_mapping *m)
{
	struct vvar *v = arg;

	if (strcmp(m->path, "[vvar]") != 0)
		return 0;
	v->start = m->start;
	v->end = m->end;
	return 7;
}

static void vvar_is_refused(void **state)
{
	struct dmaf_facility_trial t[DMAF_FACILITIES];
	struct vvar v = {0, 0};

	assert_int_equal(dmaf_inspect_pid(getpid(), find_vvar, &v), 7);
	assert_true(compare("[vvar]", (void *)(uintptr_t)v.start, page(), DMAF_MAPPING_PFN) >= 2);
	assert_int_equal(dmaf_inspect_try((void *)(uintptr_t)v.start, page(), t), 0);
	assert_true(t[DMAF_FACILITY_MSG_ZEROCOPY].tried && t[DMAF_FACILITY_VMSPLICE].tried);
	assert_int_equal(t[DMAF_FACILITY_MSG_ZEROCOPY].err, -EFAULT);
	assert_int_equal(t[DMAF_FACILITY_VMSPLICE].err, -EFAULT);
}

static void ranges(void **state)
{
	struct dmaf_mapping *m = malloc(sizeof(*m));
	struct dmaf_facility_trial t[DMAF_FACILITIES];
	char *p = map_pages(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	assert_non_null(m);
	assert_int_equal(mprotect(p + 4 * page(), page(), PROT_NONE), 0);
	assert_int_equal(dmaf_inspect_addr(p, 4 * page(), m), 0);
	assert_int_equal(m->perms, DMAF_PERM_READ | DMAF_PERM_WRITE);
	/* The weakest part decides. */
	assert_int_equal(dmaf_inspect_addr(p + 1, 8 * page() - 1, m), 0);
	assert_int_equal(m->perms, 0);
	assert_int_equal(munmap(p + 6 * page(), page()), 0);
	assert_int_equal(dmaf_inspect_addr(p, 8 * page(), m), -ENOMEM);
	assert_int_equal(dmaf_inspect_addr(p + 6 * page(), 1, m), -ENOMEM);
	assert_int_equal(dmaf_inspect_addr(p, 0, m), -EINVAL);
	assert_int_equal(dmaf_inspect_addr(p, SIZE_MAX, m), -EINVAL);
	assert_int_equal(dmaf_inspect_try(p + 1, page(), t), -EINVAL);
	assert_int_equal(dmaf_inspect_try(p, SIZE_MAX, t), -EINVAL);
	munmap(p, 8 * page());
	free(m);
}

static void no_such_process(void **state)
{
	struct vvar v;

	assert_int_equal(dmaf_inspect_pid(-5, find_vvar, &v), -ESRCH);
	assert_int_equal(dmaf_inspect_pid(INT32_MAX, find_vvar, &v), -ESRCH);
}

static unsigned int open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void gives_everything_back(void **state)
{
	struct dmaf_facility_trial t[DMAF_FACILITIES];
	void *p = map_pages(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	unsigned int before = open_fds();
	struct vvar v = {0, 0};

	for (int i = 0; i < 20; i++) {
		assert_int_equal(dmaf_inspect_try(p, 8 * page(), t), 0);
		assert_int_equal(dmaf_inspect_pid(0, find_vvar, &v), 7);
		if (v.start)
			dmaf_inspect_try((void *)(uintptr_t)v.start, page(), t);
	}
	assert_int_equal(open_fds(), before);
	munmap(p, 8 * page());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_text),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(stops_when_told),
		cmocka_unit_test(malformed_lines),
		cmocka_unit_test(bad_values_are_left_out),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(damaged_texts),
		cmocka_unit_test(verdict_depends_on_kernel),
		cmocka_unit_test(ordinary_memory),
		cmocka_unit_test(special_memory),
		cmocka_unit_test(vvar_is_refused),
		cmocka_unit_test(ranges),
		cmocka_unit_test(no_such_process),
		cmocka_unit_test(gives_everything_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
