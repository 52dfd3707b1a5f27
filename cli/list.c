/* SPDX-License-Identifier: MIT */
/* dmaflow list: the kinds and their options, from the tables that check them. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "core/kind.h"

static const char *const value_name[] = {
	[DMAF_OPT_FLAG] = "",          [DMAF_OPT_COUNT] = "=N",
	[DMAF_OPT_SIZE] = "=SIZE",     [DMAF_OPT_RATE] = "=RATE",
	[DMAF_OPT_DURATION] = "=TIME", [DMAF_OPT_WORD] = "=WORD",
	[DMAF_OPT_STRING] = "=TEXT",   [DMAF_OPT_SLICE] = "=OFFSET+LENGTH",
};

static void print_options(const struct dmaf_opt *o)
{
	for (; o && o->name; o++) {
		char left[48];

		(void)snprintf(left, sizeof(left), "%s%s", o->name, value_name[o->type]);
		printf("    %-24s %s", left, o->help);
		if (o->type == DMAF_OPT_WORD)
			for (unsigned i = 0; o->words[i]; i++)
				printf("%s%s", i ? ", " : " (", o->words[i]);
		puts(o->type == DMAF_OPT_WORD ? ")" : "");
	}
}

static void print_kind(const struct dmaf_kind *k, bool options)
{
	char left[48];

	(void)snprintf(left, sizeof(left), "%s%s%s", k->name, strcmp(k->name, "-") ? ":" : "",
		       k->main);
	printf("%-26s %-6s %-5s %-4s %s\n", left, k->source ? "source" : "",
	       k->stage ? "stage" : "", k->sink ? "sink" : "", k->help);
	if (options)
		print_options(k->opts);
}

int dmaf_cmd_list(int argc, char **argv)
{
	const struct dmaf_kind *k;
	struct dmaf_err err;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("usage: dmaflow list [KIND...]\n"
		     "Names the kinds; with KIND its options, those of every source and sink "
		     "last.");
		return 0;
	}
	if (argc < 2) {
		for (unsigned i = 0; (k = dmaf_kind_at(i)); i++)
			print_kind(k, false);
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		k = dmaf_kind_find(argv[i], &err);
		if (!k)
			return dmaf_complain(EXIT_USAGE, "list: %s", err.text);
		print_kind(k, true);
		if (k->source) {
			puts("  as any source:");
			print_options(dmaf_source_options);
		}
		if (k->sink) {
			puts("  as any sink:");
			print_options(dmaf_sink_options);
		}
	}
	return 0;
}
