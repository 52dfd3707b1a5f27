/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef DMAF_BASE_TYPES_H
#define DMAF_BASE_TYPES_H

/* Fixed-width integers, in a kernel as in user space: all that base/ takes from outside. */
#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#endif
