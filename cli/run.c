/* SPDX-License-Identifier: MIT */
/* dmaflow run: one flow from addresses, watched while it runs. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

/* Figures of a flow that waits are up to 200 ms old. */
#define FRESH_NS 50000000u

struct run {
	dmaf_flow *flow;
	bool json, quiet, color;
	uint64_t interval_ns; /* 0: none */
	struct cpu_time cpu_before;
	pthread_t thread;
	int rc;
	struct noted noted;
};

static const char usage[] =
	"usage: dmaflow run [OPTIONS] SOURCE [STAGE...] SINK [SINK...]\n"
	"Each address is kind:main,option=value,... ; `dmaflow list` names the kinds.\n\n"
	"  --json            print a summary in JSON on standard output (standard error, if '-' is "
	"a\n"
	"                    sink)\n"
	"  --interval TIME   print a line of figures each TIME (1s, 500ms)\n"
	"  --quiet           no live line, no summary; notes and errors remain\n"
	"  --plugin FILE     load kinds from a shared object; may be given several times\n"
	"  --help            this\n\n"
	"Signals: INT or TERM end the flow cleanly, the second one at once; USR1 prints figures.\n";

static const struct option options[] = {
	{"json", no_argument, NULL, 'j'},  {"interval", required_argument, NULL, 'i'},
	{"quiet", no_argument, NULL, 'q'}, {"plugin", required_argument, NULL, 'p'},
	{"help", no_argument, NULL, 'h'},  {NULL, 0, NULL, 0},
};

/* Is the next word this option's value? Options may be shortened. */
static bool takes_next(const char *arg)
{
	size_t len = strlen(arg);

	for (const struct option *o = options; len > 2 && o->name; o++)
		if (o->has_arg == required_argument && !strncmp(arg + 2, o->name, len - 2))
			return true;
	return false;
}

/*
 * Moves options in front of the addresses, keeping either's order. getopt would do so too, but
 * takes the address "-,append" for an option. Return: where the addresses begin.
 */
static int options_first(int argc, char **argv)
{
	int end = 1;

	for (int i = 1; i < argc; i++) {
		int n = 1;

		if (argv[i][0] != '-' || !argv[i][1] || argv[i][1] == ',')
			continue;
		if (!strcmp(argv[i], "--"))
			break;
		if (takes_next(argv[i]) && i + 1 < argc)
			n = 2;
		for (int k = 0; k < n; k++, end++, i++) {
			char *arg = argv[i];

			memmove(&argv[end + 1], &argv[end], (size_t)(i - end) * sizeof(*argv));
			argv[end] = arg;
		}
		i--;
	}
	return end;
}

static int parse_args(struct run *r, int argc, char **argv)
{
	struct dmaf_err err = {0};
	int addresses = options_first(argc, argv), c, at = 1;

	opterr = 0;
	for (; (c = getopt_long(addresses, argv, "+:hj", options, NULL)) != -1; at = optind) {
		switch (c) {
		case 'j': r->json = true; break;
		case 'q': r->quiet = true; break;
		case 'h': fputs(usage, stdout); return 1;
		case 'i':
			if (!dmaf_parse_duration(optarg, &r->interval_ns) && r->interval_ns)
				break;
			return dmaf_complain(-EXIT_USAGE,
					     "--interval %s: not a duration, such as 1s or 500ms",
					     optarg);
		case 'p':
			if (!dmaf_kind_load(optarg, &err))
				break;
			return dmaf_complain(-EXIT_USAGE, "%s", err.text);
		case ':':
			return dmaf_complain(-EXIT_USAGE, "run: %s needs a value",
					     argv[optind - 1]);
		default:
			return dmaf_complain(
				-EXIT_USAGE,
				"run: unknown option '%s'; there are: --json, --interval, "
				"--quiet, --plugin, --help",
				argv[at]);
		}
	}
	if (optind < argc && !strcmp(argv[optind], "--"))
		optind++;
	if (argc - optind < 2)
		return dmaf_complain(-EXIT_USAGE,
				     "run: %s given, a flow needs a source and a sink: dmaflow run "
				     "SOURCE [STAGE...] SINK [SINK...]",
				     argc == optind ? "nothing was" : "only one address was");
	return 0;
}

static void *run_thread(void *arg)
{
	struct run *r = arg;

	r->rc = dmaf_flow_run(r->flow);
	kill(getpid(), SIGCHLD); /* wakes the thread that waits for signals; ignored otherwise */
	return NULL;
}

static bool to_stdout(int argc, char **argv)
{
	for (int i = optind + 1; i < argc; i++)
		if (argv[i][0] == '-' && (!argv[i][1] || argv[i][1] == ','))
			return true;
	return false;
}

static void print_line(struct run *r, const struct dmaf_figures *now,
		       const struct dmaf_figures *before, unsigned width, bool in_place)
{
	char line[512];

	(void)r;
	dmaf_live_line(line, sizeof(line), now, before, width);
	fprintf(stderr, in_place ? "\r\033[K%s" : "%s\n", line);
	fflush(stderr);
}

/* Watches until the flow has ended. Return: signals that asked for the end. */
static unsigned watch(struct run *r, const sigset_t *set)
{
	unsigned asked = 0;
	bool live = isatty(STDERR_FILENO) && !r->quiet && !r->interval_ns, drawn = false;
	uint64_t period = r->interval_ns ? r->interval_ns : 200000000u;
	uint64_t next = dmaf_now_ns() + period;
	struct dmaf_figures now, before;

	dmaf_flow_figures(r->flow, &before);
	before.at_ns = dmaf_now_ns();
	for (;;) {
		uint64_t t = dmaf_now_ns(), left = next > t ? next - t : 0;
		struct timespec ts = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
		int sig = sigtimedwait(set, NULL, &ts);

		dmaf_flow_figures(r->flow, &now);
		if (dmaf_print_notes(stderr, &now, &r->noted, drawn))
			drawn = false;
		if (sig == SIGCHLD)
			break;
		if (sig == SIGINT || sig == SIGTERM) {
			if (asked++)
				dmaf_flow_abort(r->flow);
			else
				dmaf_flow_stop(r->flow);
		} else if (sig == SIGUSR1) {
			print_line(r, &now, &before, 0, false);
		}
		if (dmaf_now_ns() < next)
			continue;
		if (now.at_ns <= before.at_ns) { /* nothing new yet: look again soon, not at once */
			next = dmaf_now_ns() + FRESH_NS;
			continue;
		}
		next += period;
		if (r->interval_ns)
			print_line(r, &now, &before, dmaf_terminal_width(stderr), false);
		else if (live)
			print_line(r, &now, &before, dmaf_terminal_width(stderr), drawn = true);
		before = now;
	}
	if (drawn)
		fputs("\r\033[K", stderr);
	return asked;
}

static int report(struct run *r, bool stdout_taken, unsigned asked)
{
	struct cpu_time cpu = dmaf_cpu_time();
	struct dmaf_figures g;
	FILE *out = stdout_taken ? stderr : stdout;

	cpu.user -= r->cpu_before.user;
	cpu.system -= r->cpu_before.system;
	dmaf_flow_figures(r->flow, &g);
	dmaf_print_notes(stderr, &g, &r->noted, false);
	if (r->rc)
		dmaf_complain(0, "%s", dmaf_flow_err(r->flow)->text);
	if (r->json) {
		json_t *j = dmaf_summary_json(&g, cpu);

		json_object_set_new(j, "status", json_integer(r->rc));
		json_object_set_new(j, "error",
				    r->rc ? json_string(dmaf_flow_err(r->flow)->text)
					  : json_null());
		json_object_set_new(j, "interrupted", json_boolean(asked));
		json_dumpf(j, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		fputc('\n', out);
		json_decref(j);
	} else if (!r->quiet) {
		dmaf_summary_text(stderr, &g, cpu);
	}
	if (fflush(out) || ferror(out))
		return dmaf_complain(EXIT_FAILED, "the summary can't be written: %s",
				     strerror(errno));
	if (r->rc)
		return EXIT_FAILED;
	return dmaf_lost(&g) ? EXIT_LOST : EXIT_DELIVERED;
}

int dmaf_cmd_run(int argc, char **argv)
{
	struct run r = {.cpu_before = dmaf_cpu_time()};
	struct dmaf_figures g;
	unsigned asked;
	sigset_t set;
	int rc = parse_args(&r, argc, argv);

	if (rc)
		return rc < 0 ? -rc : 0;
	r.flow = dmaf_flow_new();
	if (!r.flow)
		return dmaf_complain(EXIT_FAILED, "no memory for a flow");
	for (int i = optind; i < argc && !rc; i++)
		rc = dmaf_flow_add(r.flow, argv[i]);
	if (!rc)
		rc = dmaf_flow_open(r.flow);
	if (rc) {
		dmaf_complain(0, "%s", dmaf_flow_err(r.flow)->text);
		dmaf_flow_close(r.flow);
		return EXIT_USAGE;
	}
	dmaf_flow_figures(r.flow, &g);
	dmaf_print_notes(stderr, &g, &r.noted, false);

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* the flow's thread inherits this */
	rc = pthread_create(&r.thread, NULL, run_thread, &r);
	if (rc) {
		dmaf_flow_close(r.flow);
		return dmaf_complain(EXIT_FAILED, "no thread for the flow: %s", strerror(rc));
	}
	asked = watch(&r, &set);
	pthread_join(r.thread, NULL);
	rc = report(&r, to_stdout(argc, argv), asked);
	dmaf_flow_close(r.flow);
	return rc;
}
