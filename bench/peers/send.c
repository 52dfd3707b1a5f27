/* SPDX-License-Identifier: MIT */
/* Blocking send() of one block after another. With file=, read() of the file into the block first.
 */
#include "peer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_all(int sock, const char *at, size_t len)
{
	while (len) {
		ssize_t n = send(sock, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			peer_die("send");
		at += n;
		len -= (size_t)n;
	}
}

int main(int argc, char **argv)
{
	int sock, file = -1;
	uint64_t sent = 0;
	struct peer p;
	char *pool;

	peer_args(&p, argc, argv);
	if (p.file && (file = open(p.file, O_RDONLY | O_CLOEXEC)) < 0)
		peer_die(p.file);
	pool = peer_pool(&p);
	sock = peer_connect(&p);
	while (sent < p.bytes) {
		char *at = pool + sent % p.pool;
		size_t len = p.bytes - sent < p.block ? (size_t)(p.bytes - sent) : p.block;

		if (file >= 0) {
			ssize_t n = read(file, at, len);

			if (n < 0)
				peer_die("read");
			if (!n)
				break;
			len = (size_t)n;
		}
		send_all(sock, at, len);
		sent += len;
	}
	peer_finish(sock);
	peer_report(&p, sent);
	return 0;
}
