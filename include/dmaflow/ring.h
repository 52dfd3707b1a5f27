/* SPDX-License-Identifier: MIT */
/*
 * The descriptor ring: one producer, one consumer, across threads, processes, kernel and user, or
 * cores. The protocol, and what each call promises, stand in dmaflow/base/ring.h.
 *
 * Make it, and open both ends (each end from its own side of the border):
 *
 *	struct dmaf_ring_geometry g = {.count = 1024, .entry_size = sizeof(struct desc)};
 *	uint64_t bytes = dmaf_ring_bytes(g.count, g.entry_size);
 *	void *mem = aligned_alloc(DMAF_RING_LINE, bytes rounded up to it);
 *
 *	err = dmaf_ring_format(mem, bytes, &g);
 *	err = dmaf_ring_prod_init(&prod, mem, bytes, &g);
 *	err = dmaf_ring_cons_init(&cons, mem, bytes, &g);
 *
 * Produce (fill in place, or copy in with dmaf_ring_enqueue_burst()):
 *
 *	got = dmaf_ring_reserve(&prod, want);
 *	for (i = 0; i < got; i++)
 *		fill(dmaf_ring_prod_entry(&prod, i));
 *	if (dmaf_ring_submit(&prod, got))
 *		kick();
 *
 * Consume, sleeping when there is nothing (or poll, with the _polled calls at the other end):
 *
 *	while ((got = dmaf_ring_peek(&cons, want)) == 0) {
 *		if (dmaf_ring_cons_sleep(&cons, 1) > 0) {
 *			wait_for_kick();
 *			dmaf_ring_cons_awake(&cons);
 *		}
 *	}
 *	for (i = 0; i < got; i++)
 *		use(dmaf_ring_cons_entry(&cons, i));
 *	if (dmaf_ring_release(&cons, got))
 *		kick_producer();
 *
 * Thread-safety: one thread at a time per struct dmaf_ring_prod, one per struct dmaf_ring_cons.
 * Errors: -EINVAL for a geometry or memory that will not do; -EPROTO, for ever, once the peer wrote
 * an impossible index. Nothing here allocates, locks or makes a system call.
 */
#ifndef DMAFLOW_RING_H
#define DMAFLOW_RING_H

#include <dmaflow/base/ring.h>

#endif
