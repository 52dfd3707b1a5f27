/* SPDX-License-Identifier: MIT */
/*
 * TCP connections, as both ends of the tcp kinds need them: options, names, connecting with
 * back-off, listening. Nothing here blocks but the name lookup in tcp_opts_read().
 *
 * One thread at a time per object.
 */
#ifndef DMAF_TCP_CONN_H
#define DMAF_TCP_CONN_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <dmaflow/plugin.h>

/** Addresses that one name may stand for; more are left out. */
#define TCP_ADDRS 8

/** Room for "[v6%scope]:port", the closing 0 included. */
#define TCP_NAME 80

/** Connections that wait to be accepted. */
#define TCP_BACKLOG 16

struct tcp_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/** struct tcp_opts - what an address says about the connection. */
struct tcp_opts {
	struct tcp_addr addr[TCP_ADDRS];
	unsigned naddr;
	struct tcp_addr bind; /* .len 0: not given */
	const char *cc;       /* NULL: the system's; lives as long as the dmaf_addr */
	bool nodelay, cork, keepalive;
	bool loopback_only;       /* a listener that was given no host */
	uint64_t user_timeout_ns; /* 0: the system's */
	uint64_t retry_ns;        /* how long to go on trying to connect; 0: one round */
	int sndbuf, rcvbuf;       /* bytes; 0: the system tunes it */
	const char *text;         /* the address as given, for messages */
};

/**
 * tcp_opts_read - read the main part and the connection's options, look the host up, and try the
 * options on a socket of their own, so that what the system doesn't have is said at once.
 * @listener: the main part may leave the host out (loopback) or name a local address.
 * @retry_ns: for retry= when it is not given.
 * Return: 0 or negative errno, explained.
 */
int tcp_opts_read(struct tcp_opts *o, const dmaf_addr *addr, bool listener, uint64_t retry_ns,
		  struct dmaf_err *err);

/** tcp_name - "host:port" or "[host]:port" in numbers. @out: TCP_NAME bytes. Return: @out. */
const char *tcp_name(const struct tcp_addr *a, char *out);

/** tcp_peer_name, tcp_local_name - of a socket; "?" when it has none. Return: @out. */
const char *tcp_peer_name(int fd, char *out);
const char *tcp_local_name(int fd, char *out);

/** tcp_peer_is_local - the peer's address is one of this machine (loopback, or our own). */
bool tcp_peer_is_local(int fd);

/** struct tcp_connect - a connection being made. All zero but .fd = -1: none. */
struct tcp_connect {
	int fd;                 /* in progress; -1: none */
	unsigned next;          /* address to try next */
	uint64_t give_up_ns;    /* when to stop starting new rounds */
	uint64_t attempt_ns;    /* when to give the present attempt up */
	uint64_t not_before_ns; /* back-off */
	uint64_t backoff_ns;
	unsigned tries;
	int last; /* what the last attempt failed with */
};

/** tcp_connect_start - begin anew; the retry time counts from now. */
void tcp_connect_start(struct tcp_connect *c, const struct tcp_opts *o);

/**
 * tcp_connect_step - move on. Call when tcp_connect_wait()'s fd or deadline is due, or any time.
 * Back-off: from 10 ms, doubling, at most 1 s.
 * Return: a connected non-blocking socket, the caller's; -EAGAIN: not yet; other: given up,
 * explained.
 */
int tcp_connect_step(struct tcp_connect *c, const struct tcp_opts *o, struct dmaf_err *err);

/** tcp_connect_wait - add what it waits for. */
void tcp_connect_wait(const struct tcp_connect *c, struct dmaf_wait *w);

/** tcp_connect_cancel - drop an attempt in progress. */
void tcp_connect_cancel(struct tcp_connect *c);

/**
 * tcp_listen - a listening non-blocking socket. With no host given it is on 127.0.0.1, and a note
 * in @count says so and how to open it.
 * @count: may be NULL.
 * Return: the socket or negative errno, explained.
 */
int tcp_listen(const struct tcp_opts *o, struct dmaf_counters *count, struct dmaf_err *err);

/**
 * tcp_accept - the next pending connection, non-blocking, with the connection's options set.
 * Return: the socket, -EAGAIN none now (one that broke while it waited is none), or negative
 * errno, explained: the listener is of no use any more.
 */
int tcp_accept(int listener, const struct tcp_opts *o, struct dmaf_err *err);

/**
 * tcp_release_pages - make the kernel let go of everything queued for sending, at once, by
 * dissolving the association (connect(2), AF_UNSPEC): the peer sees a reset. The socket stays open
 * so that its error queue can be read; close() alone would lose the queue and go on sending.
 */
void tcp_release_pages(int fd);

#endif
