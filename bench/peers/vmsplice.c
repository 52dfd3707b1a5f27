/* SPDX-License-Identifier: MIT */
/*
 * vmsplice() of each block into a pipe, splice() from there to the socket: no copy on the sender's
 * side. The kernel tells nobody when the pages are free again, so that rotating through the pool is
 * safe only with ack= on both ends: then a block waits until the receiver has read past it.
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

static void splice_block(int sock, const int pipefd[2], char *at, size_t len)
{
	while (len) {
		struct iovec iov = {.iov_base = at, .iov_len = len};
		ssize_t in = vmsplice(pipefd[1], &iov, 1, 0);

		if (in <= 0)
			peer_die("vmsplice");
		at += in;
		len -= (size_t)in;
		while (in) {
			ssize_t out = splice(pipefd[0], NULL, sock, NULL, (size_t)in,
					     SPLICE_F_MOVE | (len ? SPLICE_F_MORE : 0));

			if (out <= 0)
				peer_die("splice");
			in -= out;
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t sent = 0, acked = 0;
	int sock, pipefd[2];
	struct peer p;
	char *pool;

	peer_args(&p, argc, argv);
	pool = peer_pool(&p);
	if (p.ack && p.ack + p.block > p.pool) {
		fprintf(stderr, "ack + block > pool: the sender would wait for ever\n");
		return 2;
	}
	if (pipe2(pipefd, O_CLOEXEC))
		peer_die("pipe2");
	if (fcntl(pipefd[1], F_SETPIPE_SZ, p.block > 1 << 20 ? 1 << 20 : (int)p.block) < 0)
		peer_die("F_SETPIPE_SZ");
	sock = peer_connect(&p);
	while (sent < p.bytes) {
		size_t len = p.bytes - sent < p.block ? (size_t)(p.bytes - sent) : p.block;

		/* A waiting receive takes all totals at once: no need to look in between. */
		while (p.ack && sent + len - acked > p.pool)
			acked = peer_acked(sock, acked, true);
		splice_block(sock, pipefd, pool + sent % p.pool, len);
		sent += len;
	}
	peer_finish(sock);
	peer_report(&p, sent);
	return 0;
}
