/* SPDX-License-Identifier: MIT */
#include "plugins/tcp/tcp.h"

static const char *const modes[] = {"auto",   "copy", "zerocopy", "sendzc",
				    "splice", "recv", "trunc",    NULL};
static const char *const acks[] = {"written", "synced", NULL};

static const struct dmaf_opt options[] = {
	{"mode", DMAF_OPT_WORD,
	 "how to send: auto, copy, zerocopy (MSG_ZEROCOPY), sendzc (io_uring), splice (needs ack); "
	 "how to receive: recv, trunc (throw the content away: for benchmarks)",
	 .words = modes},
	{"frame", DMAF_OPT_FLAG, "frames: stream id, offsets, losses and the end are told"},
	{"ack", DMAF_OPT_WORD,
	 "with frame: the receiver acknowledges what it has written (or synced); broken links are "
	 "made again and nothing is lost",
	 .words = acks},
	{"window", DMAF_OPT_SIZE, "most bytes sent and not yet acknowledged; default: the pool",
	 .min = 1},
	{"timeout", DMAF_OPT_DURATION,
	 "receiving: give a link up on which nothing came for so long; 0: never; default 0, with "
	 "ack 30s"},
	{"wait", DMAF_OPT_DURATION,
	 "receiving frames: how long a stream that was cut may stay away; 0: a cut is an error; "
	 "default 0, with ack 30s, for tcp-listen for ever"},
	{"retry", DMAF_OPT_DURATION,
	 "how long to go on trying to connect; 0: one try; default 5s, "
	 "with ack 30s"},
	{"bind", DMAF_OPT_STRING, "local address to connect from: HOST or HOST:PORT"},
	{"cc", DMAF_OPT_STRING, "congestion control, such as cubic or bbr"},
	{"nodelay", DMAF_OPT_FLAG, "send small pieces at once"},
	{"cork", DMAF_OPT_FLAG, "send full packets only (200 ms at most)"},
	{"keepalive", DMAF_OPT_FLAG, "find out within 40 s that an idle peer is gone"},
	{"user-timeout", DMAF_OPT_DURATION, "give a peer up that acknowledges nothing for so long"},
	{"sndbuf", DMAF_OPT_SIZE, "bytes of send buffer; default: the kernel tunes it"},
	{"rcvbuf", DMAF_OPT_SIZE, "bytes of receive buffer; default: the kernel tunes it"},
	{0},
};

const struct dmaf_kind dmaf_kind_tcp = {
	.abi = DMAF_ABI,
	.name = "tcp",
	.help = "connect to a TCP peer and send to it, or receive from it",
	.main = "HOST:PORT",
	.opts = options,
	.source = &dmaf_tcp_source_ops,
	.sink = &dmaf_tcp_sink_ops,
};

const struct dmaf_kind dmaf_kind_tcp_listen = {
	.abi = DMAF_ABI,
	.name = "tcp-listen",
	.help = "wait for a TCP peer and receive from it, or send to it",
	.main = "[HOST:]PORT",
	.opts = options,
	.source = &dmaf_tcp_listen_source_ops,
	.sink = &dmaf_tcp_listen_sink_ops,
};
