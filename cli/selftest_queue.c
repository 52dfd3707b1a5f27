// SPDX-License-Identifier: MIT
/* selftest: the queue by hand. Blocks go to the device dirty and must come back clean. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <dmaflow/stats.h>

#include "cli/selftest.h"
#include "plugins/common/pattern_data.h"

#define AREA "queue"
/* What is evicted from caches by: more than the last level of small machines has. */
#define EVICT (32u << 20)
/* Blocks that are looked at a second time, after the caches were evicted. */
#define AGAIN 4u
#define BATCH 16u

/* What the CPU leaves in a block before the device gets it: no content of a device's repeats it. */
static const uint64_t dirt = 0x5afe0d1e7c0ffee5u;

struct watch {
	struct selftest *t;
	uint64_t blocks, bytes, stale, changed, wrong, lost, damaged, next_seq, off;
	uint64_t stale_at, wrong_at, changed_at; /* bytes of the stream, of the first */
	bool known;   /* the content is pattern:'s, as far as it was seen */
	unsigned out; /* blocks that the device has */
	unsigned char *shadow, *evict;
};

static unsigned char *block_at(const struct selftest *t, uint32_t index)
{
	return (unsigned char *)t->region->cpu + index * dmaf_driver_layout(t->drv)->stride;
}

static void soil(const struct selftest *t, uint32_t index)
{
	uint64_t len = dmaf_driver_layout(t->drv)->block;
	unsigned char *p = block_at(t, index);

	for (uint64_t at = 0; at + 8 <= len; at += 8)
		memcpy(p + at, &dirt, 8);
}

/* The first cache line that still is what the CPU left; -1: none. */
static int64_t stale_line(const unsigned char *p, uint64_t len, unsigned line)
{
	for (uint64_t at = 0; at + line <= len; at += line) {
		unsigned same = 0;

		while (same < line && !memcmp(p + at + same, &dirt, 8))
			same += 8;
		if (same >= line)
			return (int64_t)at;
	}
	return -1;
}

static void look_again(struct watch *w, const unsigned char *p, size_t len)
{
	if (w->blocks > AGAIN || !w->shadow || !w->evict)
		return;
	memcpy(w->shadow, p, len);
	/* Lines that the CPU should have cleaned before the device wrote would land now. */
	for (size_t i = 0; i < EVICT; i += 32)
		w->evict[i]++;
	if (memcmp(w->shadow, p, len) && !w->changed++)
		w->changed_at = w->off;
}

static void look(struct watch *w, const struct dmaf_drv_done *e)
{
	const unsigned char *p = block_at(w->t, e->index);
	unsigned line = w->t->info.cache_align < 64 ? 64 : w->t->info.cache_align;
	int64_t stale;
	size_t right;

	w->blocks++;
	w->lost += e->seq - w->next_seq;
	w->off += (e->seq - w->next_seq) * dmaf_driver_layout(w->t->drv)->block;
	w->next_seq = e->seq + 1;
	w->damaged += e->flags & DMAF_DRV_DAMAGED ? 1 : 0;
	stale = stale_line(p, e->len, line);
	if (stale >= 0 && !w->stale++)
		w->stale_at = w->off + (uint64_t)stale;
	right = dmaf_pattern_check(p, (size_t)e->len, w->off, 0);
	if (w->blocks == 1)
		w->known = right == e->len;
	if (w->known && right < e->len && !w->wrong++)
		w->wrong_at = w->off + right;
	look_again(w, p, (size_t)e->len);
	w->off += e->len;
	w->bytes += e->len;
}

static int give(struct watch *w, uint32_t index, struct dmaf_err *err)
{
	int rc;

	soil(w->t, index);
	rc = dmaf_driver_give(w->t->drv, &index, NULL, 1, err);
	w->out += rc == 1;
	return rc < 0 ? rc : 0;
}

/* Until enough has come, or the time is over. */
static int work(struct watch *w, struct dmaf_err *err)
{
	uint64_t until = dmaf_now_ns() + (uint64_t)(w->t->seconds * 1e9);
	uint64_t enough = 4ull * dmaf_driver_layout(w->t->drv)->count;
	struct pollfd p = {.fd = dmaf_driver_fd(w->t->drv), .events = POLLIN};
	struct dmaf_drv_done e[BATCH];
	int rc = 0;

	while (!rc && (w->blocks < enough || w->blocks <= AGAIN) && dmaf_now_ns() < until) {
		int got = dmaf_driver_take(w->t->drv, e, BATCH, err);

		if (got < 0)
			return got;
		for (int i = 0; !rc && i < got; i++) {
			w->out--;
			if (e[i].flags & DMAF_DRV_RETURNED)
				continue;
			look(w, &e[i]);
			if (!(e[i].flags & DMAF_DRV_LAST))
				rc = give(w, e[i].index, err);
		}
		if (got)
			continue;
		if (dmaf_driver_arm(w->t->drv))
			poll(&p, 1, 100);
		rc = dmaf_driver_state(w->t->drv, err);
	}
	return rc;
}

static void fault(struct doctor *d, struct doctor_row *row, const char *do_this)
{
	row->verdict = DOCTOR_NO;
	doctor_remedy(d, row, "%s", do_this);
}

static void report(struct watch *w)
{
	struct doctor *d = &w->t->report;
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "handed to the CPU");

	doctor_detail(d, row, "%" PRIu64 " bytes in %" PRIu64 " blocks", w->bytes, w->blocks);
	if (w->stale) {
		doctor_reason(d, row,
			      "%" PRIu64
			      " blocks still have what the CPU wrote before, first at byte "
			      "%" PRIu64 " of the stream",
			      w->stale, w->stale_at);
		fault(d, row,
		      "the CPU was shown its cache, or the device wrote less than it says: report "
		      "it");
	}
	row = doctor_row(d, AREA, DOCTOR_YES, "handed to the device");
	if (w->changed) {
		doctor_reason(d, row,
			      "blocks changed after they had come back, first from byte %" PRIu64
			      " of the stream on",
			      w->changed_at);
		fault(d, row, "the CPU's cache was not cleaned before the device wrote: report it");
	}
	row = doctor_row(d, AREA, DOCTOR_YES, "content");
	if (w->known) {
		doctor_detail(d, row, "that of pattern:, every byte compared");
	} else {
		row->verdict = DOCTOR_UNKNOWN;
		doctor_reason(d, row, "what this device gives is not known here");
		doctor_remedy(d, row,
			      "have it send what `dmaflow run pattern: file:x` makes, and it is "
			      "compared");
	}
	if (w->wrong || (!w->known && !strcmp(w->t->info.front, "pattern"))) {
		doctor_reason(d, row,
			      "%" PRIu64 " blocks differ from pattern:, first at byte %" PRIu64
			      " of the stream",
			      w->known ? w->wrong : w->blocks, w->wrong_at);
		fault(d, row, "report it");
	}
}

/* Every gap that was seen must be one that the driver knows of. */
static void report_numbers(struct watch *w, const struct dmaf_drv_stats *s)
{
	struct doctor *d = &w->t->report;
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "numbers");
	uint64_t known = s->lost_no_block + s->lost_done_full + s->lost_device;

	doctor_detail(d, row,
		      "%" PRIu64 " lost in gaps while this program looked at each block, %" PRIu64
		      " damaged",
		      w->lost, w->damaged);
	if (w->lost > known) {
		doctor_reason(d, row, "the driver knows of %" PRIu64 " lost blocks only", known);
		fault(d, row, "report it");
	} else if (w->damaged) {
		row->verdict = DOCTOR_LIMITED;
		doctor_reason(d, row, "the device says that it erred");
		doctor_remedy(d, row, "its cable, its clock, its manual");
		w->t->lost = true;
	}
}

static void report_stats(struct watch *w)
{
	struct doctor *d = &w->t->report;
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "the driver's counts");
	struct dmaf_drv_stats s;
	int rc = dmaf_driver_stats(w->t->drv, &s);

	if (rc) {
		doctor_reason(d, row, "STATS: %s", strerror(-rc));
		fault(d, row, "report it");
		return;
	}
	doctor_detail(d, row,
		      "%" PRIu64 " filled, %" PRIu64 " bytes; synchronised %" PRIu64
		      " for the CPU, %" PRIu64 " for the device; %" PRIu64 " kicks, %" PRIu64
		      " interrupts",
		      s.filled, s.bytes, s.sync_cpu_bytes, s.sync_device_bytes, s.kicks,
		      s.interrupts);
	if (s.filled < w->blocks || s.bytes < w->bytes) {
		doctor_reason(d, row, "%" PRIu64 " blocks of %" PRIu64 " bytes had come by then",
			      w->blocks, w->bytes);
		fault(d, row, "report it");
	}
	report_numbers(w, &s);
	row = doctor_row(d, AREA, s.bounced_bytes ? DOCTOR_LIMITED : DOCTOR_YES, "copies");
	doctor_detail(d, row, "%" PRIu64 " bytes through bounce buffers", s.bounced_bytes);
	if (s.bounced_bytes) {
		doctor_reason(d, row,
			      "the device does not reach this memory, or swiotlb=force is set");
		doctor_remedy(d, row, "memory=driver, an IOMMU, or another kernel command line");
	}
}

static void report_stop(struct watch *w)
{
	struct doctor *d = &w->t->report;
	struct doctor_row *row = doctor_row(d, AREA, DOCTOR_YES, "stop");
	unsigned had = w->out, filled = 0;
	struct dmaf_drv_done e;

	dmaf_driver_stop(w->t->drv);
	while (dmaf_driver_take(w->t->drv, &e, 1, NULL) == 1) {
		w->out--;
		filled += !(e.flags & DMAF_DRV_RETURNED);
	}
	doctor_detail(d, row, "%u blocks came back, %u of them filled", had - w->out, filled);
	if (w->out) {
		doctor_reason(d, row, "the device keeps %u blocks", w->out);
		fault(d, row, "report it");
	}
}

void selftest_device(struct selftest *t)
{
	struct watch w = {.t = t, .known = true};
	struct dmaf_err err = {0};
	int rc = 0;

	w.shadow = malloc((size_t)dmaf_driver_layout(t->drv)->block);
	w.evict = calloc(1, EVICT);
	for (uint32_t i = 0; !rc && i < dmaf_driver_layout(t->drv)->count; i++)
		rc = give(&w, i, &err);
	if (!rc)
		rc = dmaf_driver_start(t->drv, &err);
	if (!rc)
		rc = work(&w, &err);
	free(w.shadow);
	free(w.evict);
	if (rc || !w.blocks) {
		struct doctor_row *row = doctor_row(&t->report, AREA, DOCTOR_NO, "runs");

		doctor_reason(&t->report, row, "%s",
			      rc ? err.text : "no block was filled in the time given");
		doctor_remedy(&t->report, row,
			      "see that it is fed, or give it more time (--seconds)");
		return;
	}
	report(&w);
	report_stats(&w);
	report_stop(&w);
}

void selftest_by_hand(struct selftest *t)
{
	struct doctor_row *row = doctor_row(&t->report, AREA, DOCTOR_YES, "handed over and back");
	const struct dmaf_drv_setup *s = dmaf_driver_layout(t->drv);
	const struct dmaf_region_ops *ops = t->region->ops;
	uint64_t wrong = 0;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < s->count; i++) {
		size_t off = (size_t)(i * s->stride), len = (size_t)s->block;

		dmaf_pattern_fill(block_at(t, i), len, off, 0);
		if (ops->sync_for_device)
			rc = ops->sync_for_device(t->region, off, len);
		if (!rc && ops->sync_for_cpu)
			rc = ops->sync_for_cpu(t->region, off, len);
		wrong += dmaf_pattern_check(block_at(t, i), len, off, 0) < len;
	}
	doctor_detail(&t->report, row, "%u blocks%s", s->count,
		      ops->sync_for_cpu ? "" : "; coherent: nothing to do");
	if (rc || wrong) {
		doctor_reason(&t->report, row, "%s",
			      rc ? strerror(-rc) : "the content changed meanwhile");
		fault(&t->report, row, "report it");
	}
}

void selftest_abuse(struct selftest *t)
{
	struct doctor_row *row = doctor_row(&t->report, AREA, DOCTOR_YES, "refuses nonsense");
	uint32_t beyond = dmaf_driver_layout(t->drv)->count;
	struct dmaf_err err = {0};
	struct dmaf_drv_stats s;
	int rc;

	rc = dmaf_driver_give(t->drv, &beyond, NULL, 1, &err);
	if (rc == 1)
		rc = dmaf_driver_start(t->drv, &err);
	for (unsigned i = 0; i < 100 && !rc; i++) {
		poll(NULL, 0, 10);
		rc = dmaf_driver_state(t->drv, &err);
	}
	if (rc == -EPROTO && !dmaf_driver_stats(t->drv, &s) && s.bad_index == 1) {
		doctor_detail(&t->report, row, "a block that does not exist stopped the queue");
		return;
	}
	doctor_reason(&t->report, row, "a block that does not exist was taken: %s",
		      rc ? strerror(-rc) : "the queue goes on");
	fault(&t->report, row, "report it");
}
