/* SPDX-License-Identifier: MIT */
/* Built where there is no liburing: mode=sendzc is refused, and auto knows of none. */
#include <errno.h>

#include "plugins/tcp/tcp_sink.h"

int tcp_uring_open(struct tcp_sink *t, struct dmaf_err *err)
{
	return dmaf_fail(
		err, -EOPNOTSUPP,
		"%s: mode=sendzc: built without io_uring; build with -Dio_uring=enabled, or "
		"use mode=zerocopy",
		t->o.text);
}

void tcp_uring_close(struct tcp_sink *t)
{
}

ssize_t tcp_uring_send(struct tcp_sink *t)
{
	return -EOPNOTSUPP;
}

void tcp_uring_reap(struct tcp_sink *t)
{
}

int tcp_uring_fd(const struct tcp_sink *t)
{
	return -1;
}
