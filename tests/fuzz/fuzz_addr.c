/* SPDX-License-Identifier: MIT */
/* The address parser, the check against a table with an option of each type, and host:port. */
#include <string.h>

#include <dmaflow/addr.h>

#include "core/kind.h"
#include "fuzz.h"

static const char *const words[] = {"block", "drop-new", "drop-old", NULL};
static const struct dmaf_opt table[] = {
	{"flag", DMAF_OPT_FLAG},
	{"n", DMAF_OPT_COUNT, .min = 1, .max = 1000},
	{"size", DMAF_OPT_SIZE},
	{"rate", DMAF_OPT_RATE, .min = 1},
	{"t", DMAF_OPT_DURATION},
	{"word", DMAF_OPT_WORD, .words = words},
	{"text", DMAF_OPT_STRING},
	{"slice", DMAF_OPT_SLICE},
	{NULL},
};
static const struct dmaf_opt *const tables[] = {table, NULL};

/* One explanation, on one line, whole. */
static void explained(int rc, const struct dmaf_err *err)
{
	must(rc == -22 || rc == -12);
	must(err->code == rc && err->text[0]);
	must(strlen(err->text) < sizeof(err->text));
}

/* What was accepted holds to what the table says. */
static void within_table(const dmaf_addr *a)
{
	uint64_t off, len = 1;

	for (const struct dmaf_opt *o = table; o->name; o++) {
		uint64_t v = dmaf_addr_u64(a, o->name, 0);

		if (!dmaf_addr_has(a, o->name))
			continue;
		if (o->type == DMAF_OPT_FLAG)
			must(v <= 1);
		else if (o->type == DMAF_OPT_WORD)
			must(v < 3);
		else if (o->type == DMAF_OPT_SLICE)
			must(dmaf_addr_slice(a, o->name, &off, &len) && len);
		else if (o->type == DMAF_OPT_STRING)
			must(*dmaf_addr_str(a, o->name, ""));
		else
			must(v >= o->min && (!o->max || v <= o->max));
	}
}

/* Escaped again it reads the same. */
static void main_survives(const dmaf_addr *a)
{
	static char text[2 * 4096 + 8];
	struct dmaf_err err = {0};
	dmaf_addr *again;
	char *to = text;

	*to++ = 'k';
	*to++ = ':';
	for (const char *p = dmaf_addr_main(a); *p; p++) {
		if (*p == ',' || *p == '\\')
			*to++ = '\\';
		*to++ = *p;
	}
	*to = 0;
	if (dmaf_addr_parse(&again, text, &err))
		return; /* longer than an address may be */
	must(!strcmp(dmaf_addr_main(again), dmaf_addr_main(a)));
	dmaf_addr_free(again);
}

static void hosts(const char *text)
{
	struct dmaf_err err = {0};
	char host[32];
	uint16_t port = 0;
	int rc = dmaf_host_port(text, host, sizeof(host), &port, &err);

	if (rc)
		explained(rc, &err);
	else
		must(port && strlen(host) < sizeof(host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dmaf_err err = {0};
	char *text = malloc(size + 1);
	dmaf_addr *a;
	int rc;

	must(text);
	memcpy(text, data, size);
	text[size] = 0;
	rc = dmaf_addr_parse(&a, text, &err);
	if (rc) {
		explained(rc, &err);
		must(!a);
	} else {
		must(!strcmp(dmaf_addr_text(a), text));
		main_survives(a);
		hosts(dmaf_addr_main(a));
		rc = dmaf_addr_check(a, tables, &err);
		if (rc)
			explained(rc, &err);
		else
			within_table(a);
		if (!dmaf_addr_no_main(a, &err))
			must(!*dmaf_addr_main(a));
		dmaf_addr_free(a);
	}
	free(text);
	return 0;
}
