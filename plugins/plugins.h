/* SPDX-License-Identifier: MIT */
/* The kinds that are built in, each defined in its own folder. */
#ifndef DMAF_PLUGINS_H
#define DMAF_PLUGINS_H

#include <dmaflow/plugin.h>

extern const struct dmaf_kind dmaf_kind_faulty;
extern const struct dmaf_kind dmaf_kind_null, dmaf_kind_pattern, dmaf_kind_verify;
extern const struct dmaf_kind dmaf_kind_memory;
extern const struct dmaf_kind dmaf_kind_tcp, dmaf_kind_tcp_listen;
extern const struct dmaf_kind dmaf_kind_file;
extern const struct dmaf_kind dmaf_kind_stdio, dmaf_kind_pipe;
extern const struct dmaf_kind dmaf_kind_hash;
extern const struct dmaf_kind dmaf_kind_serial;
extern const struct dmaf_kind dmaf_kind_dma;
extern const struct dmaf_kind dmaf_kind_v4l2;

#endif
