// SPDX-License-Identifier: MIT
/* Kinds by name, and plug-ins that are what they should be or not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/kind.h"
#include "core/words.h"

static struct dmaf_err err;

static int load(const char *name)
{
	char path[1024];

	memset(&err, 0, sizeof(err));
	snprintf(path, sizeof(path), "%s/tests/unit/lib%s.so", getenv("DMAF_BUILD"), name);
	return dmaf_kind_load(path, &err);
}

static void ends_with(const char *tail)
{
	size_t have = strlen(err.text), want = strlen(tail);

	assert_true(have >= want);
	assert_string_equal(err.text + have - want, tail);
}

static void distances(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned d;
	} cases[] = {
		{"", "", 0},        {"", "abc", 3},           {"file", "file", 0},
		{"fil", "file", 1}, {"flie", "file", 2},      {"tpc", "tcp", 2},
		{"null", "nil", 2}, {"kitten", "sitting", 3}, {"serial", "pipe", 5},
	};
	char longer[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(dmaf_word_distance(cases[i].a, cases[i].b), cases[i].d);
		assert_int_equal(dmaf_word_distance(cases[i].b, cases[i].a), cases[i].d);
	}
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	assert_int_equal(dmaf_word_distance(longer, ""), 64);
}

static void words(void **state)
{
	char list[12] = "";

	dmaf_word_append(list, sizeof(list), "one");
	dmaf_word_append(list, sizeof(list), "two");
	assert_string_equal(list, "one, two");
	dmaf_word_append(list, sizeof(list), "three");
	dmaf_word_append(list, sizeof(list), "four");
	assert_string_equal(list, "one, two, t");
}

static void by_name(void **state)
{
	memset(&err, 0, sizeof(err));
	assert_string_equal(dmaf_kind_find("null", &err)->name, "null");
	assert_null(dmaf_kind_find("nul", &err));
	assert_string_equal(err.text, "unknown kind 'nul'; did you mean 'null'?");
	assert_null(dmaf_kind_find("completely-different", &err));
	assert_non_null(strstr(err.text, "there are: pattern, verify, "));
	assert_null(dmaf_kind_find("x", &err));
	assert_non_null(strstr(err.text, "there are: "));
	assert_null(dmaf_kind_find("x", NULL));
}

static void roles(void **state)
{
	const struct dmaf_kind *k;
	dmaf_addr *a;

	assert_int_equal(dmaf_kind_resolve("verify:,seed=3", DMAF_ROLE_STAGE, &a, &k, &err), 0);
	assert_int_equal(dmaf_addr_u64(a, "seed", 0), 3);
	dmaf_addr_free(a);
	/* Common options belong to sources and sinks, not to stages. */
	assert_int_equal(dmaf_kind_resolve("verify:on-gap=stop", DMAF_ROLE_SINK, &a, &k, &err), 0);
	dmaf_addr_free(a);
	assert_int_equal(dmaf_kind_resolve("verify:on-gap=stop", DMAF_ROLE_STAGE, &a, &k, &err),
			 -EINVAL);
	assert_null(a);
	assert_int_equal(dmaf_kind_resolve("pattern:", DMAF_ROLE_SINK, &a, &k, &err), -EINVAL);
	assert_string_equal(err.text, "pattern:: 'pattern' can't be a sink, only: source");
	assert_int_equal(dmaf_kind_resolve("null:", DMAF_ROLE_POOL, &a, &k, &err), -EINVAL);
	assert_string_equal(err.text, "null:: 'null' can't be a pool, only: source, sink");
}

static void plug_ins(void **state)
{
	unsigned n = 0;

	while (dmaf_kind_at(n))
		n++;
	assert_int_equal(load("plug_good"), 0);
	assert_string_equal(dmaf_kind_at(n)->name, "plugged");
	assert_null(dmaf_kind_at(n + 1));
	assert_ptr_equal(dmaf_kind_find("plugged", NULL), dmaf_kind_at(n));
	assert_int_equal(load("plug_good"), -EEXIST);
	ends_with("plug_good.so: a kind 'plugged' is known already");
	assert_int_equal(load("plug_null"), -EEXIST);
	ends_with("plug_null.so: a kind 'null' is known already");
	assert_int_equal(load("plug_abi"), -EINVAL);
	ends_with("plug_abi.so: built for plug-in ABI 2, this is 1; build it again");
	assert_int_equal(load("plug_symbol"), -EINVAL);
	ends_with("plug_symbol.so: it exports no 'dmaf_plugin'; see dmaflow-plugin(3)");
	assert_int_equal(load("plug_absent"), -ENOENT);
	ends_with("cannot open shared object file: No such file or directory");
	assert_null(dmaf_kind_at(n + 1));
}

static void too_many(void **state)
{
	static struct dmaf_kind k[64];
	static char name[64][8];
	int rc = 0, i;

	for (i = 0; i < 64 && !rc; i++) {
		snprintf(name[i], sizeof(name[i]), "k%d", i);
		k[i] = (struct dmaf_kind){.abi = DMAF_ABI, .name = name[i], .main = ""};
		rc = dmaf_kind_add(&k[i]);
	}
	assert_int_equal(rc, -ENOSPC);
	k[0].abi++;
	assert_int_equal(dmaf_kind_add(&k[0]), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances), cmocka_unit_test(words),    cmocka_unit_test(by_name),
		cmocka_unit_test(roles),     cmocka_unit_test(plug_ins), cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
