/* SPDX-License-Identifier: MIT */
/* What the program's commands share. */
#ifndef DMAF_CLI_H
#define DMAF_CLI_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>

#include <jansson.h>

#include <dmaflow/flow.h>

/* Exit statuses; the table in dmaflow(1) explains them. */
enum {
	EXIT_DELIVERED = 0, /* everything that was taken was delivered */
	EXIT_FAILED = 1,    /* something failed on the way */
	EXIT_USAGE = 2,     /* bad arguments; nothing was started */
	EXIT_LOST = 3,      /* finished, but something was lost, dropped or differs */
};

int dmaf_cmd_run(int argc, char **argv);
int dmaf_cmd_demo(int argc, char **argv);
int dmaf_cmd_doctor(int argc, char **argv);
int dmaf_cmd_bench(int argc, char **argv);
int dmaf_cmd_selftest(int argc, char **argv);
int dmaf_cmd_list(int argc, char **argv);

/* One clear line on stderr. Return: @status. */
int dmaf_complain(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Which status a negative errno of a flow that never ran, or ran, ends with. */
int dmaf_exit_status(int rc, bool ran);

/* Time used by this process between two calls. */
struct cpu_time {
	double user, system; /* seconds */
};
struct cpu_time dmaf_cpu_time(void);

/* live.c: a line about a running flow, at most @width columns (0: no limit). */
void dmaf_live_line(char *line, size_t size, const struct dmaf_figures *now,
		    const struct dmaf_figures *before, unsigned width);
unsigned dmaf_terminal_width(FILE *f); /* 0: not a terminal */
/* Prints notes (fallbacks, where a listener listens) that came since the last call. */
struct noted {
	unsigned source, sink[DMAF_FLOW_SINKS], stage[DMAF_FLOW_STAGES];
};
bool dmaf_print_notes(FILE *f, const struct dmaf_figures *now, struct noted *seen, bool clear_line);

/* summary.c */
void dmaf_summary_text(FILE *f, const struct dmaf_figures *g, struct cpu_time cpu);
json_t *dmaf_summary_json(const struct dmaf_figures *g, struct cpu_time cpu);
uint64_t dmaf_lost(const struct dmaf_figures *g); /* buffers lost or dropped anywhere */
/* "1.86 GB/s", from bytes per second, and the like; both return @buf. */
const char *dmaf_rate_text(double rate, char *buf, size_t size);
const char *dmaf_ns_text(uint64_t ns, char *buf, size_t size);
/* CPU copies of payload per byte delivered, all parties together. */
double dmaf_copies_per_byte(const struct dmaf_figures *g);

#endif
