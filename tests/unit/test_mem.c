// SPDX-License-Identifier: MIT
/* Regions from this machine's memory, and memfds from others. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmaflow/buf.h>
#include <dmaflow/inspect.h>
#include <dmaflow/mem.h>

#define MIB (1u << 20)

static uint64_t resident(const dmaf_region *r)
{
	struct dmaf_mapping m;

	assert_int_equal(dmaf_inspect_addr(r->cpu, r->len, &m), 0);
	return m.resident;
}

static void check_region(dmaf_region *r, size_t least)
{
	unsigned char *p = r->cpu;

	assert_non_null(p);
	assert_true(r->len >= least && r->len % r->page == 0);
	assert_int_equal((uintptr_t)p % r->page, 0);
	assert_int_equal(r->backing, DMAF_PAGES);
	assert_int_equal(r->refs, 1);
	for (size_t i = 0; i < r->len; i += 4096)
		assert_int_equal(p[i], 0);
	p[0] = 1;
	p[r->len - 1] = 2;
}

static void pages_are_there(void **state)
{
	struct dmaf_err err = {0};
	dmaf_region *r;

	assert_int_equal(dmaf_region_anon(&r, 5 * MIB + 1, DMAF_MEM_PAGES, &err), 0);
	/* Before anyone touches them. */
	assert_int_equal(resident(r), r->len);
	check_region(r, 5 * MIB + 1);
	assert_int_equal(r->len, 5 * MIB + 4096);
	assert_string_equal(r->name, "anonymous 5124 KiB");
	dmaf_region_put(r);
}

/* Runs @touch in a child; says which signal ended it, 0: none. */
static int child(void (*touch)(volatile char *), volatile char *p)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		touch(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void map_and_write_past(volatile char *unused)
{
	dmaf_region *r;

	(void)signal(SIGSEGV, SIG_DFL);
	if (dmaf_region_anon(&r, 4096, DMAF_MEM_PAGES, NULL))
		_exit(1);
	((volatile char *)r->cpu)[r->len] = 1;
}

static void map_and_write_before(volatile char *unused)
{
	dmaf_region *r;

	(void)signal(SIGSEGV, SIG_DFL);
	if (dmaf_region_anon(&r, 4096, DMAF_MEM_PAGES, NULL))
		_exit(1);
	((volatile char *)r->cpu)[-1] = 1;
}

static void poke(volatile char *p)
{
	(void)signal(SIGSEGV, SIG_DFL);
	*p = 1;
}

static void overruns_fault(void **state)
{
	assert_int_equal(child(map_and_write_past, NULL), SIGSEGV);
	assert_int_equal(child(map_and_write_before, NULL), SIGSEGV);
}

static void child_has_none(void **state)
{
	dmaf_region *r;

	assert_int_equal(dmaf_region_anon(&r, MIB, DMAF_MEM_PAGES, NULL), 0);
	assert_int_equal(child(poke, r->cpu), SIGSEGV);
	dmaf_region_put(r);
}

/* Where the kernel gives none the region still works, and its name tells. */
static void transparent_huge(void **state)
{
	struct dmaf_mapping m;
	dmaf_region *r;

	assert_int_equal(dmaf_region_anon(&r, 4 * MIB, DMAF_MEM_THP, NULL), 0);
	assert_int_equal(dmaf_inspect_addr(r->cpu, r->len, &m), 0);
	if (m.huge == r->len) {
		assert_true(r->page > 4096);
		assert_string_equal(r->name, "huge pages (transparent) 4 MiB");
	} else {
		assert_int_equal(r->page, sysconf(_SC_PAGESIZE));
		assert_non_null(strstr(r->name, "(huge pages: "));
	}
	check_region(r, 4 * MIB);
	dmaf_region_put(r);
}

static long nr_hugepages(long set)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", set < 0 ? "r" : "w");
	long v = set;

	if (!f)
		return -1;
	if (set < 0 ? fscanf(f, "%ld", &v) != 1 : fprintf(f, "%ld\n", set) < 0)
		v = -1;
	if (fclose(f))
		v = -1;
	return v;
}

static void reserved_huge(void **state)
{
	struct dmaf_err err = {0};
	long before = nr_hugepages(-1);
	dmaf_region *r;
	int rc;

	/* More than any machine sets aside: refused, with the number to set. */
	assert_true(dmaf_region_anon(&r, (size_t)1 << 44, DMAF_MEM_HUGE, &err) < 0);
	assert_null(r);
	assert_non_null(strstr(err.text, "memory=huge"));
	if (before < 0)
		return; /* no hugetlbfs: the refusal is all there is */
	assert_non_null(strstr(err.text, "vm.nr_hugepages"));
	if (nr_hugepages(before + 2) != before + 2)
		skip(); /* not root */
	rc = dmaf_region_anon(&r, 3 * MIB, DMAF_MEM_HUGE, &err);
	if (!rc) {
		assert_int_equal(r->page, 2 * MIB);
		assert_int_equal(r->len, 4 * MIB);
		check_region(r, 3 * MIB);
		assert_string_equal(r->name, "huge pages 4 MiB");
		dmaf_region_put(r);
	}
	assert_int_equal(nr_hugepages(before), before);
	assert_int_equal(rc, 0);
}

static void memfd_is_sealed(void **state)
{
	dmaf_region *r, *peer;
	int seals;

	assert_int_equal(dmaf_region_memfd(&r, MIB, NULL), 0);
	check_region(r, MIB);
	seals = fcntl(r->fd, F_GET_SEALS);
	assert_int_equal(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
			 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(ftruncate(r->fd, 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_true(fcntl(r->fd, F_GETFD) & FD_CLOEXEC);

	assert_int_equal(dmaf_region_import(&peer, r->fd, 4096, 0, NULL), 0);
	assert_int_equal(peer->len, MIB - 4096);
	assert_int_equal(peer->fd_off, 4096);
	((char *)r->cpu)[4096] = 42;
	assert_int_equal(((char *)peer->cpu)[0], 42);
	dmaf_region_put(r);
	((char *)peer->cpu)[1] = 1; /* lives on */
	dmaf_region_put(peer);
}

static void import_refuses(void **state)
{
	struct dmaf_err err = {0};
	int fd = memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING), plain;
	char path[] = "/tmp/dmaf-mem-XXXXXX";
	dmaf_region *r;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, MIB), 0);
	assert_int_equal(dmaf_region_import(&r, fd, 0, MIB, &err), -EPERM);
	assert_null(r);
	assert_non_null(strstr(err.text, "F_SEAL_SHRINK"));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(dmaf_region_import(&r, fd, 100, 0, &err), -EINVAL);
	assert_non_null(strstr(err.text, "nearest start is 0"));
	assert_int_equal(dmaf_region_import(&r, fd, 0, MIB + 1, &err), -ERANGE);
	assert_int_equal(dmaf_region_import(&r, fd, 2 * MIB, 0, &err), -ERANGE);
	assert_int_equal(dmaf_region_import(&r, fd, UINT64_MAX - 4095, 8192, &err), -ERANGE);
	assert_int_equal(dmaf_region_import(&r, fd, 0, SIZE_MAX, &err), -ERANGE);
	assert_int_equal(dmaf_region_import(&r, fd, 0, MIB, &err), 0);
	dmaf_region_put(r);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(dmaf_region_import(&r, fd, 0, MIB, &err), -EPERM);
	assert_int_equal(close(fd), 0);

	plain = mkstemp(path);
	assert_true(plain >= 0);
	assert_int_equal(unlink(path), 0);
	assert_true(dmaf_region_import(&r, plain, 0, 0, &err) < 0);
	assert_int_equal(close(plain), 0);
	assert_true(dmaf_region_import(&r, -1, 0, 0, &err) < 0);
}

static void bad_sizes(void **state)
{
	static const enum dmaf_mem how[] = {DMAF_MEM_AUTO, DMAF_MEM_PAGES, DMAF_MEM_THP,
					    DMAF_MEM_MEMFD};
	struct dmaf_err err = {0};
	enum dmaf_mem parsed;
	dmaf_region *r;

	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		assert_int_equal(dmaf_region_anon(&r, 0, how[i], &err), -EINVAL);
		assert_int_equal(dmaf_region_anon(&r, SIZE_MAX, how[i], &err), -EINVAL);
		assert_true(dmaf_region_anon(&r, SIZE_MAX / 4, how[i], &err) < 0);
		assert_null(r);
	}
	assert_int_equal(dmaf_mem_parse("hugh", &parsed, &err), -EINVAL);
	assert_non_null(strstr(err.text, "pages, thp, huge, memfd"));
}

static void pools(void **state)
{
	dmaf_pool *pool;
	dmaf_buf *b;

	assert_int_equal(dmaf_pool_open(&pool, "memory:"), 0);
	assert_int_equal(dmaf_pool_terms(pool)->block, MIB / 4);
	assert_int_equal(dmaf_pool_count(pool), 16);
	dmaf_pool_close(pool);

	assert_int_equal(dmaf_pool_open(&pool, "memory:block=5000,blocks=3,memory=memfd"), 0);
	assert_int_equal(dmaf_pool_count(pool), 3);
	assert_true(dmaf_pool_region(pool)->fd >= 0);
	assert_int_equal(dmaf_pool_take(pool, &b, 0), 0);
	assert_int_equal(dmaf_buf_room(b), 5000);
	assert_int_equal((uintptr_t)dmaf_buf_data(b) % 4096, 0);
	dmaf_buf_abandon(b);
	dmaf_pool_close(pool);

	/* Small blocks do not cost a page each. */
	assert_int_equal(dmaf_pool_open(&pool, "memory:block=64,blocks=4096"), 0);
	assert_int_equal(dmaf_pool_region(pool)->len, 256 * 1024);
	dmaf_pool_close(pool);

	assert_true(dmaf_pool_open(&pool, "memory:memory=hugh") < 0);
	assert_non_null(strstr(dmaf_pool_err(pool)->text, "pages, thp, huge, memfd"));
	dmaf_pool_close(pool);
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static size_t count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	size_t n = 0;
	int c;

	assert_non_null(f);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	assert_int_equal(fclose(f), 0);
	return n;
}

static void nothing_leaks(void **state)
{
	static const char *const address[] = {"memory:block=64K,blocks=4",
					      "memory:block=64K,blocks=4,memory=memfd",
					      "memory:block=64K,blocks=4,memory=hugh"};
	unsigned before = open_fds();
	size_t mappings[2];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 500; i++) {
			dmaf_pool *pool;

			(void)dmaf_pool_open(&pool, address[i % 3]);
			dmaf_pool_close(pool);
		}
		mappings[round] = count_mappings();
	}
	assert_int_equal(open_fds(), before);
	/* One more or less is the allocator's; a leak is a thousand. */
	assert_in_range(mappings[1], 0, mappings[0] + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_there), cmocka_unit_test(overruns_fault),
		cmocka_unit_test(child_has_none),  cmocka_unit_test(transparent_huge),
		cmocka_unit_test(reserved_huge),   cmocka_unit_test(memfd_is_sealed),
		cmocka_unit_test(import_refuses),  cmocka_unit_test(bad_sizes),
		cmocka_unit_test(pools),           cmocka_unit_test(nothing_leaks),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
