/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/pool.h"
#include "core/kind.h"
#include "core/own.h"
#include "sink_rig.h"

#define MS          1000000ull
#define PATIENCE_NS (10000 * MS)

uint8_t out_byte(uint64_t offset)
{
	uint64_t x = (offset + 1) * 0x9e3779b97f4a7c15ull;

	return (uint8_t)(x >> 56);
}

static int listen_free(uint16_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static int open_on(struct out *o, const char *kind, const char *options, void *mem, size_t block,
		   unsigned count, unsigned backing)
{
	struct dmaf_terms terms = {.block = block,
				   .stride = (block + 4095) / 4096 * 4096,
				   .align = 4096,
				   .count = count,
				   .segs = 2};
	char address[256];
	int r;

	snprintf(address, sizeof(address), "%s:127.0.0.1:%u%s", kind, o->port, options);
	r = dmaf_kind_resolve(address, DMAF_ROLE_SINK, &o->sink.p.addr, &o->sink.p.kind,
			      &o->sink.p.err);
	if (r)
		return r;
	o->sink.ops = o->sink.p.kind->sink;
	o->sink.stream = &o->stream;
	o->sink.on_gap = (int)dmaf_addr_u64(o->sink.p.addr, "on-gap", DMAF_GAP_SKIP);
	dmaf_region_init(&o->region, NULL, mem, terms.stride * count, 4096, backing, "test");
	assert_int_equal(dmaf_pool_create(&o->pool, &o->region, &terms, NULL, NULL, &o->sink.p.err),
			 0);
	r = o->sink.ops->open(&o->sink);
	o->t = o->sink.p.priv;
	if (r)
		return r;
	dmaf_pool_share(o->pool); /* what comes back is overwritten on the spot, below */
	o->sink.pool = o->pool;
	r = o->sink.ops->attach(&o->sink);
	return r ? r : o->sink.ops->begin(&o->sink);
}

int out_open_on(struct out *o, const char *kind, const char *options, void *mem, size_t block,
		unsigned count, unsigned backing)
{
	memset(o, 0, sizeof(*o));
	o->listener = listen_free(&o->port);
	if (!strcmp(kind, "tcp-listen")) {
		close(o->listener);
		o->listener = -1;
	}
	return open_on(o, kind, options, mem, block, count, backing);
}

static void *pages(size_t block, unsigned count)
{
	void *mem = mmap(NULL, (block + 4095) / 4096 * 4096 * count, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	return mem;
}

int out_open_at(struct out *o, uint16_t port, const char *options, size_t block, unsigned count)
{
	memset(o, 0, sizeof(*o));
	o->listener = -1;
	o->port = port;
	return open_on(o, "tcp", options, pages(block, count), block, count, DMAF_PAGES);
}

int out_open(struct out *o, const char *kind, const char *options, size_t block, unsigned count)
{
	return out_open_on(o, kind, options, pages(block, count), block, count, DMAF_PAGES);
}

void out_close(struct out *o)
{
	if (o->submitted != o->back)
		out_cancel(o);
	if (o->sink.ops)
		o->sink.ops->close(&o->sink);
	assert_null(o->sink.p.priv);
	if (o->pool)
		assert_int_equal(dmaf_pool_free_count(o->pool), dmaf_pool_count(o->pool));
	dmaf_pool_close(o->pool);
	dmaf_addr_free(o->sink.p.addr);
	if (o->listener >= 0)
		close(o->listener);
	if (o->region.cpu && !o->keep_content)
		munmap(o->region.cpu, o->region.len);
}

static unsigned submit(struct out *o)
{
	dmaf_buf *bufs[16];
	unsigned n = 0;
	int took;

	while (n < 16 && o->want && !o->rc && (bufs[n] = dmaf_pool_try(o->pool))) {
		dmaf_buf *b = bufs[n++];
		size_t len = o->len ? o->len : dmaf_buf_room(b);
		uint8_t *data = dmaf_buf_data(b);

		if (len > o->want)
			len = (size_t)o->want;
		for (size_t i = 0; i < len && !o->keep_content; i++)
			data[i] = out_byte(o->offset + i);
		dmaf_buf_filled(b, len);
		b->seq = o->seq++;
		b->offset = o->offset;
		b->mono_ns = dmaf_now_ns();
		o->offset += len;
		o->want -= len;
	}
	if (!n)
		return 0;
	took = o->sink.ops->submit(&o->sink, bufs, n);
	if (took < 0) {
		o->rc = took;
		took = 0;
	}
	o->submitted += (unsigned)took;
	for (unsigned i = (unsigned)took; i < n; i++) {
		/* Not taken: as if it had never been. */
		if (i == (unsigned)took) {
			o->seq = bufs[i]->seq;
			o->offset = bufs[i]->offset;
		}
		o->want += bufs[i]->len;
		dmaf_buf_return(bufs[i]);
	}
	return (unsigned)took;
}

/* Whoever still sends from a buffer that came back sends this. */
static void spoil(dmaf_buf *b)
{
	/* Checked builds let nobody write what was lent to readers. */
	if (DMAF_OWN_CHECKED)
		dmaf_own_protect(b, DMAF_OWNER_WRITER);
	memset((uint8_t *)b->home.region->cpu + b->home.off, 0xee, b->home.len);
}

static unsigned reap(struct out *o)
{
	dmaf_buf *bufs[16];
	int n = o->sink.ops->reap(&o->sink, bufs, 16);

	if (n < 0) {
		o->rc = n;
		return 0;
	}
	for (int i = 0; i < n; i++) {
		o->failed += bufs[i]->status != 0;
		if (!o->status)
			o->status = bufs[i]->status;
		if (!o->keep_content)
			spoil(bufs[i]);
		dmaf_buf_return(bufs[i]);
	}
	o->back += (unsigned)n;
	return (unsigned)n;
}

static void wait_for(struct out *o, int ms)
{
	struct dmaf_wait w = {.nfds = 0};
	uint64_t now = dmaf_now_ns();

	o->sink.ops->wait(&o->sink, &w);
	if (w.deadline_ns && w.deadline_ns <= now)
		ms = 0;
	else if (w.deadline_ns && (w.deadline_ns - now) / MS < (uint64_t)ms)
		ms = (int)((w.deadline_ns - now) / MS) + 1;
	poll(w.fds, w.nfds, ms);
}

unsigned out_step(struct out *o, int ms)
{
	unsigned moved = submit(o) + reap(o);

	if (!moved && o->sink.p.priv)
		wait_for(o, ms);
	return moved;
}

void out_settle(struct out *o)
{
	uint64_t sent = 0;

	for (unsigned quiet = 0; quiet < 20; quiet++) {
		if (out_step(o, 2) || o->t->link_sent != sent)
			quiet = 0;
		sent = o->t->link_sent;
	}
}

void out_drain(struct out *o)
{
	uint64_t until = dmaf_now_ns() + PATIENCE_NS;

	while ((o->want && !o->rc) || o->back < o->submitted) {
		out_step(o, 10);
		assert_true(dmaf_now_ns() < until);
	}
}

int out_finish(struct out *o)
{
	uint64_t until = dmaf_now_ns() + PATIENCE_NS;
	int r;

	while ((r = o->sink.ops->flush(&o->sink, DMAF_FLUSH_FINISH)) == -EAGAIN) {
		out_step(o, 10);
		assert_true(dmaf_now_ns() < until);
	}
	return r;
}

void out_cancel(struct out *o)
{
	uint64_t until = dmaf_now_ns() + PATIENCE_NS;

	o->want = 0;
	o->sink.ops->cancel(&o->sink);
	while (o->back < o->submitted) {
		reap(o);
		assert_true(dmaf_now_ns() < until);
	}
}

static int to_sink(struct out *o)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(o->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static int take_link(struct out *o)
{
	uint64_t until = dmaf_now_ns() + PATIENCE_NS;
	int fd = o->listener < 0 ? to_sink(o) : -1, one = 1;

	while (fd < 0 && (fd = accept4(o->listener, NULL, NULL, SOCK_CLOEXEC)) < 0) {
		out_step(o, 2);
		assert_true(dmaf_now_ns() < until);
	}
	/* Acks are small and must not wait for each other. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

void in_open(struct in *in, struct out *o, int rcvbuf)
{
	memset(in, 0, sizeof(*in));
	in->out = o;
	if (rcvbuf && o->listener >= 0)
		setsockopt(o->listener, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	in->fd = take_link(o);
}

void in_again(struct in *in)
{
	in->fd = take_link(in->out);
	in->have = 0;
	in->ended = false;
}

void in_close(struct in *in)
{
	close(in->fd);
	in->fd = -1;
}

void in_reset(struct in *in)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(in->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	in_close(in);
}

ssize_t in_read(struct in *in, void *to, size_t n)
{
	uint64_t until = dmaf_now_ns() + PATIENCE_NS;
	ssize_t r;

	while ((r = recv(in->fd, to, n, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
		out_step(in->out, 2);
		assert_true(dmaf_now_ns() < until);
	}
	return r;
}

static void compare(struct in *in, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && !in->out->keep_content; i++)
		if (p[i] != out_byte(in->offset + i))
			fail_msg("byte %llu is %02x, not %02x",
				 (unsigned long long)(in->offset + i), p[i],
				 out_byte(in->offset + i));
	in->offset += n;
	in->got += n;
}

void in_check(struct in *in, uint64_t n)
{
	while (n) {
		ssize_t r = in_read(in, in->bytes,
				    n < sizeof(in->bytes) ? (size_t)n : sizeof(in->bytes));

		assert_true(r > 0);
		compare(in, in->bytes, (size_t)r);
		n -= (uint64_t)r;
	}
}

int in_to_end(struct in *in)
{
	ssize_t r;

	while ((r = in_read(in, in->bytes, sizeof(in->bytes))) > 0)
		compare(in, in->bytes, (size_t)r);
	return (int)r;
}

static int fill(struct in *in, size_t want)
{
	while (in->have < want) {
		ssize_t r = in_read(in, in->bytes + in->have, want - in->have);

		if (r <= 0)
			return (int)r;
		in->have += (size_t)r;
	}
	return 1;
}

static int payload(struct in *in, size_t left)
{
	while (left) {
		ssize_t r =
			in_read(in, in->bytes, left < sizeof(in->bytes) ? left : sizeof(in->bytes));

		if (r <= 0)
			return (int)r;
		compare(in, in->bytes, (size_t)r);
		left -= (size_t)r;
	}
	return 1;
}

static int noted(struct in *in)
{
	const struct dmaf_wire_frame *f = &in->f;
	int r = dmaf_wire_rx_check(&in->rx, f);

	if (r)
		fail_msg("%s: %s", dmaf_wire_type_name(f->hdr.type), dmaf_wire_reason(r));
	switch (f->hdr.type) {
	case DMAF_WIRE_T_DATA:
		in->frames++;
		in->lost += f->hdr.pos.lost;
		in->offset = f->hdr.pos.offset;
		return payload(in, f->hdr.length);
	case DMAF_WIRE_T_HEARTBEAT: in->heartbeats++; break;
	case DMAF_WIRE_T_END: in->ended = true; break;
	case DMAF_WIRE_T_ERROR:
		in->error = true;
		snprintf(in->text, sizeof(in->text), "%.*s", (int)f->u.error.text_len,
			 f->u.error.text);
		break;
	}
	return 1;
}

int in_frame(struct in *in)
{
	int r, type;

	in->have = 0;
	do {
		r = dmaf_wire_get(in->bytes, in->have, 1 << 24, &in->f);
		if (r < 0)
			fail_msg("%s", dmaf_wire_reason(r));
		if (r > 0 && (r = fill(in, in->have + (size_t)r)) <= 0)
			return r;
	} while (r);
	type = in->f.hdr.type;
	r = noted(in);
	return r > 0 ? type : r;
}

void in_hello(struct in *in, uint32_t max_block, uint8_t ack, uint64_t window)
{
	uint8_t answer[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];
	struct dmaf_wire_rx before = in->rx;
	int n;

	dmaf_wire_rx_init(&in->rx, max_block);
	if (before.known)
		dmaf_wire_rx_resume(&in->rx, before.id, &before.pos);
	assert_int_equal(in_frame(in), DMAF_WIRE_T_HELLO);
	if (!ack)
		return;
	n = dmaf_wire_rx_answer(&in->rx, answer, ack, window);
	assert_true(n > 0);
	assert_int_equal(send(in->fd, answer, (size_t)n, MSG_NOSIGNAL), n);
}

void in_ack(struct in *in, const struct dmaf_wire_pos *pos, uint16_t flags)
{
	struct dmaf_wire_hdr h = {.pos = *pos, .flags = flags};
	uint8_t bytes[DMAF_WIRE_HDR];

	memcpy(h.id, in->rx.id, sizeof(h.id));
	dmaf_wire_put_ack(bytes, &h);
	assert_int_equal(send(in->fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
}

void in_ack_all(struct in *in)
{
	in_ack(in, &in->rx.pos, in->ended ? DMAF_WIRE_DONE : 0);
}

void in_until(struct in *in, uint64_t total, uint64_t every)
{
	uint64_t told = in->got;

	while (in->got < total) {
		assert_true(in_frame(in) > 0);
		if (every && in->got - told >= every) {
			in_ack_all(in);
			told = in->got;
		}
	}
}

void in_end(struct in *in, uint64_t every)
{
	uint64_t told = in->got;

	while (!in->ended) {
		in->out->sink.ops->flush(&in->out->sink, DMAF_FLUSH_FINISH);
		assert_true(in_frame(in) > 0);
		if (every && in->got - told >= every) {
			in_ack_all(in);
			told = in->got;
		}
	}
	if (every)
		in_ack_all(in);
}
