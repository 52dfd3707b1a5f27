/* SPDX-License-Identifier: MIT */
/*
 * io_uring's SEND_ZC and SENDMSG_ZC. Requests never wait in the ring (MSG_DONTWAIT), so the result
 * is there when the submission returns; the notification that the memory is free comes later, one
 * per request, also for some that failed (io_uring_enter(2), IORING_CQE_F_NOTIF).
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/tcp/tcp_sink.h"

/* Younger than some liburing headers. */
#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3) /* Linux 6.2 */
#endif
#ifndef IORING_NOTIF_USAGE_ZC_COPIED
#define IORING_NOTIF_USAGE_ZC_COPIED (1U << 31)
#endif

#define SLOTS       32         /* fixed buffers */
#define SLOT_BYTES  (1u << 30) /* longest that the kernel registers */
#define FIXED_WORTH (16u << 10)

struct tcp_uring {
	struct io_uring ring;
	struct dmaf_engine engine;
	bool used[SLOTS];
	bool report; /* the kernel tells whether it copied */
	bool got;    /* the result of the request in progress */
	int res;
};

static int update_slots(struct tcp_uring *u, unsigned first, unsigned n, char *base, size_t len)
{
	struct iovec iov[SLOTS];
	__u64 tags[SLOTS] = {0};
	int r;

	for (unsigned i = 0; i < n; i++) {
		size_t off = (size_t)i * SLOT_BYTES;
		size_t left = len - off;

		iov[i] = base ? (struct iovec){base + off, left < SLOT_BYTES ? left : SLOT_BYTES}
			      : (struct iovec){0};
	}
	r = io_uring_register_buffers_update_tag(&u->ring, first, iov, tags, n);
	return r < 0 ? r : 0;
}

static unsigned slots_of(const dmaf_region *r)
{
	return (unsigned)((r->len + SLOT_BYTES - 1) / SLOT_BYTES);
}

static int attach(dmaf_engine *engine, dmaf_region *r, struct dmaf_attachment *att,
		  struct dmaf_err *err)
{
	struct tcp_uring *u = engine->priv;
	unsigned first = 0, n, need = r->len / SLOT_BYTES < SLOTS ? slots_of(r) : SLOTS + 1;
	int rc;

	for (n = 0; first + n < SLOTS && n < need;) {
		if (u->used[first + n]) {
			first += n + 1;
			n = 0;
		} else {
			n++;
		}
	}
	if (n < need)
		return dmaf_fail(err, -ENOSPC, "%s: no room for it among %d fixed buffers of 1 GiB",
				 r->name, SLOTS);
	rc = update_slots(u, first, need, r->cpu, r->len);
	if (rc == -ENOMEM)
		return dmaf_fail(err, rc,
				 "%s: not registered with io_uring: more than ulimit -l "
				 "(RLIMIT_MEMLOCK) allows",
				 r->name);
	if (rc)
		return dmaf_fail(err, rc, "%s: not registered with io_uring: %s", r->name,
				 strerror(-rc));
	for (n = 0; n < need; n++)
		u->used[first + n] = true;
	att->key = first;
	return 0;
}

static void detach(dmaf_engine *engine, dmaf_region *r, struct dmaf_attachment *att)
{
	struct tcp_uring *u = engine->priv;

	update_slots(u, (unsigned)att->key, slots_of(r), NULL, 0);
	for (unsigned n = 0; n < slots_of(r); n++)
		u->used[att->key + n] = false;
}

static const struct dmaf_engine_ops engine_ops = {.attach = attach, .detach = detach};

static int refused(struct tcp_sink *t, int code, struct dmaf_err *err)
{
	switch (code) {
	case -EPERM:
		return dmaf_fail(err, code,
				 "%s: mode=sendzc: io_uring is forbidden here (see sysctl "
				 "kernel.io_uring_disabled); use mode=zerocopy",
				 t->o.text);
	case -ENOSYS:
		return dmaf_fail(
			err, code,
			"%s: mode=sendzc: this kernel has no io_uring, or a seccomp filter "
			"hides it; use mode=zerocopy",
			t->o.text);
	case -ENOMEM:
		return dmaf_fail(
			err, code,
			"%s: mode=sendzc: no memory for an io_uring; raise the limit on locked "
			"memory (ulimit -l), or use mode=zerocopy",
			t->o.text);
	}
	return dmaf_fail(err, code, "%s: mode=sendzc: io_uring: %s; use mode=zerocopy", t->o.text,
			 strerror(-code));
}

static int check_ops(struct tcp_sink *t, struct tcp_uring *u, struct dmaf_err *err)
{
	struct io_uring_probe *p = io_uring_get_probe_ring(&u->ring);
	bool ok = p && io_uring_opcode_supported(p, IORING_OP_SEND_ZC) &&
		  io_uring_opcode_supported(p, IORING_OP_SENDMSG_ZC);

	io_uring_free_probe(p);
	return ok ? 0
		  : dmaf_fail(
			    err, -EOPNOTSUPP,
			    "%s: mode=sendzc: this kernel's io_uring can't SENDMSG_ZC (Linux 6.1); "
			    "use mode=zerocopy",
			    t->o.text);
}

/* Without registration SENDMSG_ZC pins each time; that is slower, not wrong. */
static void register_memory(struct tcp_sink *t, struct tcp_uring *u)
{
	dmaf_region *r = dmaf_pool_region(t->sink->pool);
	struct dmaf_err why = {0};

	if (r->page > 4096)
		dmaf_note(t->count, "sendzc: %s isn't registered: huge pages are slower that way",
			  r->name);
	else if (io_uring_register_buffers_sparse(&u->ring, SLOTS))
		dmaf_note(t->count, "sendzc: this kernel registers no buffers one by one");
	else if (dmaf_region_attach(r, &u->engine, &why))
		dmaf_note(t->count, "sendzc: %.150s", why.text);
}

int tcp_uring_open(struct tcp_sink *t, struct dmaf_err *err)
{
	struct io_uring_params p = {.flags = IORING_SETUP_CQSIZE, .cq_entries = 2 * ZC_WINDOW};
	struct tcp_uring *u;
	int r;

	if (t->uring)
		return 0;
	u = calloc(1, sizeof(*u));
	if (!u)
		return dmaf_fail(err, -ENOMEM, "%s: no memory", t->o.text);
	u->engine = (struct dmaf_engine){.ops = &engine_ops, .name = "io_uring", .priv = u};
	u->report = true;
	r = io_uring_queue_init_params(4, &u->ring, &p);
	if (r) {
		free(u);
		return refused(t, r, err);
	}
	r = check_ops(t, u, err);
	if (r) {
		io_uring_queue_exit(&u->ring);
		free(u);
		return r;
	}
	register_memory(t, u);
	t->uring = u;
	return 0;
}

void tcp_uring_close(struct tcp_sink *t)
{
	if (!t->uring)
		return;
	if (t->sink->pool)
		dmaf_region_detach(dmaf_pool_region(t->sink->pool), &t->uring->engine);
	io_uring_queue_exit(&t->uring->ring);
	free(t->uring);
	t->uring = NULL;
}

int tcp_uring_fd(const struct tcp_sink *t)
{
	return t->uring ? t->uring->ring.ring_fd : -1;
}

/* The number of a request is that of its send, should it become one. */
static void on_cqe(struct tcp_sink *t, const struct io_uring_cqe *c)
{
	struct tcp_uring *u = t->uring;
	bool will_notify = c->flags & IORING_CQE_F_MORE;
	uint32_t id = (uint32_t)c->user_data;

	if (c->flags & IORING_CQE_F_NOTIF) {
		tcp_notified(t, id, id, (uint32_t)c->res & IORING_NOTIF_USAGE_ZC_COPIED);
		return;
	}
	u->got = true;
	u->res = c->res;
	if (c->res > 0)
		tcp_sent(t, (size_t)c->res, will_notify);
	else if (will_notify)
		zc_sent(&t->zc, 0);
}

void tcp_uring_reap(struct tcp_sink *t)
{
	struct io_uring_cqe *c;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&t->uring->ring, head, c)
	{
		on_cqe(t, c);
		n++;
	}
	io_uring_cq_advance(&t->uring->ring, n);
}

/* The fixed buffer that holds all of @iov; -1: none. */
static int fixed_slot(struct tcp_sink *t, const struct iovec *iov)
{
	const dmaf_region *r = dmaf_pool_region(t->sink->pool);
	const struct dmaf_attachment *att = dmaf_region_find(r, &t->uring->engine);
	uintptr_t off = (uintptr_t)iov->iov_base - (uintptr_t)r->cpu;

	if (!att || off >= r->len || iov->iov_len > r->len - off ||
	    off / SLOT_BYTES != (off + iov->iov_len - 1) / SLOT_BYTES)
		return -1;
	return (int)(att->key + off / SLOT_BYTES);
}

static int submit(struct tcp_sink *t, struct io_uring_sqe *sqe)
{
	struct tcp_uring *u = t->uring;
	struct io_uring_cqe *c;
	int r;

	sqe->user_data = t->zc.next;
	if (u->report)
		sqe->ioprio |= IORING_SEND_ZC_REPORT_USAGE;
	u->got = false;
	do
		r = io_uring_submit(&u->ring);
	while (r == -EINTR);
	if (r < 0)
		return r;
	for (tcp_uring_reap(t); !u->got; tcp_uring_reap(t)) {
		r = io_uring_wait_cqe(&u->ring, &c);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return u->res;
}

static int send_fixed(struct tcp_sink *t, int slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->uring->ring);

	io_uring_prep_send_zc(sqe, t->fd, t->iov[0].iov_base, t->iov[0].iov_len,
			      MSG_DONTWAIT | MSG_NOSIGNAL, IORING_RECVSEND_FIXED_BUF);
	sqe->buf_index = (uint16_t)slot;
	return submit(t, sqe);
}

static int send_msg(struct tcp_sink *t, unsigned n)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->uring->ring);
	struct msghdr m = {.msg_iov = t->iov, .msg_iovlen = n};

	io_uring_prep_sendmsg_zc(sqe, t->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	return submit(t, sqe);
}

ssize_t tcp_uring_send(struct tcp_sink *t)
{
	size_t bytes;
	unsigned n = tcp_queue_iov(t, &bytes);
	bool header = t->f_off < t->hdr_len;
	int slot, r;

	if (!zc_room(&t->zc)) {
		t->starved = true;
		return 0;
	}
	if (header && n > 1 && t->iov[1].iov_len >= FIXED_WORTH && fixed_slot(t, &t->iov[1]) >= 0)
		return tcp_header(t);
	slot = t->iov[0].iov_len >= FIXED_WORTH ? fixed_slot(t, &t->iov[0]) : -1;
	if (slot >= 0)
		bytes = t->iov[0].iov_len;
	r = slot >= 0 ? send_fixed(t, slot) : send_msg(t, n);
	switch (r) {
	case -EINVAL:
		if (!t->uring->report)
			break;
		t->uring->report = false; /* before Linux 6.2 */
		return 0;
	case -EINTR: return 0;
	case -ENOMEM:
	case -ENOBUFS:
		t->count->errors++;
		if (!zc_pending(&t->zc))
			return tcp_plain(t, n);
		t->starved = true;
		return 0;
	case -EFAULT:
		tcp_mode_leave(t, TCP_MODE_COPY, "the kernel will not pin this memory (EFAULT)");
		return 0;
	}
	t->blocked = r > 0 && (size_t)r < bytes;
	return r;
}
