/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h> /* before errqueue.h, which uses it */
#include <linux/errqueue.h>
#include <unistd.h>

#include "plugins/tcp/tcp_sink.h"

/* Notifications to judge a mode by, and how many sends may wait for one until it is judged. */
#define JUDGE      16u
#define JUDGE_LOOK 8u

/* Below, pinning pages costs more than copying them (Documentation/networking/msg_zerocopy). */
#define ZC_WORTH (16u << 10)

/* A mode on trial gets no more than this in one send: what it costs is soon known. */
#define TRIAL (64u << 10)

/* From a page on splice with acks may beat copying on one machine, given a pool to work in. */
#define SPLICE_BLOCK (4u << 10)
#define SPLICE_POOL  (512u << 10)
/* Whether it does is measured over so much, or a window. */
#define TRIAL_STEP (16u << 20)

static const char *const names[TCP_MODES] = {"auto", "copy", "zerocopy", "sendzc", "splice"};

static bool take_zerocopy(int fd)
{
	int one = 1;

	return !setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
}

static int try_zerocopy(struct tcp_sink *t)
{
	int fd = socket(t->o.addr[0].sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	bool ok;

	if (fd < 0)
		return dmaf_fail(t->err, -errno, "%s: no socket: %s", t->o.text, strerror(errno));
	ok = take_zerocopy(fd);
	close(fd);
	return ok ? 0
		  : dmaf_fail(
			    t->err, -EOPNOTSUPP,
			    "%s: mode=zerocopy: this kernel has no MSG_ZEROCOPY (Linux 4.14); use "
			    "mode=auto or mode=copy",
			    t->o.text);
}

static int refuse_backing(struct tcp_sink *t, const dmaf_region *r)
{
	return dmaf_fail(
		t->err, -EFAULT,
		"%s: mode=%s: the kernel will not pin %s (%s); use mode=copy, or memory of "
		"the dmaflow driver",
		t->o.text, names[t->asked], r->name,
		r->backing & DMAF_MMIO ? "device memory" : "page frames without pages");
}

int tcp_mode_check(struct tcp_sink *t)
{
	const dmaf_region *r = dmaf_pool_region(t->sink->pool);

	if (!r->cpu)
		return dmaf_fail(t->err, -EFAULT,
				 "%s: the CPU has no view of %s, and a socket can't send without",
				 t->o.text, r->name);
	if (t->asked > TCP_MODE_COPY && !(r->backing & DMAF_PAGES))
		return refuse_backing(t, r);
	switch (t->asked) {
	case TCP_MODE_ZEROCOPY: return try_zerocopy(t);
	case TCP_MODE_SENDZC: return tcp_uring_open(t, t->err);
	case TCP_MODE_SPLICE: return tcp_splice_open(t, t->err);
	default: return 0;
	}
}

static void enter(struct tcp_sink *t, enum tcp_mode mode)
{
	t->mode = mode;
	t->count->path = names[mode];
	t->zc_base_zero = t->zc.zerocopied;
	t->zc_base_copied = t->zc.copied;
	t->starved = false;
}

void tcp_mode_leave(struct tcp_sink *t, enum tcp_mode to, const char *why)
{
	dmaf_note(t->count, "%s → %s: %s", names[t->mode], names[to], why);
	t->try_copy = false;
	enter(t, to);
}

static enum tcp_mode best(struct tcp_sink *t)
{
	const dmaf_region *r = dmaf_pool_region(t->sink->pool);

	if (!(r->backing & DMAF_PAGES)) {
		dmaf_note(t->count, "copy: the kernel will not pin %s", r->name);
		return TCP_MODE_COPY;
	}
	if (t->ack && t->local && dmaf_pool_terms(t->sink->pool)->block >= SPLICE_BLOCK &&
	    t->pool_bytes >= SPLICE_POOL && !tcp_splice_open(t, NULL))
		return TCP_MODE_SPLICE;
	/*
	 * io_uring's SEND_ZC pins nothing per send, but it sends one segment at a time and
	 * collapses on registered huge pages: who wants it asks for it.
	 */
	return TCP_MODE_ZEROCOPY;
}

int tcp_mode_start(struct tcp_sink *t)
{
	enum tcp_mode mode = t->mode;

	t->local = tcp_peer_is_local(t->fd);
	if (t->links == 1)
		mode = t->asked == TCP_MODE_AUTO ? best(t) : t->asked;
	else if (t->try_copy)
		mode = TCP_MODE_SPLICE;
	zc_reset(&t->zc);
	if (mode == TCP_MODE_ZEROCOPY && !take_zerocopy(t->fd)) {
		dmaf_note(t->count, "zerocopy → copy: this kernel has no MSG_ZEROCOPY");
		mode = TCP_MODE_COPY;
	}
	enter(t, mode);
	t->try_copy = t->asked == TCP_MODE_AUTO && mode == TCP_MODE_SPLICE;
	if (t->try_copy)
		trial_begin(&t->trial, t->win.sent,
			    t->win.limit > TRIAL_STEP ? t->win.limit : TRIAL_STEP);
	return 0;
}

static void say_copy_won(struct tcp_sink *t)
{
	char why[120];

	/* 10^6 MB/s is a byte in a picosecond. */
	snprintf(why, sizeof(why), "measured on this stream: copying %llu MB/s, splice %llu MB/s",
		 1000000ull / t->trial.best[1], 1000000ull / t->trial.best[0]);
	enter(t, TCP_MODE_SPLICE);
	tcp_mode_leave(t, TCP_MODE_COPY, why);
}

void tcp_mode_acked(struct tcp_sink *t)
{
	unsigned held = t->h_tail - t->h_head, all = dmaf_pool_count(t->sink->pool);

	if (!t->try_copy)
		return;
	if (t->mode != TCP_MODE_SPLICE && t->mode != TCP_MODE_COPY)
		return;
	switch (trial_acked(&t->trial, t->win.acked, t->win.sent, held >= all - all / 4,
			    dmaf_now_ns())) {
	case TRIAL_STAY: break;
	case TRIAL_CHANGE:
		enter(t, t->mode == TCP_MODE_SPLICE ? TCP_MODE_COPY : TCP_MODE_SPLICE);
		break;
	case TRIAL_OVER:
		t->try_copy = false;
		if (trial_second_won(&t->trial))
			say_copy_won(t);
		else
			enter(t, TCP_MODE_SPLICE);
	}
}

void tcp_sent(struct tcp_sink *t, size_t n, bool zc)
{
	size_t payload = tcp_queue_taken(t, n, zc ? t->zc.next + 1 : 0);

	if (zc)
		zc_sent(&t->zc, payload);
	else
		dmaf_copied(t->count, dmaf_copy_send, payload);
	t->link_sent += n;
	t->since_rx += n;
	t->since_errq += n;
	t->moved = true;
}

static ssize_t send_iov(struct tcp_sink *t, unsigned n, int flags)
{
	struct msghdr m = {.msg_iov = t->iov, .msg_iovlen = n};
	ssize_t r;

	do
		r = sendmsg(t->fd, &m, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

ssize_t tcp_plain(struct tcp_sink *t, unsigned n)
{
	ssize_t r = send_iov(t, n, 0);

	if (r > 0)
		tcp_sent(t, (size_t)r, false);
	return r;
}

ssize_t tcp_header(struct tcp_sink *t)
{
	ssize_t r = send_iov(t, 1, MSG_MORE);

	if (r > 0)
		tcp_sent(t, (size_t)r, false);
	return r;
}

static ssize_t send_copy(struct tcp_sink *t)
{
	size_t bytes;
	unsigned n = tcp_queue_iov(t, &bytes);
	ssize_t r = tcp_plain(t, n);

	/* A short send means a full socket: one more call would only say so. */
	if (r >= 0 && (size_t)r < bytes)
		t->blocked = true;
	return r;
}

/* Leaves the segments that make up the first @most bytes. Return: how many. */
static unsigned trim(struct tcp_sink *t, unsigned n, size_t most, size_t *bytes)
{
	size_t left = most;

	if (*bytes <= most)
		return n;
	*bytes = most;
	for (n = 0; left > t->iov[n].iov_len; n++)
		left -= t->iov[n].iov_len;
	t->iov[n].iov_len = left;
	return n + 1;
}

static ssize_t send_zerocopy(struct tcp_sink *t)
{
	size_t bytes;
	unsigned n = tcp_queue_iov(t, &bytes);
	ssize_t r;

	if (t->asked == TCP_MODE_AUTO && bytes < ZC_WORTH) {
		t->count->path = names[TCP_MODE_COPY];
		return tcp_plain(t, n);
	}
	if (!zc_room(&t->zc)) {
		t->starved = true;
		return 0;
	}
	if (t->asked == TCP_MODE_AUTO && !t->judged)
		n = trim(t, n, TRIAL, &bytes);
	r = send_iov(t, n, MSG_ZEROCOPY);
	if (r > 0) {
		t->count->path = names[TCP_MODE_ZEROCOPY];
		tcp_sent(t, (size_t)r, true);
		t->blocked = (size_t)r < bytes;
		return r;
	}
	if (r == -EFAULT) {
		tcp_mode_leave(t, TCP_MODE_COPY, "the kernel will not pin this memory (EFAULT)");
		return tcp_plain(t, n);
	}
	if (r != -ENOBUFS)
		return r;
	t->count->errors++;
	/* optmem or memlock: notifications give it back. When none will come, copying still works.
	 */
	if (!zc_pending(&t->zc))
		return tcp_plain(t, n);
	t->starved = true;
	return 0;
}

int tcp_push(struct tcp_sink *t)
{
	ssize_t r = 0;

	while (t->state == LINK_UP && !t->blocked && !t->starved) {
		tcp_queue_cut(t);
		if (t->ctl_len && tcp_queue_between(t)) {
			r = tcp_link_ctl(t);
			if (r)
				break;
		}
		if (tcp_queue_empty(t))
			return 0;
		switch (t->piped ? TCP_MODE_SPLICE : t->mode) {
		case TCP_MODE_ZEROCOPY: r = send_zerocopy(t); break;
		case TCP_MODE_SENDZC: r = tcp_uring_send(t); break;
		case TCP_MODE_SPLICE: r = tcp_splice_send(t); break;
		default: r = send_copy(t);
		}
		if (r < 0)
			break;
		/* An undecided mode is not fed for long without looking at what became of it. */
		if (t->asked == TCP_MODE_AUTO && t->judged < 4 * JUDGE &&
		    zc_pending(&t->zc) >= JUDGE_LOOK)
			tcp_completions(t);
	}
	if (r == -EAGAIN || r >= 0) {
		if (t->blocked || r == -EAGAIN)
			t->count->stalls++;
		t->blocked |= r == -EAGAIN;
		return 0;
	}
	return (int)r;
}

static void judge(struct tcp_sink *t)
{
	uint64_t copied = t->zc.copied - t->zc_base_copied;
	uint64_t all = t->zc.zerocopied - t->zc_base_zero + copied;
	char why[160];

	if (t->asked != TCP_MODE_AUTO || all < JUDGE || t->mode == TCP_MODE_COPY)
		return;
	t->judged += all;
	t->zc_base_zero = t->zc.zerocopied;
	t->zc_base_copied = t->zc.copied;
	if (copied * 2 <= all)
		return;
	snprintf(why, sizeof(why), "the kernel copied %llu of %llu sends (%s)",
		 (unsigned long long)copied, (unsigned long long)all,
		 t->local ? "loopback copies"
			  : "a virtual link, or no scatter-gather or checksum offload on the way");
	tcp_mode_leave(t, TCP_MODE_COPY, why);
}

void tcp_notified(struct tcp_sink *t, uint32_t lo, uint32_t hi, bool copied)
{
	if (zc_notified(&t->zc, lo, hi, copied)) {
		/* Nothing the kernel does; but memory is never given back on such a word. */
		t->count->errors++;
		return;
	}
	t->starved = false;
	t->count->zerocopied = t->zc.zerocopied;
	t->count->copied = t->zc.copied;
	if (t->zc.copied_bytes > t->late_told) {
		dmaf_copied(t->count, dmaf_copy_late, t->zc.copied_bytes - t->late_told);
		t->late_told = t->zc.copied_bytes;
	}
}

static const struct sock_extended_err *notification(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		const struct sock_extended_err *e = (const void *)CMSG_DATA(c);

		if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		if (e->ee_origin == SO_EE_ORIGIN_ZEROCOPY && !e->ee_errno)
			return e;
	}
	return NULL;
}

void tcp_completions(struct tcp_sink *t)
{
	union {
		char bytes[128];
		struct cmsghdr align;
	} control;

	t->since_errq = 0;
	if (t->uring)
		tcp_uring_reap(t);
	while (t->fd >= 0 && zc_pending(&t->zc) && t->mode != TCP_MODE_SENDZC) {
		struct msghdr m = {.msg_control = &control, .msg_controllen = sizeof(control)};
		const struct sock_extended_err *e;

		if (recvmsg(t->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			break;
		e = notification(&m);
		if (e)
			tcp_notified(t, e->ee_info, e->ee_data,
				     e->ee_code & SO_EE_CODE_ZEROCOPY_COPIED);
	}
	judge(t);
}
