/* SPDX-License-Identifier: MIT */
/* What all parties on one pool's memory can live with. */
#ifndef DMAF_CORE_NEGOTIATE_H
#define DMAF_CORE_NEGOTIATE_H

#include <dmaflow/plugin.h>

#define DMAF_NEGOTIATE_MAX 20

/* A party at the table; label is its address, for messages. */
struct dmaf_seat {
	const char *label;
	const struct dmaf_need *need;
};

struct dmaf_wish {
	const char *label; /* whose options these are */
	size_t block;      /* as the user asked; 0: not */
	unsigned count;
	uint64_t slice_off, slice_len; /* slice_len 0: none */
};

/*
 * Settle terms. @owner: index of the seat that brings the memory, -1: nobody insists or offers.
 * @second: index of a seat that shares no memory with @owner, -1: none; then a copy must stand
 * between them and the terms are not settled. Return: 0 or -EINVAL, explained in @err with the
 * sizes that would be right.
 */
int dmaf_negotiate(const struct dmaf_seat *seats, unsigned n, const struct dmaf_wish *wish,
		   struct dmaf_terms *terms, int *owner, int *second, struct dmaf_err *err);

#endif
