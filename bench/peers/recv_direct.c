/* SPDX-License-Identifier: MIT */
/*
 * TCP into a file by hand: recv() of whole blocks into registered buffers, io_uring WRITE_FIXED to
 * an O_DIRECT file, depth= of them in flight. A last partial block is written padded, then cut off.
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DEPTH 64

struct writer {
	struct io_uring ring;
	size_t block;
	unsigned int spare[MAX_DEPTH]; /* indices of blocks that nobody writes from */
	unsigned int spares;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	exit(1);
}

/* A completion may interrupt a waiting recv(), which then returns early: MSG_WAITALL or not. */
static size_t recv_block(int sock, char *block, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv(sock, block + done, len - done, MSG_WAITALL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			peer_die("recv");
		if (!n)
			break;
		done += (size_t)n;
	}
	return done;
}

static void reap(struct writer *w)
{
	struct io_uring_cqe *cqe;
	int err = io_uring_wait_cqe(&w->ring, &cqe);

	if (err)
		die("io_uring_wait_cqe", err);
	if (cqe->res != (int)w->block)
		die("write", cqe->res < 0 ? cqe->res : -EIO);
	w->spare[w->spares++] = (unsigned int)cqe->user_data;
	io_uring_cqe_seen(&w->ring, cqe);
}

static void setup(struct writer *w, const struct peer *p, char *pool, int fd)
{
	struct iovec iov[MAX_DEPTH];
	int err = io_uring_queue_init((unsigned int)p->depth, &w->ring,
				      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (err)
		die("io_uring_queue_init", err);
	w->block = p->block;
	for (w->spares = 0; w->spares < p->depth; w->spares++) {
		iov[w->spares].iov_base = pool + w->spares * p->block;
		iov[w->spares].iov_len = p->block;
		w->spare[w->spares] = w->spares;
	}
	err = io_uring_register_buffers(&w->ring, iov, (unsigned int)p->depth);
	if (!err)
		err = io_uring_register_files(&w->ring, &fd, 1);
	if (err)
		die("io_uring_register", err);
}

int main(int argc, char **argv)
{
	uint64_t got = 0, at = 0;
	struct writer w;
	struct peer p;
	char *pool;
	int fd, sock;

	peer_args(&p, argc, argv);
	if (!p.file || !p.depth || p.depth > MAX_DEPTH || p.block % 4096) {
		fprintf(stderr, "recv_direct needs file=, depth=1..64, block=N*4096\n");
		return 2;
	}
	p.pool = p.block * p.depth;
	pool = peer_pool(&p);
	fd = open(p.file, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0644);
	if (fd < 0)
		peer_die(p.file);
	setup(&w, &p, pool, fd);
	sock = peer_accept(&p);
	for (size_t n = p.block; n == p.block; at += p.block) {
		struct io_uring_sqe *sqe;
		unsigned int i;
		char *block;

		if (!w.spares)
			reap(&w);
		i = w.spare[w.spares - 1];
		block = pool + i * p.block;
		n = recv_block(sock, block, p.block);
		if (!n)
			break;
		w.spares--;
		got += n;
		sqe = io_uring_get_sqe(&w.ring);
		io_uring_prep_write_fixed(sqe, 0, block, (unsigned int)p.block, at, (int)i);
		sqe->flags |= IOSQE_FIXED_FILE;
		sqe->user_data = i;
		if (io_uring_submit(&w.ring) != 1)
			die("io_uring_submit", -EIO);
	}
	while (w.spares < p.depth)
		reap(&w);
	if (ftruncate(fd, (off_t)got))
		peer_die("ftruncate");
	close(sock);
	peer_report(&p, got);
	return 0;
}
