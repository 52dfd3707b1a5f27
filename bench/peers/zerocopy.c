/* SPDX-License-Identifier: MIT */
/*
 * send(MSG_ZEROCOPY); a block is used again when the error queue has named its sends as done.
 * Ids count successful sends; notifications are ranges of them. TCP gives them in order here.
 */
#include "peer.h"

#include <errno.h>
#include <time.h> /* linux/errqueue.h needs it */
#include <linux/errqueue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifndef SO_EE_CODE_ZEROCOPY_COPIED
#define SO_EE_CODE_ZEROCOPY_COPIED 1
#endif

struct ids {
	uint32_t sent;   /* id of the next send */
	uint32_t done;   /* all below it are done */
	uint32_t copied; /* how many of them the kernel says it copied */
};

static void reap(int sock, struct ids *ids, bool wait)
{
	char control[128];
	struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct sock_extended_err *e;
	struct cmsghdr *cmsg;

	while (recvmsg(sock, &msg, MSG_ERRQUEUE) < 0) {
		struct pollfd pfd = {.fd = sock};

		if (errno != EAGAIN)
			peer_die("MSG_ERRQUEUE");
		if (!wait)
			return;
		poll(&pfd, 1, -1);
	}
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg) {
		fprintf(stderr, "error queue: a message without an error\n");
		exit(1);
	}
	e = (struct sock_extended_err *)CMSG_DATA(cmsg);
	if (e->ee_origin != SO_EE_ORIGIN_ZEROCOPY) {
		fprintf(stderr, "error queue: origin %u\n", e->ee_origin);
		exit(1);
	}
	if (e->ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
		ids->copied += e->ee_data - e->ee_info + 1;
	ids->done = e->ee_data + 1;
}

int main(int argc, char **argv)
{
	uint32_t *last;
	struct ids ids = {0};
	uint64_t sent = 0;
	int sock, on = 1;
	struct peer p;
	char *pool;

	peer_args(&p, argc, argv);
	pool = peer_pool(&p);
	last = calloc(p.pool / p.block, sizeof(*last)); /* one past the last id in each block */
	if (!last)
		peer_die("calloc");
	sock = peer_connect(&p);
	if (setsockopt(sock, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		peer_die("SO_ZEROCOPY");
	while (sent < p.bytes) {
		size_t at = sent % p.pool, len = p.block;
		uint32_t *mine = &last[at / p.block];

		if (p.bytes - sent < len)
			len = (size_t)(p.bytes - sent);
		while (sent >= p.pool && (int32_t)(ids.done - *mine) < 0)
			reap(sock, &ids, true);
		for (size_t done = 0; done < len;) {
			ssize_t n = send(sock, pool + at + done, len - done,
					 MSG_ZEROCOPY | MSG_NOSIGNAL);

			if (n < 0 && errno == ENOBUFS && ids.done != ids.sent) {
				reap(sock, &ids, true);
				continue;
			}
			if (n <= 0)
				peer_die("send(MSG_ZEROCOPY)");
			ids.sent++;
			done += (size_t)n;
		}
		*mine = ids.sent;
		sent += len;
		reap(sock, &ids, false);
	}
	while (ids.done != ids.sent)
		reap(sock, &ids, true);
	fprintf(stderr, "%u sends, %u of them copied late\n", ids.sent, ids.copied);
	free(last);
	peer_finish(sock);
	peer_report(&p, sent);
	return 0;
}
