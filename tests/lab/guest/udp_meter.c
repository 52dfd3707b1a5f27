// SPDX-License-Identifier: MIT
/*
 * What a datagram of 60 KiB costs, copied and by reference, from a device's memory.
 *
 * usage: udp_meter DEVICE HOST DATAGRAMS [zerocopy] [no-huge]
 */
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "drv.h"
#include "meter.h"

#define DATAGRAM (60u << 10)
#define BLOCK    (64u << 10)
#define BLOCKS   64u

static int has(int argc, char **argv, const char *word)
{
	for (int i = 4; i < argc; i++)
		if (!strcmp(argv[i], word))
			return 1;
	return 0;
}

/* Completions that are there: how many sends they end, or -1 when one says that it was copied. */
static int reap(int fd)
{
	char control[128];
	int done = 0;

	for (;;) {
		struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};
		const struct sock_extended_err *err;

		if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return done;
		err = (const void *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
		if (err->ee_origin != SO_EE_ORIGIN_ZEROCOPY ||
		    err->ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
			return -1;
		done += (int)(err->ee_data - err->ee_info + 1);
	}
}

static int send_all(int fd, const struct drv *q, unsigned int datagrams, int flags)
{
	int done = 0, got;

	for (unsigned int i = 0; i < datagrams; i++) {
		while (send(fd, q->data + i % BLOCKS * q->s.stride, DATAGRAM, flags) < 0) {
			got = errno == ENOBUFS ? reap(fd) : -1;
			if (got < 0)
				return -1;
			done += got;
		}
		got = flags && i % 16 == 15 ? reap(fd) : 0;
		if (got < 0)
			return -1;
		done += got;
	}
	for (int turns = 0; flags && done < (int)datagrams && turns < 1000; turns++) {
		got = reap(fd);
		if (got < 0)
			return -1;
		done += got;
		if (!got)
			usleep(1000);
	}
	return flags ? done : (int)datagrams;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct drv q = {.s = drv_ask(BLOCK, BLOCKS)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1, room = 8 << 20;
	unsigned int datagrams;

	if (argc < 4)
		return fprintf(stderr, "usage: udp_meter DEVICE HOST DATAGRAMS [WORD]...\n"), 2;
	datagrams = (unsigned int)strtoul(argv[3], NULL, 0);
	q.s.flags = has(argc, argv, "no-huge") ? DMAF_DRV_SETUP_NO_HUGE : 0;
	if (!works(drv_open(&q, argv[1]), "SETUP, mapped"))
		return drv_end();
	memset(q.data, 0x5a, q.s.data_len);
	works(inet_pton(AF_INET, argv[2], &to.sin_addr) - 1, "the address");
	works(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), "SO_ZEROCOPY");
	works(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)), "SO_SNDBUFFORCE");
	works(connect(fd, (struct sockaddr *)&to, sizeof(to)), "connect");
	/* Once unmeasured: neighbours, caches of the kernel's. */
	ok(send_all(fd, &q, 16, has(argc, argv, "zerocopy") ? MSG_ZEROCOPY : 0) == 16, "a few");
	meter_clear();
	meter_tag(q.data, q.s.data_len);
	meter_begin();
	one = send_all(fd, &q, datagrams, has(argc, argv, "zerocopy") ? MSG_ZEROCOPY : 0);
	meter_end();
	ok(one == (int)datagrams, "%u datagrams of %u bytes, pages of %llu", datagrams, DATAGRAM,
	   (unsigned long long)q.s.page);
	drv_close(&q, 0);
	return drv_end();
}
