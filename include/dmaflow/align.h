/* SPDX-License-Identifier: MIT */
/*
 * Alignment: dmaf_is_aligned(), dmaf_ptr_is_aligned(), dmaf_is_pow2(), dmaf_align_down(),
 * dmaf_align_up(), dmaf_order(), and dmaf_align_check() for a border, which reports the value
 * given, the alignment needed and the two nearest right values in a struct dmaf_align_report.
 *
 *	struct dmaf_align_report off;
 *
 *	if (!dmaf_align_check("block size", size, 4096, &off))
 *		fprintf(stderr, DMAF_ALIGN_FMT "\n", DMAF_ALIGN_ARG(&off));
 *
 * Header only, thread-safe, usable in kernel and firmware.
 */
#ifndef DMAFLOW_ALIGN_H
#define DMAFLOW_ALIGN_H

#include <dmaflow/base/align.h>

#endif
