// SPDX-License-Identifier: MIT
/* Pools and who owns a buffer. In a build with ownership checks each breach ends the program. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmaflow/mem.h>

#include "core/own.h"
#include "core/pool.h"

#define BLOCK 4096u

static unsigned returned, destroyed;

static void on_return(dmaf_pool *p, dmaf_buf *b)
{
	returned++;
}

static void on_destroy(dmaf_pool *p)
{
	destroyed++;
}

static const struct dmaf_pool_ops ops = {.returned = on_return, .destroy = on_destroy};

static dmaf_pool *make(unsigned count)
{
	struct dmaf_terms t = {.block = BLOCK, .stride = BLOCK, .count = count, .segs = 2};
	struct dmaf_err err = {0};
	dmaf_region *r;
	dmaf_pool *p;

	returned = destroyed = 0;
	assert_int_equal(dmaf_region_anon(&r, (size_t)count * BLOCK, DMAF_MEM_PAGES, &err), 0);
	assert_int_equal(dmaf_pool_create(&p, r, &t, &ops, NULL, &err), 0);
	dmaf_region_put(r);
	return p;
}

static void round_trip(void **state)
{
	dmaf_pool *p = make(3);
	dmaf_buf *b[3];

	for (unsigned i = 0; i < 3; i++) {
		b[i] = dmaf_pool_try(p);
		assert_non_null(b[i]);
		assert_int_equal(b[i]->index, i);
		assert_int_equal(b[i]->seg[0].off, i * BLOCK);
		assert_int_equal(b[i]->owner, DMAF_OWNER_WRITER);
		assert_int_equal(dmaf_buf_room(b[i]), BLOCK);
	}
	assert_null(dmaf_pool_try(p));
	assert_int_equal(dmaf_pool_free_count(p), 0);
	memset(dmaf_buf_data(b[0]), 1, BLOCK);
	dmaf_buf_filled(b[0], 100);
	assert_int_equal(b[0]->len, 100);
	assert_int_equal(b[0]->refs, 1);
	assert_int_equal(b[0]->owner, DMAF_OWNER_READERS);
	dmaf_buf_lend(b[0]);
	dmaf_buf_lend(b[0]);
	dmaf_buf_return(b[0]);
	dmaf_buf_return(b[0]);
	assert_int_equal(dmaf_pool_free_count(p), 0);
	assert_int_equal(returned, 0);
	dmaf_buf_return(b[0]);
	assert_int_equal(dmaf_pool_free_count(p), 1);
	assert_int_equal(returned, 1);
	dmaf_buf_abandon(b[1]);
	dmaf_buf_filled(b[2], 0);
	b[2]->status = -EIO;
	b[2]->flags = DMAF_BUF_ERROR;
	dmaf_buf_return(b[2]);
	assert_int_equal(dmaf_pool_free_count(p), 3);
	/* The block used last comes first, and nothing of its past is left on it. */
	assert_ptr_equal(dmaf_pool_try(p), b[2]);
	assert_int_equal(b[2]->status, 0);
	assert_int_equal(b[2]->flags, 0);
	dmaf_buf_abandon(b[2]);
	dmaf_pool_close(p);
	assert_int_equal(destroyed, 1);
	dmaf_pool_close(NULL);
}

static void bad_terms(void **state)
{
	static const struct {
		struct dmaf_terms t;
		const char *says;
	} cases[] = {
		{{.block = 0, .stride = 64, .count = 1}, "each must be at least 1"},
		{{.block = 64, .stride = 64, .count = 0}, "each must be at least 1"},
		{{.block = 64, .stride = 32, .count = 1}, "at least a block"},
		{{.block = 64, .stride = 96, .count = 1, .align = 64}, "do not start at multiples"},
		{{.block = BLOCK, .stride = BLOCK, .count = 3}, "do not fit"},
		{{.block = SIZE_MAX / 2, .stride = SIZE_MAX / 2, .count = 3}, "do not fit"},
	};
	struct dmaf_err err = {0};
	dmaf_region *r;
	dmaf_pool *p;

	assert_int_equal(dmaf_region_anon(&r, 2 * BLOCK, DMAF_MEM_PAGES, &err), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(dmaf_pool_create(&p, r, &cases[i].t, NULL, NULL, &err), -EINVAL);
		assert_null(p);
		if (!strstr(err.text, cases[i].says))
			fail_msg("'%s' lacks '%s'", err.text, cases[i].says);
	}
	assert_int_equal(r->refs, 1);
	dmaf_region_put(r);
}

/* How a child ends that does @breach: its signal; 0: it went on. */
static int ends(void (*breach)(dmaf_pool *))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct rlimit none = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		(void)!freopen("/dev/null", "w", stderr);
		breach(make(2));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void double_return(dmaf_pool *p)
{
	dmaf_buf *b = dmaf_pool_try(p);

	dmaf_buf_filled(b, 1);
	dmaf_buf_return(b);
	dmaf_buf_return(b);
}

static void return_by_writer(dmaf_pool *p)
{
	dmaf_buf_return(dmaf_pool_try(p));
}

static void abandon_after_handing_over(dmaf_pool *p)
{
	dmaf_buf *b = dmaf_pool_try(p);

	dmaf_buf_filled(b, 1);
	dmaf_buf_abandon(b);
}

static void fill_twice(dmaf_pool *p)
{
	dmaf_buf *b = dmaf_pool_try(p);

	dmaf_buf_filled(b, 1);
	dmaf_buf_filled(b, 1);
}

static void lend_what_is_free(dmaf_pool *p)
{
	dmaf_buf_lend(dmaf_pool_buf(p, 1));
}

static void write_while_lent(dmaf_pool *p)
{
	dmaf_buf *b = dmaf_pool_try(p);

	dmaf_buf_filled(b, 1);
	*(volatile char *)dmaf_buf_data(b) = 1;
}

static void read_what_is_free(dmaf_pool *p)
{
	(void)*(volatile char *)dmaf_region_get(dmaf_pool_region(p))->cpu;
}

static void breaches_are_caught(void **state)
{
	static void (*const by_state[])(dmaf_pool *) = {
		double_return, return_by_writer,  abandon_after_handing_over,
		fill_twice,    lend_what_is_free,
	};

	if (!DMAF_OWN_CHECKED) {
		/* Nothing checks them here; what the build with checks refuses is tested there. */
		dmaf_pool *p = make(1);

		assert_false(dmaf_pool_buf(p, 0)->owner);
		dmaf_pool_close(p);
		return;
	}
	for (size_t i = 0; i < sizeof(by_state) / sizeof(*by_state); i++)
		assert_int_equal(ends(by_state[i]), SIGABRT);
	/* A sanitizer reports the signal and exits with a status of its own. */
	assert_int_not_equal(ends(write_while_lent), 0);
	assert_int_not_equal(ends(read_what_is_free), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(bad_terms),
		cmocka_unit_test(breaches_are_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
