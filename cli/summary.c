/* SPDX-License-Identifier: MIT */
/* What a finished flow did, for people and for programs. The keys are documented in dmaflow(1). */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

uint64_t dmaf_lost(const struct dmaf_figures *g)
{
	uint64_t lost = g->source.count.lost;

	for (unsigned i = 0; i < g->nstages; i++)
		lost += g->stage[i].count.lost;
	for (unsigned i = 0; i < g->nsinks; i++)
		lost += g->sink[i].count.dropped;
	return lost;
}

static uint64_t copied(const struct dmaf_counters *c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DMAF_COPY_REASONS; i++)
		sum += c->copies[i].bytes;
	return sum;
}

double dmaf_copies_per_byte(const struct dmaf_figures *g)
{
	uint64_t sum = copied(&g->source.count), bytes = g->source.count.bytes;

	for (unsigned i = 0; i < g->nstages; i++)
		sum += copied(&g->stage[i].count);
	for (unsigned i = 0; i < g->nsinks; i++)
		sum += copied(&g->sink[i].count);
	return bytes ? (double)sum / (double)bytes : 0;
}

static double seconds(const struct dmaf_figures *g)
{
	uint64_t end = g->ended_ns ? g->ended_ns : g->at_ns;

	return g->started_ns && end > g->started_ns ? (double)(end - g->started_ns) * 1e-9 : 0;
}

static void text_copies(FILE *f, const struct dmaf_party_figures *p)
{
	for (unsigned i = 0; i < DMAF_COPY_REASONS && p->count.copies[i].reason; i++)
		if (p->count.copies[i].bytes)
			fprintf(f, "           copied %" PRIu64 " bytes: %s (%s)\n",
				p->count.copies[i].bytes, p->count.copies[i].reason, p->address);
}

void dmaf_summary_text(FILE *f, const struct dmaf_figures *g, struct cpu_time cpu)
{
	const struct dmaf_counters *s = &g->source.count;
	double secs = seconds(g), gib = (double)s->bytes / (double)(1u << 30);
	char a[32], b[32], c[32];

	fprintf(f, "source     %s: %" PRIu64 " bytes in %" PRIu64 " buffers, lost %" PRIu64 "\n",
		g->source.address, s->bytes, s->buffers, s->lost);
	for (unsigned i = 0; i < g->nsinks; i++) {
		const struct dmaf_counters *k = &g->sink[i].count;

		fprintf(f,
			"sink       %s: %" PRIu64 " bytes in %" PRIu64
			" buffers, %s, dropped %" PRIu64,
			g->sink[i].address, k->bytes, k->buffers, k->path ? k->path : "-",
			k->dropped);
		if (k->zerocopied || k->copied)
			fprintf(f, ", zero-copy sends %" PRIu64 " done, %" PRIu64 " copied",
				k->zerocopied, k->copied);
		if (k->reconnects)
			fprintf(f, ", %" PRIu64 " reconnects, %" PRIu64 " bytes resent",
				k->reconnects, k->resent_bytes);
		fputc('\n', f);
	}
	text_copies(f, &g->source);
	for (unsigned i = 0; i < g->nstages; i++)
		text_copies(f, &g->stage[i]);
	for (unsigned i = 0; i < g->nsinks; i++)
		text_copies(f, &g->sink[i]);
	fprintf(f, "time       %.3f s, %s, CPU %.2f s user + %.2f s system", secs,
		dmaf_rate_text(secs > 0 ? (double)s->bytes / secs : 0, a, sizeof(a)), cpu.user,
		cpu.system);
	if (gib >= 0.01)
		fprintf(f, " (%.3f s/GiB)", (cpu.user + cpu.system) / gib);
	fprintf(f, "\nlatency    %s half, %s 99 %%, %s most\n",
		dmaf_ns_text(g->lat_p50, a, sizeof(a)), dmaf_ns_text(g->lat_p99, b, sizeof(b)),
		dmaf_ns_text(g->lat_max, c, sizeof(c)));
	fprintf(f, "memory     %s, %u x %zu bytes (%s); kernel: unverified\n", g->memory,
		g->pool_count, g->block, g->memory_why);
}

static void add_copies(json_t *copies, const struct dmaf_counters *c)
{
	for (unsigned i = 0; i < DMAF_COPY_REASONS && c->copies[i].reason; i++) {
		json_t *old = json_object_get(copies, c->copies[i].reason);
		json_int_t sum = (json_int_t)c->copies[i].bytes + json_integer_value(old);

		json_object_set_new(copies, c->copies[i].reason, json_integer(sum));
	}
}

#define U64(x) ((json_int_t)(x))

static json_t *party_json(const struct dmaf_party_figures *p)
{
	const struct dmaf_counters *c = &p->count;
	json_t *copies = json_object();

	add_copies(copies, c);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s?, s:I, s:I, s:I, s:I, s:o, s:s}",
			 "address", p->address, "bytes", U64(c->bytes), "buffers", U64(c->buffers),
			 "lost", U64(c->lost), "lost_bytes", U64(c->lost_bytes), "dropped",
			 U64(c->dropped), "stalls", U64(c->stalls), "path", c->path, "reconnects",
			 U64(c->reconnects), "resent_bytes", U64(c->resent_bytes), "errors",
			 U64(c->errors), "notes", U64(c->notes), "copies", copies, "note", c->note);
}

json_t *dmaf_summary_json(const struct dmaf_figures *g, struct cpu_time cpu)
{
	const struct dmaf_counters *s = &g->source.count, *k = &g->sink[0].count;
	json_t *copies = json_object(), *stages = json_array(), *sinks = json_array();
	uint64_t zerocopied = 0, late = 0;
	double secs = seconds(g);

	add_copies(copies, s);
	for (unsigned i = 0; i < g->nstages; i++) {
		add_copies(copies, &g->stage[i].count);
		json_array_append_new(stages, party_json(&g->stage[i]));
	}
	for (unsigned i = 0; i < g->nsinks; i++) {
		add_copies(copies, &g->sink[i].count);
		zerocopied += g->sink[i].count.zerocopied;
		late += g->sink[i].count.copied;
		json_array_append_new(sinks, party_json(&g->sink[i]));
	}
	return json_pack(
		"{s:I, s:I, s:f, s:f, s:s?, s:{s:I, s:I}, s:o, s:f, s:I, s:{s:I, s:I, s:I}, "
		"s:{s:f, s:f},"
		" s:f, s:{s:s, s:s, s:I, s:I, s:I, s:s}, s:o, s:o, s:o}",
		"bytes", U64(s->bytes), "buffers", U64(s->buffers), "seconds", secs,
		"bytes_per_second", secs > 0 ? (double)s->bytes / secs : 0.0, "mode", k->path,
		"completions", "zerocopied", U64(zerocopied), "copied", U64(late), "copies", copies,
		"copies_per_byte", dmaf_copies_per_byte(g), "lost", U64(dmaf_lost(g)), "latency",
		"p50", U64(g->lat_p50), "p99", U64(g->lat_p99), "max", U64(g->lat_max), "cpu",
		"user", cpu.user, "system", cpu.system, "first_byte_ms",
		g->first_byte_ns ? (double)(g->first_byte_ns - g->started_ns) * 1e-6 : 0.0,
		"memory", "region", g->memory, "owner", g->memory_why, "block", U64(g->block),
		"blocks", U64(g->pool_count), "bytes", U64(g->region_len), "kernel", "unverified",
		"source", party_json(&g->source), "stages", stages, "sinks", sinks);
}
