/* SPDX-License-Identifier: MIT */
/* Snapshots of a flow, for whoever looks at it from another thread. */
#include "core/flow_internal.h"
#include "core/pool.h"

static void party(struct dmaf_party_figures *to, const struct dmaf_party *p, unsigned held)
{
	(void)snprintf(to->address, sizeof(to->address), "%s",
		       p->addr ? dmaf_addr_text(p->addr) : "");
	to->count = p->count;
	to->held = held;
}

void dmaf_flow_snapshot(dmaf_flow *f)
{
	struct dmaf_figures *g = &f->figures;

	f->snapshot_at = f->now + SNAPSHOT_NS;
	pthread_mutex_lock(&f->figures_lock);
	g->at_ns = dmaf_now_ns();
	g->started_ns = f->started_ns;
	g->ended_ns = f->ended_ns;
	g->first_byte_ns = f->first_byte_ns;
	party(&g->source, &f->src.p, f->src_held);
	g->nstages = f->nstages;
	for (unsigned i = 0; i < f->nstages; i++)
		party(&g->stage[i], &f->stage[i].stage.p, f->stage[i].held + f->stage[i].in.n);
	g->nsinks = f->nsinks;
	for (unsigned k = 0; k < f->nsinks; k++)
		party(&g->sink[k], &f->sink[k].sink.p, f->sink[k].held + f->sink[k].in.n);
	if (f->npools) {
		dmaf_pool *p = f->pool[0].pool;

		g->pool_count = p->terms.count;
		g->pool_free = p->nfree;
		g->block = p->terms.block;
		g->region_len = p->region->len;
		(void)snprintf(g->memory, sizeof(g->memory), "%s", f->pool[0].memory);
		(void)snprintf(g->memory_why, sizeof(g->memory_why), "%s", f->pool[0].why);
	}
	g->lat_n = f->sink[0].latency.n;
	g->lat_p50 = dmaf_hist_at(&f->sink[0].latency, 0.5);
	g->lat_p99 = dmaf_hist_at(&f->sink[0].latency, 0.99);
	g->lat_max = f->sink[0].latency.max;
	pthread_mutex_unlock(&f->figures_lock);
}

void dmaf_flow_figures(dmaf_flow *f, struct dmaf_figures *out)
{
	pthread_mutex_lock(&f->figures_lock);
	*out = f->figures;
	pthread_mutex_unlock(&f->figures_lock);
}
