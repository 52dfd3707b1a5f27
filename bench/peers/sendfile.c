/* SPDX-License-Identifier: MIT */
/* sendfile(), of file= or else of a memfd of pool= bytes, over and over. */
#include "peer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

static int pool_file(const struct peer *p)
{
	int fd = memfd_create("pool", MFD_CLOEXEC);
	char *pool = peer_pool(p);

	if (fd < 0)
		peer_die("memfd_create");
	for (size_t done = 0; done < p->pool;) {
		ssize_t n = write(fd, pool + done, p->pool - done);

		if (n <= 0)
			peer_die("write to memfd");
		done += (size_t)n;
	}
	return fd;
}

int main(int argc, char **argv)
{
	uint64_t sent = 0;
	off_t at = 0;
	int sock, fd;
	struct peer p;

	peer_args(&p, argc, argv);
	fd = p.file ? open(p.file, O_RDONLY | O_CLOEXEC) : pool_file(&p);
	if (fd < 0)
		peer_die(p.file);
	sock = peer_connect(&p);
	while (sent < p.bytes) {
		size_t len = p.bytes - sent < p.block ? (size_t)(p.bytes - sent) : p.block;
		ssize_t n = sendfile(sock, fd, &at, len);

		if (n < 0)
			peer_die("sendfile");
		if (!n)
			break;
		sent += (size_t)n;
		if (!p.file && at == (off_t)p.pool)
			at = 0;
	}
	peer_finish(sock);
	peer_report(&p, sent);
	return 0;
}
