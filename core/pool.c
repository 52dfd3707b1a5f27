/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/own.h"
#include "core/pool.h"

const char *dmaf_bytes_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	unsigned u = 0;

	while (u < 4 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		u++;
	}
	(void)snprintf(buf, size, "%" PRIu64 " %s", bytes, unit[u]);
	return buf;
}

static void cut_blocks(dmaf_pool *p)
{
	for (unsigned i = 0; i < p->terms.count; i++) {
		dmaf_buf *b = &p->bufs[i];

		b->pool = p;
		b->index = i;
		b->seg_cap = p->terms.segs;
		b->seg = &p->segs[(size_t)i * p->terms.segs];
		b->home = (struct dmaf_seg){p->region, (size_t)i * p->terms.stride, p->terms.block};
		b->owner = DMAF_OWNER_POOL;
		if (DMAF_OWN_CHECKED)
			dmaf_own_protect(b, DMAF_OWNER_POOL);
		/* The first block is taken first, so it lies on top of the stack. */
		p->free[p->terms.count - 1 - i] = b;
	}
	p->nfree = p->terms.count;
}

static int check_terms(const dmaf_region *r, const struct dmaf_terms *t, struct dmaf_err *err)
{
	size_t total;

	if (!t->block || !t->count || t->stride < t->block)
		return dmaf_fail(
			err, -EINVAL,
			"a pool of %u blocks of %zu bytes, %zu apart: each must be at least 1 "
			"and the distance at least a block",
			t->count, t->block, t->stride);
	if (t->align && (t->stride & (t->align - 1)))
		return dmaf_fail(err, -EINVAL,
				 "blocks %zu bytes apart do not start at multiples of %zu",
				 t->stride, t->align);
	if (__builtin_mul_overflow(t->stride, t->count, &total) || total > r->len)
		return dmaf_fail(err, -EINVAL, "%u blocks of %zu bytes do not fit %s of %zu bytes",
				 t->count, t->stride, r->name, r->len);
	return 0;
}

int dmaf_pool_create(dmaf_pool **out, dmaf_region *region, const struct dmaf_terms *terms,
		     const struct dmaf_pool_ops *ops, void *priv, struct dmaf_err *err)
{
	static const struct dmaf_pool_ops none;
	dmaf_pool *p;
	int rc;

	*out = NULL;
	rc = check_terms(region, terms, err);
	if (rc)
		return rc;
	p = calloc(1, sizeof(*p));
	if (!p)
		return dmaf_fail(err, -ENOMEM, "no memory for a pool");
	p->terms = *terms;
	if (!p->terms.segs)
		p->terms.segs = 1;
	p->ops = ops ? ops : &none;
	p->priv = priv;
	p->bufs = calloc(p->terms.count, sizeof(*p->bufs));
	p->segs = calloc((size_t)p->terms.count * p->terms.segs, sizeof(*p->segs));
	p->free = calloc(p->terms.count, sizeof(*p->free));
	if (!p->bufs || !p->segs || !p->free) {
		free(p->bufs);
		free(p->segs);
		free(p->free);
		free(p);
		return dmaf_fail(err, -ENOMEM, "no memory for %u buffers", terms->count);
	}
	p->region = dmaf_region_get(region);
	cut_blocks(p);
	*out = p;
	return 0;
}

static void unprotect(dmaf_pool *p)
{
	for (unsigned i = 0; i < p->terms.count; i++)
		dmaf_own_protect(&p->bufs[i], DMAF_OWNER_WRITER);
}

void dmaf_pool_share(dmaf_pool *p)
{
	if (DMAF_OWN_CHECKED)
		unprotect(p);
	p->overwriting = true;
}

void dmaf_pool_close(dmaf_pool *p)
{
	if (!p)
		return;
	if (p->kept) {
		fprintf(stderr,
			"dmaflow: %s: %u of %u buffers are still in use; their memory is kept "
			"until the program ends\n",
			p->region->name, p->kept, p->terms.count);
		return;
	}
	if (p->region) {
		assert(p->nfree == p->terms.count); /* a buffer is still out: a caller's bug */
		if (DMAF_OWN_CHECKED)
			unprotect(p);
		if (p->ops->destroy)
			p->ops->destroy(p);
		dmaf_region_put(p->region);
	}
	dmaf_addr_free(p->addr);
	free(p->bufs);
	free(p->segs);
	free(p->free);
	free(p);
}

dmaf_buf *dmaf_pool_try(dmaf_pool *p)
{
	dmaf_buf *b;

	if (!p->nfree)
		return NULL;
	b = p->free[--p->nfree];
	dmaf_own_move(b, DMAF_OWNER_POOL, DMAF_OWNER_WRITER, "taking");
	b->seg[0] = b->home;
	b->nsegs = 1;
	b->len = 0;
	b->flags = 0;
	b->status = 0;
	b->ticks = 0;
	b->ts_ns = 0;
	return b;
}

void dmaf_pool_put(dmaf_pool *p, dmaf_buf *b)
{
	if (p->ops->returned)
		p->ops->returned(p, b);
	assert(p->nfree < p->terms.count);
	p->free[p->nfree++] = b;
}

unsigned dmaf_pool_free_count(const dmaf_pool *p)
{
	return p->nfree;
}

unsigned dmaf_pool_count(const dmaf_pool *p)
{
	return p->terms.count;
}

const struct dmaf_terms *dmaf_pool_terms(const dmaf_pool *p)
{
	return &p->terms;
}

dmaf_region *dmaf_pool_region(const dmaf_pool *p)
{
	return p->region;
}

dmaf_buf *dmaf_pool_buf(const dmaf_pool *p, unsigned index)
{
	assert(index < p->terms.count);
	return &p->bufs[index];
}

void *dmaf_pool_priv(const dmaf_pool *p)
{
	return p->priv;
}

struct dmaf_err *dmaf_pool_err(dmaf_pool *p)
{
	return &p->err;
}

size_t dmaf_buf_room(const dmaf_buf *b)
{
	return b->pool->terms.block;
}

dmaf_iova dmaf_buf_iova(const dmaf_buf *b)
{
	const dmaf_region *r = b->home.region;
	dmaf_iova iova = dmaf_iova_none();

	for (unsigned i = 0; i < r->natt; i++)
		if (!dmaf_region_iova(r, r->att[i].engine, b->home.off, &iova, NULL))
			return iova;
	assert(0 && "dmaf_buf_iova: the region is attached to no engine that uses bus addresses");
	return iova;
}

void dmaf_buf_sent(dmaf_buf *b)
{
	dmaf_own_move(b, DMAF_OWNER_WRITER, DMAF_OWNER_READERS, "handing over");
	b->refs = 1;
	for (unsigned i = 0; i < b->nsegs; i++) {
		dmaf_region *r = b->seg[i].region;

		if (r->ops && r->ops->sync_for_cpu)
			r->ops->sync_for_cpu(r, b->seg[i].off, b->seg[i].len);
	}
}

void dmaf_buf_filled(dmaf_buf *b, size_t len)
{
	assert(len <= b->home.len);
	b->seg[0].len = len;
	b->len = len;
	dmaf_buf_sent(b);
}

void dmaf_buf_lend(dmaf_buf *b)
{
	if (DMAF_OWN_CHECKED)
		dmaf_own_expect(b, DMAF_OWNER_READERS, "lending");
	b->refs++;
}

/* The device gets the block next, whoever that is: the second of the two hand-overs. */
static void sync_for_device(dmaf_buf *b)
{
	dmaf_region *r = b->home.region;

	if (r->ops && r->ops->sync_for_device)
		r->ops->sync_for_device(r, b->home.off, b->home.len);
}

void dmaf_buf_return(dmaf_buf *b)
{
	if (DMAF_OWN_CHECKED)
		dmaf_own_expect(b, DMAF_OWNER_READERS, "returning");
	if (--b->refs)
		return;
	dmaf_own_move(b, DMAF_OWNER_READERS, DMAF_OWNER_POOL, "returning");
	sync_for_device(b);
	dmaf_pool_put(b->pool, b);
}

void dmaf_buf_abandon(dmaf_buf *b)
{
	dmaf_own_move(b, DMAF_OWNER_WRITER, DMAF_OWNER_POOL, "abandoning");
	dmaf_pool_put(b->pool, b);
}
