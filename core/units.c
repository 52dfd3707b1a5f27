/* SPDX-License-Identifier: MIT */
/* Numbers with units, as people write them in addresses. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dmaflow/addr.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit binary[] = {
	{"", 1},           {"K", 1ull << 10},   {"k", 1ull << 10}, {"KiB", 1ull << 10},
	{"M", 1ull << 20}, {"MiB", 1ull << 20}, {"G", 1ull << 30}, {"GiB", 1ull << 30},
	{"T", 1ull << 40}, {"TiB", 1ull << 40}, {NULL, 0},
};
static const struct unit decimal[] = {
	{"", 1},           {"k", 1000},          {"K", 1000}, {"M", 1000000},
	{"G", 1000000000}, {"T", 1000000000000}, {NULL, 0},
};
static const struct unit duration[] = {
	{"", 1000000000},  {"ns", 1},          {"us", 1000},         {"ms", 1000000},
	{"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}, {NULL, 0},
};

static int parse(const char *text, const struct unit *units, uint64_t *out)
{
	uint64_t whole = 0, frac = 0, frac_div = 1;
	const char *p = text;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(whole, 10u, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return -ERANGE;
	if (*p == '.') {
		if (p[1] < '0' || p[1] > '9')
			return -EINVAL;
		for (p++; *p >= '0' && *p <= '9'; p++)
			if (frac_div < 1000000) { /* six digits are enough for any unit here */
				frac = frac * 10 + (uint64_t)(*p - '0');
				frac_div *= 10;
			} else if (*p != '0') {
				return -EINVAL;
			}
	}
	for (; units->name; units++) {
		uint64_t value, part;

		if (strcmp(p, units->name) != 0)
			continue;
		if (__builtin_mul_overflow(whole, units->factor, &value) ||
		    __builtin_mul_overflow(frac, units->factor, &part) ||
		    __builtin_add_overflow(value, part / frac_div, &value))
			return -ERANGE;
		if (part % frac_div)
			return -EINVAL; /* half a byte */
		*out = value;
		return 0;
	}
	return -EINVAL;
}

int dmaf_parse_size(const char *text, uint64_t *bytes)
{
	return parse(text, binary, bytes);
}

int dmaf_parse_rate(const char *text, uint64_t *per_second)
{
	return parse(text, decimal, per_second);
}

int dmaf_parse_duration(const char *text, uint64_t *ns)
{
	return parse(text, duration, ns);
}
