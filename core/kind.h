/* SPDX-License-Identifier: MIT */
#ifndef DMAF_CORE_KIND_H
#define DMAF_CORE_KIND_H

#include <dmaflow/plugin.h>

/* The kinds that are built in; ends with NULL. Defined right of here, by plugins/plugins.c. */
extern const struct dmaf_kind *const dmaf_builtin_kinds[];

/* What a party is asked to be. */
enum dmaf_role { DMAF_ROLE_SOURCE, DMAF_ROLE_STAGE, DMAF_ROLE_SINK, DMAF_ROLE_POOL };

/*
 * Parse an address, find its kind, see that it can play the role, check its options (the common
 * ones of the role included). Return: 0 or -EINVAL, explained in @err.
 */
int dmaf_kind_resolve(const char *text, enum dmaf_role role, dmaf_addr **addr,
		      const struct dmaf_kind **kind, struct dmaf_err *err);

/*
 * The kind has no main part: what stands there is an option, as in pattern:rate=1G. Return: 0 or
 * -EINVAL.
 */
int dmaf_addr_no_main(dmaf_addr *addr, struct dmaf_err *err);

/* The options that every source, or every sink, has. */
extern const struct dmaf_opt dmaf_source_options[], dmaf_sink_options[];

#endif
