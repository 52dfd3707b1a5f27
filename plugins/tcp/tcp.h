/* SPDX-License-Identifier: MIT */
/* The tcp kinds: tcp: connects, tcp-listen: waits for a peer; either can send or receive. */
#ifndef DMAF_TCP_H
#define DMAF_TCP_H

#include <dmaflow/plugin.h>

/** mode=, in the order of the option's words. */
enum tcp_mode {
	TCP_MODE_AUTO,
	TCP_MODE_COPY,
	TCP_MODE_ZEROCOPY,
	TCP_MODE_SENDZC,
	TCP_MODE_SPLICE,
	TCP_MODES, /* that send; those that receive follow */
	TCP_MODE_RECV = TCP_MODES,
	TCP_MODE_TRUNC,
};

/** ack=, in the order of the option's words; ack alone is the first. */
enum tcp_ack_word {
	TCP_ACK_WRITTEN,
	TCP_ACK_SYNCED,
};

extern const struct dmaf_kind dmaf_kind_tcp, dmaf_kind_tcp_listen;

extern const struct dmaf_sink_ops dmaf_tcp_sink_ops, dmaf_tcp_listen_sink_ops;
extern const struct dmaf_source_ops dmaf_tcp_source_ops, dmaf_tcp_listen_source_ops;

#endif
