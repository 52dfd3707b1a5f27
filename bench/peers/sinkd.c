/* SPDX-License-Identifier: MIT */
/*
 * Takes one connection and drops what comes. mode=recv copies it into a block (as a program that
 * wants the data has to), mode=trunc drops it inside the kernel, mode=splice moves the pages to
 * /dev/null. With ack= it sends the running total back, eight bytes, each so many bytes.
 */
#include "peer.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum mode { RECV, TRUNC, SPLICE };

static ssize_t take(const struct peer *p, enum mode mode, int sock, char *block,
		    const int pipefd[2], int null)
{
	ssize_t n, left;

	if (mode != SPLICE)
		return recv(sock, block, p->block, mode == TRUNC ? MSG_TRUNC : 0);
	n = splice(sock, NULL, pipefd[1], NULL, p->block, SPLICE_F_MOVE);
	for (left = n; left > 0;) {
		ssize_t out = splice(pipefd[0], NULL, null, NULL, (size_t)left, SPLICE_F_MOVE);

		if (out <= 0)
			peer_die("splice to /dev/null");
		left -= out;
	}
	return n;
}

static void acknowledge(int sock, uint64_t total)
{
	uint64_t wire = htole64(total);

	if (send(sock, &wire, sizeof(wire), MSG_NOSIGNAL) != sizeof(wire))
		peer_die("send of an acknowledgement");
}

int main(int argc, char **argv)
{
	int sock, null, on = 1, pipefd[2] = {-1, -1};
	uint64_t got = 0, acked = 0;
	enum mode mode = RECV;
	struct peer p;
	char *block;
	ssize_t n;

	peer_args(&p, argc, argv);
	if (strcmp(p.mode, "trunc") == 0) {
		mode = TRUNC;
	} else if (strcmp(p.mode, "splice") == 0) {
		mode = SPLICE;
	} else if (*p.mode && strcmp(p.mode, "recv") != 0) {
		fprintf(stderr, "mode=%s: recv, trunc or splice\n", p.mode);
		return 2;
	}
	p.pool = p.block;
	block = peer_pool(&p);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0 || pipe2(pipefd, O_CLOEXEC))
		peer_die("/dev/null and a pipe");
	if (mode == SPLICE && fcntl(pipefd[1], F_SETPIPE_SZ, (int)p.block) < 0)
		peer_die("F_SETPIPE_SZ");
	sock = peer_accept(&p);
	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while ((n = take(&p, mode, sock, block, pipefd, null)) > 0) {
		got += (size_t)n;
		if (p.ack && got - acked >= p.ack) {
			acknowledge(sock, got);
			acked = got;
		}
	}
	if (n < 0)
		peer_die("receive");
	close(sock);
	peer_report(&p, got);
	return 0;
}
