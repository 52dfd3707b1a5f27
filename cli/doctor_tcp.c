// SPDX-License-Identifier: MIT
/* A TCP peer: does it answer, by which interface, and which way of sending suits that. */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <dmaflow/addr.h>

#define CONNECT_MS 2000

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int resolve(const char *address, const char *host, unsigned int port, int flags,
		   struct addrinfo **out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
	char service[8];
	int err;

	snprintf(service, sizeof(service), "%u", port);
	err = getaddrinfo(host, service, &hints, out);
	if (err)
		fprintf(stderr,
			"dmaflow: doctor: %s: no address for host '%s': %s; give a name that "
			"resolves, or an address\n",
			address, host, err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
	return err ? 1 : 0;
}

static void numeric(const struct addrinfo *ai, char *text, size_t room)
{
	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, (socklen_t)room, NULL, 0,
			NI_NUMERICHOST))
		snprintf(text, room, "?");
}

/* A connected socket, or negative errno; waits until `deadline`. */
static int connect_until(const struct addrinfo *ai, long long deadline)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int err = 0, n = 1;
	long long left;

	if (fd < 0)
		return -errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS)
		err = errno;
	if (!err) {
		do {
			left = deadline - now_ms();
			n = poll(&pfd, 1, left > 0 ? (int)left : 0);
		} while (n < 0 && errno == EINTR);
		if (n <= 0)
			err = n < 0 ? errno : ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
			err = errno;
	}
	if (err) {
		close(fd);
		return -err;
	}
	return fd;
}

/* The index of the interface that the kernel routes to this address by; 0: none, or not told. */
static unsigned int route_interface(const struct sockaddr *sa)
{
	const struct sockaddr_in *in4 = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	bool v6 = sa->sa_family == AF_INET6;
	const void *dst = v6 ? (const void *)&in6->sin6_addr : (const void *)&in4->sin_addr;
	unsigned short len = v6 ? sizeof(in6->sin6_addr) : sizeof(in4->sin_addr);
	struct {
		struct nlmsghdr nh;
		struct rtmsg rt;
		struct rtattr attr;
		unsigned char dst[16];
	} req = {
		.nh = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
		.rt = {.rtm_family = (unsigned char)sa->sa_family,
		       .rtm_dst_len = (unsigned char)(len * 8)},
		.attr = {.rta_type = RTA_DST},
	};
	union {
		struct nlmsghdr nh;
		char bytes[4096];
	} reply;
	unsigned int index = 0;
	struct rtattr *a;
	ssize_t n;
	unsigned int left;
	int fd;

	if (v6 && in6->sin6_scope_id)
		return in6->sin6_scope_id;
	req.attr.rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(req.dst, dst, len);
	req.nh.nlmsg_len = (unsigned int)(offsetof(__typeof__(req), dst) + len);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return 0;
	n = send(fd, &req, req.nh.nlmsg_len, 0) < 0 ? -1 : recv(fd, &reply, sizeof(reply), 0);
	close(fd);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct rtmsg)) || !NLMSG_OK(&reply.nh, (size_t)n) ||
	    reply.nh.nlmsg_type != RTM_NEWROUTE)
		return 0;
	left = (unsigned int)RTM_PAYLOAD(&reply.nh);
	for (a = RTM_RTA((struct rtmsg *)NLMSG_DATA(&reply.nh)); RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) >= sizeof(index))
			memcpy(&index, RTA_DATA(a), sizeof(index));
	return index;
}

static void link_sizes(struct doctor *d, int fd, int family)
{
	struct doctor_row *row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "segment size");
	int mss = 0, mtu = 0;
	socklen_t len = sizeof(int);

	getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &len);
	len = sizeof(int);
	getsockopt(fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
		   family == AF_INET6 ? IPV6_MTU : IP_MTU, &mtu, &len);
	doctor_detail(d, row, "%d bytes of payload per segment, path MTU %d", mss, mtu);
}

static void recommend(struct doctor *d, enum doctor_verdict nic)
{
	struct doctor_row *row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "mode to use");

	if (nic == DOCTOR_YES) {
		doctor_detail(d, row,
			      "auto: begins by reference, from blocks of some 10 KB on "
			      "(below, copying is cheaper), and watches completions");
		return;
	}
	doctor_detail(d, row,
		      "auto: it will settle on copy, since a zero-copy send by this "
		      "interface costs more; or splice with frame,ack where the receiver is "
		      "dmaflow too");
}

static void route(struct doctor *d, const struct addrinfo *ai)
{
	unsigned int index = route_interface(ai->ai_addr);
	char name[IF_NAMESIZE];
	struct doctor_row *row;

	if (index && if_indextoname(index, name)) {
		recommend(d, doctor_interface(d, DOCTOR_END, name));
		return;
	}
	row = doctor_row(d, DOCTOR_END, DOCTOR_NO, "route");
	doctor_reason(d, row, "no route to this address");
	doctor_remedy(d, row, "ip route get ADDRESS shows what the kernel thinks");
}

static void refused(struct doctor *d, struct doctor_row *row, int err, unsigned int port)
{
	row->verdict = DOCTOR_NO;
	switch (err) {
	case -ECONNREFUSED:
		doctor_reason(d, row, "refused: the host is there, nothing listens on port %u",
			      port);
		doctor_remedy(d, row, "there: dmaflow run tcp-listen:%u file:PATH", port);
		break;
	case -ETIMEDOUT:
		doctor_reason(d, row, "no answer within 2 s: the host is down or a firewall drops");
		doctor_remedy(d, row, "ping it; let port %u through", port);
		break;
	default:
		doctor_reason(d, row, "connect: %s", strerror(-err));
		doctor_remedy(d, row, "see that `ip route get` finds a way to it");
		break;
	}
}

int doctor_tcp(struct doctor *d, const char *address, const char *where)
{
	long long deadline = now_ms() + CONNECT_MS;
	struct dmaf_err why = {0};
	struct addrinfo *all, *ai, *used;
	char host[256], text[64];
	uint16_t port;
	int fd = -1;

	if (dmaf_host_port(where, host, sizeof(host), &port, &why) || !*host) {
		fprintf(stderr, "dmaflow: doctor: %s: %s\n", address,
			why.text[0] ? why.text : "no host; write tcp:HOST:PORT");
		return 2;
	}
	if (resolve(address, host, port, 0, &all) || !all)
		return 1;
	used = all;
	for (ai = all; ai && fd < 0 && now_ms() < deadline; ai = ai->ai_next) {
		struct doctor_row *row;

		numeric(ai, text, sizeof(text));
		row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "connect %s port %u", text, port);
		fd = connect_until(ai, deadline);
		if (fd < 0) {
			refused(d, row, fd, port);
			continue;
		}
		doctor_detail(d, row, "connected, and closed again");
		used = ai;
	}
	if (fd >= 0) {
		link_sizes(d, fd, used->ai_family);
		close(fd);
	}
	route(d, used);
	freeaddrinfo(all);
	return 0;
}

int doctor_tcp_listen(struct doctor *d, const char *address, const char *where)
{
	struct doctor_row *row;
	struct dmaf_err why = {0};
	struct addrinfo *ai;
	char host[256], text[64];
	uint16_t port;
	int fd, one = 1, err = 0;

	if (dmaf_host_port(where, host, sizeof(host), &port, &why)) {
		fprintf(stderr, "dmaflow: doctor: %s: %s\n", address, why.text);
		return 2;
	}
	/* A listener without a host listens on loopback. */
	if (resolve(address, *host ? host : "127.0.0.1", port, AI_PASSIVE, &ai))
		return 1;
	numeric(ai, text, sizeof(text));
	row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "listen on %s port %u", text, port);
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		err = errno;
	if (fd >= 0)
		close(fd);
	freeaddrinfo(ai);
	if (!err) {
		doctor_detail(d, row, "free%s",
			      *host ? "" : "; without a host only this machine can connect");
		return 0;
	}
	row->verdict = DOCTOR_NO;
	doctor_reason(d, row, "bind: %s", strerror(err));
	if (err == EADDRINUSE)
		doctor_remedy(d, row, "another port, or end who listens: ss -ltnp 'sport = %u'",
			      port);
	else if (err == EACCES)
		doctor_remedy(d, row, "a port from 1024 on, or root");
	else
		doctor_remedy(d, row, "an address of this machine (ip addr), or 0.0.0.0 for all");
	return 0;
}
