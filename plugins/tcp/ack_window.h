/* SPDX-License-Identifier: MIT */
/*
 * How much may be on its way unacknowledged, and what is sent again after a broken link. Counts
 * payload bytes; bytes lost in front of the sink are none. No system calls.
 */
#ifndef DMAF_TCP_ACK_WINDOW_H
#define DMAF_TCP_ACK_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/** struct ack_window - positions are payload bytes since the stream began. One thread at a time. */
struct ack_window {
	uint64_t limit;  /* most bytes between .acked and .sent */
	uint64_t floor;  /* below, the memory has been given back */
	uint64_t acked;  /* the receiver has written everything before */
	uint64_t sent;   /* handed to this link so far */
	uint64_t high;   /* handed to any link so far */
	uint64_t resent; /* bytes handed over more than once, all told */
};

/**
 * ack_window_room - how many of @want bytes may be sent now. When nothing is on its way at least
 * @want are: a block above the limit must not wait for ever.
 */
uint64_t ack_window_room(const struct ack_window *w, uint64_t want);

/** ack_window_sent - @n bytes were handed to the link. Return: how many of them for a second time.
 */
uint64_t ack_window_sent(struct ack_window *w, uint64_t n);

/**
 * ack_window_ack - the receiver has written everything before @to.
 * Return: 0; -ERANGE: more than was sent; -EALREADY: less than it acknowledged before.
 */
int ack_window_ack(struct ack_window *w, uint64_t to);

/** ack_window_free - memory before @to has been given back; @to is at most .acked. */
void ack_window_free(struct ack_window *w, uint64_t to);

/**
 * ack_window_resume - a new link, on which the receiver asks for @to and what follows.
 * Return: 0; -ENODATA: it has been given back; -ERANGE: it was never sent.
 */
int ack_window_resume(struct ack_window *w, uint64_t to);

#endif
