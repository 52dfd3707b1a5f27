/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/tcp/tcp_conn.h"

#define MS 1000000ull

#define BACKOFF_FIRST (10 * MS)
#define BACKOFF_MAX   (1000 * MS)
#define ATTEMPT_ONE   (10000 * MS) /* an unanswered SYN, when there is no other address */
#define ATTEMPT_MANY  (3000 * MS)

/* The system's two hours are of no use to a stream: 10 s + 6 * 5 s. */
#define KEEPALIVE_IDLE_S  10
#define KEEPALIVE_EVERY_S 5
#define KEEPALIVE_COUNT   6

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int set_cc(int fd, const char *cc, struct dmaf_err *err)
{
	char have[256] = "";
	FILE *f;

	if (!setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc)))
		return 0;
	if (errno == EPERM)
		return dmaf_fail(err, -EPERM,
				 "cc=%s: this user may not choose it; as root: sysctl "
				 "net.ipv4.tcp_allowed_congestion_control",
				 cc);
	int code = -errno;

	f = fopen("/proc/sys/net/ipv4/tcp_available_congestion_control", "re");
	if (f) {
		if (!fgets(have, sizeof(have), f))
			have[0] = 0;
		fclose(f);
		have[strcspn(have, "\n")] = 0;
	}
	return dmaf_fail(err, code == -ENOENT ? -EINVAL : code,
			 "cc=%s: the kernel has no such congestion control; loaded: %s", cc,
			 have[0] ? have : "unknown");
}

/* Before connect or listen: buffer sizes decide the window scale, and accepted sockets inherit. */
static int set_options(int fd, const struct tcp_opts *o, struct dmaf_err *err)
{
	int r;

	if (o->cc && (r = set_cc(fd, o->cc, err)))
		return r;
	if (o->nodelay && (r = set(fd, IPPROTO_TCP, TCP_NODELAY, 1)))
		return dmaf_fail(err, r, "nodelay: %s", strerror(-r));
	if (o->cork && (r = set(fd, IPPROTO_TCP, TCP_CORK, 1)))
		return dmaf_fail(err, r, "cork: %s", strerror(-r));
	if (o->keepalive && ((r = set(fd, SOL_SOCKET, SO_KEEPALIVE, 1)) ||
			     (r = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S)) ||
			     (r = set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S)) ||
			     (r = set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT))))
		return dmaf_fail(err, r, "keepalive: %s", strerror(-r));
	if (o->user_timeout_ns &&
	    (r = set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)((o->user_timeout_ns + MS - 1) / MS))))
		return dmaf_fail(err, r, "user-timeout: %s", strerror(-r));
	if (o->sndbuf && (r = set(fd, SOL_SOCKET, SO_SNDBUF, o->sndbuf)))
		return dmaf_fail(err, r, "sndbuf: %s", strerror(-r));
	if (o->rcvbuf && (r = set(fd, SOL_SOCKET, SO_RCVBUF, o->rcvbuf)))
		return dmaf_fail(err, r, "rcvbuf: %s", strerror(-r));
	return 0;
}

static int new_socket(const struct tcp_addr *a, const struct tcp_opts *o, struct dmaf_err *err)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	int r;

	if (fd < 0) {
		r = -errno;
		return dmaf_fail(err, r, "%s: no socket: %s", o->text, strerror(-r));
	}
	r = set_options(fd, o, err);
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

static struct tcp_addr make_addr(const struct sockaddr *sa, socklen_t len)
{
	struct tcp_addr a = {.len = len};

	memcpy(&a.sa, sa, len);
	return a;
}

static struct tcp_addr make_v4(in_addr_t host, uint16_t port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = host};

	return make_addr((struct sockaddr *)&in, sizeof(in));
}

static int look_up(const char *host, uint16_t port, bool passive, struct tcp_addr *out, unsigned *n,
		   unsigned max, const char *what, struct dmaf_err *err)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0),
	};
	struct addrinfo *list = NULL;
	char service[8];
	int r;

	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &list);
	if (r == EAI_SYSTEM) {
		r = -errno;
		return dmaf_fail(err, r, "%s: host %s: %s", what, host, strerror(-r));
	}
	if (r)
		return dmaf_fail(err, r == EAI_AGAIN ? -EAGAIN : -EINVAL,
				 "%s: host \"%s\": %s; give a name that resolves, an IPv4 address, "
				 "or an IPv6 address in []",
				 what, host, gai_strerror(r));
	*n = 0;
	for (struct addrinfo *i = list; i && *n < max; i = i->ai_next)
		if (i->ai_addrlen <= sizeof(out->sa))
			out[(*n)++] = make_addr(i->ai_addr, i->ai_addrlen);
	freeaddrinfo(list);
	return *n ? 0 : dmaf_fail(err, -EINVAL, "%s: host \"%s\" has no address", what, host);
}

/* bind=HOST, HOST:PORT, [V6] or [V6]:PORT. A bare number would be a port: it is refused. */
static int read_bind(struct tcp_opts *o, const char *text, struct dmaf_err *err)
{
	char host[256];
	uint16_t port = 0;
	unsigned char raw[16];
	size_t len = strlen(text);
	unsigned n;
	int r;

	if (len >= sizeof(host))
		return dmaf_fail(err, -EINVAL, "bind=: %zu characters are too many", len);
	if (inet_pton(AF_INET6, text, raw) == 1 || !strchr(text, ':')) {
		memcpy(host, text, len + 1);
	} else if (text[0] == '[' && text[len - 1] == ']') {
		memcpy(host, text + 1, len - 2);
		host[len - 2] = 0;
	} else {
		r = dmaf_host_port(text, host, sizeof(host), &port, err);
		if (r)
			return r;
	}
	if (!host[0] || strspn(host, "0123456789") == strlen(host))
		return dmaf_fail(err, -EINVAL,
				 "bind=%s: no address; give one of this machine: bind=192.0.2.1 or "
				 "bind=192.0.2.1:5000",
				 text);
	r = look_up(host, port, true, &o->bind, &n, 1, "bind=", err);
	return r;
}

static int read_size(const dmaf_addr *addr, const char *name, int *out, struct dmaf_err *err)
{
	uint64_t v = dmaf_addr_u64(addr, name, 0);

	if (v > INT_MAX / 2)
		return dmaf_fail(err, -EINVAL, "%s=%s: at most %d bytes", name,
				 dmaf_addr_str(addr, name, "?"), INT_MAX / 2);
	*out = (int)v;
	return 0;
}

static bool families_differ(const struct tcp_opts *o)
{
	for (unsigned i = 0; i < o->naddr; i++)
		if (o->addr[i].sa.ss_family == o->bind.sa.ss_family)
			return false;
	return true;
}

int tcp_opts_read(struct tcp_opts *o, const dmaf_addr *addr, bool listener, uint64_t retry_ns,
		  struct dmaf_err *err)
{
	char host[256], name[TCP_NAME];
	uint16_t port;
	struct dmaf_err why;
	int r;

	*o = (struct tcp_opts){
		.text = dmaf_addr_text(addr),
		.cc = dmaf_addr_str(addr, "cc", NULL),
		.nodelay = dmaf_addr_u64(addr, "nodelay", 0),
		.cork = dmaf_addr_u64(addr, "cork", 0),
		.keepalive = dmaf_addr_u64(addr, "keepalive", 0),
		.user_timeout_ns = dmaf_addr_u64(addr, "user-timeout", 0),
		.retry_ns = dmaf_addr_u64(addr, "retry", retry_ns),
	};
	r = dmaf_host_port(dmaf_addr_main(addr), host, sizeof(host), &port, &why);
	if (r)
		return dmaf_fail(err, r, "%s: %s", o->text, why.text);
	if ((r = read_size(addr, "sndbuf", &o->sndbuf, err)) ||
	    (r = read_size(addr, "rcvbuf", &o->rcvbuf, err)))
		return r;
	if (o->user_timeout_ns / MS > INT_MAX)
		return dmaf_fail(err, -EINVAL, "user-timeout=%s: at most 24 days",
				 dmaf_addr_str(addr, "user-timeout", "?"));
	if (o->nodelay && o->cork)
		return dmaf_fail(err, -EINVAL,
				 "%s: nodelay and cork contradict each other; give one of them",
				 o->text);
	if (!host[0] && !listener)
		return dmaf_fail(err, -EINVAL,
				 "%s: no host; give HOST:PORT, or 127.0.0.1:%u for "
				 "this machine",
				 o->text, port);
	if (!host[0]) {
		o->loopback_only = true;
		o->addr[0] = make_v4(htonl(INADDR_LOOPBACK), port);
		o->naddr = 1;
	} else {
		r = look_up(host, port, listener, o->addr, &o->naddr, TCP_ADDRS, o->text, err);
		if (r)
			return r;
	}
	if (dmaf_addr_has(addr, "bind")) {
		r = read_bind(o, dmaf_addr_str(addr, "bind", ""), err);
		if (r)
			return r;
		if (families_differ(o))
			return dmaf_fail(err, -EINVAL,
					 "%s: bind=%s and the host are of different families; bind "
					 "an IPv4 address for an IPv4 host, IPv6 for IPv6",
					 o->text, tcp_name(&o->bind, name));
	}
	r = new_socket(&o->addr[0], o, err);
	if (r < 0)
		return r;
	close(r);
	return 0;
}

const char *tcp_name(const struct tcp_addr *a, char *out)
{
	char host[TCP_NAME - 10], port[8];

	if (!a->len || getnameinfo((const struct sockaddr *)&a->sa, a->len, host, sizeof(host),
				   port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return strcpy(out, "?");
	snprintf(out, TCP_NAME, a->sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return out;
}

const char *tcp_peer_name(int fd, char *out)
{
	struct tcp_addr a = {.len = sizeof(a.sa)};

	if (getpeername(fd, (struct sockaddr *)&a.sa, &a.len))
		a.len = 0;
	return tcp_name(&a, out);
}

const char *tcp_local_name(int fd, char *out)
{
	struct tcp_addr a = {.len = sizeof(a.sa)};

	if (getsockname(fd, (struct sockaddr *)&a.sa, &a.len))
		a.len = 0;
	return tcp_name(&a, out);
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr *b)
{
	if (a->ss_family != b->sa_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
		       &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr));
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	const struct in6_addr *in6 = &((const struct sockaddr_in6 *)a)->sin6_addr;

	if (a->ss_family == AF_INET)
		return (ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24) == 127;
	return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
}

bool tcp_peer_is_local(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	struct ifaddrs *list;
	bool local = false;

	if (getpeername(fd, (struct sockaddr *)&peer, &len))
		return false;
	if (is_loopback(&peer))
		return true;
	if (getifaddrs(&list))
		return false;
	for (struct ifaddrs *i = list; i && !local; i = i->ifa_next)
		local = i->ifa_addr && same_host(&peer, i->ifa_addr);
	freeifaddrs(list);
	return local;
}

void tcp_connect_start(struct tcp_connect *c, const struct tcp_opts *o)
{
	*c = (struct tcp_connect){
		.fd = -1,
		.give_up_ns = dmaf_now_ns() + o->retry_ns,
		.backoff_ns = BACKOFF_FIRST,
	};
}

void tcp_connect_cancel(struct tcp_connect *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* What may be different a moment later. */
static bool worth_retrying(int code)
{
	switch (code) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ECONNABORTED:
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -EHOSTDOWN:
	case -ENETUNREACH:
	case -ENETDOWN:
	case -ENETRESET:
	case -EADDRNOTAVAIL:
	case -EAGAIN:
	case -ENOBUFS:
	case -EPIPE: return true;
	}
	return false;
}

/*
 * A connect to a port of this machine that nobody listens on may be given that very port as its
 * own and meet itself.
 */
static bool met_itself(int fd)
{
	struct sockaddr_storage a = {0}, b = {0};
	socklen_t la = sizeof(a), lb = sizeof(b);

	if (getsockname(fd, (struct sockaddr *)&a, &la) ||
	    getpeername(fd, (struct sockaddr *)&b, &lb) || a.ss_family != b.ss_family)
		return false;
	/* The port lies at the same place in both families. */
	return ((struct sockaddr_in *)&a)->sin_port == ((struct sockaddr_in *)&b)->sin_port &&
	       same_host(&a, (struct sockaddr *)&b);
}

/* Return: 0 connected, -EINPROGRESS, or what it failed with. */
static int try_one(struct tcp_connect *c, const struct tcp_opts *o, struct dmaf_err *err)
{
	const struct tcp_addr *a = &o->addr[c->next];
	uint64_t now = dmaf_now_ns();
	char name[TCP_NAME];
	int r;

	if (o->bind.len && o->bind.sa.ss_family != a->sa.ss_family)
		return -EADDRNOTAVAIL;
	c->tries++;
	c->fd = new_socket(a, o, err);
	if (c->fd < 0) {
		r = c->fd;
		c->fd = -1;
		return r;
	}
	if (o->bind.len) {
		set(c->fd, SOL_SOCKET, SO_REUSEADDR, 1);
		if (bind(c->fd, (const struct sockaddr *)&o->bind.sa, o->bind.len)) {
			r = -errno;
			return dmaf_fail(err, r, "%s: bind=%s: %s", o->text,
					 tcp_name(&o->bind, name), strerror(-r));
		}
	}
	c->attempt_ns = now + (o->naddr > 1 ? ATTEMPT_MANY : ATTEMPT_ONE);
	if (!connect(c->fd, (const struct sockaddr *)&a->sa, a->len))
		return 0;
	return -errno;
}

static int in_progress(struct tcp_connect *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};
	int code = 0;
	socklen_t len = sizeof(code);

	if (poll(&p, 1, 0) == 0)
		return dmaf_now_ns() >= c->attempt_ns ? -ETIMEDOUT : -EINPROGRESS;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &len))
		return -errno;
	return -code;
}

static int give_up(const struct tcp_connect *c, const struct tcp_opts *o, struct dmaf_err *err)
{
	char name[TCP_NAME];

	tcp_name(&o->addr[c->next], name);
	if (c->last == -ECONNREFUSED)
		return dmaf_fail(
			err, c->last,
			"%s: nobody listens on %s (%u tries); start the receiver first, or "
			"wait longer for it with retry=30s",
			o->text, name, c->tries);
	return dmaf_fail(err, c->last, "%s: no connection to %s after %u tries: %s", o->text, name,
			 c->tries, strerror(-c->last));
}

int tcp_connect_step(struct tcp_connect *c, const struct tcp_opts *o, struct dmaf_err *err)
{
	for (;;) {
		bool fresh = c->fd < 0;
		uint64_t now = dmaf_now_ns();
		int r, fd;

		if (fresh && now < c->not_before_ns)
			return -EAGAIN;
		r = fresh ? try_one(c, o, err) : in_progress(c);
		if (r == -EINPROGRESS)
			return -EAGAIN;
		if (!r && met_itself(c->fd))
			r = -ECONNREFUSED;
		fd = c->fd;
		if (!r) {
			c->fd = -1;
			err->code = 0; /* of an earlier try */
			err->text[0] = 0;
			return fd;
		}
		tcp_connect_cancel(c);
		c->last = r;
		if (!worth_retrying(r))
			return err->code == r ? r : give_up(c, o, err);
		if (c->next + 1 < o->naddr) {
			c->next++;
			continue;
		}
		if (now >= c->give_up_ns)
			return give_up(c, o, err);
		c->next = 0;
		c->not_before_ns = now + c->backoff_ns;
		c->backoff_ns = c->backoff_ns * 2 < BACKOFF_MAX ? c->backoff_ns * 2 : BACKOFF_MAX;
	}
}

void tcp_connect_wait(const struct tcp_connect *c, struct dmaf_wait *w)
{
	if (c->fd >= 0) {
		dmaf_wait_fd(w, c->fd, POLLOUT);
		dmaf_wait_until(w, c->attempt_ns);
	} else {
		/* 0 means "no deadline" there. */
		dmaf_wait_until(w, c->not_before_ns ? c->not_before_ns : 1);
	}
}

int tcp_listen(const struct tcp_opts *o, struct dmaf_counters *count, struct dmaf_err *err)
{
	const struct tcp_addr *a = &o->addr[0];
	char name[TCP_NAME];
	unsigned port;
	int fd = new_socket(a, o, err), r;

	if (fd < 0)
		return fd;
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, (const struct sockaddr *)&a->sa, a->len) || listen(fd, TCP_BACKLOG)) {
		r = -errno;
		tcp_name(a, name);
		close(fd);
		if (r == -EADDRINUSE)
			return dmaf_fail(err, r,
					 "%s: %s is in use; another program listens there: choose "
					 "another port, or see ss -ltnp",
					 o->text, name);
		if (r == -EADDRNOTAVAIL)
			return dmaf_fail(err, r,
					 "%s: %s is no address of this machine; give one of those "
					 "that \"ip addr\" lists, or 0.0.0.0 for all",
					 o->text, name);
		if (r == -EACCES)
			return dmaf_fail(
				err, r,
				"%s: %s: ports below 1024 need root or CAP_NET_BIND_SERVICE;"
				" choose a higher one",
				o->text, name);
		return dmaf_fail(err, r, "%s: can't listen on %s: %s", o->text, name, strerror(-r));
	}
	if (o->loopback_only && count) {
		tcp_local_name(fd, name);
		port = (unsigned)strtoul(strrchr(name, ':') ? strrchr(name, ':') + 1 : "0", NULL,
					 10);
		dmaf_note(
			count,
			"listening on %s, this machine only; 0.0.0.0:%u or [::]:%u opens it to the "
			"network",
			name, port, port);
	}
	return fd;
}

int tcp_accept(int listener, const struct tcp_opts *o, struct dmaf_err *err)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r;

	if (fd < 0) {
		r = -errno;
		switch (-r) {
		case EAGAIN:
		case EINTR:
		case ECONNABORTED:
		case EPROTO:
		case ENETDOWN:
		case EHOSTDOWN:
		case EHOSTUNREACH:
		case ENETUNREACH: return -EAGAIN;
		}
		return dmaf_fail(err, r, "%s: accept: %s", o->text, strerror(-r));
	}
	/* The buffer sizes are inherited; of the rest not everything is. */
	if (o->nodelay)
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (o->cork)
		set(fd, IPPROTO_TCP, TCP_CORK, 1);
	return fd;
}

void tcp_release_pages(int fd)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	/* Not connected (any more): nothing is queued, so a refusal is as good. */
	if (connect(fd, &none, sizeof(none)))
		return;
}
