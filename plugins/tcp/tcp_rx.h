/* SPDX-License-Identifier: MIT */
/*
 * A framed stream as it comes in: where the next bytes belong and what they turned out to be.
 * No sockets, no blocks, no clock: whoever reads asks for places, reads, and tells how much landed.
 *
 * Payload goes straight to where the reader wants it; headers and what is not payload go to .ctl.
 * A struct tcp_rx belongs to one thread.
 */
#ifndef DMAF_TCP_RX_H
#define DMAF_TCP_RX_H

#include <stdint.h>
#include <sys/uio.h>

#include <dmaflow/base/wire.h>

enum tcp_rx_event {
	TCP_RX_NONE, /* the place moved on; nothing to do */
	TCP_RX_DATA, /* a data header: .frame, .before, .wire.gap_*; its payload follows */
	TCP_RX_END,
	TCP_RX_ERROR, /* the sender's; its text lies in .ctl */
};

struct tcp_rx {
	struct dmaf_wire_rx wire;    /* moved past .frame, its payload included */
	struct dmaf_wire_pos before; /* where the stream was before the last data or end frame */
	struct dmaf_wire_frame frame;
	uint64_t left;   /* payload bytes of .frame still to come */
	uint32_t have;   /* bytes in .ctl of the next frame */
	uint32_t need;   /* further ones until more is known, at least 1 */
	uint64_t frames; /* data frames seen on this link */
	uint8_t ctl[DMAF_WIRE_CONTROL_MAX];
};

/* Begin a link. @wire: a state that has accepted a hello (and answered it where acks are wanted).
 */
void tcp_rx_begin(struct tcp_rx *rx, const struct dmaf_wire_rx *wire);

/* Where the next byte lies in the stream, gaps that are not yet announced left out. */
void tcp_rx_pos(const struct tcp_rx *rx, struct dmaf_wire_pos *pos);

/**
 * tcp_rx_iov - where the next bytes belong, in order.
 * @room: for payload; NULL with @room_len 0: none now.
 * Return: entries used, 0 when payload comes next and there is no room.
 */
unsigned tcp_rx_iov(struct tcp_rx *rx, void *room, size_t room_len, struct iovec iov[2]);

/**
 * tcp_rx_landed - @n bytes were read into what tcp_rx_iov() said.
 * @room_len: as given there.
 * @payload: how many of them are payload.
 * Return: enum tcp_rx_event, or a negative enum dmaf_wire_why, after which the link is to be
 * closed.
 */
int tcp_rx_landed(struct tcp_rx *rx, size_t room_len, size_t n, size_t *payload);

#endif
