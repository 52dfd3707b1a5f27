/* SPDX-License-Identifier: MIT */
/*
 * Inputs of a transforming stage, behind a source that tells the other side what is done: the stage
 * is done with an input long before the sinks have what was made of it. Each input is kept until
 * the outputs that may hold a part of it have come back.
 *
 * Which output comes from which input only the stage knows. What every stage keeps to is the order:
 * all that came out of an input was given before it is reaped. So the outputs between two reaped
 * inputs make a group with the second one, and inputs are let go in order.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/flow_internal.h"

/* A reaped input and the outputs of its group that are still out; .in is NULL until it is reaped.
 */
struct hold_group {
	dmaf_buf *in;
	unsigned out;
	int status; /* of the first output that failed */
};

struct flow_hold {
	unsigned cap;
	uint64_t reaped, let_go;   /* groups closed, groups given back */
	struct hold_group *group;  /* [cap] by number; one more than there are inputs */
	uint64_t *of;              /* [outputs] group by the output's index */
	const dmaf_pool *out_pool; /* whose buffers .of speaks of */
};

static struct hold_group *at(struct flow_hold *h, uint64_t number)
{
	return &h->group[number % h->cap];
}

int dmaf_hold_init(struct flow_stage *s)
{
	struct flow_hold *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	s->hold = h;
	h->cap = dmaf_pool_count(s->stage.in_pool) + 1;
	h->out_pool = s->stage.pool;
	h->group = calloc(h->cap, sizeof(*h->group));
	h->of = calloc(dmaf_pool_count(s->stage.pool), sizeof(*h->of));
	return h->group && h->of ? 0 : -ENOMEM;
}

void dmaf_hold_free(struct flow_stage *s)
{
	if (!s->hold)
		return;
	free(s->hold->group);
	free(s->hold->of);
	free(s->hold);
	s->hold = NULL;
}

static void let_go(dmaf_flow *f, struct flow_hold *h)
{
	while (h->let_go < h->reaped && !at(h, h->let_go)->out) {
		struct hold_group *g = at(h, h->let_go++);
		dmaf_buf *in = g->in;

		if (!in->status)
			in->status = g->status;
		*g = (struct hold_group){0};
		dmaf_flow_release(f, in);
	}
}

void dmaf_hold_out(struct flow_stage *s, dmaf_buf *const *bufs, unsigned n)
{
	struct flow_hold *h = s->hold;

	at(h, h->reaped)->out += n;
	for (unsigned i = 0; i < n; i++)
		h->of[bufs[i]->index] = h->reaped;
}

void dmaf_hold_in(dmaf_flow *f, struct flow_stage *s, dmaf_buf *in)
{
	struct flow_hold *h = s->hold;

	at(h, h->reaped++)->in = in;
	let_go(f, h);
}

void dmaf_hold_back(dmaf_flow *f, const dmaf_buf *out)
{
	for (unsigned i = 0; i < f->nstages; i++) {
		struct flow_hold *h = f->stage[i].hold;
		struct hold_group *g;

		if (!h || h->out_pool != out->pool)
			continue;
		g = at(h, h->of[out->index]);
		g->out--;
		if (!g->status)
			g->status = out->status;
		let_go(f, h);
	}
}
