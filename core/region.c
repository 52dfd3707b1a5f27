/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dmaflow/region.h>

void dmaf_region_init(dmaf_region *r, const struct dmaf_region_ops *ops, void *cpu, size_t len,
		      size_t page, unsigned backing, const char *name)
{
	assert(page && !(page & (page - 1)) && len % page == 0);
	*r = (struct dmaf_region){
		.ops = ops,
		.cpu = cpu,
		.len = len,
		.page = page,
		.backing = backing,
		.fd = -1,
		.refs = 1,
	};
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
}

dmaf_region *dmaf_region_get(dmaf_region *r)
{
	r->refs++;
	return r;
}

void dmaf_region_put(dmaf_region *r)
{
	if (!r)
		return;
	assert(r->refs);
	if (--r->refs)
		return;
	while (r->natt)
		dmaf_region_detach(r, r->att[r->natt - 1].engine);
	if (r->ops && r->ops->release)
		r->ops->release(r);
}

int dmaf_region_attach(dmaf_region *r, dmaf_engine *engine, struct dmaf_err *err)
{
	struct dmaf_attachment att = {.engine = engine};
	int rc;

	if (dmaf_region_find(r, engine))
		return 0;
	if (r->natt == DMAF_ATTACH_MAX)
		return dmaf_fail(err, -ENOSPC,
				 "%s: already attached to %d engines, %s is one too many", r->name,
				 DMAF_ATTACH_MAX, engine->name);
	rc = engine->ops->attach(engine, r, &att, err);
	if (rc)
		return rc;
	r->att[r->natt++] = att;
	return 0;
}

void dmaf_region_detach(dmaf_region *r, dmaf_engine *engine)
{
	for (unsigned i = 0; i < r->natt; i++) {
		struct dmaf_attachment att = r->att[i];

		if (att.engine != engine)
			continue;
		r->natt--;
		memmove(&r->att[i], &r->att[i + 1], (r->natt - i) * sizeof(att));
		if (engine->ops->detach)
			engine->ops->detach(engine, r, &att);
		return;
	}
}

int dmaf_region_iova(const dmaf_region *r, const dmaf_engine *engine, size_t off, dmaf_iova *iova,
		     size_t *run)
{
	const struct dmaf_attachment *att = dmaf_region_find(r, engine);

	if (!att || !att->nsegs)
		return -ENXIO;
	if (off >= r->len)
		return -ERANGE;
	for (unsigned i = 0; i < att->nsegs; i++) {
		const struct dmaf_bus_seg *s = &att->segs[i];

		if (off < s->off || off - s->off >= s->len)
			continue;
		*iova = dmaf_iova_make(dmaf_iova_value(s->iova) + (off - s->off));
		if (run)
			*run = s->len - (off - s->off);
		return 0;
	}
	return -ERANGE;
}
