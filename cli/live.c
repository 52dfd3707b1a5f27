/* SPDX-License-Identifier: MIT */
/* The live line, and notes as they come. */
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

const char *dmaf_rate_text(double rate, char *buf, size_t size)
{
	static const char *const unit[] = {"B/s", "kB/s", "MB/s", "GB/s"};
	unsigned u = 0;

	while (u < 3 && rate >= 999.5) {
		rate /= 1000;
		u++;
	}
	(void)snprintf(buf, size,
		       rate < 9.995   ? "%.2f %s"
		       : rate < 99.95 ? "%.1f %s"
				      : "%.0f %s",
		       rate, unit[u]);
	return buf;
}

const char *dmaf_ns_text(uint64_t ns, char *buf, size_t size)
{
	double v = (double)ns;

	if (ns < 1000)
		(void)snprintf(buf, size, "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		(void)snprintf(buf, size, "%.1f us", v * 1e-3);
	else if (ns < 1000000000)
		(void)snprintf(buf, size, "%.1f ms", v * 1e-6);
	else
		(void)snprintf(buf, size, "%.1f s", v * 1e-9);
	return buf;
}

unsigned dmaf_terminal_width(FILE *f)
{
	struct winsize w = {0};

	if (!isatty(fileno(f)))
		return 0;
	return ioctl(fileno(f), TIOCGWINSZ, &w) || !w.ws_col ? 80 : w.ws_col;
}

/* Parts in order of worth; one that doesn't fit ends the line, none is cut in the middle. */
static void part(char *line, size_t size, unsigned width, const char *text)
{
	size_t used = strlen(line), more = strlen(text) + (used ? 3 : 0);

	if ((width && used + more >= width) || used + more >= size)
		return;
	(void)snprintf(line + used, size - used, "%s%s", used ? " | " : "", text);
}

void dmaf_live_line(char *line, size_t size, const struct dmaf_figures *now,
		    const struct dmaf_figures *before, unsigned width)
{
	const struct dmaf_counters *c = &now->sink[0].count;
	double dt = (double)(now->at_ns - before->at_ns) * 1e-9;
	double rate = dt > 0 ? (double)(c->bytes - before->sink[0].count.bytes) / dt : 0;
	char text[128], a[32], b[32];
	unsigned empty;

	line[0] = 0;
	part(line, size, width, dmaf_rate_text(rate, a, sizeof(a)));
	(void)snprintf(text, sizeof(text), "lost %" PRIu64, dmaf_lost(now));
	part(line, size, width, text);
	(void)snprintf(text, sizeof(text), "%s", c->path ? c->path : "-");
	part(line, size, width, text);
	(void)snprintf(text, sizeof(text), "copies/B %.2f", dmaf_copies_per_byte(now));
	part(line, size, width, text);
	/* A source that takes its buffers by itself leaves the empty ones in the pool. */
	empty = now->source.held + now->pool_free;
	(void)snprintf(text, sizeof(text), "in flight %u/%u", now->pool_count - empty,
		       now->pool_count);
	part(line, size, width, text);
	(void)snprintf(text, sizeof(text), "ring %3u%%",
		       now->pool_count ? 100 - 100 * empty / now->pool_count : 0);
	part(line, size, width, text);
	(void)snprintf(text, sizeof(text), "latency %s, 99%% %s",
		       dmaf_ns_text(now->lat_p50, a, sizeof(a)),
		       dmaf_ns_text(now->lat_p99, b, sizeof(b)));
	part(line, size, width, text);
	(void)snprintf(text, sizeof(text), "%.1f s", (double)(now->at_ns - now->started_ns) * 1e-9);
	part(line, size, width, text);
}

static bool note(FILE *f, const struct dmaf_party_figures *p, unsigned *seen, bool clear_line)
{
	if (p->count.notes == *seen)
		return false;
	*seen = p->count.notes;
	fprintf(f, "%sdmaflow: %s: %s\n", clear_line ? "\r\033[K" : "", p->address, p->count.note);
	return true;
}

bool dmaf_print_notes(FILE *f, const struct dmaf_figures *now, struct noted *seen, bool clear_line)
{
	bool any = note(f, &now->source, &seen->source, clear_line);

	for (unsigned i = 0; i < now->nstages; i++)
		any |= note(f, &now->stage[i], &seen->stage[i], clear_line);
	for (unsigned i = 0; i < now->nsinks; i++)
		any |= note(f, &now->sink[i], &seen->sink[i], clear_line);
	return any;
}
