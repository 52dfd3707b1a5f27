/* SPDX-License-Identifier: MIT */
#include "plugins/faulty/faulty.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/kind.h"
#include "core/words.h"
#include "plugins/plugins.h"

static const char *const ops[] = {
	[FAULTY_SUBMIT] = "submit",
	[FAULTY_REAP] = "reap",
	[FAULTY_DEQUEUE] = "dequeue",
	[FAULTY_QUEUE] = "queue",
	[FAULTY_OPEN] = "open",
	[FAULTY_ATTACH] = "attach",
	[FAULTY_START] = "start",
	[FAULTY_BEGIN] = "begin",
	[FAULTY_FLUSH] = "flush",
	[FAULTY_STOP] = "stop",
	[FAULTY_FINISH] = "finish",
	[FAULTY_COMPLETE] = "complete",
	NULL,
};

#define BIT(op) (1u << FAULTY_##op)
static const unsigned ops_of[] = {
	[FAULTY_IS_SOURCE] = BIT(OPEN) | BIT(ATTACH) | BIT(START) | BIT(DEQUEUE) | BIT(QUEUE) |
			     BIT(STOP) | BIT(FINISH),
	[FAULTY_IS_STAGE] =
		BIT(OPEN) | BIT(ATTACH) | BIT(SUBMIT) | BIT(DEQUEUE) | BIT(REAP) | BIT(FLUSH),
	[FAULTY_IS_SINK] = BIT(OPEN) | BIT(ATTACH) | BIT(BEGIN) | BIT(SUBMIT) | BIT(REAP) |
			   BIT(FLUSH) | BIT(COMPLETE),
};

static const struct dmaf_opt options[] = {
	{"short", DMAF_OPT_FLAG, "takes and gives one buffer a call, and now and then none"},
	{"delay", DMAF_OPT_DURATION, "gives each buffer this much later", 1},
	{"reorder", DMAF_OPT_FLAG, "gives buffers back in any order"},
	{"keep", DMAF_OPT_COUNT, "keeps this many buffers until the stream ends", 1, 4096},
	{"pace", DMAF_OPT_RATE, "takes this many bytes per second at most", 1},
	{"fail-op", DMAF_OPT_WORD, "the call that fails", .words = ops},
	{"fail-at", DMAF_OPT_COUNT, "its n-th call fails (1)", 1},
	{"stall-after", DMAF_OPT_COUNT, "moves nothing for a while after this many buffers", 0},
	{"stall", DMAF_OPT_DURATION, "how long (100ms)", 1},
	{"gap-every", DMAF_OPT_COUNT, "source: loses one buffer after so many", 1},
	{"partial-every", DMAF_OPT_COUNT, "source: every n-th buffer is half full", 2},
	{"error-every", DMAF_OPT_COUNT, "source: every n-th buffer is marked as damaged", 1},
	{"seed", DMAF_OPT_COUNT, "start value of the pattern and of chance", 0},
	{NULL},
};

static int read_failure(struct faulty *f, const struct dmaf_party *p, enum faulty_role role,
			struct dmaf_err *err)
{
	char list[128] = "";

	f->fail_op = -1;
	if (!dmaf_addr_has(p->addr, "fail-op") && !dmaf_addr_has(p->addr, "fail-at"))
		return 0;
	f->fail_at = dmaf_addr_u64(p->addr, "fail-at", 1);
	f->fail_op = (int)dmaf_addr_u64(p->addr, "fail-op",
					role == FAULTY_IS_SOURCE ? FAULTY_DEQUEUE : FAULTY_SUBMIT);
	if (ops_of[role] & 1u << f->fail_op)
		return 0;
	for (unsigned i = 0; i < FAULTY_OPS; i++)
		if (ops_of[role] & 1u << i)
			dmaf_word_append(list, sizeof(list), ops[i]);
	return dmaf_fail(err, -EINVAL, "%s: fail-op=%s is never called here; there are: %s",
			 dmaf_addr_text(p->addr), ops[f->fail_op], list);
}

static int resolve(struct faulty *f, struct dmaf_party *p, enum faulty_role role)
{
	static const enum dmaf_role roles[] = {DMAF_ROLE_SOURCE, DMAF_ROLE_STAGE, DMAF_ROLE_SINK};
	static const char *const outer[] = {"block", "blocks",   "memory", "count",
					    "bytes", "duration", "slice",  "queue"};
	const char *address = dmaf_addr_main(p->addr);
	int rc;

	if (!*address)
		return 0;
	if (f->gap_every || f->partial_every)
		return dmaf_fail(&p->err, -EINVAL,
				 "%s: gap-every= and partial-every= change what is read; leave %s "
				 "out, so that it makes its own",
				 dmaf_addr_text(p->addr), address);
	rc = dmaf_kind_resolve(address, roles[role], &f->inner.p.addr, &f->inner.p.kind, &p->err);
	for (unsigned i = 0; !rc && i < sizeof(outer) / sizeof(*outer); i++)
		if (dmaf_addr_has(f->inner.p.addr, outer[i]))
			rc = dmaf_fail(&p->err, -EINVAL,
				       "%s: %s= is the flow's; write it behind the inner address "
				       "with a comma of its own, not \\,",
				       dmaf_addr_text(p->addr), outer[i]);
	return rc;
}

int faulty_open(struct faulty **out, struct dmaf_party *p, enum faulty_role role)
{
	const dmaf_addr *a = p->addr;
	struct faulty *f = calloc(1, sizeof(*f));
	int rc;

	*out = f;
	if (!f)
		return dmaf_fail(&p->err, -ENOMEM, "faulty: no memory");
	p->priv = f;
	f->party = p;
	f->briefly = dmaf_addr_u64(a, "short", 0);
	f->reorder = dmaf_addr_u64(a, "reorder", 0);
	f->delay_ns = dmaf_addr_u64(a, "delay", 0);
	f->keep = dmaf_addr_u64(a, "keep", 0);
	f->pace = dmaf_addr_u64(a, "pace", 0);
	f->stall_after =
		dmaf_addr_u64(a, "stall-after", dmaf_addr_has(a, "stall") ? 0 : UINT64_MAX);
	f->stall_ns = dmaf_addr_u64(a, "stall", 100000000u);
	f->gap_every = dmaf_addr_u64(a, "gap-every", 0);
	f->partial_every = dmaf_addr_u64(a, "partial-every", 0);
	f->error_every = dmaf_addr_u64(a, "error-every", 0);
	f->random = dmaf_addr_u64(a, "seed", 0) * 2 + 1;
	if (role != FAULTY_IS_SOURCE && (f->gap_every || f->partial_every || f->error_every))
		return dmaf_fail(&p->err, -EINVAL,
				 "%s: gap-every=, partial-every= and error-every= are a source's",
				 dmaf_addr_text(a));
	rc = read_failure(f, p, role, &p->err);
	return rc ? rc : resolve(f, p, role);
}

int faulty_attach(struct faulty *f, struct dmaf_party *p, const dmaf_pool *pool)
{
	f->party = p;
	f->cap = dmaf_pool_count(pool);
	f->late = calloc(f->cap, sizeof(*f->late));
	if (!f->late)
		return dmaf_fail(&p->err, -ENOMEM, "faulty: no memory");
	return 0;
}

void faulty_free(struct faulty *f)
{
	if (!f)
		return;
	dmaf_addr_free(f->inner.p.addr);
	free(f->late);
	free(f);
}

int faulty_call(struct faulty *f, enum faulty_op op)
{
	if (++f->calls[op] != f->fail_at || (int)op != f->fail_op)
		return 0;
	return dmaf_fail(&f->party->err, -EIO,
			 "%s: %s number %" PRIu64 " failed, as it was told to",
			 dmaf_addr_text(f->party->addr), ops[op], f->fail_at);
}

int faulty_pass(struct faulty *f, int rc)
{
	struct dmaf_counters *c = &f->party->count, flow = *c;

	if (f->inner.p.kind) {
		*c = f->inner.p.count;
		/* These are counted by the flow. */
		c->buffers = flow.buffers;
		c->bytes = flow.bytes;
		c->dropped = flow.dropped;
		c->stalls = flow.stalls;
	}
	if (rc < 0 && f->inner.p.err.code)
		f->party->err = f->inner.p.err;
	return rc;
}

static unsigned chance(struct faulty *f, unsigned below)
{
	/* Marsaglia's xorshift: cheap, and the same with every run. */
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return (unsigned)((f->random >> 32) % below);
}

bool faulty_stalled(struct faulty *f)
{
	if (f->cancelled || f->taken < f->stall_after)
		return false;
	if (!f->stall_until)
		f->stall_until = dmaf_now_ns() + f->stall_ns;
	return dmaf_now_ns() < f->stall_until;
}

/* When the pace allows more; 0: now. */
static uint64_t pace_until(struct faulty *f)
{
	uint64_t due;

	if (!f->pace || !f->paced)
		return 0;
	due = f->paced_from_ns + (uint64_t)((double)f->paced * 1e9 / (double)f->pace);
	return due > dmaf_now_ns() ? due : 0;
}

bool faulty_held_up(struct faulty *f)
{
	return faulty_stalled(f) || pace_until(f);
}

unsigned faulty_takes(struct faulty *f, unsigned n)
{
	if (faulty_held_up(f))
		return 0;
	if (!f->briefly && !f->pace)
		return n;
	return f->briefly && !chance(f, 3) ? 0 : n > 0;
}

void faulty_took(struct faulty *f, dmaf_buf *const *bufs, int n)
{
	for (int i = 0; i < n; i++) {
		f->taken++;
		if (!f->paced)
			f->paced_from_ns = dmaf_now_ns();
		f->paced += bufs[i]->len;
	}
}

unsigned faulty_late_room(const struct faulty *f)
{
	return f->cap - f->nlate < FAULTY_BATCH ? f->cap - f->nlate : FAULTY_BATCH;
}

void faulty_late_add(struct faulty *f, dmaf_buf *const *bufs, int n)
{
	uint64_t due = f->delay_ns ? dmaf_now_ns() + f->delay_ns : 0;

	for (int i = 0; i < n; i++)
		f->late[f->nlate++] = (struct faulty_late){bufs[i], due};
}

static bool may_give(const struct faulty *f, const struct faulty_late *l, uint64_t now)
{
	if (f->cancelled)
		return true;
	return l->due_ns <= now && (f->hurry || f->nlate > f->keep);
}

unsigned faulty_late_give(struct faulty *f, dmaf_buf **bufs, unsigned n, bool any)
{
	uint64_t now = f->delay_ns ? dmaf_now_ns() : 0;
	unsigned out = 0;

	if (faulty_stalled(f))
		return 0;
	if (f->briefly && n > 1)
		n = 1;
	while (out < n && f->nlate) {
		unsigned at = any && f->reorder ? chance(f, f->nlate) : 0;

		if (!may_give(f, &f->late[at], now))
			break;
		bufs[out++] = f->late[at].buf;
		f->nlate--;
		memmove(&f->late[at], &f->late[at + 1], (f->nlate - at) * sizeof(*f->late));
	}
	return out;
}

void faulty_late_wait(struct faulty *f, struct dmaf_wait *w)
{
	uint64_t pace = pace_until(f);

	if (faulty_stalled(f)) {
		dmaf_wait_until(w, f->stall_until);
		return;
	}
	if (pace)
		dmaf_wait_until(w, pace);
	/* What is kept is given when more comes; what is late or passed over, when it is time. */
	if (f->nlate && (f->hurry || f->nlate > f->keep))
		dmaf_wait_until(w, f->late[0].due_ns ? f->late[0].due_ns : 1);
	if (f->briefly)
		dmaf_wait_until(w, dmaf_now_ns() + 1000000u);
}

const struct dmaf_kind dmaf_kind_faulty = {
	.abi = DMAF_ABI,
	.name = "faulty",
	.help = "stands in front of another address and misbehaves as far as that is legal",
	.main = "ADDRESS (its commas as \\,) or nothing",
	.opts = options,
	.source = &faulty_source_ops,
	.stage = &faulty_stage_ops,
	.sink = &faulty_sink_ops,
};
