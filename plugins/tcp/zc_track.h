/* SPDX-License-Identifier: MIT */
/*
 * Which zero-copy sends the kernel is done with. No system calls.
 *
 * Sends are numbered from 0 in the order of their success. The kernel's notifications name ranges
 * of the low 32 bits; they merge, arrive out of order and wrap
 * (Documentation/networking/msg_zerocopy). Memory is free again up to .done: all sends below it
 * have been notified.
 */
#ifndef DMAF_TCP_ZC_TRACK_H
#define DMAF_TCP_ZC_TRACK_H

#include <stdbool.h>
#include <stdint.h>

/** Sends that may wait for their notification at once; a power of two. */
#define ZC_WINDOW 4096u

/** struct zc_track - all zero: a fresh socket. One thread at a time. */
struct zc_track {
	uint64_t next;                 /* number of the next send */
	uint64_t done;                 /* every send below has been notified */
	uint64_t zerocopied, copied;   /* sends, by what their notification said */
	uint64_t copied_bytes;         /* payload of the copied ones */
	uint64_t bytes[ZC_WINDOW];     /* payload of send i, at i % ZC_WINDOW */
	uint64_t seen[ZC_WINDOW / 64]; /* bit i % ZC_WINDOW: i >= done was notified */
};

/** zc_reset - forget everything but the totals: a new socket counts from 0 again. */
void zc_reset(struct zc_track *t);

/** zc_room - whether one more send can be tracked. If not, wait for notifications. */
static inline bool zc_room(const struct zc_track *t)
{
	return t->next - t->done < ZC_WINDOW;
}

/** zc_pending - sends without a notification yet; those out of order count as pending. */
static inline uint64_t zc_pending(const struct zc_track *t)
{
	return t->next - t->done;
}

/**
 * zc_sent - a send succeeded. Assert that there is room before.
 * @bytes: its payload. Return: the number after it; its memory is free when .done reaches that.
 */
uint64_t zc_sent(struct zc_track *t, uint64_t bytes);

/**
 * zc_notified - the kernel is done with the sends @lo to @hi, both included.
 * @copied: it says that it copied them.
 * Return: 0; -ERANGE: not all of them were ever sent, or the range is upside down; -EALREADY: one
 * of them had been notified. After an error nothing has changed.
 */
int zc_notified(struct zc_track *t, uint32_t lo, uint32_t hi, bool copied);

#endif
