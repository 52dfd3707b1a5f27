/* SPDX-License-Identifier: MIT */
/* dmaflow bench: this library's own paths on this machine, or between two. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/pair.h"

#define SIZES 3

static const char usage[] =
	"usage: dmaflow bench [--json] tcp              the ways of sending, on loopback\n"
	"       dmaflow bench [--json] tcp:HOST:PORT    the same to another machine, where runs\n"
	"       dmaflow bench tcp-listen:[HOST:]PORT    (until it is interrupted)\n"
	"       dmaflow bench [--json] ring             descriptors between two threads\n"
	"       dmaflow bench [--json] disk[:FOLDER]    write and read 256 MiB there (default: "
	"here)\n";

static const char *const modes[] = {"copy", "zerocopy", "sendzc", "splice", "auto"};
#define MODES (sizeof(modes) / sizeof(*modes))

static const struct {
	const char *name, *source;
} sizes[SIZES] = {
	{"4 KiB", "pattern:fill=none,block=4K,blocks=1024,duration=500ms"},
	{"64 KiB", "pattern:fill=none,block=64K,blocks=64,duration=500ms"},
	{"1 MiB", "pattern:fill=none,block=1M,blocks=16,duration=500ms"},
};

static json_t *tried_json(const struct tried *t, const char *block)
{
	return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:s, s:s?}", "block", block, "mode",
			 t->asked, "path", t->took, "bytes_per_second", t->rate, "cpu_s_per_gib",
			 t->cpu_per_gib, "copies_per_byte", t->copies, "note", t->note, "error",
			 t->rc ? t->why : NULL);
}

static int print_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(j);
	return 0;
}

static int bench_tcp(const char *peer, bool json)
{
	json_t *rows = json_array();
	int rc = 0;

	for (unsigned s = 0; s < SIZES; s++) {
		struct tried tried[MODES];

		for (unsigned m = 0; m < MODES; m++) {
			dmaf_try_mode(&tried[m], peer, modes[m], ",frame,ack", sizes[s].source,
				      "null:");
			if (tried[m].rc && !strcmp(modes[m], "auto"))
				rc = EXIT_FAILED;
			json_array_append_new(rows, tried_json(&tried[m], sizes[s].name));
		}
		if (json)
			continue;
		printf("blocks of %s, framed, acknowledged, to %s; CPU of %s\n", sizes[s].name,
		       peer ? peer : "loopback", peer ? "the sender" : "both ends");
		dmaf_print_tried(stdout, tried, MODES);
		putchar('\n');
	}
	if (json)
		return print_json(json_pack("{s:s, s:o}", "bench", "tcp", "rows", rows)) | rc;
	json_decref(rows);
	return rc;
}

/* Receives one stream after the other; a signal ends the process as it is. */
static int serve(const char *address)
{
	char listen[256], why[DMAF_ERR_TEXT];
	const char *const addr[] = {listen, "null:", NULL};

	(void)snprintf(listen, sizeof(listen), "%s,frame,ack", address);
	for (bool first = true;; first = false) {
		struct dmaf_figures g;
		struct side rx;
		char rate[32];

		if (dmaf_side_open(&rx, addr, why, sizeof(why))) {
			dmaf_side_close(&rx);
			return dmaf_complain(first ? EXIT_USAGE : EXIT_FAILED, "%s", why);
		}
		if (first) {
			struct noted noted = {0};

			dmaf_flow_figures(rx.flow, &g);
			dmaf_print_notes(stderr, &g, &noted, false);
		}
		if (!dmaf_side_start(&rx) && dmaf_side_join(&rx))
			dmaf_complain(0, "%s", dmaf_flow_err(rx.flow)->text);
		dmaf_flow_figures(rx.flow, &g);
		printf("received %s\n",
		       dmaf_rate_text((double)g.source.count.bytes * 1e9 /
					      (double)(g.ended_ns - g.started_ns + 1),
				      rate, sizeof(rate)));
		fflush(stdout);
		dmaf_side_close(&rx);
	}
}

struct disk_row {
	const char *name, *source, *sink;
	double rate, cpu_per_gib;
	char path[48];
};

static int disk_flow(struct disk_row *r, const char *source, const char *sink)
{
	const char *const addr[] = {source, sink, NULL};
	struct cpu_time before = dmaf_cpu_time(), after;
	struct dmaf_figures g;
	struct side s;
	char why[DMAF_ERR_TEXT];
	int rc = dmaf_side_open(&s, addr, why, sizeof(why));

	if (!rc)
		rc = dmaf_side_start(&s);
	if (!rc) {
		rc = dmaf_side_join(&s);
		(void)snprintf(why, sizeof(why), "%s", dmaf_flow_err(s.flow)->text);
	}
	if (!rc) {
		double secs, gib;

		after = dmaf_cpu_time();
		dmaf_flow_figures(s.flow, &g);
		secs = (double)(g.ended_ns - g.started_ns) * 1e-9;
		gib = (double)g.source.count.bytes / (double)(1u << 30);
		r->rate = (double)g.source.count.bytes / secs;
		r->cpu_per_gib = (after.user - before.user + after.system - before.system) / gib;
		(void)snprintf(r->path, sizeof(r->path), "%s",
			       strncmp(source, "file:", 5) ? g.sink[0].count.path
							   : g.source.count.path);
	} else {
		dmaf_complain(0, "%s", why);
	}
	dmaf_side_close(&s);
	return rc;
}

static int bench_disk(const char *folder, bool json)
{
	struct disk_row rows[] = {
		{.name = "write, O_DIRECT", .sink = ",direct,sync"},
		{.name = "read, O_DIRECT", .source = ",direct"},
		{.name = "write, page cache", .sink = ",sync"},
		{.name = "read, page cache", .source = ""},
	};
	char file[512], source[640], sink[640];
	json_t *out = json_array();
	int fd, rc = 0;

	(void)snprintf(file, sizeof(file), "%s/dmaflow-bench-XXXXXX", folder);
	fd = mkstemp(file);
	if (fd < 0) {
		json_decref(out);
		return dmaf_complain(EXIT_USAGE, "bench disk: no file can be made in %s: %s",
				     folder, strerror(errno));
	}
	close(fd);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows) && !rc; i++) {
		struct disk_row *r = &rows[i];

		(void)snprintf(source, sizeof(source), "file:%s,block=1M%s", file,
			       r->source ? r->source : "");
		(void)snprintf(sink, sizeof(sink), "file:%s%s", file, r->sink ? r->sink : "");
		rc = r->sink ? disk_flow(r, "pattern:fill=none,block=1M,blocks=8,bytes=256M", sink)
			     : disk_flow(r, source, "null:");
		if (rc)
			break;
		json_array_append_new(out, json_pack("{s:s, s:s, s:f, s:f}", "row", r->name, "path",
						     r->path, "bytes_per_second", r->rate,
						     "cpu_s_per_gib", r->cpu_per_gib));
	}
	unlink(file);
	if (!rc && !json) {
		char rate[32];

		printf("256 MiB in blocks of 1 MiB, 4 in flight, in %s\n", folder);
		for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
			printf("  %-18s %-26s %10s %8.3f CPU s/GiB\n", rows[i].name, rows[i].path,
			       dmaf_rate_text(rows[i].rate, rate, sizeof(rate)),
			       rows[i].cpu_per_gib);
	}
	if (!rc && json)
		return print_json(json_pack("{s:s, s:o}", "bench", "disk", "rows", out));
	json_decref(out);
	return rc ? EXIT_FAILED : 0;
}

int dmaf_cmd_bench(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	bool json = false;
	const char *what;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hj", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c != 'j')
			return dmaf_complain(
				EXIT_USAGE,
				"bench: unknown option '%s'; there are --json and --help",
				argv[optind - 1]);
		json = true;
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	what = argv[optind];
	if (!strcmp(what, "ring")) {
		int rc = dmaf_bench_ring(stdout, json);

		return rc ? dmaf_complain(EXIT_FAILED, "bench ring: %s", strerror(-rc)) : 0;
	}
	if (!strcmp(what, "tcp") || !strcmp(what, "tcp:"))
		return bench_tcp(NULL, json);
	if (!strncmp(what, "tcp:", 4))
		return bench_tcp(what + 4, json);
	if (!strncmp(what, "tcp-listen:", 11))
		return serve(what);
	if (!strcmp(what, "disk") || !strncmp(what, "disk:", 5))
		return bench_disk(what[4] && what[5] ? what + 5 : ".", json);
	return dmaf_complain(
		EXIT_USAGE,
		"bench: '%s' is none of tcp, tcp:HOST:PORT, tcp-listen:[HOST:]PORT, ring, "
		"disk, disk:FOLDER",
		what);
}
