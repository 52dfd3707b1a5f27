/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <dmaflow/stats.h>

const char dmaf_copy_send[] = "kernel-send";
const char dmaf_copy_recv[] = "kernel-receive";
const char dmaf_copy_late[] = "kernel-zerocopy-fell-back";
const char dmaf_copy_page_cache[] = "kernel-page-cache";
const char dmaf_copy_pipe[] = "kernel-pipe";
const char dmaf_copy_overwriting[] = "saved-from-overwriting-source";
const char dmaf_copy_mismatch[] = "no-common-memory";
const char dmaf_copy_verify[] = "verify";

/* Below 16 each value has a bucket; above, 16 buckets share each power of two. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned top;

	if (ns < 16)
		return (unsigned)ns;
	top = 63u - (unsigned)__builtin_clzll(ns);
	return (top - 3) * 16 + (unsigned)((ns >> (top - 4)) & 15);
}

/* The highest value that falls into a bucket. */
static uint64_t bucket_top(unsigned i)
{
	unsigned shift;

	if (i < 16)
		return i;
	shift = i / 16 - 1;
	return ((uint64_t)(16 + i % 16 + 1) << shift) - 1;
}

void dmaf_hist_add(struct dmaf_hist *h, uint64_t ns)
{
	h->n++;
	h->bucket[bucket_of(ns)]++;
	if (ns > h->max)
		h->max = ns;
}

uint64_t dmaf_hist_at(const struct dmaf_hist *h, double share)
{
	uint64_t want = (uint64_t)(share * (double)h->n), seen = 0;

	if (!h->n)
		return 0;
	if (!want)
		want = 1;
	for (unsigned i = 0; i < DMAF_HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= want)
			return bucket_top(i) < h->max ? bucket_top(i) : h->max;
	}
	return h->max;
}

void dmaf_note(struct dmaf_counters *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->note, sizeof(c->note), fmt, ap);
	va_end(ap);
	c->notes++;
}

uint64_t dmaf_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
