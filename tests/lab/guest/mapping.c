// SPDX-License-Identifier: MIT
/*
 * What the kernel takes from a mapping: one row a call, one column a mapping, "ok" or the errno.
 *
 * usage: mapping DISK NODE...    /dev/dmaflowN is set up first; other nodes are mapped as they are
 */
#include <liburing.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "drv.h"

#define LEN (128u << 10) /* a pipe takes half of it: what it takes must be right */

struct map {
	const char *name;
	struct drv drv;
	char *at;
};

static const char *disk;
static char got[LEN];

static int said(long r)
{
	return r < 0 ? errno : 0;
}

/* A connected pair of TCP sockets on loopback. */
static void pair(int s[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&a, &len) ||
	    connect(s[0], (struct sockaddr *)&a, len))
		abort();
	s[1] = accept(listener, NULL, NULL);
	if (setsockopt(s[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		abort();
	close(listener);
}

/* EILSEQ unless the bytes that come out at @fd are those at @want. */
static int arrived(int fd, const char *want, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len && (n = read(fd, got + at, len - at)) > 0)
		at += (size_t)n;
	return at == len && !memcmp(got, want, len) ? 0 : EILSEQ;
}

static int by_write(const char *at)
{
	int fd = memfd_create("w", 0), err = said(write(fd, at, LEN));

	if (!err && (lseek(fd, 0, SEEK_SET) || arrived(fd, at, LEN)))
		err = EILSEQ;
	close(fd);
	return err;
}

static int by_send(const char *at, int flags)
{
	int s[2], err;
	ssize_t n;

	pair(s);
	n = send(s[0], at, 4096, flags);
	err = said(n);
	if (!err)
		err = arrived(s[1], at, (size_t)n);
	close(s[0]);
	close(s[1]);
	return err;
}

static int plain_send(const char *at)
{
	return by_send(at, 0);
}

static int zerocopy_send(const char *at)
{
	return by_send(at, MSG_ZEROCOPY);
}

/* Also sees to it that a refused SEND_ZC posts its notification, or does not, only as promised. */
static int by_uring(const char *at, int zerocopy)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int s[2], res, more;

	pair(s);
	if (io_uring_queue_init(4, &ring, 0))
		return errno;
	sqe = io_uring_get_sqe(&ring);
	if (zerocopy)
		io_uring_prep_send_zc(sqe, s[0], at, 4096, 0, 0);
	else
		io_uring_prep_send(sqe, s[0], at, 4096, 0);
	io_uring_submit_and_wait(&ring, 1);
	io_uring_wait_cqe(&ring, &cqe);
	res = cqe->res;
	more = cqe->flags & IORING_CQE_F_MORE;
	io_uring_cqe_seen(&ring, cqe);
	if (res > 0)
		res = -arrived(s[1], at, (size_t)res);
	close(s[0]);
	close(s[1]);
	if (more && !io_uring_wait_cqe(&ring, &cqe))
		io_uring_cqe_seen(&ring, cqe);
	io_uring_queue_exit(&ring);
	return -res;
}

static int uring_send(const char *at)
{
	return by_uring(at, 0);
}

static int uring_send_zc(const char *at)
{
	return by_uring(at, 1);
}

static int uring_buffers(const char *at)
{
	struct iovec iov = {(void *)(uintptr_t)at, LEN};
	struct io_uring ring;
	int err;

	if (io_uring_queue_init(4, &ring, 0))
		return errno;
	err = -io_uring_register_buffers(&ring, &iov, 1);
	io_uring_queue_exit(&ring);
	return err;
}

static int by_vmsplice(const char *at)
{
	struct iovec iov = {(void *)(uintptr_t)at, 4096};
	int p[2], err;

	if (pipe(p))
		return errno;
	err = said(vmsplice(p[1], &iov, 1, 0));
	if (!err)
		err = arrived(p[0], at, 4096);
	close(p[0]);
	close(p[1]);
	return err;
}

static int by_vm_readv(const char *at)
{
	struct iovec from = {(void *)(uintptr_t)at, LEN}, to = {got, LEN};
	int err = said(process_vm_readv(getpid(), &to, 1, &from, 1, 0));

	return err ? err : memcmp(got, at, LEN) ? EILSEQ : 0;
}

static int direct_write(const char *at)
{
	int fd = open(disk, O_RDWR | O_DIRECT), err = fd < 0 ? errno : said(pwrite(fd, at, LEN, 0));

	close(fd);
	return err;
}

static int direct_read(const char *at)
{
	int fd = open(disk, O_RDWR | O_DIRECT);
	int err = fd < 0 ? errno : said(pread(fd, (void *)(uintptr_t)at, LEN, 0));

	close(fd);
	return err;
}

static const struct {
	const char *name;
	int (*call)(const char *at);
} calls[] = {
	{"write", by_write},
	{"send", plain_send},
	{"io_uring-SEND", uring_send},
	{"MSG_ZEROCOPY", zerocopy_send},
	{"io_uring-SEND_ZC", uring_send_zc},
	{"io_uring-REGISTER_BUFFERS", uring_buffers},
	{"vmsplice", by_vmsplice},
	{"process_vm_readv", by_vm_readv},
	{"O_DIRECT-write", direct_write},
	{"O_DIRECT-read", direct_read},
};

static char *map_node(struct map *m, const char *node)
{
	int fd;

	m->name = node;
	if (!strncmp(node, "/dev/dmaflow", 12)) {
		m->drv.s = drv_ask(LEN, 8);
		return drv_open(&m->drv, node) ? NULL : (char *)m->drv.data;
	}
	fd = open(node, O_RDWR);
	m->at = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return m->at == MAP_FAILED ? NULL : m->at;
}

int main(int argc, char **argv)
{
	struct map maps[8];
	int n = argc - 2;

	if (n < 1 || n > 8)
		return fprintf(stderr, "usage: mapping DISK NODE...\n"), 2;
	disk = argv[1];
	for (int i = 0; i < n; i++) {
		maps[i].at = map_node(&maps[i], argv[i + 2]);
		if (!maps[i].at)
			return perror(argv[i + 2]), 1;
		for (unsigned int b = 0; b < LEN; b++)
			maps[i].at[b] = (char)drv_byte(b + (unsigned int)i);
	}
	for (unsigned int c = 0; c < sizeof(calls) / sizeof(*calls); c++) {
		printf("%-26s", calls[c].name);
		for (int i = 0; i < n; i++) {
			int err = calls[c].call(maps[i].at);

			printf(" %-10s", err ? strerrorname_np(err) : "ok");
		}
		putchar('\n');
	}
	return 0;
}
