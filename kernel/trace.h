/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: /sys/kernel/tracing/events/dmaflow. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dmaflow

#if !defined(DMAFLOW_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DMAFLOW_TRACE_H

#include <linux/tracepoint.h>

/* clang-format off */

TRACE_EVENT(dmaflow_take,
	TP_PROTO(u32 dev, u32 index, u64 len),
	TP_ARGS(dev, index, len),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, index)
		__field(u64, len)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->index = index;
		__entry->len = len;
	),
	TP_printk("dmaflow%u block %u room %llu", __entry->dev, __entry->index, __entry->len)
);

TRACE_EVENT(dmaflow_done,
	TP_PROTO(u32 dev, u32 index, u64 len, u64 seq, u32 flags),
	TP_ARGS(dev, index, len, seq, flags),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, index)
		__field(u64, len)
		__field(u64, seq)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->index = index;
		__entry->len = len;
		__entry->seq = seq;
		__entry->flags = flags;
	),
	TP_printk("dmaflow%u block %u len %llu seq %llu flags %#x", __entry->dev, __entry->index,
		  __entry->len, __entry->seq, __entry->flags)
);

TRACE_EVENT(dmaflow_lost,
	TP_PROTO(u32 dev, u64 blocks, u32 why),
	TP_ARGS(dev, blocks, why),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u64, blocks)
		__field(u32, why)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->blocks = blocks;
		__entry->why = why;
	),
	TP_printk("dmaflow%u lost %llu: %s", __entry->dev, __entry->blocks,
		  __entry->why ? "device" : "no block")
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
