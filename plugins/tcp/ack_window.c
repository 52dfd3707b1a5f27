/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>

#include "plugins/tcp/ack_window.h"

uint64_t ack_window_room(const struct ack_window *w, uint64_t want)
{
	uint64_t out = w->sent - w->acked;

	if (!out)
		return want;
	if (out >= w->limit)
		return 0;
	return want < w->limit - out ? want : w->limit - out;
}

uint64_t ack_window_sent(struct ack_window *w, uint64_t n)
{
	uint64_t again = w->high - w->sent;

	if (again > n)
		again = n;
	w->sent += n;
	w->resent += again;
	if (w->sent > w->high)
		w->high = w->sent;
	return again;
}

int ack_window_ack(struct ack_window *w, uint64_t to)
{
	if (to > w->sent)
		return -ERANGE;
	if (to < w->acked)
		return -EALREADY;
	w->acked = to;
	return 0;
}

void ack_window_free(struct ack_window *w, uint64_t to)
{
	assert(to <= w->acked);
	if (to > w->floor)
		w->floor = to;
}

int ack_window_resume(struct ack_window *w, uint64_t to)
{
	if (to < w->floor)
		return -ENODATA;
	if (to > w->high)
		return -ERANGE;
	w->acked = to;
	w->sent = to;
	return 0;
}
