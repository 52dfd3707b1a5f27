/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

void peer_die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t size_arg(const char *arg, const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		n <<= 10 * (unit - units + 1);
		end++;
	}
	if (!isdigit((unsigned char)*text) || *end) {
		fprintf(stderr, "%s: not a size; digits and K, M, G or T\n", arg);
		exit(2);
	}
	return n;
}

void peer_args(struct peer *p, int argc, char **argv)
{
	*p = (struct peer){.host = "127.0.0.1",
			   .cc = "cubic",
			   .mode = "",
			   .port = 9000,
			   .block = 128 << 10,
			   .bytes = 1 << 30,
			   .depth = 4};
	for (int i = 1; i < argc; i++) {
		char *arg = argv[i];
		char *v = strchr(arg, '=');
		size_t len = v ? (size_t)(v++ - arg) : 0;

		if (!v)
			goto unknown;
#define IS(name) (len == sizeof(name) - 1 && !memcmp(arg, name, len))
		if (IS("host"))
			p->host = v;
		else if (IS("port"))
			p->port = (uint16_t)size_arg(arg, v);
		else if (IS("cc"))
			p->cc = v;
		else if (IS("mode"))
			p->mode = v;
		else if (IS("file"))
			p->file = v;
		else if (IS("pages"))
			p->thp = !strcmp(v, "thp");
		else if (IS("block"))
			p->block = size_arg(arg, v);
		else if (IS("pool"))
			p->pool = size_arg(arg, v);
		else if (IS("lowat"))
			p->lowat = size_arg(arg, v);
		else if (IS("depth"))
			p->depth = size_arg(arg, v);
		else if (IS("bytes"))
			p->bytes = size_arg(arg, v);
		else if (IS("ack"))
			p->ack = size_arg(arg, v);
		else
			goto unknown;
#undef IS
		continue;
	unknown:
		fprintf(stderr, "%s: unknown; see bench/peers/peer.h\n", arg);
		exit(2);
	}
	if (!p->pool)
		p->pool = p->block;
	if (!p->block || p->pool % p->block) {
		fprintf(stderr, "pool=%zu is no multiple of block=%zu\n", p->pool, p->block);
		exit(2);
	}
}

void *peer_pool(const struct peer *p)
{
	size_t huge = 2 << 20;
	size_t room = p->thp ? (p->pool + huge - 1) & ~(huge - 1) : p->pool;
	char *mem;

	/* Huge pages want an aligned start; what lies before it is never touched. */
	mem = mmap(NULL, room + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		peer_die("mmap");
	mem = (char *)(((uintptr_t)mem + huge - 1) & ~(uintptr_t)(huge - 1));
	if (p->thp && madvise(mem, room, MADV_HUGEPAGE))
		peer_die("MADV_HUGEPAGE");
	for (size_t i = 0; i < p->pool; i++)
		mem[i] = (char)(i / 251); /* no two blocks alike */
	return mem;
}

static struct sockaddr_in address(const struct peer *p)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(p->port)};

	if (inet_pton(AF_INET, p->host, &sin.sin_addr) != 1) {
		fprintf(stderr, "host=%s: not an IPv4 address\n", p->host);
		exit(2);
	}
	return sin;
}

static int tcp_socket(const struct peer *p)
{
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		peer_die("socket");
	if (setsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, p->cc, (socklen_t)strlen(p->cc)))
		peer_die(p->cc);
	return sock;
}

int peer_connect(struct peer *p)
{
	struct sockaddr_in sin = address(p);
	int sock = tcp_socket(p);

	p->started = now();
	if (connect(sock, (struct sockaddr *)&sin, sizeof(sin)))
		peer_die("connect");
	return sock;
}

int peer_accept(struct peer *p)
{
	struct sockaddr_in sin = address(p);
	int on = 1, listener = tcp_socket(p), sock;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&sin, sizeof(sin)) || listen(listener, 1))
		peer_die("listen");
	sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (sock < 0)
		peer_die("accept");
	close(listener);
	p->started = now();
	if (p->lowat) {
		int lowat = (int)p->lowat;

		if (setsockopt(sock, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)))
			peer_die("SO_RCVLOWAT");
	}
	return sock;
}

void peer_finish(int sock)
{
	char rest[4096];

	if (shutdown(sock, SHUT_WR))
		peer_die("shutdown");
	while (recv(sock, rest, sizeof(rest), 0) > 0)
		;
	close(sock);
}

uint64_t peer_acked(int sock, uint64_t newest, bool wait)
{
	uint64_t totals[64];
	ssize_t n;

	/* The receiver writes eight bytes at a time; a read that splits one is completed here. */
	n = recv(sock, totals, sizeof(totals), wait ? 0 : MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return newest;
	if (n <= 0) {
		fprintf(stderr, "the receiver closed before it had acknowledged everything\n");
		exit(1);
	}
	if (n % 8) {
		ssize_t more = recv(sock, (char *)totals + n, (size_t)(8 - n % 8), MSG_WAITALL);

		if (more != 8 - n % 8)
			peer_die("half an acknowledgement");
		n += more;
	}
	return totals[n / 8 - 1];
}

void peer_report(const struct peer *p, uint64_t bytes)
{
	double seconds = now() - p->started;
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	printf("{\"bytes\": %llu, \"seconds\": %.6f, \"cpu_user\": %.6f, \"cpu_sys\": %.6f}\n",
	       (unsigned long long)bytes, seconds,
	       (double)ru.ru_utime.tv_sec + (double)ru.ru_utime.tv_usec * 1e-6,
	       (double)ru.ru_stime.tv_sec + (double)ru.ru_stime.tv_usec * 1e-6);
}
