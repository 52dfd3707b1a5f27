/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>

#include <dmaflow/plugin.h>

int dmaf_gap_check(dmaf_sink *sink, const dmaf_buf *buf, uint64_t *next_seq, uint64_t *next_off,
		   uint64_t *skipped)
{
	uint64_t missing = buf->seq - *next_seq, bytes = buf->offset - *next_off;

	*skipped = 0;
	if (missing) {
		if (sink->on_gap == DMAF_GAP_STOP)
			return dmaf_fail(&sink->p.err, -EPIPE,
					 "%s: %" PRIu64 " buffers are missing at byte %" PRIu64
					 " of the stream, and on-gap=stop",
					 dmaf_addr_text(sink->p.addr), missing, *next_off);
		sink->p.count.lost += missing;
		sink->p.count.lost_bytes += bytes;
		if (sink->on_gap == DMAF_GAP_ZERO)
			*skipped = bytes;
	}
	*next_seq = buf->seq + 1;
	*next_off = buf->offset + buf->len;
	return 0;
}
