// SPDX-License-Identifier: MIT
/* Every facility tried for real, on the calling process's own memory and sockets. */
#include <dmaflow/inspect.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config.h"

#if DMAF_HAVE_URING
#include <liburing.h>
#endif

/* One datagram on loopback holds it, and a pipe's 16 slots too. */
#define TRY_MAX        32768U
#define NOTICE_WAIT_MS 1000

static struct dmaf_facility_trial untried(int err)
{
	return (struct dmaf_facility_trial){.err = err};
}

static struct dmaf_facility_trial outcome(int err)
{
	return (struct dmaf_facility_trial){.tried = true, .err = err};
}

/* A UDP socket connected to itself: nobody else's datagrams get in, and none leave. */
static int self_socket(void)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(sa);
	int fd, err;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
	    connect(fd, (struct sockaddr *)&sa, len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* The pages are the kernel's until the notice comes; draining lets go of what was received. */
static int zerocopy_notice(int fd, bool *copied)
{
	union {
		struct cmsghdr align;
		char bytes[256];
	} control;
	struct msghdr msg = {.msg_control = &control, .msg_controllen = sizeof(control)};
	struct pollfd pfd = {.fd = fd};
	struct sock_extended_err ee;
	struct cmsghdr *c;
	char drop;

	while (recv(fd, &drop, 1, MSG_TRUNC | MSG_DONTWAIT) > 0)
		;
	if (poll(&pfd, 1, NOTICE_WAIT_MS) <= 0)
		return -ETIMEDOUT;
	if (recvmsg(fd, &msg, MSG_ERRQUEUE) < 0)
		return -errno;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_len < CMSG_LEN(sizeof(ee)))
			continue;
		memcpy(&ee, CMSG_DATA(c), sizeof(ee));
		if (ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY) {
			*copied = ee.ee_code & SO_EE_CODE_ZEROCOPY_COPIED;
			return 0;
		}
	}
	return -EPROTO;
}

static struct dmaf_facility_trial try_msg_zerocopy(const void *p, size_t len)
{
	struct dmaf_facility_trial t;
	int fd = self_socket();
	int one = 1;

	if (fd < 0)
		return untried(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) < 0) {
		t = untried(-errno);
	} else if (send(fd, p, len, MSG_ZEROCOPY) < 0) {
		t = outcome(-errno);
	} else {
		t = outcome(0);
		t.err = zerocopy_notice(fd, &t.copied);
	}
	close(fd);
	return t;
}

static struct dmaf_facility_trial try_vmsplice(const void *p, size_t len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = len};
	struct dmaf_facility_trial t;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return untried(-errno);
	t = outcome(vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK) < 0 ? -errno : 0);
	close(fds[0]);
	close(fds[1]);
	return t;
}

/* File systems in memory take O_DIRECT without doing anything of the sort: no witness. */
static bool in_memory(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 || (unsigned long)fs.f_type == TMPFS_MAGIC ||
	       (unsigned long)fs.f_type == RAMFS_MAGIC;
}

static int direct_file(void)
{
	const char *const dirs[] = {getenv("TMPDIR"), "/var/tmp", ".", "/tmp"};
	int fd, err = -EOPNOTSUPP;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (!dirs[i] || !*dirs[i])
			continue;
		fd = open(dirs[i], O_TMPFILE | O_WRONLY | O_DIRECT | O_CLOEXEC, 0600);
		if (fd < 0) {
			err = -errno;
			continue;
		}
		if (!in_memory(fd))
			return fd;
		close(fd);
		err = -EOPNOTSUPP;
	}
	return err;
}

static struct dmaf_facility_trial try_odirect(const void *p, size_t len)
{
	struct dmaf_facility_trial t;
	int fd = direct_file();

	if (fd < 0)
		return untried(fd);
	t = outcome(pwrite(fd, p, len, 0) < 0 ? -errno : 0);
	/* Neither a full disk nor a block larger than a page is the memory's doing. */
	if (t.err == -ENOSPC || t.err == -EDQUOT || t.err == -EINVAL)
		t.tried = false;
	close(fd);
	return t;
}

#if DMAF_HAVE_URING
static struct dmaf_facility_trial try_fixed(struct io_uring *ring, const void *p, size_t len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = len};
	int err = io_uring_register_buffers(ring, &iov, 1);

	if (err == -ENOMEM)
		return untried(err); /* RLIMIT_MEMLOCK */
	if (!err)
		io_uring_unregister_buffers(ring);
	return outcome(err);
}

static bool has_opcode(struct io_uring *ring, int op)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool yes = probe && io_uring_opcode_supported(probe, op);

	io_uring_free_probe(probe);
	return yes;
}

static int wait_cqe(struct io_uring *ring, struct io_uring_cqe *out)
{
	struct __kernel_timespec ts = {.tv_sec = NOTICE_WAIT_MS / 1000};
	struct io_uring_cqe *cqe;
	int err = io_uring_wait_cqe_timeout(ring, &cqe, &ts);

	if (err < 0)
		return err;
	*out = *cqe;
	io_uring_cqe_seen(ring, cqe);
	return 0;
}

/* A failed SEND_ZC often still announces a notice, which then does come. */
static int send_zc(struct io_uring *ring, int fd, const void *p, size_t len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe cqe, notice;
	char drop;
	int err;

	io_uring_prep_send_zc(sqe, fd, p, len, 0, 0);
	err = io_uring_submit(ring);
	if (err >= 0)
		err = wait_cqe(ring, &cqe);
	if (err < 0)
		return err;
	while (recv(fd, &drop, 1, MSG_TRUNC | MSG_DONTWAIT) > 0)
		;
	if (cqe.flags & IORING_CQE_F_MORE)
		err = wait_cqe(ring, &notice);
	if (cqe.res < 0)
		return cqe.res;
	return err;
}

static struct dmaf_facility_trial try_send_zc(struct io_uring *ring, const void *p, size_t len)
{
	struct dmaf_facility_trial t;
	int fd;

	if (!has_opcode(ring, IORING_OP_SEND_ZC))
		return untried(-EOPNOTSUPP);
	fd = self_socket();
	if (fd < 0)
		return untried(fd);
	t = outcome(send_zc(ring, fd, p, len));
	close(fd);
	return t;
}

static void try_uring(const void *p, size_t len, struct dmaf_facility_trial *results)
{
	struct io_uring ring;
	int err = io_uring_queue_init(4, &ring, 0);

	if (err < 0) {
		results[DMAF_FACILITY_URING_FIXED] = untried(err);
		results[DMAF_FACILITY_SEND_ZC] = untried(err);
		return;
	}
	results[DMAF_FACILITY_URING_FIXED] = try_fixed(&ring, p, len);
	results[DMAF_FACILITY_SEND_ZC] = try_send_zc(&ring, p, len);
	io_uring_queue_exit(&ring);
}
#else
static void try_uring(const void *p, size_t len, struct dmaf_facility_trial *results)
{
	results[DMAF_FACILITY_URING_FIXED] = untried(-ENOSYS);
	results[DMAF_FACILITY_SEND_ZC] = untried(-ENOSYS);
}
#endif

int dmaf_inspect_try(const void *addr, size_t len, struct dmaf_facility_trial *results)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start, end;
	const void *p;
	size_t n;

	if (__builtin_add_overflow((uintptr_t)addr, page - 1, &start) ||
	    __builtin_add_overflow((uintptr_t)addr, len, &end))
		return -EINVAL;
	start &= ~(page - 1);
	end &= ~(page - 1);
	if (start >= end)
		return -EINVAL;
	/* Pages of 64 KiB don't fit a datagram: a part of one shows as much. */
	n = end - start > TRY_MAX ? TRY_MAX : end - start;
	p = (const char *)addr + (start - (uintptr_t)addr);

	results[DMAF_FACILITY_MSG_ZEROCOPY] = try_msg_zerocopy(p, n);
	results[DMAF_FACILITY_VMSPLICE] = try_vmsplice(p, n);
	results[DMAF_FACILITY_ODIRECT] = try_odirect(p, n);
	try_uring(p, n, results);
	return 0;
}
