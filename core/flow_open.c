/* SPDX-License-Identifier: MIT */
/* Opening a flow: who plays what, whose memory, who is attached to it. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow_internal.h"
#include "core/kind.h"
#include "core/negotiate.h"
#include "core/pool.h"

static int failed(dmaf_flow *f, int rc, struct dmaf_party *p)
{
	dmaf_flow_failed(f, rc, &p->err, dmaf_addr_text(p->addr));
	return rc;
}

static int resolve_source(dmaf_flow *f)
{
	dmaf_source *s = &f->src;
	int rc = dmaf_kind_resolve(f->addr[0], DMAF_ROLE_SOURCE, &s->p.addr, &s->p.kind, &f->err);

	if (rc)
		return f->status = rc;
	s->ops = s->p.kind->source;
	s->max_delay_ns = dmaf_addr_u64(s->p.addr, "max-delay", UINT64_MAX);
	f->rate = dmaf_addr_u64(s->p.addr, "rate", 0);
	f->count_left = dmaf_addr_u64(s->p.addr, "count", UINT64_MAX);
	f->bytes_left = dmaf_addr_u64(s->p.addr, "bytes", UINT64_MAX);
	dmaf_addr_slice(s->p.addr, "slice", &f->slice_off, &f->slice_len);
	return 0;
}

static int resolve_stage(dmaf_flow *f, const char *address)
{
	struct dmaf_stage *s;
	int rc;

	if (f->nstages == DMAF_FLOW_STAGES)
		return f->status = dmaf_fail(&f->err, -EINVAL, "%s: more than %d stages", address,
					     DMAF_FLOW_STAGES);
	s = &f->stage[f->nstages].stage;
	rc = dmaf_kind_resolve(address, DMAF_ROLE_STAGE, &s->p.addr, &s->p.kind, &f->err);
	if (rc)
		return f->status = rc;
	f->nstages++;
	s->ops = s->p.kind->stage;
	return 0;
}

static int resolve_sink(dmaf_flow *f, const char *address)
{
	struct flow_sink *s;
	int rc;

	if (f->nsinks == DMAF_FLOW_SINKS)
		return f->status = dmaf_fail(&f->err, -EINVAL, "%s: more than %d sinks", address,
					     DMAF_FLOW_SINKS);
	s = &f->sink[f->nsinks];
	rc = dmaf_kind_resolve(address, DMAF_ROLE_SINK, &s->sink.p.addr, &s->sink.p.kind, &f->err);
	if (rc)
		return f->status = rc;
	f->nsinks++;
	s->sink.ops = s->sink.p.kind->sink;
	s->sink.on_gap = (int)dmaf_addr_u64(s->sink.p.addr, "on-gap", DMAF_GAP_SKIP);
	s->sink.stream = &f->stream;
	s->on_full = (enum on_full)dmaf_addr_u64(s->sink.p.addr, "on-full", ON_FULL_BLOCK);
	return 0;
}

/* What is acknowledged must be somewhere: a sink that may drop is no such place. */
static int check_acks(dmaf_flow *f)
{
	if (f->count_left != UINT64_MAX || f->bytes_left != UINT64_MAX)
		return f->status = dmaf_fail(
			       &f->err, -EINVAL,
			       "%s: %s= takes a part of the stream, and ack promises the sender "
			       "all of it; give %s= to the sender, or leave out ack",
			       f->addr[0], f->bytes_left != UINT64_MAX ? "bytes" : "count",
			       f->bytes_left != UINT64_MAX ? "bytes" : "count");
	for (unsigned k = 0; k < f->nsinks; k++)
		if (f->sink[k].on_full == ON_FULL_BLOCK)
			return 0;
	return f->status = dmaf_fail(
		       &f->err, -EINVAL,
		       "%s: acknowledges what is written, and every sink may drop (%s); give one "
		       "of them on-full=block, or leave out ack",
		       f->addr[0], dmaf_addr_text(f->sink[0].sink.p.addr));
}

static int check_policies(dmaf_flow *f)
{
	if (f->src.flags & DMAF_SRC_ACKS)
		return check_acks(f);
	for (unsigned k = 0; f->src.flags & DMAF_SRC_OVERWRITING && k < f->nsinks; k++)
		if (f->sink[k].on_full == ON_FULL_BLOCK)
			return f->status = dmaf_fail(
				       &f->err, -EINVAL,
				       "%s: on-full=block, but %s overwrites its memory and waits "
				       "for nobody; use on-full=drop-new or drop-old",
				       dmaf_addr_text(f->sink[k].sink.p.addr), f->addr[0]);
	return 0;
}

static int open_parties(dmaf_flow *f)
{
	int rc;

	f->src_opened = true;
	rc = f->src.ops->open(&f->src);
	if (rc)
		return failed(f, rc, &f->src.p);
	rc = check_policies(f);
	for (unsigned i = 0; !rc && i < f->nstages; i++) {
		struct flow_stage *s = &f->stage[i];

		s->opened = true;
		rc = s->stage.ops->open(&s->stage);
		if (rc)
			return failed(f, rc, &s->stage.p);
	}
	for (unsigned k = 0; !rc && k < f->nsinks; k++) {
		struct flow_sink *s = &f->sink[k];

		s->sink.durable = !!(f->src.flags & DMAF_SRC_DURABLE);
		s->opened = true;
		rc = s->sink.ops->open(&s->sink);
		if (rc)
			return failed(f, rc, &s->sink.p);
	}
	return rc;
}

/* Would this address be a stage between others? Unknown kinds are left to resolve_sink() to refuse.
 */
static bool can_be_stage(const char *address)
{
	const struct dmaf_kind *k = NULL;
	dmaf_addr *a;

	if (!dmaf_addr_parse(&a, address, NULL))
		k = dmaf_kind_find(dmaf_addr_kind(a), NULL);
	dmaf_addr_free(a);
	return k && k->stage;
}

static int insert_copy(dmaf_flow *f, unsigned at, const char *reason, dmaf_source *intact)
{
	struct flow_stage *s = &f->stage[at];
	struct copy_stage *c;
	int rc;

	if (f->nstages == DMAF_FLOW_STAGES)
		return f->status =
			       dmaf_fail(&f->err, -EINVAL, "more than %d stages", DMAF_FLOW_STAGES);
	c = calloc(1, sizeof(*c));
	if (!c)
		return f->status = dmaf_fail(&f->err, -ENOMEM, "no memory for a copy stage");
	c->reason = reason;
	c->src = intact;
	memmove(s + 1, s, (f->nstages - at) * sizeof(*s));
	memset(s, 0, sizeof(*s));
	f->nstages++;
	s->opened = true;
	s->stage.p.kind = &dmaf_copy_kind;
	s->stage.ops = &dmaf_copy_stage_ops;
	s->stage.p.priv = c;
	s->stage.transforms = 1;
	dmaf_note(&s->stage.p.count, "copying: %s", reason);
	rc = dmaf_addr_parse(&s->stage.p.addr, "copy:", &f->err);
	return rc ? f->status = rc : 0;
}

/* A domain: the parties from a producer to the next one with output memory of its own. */
struct domain {
	struct dmaf_seat seat[DMAF_NEGOTIATE_MAX];
	int stage_of[DMAF_NEGOTIATE_MAX], sink_of[DMAF_NEGOTIATE_MAX]; /* -1: neither */
	unsigned n;
	unsigned first, end; /* stages [first, end) lie in it; [end] transforms or doesn't exist */
};

static void sit(struct domain *d, const struct dmaf_party *p, int stage, int sink)
{
	d->seat[d->n] = (struct dmaf_seat){dmaf_addr_text(p->addr), &p->need};
	d->stage_of[d->n] = stage;
	d->sink_of[d->n++] = sink;
}

/* @first: stage whose input is the domain's; its producer is stage first-1 or the source. */
static void gather(dmaf_flow *f, struct domain *d, unsigned first, const struct dmaf_need *produced)
{
	unsigned i;

	d->n = 0;
	d->first = first;
	if (first) {
		d->seat[0] = (struct dmaf_seat){dmaf_addr_text(f->stage[first - 1].stage.p.addr),
						produced};
		d->stage_of[0] = (int)first - 1;
		d->sink_of[0] = -1;
		d->n = 1;
	} else {
		sit(d, &f->src.p, -1, -1);
	}
	for (i = first; i < f->nstages; i++) {
		if (f->stage[i].stage.transforms) {
			/* A transforming stage's need speaks of its output; its input is any. */
			break;
		}
		sit(d, &f->stage[i].stage.p, (int)i, -1);
	}
	d->end = i;
	for (unsigned k = 0; i == f->nstages && k < f->nsinks; k++)
		sit(d, &f->sink[k].sink.p, -1, (int)k);
}

static int default_pool(dmaf_flow *f, const struct dmaf_terms *terms, dmaf_pool **pool)
{
	const struct dmaf_kind *k = dmaf_kind_find("memory", &f->err);
	dmaf_addr *a;
	int rc;

	if (!k || !k->pool)
		return -EINVAL;
	rc = dmaf_addr_parse(&a, "memory:", &f->err);
	if (rc)
		return rc;
	rc = k->pool->open(a, terms, pool, &f->err);
	dmaf_addr_free(a);
	return rc;
}

static int make_pool(dmaf_flow *f, struct domain *d, const struct dmaf_terms *t, int owner)
{
	struct flow_pool *fp = &f->pool[f->npools];
	struct dmaf_party *p;
	int rc;

	assert(owner < 0 || (owner < (int)d->n && d->seat[owner].need));
	if (owner < 0) {
		rc = default_pool(f, t, &fp->pool);
		if (rc)
			return f->status = rc;
		(void)snprintf(fp->why, sizeof(fp->why), "the flow's; every party takes it");
	} else if (d->sink_of[owner] >= 0) {
		dmaf_sink *s = &f->sink[d->sink_of[owner]].sink;

		p = &s->p;
		rc = s->ops->pool(s, t, &fp->pool);
	} else if (d->stage_of[owner] >= 0) {
		dmaf_stage *s = &f->stage[d->stage_of[owner]].stage;

		p = &s->p;
		rc = s->ops->pool(s, t, &fp->pool);
	} else {
		p = &f->src.p;
		rc = f->src.ops->pool(&f->src, t, &fp->pool);
	}
	if (rc)
		return failed(f, rc, p);
	if (owner >= 0)
		(void)snprintf(fp->why, sizeof(fp->why), "of %.60s, which %s", d->seat[owner].label,
			       d->seat[owner].need->own == DMAF_OWN_MUST ? "works in no other"
									 : "offers it");
	(void)snprintf(fp->memory, sizeof(fp->memory), "%s", dmaf_pool_region(fp->pool)->name);
	f->npools++;
	return 0;
}

static int attach_domain(dmaf_flow *f, struct domain *d, dmaf_pool *pool)
{
	int rc = 0;

	if (d->first == 0) {
		f->src.pool = pool;
		if (f->src.flags & DMAF_SRC_OVERWRITING)
			dmaf_pool_share(pool);
		if (f->src.ops->attach)
			rc = f->src.ops->attach(&f->src);
		if (rc)
			return failed(f, rc, &f->src.p);
	} else {
		f->stage[d->first - 1].stage.pool = pool;
	}
	for (unsigned i = d->first; i <= d->end && i < f->nstages; i++) {
		f->stage[i].stage.in_pool = pool;
		if (!f->stage[i].stage.transforms)
			f->stage[i].stage.pool = pool;
		if (dmaf_queue_init(&f->stage[i].in, dmaf_pool_count(pool)))
			return f->status = dmaf_fail(&f->err, -ENOMEM, "no memory for a queue");
	}
	for (unsigned k = 0; d->end == f->nstages && k < f->nsinks; k++) {
		struct flow_sink *s = &f->sink[k];

		s->sink.pool = pool;
		if (dmaf_queue_init(&s->in, dmaf_pool_count(pool)))
			return f->status = dmaf_fail(&f->err, -ENOMEM, "no memory for a queue");
		if (s->sink.ops->attach)
			rc = s->sink.ops->attach(&s->sink);
		if (rc)
			return failed(f, rc, &s->sink.p);
	}
	return 0;
}

/* Two parties share no memory: a copy goes in front of the second. */
static int part(dmaf_flow *f, const struct domain *d, int owner, int second)
{
	unsigned at = d->stage_of[second] >= 0 ? (unsigned)d->stage_of[second] : d->end;

	if (at && at == d->first && f->stage[at - 1].stage.ops == &dmaf_copy_stage_ops)
		return f->status = dmaf_fail(&f->err, -EINVAL,
					     "%s and %s share no memory, and one buffer can't lie "
					     "in both; run them in two flows",
					     d->seat[owner].label, d->seat[second].label);
	return insert_copy(f, at, dmaf_copy_mismatch, NULL);
}

static int open_domain(dmaf_flow *f, struct domain *d, struct dmaf_wish *wish,
		       const struct dmaf_need *produced)
{
	struct dmaf_terms terms;
	int owner, second, rc;

	gather(f, d, d->first, produced);
	rc = dmaf_negotiate(d->seat, d->n, wish, &terms, &owner, &second, &f->err);
	while (!rc && second >= 0) {
		rc = part(f, d, owner, second);
		if (rc)
			return rc;
		gather(f, d, d->first, produced);
		rc = dmaf_negotiate(d->seat, d->n, wish, &terms, &owner, &second, &f->err);
	}
	if (rc)
		return f->status = rc;
	if (d->first == 0)
		terms.memory = dmaf_addr_str(f->src.p.addr, "memory", NULL);
	rc = make_pool(f, d, &terms, owner);
	return rc ? rc : attach_domain(f, d, f->pool[f->npools - 1].pool);
}

static int open_memory(dmaf_flow *f)
{
	struct dmaf_wish wish = {
		.label = f->addr[0],
		.block = (size_t)dmaf_addr_u64(f->src.p.addr, "block", 0),
		.count = (unsigned)dmaf_addr_u64(f->src.p.addr, "blocks", 0),
		.slice_off = f->slice_off,
		.slice_len = f->slice_len,
	};
	struct dmaf_need produced = {0};
	struct domain d = {.first = 0};
	int rc = open_domain(f, &d, &wish, &produced);

	while (!rc && d.end < f->nstages) {
		struct dmaf_stage *s = &f->stage[d.end].stage;

		produced = s->p.need;
		if (s->ops == &dmaf_copy_stage_ops) {
			const struct dmaf_terms *in = dmaf_pool_terms(s->in_pool);

			produced = (struct dmaf_need){.block_min = in->block,
						      .block_want = in->block,
						      .count_want = in->count};
		}
		d.first = d.end + 1;
		wish = (struct dmaf_wish){.label = s->ops == &dmaf_copy_stage_ops
							   ? f->addr[0]
							   : dmaf_addr_text(s->p.addr)};
		rc = open_domain(f, &d, &wish, &produced);
	}
	for (unsigned i = 0; !rc && i < f->nstages; i++) {
		struct dmaf_stage *s = &f->stage[i].stage;

		s->in_stream = i ? &f->stage[i - 1].stage.stream : &f->src.stream;
		rc = s->ops->attach ? s->ops->attach(s) : 0;
		if (rc)
			return failed(f, rc, &s->p);
		if (!(f->src.flags & DMAF_SRC_ACKS) || !s->transforms)
			continue;
		f->holds = true;
		if (dmaf_hold_init(&f->stage[i]))
			return f->status = dmaf_fail(&f->err, -ENOMEM, "no memory for a stage");
	}
	return rc;
}

static void set_limits(dmaf_flow *f)
{
	for (unsigned k = 0; k < f->nsinks; k++) {
		struct flow_sink *s = &f->sink[k];
		unsigned all = s->in.cap;
		unsigned limit = (unsigned)dmaf_addr_u64(s->sink.p.addr, "queue", all);

		/* A sink that may drop leaves the source and the other sinks something to work
		 * with. */
		if (s->on_full != ON_FULL_BLOCK && !dmaf_addr_has(s->sink.p.addr, "queue"))
			limit = all > 1 ? (f->nsinks > 1 ? all / 2 : all - (all + 3) / 4) : 1;
		s->limit = limit > all ? all : limit ? limit : 1;
	}
}

static int find_resume(dmaf_flow *f)
{
	for (unsigned k = 0; k < f->nsinks; k++) {
		dmaf_sink *s = &f->sink[k].sink;
		struct dmaf_resume r = {0};
		int rc = s->ops->resume ? s->ops->resume(s, &r) : 0;

		if (rc < 0)
			return failed(f, rc, &s->p);
		if (!rc)
			continue;
		if (f->resume_known && memcmp(&r, &f->resume, sizeof(r)) != 0)
			return f->status =
				       dmaf_fail(&f->err, -EINVAL,
						 "%s: another place to go on from than the sinks "
						 "before it; go on with one of them alone first",
						 dmaf_addr_text(s->p.addr));
		f->resume = r;
		f->resume_known = true;
	}
	return 0;
}

static int check_stdio(dmaf_flow *f)
{
	unsigned out = 0;

	for (unsigned k = 0; k < f->nsinks; k++)
		if (!strcmp(dmaf_addr_kind(f->sink[k].sink.p.addr), "-"))
			out++;
	if (out && !strcmp(dmaf_addr_kind(f->src.p.addr), "-"))
		return f->status =
			       dmaf_fail(&f->err, -EINVAL,
					 "'-' is both ends of the flow; name one of them, such as "
					 "file:/dev/stdin or pipe:/dev/stdout");
	if (out > 1)
		return f->status = dmaf_fail(
			       &f->err, -EINVAL,
			       "'-' is a sink %u times; standard output can be one once", out);
	return 0;
}

int dmaf_flow_open(dmaf_flow *f)
{
	unsigned i = 1;
	int rc;

	if (f->naddr < 2)
		return f->status = dmaf_fail(&f->err, -EINVAL,
					     "a flow needs a source and a sink: SOURCE [STAGE...] "
					     "SINK [SINK...]");
	/* All are looked at before the first is opened, so that nothing is half-written. */
	rc = resolve_source(f);
	while (!rc && i < f->naddr - 1 && can_be_stage(f->addr[i]))
		rc = resolve_stage(f, f->addr[i++]);
	while (!rc && i < f->naddr)
		rc = resolve_sink(f, f->addr[i++]);
	if (!rc)
		rc = check_stdio(f);
	if (!rc)
		rc = open_parties(f);
	if (!rc && (f->src.flags & DMAF_SRC_OVERWRITING))
		rc = insert_copy(f, 0, dmaf_copy_overwriting, &f->src);
	if (!rc)
		rc = open_memory(f);
	if (rc)
		return rc;
	set_limits(f);
	rc = find_resume(f);
	if (!rc)
		f->state = FLOW_OPEN;
	return rc;
}
