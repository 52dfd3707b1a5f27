// SPDX-License-Identifier: MIT
/* dmaflow selftest on a device that is made up: what it says of a good one, and of each fault. */
#include "fake_driver.h"

#include <unistd.h>

#include "cli/cli.h"

/* Of main.c, which is not linked. */
int dmaf_complain(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("# ", stdout); /* not TAP */
	vfprintf(stdout, fmt, ap);
	va_end(ap);
	putchar('\n');
	return status;
}

struct cpu_time dmaf_cpu_time(void)
{
	return (struct cpu_time){0};
}

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

static char said[65536];

/* Its standard output ends in said. Return: its status. */
static int selftest(const char *options)
{
	char address[128], command[] = "selftest";
	char *argv[] = {command, address, NULL};
	FILE *f = tmpfile();
	int out = dup(STDOUT_FILENO), status;
	size_t n;

	assert_non_null(f);
	(void)snprintf(address, sizeof(address), "dma:" FAKE_NODE "%s", options);
	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	status = dmaf_cmd_selftest(2, argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	rewind(f);
	n = fread(said, 1, sizeof(said) - 1, f);
	said[n] = '\0';
	fclose(f);
	return status;
}

static void has(const char *words, int line)
{
	if (!strstr(said, words))
		fail_msg("line %d: no '%s' in\n%s", line, words, said);
}
#define HAS(words) has(words, __LINE__)

static void good(void **state)
{
	(void)state;
	assert_int_equal(selftest(",block=4K,blocks=4"), EXIT_DELIVERED);
	HAS("yes     handed to the CPU");
	HAS("that of pattern:, every byte compared");
	HAS("yes     refuses nonsense");
	HAS("yes     as a source");
	HAS("all is as it should be");
	assert_null(strstr(said, "\n  no "));
}

static void with_users_memory(void **state)
{
	(void)state;
	assert_int_equal(selftest(",block=4K,blocks=4,memory=user"), EXIT_DELIVERED);
	assert_int_equal(fake.set.memory, DMAF_DRV_MEM_USER);
}

static void mapped_by_its_bus(void **state)
{
	(void)state;
	fake.no_iova = true;
	assert_int_equal(selftest(",block=4K,blocks=4"), EXIT_DELIVERED);
	HAS("maps each block by");
}

static void both_ways(void **state)
{
	(void)state;
	fake.info.caps |= DMAF_DRV_CAP_FROM_MEMORY;
	assert_int_equal(selftest(",block=4K,blocks=4"), EXIT_DELIVERED);
	HAS("yes     as a sink");
}

static void memory_only(void **state)
{
	(void)state;
	fake.info.caps = MEMORY_ONLY;
	assert_int_equal(selftest(",block=4K,blocks=4"), EXIT_DELIVERED);
	HAS("yes     handed over and back");
	assert_int_equal(fake.nsyncs, fake.info.caps & DMAF_DRV_CAP_COHERENT ? 0 : 8);
	assert_null(strstr(said, "as a source"));
}

static void faults(void **state)
{
	static const struct {
		size_t at; /* in struct fake */
		const char *row, *why;
	} cases[] = {
		{offsetof(struct fake, stale_line), "no      handed to the CPU",
		 "first at byte 4224"},
		{offsetof(struct fake, late_write), "no      handed to the device",
		 "changed after"},
		{offsetof(struct fake, wrong_byte), "no      content", "first at byte 4097"},
		{offsetof(struct fake, hide_lost), "no      numbers", "knows of 0 lost"},
		{offsetof(struct fake, keep_one), "no      stop", "keeps 1 blocks"},
		{offsetof(struct fake, takes_any), "no      refuses nonsense", "was taken"},
		{offsetof(struct fake, lie_len), "no      runs", "broke the protocol"},
		{offsetof(struct fake, beyond_mask), "no      bus segments", "DMA mask"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fake_reset();
		*(uint64_t *)(void *)((char *)&fake + cases[i].at) = 2;
		if (selftest(",block=4K,blocks=4") != EXIT_FAILED)
			fail_msg("%s is not noticed:\n%s", cases[i].row, strstr(said, "queue"));
		has(cases[i].row, (int)i);
		has(cases[i].why, (int)i);
		HAS("not all is as it should be");
		fake_check_closed();
	}
}

static void losses_and_copies(void **state)
{
	(void)state;
	fake.lose_after = 100;
	fake.lose = 7;
	fake.bounce = 1000;
	assert_int_equal(selftest(",block=4K,blocks=4"), EXIT_LOST);
	HAS("limited copies");
	HAS("7 lost");
	HAS("blocks were lost; the rest is as it should be");
}

static void refused(void **state)
{
	char command[] = "selftest", json[] = "--json", null[] = "null:", secs[] = "--seconds=0",
	     dma[] = "dma:";
	char *cases[][3] = {{command, null, NULL},
			    {command, dma, NULL},
			    {command, secs, NULL},
			    {command, json, null}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(dmaf_cmd_selftest(cases[i][2] ? 3 : 2, cases[i]), EXIT_USAGE);
	fake.setup_errno = 16;
	assert_int_equal(selftest(""), EXIT_USAGE);
	HAS("taken by another program");
	assert_int_equal(selftest(",blocks=0"), EXIT_USAGE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, reset, closed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(good),   T(with_users_memory), T(mapped_by_its_bus), T(both_ways), T(memory_only),
		T(faults), T(losses_and_copies), T(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
