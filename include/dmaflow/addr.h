/* SPDX-License-Identifier: MIT */
/*
 * Flow addresses: kind:main,option=value,... as socat's users expect.
 *
 * A comma or backslash in a value is written \, or \\. The kind "-" stands for standard input or
 * output. What an option means is in the table of its kind (struct dmaf_opt); values are checked
 * against that table before a plug-in sees them.
 */
#ifndef DMAFLOW_ADDR_H
#define DMAFLOW_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dmaflow/addr_types.h>
#include <dmaflow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

enum dmaf_opt_type {
	DMAF_OPT_FLAG,     /* name alone; name=yes|no too; 0 or 1 */
	DMAF_OPT_COUNT,    /* whole number, suffix k M G T = powers of 1000 */
	DMAF_OPT_SIZE,     /* bytes, suffix K M G T = powers of 1024 */
	DMAF_OPT_RATE,     /* bytes per second, suffix k M G T = powers of 1000 */
	DMAF_OPT_DURATION, /* suffix ns us ms s m h, none: seconds; kept in nanoseconds */
	DMAF_OPT_WORD,     /* one of .words; the value is its index */
	DMAF_OPT_STRING,   /* taken as it is */
	DMAF_OPT_SLICE,    /* offset+length in bytes, both with SIZE suffixes */
};

/** struct dmaf_opt - an option of a kind. A table ends with .name == NULL. */
struct dmaf_opt {
	const char *name;
	enum dmaf_opt_type type;
	const char *help;         /* one line, for `dmaflow list` and the man page */
	uint64_t min, max;        /* inclusive; max 0: no upper bound. Numbers only */
	const char *const *words; /* DMAF_OPT_WORD: ends with NULL */
};

/** dmaf_addr - a parsed address. Immutable once checked, so it may be read by several threads. */
typedef struct dmaf_addr dmaf_addr;

/**
 * dmaf_addr_parse - split an address into kind, main part and options.
 * @out: the address, freed by dmaf_addr_free(). NULL on error.
 * Return: 0, -EINVAL with an explanation, -ENOMEM.
 */
DMAF_API int dmaf_addr_parse(dmaf_addr **out, const char *text, struct dmaf_err *err);

/**
 * dmaf_addr_check - check and convert the options against tables.
 * @tables: NULL-terminated list of option tables, each ending with an empty name.
 * Return: 0, or -EINVAL with the valid options named.
 */
DMAF_API int dmaf_addr_check(dmaf_addr *addr, const struct dmaf_opt *const *tables,
			     struct dmaf_err *err);

DMAF_API void dmaf_addr_free(dmaf_addr *addr);

DMAF_API const char *dmaf_addr_text(const dmaf_addr *addr);
DMAF_API const char *dmaf_addr_kind(const dmaf_addr *addr);
/** dmaf_addr_main - the part between the kind and the first comma; "" when empty. */
DMAF_API const char *dmaf_addr_main(const dmaf_addr *addr);
DMAF_API bool dmaf_addr_has(const dmaf_addr *addr, const char *name);
/** dmaf_addr_u64 - value of a flag, number, size, rate, duration (ns) or word (index). */
DMAF_API uint64_t dmaf_addr_u64(const dmaf_addr *addr, const char *name, uint64_t absent);
/** dmaf_addr_str - value as written; @absent when the option is not given. */
DMAF_API const char *dmaf_addr_str(const dmaf_addr *addr, const char *name, const char *absent);
/** dmaf_addr_slice - offset and length of a DMAF_OPT_SLICE. Return: false when not given. */
DMAF_API bool dmaf_addr_slice(const dmaf_addr *addr, const char *name, uint64_t *off,
			      uint64_t *len);

/**
 * dmaf_host_port - split "host:port", "[v6]:port" or "port".
 * @host: "" when none was given. Return: 0 or -EINVAL with an explanation.
 */
DMAF_API int dmaf_host_port(const char *text, char *host, size_t host_len, uint16_t *port,
			    struct dmaf_err *err);

/** dmaf_parse_size, _rate, _duration - one value, as in an option. Return: 0, -EINVAL, -ERANGE. */
DMAF_API int dmaf_parse_size(const char *text, uint64_t *bytes);
DMAF_API int dmaf_parse_rate(const char *text, uint64_t *per_second);
DMAF_API int dmaf_parse_duration(const char *text, uint64_t *ns);

#ifdef __cplusplus
}
#endif
#endif
