/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <dmaflow/addr.h>

#include "core/kind.h"
#include "core/words.h"

#define ADDR_OPTS 32
#define ADDR_LEN  4096

struct addr_opt {
	char *name, *value; /* value NULL: name alone */
	uint64_t number, length;
};

struct dmaf_addr {
	char *text;  /* as given */
	char *split; /* a copy, cut at its separators */
	char *kind, *main;
	unsigned nopts;
	struct addr_opt opts[ADDR_OPTS];
};

/* Cuts at the next unescaped comma and undoes the escapes. Returns the rest, or NULL. */
static char *cut(char *s)
{
	char *to = s;

	for (; *s && *s != ','; s++) {
		if (*s == '\\' && (s[1] == ',' || s[1] == '\\'))
			s++;
		*to++ = *s;
	}
	if (!*s) {
		*to = 0;
		return NULL;
	}
	*to = 0;
	return s + 1;
}

static int add_option(dmaf_addr *a, char *word, struct dmaf_err *err)
{
	struct addr_opt *o;
	char *eq = strchr(word, '=');

	if (!*word || eq == word)
		return dmaf_fail(err, -EINVAL,
				 "%s: an option without a name; write kind:main,option=value,...",
				 a->text);
	if (a->nopts == ADDR_OPTS)
		return dmaf_fail(err, -EINVAL, "%s: more than %d options", a->text, ADDR_OPTS);
	if (eq)
		*eq++ = 0;
	if (dmaf_addr_has(a, word))
		return dmaf_fail(err, -EINVAL, "%s: option '%s' is given twice", a->text, word);
	o = &a->opts[a->nopts++];
	o->name = word;
	o->value = eq;
	return 0;
}

int dmaf_addr_parse(dmaf_addr **out, const char *text, struct dmaf_err *err)
{
	dmaf_addr *a;
	char *rest, *colon;
	int rc = -ENOMEM;

	*out = NULL;
	if (strnlen(text, ADDR_LEN) == ADDR_LEN)
		return dmaf_fail(err, -EINVAL, "an address of more than %d bytes", ADDR_LEN - 1);
	a = calloc(1, sizeof(*a));
	if (!a)
		goto nomem;
	a->text = strdup(text);
	a->split = strdup(text);
	if (!a->text || !a->split)
		goto nomem;

	rc = -EINVAL;
	rest = cut(a->split);
	a->kind = a->split;
	colon = strchr(a->split, ':');
	if (colon)
		*colon = 0;
	a->main = colon ? colon + 1 : a->split + strlen(a->split);
	if (!*a->kind) {
		dmaf_fail(err, rc, "'%s': an address begins with a kind, as in file:/data/x", text);
		goto fail;
	}
	if (!colon && strcmp(a->kind, "-") != 0) {
		if (strchr(a->kind, '/'))
			dmaf_fail(err, rc, "'%s': no kind; write file:%s for a file", text,
				  a->kind);
		else
			dmaf_fail(err, rc,
				  "'%s': no ':' after the kind; write %s:..., or file:%s for a "
				  "file",
				  text, a->kind, a->kind);
		goto fail;
	}
	while (rest) {
		char *word = rest;

		rest = cut(word);
		if (add_option(a, word, err))
			goto fail;
	}
	*out = a;
	return 0;

nomem:
	dmaf_fail(err, rc, "no memory for the address '%s'", text);
fail:
	dmaf_addr_free(a);
	return rc;
}

static const struct dmaf_opt *find_opt(const struct dmaf_opt *const *tables, const char *name)
{
	for (; *tables; tables++)
		for (const struct dmaf_opt *o = *tables; o->name; o++)
			if (!strcmp(o->name, name))
				return o;
	return NULL;
}

static int unknown(const dmaf_addr *a, const char *name, const struct dmaf_opt *const *tables,
		   struct dmaf_err *err)
{
	char list[512] = "";

	for (; *tables; tables++)
		for (const struct dmaf_opt *o = *tables; o->name; o++)
			dmaf_word_append(list, sizeof(list), o->name);
	return dmaf_fail(err, -EINVAL, "%s: '%s' has no option '%s'; it has: %s", a->text, a->kind,
			 name, list);
}

static const char *const example[] = {
	[DMAF_OPT_FLAG] = "yes or no",
	[DMAF_OPT_COUNT] = "a whole number, such as 1000 or 10k",
	[DMAF_OPT_SIZE] = "a size in bytes, such as 65536, 64K or 1M",
	[DMAF_OPT_RATE] = "bytes per second, such as 500k, 100M or 1G",
	[DMAF_OPT_DURATION] = "a duration, such as 500ms, 10s or 2m",
	[DMAF_OPT_SLICE] = "offset+length, such as 64+4032 or 0+1M",
};

static int check_word(const dmaf_addr *a, const struct dmaf_opt *o, struct addr_opt *v,
		      struct dmaf_err *err)
{
	char list[256] = "";

	for (unsigned i = 0; o->words[i]; i++) {
		if (!strcmp(o->words[i], v->value)) {
			v->number = i;
			return 0;
		}
		dmaf_word_append(list, sizeof(list), o->words[i]);
	}
	return dmaf_fail(err, -EINVAL, "%s: %s=%s is none of: %s", a->text, o->name, v->value,
			 list);
}

static int parse_slice(struct addr_opt *v)
{
	char off[64];
	const char *plus = strchr(v->value, '+');
	int rc;

	if (!plus || (size_t)(plus - v->value) >= sizeof(off))
		return -EINVAL;
	memcpy(off, v->value, (size_t)(plus - v->value));
	off[plus - v->value] = 0;
	rc = dmaf_parse_size(off, &v->number);
	if (!rc)
		rc = dmaf_parse_size(plus + 1, &v->length);
	return rc ? rc : v->length ? 0 : -EINVAL;
}

static int convert(const struct dmaf_opt *o, struct addr_opt *v)
{
	switch (o->type) {
	case DMAF_OPT_FLAG:
		v->number = !strcmp(v->value, "yes");
		return v->number || !strcmp(v->value, "no") ? 0 : -EINVAL;
	case DMAF_OPT_SIZE: return dmaf_parse_size(v->value, &v->number);
	case DMAF_OPT_COUNT:
	case DMAF_OPT_RATE: return dmaf_parse_rate(v->value, &v->number);
	case DMAF_OPT_DURATION: return dmaf_parse_duration(v->value, &v->number);
	case DMAF_OPT_SLICE: return parse_slice(v);
	case DMAF_OPT_WORD:
	case DMAF_OPT_STRING: break;
	}
	return 0;
}

static int check_value(const dmaf_addr *a, const struct dmaf_opt *o, struct addr_opt *v,
		       struct dmaf_err *err)
{
	int rc;

	if (!v->value) {
		if (o->type == DMAF_OPT_FLAG) {
			v->number = 1;
			return 0;
		}
		if (o->type == DMAF_OPT_WORD) {
			v->number = 0;
			return 0; /* the first word is what the bare option means */
		}
		return dmaf_fail(err, -EINVAL, "%s: option '%s' needs a value: %s=...", a->text,
				 o->name, o->name);
	}
	if (o->type == DMAF_OPT_WORD)
		return check_word(a, o, v, err);
	if (o->type == DMAF_OPT_STRING)
		return *v->value ? 0
				 : dmaf_fail(err, -EINVAL, "%s: %s= is empty", a->text, o->name);
	rc = convert(o, v);
	if (rc == -ERANGE)
		return dmaf_fail(err, -EINVAL, "%s: %s=%s does not fit 64 bits", a->text, o->name,
				 v->value);
	if (rc)
		return dmaf_fail(err, -EINVAL, "%s: %s=%s is not %s", a->text, o->name, v->value,
				 example[o->type]);
	if (o->type == DMAF_OPT_FLAG || o->type == DMAF_OPT_SLICE)
		return 0;
	if (v->number < o->min || (o->max && v->number > o->max)) {
		if (o->max)
			return dmaf_fail(err, -EINVAL,
					 "%s: %s=%s is outside %" PRIu64 " to %" PRIu64, a->text,
					 o->name, v->value, o->min, o->max);
		return dmaf_fail(err, -EINVAL, "%s: %s=%s is below %" PRIu64, a->text, o->name,
				 v->value, o->min);
	}
	return 0;
}

int dmaf_addr_check(dmaf_addr *a, const struct dmaf_opt *const *tables, struct dmaf_err *err)
{
	for (unsigned i = 0; i < a->nopts; i++) {
		const struct dmaf_opt *o = find_opt(tables, a->opts[i].name);
		int rc;

		if (!o)
			return unknown(a, a->opts[i].name, tables, err);
		rc = check_value(a, o, &a->opts[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

void dmaf_addr_free(dmaf_addr *a)
{
	if (!a)
		return;
	free(a->text);
	free(a->split);
	free(a);
}

const char *dmaf_addr_text(const dmaf_addr *a)
{
	return a->text;
}

const char *dmaf_addr_kind(const dmaf_addr *a)
{
	return a->kind;
}

int dmaf_addr_no_main(dmaf_addr *a, struct dmaf_err *err)
{
	char *word = a->main;

	if (!*word)
		return 0;
	a->main = word + strlen(word);
	return add_option(a, word, err);
}

const char *dmaf_addr_main(const dmaf_addr *a)
{
	return a->main;
}

static const struct addr_opt *get(const dmaf_addr *a, const char *name)
{
	for (unsigned i = 0; i < a->nopts; i++)
		if (!strcmp(a->opts[i].name, name))
			return &a->opts[i];
	return NULL;
}

bool dmaf_addr_has(const dmaf_addr *a, const char *name)
{
	return get(a, name) != NULL;
}

uint64_t dmaf_addr_u64(const dmaf_addr *a, const char *name, uint64_t absent)
{
	const struct addr_opt *o = get(a, name);

	return o ? o->number : absent;
}

const char *dmaf_addr_str(const dmaf_addr *a, const char *name, const char *absent)
{
	const struct addr_opt *o = get(a, name);

	return o && o->value ? o->value : absent;
}

bool dmaf_addr_slice(const dmaf_addr *a, const char *name, uint64_t *off, uint64_t *len)
{
	const struct addr_opt *o = get(a, name);

	if (!o)
		return false;
	*off = o->number;
	*len = o->length;
	return true;
}

int dmaf_host_port(const char *text, char *host, size_t host_len, uint16_t *port,
		   struct dmaf_err *err)
{
	const char *colon = strrchr(text, ':'), *start = text, *end = colon ? colon : text;
	char *tail;
	unsigned long number;

	if (*text == '[') {
		const char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return dmaf_fail(err, -EINVAL, "'%s': write an IPv6 host as [::1]:9000",
					 text);
		start = text + 1;
		end = close;
		colon = close[1] ? close + 1 : NULL;
	} else if (colon && memchr(text, ':', (size_t)(colon - text))) {
		return dmaf_fail(err, -EINVAL, "'%s': write an IPv6 host as [::1]:9000", text);
	}
	if ((size_t)(end - start) >= host_len)
		return dmaf_fail(err, -EINVAL, "'%s': the host has more than %zu letters", text,
				 host_len - 1);
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = 0;

	if (!colon && *text != '[' && strspn(text, "0123456789") != strlen(text))
		return dmaf_fail(err, -EINVAL, "'%s': no port; write HOST:PORT", text);
	text = colon ? colon + 1 : end == start ? text : "";
	if (!*text)
		return dmaf_fail(err, -EINVAL, "'%s': no port; write HOST:PORT", host);
	errno = 0;
	number = strtoul(text, &tail, 10);
	if (*text < '0' || *text > '9' || *tail || errno || number == 0 || number > 65535)
		return dmaf_fail(err, -EINVAL, "port '%s' is not a number from 1 to 65535", text);
	*port = (uint16_t)number;
	return 0;
}
