/* SPDX-License-Identifier: MIT */
/* dmaflow selftest: its steps, each of which adds rows to a report. */
#ifndef DMAF_CLI_SELFTEST_H
#define DMAF_CLI_SELFTEST_H

#include <dmaflow/addr.h>

#include "cli/doctor.h"
#include "mem/driver.h"

struct selftest {
	struct doctor report;
	const char *text; /* the address */
	dmaf_addr *addr;
	double seconds; /* of each step that takes as long as one lets it */
	struct dmaf_drv_info info;
	/* while the queue is ours */
	struct dmaf_driver *drv;
	dmaf_region *region;
	bool lost; /* blocks were, and nothing else went wrong */
};

/*
 * Take the queue, with memory as the address says. Return: 0, or negative errno with @err
 * explained; selftest_release() in either case.
 */
int selftest_take(struct selftest *t, struct dmaf_err *err);
void selftest_release(struct selftest *t);

void selftest_memory(struct selftest *t);  /* the mapping, bus segments, and what pins it */
void selftest_device(struct selftest *t);  /* a device that writes: hand-overs, content, the end */
void selftest_by_hand(struct selftest *t); /* memory only: hand-overs by SYNC */
void selftest_abuse(struct selftest *t);   /* what the driver must refuse; the queue stops */

/* As flows, so with the queue free. */
void selftest_rate(struct selftest *t);
void selftest_reads(struct selftest *t);

#endif
