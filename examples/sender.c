/* SPDX-License-Identifier: MIT */
/*
 * A program that drives its own device and streams what it gives over TCP without copying.
 *
 *	cc sender.c $(pkg-config --cflags --libs dmaflow) -o sender
 *	./sender memory:block=1M,blocks=16 tcp:127.0.0.1:9000,frame,ack
 *
 * Against real hardware only the first address changes, and read_device() starts a transfer to
 * dmaf_buf_iova(buf) instead of writing to dmaf_buf_data(buf).
 */
#include <dmaflow/flow.h>

#include <string.h>

#define BLOCKS_TO_SEND 64

/* Stands for the device: fills @room bytes and says how many it filled. */
static size_t read_device(void *to, size_t room, unsigned block)
{
	memset(to, 'a' + (int)(block % 26), room);
	return room;
}

int main(int argc, char **argv)
{
	const char *from = argc > 1 ? argv[1] : "memory:block=1M,blocks=16";
	const char *to = argc > 2 ? argv[2] : "tcp:127.0.0.1:9000,frame,ack";
	dmaf_pool *pool = NULL;
	dmaf_sink *sink = NULL;
	dmaf_buf *buf;
	int err;

	if ((err = dmaf_pool_open(&pool, from)) || (err = dmaf_sink_open(&sink, pool, to)))
		goto out;
	for (unsigned i = 0; i < BLOCKS_TO_SEND && !(err = dmaf_pool_take(pool, &buf, -1)); i++) {
		dmaf_buf_filled(buf, read_device(dmaf_buf_data(buf), dmaf_buf_room(buf), i));
		if ((err = dmaf_sink_submit(sink, buf))) /* takes buf, even on error */
			break;
	}
	if (!err)
		err = dmaf_sink_drain(sink, 5000);
out:
	if (err)
		dmaf_explain(stderr, err, pool, sink);
	dmaf_sink_close(sink);
	dmaf_pool_close(pool);
	return err ? 1 : 0;
}
