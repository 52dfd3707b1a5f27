/* SPDX-License-Identifier: MIT */
/*
 * What the copy meter must say of programs whose copies are known. The payload is one buffer.
 *
 *	meter_proof MODE HOST PORT BYTES BLOCK
 *
 *	touch       the program reads the buffer: 1 load a byte, by the user
 *	send        send() from the buffer: 1 load a byte, by the kernel
 *	read_send   read() from a file into the buffer, send() from it: 1 store and 1 load
 *	cached      the same, and the file's page cache is payload too: another load
 *	zerocopy    send(MSG_ZEROCOPY): nothing, if the NIC takes pages
 *
 * The stream is 32-bit little-endian numbers from 0 on. Prints what the kernel's completions say.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include "meter.h"

#ifndef SO_EE_ORIGIN_ZEROCOPY
#error "kernel headers too old for MSG_ZEROCOPY"
#endif

static unsigned int zerocopied, copied;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int dial(const char *host, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		die("SO_ZEROCOPY");
	return fd;
}

/* Takes the completions that are there. */
static unsigned int reap(int fd)
{
	char control[128];
	unsigned int done = 0;
	struct msghdr msg;

	for (;;) {
		struct sock_extended_err *err;
		struct cmsghdr *c;
		unsigned int n;

		msg = (struct msghdr){.msg_control = control, .msg_controllen = sizeof(control)};
		if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return done;
		c = CMSG_FIRSTHDR(&msg);
		err = c ? (struct sock_extended_err *)CMSG_DATA(c) : NULL;
		if (!err || err->ee_origin != SO_EE_ORIGIN_ZEROCOPY)
			die("not a completion");
		n = err->ee_data - err->ee_info + 1;
		done += n;
		if (err->ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
			copied += n;
		else
			zerocopied += n;
	}
}

static unsigned int send_all(int fd, const char *from, size_t len, int flags)
{
	unsigned int calls = 0;

	while (len) {
		ssize_t n = send(fd, from, len, flags);

		if (n < 0 && errno == ENOBUFS) {
			reap(fd);
			continue;
		}
		if (n < 0)
			die("send");
		calls++;
		from += n;
		len -= (size_t)n;
	}
	return calls;
}

static void wait_sent(int fd, unsigned int calls)
{
	struct pollfd p = {.fd = fd};
	int left;

	while (zerocopied + copied < calls) {
		if (poll(&p, 1, 10000) <= 0)
			die("no completion");
		reap(fd);
	}
	do {
		usleep(1000);
		if (ioctl(fd, SIOCOUTQ, &left))
			die("SIOCOUTQ");
	} while (left);
}

static unsigned char *map(size_t len)
{
	unsigned char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static int file_of(const void *bytes, size_t len, int tag)
{
	int fd = memfd_create("payload", 0);
	void *cached;

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET))
		die("memfd");
	cached = mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (cached == MAP_FAILED)
		die("mmap");
	if (tag)
		meter_tag(cached, len);
	return fd;
}

static void touch(const unsigned char *p, size_t len)
{
	uint64_t word;
	size_t at;

	for (at = 0; at < len; at += sizeof(word))
		__asm__ volatile("movq (%1),%0" : "=r"(word) : "r"(p + at) : "memory");
}

int main(int argc, char **argv)
{
	size_t len, block, at, i;
	unsigned int calls = 0;
	unsigned char *all, *buf;
	const char *mode;
	int sock, file = -1, reads;

	if (argc != 6)
		return fprintf(stderr, "usage: meter_proof MODE HOST PORT BYTES BLOCK\n"), 2;
	mode = argv[1];
	len = strtoul(argv[4], NULL, 0);
	block = strtoul(argv[5], NULL, 0);
	if (!len || !block || len % block)
		return fprintf(stderr, "meter_proof: bytes are to be whole blocks\n"), 2;
	reads = !strcmp(mode, "read_send") || !strcmp(mode, "cached");
	all = map(len);
	for (i = 0; i < len / 4; i++)
		((uint32_t *)all)[i] = (uint32_t)i;
	meter_clear();
	sock = dial(argv[2], argv[3]);
	if (reads)
		file = file_of(all, len, !strcmp(mode, "cached"));
	buf = reads ? map(block) : all;
	meter_tag(buf, reads ? block : len);

	meter_begin();
	if (!strcmp(mode, "touch"))
		touch(all, len);
	for (at = 0; at < len; at += block) {
		if (reads && read(file, buf, block) != (ssize_t)block)
			die("read");
		if (!strcmp(mode, "zerocopy"))
			calls += send_all(sock, (char *)all + at, block, MSG_ZEROCOPY);
		else if (strcmp(mode, "touch"))
			send_all(sock, (char *)(reads ? buf : all + at), block, 0);
		reap(sock);
	}
	wait_sent(sock, calls);
	meter_end();
	if (!strcmp(mode, "touch"))
		send_all(sock, (char *)all, len, 0);
	shutdown(sock, SHUT_WR);
	while (read(sock, all, 1) > 0)
		;
	printf("%s: %zu bytes, zerocopied %u, copied %u\n", mode, len, zerocopied, copied);
	return 0;
}
