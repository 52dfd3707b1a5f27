// SPDX-License-Identifier: MIT
/* Files read and written: lengths, alignment, gaps, and everything that can be wrong with one. */
#include "config.h"
#include "file_help.h"

#include <linux/filter.h>
#include <linux/loop.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Whether this directory's file system does direct I/O decides what can be expected below. */
static bool has_direct(void)
{
	int fd = open(in_dir("probe"), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	bool yes = fd >= 0;

	if (yes)
		(void)close(fd);
	(void)unlink(in_dir("probe"));
	return yes;
}

static const char *const ways[] = {
	"", ",engine=sync", ",direct", ",direct,engine=sync", ",direct,depth=1", ",depth=32"};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static void every_length_every_way(void **state)
{
	static const uint64_t len[] = {0, 1, 64 * KIB - 1, 64 * KIB, 5 * 64 * KIB + 333};
	char source[128], sink[128];

	for (size_t l = 0; l < sizeof(len) / sizeof(len[0]); l++) {
		make_file("in", len[l]);
		for (size_t w = 0; w < WAYS * WAYS; w++) {
			(void)snprintf(source, sizeof(source), "file:%%s/in,block=64K%s",
				       ways[w / WAYS]);
			(void)snprintf(sink, sizeof(sink), "file:%%s/out%s", ways[w % WAYS]);
			if (run_flow(source, sink))
				fail_msg("%s to %s: %s", source, sink, why);
			check_file("out", len[l]);
			assert_int_equal(fig.sink[0].count.bytes, len[l]);
		}
	}
}

static void copies_are_counted(void **state)
{
	uint64_t len = 3 * MIB + 700;

	if (!has_direct())
		return;
	make_file("in", len);
	assert_int_equal(run_flow("file:%s/in", "file:%s/out"), 0);
	assert_int_equal(copied(&fig.source), len);
	assert_int_equal(copied(&fig.sink[0]), len);
	assert_int_equal(run_flow("file:%s/in,direct", "file:%s/out,direct"), 0);
	/* Only the tail, which fills no sector. */
	assert_int_equal(copied(&fig.source), 0);
	assert_int_equal(copied(&fig.sink[0]), len % 512);
	assert_string_equal(fig.sink[0].count.copies[0].reason, dmaf_copy_page_cache);
	assert_non_null(strstr(fig.sink[0].count.path, "O_DIRECT"));
	assert_non_null(strstr(fig.sink[0].count.note, "not aligned"));
}

/* Partial blocks of every kind: the file is whole whatever way each piece took. */
static void mixed_pieces(void **state)
{
	static const size_t pieces[][4] = {{0, 1000, 0, 24},       {512, 512, 4096, 64 * KIB},
					   {100, 412, 0, 0},       {1, 2, 3, 4},
					   {4095, 1, 0, 64 * KIB}, {700, 65000, 1, 511}};
	char sink[128];

	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)
		for (size_t w = 0; w < WAYS; w++) {
			gen = (struct gen){.total = 700 * KIB + 77};
			if (p == 3)
				gen.total = 3000;
			memcpy(gen.piece, pieces[p], sizeof(gen.piece));
			(void)snprintf(sink, sizeof(sink), "file:%%s/out%s", ways[w]);
			if (run_flow("gen:block=64K,blocks=8", sink))
				fail_msg("%s: %s", sink, why);
			check_file("out", gen.total);
			assert_int_equal(gen.done_bytes, gen.total);
		}
}

static void offset_and_length(void **state)
{
	make_file("in", 500 * KIB);
	for (size_t w = 0; w < WAYS; w++) {
		char source[128], sink[128];

		(void)snprintf(source, sizeof(source),
			       "file:%%s/in,offset=100001,length=200003,block=64K%s", ways[w]);
		assert_int_equal(run_flow(source, "file:%s/out"), 0);
		assert_int_equal(size_of("out"), 200003);
		check_bytes("out", 0, 100001, 200003);

		/* The middle of a file is written, the rest of it stays. */
		make_file("out", 300 * KIB);
		(void)snprintf(sink, sizeof(sink), "file:%%s/out,offset=1000%s", ways[w]);
		assert_int_equal(run_flow(source, sink), 0);
		assert_int_equal(size_of("out"), 300 * KIB);
		check_bytes("out", 0, 0, 1000);
		check_bytes("out", 1000, 100001, 200003);
		check_bytes("out", 201003, 201003, 300 * KIB - 201003);
	}
	assert_int_equal(run_flow("file:%s/in,offset=600K", "null:"), -EINVAL);
	assert_non_null(strstr(why, "512000 bytes"));
}

/* After an unaligned start one short block goes through the cache, the rest is direct. */
static void realigns(void **state)
{
	if (!has_direct())
		return;
	make_file("in", MIB);
	assert_int_equal(run_flow("file:%s/in,offset=1000,block=64K,direct", "file:%s/out"), 0);
	assert_int_equal(size_of("out"), MIB - 1000);
	check_bytes("out", 0, 1000, MIB - 1000);
	assert_in_range(copied(&fig.source), 1, 4096);
}

static void gaps(void **state)
{
	for (size_t w = 0; w < WAYS; w++) {
		char sink[128];

		gen = (struct gen){.total = 20 * 64 * KIB + 5, .lose_at = 3, .lose = 4};
		(void)snprintf(sink, sizeof(sink), "file:%%s/out,on-gap=zero%s", ways[w]);
		/* Old content must not show through. */
		make_file("out", 30 * 64 * KIB);
		assert_int_equal(run_flow("gen:block=64K,blocks=8", sink), 0);
		assert_int_equal(size_of("out"), gen.total);
		check_bytes("out", 0, 0, 3 * 64 * KIB);
		check_zeros("out", 3 * 64 * KIB, 4 * 64 * KIB);
		check_bytes("out", 7 * 64 * KIB, 7 * 64 * KIB, gen.total - 7 * 64 * KIB);
		assert_int_equal(fig.sink[0].count.lost, 4);

		(void)snprintf(sink, sizeof(sink), "file:%%s/out,on-gap=zero,offset=100%s",
			       ways[w]);
		make_file("out", 30 * 64 * KIB);
		assert_int_equal(run_flow("gen:block=64K,blocks=8", sink), 0);
		check_bytes("out", 100, 0, 3 * 64 * KIB);
		check_zeros("out", 100 + 3 * 64 * KIB, 4 * 64 * KIB);
		check_bytes("out", 100 + 7 * 64 * KIB, 7 * 64 * KIB, gen.total - 7 * 64 * KIB);

		(void)snprintf(sink, sizeof(sink), "file:%%s/out,on-gap=skip%s", ways[w]);
		assert_int_equal(run_flow("gen:block=64K,blocks=8", sink), 0);
		assert_int_equal(size_of("out"), gen.total - 4 * 64 * KIB);
		check_bytes("out", 3 * 64 * KIB, 7 * 64 * KIB, gen.total - 7 * 64 * KIB);

		(void)snprintf(sink, sizeof(sink), "file:%%s/out,on-gap=stop%s", ways[w]);
		assert_int_equal(run_flow("gen:block=64K,blocks=8", sink), -EPIPE);
		/* What came before it is there, and nothing else. */
		check_bytes("out", 0, 0, size_of("out"));
		assert_in_range(size_of("out"), 0, 3 * 64 * KIB);
	}
}

static void prealloc_and_sync(void **state)
{
	for (size_t w = 0; w < WAYS; w++) {
		char sink[128];

		(void)snprintf(sink, sizeof(sink), "file:%%s/out,prealloc=4M,sync%s", ways[w]);
		gen = (struct gen){.total = MIB + 100};
		assert_int_equal(run_flow("gen:block=64K", sink), 0);
		check_file("out", gen.total);
		/* A stream that fails keeps what it wrote, and no reserved tail. */
		gen = (struct gen){.total = 2 * MIB, .fail_after = 9};
		assert_int_equal(run_flow("gen:block=64K", sink), -ECONNRESET);
		check_bytes("out", 0, 0, size_of("out"));
		assert_in_range(size_of("out"), 0, 9 * 64 * KIB);
	}
	gen = (struct gen){.total = 100};
	assert_int_equal(run_flow("gen:block=64K", "file:%s/out,prealloc=10T"), -ENOSPC);
	assert_non_null(strstr(why, "bytes are free"));
}

static void append_plain(void **state)
{
	make_file("out", 1000);
	gen = (struct gen){.total = 64 * KIB + 7};
	for (size_t w = 0; w < WAYS; w++) {
		char sink[128];
		uint64_t before = size_of("out");

		(void)snprintf(sink, sizeof(sink), "file:%%s/out,append%s", ways[w]);
		assert_int_equal(run_flow("gen:block=32K", sink), 0);
		assert_int_equal(size_of("out"), before + gen.total);
		check_bytes("out", before, 0, gen.total);
		assert_false(exists("out.dmaflow")); /* unframed: nothing to go on from */
	}
	check_bytes("out", 0, 0, 1000);
	assert_int_equal(run_flow("gen:", "file:%s/out,append,offset=5"), -EINVAL);
}

/* The text must say what was given, what is wrong and what to do. */
static void refused(const char *source, const char *sink, int rc, const char *says)
{
	int got = run_flow(source, sink);

	if (got != rc || !strstr(why, says))
		fail_msg("%s to %s: %d '%s', not %d '%s'", source, sink, got, why, rc, says);
}

static void bad_paths(void **state)
{
	make_file("in", 100);
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	gen = (struct gen){.total = 100};
	refused("file:%s/absent", "null:", -ENOENT, "there is no such file");
	refused("file:%s", "null:", -EISDIR, "a directory");
	refused("gen:", "file:%s", -EISDIR, "a directory");
	refused("gen:", "file:%s/absent/out", -ENOENT, "directory it should be in");
	refused("file:%s/fifo", "null:", -ESPIPE, "pipe:");
	refused("file:/dev/ptmx", "null:", -ENOTTY, "serial:");
	refused("file:", "null:", -EINVAL, "file:PATH");
	refused("file:%s/in,append", "null:", -EINVAL, "written");
	refused("gen:", "file:%s/out,length=5", -EINVAL, "read");
	refused("file:%s/in", "file:%s/in", -EBUSY, "another file");
	check_file("in", 100);
	refused("file:/proc/self/status,direct", "null:", -EINVAL, "leave direct out");
	/* Nothing half-written: what a failed opening made is gone, what was there is whole. */
	refused("file:%s/absent", "file:%s/new", -ENOENT, "no such file");
	assert_false(exists("new"));
	refused("gen:block=1000", "file:%s/new,direct", -EINVAL, "O_DIRECT on");
	assert_false(exists("new"));
	refused("gen:block=1000", "file:%s/in,direct", -EINVAL, "O_DIRECT on");
	check_file("in", 100);
}

static void no_permission(void **state)
{
	int status;
	pid_t pid;

	make_file("in", 100);
	assert_int_equal(chmod(in_dir("in"), 0), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		bool ok = !setuid(65534) && run_flow("file:%s/in", "null:") == -EACCES &&
			  strstr(why, "no permission to read");

		ok = ok && run_flow("gen:", "file:%s/in") == -EACCES &&
		     strstr(why, "no permission to write");
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void kernel_files(void **state)
{
	char line[64];
	FILE *f;

	/* Their size says 0; their content is what a read gives. */
	assert_int_equal(run_flow("file:/proc/version", "file:%s/out"), 0);
	f = fopen(in_dir("out"), "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_memory_equal(line, "Linux version", 13);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(run_flow("file:/dev/zero,length=100K", "file:%s/out"), 0);
	assert_int_equal(size_of("out"), 100 * KIB);
	check_zeros("out", 0, 100 * KIB);
	assert_int_equal(run_flow("file:/dev/zero,length=100K", "file:/dev/null"), 0);
}

static void device_full(void **state)
{
	gen = (struct gen){.total = MIB};
	refused("gen:block=64K", "file:/dev/full", -ENOSPC, "No space left");
	refused("gen:block=64K", "file:/dev/full,engine=sync", -ENOSPC, "after 0 bytes");
}

static void disk_full(void **state)
{
	char mnt[80];

	(void)snprintf(mnt, sizeof(mnt), "%s/mnt", dir);
	assert_int_equal(mkdir(mnt, 0700), 0);
	if (mount("none", mnt, "tmpfs", 0, "size=1M"))
		skip(); /* not root */
	gen = (struct gen){.total = 4 * MIB};
	refused("gen:block=64K", "file:%s/mnt/out", -ENOSPC, "No space left on device, after");
	assert_in_range(size_of("mnt/out"), 512 * KIB, MIB);
	check_bytes("mnt/out", 0, 0, size_of("mnt/out"));
	refused("gen:block=64K", "file:%s/mnt/out,engine=sync", -ENOSPC, "No space left");
	check_bytes("mnt/out", 0, 0, size_of("mnt/out"));
	assert_int_equal(umount(mnt), 0);
}

static void size_limit(void **state)
{
	struct rlimit was, lim;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	lim = was;
	lim.rlim_cur = 300 * KIB;
	(void)signal(SIGXFSZ, SIG_IGN);
	for (size_t w = 0; w < WAYS; w++) {
		char sink[128];
		int over, under;

		(void)snprintf(sink, sizeof(sink), "file:%%s/out%s", ways[w]);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
		gen = (struct gen){.total = MIB};
		over = run_flow("gen:block=64K", sink);
		gen = (struct gen){.total = 300 * KIB};
		under = over == -EFBIG ? run_flow("gen:block=64K", sink) : 0;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		assert_int_equal(over, -EFBIG);
		assert_int_equal(under, 0); /* what is reserved ahead must not hit it either */
		check_file("out", 300 * KIB);
	}
}

/* A loop device: sectors, an end, no truncation. */
static void block_device(void **state)
{
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC), img, loop, nr;
	char path[32], sink[64], source[64];

	make_file("img", 0);
	assert_int_equal(truncate(in_dir("img"), MIB), 0);
	nr = ctl >= 0 ? ioctl(ctl, LOOP_CTL_GET_FREE) : -1;
	if (nr < 0)
		skip(); /* no loop devices here */
	(void)close(ctl);
	(void)snprintf(path, sizeof(path), "/dev/loop%d", nr);
	img = open(in_dir("img"), O_RDWR | O_CLOEXEC);
	loop = open(path, O_RDWR | O_CLOEXEC);
	if (loop < 0 || ioctl(loop, LOOP_SET_FD, img))
		skip();
	(void)close(img);
	(void)close(loop);
	for (size_t w = 0; w < WAYS; w++) {
		(void)snprintf(sink, sizeof(sink), "file:%s%s", path, ways[w]);
		(void)snprintf(source, sizeof(source), "file:%s,block=64K%s", path, ways[w]);
		gen = (struct gen){.total = MIB};
		assert_int_equal(run_flow("gen:block=64K", sink), 0);
		assert_int_equal(run_flow(source, "file:%s/out"), 0);
		check_file("out", MIB);
		gen = (struct gen){.total = MIB + 1};
		assert_int_equal(run_flow("gen:block=64K", sink), -ENOSPC);
	}
	loop = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(ioctl(loop, LOOP_CLR_FD, 0), 0);
	assert_int_equal(close(loop), 0);
}

/* The kernel refuses io_uring_setup(2), as a container's filter does. */
static bool forbid_uring(int with)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)with),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* Exit status: which step did not go as it should; 0 none. */
static int without_uring(int err_no)
{
	if (!forbid_uring(err_no))
		return 1;
	if (run_flow("file:%s/in,direct", "file:%s/out,direct"))
		return 2;
	if (!strstr(fig.source.count.note, "io_uring") ||
	    !strstr(fig.sink[0].count.note, "io_uring"))
		return 3; /* no silent fallback */
	if (!strstr(fig.sink[0].count.path, "O_DIRECT pwrite"))
		return 4;
	if (run_flow("file:%s/in,engine=uring", "null:") != (DMAF_HAVE_URING ? -err_no : -ENOSYS))
		return 5;
	return strstr(why, "engine=sync") ? 0 : 6;
}

static void uring_forbidden(void **state)
{
	static const int with[] = {EPERM, ENOSYS};

	make_file("in", 512 * KIB);
	for (size_t i = 0; i < 2; i++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid)
			_exit(without_uring(with[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		check_file("out", 512 * KIB);
	}
}

static void nothing_leaks(void **state)
{
	unsigned before = open_fds();

	make_file("in", 5000);
	for (int i = 0; i < 250; i++) {
		assert_int_equal(run_flow("file:%s/in,block=4K,blocks=4", "file:%s/out,append"), 0);
		(void)run_flow("file:%s/in,block=4K,direct", "file:%s/out,direct");
		(void)run_flow("file:%s/in,block=1000", "file:%s/out,direct");
		(void)run_flow("file:%s/in", "file:%s/absent/out");
	}
	assert_int_equal(open_fds(), before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_length_every_way),
		T(copies_are_counted),
		T(mixed_pieces),
		T(offset_and_length),
		T(realigns),
		T(gaps),
		T(prealloc_and_sync),
		T(append_plain),
		T(bad_paths),
		T(no_permission),
		T(kernel_files),
		T(device_full),
		T(disk_full),
		T(size_limit),
		T(block_device),
		T(uring_forbidden),
		T(nothing_leaks),
	};

	if (dmaf_kind_add(&gen_kind))
		return 1;
	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
