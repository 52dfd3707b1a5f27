/* SPDX-License-Identifier: MIT */
/*
 * hash: XXH3 (128 bits) of everything that passes, told at the end, so that two ends can be
 * compared without keeping the data. Buffers are passed on as they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include <dmaflow/plugin.h>

#include "plugins/plugins.h"

static const char reason[] = "hash";

struct hash {
	XXH3_state_t *state;
	dmaf_buf **passing; /* hashed, not yet dequeued */
	unsigned head, n, cap;
	int told;
};

static int hash_open(dmaf_stage *stage)
{
	struct hash *h = calloc(1, sizeof(*h));

	stage->p.priv = h;
	if (h)
		h->state = XXH3_createState();
	if (!h || !h->state)
		return dmaf_fail(&stage->p.err, -ENOMEM, "hash: no memory");
	XXH3_128bits_reset(h->state);
	stage->p.count.path = "xxh3-128";
	return 0;
}

static int hash_attach(dmaf_stage *stage)
{
	struct hash *h = stage->p.priv;

	h->cap = dmaf_pool_count(stage->in_pool);
	h->passing = calloc(h->cap, sizeof(dmaf_buf *));
	return h->passing ? 0 : dmaf_fail(&stage->p.err, -ENOMEM, "hash: no memory");
}

static int hash_submit(dmaf_stage *stage, dmaf_buf *const *bufs, unsigned n)
{
	struct hash *h = stage->p.priv;
	unsigned i;

	for (i = 0; i < n && h->n < h->cap; i++) {
		unsigned at = h->head + h->n++;

		for (unsigned s = 0; s < bufs[i]->nsegs; s++)
			XXH3_128bits_update(h->state, dmaf_seg_data(&bufs[i]->seg[s]),
					    bufs[i]->seg[s].len);
		dmaf_copied(&stage->p.count, reason, bufs[i]->len);
		h->passing[at >= h->cap ? at - h->cap : at] = bufs[i];
	}
	return (int)i;
}

static int hash_dequeue(dmaf_stage *stage, dmaf_buf **bufs, unsigned n)
{
	struct hash *h = stage->p.priv;
	unsigned i;

	for (i = 0; i < n && h->n; i++, h->n--) {
		bufs[i] = h->passing[h->head];
		h->head = h->head + 1 == h->cap ? 0 : h->head + 1;
	}
	return (int)i;
}

static int hash_flush(dmaf_stage *stage)
{
	struct hash *h = stage->p.priv;
	XXH128_canonical_t c;
	char hex[2 * sizeof(c.digest) + 1];

	if (h->told)
		return 0;
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(h->state));
	for (unsigned i = 0; i < sizeof(c.digest); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", c.digest[i]);
	dmaf_note(&stage->p.count, "xxh128 %s", hex);
	h->told = 1;
	return 0;
}

static void hash_wait(dmaf_stage *stage, struct dmaf_wait *w)
{
	(void)stage; /* nothing ever waits inside */
	(void)w;
}

static void hash_close(dmaf_stage *stage)
{
	struct hash *h = stage->p.priv;

	if (!h)
		return;
	XXH3_freeState(h->state);
	free(h->passing);
	free(h);
}

static const struct dmaf_stage_ops hash_stage = {
	.open = hash_open,
	.attach = hash_attach,
	.submit = hash_submit,
	.dequeue = hash_dequeue,
	.flush = hash_flush,
	.wait = hash_wait,
	.close = hash_close,
};

const struct dmaf_kind dmaf_kind_hash = {
	.abi = DMAF_ABI,
	.name = "hash",
	.help = "XXH3 (128 bits) of all that passes, told at the end as xxhsum -H2 would",
	.main = "",
	.stage = &hash_stage,
};
