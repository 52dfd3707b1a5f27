/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/kind.h"
#include "tcp_rig.h"

#define PATIENCE_NS (10000 * TCP_MS)

uint8_t rig_byte(uint64_t offset)
{
	uint64_t x = (offset + 1) * 0x9e3779b97f4a7c15ull;

	return (uint8_t)(x >> 56);
}

void rig_fill(uint8_t *to, uint64_t offset, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = rig_byte(offset + i);
}

static uint16_t free_port(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

void rig_open(struct rig *r, const char *kind, const char *options, size_t block, unsigned count,
	      uint16_t port)
{
	struct dmaf_terms terms = {.block = block,
				   .stride = (block + 4095) / 4096 * 4096,
				   .align = 4096,
				   .count = count,
				   .segs = 1};
	char address[256];
	void *mem;

	memset(r, 0, sizeof(*r));
	r->port = port ? port : free_port();
	snprintf(address, sizeof(address), "%s:127.0.0.1:%u%s", kind, r->port, options);
	if (dmaf_kind_resolve(address, DMAF_ROLE_SOURCE, &r->src.p.addr, &r->src.p.kind,
			      &r->src.p.err))
		fail_msg("%s", r->src.p.err.text);
	r->src.ops = r->src.p.kind->source;
	r->src.max_delay_ns = dmaf_addr_u64(r->src.p.addr, "max-delay", UINT64_MAX);
	r->rc = r->src.ops->open(&r->src);
	if (r->rc)
		return;
	r->s = r->src.p.priv;
	mem = mmap(NULL, terms.stride * count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	dmaf_region_init(&r->region, NULL, mem, terms.stride * count, 4096, DMAF_PAGES, "test");
	assert_int_equal(dmaf_pool_create(&r->pool, &r->region, &terms, NULL, NULL, &r->src.p.err),
			 0);
	r->src.pool = r->pool;
	assert_int_equal(r->src.ops->attach(&r->src), 0);
}

void rig_start(struct rig *r, const struct dmaf_resume *resume)
{
	assert_int_equal(r->src.ops->start(&r->src, resume), 0);
}

void rig_done(struct rig *r, unsigned i, int status)
{
	dmaf_buf *b = r->held[i];

	assert_true(i < r->nheld);
	b->status = status;
	memmove(&r->held[i], &r->held[i + 1], (--r->nheld - i) * sizeof(r->held[0]));
	r->src.ops->done(&r->src, &b, 1);
	dmaf_buf_return(b);
}

void rig_close(struct rig *r)
{
	dmaf_buf *b[4];

	while (r->nheld)
		rig_done(r, 0, 0);
	if (r->pool)
		while (r->src.ops->cancel(&r->src, b, 4) > 0)
			dmaf_buf_abandon(b[0]);
	r->src.ops->close(&r->src);
	if (r->pool)
		assert_int_equal(dmaf_pool_free_count(r->pool), dmaf_pool_count(r->pool));
	dmaf_pool_close(r->pool);
	dmaf_addr_free(r->src.p.addr);
	if (r->region.cpu)
		munmap(r->region.cpu, r->region.len);
}

static void look_at(struct rig *r, dmaf_buf *b)
{
	const uint8_t *data = dmaf_buf_data(b);

	assert_true(r->nseen < RIG_SEEN && b->len);
	r->seen[r->nseen++] =
		(struct rig_seen){b->seq, b->offset, b->ts_ns, b->ticks, b->len, b->flags};
	assert_true(b->mono_ns > 0 && b->mono_ns <= dmaf_now_ns());
	for (size_t i = 0; !r->blind && i < b->len; i++)
		if (data[i] != rig_byte(b->offset + i))
			fail_msg("byte %zu of the buffer at %llu is wrong", i,
				 (unsigned long long)b->offset);
	r->bytes += b->len;
}

static void wait_for(struct rig *r, int ms)
{
	struct dmaf_wait w = {.nfds = 0};
	uint64_t now = dmaf_now_ns();

	r->src.ops->wait(&r->src, &w);
	if (w.deadline_ns && w.deadline_ns <= now)
		ms = 0;
	else if (w.deadline_ns && (w.deadline_ns - now) / TCP_MS < (uint64_t)ms)
		ms = (int)((w.deadline_ns - now) / TCP_MS) + 1;
	poll(w.fds, w.nfds, ms);
}

void rig_step(struct rig *r, int ms)
{
	dmaf_buf *bufs[8];
	int n;

	if (r->rc)
		return;
	n = r->src.ops->dequeue(&r->src, bufs, 8);
	if (n < 0)
		r->rc = n;
	else if (!n && ms)
		wait_for(r, ms);
	for (int i = 0; i < n; i++) {
		look_at(r, bufs[i]);
		assert_true(r->nheld < RIG_BUFS);
		r->held[r->nheld++] = bufs[i];
		if (!r->hold)
			rig_done(r, r->nheld - 1, 0);
	}
}

static void patience(uint64_t since, const char *what)
{
	if (dmaf_now_ns() - since > PATIENCE_NS)
		fail_msg("10 s without %s", what);
}

void rig_until(struct rig *r, uint64_t bytes)
{
	uint64_t t = dmaf_now_ns();

	while (r->bytes < bytes && !r->rc) {
		rig_step(r, 100);
		patience(t, "the bytes expected");
	}
	assert_int_equal(r->bytes, bytes);
}

void rig_until_rc(struct rig *r, int rc)
{
	uint64_t t = dmaf_now_ns();

	while (!r->rc) {
		rig_step(r, 100);
		patience(t, "an end");
	}
	if (r->rc != rc)
		fail_msg("it ended with %d (%s), not %d", r->rc, r->src.p.err.text, rc);
}

void rig_idle(struct rig *r, int ms)
{
	uint64_t t = dmaf_now_ns();

	while (dmaf_now_ns() - t < (unsigned)ms * TCP_MS)
		rig_step(r, 5);
}

static bool finish_step(struct rig *r, int status)
{
	if (r->src.ops->finish(&r->src, status) != -EAGAIN)
		return false;
	wait_for(r, 5);
	return true;
}

void rig_finish(struct rig *r, int status)
{
	uint64_t t = dmaf_now_ns();

	while (finish_step(r, status))
		patience(t, "a finish");
}

void peer_connect(struct peer *p, struct rig *r)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(r->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	memset(p, 0, sizeof(*p));
	p->rig = r;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(p->fd >= 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&in, sizeof(in)), 0);
}

void peer_close(struct peer *p)
{
	close(p->fd);
	p->fd = -1;
}

void peer_reset(struct peer *p)
{
	struct linger l = {.l_onoff = 1};

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	peer_close(p);
}

void peer_send(struct peer *p, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t t = dmaf_now_ns();

	while (len) {
		ssize_t n = send(p->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			fail_msg("send: %s", strerror(errno));
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else {
			rig_step(p->rig, 1);
		}
		patience(t, "room to send");
	}
}

void peer_prepare(struct peer *p, uint8_t id, uint8_t ack, uint64_t window)
{
	memset(&p->hdr, 0, sizeof(p->hdr));
	memset(p->hdr.id, id, sizeof(p->hdr.id));
	p->hello = (struct dmaf_wire_hello){
		.sample = DMAF_WIRE_S_INT,
		.bits = 16,
		.channels = 2,
		.rate_millihz = 48000000,
		.clock = DMAF_WIRE_C_REALTIME,
		.ack = ack,
		.block = 1 << 20,
		.window = window,
	};
}

void peer_hello(struct peer *p)
{
	uint8_t out[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];

	peer_send(p, out, dmaf_wire_put_hello(out, &p->hdr, &p->hello));
}

void peer_data(struct peer *p, size_t len, uint16_t flags)
{
	uint8_t *out = malloc(DMAF_WIRE_HDR + len);

	assert_non_null(out);
	p->hdr.length = (uint32_t)len;
	p->hdr.flags = flags;
	p->hdr.timestamp = 1000 + p->hdr.pos.sequence;
	p->hdr.ticks = 7 * p->hdr.pos.sequence;
	dmaf_wire_put_data(out, &p->hdr);
	rig_fill(out + DMAF_WIRE_HDR, p->hdr.pos.offset, len);
	p->hdr.pos.offset += len;
	p->hdr.pos.sequence += !(flags & DMAF_WIRE_MORE);
	p->hdr.pos.lost = 0;
	p->hdr.flags = 0;
	peer_send(p, out, DMAF_WIRE_HDR + len);
	free(out);
}

void peer_lose(struct peer *p, uint64_t bytes, uint64_t buffers)
{
	p->hdr.pos.offset += bytes;
	p->hdr.pos.sequence += buffers;
	p->hdr.pos.lost += buffers;
	p->lost += buffers;
}

void peer_end(struct peer *p)
{
	uint8_t out[DMAF_WIRE_HDR + DMAF_WIRE_END];

	p->hdr.timestamp = p->hdr.ticks = 0;
	peer_send(p, out, dmaf_wire_put_end(out, &p->hdr, p->lost));
}

int peer_peek(struct peer *p)
{
	int need = dmaf_wire_get(p->bytes, p->have, DMAF_WIRE_BLOCK_MAX, &p->in);

	while (need > 0) {
		ssize_t n = recv(p->fd, p->bytes + p->have, (size_t)need, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return -1;
		if (n <= 0)
			return 0;
		p->have += (size_t)n;
		need = dmaf_wire_get(p->bytes, p->have, DMAF_WIRE_BLOCK_MAX, &p->in);
	}
	assert_int_equal(need, 0);
	p->have = 0;
	return p->in.hdr.type;
}

int peer_hear(struct peer *p)
{
	uint64_t t = dmaf_now_ns();
	int type;

	while ((type = peer_peek(p)) < 0) {
		if (p->rig->rc)
			finish_step(p->rig, p->rig->rc == DMAF_END ? 0 : p->rig->rc);
		else
			rig_step(p->rig, 5);
		patience(t, "a word from the receiver");
	}
	return type;
}

void peer_refused(struct peer *p, uint32_t code)
{
	assert_int_equal(peer_hear(p), DMAF_WIRE_T_ERROR);
	if (p->in.u.error.code != code)
		fail_msg("refused with %u (%.*s), not %u", p->in.u.error.code,
			 (int)p->in.u.error.text_len, p->in.u.error.text, code);
	assert_int_equal(peer_hear(p), 0);
	peer_close(p);
}
