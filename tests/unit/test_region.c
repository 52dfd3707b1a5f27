// SPDX-License-Identifier: MIT
/* Regions: references, engines, bus addresses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmaflow/region.h>

static char memory[8192] __attribute__((aligned(4096)));
static char events[64];

static void event(char c)
{
	size_t n = strlen(events);

	events[n] = c;
	events[n + 1] = 0;
}

static struct dmaf_bus_seg segs[] = {
	{.off = 0, .len = 4096},
	{.off = 4096, .len = 4096},
};

static int attach(dmaf_engine *e, dmaf_region *r, struct dmaf_attachment *att, struct dmaf_err *err)
{
	if (e->priv == NULL)
		return dmaf_fail(err, -EFAULT, "%s: refuses %s", e->name, r->name);
	event('a');
	if (e->priv == segs) {
		segs[0].iova = dmaf_iova_make(0x10000);
		segs[1].iova = dmaf_iova_make(0x90000);
		att->segs = segs;
		att->nsegs = 2;
	}
	return 0;
}

static void detach(dmaf_engine *e, dmaf_region *r, struct dmaf_attachment *att)
{
	event('d');
}

static void release(dmaf_region *r)
{
	event('r');
}

static const struct dmaf_engine_ops engine_ops = {attach, detach};
static const struct dmaf_region_ops region_ops = {.release = release};

static void make(dmaf_region *r)
{
	events[0] = 0;
	dmaf_region_init(r, &region_ops, memory, sizeof(memory), 4096, DMAF_PAGES, "a test");
}

static void engines_leave_before_the_memory(void **state)
{
	dmaf_engine one = {&engine_ops, "one", memory}, two = {&engine_ops, "two", memory};
	struct dmaf_err err = {0};
	dmaf_region r;

	make(&r);
	assert_ptr_equal(dmaf_region_get(&r), &r);
	assert_int_equal(dmaf_region_attach(&r, &one, &err), 0);
	assert_int_equal(dmaf_region_attach(&r, &one, &err), 0);
	assert_int_equal(r.natt, 1);
	assert_int_equal(dmaf_region_attach(&r, &two, &err), 0);
	assert_non_null(dmaf_region_find(&r, &two));
	dmaf_region_put(&r);
	assert_string_equal(events, "aa");
	dmaf_region_put(&r);
	assert_string_equal(events, "aaddr");
	dmaf_region_put(NULL);
}

static void refusals(void **state)
{
	dmaf_engine no = {&engine_ops, "no", NULL}, e[DMAF_ATTACH_MAX + 1];
	struct dmaf_err err = {0};
	dmaf_region r;

	make(&r);
	assert_int_equal(dmaf_region_attach(&r, &no, &err), -EFAULT);
	assert_string_equal(err.text, "no: refuses a test");
	assert_null(dmaf_region_find(&r, &no));
	for (int i = 0; i <= DMAF_ATTACH_MAX; i++) {
		e[i] = (dmaf_engine){&engine_ops, "many", memory};
		assert_int_equal(dmaf_region_attach(&r, &e[i], &err),
				 i < DMAF_ATTACH_MAX ? 0 : -ENOSPC);
	}
	assert_string_equal(err.text,
			    "a test: already attached to 8 engines, many is one too many");
	dmaf_region_detach(&r, &e[3]);
	assert_null(dmaf_region_find(&r, &e[3]));
	assert_non_null(dmaf_region_find(&r, &e[7]));
	dmaf_region_detach(&r, &e[3]);
	assert_int_equal(r.natt, DMAF_ATTACH_MAX - 1);
	dmaf_region_put(&r);
}

static void bus_addresses(void **state)
{
	dmaf_engine bus = {&engine_ops, "bus", segs}, cpu = {&engine_ops, "cpu", memory};
	struct dmaf_err err = {0};
	dmaf_iova iova;
	dmaf_region r;
	size_t run;

	make(&r);
	assert_int_equal(dmaf_region_iova(&r, &bus, 0, &iova, &run), -ENXIO);
	assert_int_equal(dmaf_region_attach(&r, &bus, &err), 0);
	assert_int_equal(dmaf_region_attach(&r, &cpu, &err), 0);
	assert_int_equal(dmaf_region_iova(&r, &cpu, 0, &iova, &run), -ENXIO);
	assert_int_equal(dmaf_region_iova(&r, &bus, 4000, &iova, &run), 0);
	assert_int_equal(dmaf_iova_value(iova), 0x10000 + 4000);
	assert_int_equal(run, 96);
	assert_int_equal(dmaf_region_iova(&r, &bus, 4096, &iova, NULL), 0);
	assert_int_equal(dmaf_iova_value(iova), 0x90000);
	assert_int_equal(dmaf_region_iova(&r, &bus, 8191, &iova, &run), 0);
	assert_int_equal(run, 1);
	assert_int_equal(dmaf_region_iova(&r, &bus, 8192, &iova, &run), -ERANGE);
	dmaf_region_put(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engines_leave_before_the_memory),
		cmocka_unit_test(refusals),
		cmocka_unit_test(bus_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
