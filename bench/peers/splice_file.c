/* SPDX-License-Identifier: MIT */
/* TCP into a file by splice(): socket to pipe, pipe to file (which copies into the page cache). */
#include "peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int sock, fd, pipefd[2];
	uint64_t got = 0;
	struct peer p;
	ssize_t n;

	peer_args(&p, argc, argv);
	if (!p.file) {
		fprintf(stderr, "splice_file needs file=\n");
		return 2;
	}
	fd = open(p.file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		peer_die(p.file);
	if (pipe2(pipefd, O_CLOEXEC) || fcntl(pipefd[1], F_SETPIPE_SZ, (int)p.block) < 0)
		peer_die("pipe");
	sock = peer_accept(&p);
	while ((n = splice(sock, NULL, pipefd[1], NULL, p.block, SPLICE_F_MOVE)) > 0) {
		got += (size_t)n;
		while (n) {
			ssize_t out = splice(pipefd[0], NULL, fd, NULL, (size_t)n, SPLICE_F_MOVE);

			if (out <= 0)
				peer_die("splice to the file");
			n -= out;
		}
	}
	if (n < 0)
		peer_die("splice from the socket");
	close(sock);
	peer_report(&p, got);
	return 0;
}
