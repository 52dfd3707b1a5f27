/* SPDX-License-Identifier: MIT */
/* The one table that names the built-in kinds. */
#include "core/kind.h"
#include "plugins/plugins.h"

/* One kind a line. */
/* clang-format off */
const struct dmaf_kind *const dmaf_builtin_kinds[] = {
	&dmaf_kind_pattern,
	&dmaf_kind_verify,
	&dmaf_kind_hash,
	&dmaf_kind_null,
	&dmaf_kind_memory,
	&dmaf_kind_faulty,
	&dmaf_kind_tcp,
	&dmaf_kind_tcp_listen,
	&dmaf_kind_file,
	&dmaf_kind_stdio,
	&dmaf_kind_pipe,
	&dmaf_kind_serial,
	&dmaf_kind_dma,
	&dmaf_kind_v4l2,
	NULL,
};
/* clang-format on */
