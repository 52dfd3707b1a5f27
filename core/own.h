/* SPDX-License-Identifier: MIT */
/*
 * Ownership checks of debug builds. A breach is a caller's bug, so it ends the program where it
 * happens: double return, a hand-over of what isn't one's own, a touch of a block that a device or
 * reader has (its pages are protected).
 */
#ifndef DMAF_CORE_OWN_H
#define DMAF_CORE_OWN_H

#include <dmaflow/buf.h>

#ifdef DMAF_DEBUG
#define DMAF_OWN_CHECKED 1
#else
#define DMAF_OWN_CHECKED 0
#endif

/* Ends the program unless @buf is @expected's. */
void dmaf_own_expect(const dmaf_buf *buf, enum dmaf_owner expected, const char *verb);

/* Lets the CPU at a block as its new owner may: a writer all, readers reading, the pool nothing. */
void dmaf_own_protect(const dmaf_buf *buf, enum dmaf_owner owner);

static inline void dmaf_own_move(dmaf_buf *buf, enum dmaf_owner from, enum dmaf_owner to,
				 const char *verb)
{
	if (DMAF_OWN_CHECKED) {
		dmaf_own_expect(buf, from, verb);
		dmaf_own_protect(buf, to);
	}
	buf->owner = to;
}

#endif
