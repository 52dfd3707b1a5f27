/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "plugins/tcp/tcp_rx.h"

void tcp_rx_begin(struct tcp_rx *rx, const struct dmaf_wire_rx *wire)
{
	rx->wire = *wire;
	rx->before = wire->pos;
	rx->left = 0;
	rx->have = 0;
	rx->need = DMAF_WIRE_HDR;
	rx->frames = 0;
}

void tcp_rx_pos(const struct tcp_rx *rx, struct dmaf_wire_pos *pos)
{
	*pos = rx->wire.pos;
	if (rx->left) {
		pos->offset -= rx->left;
		pos->sequence = rx->frame.hdr.pos.sequence;
	}
}

unsigned tcp_rx_iov(struct tcp_rx *rx, void *room, size_t room_len, struct iovec iov[2])
{
	unsigned n = 0;

	if (rx->left) {
		if (!room_len)
			return 0;
		if (rx->left < room_len)
			room_len = (size_t)rx->left;
		iov[n++] = (struct iovec){.iov_base = room, .iov_len = room_len};
		if (room_len < rx->left)
			return n;
	}
	/* The next header in the same call: a frame costs one. */
	iov[n++] = (struct iovec){.iov_base = rx->ctl + rx->have, .iov_len = rx->need};
	return n;
}

static int judge(struct tcp_rx *rx)
{
	struct dmaf_wire_pos before = rx->wire.pos;
	int rc = dmaf_wire_get(rx->ctl, rx->have, dmaf_wire_rx_limit(&rx->wire), &rx->frame);

	if (rc < 0)
		return rc;
	if (rc > 0) {
		rx->need = (uint32_t)rc;
		assert(rx->have + rx->need <= sizeof(rx->ctl));
		return TCP_RX_NONE;
	}
	rc = dmaf_wire_rx_check(&rx->wire, &rx->frame);
	if (rc)
		return rc;
	rx->have = 0;
	rx->need = DMAF_WIRE_HDR;
	switch (rx->frame.hdr.type) {
	case DMAF_WIRE_T_DATA:
		rx->before = before;
		rx->left = rx->frame.hdr.length;
		rx->frames++;
		return TCP_RX_DATA;
	case DMAF_WIRE_T_END: rx->before = before; return TCP_RX_END;
	case DMAF_WIRE_T_ERROR: return TCP_RX_ERROR;
	default: return TCP_RX_NONE;
	}
}

int tcp_rx_landed(struct tcp_rx *rx, size_t room_len, size_t n, size_t *payload)
{
	size_t body = n;

	if (body > room_len)
		body = room_len;
	if (body > rx->left)
		body = (size_t)rx->left;
	*payload = body;
	rx->left -= body;
	n -= body;
	if (!n)
		return TCP_RX_NONE;
	assert(!rx->left && n <= rx->need);
	rx->have += (uint32_t)n;
	rx->need -= (uint32_t)n;
	/* A wrong first byte is refused at once: garbage need not come in whole. */
	return judge(rx);
}
