// SPDX-License-Identifier: MIT
/* Rows of findings: kept, made printable, printed. */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static const char *const verdict_names[] = {
	[DOCTOR_YES] = "yes",
	[DOCTOR_NO] = "no",
	[DOCTOR_LIMITED] = "limited",
	[DOCTOR_UNKNOWN] = "unknown",
};

const char *doctor_verdict_name(enum doctor_verdict verdict)
{
	return verdict_names[verdict];
}

void doctor_init(struct doctor *d, bool open_ok)
{
	memset(d, 0, sizeof(*d));
	d->open_ok = open_ok;
}

static void row_free(struct doctor_row *row)
{
	free(row->name);
	free(row->detail);
	free(row->reason);
	free(row->remedy);
}

void doctor_free(struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		row_free(d->rows[i]);
		free(d->rows[i]);
	}
	free(d->rows);
	row_free(&d->spare);
	json_decref(d->mappings);
	memset(d, 0, sizeof(*d));
}

/*
 * Length of the UTF-8 sequence at s, 0 where there is none that a terminal and JSON may see:
 * control characters (C0, DEL, C1), overlong forms, surrogates, and the marks that reorder text.
 */
static size_t utf8_len(const unsigned char *s)
{
	static const unsigned int lowest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned int c = s[0];
	size_t n;

	if (c < 0x80)
		return c >= 0x20 && c != 0x7f;
	n = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc0 && c < 0xe0 ? 2 : 0;
	if (!n)
		return 0;
	c &= 0x7fU >> n;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	if (c < lowest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c < 0xa0 ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return n;
}

char *doctor_clean(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	char *out = malloc(strlen(text) * 4 + 1);
	char *o = out;

	while (out && *s) {
		size_t n = utf8_len(s);

		if (n) {
			memcpy(o, s, n);
			o += n;
			s += n;
		} else {
			o += sprintf(o, "\\x%02x", *s++);
		}
	}
	if (out)
		*o = '\0';
	return out;
}

static void set_text(struct doctor *d, char **to, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void set_text(struct doctor *d, char **to, const char *fmt, va_list ap)
{
	char *raw, *clean;

	if (vasprintf(&raw, fmt, ap) < 0) {
		d->no_memory = true;
		return;
	}
	clean = doctor_clean(raw);
	free(raw);
	if (!clean) {
		d->no_memory = true;
		return;
	}
	free(*to);
	*to = clean;
}

static struct doctor_row *add_row(struct doctor *d)
{
	struct doctor_row **rows, *row;
	size_t room;

	if (d->n == d->room) {
		room = d->room ? d->room * 2 : 64;
		rows = reallocarray(d->rows, room, sizeof(*rows));
		if (!rows)
			return NULL;
		d->rows = rows;
		d->room = room;
	}
	row = calloc(1, sizeof(*row));
	if (row)
		d->rows[d->n++] = row;
	return row;
}

struct doctor_row *doctor_row(struct doctor *d, const char *area, enum doctor_verdict verdict,
			      const char *name, ...)
{
	struct doctor_row *row = add_row(d);
	va_list ap;

	if (!row) {
		d->no_memory = true;
		row = &d->spare;
	}
	row->area = area;
	row->verdict = verdict;
	va_start(ap, name);
	set_text(d, &row->name, name, ap);
	va_end(ap);
	return row;
}

void doctor_detail(struct doctor *d, struct doctor_row *row, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_text(d, &row->detail, fmt, ap);
	va_end(ap);
}

void doctor_reason(struct doctor *d, struct doctor_row *row, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_text(d, &row->reason, fmt, ap);
	va_end(ap);
}

void doctor_remedy(struct doctor *d, struct doctor_row *row, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_text(d, &row->remedy, fmt, ap);
	va_end(ap);
}

/* Columns of n bytes: each character counts as one, which the field's names mostly are. */
static unsigned int columns_of(const char *s, size_t n)
{
	unsigned int c = 0;

	for (size_t i = 0; i < n; i++)
		c += ((unsigned char)s[i] & 0xc0) != 0x80;
	return c;
}

/* Words of text from column `at`, further lines from column `indent`. */
static void wrap(FILE *out, const char *text, unsigned int at, unsigned int indent,
		 unsigned int width)
{
	bool first = true;

	while (*text) {
		size_t n = strcspn(text, " ");
		unsigned int cols = columns_of(text, n);

		if (!first && at + 1 + cols > width) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, n, out);
		at += cols;
		text += n + strspn(text + n, " ");
		first = false;
	}
	fputc('\n', out);
}

#define NAME_COLUMN   10U
#define DETAIL_COLUMN 32U

static void print_row(const struct doctor_row *row, FILE *out, unsigned int width)
{
	unsigned int at = NAME_COLUMN + columns_of(row->name, strlen(row->name));
	unsigned int indent = width < 60 ? NAME_COLUMN + 2 : DETAIL_COLUMN;

	fprintf(out, "  %-7s %s", doctor_verdict_name(row->verdict), row->name);
	if (row->detail) {
		if (at + 1 > indent) {
			fprintf(out, "\n%*s", (int)indent, "");
		} else {
			fprintf(out, "%*s", (int)(indent - at), "");
		}
		wrap(out, row->detail, indent, indent, width);
	} else {
		fputc('\n', out);
	}
	if (row->reason) {
		fprintf(out, "%*swhy: ", (int)NAME_COLUMN, "");
		wrap(out, row->reason, NAME_COLUMN + 5, NAME_COLUMN + 5, width);
	}
	if (row->remedy) {
		fprintf(out, "%*sdo:  ", (int)NAME_COLUMN, "");
		wrap(out, row->remedy, NAME_COLUMN + 5, NAME_COLUMN + 5, width);
	}
}

int doctor_print(const struct doctor *d, FILE *out, unsigned int width)
{
	const char *area = "";

	if (d->no_memory)
		return -ENOMEM;
	for (size_t i = 0; i < d->n; i++) {
		if (strcmp(area, d->rows[i]->area) != 0) {
			area = d->rows[i]->area;
			fprintf(out, "%s%s\n", i ? "\n" : "", area);
		}
		print_row(d->rows[i], out, width);
	}
	return ferror(out) ? -EIO : 0;
}

static json_t *row_json(const struct doctor_row *row)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?}", "area", row->area, "name", row->name,
			 "verdict", doctor_verdict_name(row->verdict), "detail", row->detail,
			 "reason", row->reason, "remedy", row->remedy);
}

json_t *doctor_json(const struct doctor *d)
{
	json_t *top, *rows;

	if (d->no_memory)
		return NULL;
	rows = json_array();
	top = json_pack("{s:s, s:o}", "version", DMAF_VERSION, "rows", rows);
	if (!top)
		return NULL; /* json_pack() has dropped rows */
	for (size_t i = 0; i < d->n; i++)
		if (json_array_append_new(rows, row_json(d->rows[i])) < 0)
			goto fail;
	if (d->mappings && json_object_set(top, "mappings", d->mappings) < 0)
		goto fail;
	return top;
fail:
	json_decref(top);
	return NULL;
}

int doctor_read(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;
	int err;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, text, room - 1);
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return (int)strlen(text);
}

long long doctor_read_number(const char *path, long long absent)
{
	char text[64], *end;
	long long v;

	if (doctor_read(path, text, sizeof(text)) <= 0)
		return absent;
	errno = 0;
	v = strtoll(text, &end, 10);
	return errno || end == text ? absent : v;
}

const char *doctor_bytes(unsigned long long bytes, char *text, size_t room)
{
	static const char units[] = "KMGTPE";
	double v = (double)bytes / 1024;
	unsigned int u = 0;

	if (bytes < 1024) {
		snprintf(text, room, "%llu B", bytes);
		return text;
	}
	for (; v >= 1024 && u < 5; u++)
		v /= 1024;
	if (v - (double)(unsigned long long)v < 0.05)
		snprintf(text, room, "%llu %ciB", (unsigned long long)v, units[u]);
	else
		snprintf(text, room, "%.1f %ciB", v, units[u]);
	return text;
}
