/* SPDX-License-Identifier: MIT */
/*
 * Typed addresses: dmaf_iova (what a device uses) and dmaf_phys (the physical bus), with
 * dmaf_iova_make(), dmaf_iova_value(), dmaf_iova_add(), dmaf_iova_none(), dmaf_iova_is_none() and
 * the same five for dmaf_phys. Neither can be dereferenced, mixed up with the other or with a CPU
 * pointer, or used as a number without saying so.
 *
 * Header only, thread-safe, usable in kernel and firmware.
 */
#ifndef DMAFLOW_ADDR_TYPES_H
#define DMAFLOW_ADDR_TYPES_H

#include <dmaflow/base/types.h>

#endif
