// SPDX-License-Identifier: MIT
/* dmaflow selftest: does a device of dmaflow.ko keep what the driver promises? */
#include "cli/selftest.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/utsname.h>

#include <dmaflow/plugin.h>

#include "cli/cli.h"
#include "config.h"
#include "core/kind.h"

static const char usage[] =
	"usage: dmaflow selftest [--json] [--seconds N] dma:/dev/dmaflowN[,OPTION...]\n"
	"\n"
	"Take a device of dmaflow.ko and look at everything that is promised of it: that its "
	"memory\n"
	"can be sent and stored without a copy, that both hand-overs are clean, that its content "
	"and\n"
	"numbers are right, that it stops, refuses nonsense, and how fast it is. Prints a report "
	"to\n"
	"paste into a bug. The content that the device has is used up.\n"
	"\n"
	"  --seconds N  for each step that is timed, from 1 to 3600 (1)\n"
	"  --json       print JSON\n"
	"  --help       this text\n"
	"\n"
	"Status 0: all is as it should be; 1: something is not; 2: bad arguments, or the device "
	"can't\n"
	"be taken; 3: blocks were lost, and nothing else was wrong.\n";

static void header(struct selftest *t)
{
	struct doctor_row *row = doctor_row(&t->report, "report", DOCTOR_YES, "dmaflow");
	char text[64];
	struct utsname u;

	doctor_detail(&t->report, row, DMAF_VERSION);
	row = doctor_row(&t->report, "report", DOCTOR_YES, "kernel");
	if (!uname(&u))
		doctor_detail(&t->report, row, "%s %s %s", u.release, u.version, u.machine);
	row = doctor_row(&t->report, "report", DOCTOR_YES, "dmaflow.ko");
	if (doctor_read("/sys/module/dmaflow/srcversion", text, sizeof(text)) > 0)
		doctor_detail(&t->report, row, "source version %s", text);
	else
		doctor_detail(&t->report, row, "%s, of no version that it tells",
			      dmaf_driver_loaded() ? "loaded" : "not loaded");
	row = doctor_row(&t->report, "report", DOCTOR_YES, "asked for");
	doctor_detail(&t->report, row, "%s", t->text);
}

/* Return: 0, or 2 after its message. */
static int read_address(struct selftest *t)
{
	const struct dmaf_opt *tables[] = {NULL, NULL};
	const struct dmaf_kind *kind = dmaf_kind_find("dma", NULL);
	struct dmaf_err why = {0};

	if (dmaf_addr_parse(&t->addr, t->text, &why))
		return dmaf_complain(EXIT_USAGE, "selftest: %s", why.text);
	if (strcmp(dmaf_addr_kind(t->addr), "dma") != 0 || !kind)
		return dmaf_complain(EXIT_USAGE,
				     "selftest: %s: it is for devices of dmaflow.ko: "
				     "dma:/dev/dmaflow0",
				     t->text);
	tables[0] = kind->opts;
	if (dmaf_addr_check(t->addr, tables, &why))
		return dmaf_complain(EXIT_USAGE, "selftest: %s", why.text);
	return 0;
}

/* With the queue in our hands. Return: 0, or 2 after its message. */
static int with_queue(struct selftest *t)
{
	struct dmaf_err why = {0};
	int rc = selftest_take(t, &why);

	if (!rc) {
		selftest_memory(t);
		if (t->info.caps & DMAF_DRV_CAP_MEMORY_ONLY)
			selftest_by_hand(t);
		else if (t->info.caps & DMAF_DRV_CAP_TO_MEMORY)
			selftest_device(t);
		if (!(t->info.caps & (DMAF_DRV_CAP_MEMORY_ONLY | DMAF_DRV_CAP_OVERWRITES)))
			selftest_abuse(t);
	}
	selftest_release(t);
	return rc ? dmaf_complain(EXIT_USAGE, "selftest: %s", why.text) : 0;
}

static int print(struct selftest *t, bool as_json, int status)
{
	json_t *j;
	int rc;

	if (!as_json) {
		rc = doctor_print(&t->report, stdout, 80);
		printf("\n%s\n", status == EXIT_DELIVERED ? "all is as it should be"
				 : status == EXIT_LOST    ? "blocks were lost; the rest is as it "
							    "should be"
						       : "not all is as it should be: see \"no\"");
		return rc || fflush(stdout) ? -EIO : 0;
	}
	j = doctor_json(&t->report);
	if (!j || json_object_set_new(j, "status", json_integer(status)) ||
	    json_object_set_new(j, "address", json_string(t->text)))
		rc = -ENOMEM;
	else
		rc = json_dumpf(j, stdout, JSON_INDENT(2)) || putchar('\n') == EOF || fflush(stdout)
			     ? -EIO
			     : 0;
	json_decref(j);
	return rc;
}

static int run(struct selftest *t, bool as_json)
{
	struct dmaf_err why = {0};
	int status = read_address(t);

	if (status)
		return status;
	doctor_init(&t->report, true);
	header(t);
	if (!*dmaf_addr_main(t->addr))
		status = dmaf_complain(EXIT_USAGE,
				       "selftest: %s: no device; write dma:/dev/dmaflow0", t->text);
	else if (doctor_driver(&t->report, "device", dmaf_addr_main(t->addr), t->text, &why))
		status = dmaf_complain(EXIT_USAGE, "selftest: %s", why.text);
	if (!status)
		status = with_queue(t);
	if (!status && !(t->info.caps & DMAF_DRV_CAP_MEMORY_ONLY)) {
		if (t->info.caps & DMAF_DRV_CAP_TO_MEMORY)
			selftest_rate(t);
		if (t->info.caps & DMAF_DRV_CAP_FROM_MEMORY)
			selftest_reads(t);
	}
	if (!status) {
		status = t->lost ? EXIT_LOST : EXIT_DELIVERED;
		for (size_t i = 0; i < t->report.n; i++)
			if (t->report.rows[i]->verdict == DOCTOR_NO)
				status = EXIT_FAILED;
		if (print(t, as_json, status))
			status =
				dmaf_complain(EXIT_FAILED, "selftest: the report can't be printed");
	}
	doctor_free(&t->report);
	return status;
}

int dmaf_cmd_selftest(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"seconds", required_argument, NULL, 's'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct selftest t = {.seconds = 1};
	uint64_t seconds = 1;
	bool as_json = false;
	int c, status;

	optind = 0; /* glibc begins afresh */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hjs:", options, NULL)) != -1) {
		switch (c) {
		case 'h': fputs(usage, stdout); return 0;
		case 'j': as_json = true; break;
		case 's':
			if (!dmaf_parse_rate(optarg, &seconds) && seconds && seconds <= 3600)
				break;
			/* fall through */
		default:
			return dmaf_complain(EXIT_USAGE,
					     "selftest: '%s': there are --seconds N (1 to 3600), "
					     "--json and --help",
					     argv[optind - 1]);
		}
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	t.text = argv[optind];
	t.seconds = (double)seconds;
	status = run(&t, as_json);
	dmaf_addr_free(t.addr);
	return status;
}
