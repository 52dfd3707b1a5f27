// SPDX-License-Identifier: MIT
/* Addresses: kinds, options, escapes, values with units, hosts and ports, and every message. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dmaflow/addr.h>

#include "core/kind.h"

static const char *const words[] = {"first", "second", NULL};
static const struct dmaf_opt table[] = {
	{"flag", DMAF_OPT_FLAG},
	{"count", DMAF_OPT_COUNT, .min = 1, .max = 1000},
	{"size", DMAF_OPT_SIZE},
	{"rate", DMAF_OPT_RATE, .min = 10},
	{"time", DMAF_OPT_DURATION},
	{"word", DMAF_OPT_WORD, .words = words},
	{"text", DMAF_OPT_STRING},
	{"slice", DMAF_OPT_SLICE},
	{NULL},
};
static const struct dmaf_opt more[] = {{"extra", DMAF_OPT_FLAG}, {NULL}};
static const struct dmaf_opt *const tables[] = {table, more, NULL};

static dmaf_addr *good(const char *text)
{
	struct dmaf_err err = {0};
	dmaf_addr *a;

	if (dmaf_addr_parse(&a, text, &err) || dmaf_addr_check(a, tables, &err))
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(dmaf_addr_text(a), text);
	return a;
}

static void bad(const char *text, const char *message)
{
	struct dmaf_err err = {0};
	dmaf_addr *a;
	int rc = dmaf_addr_parse(&a, text, &err);

	if (!rc)
		rc = dmaf_addr_check(a, tables, &err);
	else
		assert_null(a);
	assert_int_equal(rc, -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.text, message);
	dmaf_addr_free(a);
}

static void parts(void **state)
{
	dmaf_addr *a = good("file:/data/x:y,flag,size=4K,text=a=b,extra");

	assert_string_equal(dmaf_addr_kind(a), "file");
	assert_string_equal(dmaf_addr_main(a), "/data/x:y");
	assert_true(dmaf_addr_has(a, "flag") && dmaf_addr_has(a, "extra"));
	assert_false(dmaf_addr_has(a, "word"));
	assert_int_equal(dmaf_addr_u64(a, "flag", 7), 1);
	assert_int_equal(dmaf_addr_u64(a, "size", 7), 4096);
	assert_int_equal(dmaf_addr_u64(a, "count", 7), 7);
	assert_string_equal(dmaf_addr_str(a, "text", ""), "a=b");
	assert_string_equal(dmaf_addr_str(a, "word", "none"), "none");
	dmaf_addr_free(a);

	a = good("-,flag=no");
	assert_string_equal(dmaf_addr_kind(a), "-");
	assert_string_equal(dmaf_addr_main(a), "");
	assert_int_equal(dmaf_addr_u64(a, "flag", 7), 0);
	dmaf_addr_free(a);
	dmaf_addr_free(NULL);
}

static void escapes(void **state)
{
	dmaf_addr *a = good("file:/a\\,b\\\\c\\d,text=x\\,y\\\\");

	assert_string_equal(dmaf_addr_main(a), "/a,b\\c\\d");
	assert_string_equal(dmaf_addr_str(a, "text", ""), "x,y\\");
	dmaf_addr_free(a);
	a = good("k:end\\");
	assert_string_equal(dmaf_addr_main(a), "end\\");
	dmaf_addr_free(a);
}

static void values(void **state)
{
	uint64_t off, len;
	dmaf_addr *a = good("k:,count=1k,rate=1.5M,time=250us,word=second,slice=64+1M");

	assert_int_equal(dmaf_addr_u64(a, "count", 0), 1000);
	assert_int_equal(dmaf_addr_u64(a, "rate", 0), 1500000);
	assert_int_equal(dmaf_addr_u64(a, "time", 0), 250000);
	assert_int_equal(dmaf_addr_u64(a, "word", 0), 1);
	assert_true(dmaf_addr_slice(a, "slice", &off, &len));
	assert_int_equal(off, 64);
	assert_int_equal(len, 1 << 20);
	dmaf_addr_free(a);
	a = good("k:,word");
	assert_int_equal(dmaf_addr_u64(a, "word", 9), 0);
	assert_false(dmaf_addr_slice(a, "slice", &off, &len));
	dmaf_addr_free(a);
}

static void refused(void **state)
{
	static char longer[5000], many[1000];

	bad("", "'': an address begins with a kind, as in file:/data/x");
	bad(":x", "':x': an address begins with a kind, as in file:/data/x");
	bad("null", "'null': no ':' after the kind; write null:..., or file:null for a file");
	bad("/data/x", "'/data/x': no kind; write file:/data/x for a file");
	bad("k:,", "k:,: an option without a name; write kind:main,option=value,...");
	bad("k:,=1", "k:,=1: an option without a name; write kind:main,option=value,...");
	bad("k:,flag,flag=no", "k:,flag,flag=no: option 'flag' is given twice");
	bad("k:,size", "k:,size: option 'size' needs a value: size=...");
	bad("k:,text=", "k:,text=: text= is empty");
	bad("k:,nope", "k:,nope: 'k' has no option 'nope'; it has: flag, count, size, rate, time, "
		       "word, text, slice, extra");
	bad("k:,word=third", "k:,word=third: word=third is none of: first, second");
	bad("k:,flag=maybe", "k:,flag=maybe: flag=maybe is not yes or no");
	bad("k:,count=x", "k:,count=x: count=x is not a whole number, such as 1000 or 10k");
	bad("k:,count=0", "k:,count=0: count=0 is outside 1 to 1000");
	bad("k:,count=2k", "k:,count=2k: count=2k is outside 1 to 1000");
	bad("k:,rate=9", "k:,rate=9: rate=9 is below 10");
	bad("k:,rate=abc", "k:,rate=abc: rate=abc is not bytes per second, such as 500k, 100M or "
			   "1G");
	bad("k:,size=-1", "k:,size=-1: size=-1 is not a size in bytes, such as 65536, 64K or 1M");
	bad("k:,size=99999999T", "k:,size=99999999T: size=99999999T does not fit 64 bits");
	bad("k:,time=1d", "k:,time=1d: time=1d is not a duration, such as 500ms, 10s or 2m");
	bad("k:,slice=5", "k:,slice=5: slice=5 is not offset+length, such as 64+4032 or 0+1M");
	bad("k:,slice=5+0", "k:,slice=5+0: slice=5+0 is not offset+length, such as 64+4032 or "
			    "0+1M");
	memset(longer, 'a', sizeof(longer) - 1);
	bad(longer, "an address of more than 4095 bytes");
	strcpy(many, "k:");
	for (int i = 0; i < 33; i++)
		sprintf(many + strlen(many), ",o%d", i);
	{
		struct dmaf_err err = {0};
		dmaf_addr *a;

		assert_int_equal(dmaf_addr_parse(&a, many, &err), -EINVAL);
		assert_non_null(strstr(err.text, ": more than 32 options"));
	}
}

static void units(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
	} sizes[] = {
		{"0", 0, 0},
		{"1", 0, 1},
		{"1K", 0, 1024},
		{"3MiB", 0, 3 << 20},
		{"1.5K", 0, 1536},
		{"0.5G", 0, 1 << 29},
		{"16777215T", 0, 16777215ull << 40},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"16777216T", -ERANGE, 0},
		{"1.5", -EINVAL, 0},
		{"1.0000001T", -EINVAL, 0},
		{"1.5000000K", 0, 1536},
		{"", -EINVAL, 0},
		{"K", -EINVAL, 0},
		{"1KB", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1.", -EINVAL, 0},
	};
	uint64_t v;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		v = 0;
		if (dmaf_parse_size(sizes[i].text, &v) != sizes[i].rc || v != sizes[i].value)
			fail_msg("'%s': %" PRIu64, sizes[i].text, v);
	}
	assert_int_equal(dmaf_parse_rate("1G", &v), 0);
	assert_int_equal(v, 1000000000);
	assert_int_equal(dmaf_parse_duration("2", &v), 0);
	assert_int_equal(v, 2000000000);
	assert_int_equal(dmaf_parse_duration("1.5ms", &v), 0);
	assert_int_equal(v, 1500000);
	assert_int_equal(dmaf_parse_duration("2h", &v), 0);
	assert_int_equal(v, 7200ull * 1000000000);
	assert_int_equal(dmaf_parse_duration("0.5ns", &v), -EINVAL);
}

static void hosts(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port; /* 0: refused, .host is the message */
	} cases[] = {
		{"localhost:9000", "localhost", 9000},
		{"[::1]:1", "::1", 1},
		{":65535", "", 65535},
		{"9000", "", 9000},
		{"h:99999", "port '99999' is not a number from 1 to 65535", 0},
		{"h:0", "port '0' is not a number from 1 to 65535", 0},
		{"h:-1", "port '-1' is not a number from 1 to 65535", 0},
		{"h:1x", "port '1x' is not a number from 1 to 65535", 0},
		{"h:18446744073709551617",
		 "port '18446744073709551617' is not a number from 1 to 65535", 0},
		{"h", "'h': no port; write HOST:PORT", 0},
		{"9h", "'9h': no port; write HOST:PORT", 0},
		{"h:", "'h': no port; write HOST:PORT", 0},
		{"[::1]", "'::1': no port; write HOST:PORT", 0},
		{"::1:9000", "'::1:9000': write an IPv6 host as [::1]:9000", 0},
		{"[::1", "'[::1': write an IPv6 host as [::1]:9000", 0},
		{"[::1]9000", "'[::1]9000': write an IPv6 host as [::1]:9000", 0},
		{"12345678901234567890:1",
		 "'12345678901234567890:1': the host has more than 15 letters", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dmaf_err err = {0};
		char host[16] = "";
		uint16_t port = 0;
		int rc = dmaf_host_port(cases[i].text, host, sizeof(host), &port, &err);

		assert_int_equal(port, cases[i].port);
		assert_int_equal(rc, port ? 0 : -EINVAL);
		assert_string_equal(port ? host : err.text, cases[i].host);
	}
}

/* pattern:rate=1G: what stands where a main part would is the first option. */
static void without_main(void **state)
{
	struct dmaf_err err = {0};
	dmaf_addr *a;

	assert_int_equal(dmaf_addr_parse(&a, "k:rate=1G,flag", &err), 0);
	assert_int_equal(dmaf_addr_no_main(a, &err), 0);
	assert_int_equal(dmaf_addr_check(a, tables, &err), 0);
	assert_string_equal(dmaf_addr_main(a), "");
	assert_int_equal(dmaf_addr_u64(a, "rate", 0), 1000000000);
	dmaf_addr_free(a);
	assert_int_equal(dmaf_addr_parse(&a, "k:flag,flag", &err), 0);
	assert_int_equal(dmaf_addr_no_main(a, &err), -EINVAL);
	assert_string_equal(err.text, "k:flag,flag: option 'flag' is given twice");
	dmaf_addr_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),        cmocka_unit_test(escapes), cmocka_unit_test(values),
		cmocka_unit_test(refused),      cmocka_unit_test(units),   cmocka_unit_test(hosts),
		cmocka_unit_test(without_main),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
