// SPDX-License-Identifier: MIT
/* selftest: the device in a flow, as fast as it goes. */
#include <inttypes.h>
#include <string.h>

#include "cli/pair.h"
#include "cli/selftest.h"

#define AREA "flow"

static void rate(struct selftest *t, const char *name, const char *source, const char *sink)
{
	const char *const addr[] = {source, sink, NULL};
	struct doctor_row *row = doctor_row(&t->report, AREA, DOCTOR_YES, "%s", name);
	struct cpu_time before = dmaf_cpu_time(), after;
	char why[DMAF_ERR_TEXT], text[32];
	struct dmaf_figures g;
	struct side s;
	double secs, cpu;
	int rc = dmaf_side_open(&s, addr, why, sizeof(why));

	if (!rc) {
		rc = dmaf_flow_run(s.flow);
		(void)snprintf(why, sizeof(why), "%s", dmaf_flow_err(s.flow)->text);
	}
	if (rc) {
		row->verdict = DOCTOR_NO;
		doctor_reason(&t->report, row, "%s", why);
		doctor_remedy(&t->report, row, "as the reason says");
	} else {
		after = dmaf_cpu_time();
		dmaf_flow_figures(s.flow, &g);
		secs = (double)(g.ended_ns - g.started_ns) * 1e-9;
		cpu = after.user - before.user + after.system - before.system;
		doctor_detail(
			&t->report, row,
			"%s, %.0f blocks a second, %.1f %% of a CPU, %" PRIu64 " lost",
			dmaf_rate_text((double)g.source.count.bytes / secs, text, sizeof(text)),
			(double)g.source.count.buffers / secs, cpu / secs * 100, dmaf_lost(&g));
		if (dmaf_lost(&g)) {
			row->verdict = DOCTOR_LIMITED;
			doctor_reason(&t->report, row, "%s",
				      *g.source.count.note ? g.source.count.note
							   : "the device did not wait");
			doctor_remedy(&t->report, row, "more or larger blocks (blocks=, block=)");
			t->lost = true;
		}
	}
	dmaf_side_close(&s);
}

void selftest_rate(struct selftest *t)
{
	bool overwrites = t->info.caps & DMAF_DRV_CAP_OVERWRITES;
	char source[512];

	(void)snprintf(source, sizeof(source), "%s,duration=%.0fs", t->text, t->seconds);
	rate(t, "as a source", source, overwrites ? "null:,on-full=drop-new" : "null:");
}

void selftest_reads(struct selftest *t)
{
	char source[128];

	(void)snprintf(source, sizeof(source), "pattern:duration=%.0fs", t->seconds);
	rate(t, "as a sink", source, t->text);
}
