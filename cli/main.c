/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "cli/cli.h"
#include "config.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"run", dmaf_cmd_run, "move data: run SOURCE [STAGE...] SINK [SINK...]"},
	{"demo", dmaf_cmd_demo,
	 "stream an emulated device over TCP and compare the ways of sending"},
	{"doctor", dmaf_cmd_doctor,
	 "what this machine can do without copying, and what stands in the way"},
	{"bench", dmaf_cmd_bench,
	 "measure this machine, or two: bench tcp|tcp:HOST:PORT|ring|disk"},
	{"selftest", dmaf_cmd_selftest,
	 "does a device of the kernel driver keep what is promised: selftest dma:/dev/dmaflow0"},
	{"list", dmaf_cmd_list, "kinds of sources, stages and sinks, and their options"},
};

int dmaf_complain(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("dmaflow: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

int dmaf_exit_status(int rc, bool ran)
{
	if (!rc)
		return EXIT_DELIVERED;
	return ran ? EXIT_FAILED : EXIT_USAGE;
}

struct cpu_time dmaf_cpu_time(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (struct cpu_time){
		.user = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec * 1e-6,
		.system = (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec * 1e-6,
	};
}

static void help(FILE *f)
{
	fputs("dmaflow moves data between devices, network and disks by handing buffers over.\n\n"
	      "usage: dmaflow COMMAND [ARGUMENTS]\n\n",
	      f);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(f, "  %-8s %s\n", commands[i].name, commands[i].help);
	fputs("\n`dmaflow COMMAND --help` says more; so do dmaflow(1) and dmaflow-doctor(1).\n", f);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* a closed peer is an error code, not an end */
	signal(SIGXFSZ, SIG_IGN); /* and so is a file at its size limit */
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("dmaflow " DMAF_VERSION);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return dmaf_complain(EXIT_USAGE,
			     "unknown command '%s'; there are: run, demo, doctor, bench, selftest, "
			     "list",
			     argv[1]);
}
