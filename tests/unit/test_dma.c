// SPDX-License-Identifier: MIT
/* The user's end of dmaflow.ko and the dma: kind, on a device that is made up. */
#include "fake_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <dmaflow/flow.h>

#include "mem/driver.h"

static int reset(void **state)
{
	(void)state;
	fake_reset();
	return 0;
}

static int closed(void **state)
{
	(void)state;
	fake_check_closed();
	return 0;
}

static dmaf_flow *flow_of(const char *source, const char *sink)
{
	dmaf_flow *f = dmaf_flow_new();

	assert_non_null(f);
	assert_int_equal(dmaf_flow_add(f, source), 0);
	assert_int_equal(dmaf_flow_add(f, sink), 0);
	return f;
}

/* A flow runs to its end. Return: what it ended with; *g its figures, *why the explanation. */
static int run(const char *source, const char *sink, struct dmaf_figures *g, struct dmaf_err *why)
{
	dmaf_flow *f = flow_of(source, sink);
	int rc = dmaf_flow_open(f);

	if (!rc)
		rc = dmaf_flow_run(f);
	if (g)
		dmaf_flow_figures(f, g);
	if (why)
		*why = *dmaf_flow_err(f);
	dmaf_flow_close(f);
	return rc;
}

static void says(const struct dmaf_err *err, const char *words, int line)
{
	if (!strstr(err->text, words))
		fail_msg("line %d: '%s' lacks '%s'", line, err->text, words);
}
#define SAYS(err, words) says(&(err), words, __LINE__)

static void nothing_opens(void **state)
{
	struct dmaf_err err = {0};
	struct dmaf_driver *d;

	(void)state;
	assert_int_equal(dmaf_driver_open(&d, "/dev/dmaflow-none", "dma:x", &err), -ENOENT);
	SAYS(err, "dma:x: there is no /dev/dmaflow-none");
	SAYS(err, dmaf_driver_loaded() ? "dmesg" : "modprobe dmaflow");
	/* Not even opened: a pipe would block, a disk may act. */
	assert_int_equal(dmaf_driver_open(&d, "/proc/self/exe", "dma:x", &err), -ENOTTY);
	SAYS(err, "no device of dmaflow.ko");
	/* Another driver's device says that it does not know the question. */
	assert_int_equal(dmaf_driver_open(&d, "/dev/null", "dma:x", &err), -ENOTTY);
	assert_null(d);

	fake.open_errno = EACCES;
	assert_int_equal(dmaf_driver_open(&d, FAKE_NODE, "dma:x", &err), -EACCES);
	SAYS(err, "usermod -aG");
	fake.open_errno = ENODEV;
	assert_int_equal(dmaf_driver_open(&d, FAKE_NODE, "dma:x", &err), -ENODEV);
	SAYS(err, "unplugged");
	fake.open_errno = 0;
	fake.info.version = 7;
	assert_int_equal(dmaf_driver_open(&d, FAKE_NODE, "dma:x", &err), -EPROTO);
	SAYS(err, "speaks version 7 of its interface, this program version 1");
}

static void setup_is_explained(void **state)
{
	static const struct {
		int rc;
		const char *options, *says;
	} cases[] = {
		{EBUSY, "", "taken by another program"},
		{E2BIG, ",contiguous", "no IOMMU stands in front"},
		{E2BIG, "", "more than the device reaches"},
		{ENOSPC, "", "memory=NAME:SIZE"},
		{ENOMEM, "", "where this device reaches it"},
		{ENOMEM, ",memory=user", "ulimit -l"},
		{EFAULT, ",memory=user", "memory=driver"},
		{EINVAL, ",memory=user", "shared memory only"},
		{EINVAL, "", "16 blocks of 4096 bytes, 4096 apart"},
		{ENODEV, "", "is gone"},
		{EPROTO, "", "version"},
		{EIO, "", "dmesg may say more"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dmaf_err why;
		char source[128];

		(void)snprintf(source, sizeof(source), "dma:" FAKE_NODE ",block=4K%s",
			       cases[i].options);
		fake.setup_errno = cases[i].rc;
		assert_int_equal(run(source, "null:", NULL, &why), -cases[i].rc);
		SAYS(why, "dma:" FAKE_NODE);
		SAYS(why, cases[i].says);
		assert_int_equal(!!(fake.set.flags & DMAF_DRV_SETUP_CONTIGUOUS),
				 !strcmp(cases[i].options, ",contiguous"));
		fake_check_closed();
	}
}

/* What the device is decides what it can be in a flow. */
static void roles(void **state)
{
	struct dmaf_err why;
	dmaf_pool *pool;

	(void)state;
	assert_int_equal(run("dma:", "null:", NULL, &why), -EINVAL);
	SAYS(why, "write dma:/dev/dmaflow0");
	assert_int_equal(run("pattern:", "dma:" FAKE_NODE, NULL, &why), -EOPNOTSUPP);
	SAYS(why, "it can be a source, not a sink");
	assert_int_equal(dmaf_pool_open(&pool, "dma:" FAKE_NODE), -EOPNOTSUPP);
	SAYS(*dmaf_pool_err(pool), "a device that the driver runs");
	dmaf_pool_close(pool);
	fake.info.caps = DMAF_DRV_CAP_FROM_MEMORY;
	assert_int_equal(run("dma:" FAKE_NODE, "null:", NULL, &why), -EOPNOTSUPP);
	SAYS(why, "it can be a sink, not a source");
	fake.info.caps = MEMORY_ONLY;
	assert_int_equal(run("dma:" FAKE_NODE, "null:", NULL, &why), -EOPNOTSUPP);
	SAYS(why, "memory with no device behind it");
	assert_int_equal(dmaf_pool_open(&pool, "dma:" FAKE_NODE ",memory=user"), -EINVAL);
	dmaf_pool_close(pool);
	assert_int_equal(run("dma:" FAKE_NODE ",memory=thp", "null:", NULL, &why), -EINVAL);
	SAYS(why, "driver, user, huge");
}

static void limits_are_negotiated(void **state)
{
	struct dmaf_err why;

	(void)state;
	fake.info.block_max = 65536;
	fake.info.block_align = 2048;
	assert_int_equal(run("dma:" FAKE_NODE ",block=128K", "null:", NULL, &why), -EINVAL);
	SAYS(why, "takes at most 65536");
	assert_int_equal(run("dma:" FAKE_NODE ",block=5000", "null:", NULL, &why), -EINVAL);
	SAYS(why, "the device's transfers");
	/* Nobody asks for a size: one that suits is found. */
	assert_int_equal(run("dma:" FAKE_NODE ",count=3", "null:", NULL, NULL), 0);
	assert_int_equal(fake.set.block, 65536);
	fake.info.cache_align = 8192;
	fake.info.block_align = 1;
	assert_int_equal(run("dma:" FAKE_NODE ",block=100,count=3", "null:", NULL, NULL), 0);
	assert_int_equal(fake.set.stride, 8192);
}

static void every_byte_arrives(void **state)
{
	struct dmaf_figures g;

	(void)state;
	fake.segment = 8192;
	assert_int_equal(
		run("dma:" FAKE_NODE ",block=4K,blocks=8,bytes=1000000", "verify:", &g, NULL), 0);
	assert_int_equal(g.source.count.bytes, 1000000);
	assert_int_equal(g.sink[0].count.bytes, 1000000);
	assert_int_equal(g.source.count.lost, 0);
	assert_int_equal(fake.starts, 1);
	assert_int_equal(fake.set.ring, 8);
	assert_non_null(strstr(g.memory, "dmaflow-fake"));
	fake_check_closed();
	fake.no_iova = true;
	assert_int_equal(run("dma:" FAKE_NODE ",count=10", "verify:", &g, NULL), 0);
}

static void users_memory(void **state)
{
	struct dmaf_figures g;

	(void)state;
	assert_int_equal(run("dma:" FAKE_NODE ",block=5000,blocks=7,bytes=1000000,memory=user",
			     "verify:", &g, NULL),
			 0);
	assert_int_equal(g.sink[0].count.bytes, 1000000);
	assert_int_equal(fake.set.memory, DMAF_DRV_MEM_USER);
	assert_int_equal(fake.set.ring, 8);
	assert_int_equal(fake.set.stride, 8192);
	assert_non_null(strstr(g.memory, "memfd"));
}

static void gaps_are_exact(void **state)
{
	struct dmaf_figures g;

	(void)state;
	fake.lose_after = 20;
	fake.lose = 5;
	assert_int_equal(run("dma:" FAKE_NODE ",block=4K,blocks=8,count=50", "verify:", &g, NULL),
			 0);
	assert_int_equal(g.source.count.lost, 5);
	assert_int_equal(g.source.count.lost_bytes, 5 * 4096);
	assert_int_equal(g.sink[0].count.lost, 5);
	assert_non_null(strstr(g.source.count.note, "5 because none was free"));
}

static void short_and_last(void **state)
{
	dmaf_source *src;
	dmaf_buf *b;

	(void)state;
	fake.short_at = 3;
	fake.last_after = 5;
	assert_int_equal(dmaf_source_open(&src, "dma:" FAKE_NODE ",block=4K,blocks=8"), 0);
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(dmaf_source_next(src, &b, 1000), 0);
		assert_int_equal(b->seq, i - 1);
		assert_int_equal(b->len, i == 3 ? 2048 : 4096);
		assert_int_equal(b->offset, (i - 1) * 4096 - (i > 3 ? 2048 : 0));
		assert_int_equal(b->mono_ns, i);
		assert_int_equal(b->flags, i == 3   ? DMAF_BUF_PARTIAL | DMAF_BUF_ERROR
					   : i == 5 ? DMAF_BUF_LAST
						    : 0);
		dmaf_source_done(src, b);
	}
	assert_int_equal(dmaf_source_next(src, &b, 1000), DMAF_END);
	assert_int_equal(src->p.count.errors, 1);
	dmaf_source_close(src);
	assert_int_equal(fake.stops, 1);
}

/* What the device holds unfilled when it is stopped comes back, and nothing of it is delivered. */
static void stopped(void **state)
{
	struct dmaf_figures g;

	(void)state;
	fake.hold_after = 30;
	assert_int_equal(
		run("dma:" FAKE_NODE ",block=4K,blocks=8,duration=100ms", "verify:", &g, NULL), 0);
	assert_int_equal(g.source.count.buffers, 30);
	assert_int_equal(g.sink[0].count.buffers, 30);
	assert_int_equal(g.pool_free, 8);
	assert_int_equal(fake.nheld, 0);
	fake_check_closed();

	/* What is filled already when it is stopped, and was held up by rate=, is still delivered.
	 */
	fake_reset();
	assert_int_equal(run("dma:" FAKE_NODE ",block=4K,blocks=8,rate=40k,duration=100ms",
			     "verify:", &g, NULL),
			 0);
	assert_in_range(fake.stats.filled, 8, 20);
	assert_int_equal(g.source.count.buffers, fake.stats.filled);
	assert_int_equal(g.sink[0].count.buffers, fake.stats.filled);
}

static void unplugged(void **state)
{
	struct dmaf_figures g;
	struct dmaf_err why;

	(void)state;
	fake.gone_after = 30;
	assert_int_equal(run("dma:" FAKE_NODE ",block=4K,blocks=8", "verify:", &g, &why), -ENODEV);
	SAYS(why, "the device 0000:00:04.0 is gone");
	assert_int_equal(g.source.count.buffers, 30);
	assert_int_equal(g.sink[0].count.buffers, 30);
	assert_int_equal(g.pool_free, 8);
}

static void start_refused(void **state)
{
	struct dmaf_figures g;
	struct dmaf_err why;

	(void)state;
	fake.start_errno = EIO;
	assert_int_equal(run("dma:" FAKE_NODE ",block=4K,blocks=8", "null:", &g, &why), -EIO);
	SAYS(why, "start (0000:00:04.0, fake)");
	assert_int_equal(g.pool_free, 8);
}

static void liars(void **state)
{
	struct dmaf_figures g;
	struct dmaf_err why;

	(void)state;
	fake.lie_index = 3; /* of 0 to 7, when block 0 is filled and nobody has given it back */
	assert_int_equal(run("dma:" FAKE_NODE ",block=4K,blocks=8", "null:", &g, &why), -EPROTO);
	SAYS(why, "block 0 was filled as number 2, but it was not given to it");
	assert_int_equal(g.pool_free, 8);
	fake_check_closed();
	fake_reset();
	fake.lie_len = 3;
	assert_int_equal(run("dma:" FAKE_NODE ",block=4K,blocks=8", "null:", &g, &why), -EPROTO);
	SAYS(why, "broke the protocol");
	assert_int_equal(g.pool_free, 8);
}

static void bounces_are_copies(void **state)
{
	struct dmaf_figures g;

	(void)state;
	fake.bounce = 1000;
	fake.last_after = 10;
	assert_int_equal(run("dma:" FAKE_NODE ",block=4K,blocks=8", "null:", &g, NULL), 0);
	assert_string_equal(g.source.count.copies[0].reason, "kernel-bounce-buffer");
	assert_int_equal(g.source.count.copies[0].bytes, 10 * 1000);
}

static void device_reads(void **state)
{
	struct dmaf_figures g;
	struct dmaf_err why;

	(void)state;
	fake.info.caps = DMAF_DRV_CAP_FROM_MEMORY;
	assert_int_equal(
		run("pattern:bytes=1000000", "dma:" FAKE_NODE ",block=4K,blocks=8", &g, NULL), 0);
	assert_true(fake.set.flags & DMAF_DRV_SETUP_FROM_MEM);
	assert_int_equal(fake.set.block, 4096);
	assert_int_equal(fake.set.count, 8);
	assert_int_equal(fake.read_bytes, 1000000);
	assert_false(fake.read_wrong);
	assert_int_equal(g.sink[0].count.bytes, 1000000);
	fake_check_closed();

	/* It is unplugged in the middle: the flow fails, nothing stays behind. */
	fake.gone_after = 30;
	assert_int_equal(run("pattern:", "dma:" FAKE_NODE ",block=4K,blocks=8", &g, &why), -ENODEV);
	assert_int_equal(g.pool_free, 8);
	fake_check_closed();

	fake_reset();
	fake.info.caps = DMAF_DRV_CAP_FROM_MEMORY;
	assert_int_equal(run("pattern:block=4K,slice=64+100", "dma:" FAKE_NODE, &g, &why), -EINVAL);
	SAYS(why, "the device reads blocks from their start");
}

/*
 * It waits for nobody: what was not overtaken comes, in order, as copies; nothing is said on the
 * fill ring, which nobody reads.
 */
static void overwriting(void **state)
{
	struct dmaf_figures g;
	struct dmaf_err why;

	(void)state;
	fake.info.caps |= DMAF_DRV_CAP_OVERWRITES;
	assert_int_equal(run("dma:" FAKE_NODE ",block=4K,blocks=8", "null:", NULL, &why), -EINVAL);
	SAYS(why, "overwrites its memory");
	assert_int_equal(run("dma:" FAKE_NODE ",block=4K,blocks=8,duration=100ms",
			     "verify:,on-full=drop-new,queue=8", &g, NULL),
			 0);
	assert_int_equal(g.source.count.buffers, 8);
	assert_int_equal(g.source.count.lost, 28 - 8);
	assert_int_equal(g.stage[0].count.copies[0].bytes, 8 * 4096);
	/* The device may be at the oldest one's place by now. */
	assert_int_equal(g.stage[0].count.lost, 1);
	assert_int_equal(g.sink[0].count.buffers, 7);
	assert_int_equal(fake.stats.kicks, 0);
}

/* The region holds the device, and the device the region's addresses, in whichever order they go.
 */
static void region_and_handle(void **state)
{
	struct dmaf_driver_want want = {.block = 4000, .count = 4};

	(void)state;
	fake.segment = 4096;
	for (int order = 0; order < 2; order++) {
		struct dmaf_err err = {0};
		struct dmaf_driver *d;
		dmaf_region *r;
		dmaf_iova iova;
		size_t run_len;

		assert_int_equal(dmaf_driver_open(&d, FAKE_NODE, "dma:x", &err), 0);
		assert_int_equal(dmaf_driver_setup(d, &want, &r, &err), 0);
		assert_int_equal(r->backing, DMAF_PAGES);
		assert_int_equal(dmaf_driver_layout(d)->stride, 4032);
		assert_int_equal(dmaf_region_iova(r, dmaf_driver_engine(d), 4032, &iova, &run_len),
				 0);
		assert_int_equal(dmaf_iova_value(iova), FAKE_IOVA + 4032);
		assert_int_equal(run_len, 64);
		assert_int_equal(
			dmaf_region_iova(r, dmaf_driver_engine(d), 3 * 4096, &iova, &run_len), 0);
		assert_int_equal(dmaf_iova_value(iova), FAKE_IOVA + 2 * 3 * 4096);
		if (order)
			dmaf_region_put(r);
		else
			dmaf_driver_put(d);
		memset(order ? fake.data : r->cpu, 1, 4096); /* still there */
		if (order)
			dmaf_driver_put(d);
		else
			dmaf_region_put(r);
		fake_check_closed();
	}
}

/* A program's own device: the pool's hand-overs are the driver's SYNC, of just what was touched. */
static void memory_only(void **state)
{
	dmaf_pool *pool;
	dmaf_buf *a, *b;

	(void)state;
	fake.info.caps = MEMORY_ONLY;
	assert_int_equal(dmaf_pool_open(&pool, "dma:" FAKE_NODE ",block=5000,blocks=3"), 0);
	assert_int_equal(dmaf_pool_take(pool, &a, 0), 0);
	assert_int_equal(dmaf_pool_take(pool, &b, 0), 0);
	assert_int_equal(dmaf_iova_value(dmaf_buf_iova(b)), FAKE_IOVA + 8192);
	assert_int_equal(fake.nsyncs, 0);
	dmaf_buf_filled(b, 100);
	assert_int_equal(fake.nsyncs, 1);
	assert_int_equal(fake.sync[0].to, DMAF_DRV_SYNC_FOR_CPU);
	assert_int_equal(fake.sync[0].off, 8192);
	assert_int_equal(fake.sync[0].len, 100);
	dmaf_buf_return(b);
	assert_int_equal(fake.nsyncs, 2);
	assert_int_equal(fake.sync[1].to, DMAF_DRV_SYNC_FOR_DEVICE);
	assert_int_equal(fake.sync[1].off, 8192);
	assert_int_equal(fake.sync[1].len, 5000);
	dmaf_buf_abandon(a);
	dmaf_pool_close(pool);
	assert_int_equal(fake.starts, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, reset, closed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_opens),
		T(setup_is_explained),
		T(roles),
		T(limits_are_negotiated),
		T(every_byte_arrives),
		T(users_memory),
		T(gaps_are_exact),
		T(short_and_last),
		T(stopped),
		T(unplugged),
		T(start_refused),
		T(liars),
		T(bounces_are_copies),
		T(device_reads),
		T(overwriting),
		T(region_and_handle),
		T(memory_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
