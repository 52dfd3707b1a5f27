/* SPDX-License-Identifier: MIT */
#include "plugins/tcp/trial.h"

/* Less of a difference than this is noise. */
#define MARGIN_PERCENT 5u

static void next_run(struct trial *t, uint64_t sent)
{
	t->from = sent;
	t->ns = 0;
}

void trial_begin(struct trial *t, uint64_t sent, uint64_t step)
{
	t->step = step;
	if (t->run < TRIAL_RUNS)
		t->run = 0; /* the first way is what a new link begins with */
	next_run(t, sent);
}

static enum trial_word run_ended(struct trial *t, uint64_t ps_per_byte, uint64_t sent)
{
	uint64_t *best = &t->best[t->run & 1];

	if (!*best || ps_per_byte < *best)
		*best = ps_per_byte;
	next_run(t, sent);
	return ++t->run == TRIAL_RUNS ? TRIAL_OVER : TRIAL_CHANGE;
}

/* The source can't keep up: nothing can be measured, and the second way may cost for nothing. */
static enum trial_word idle(struct trial *t, uint64_t sent)
{
	bool second = t->run & 1;

	if (second)
		t->run--;
	next_run(t, sent);
	return second ? TRIAL_CHANGE : TRIAL_STAY;
}

enum trial_word trial_acked(struct trial *t, uint64_t acked, uint64_t sent, bool busy,
			    uint64_t now_ns)
{
	if (t->run == TRIAL_RUNS)
		return TRIAL_STAY;
	if (!busy)
		return idle(t, sent);
	if (acked < t->from)
		return TRIAL_STAY;
	if (!t->ns) {
		t->at = acked;
		t->ns = now_ns;
		return TRIAL_STAY;
	}
	if (acked - t->at < t->step || now_ns <= t->ns)
		return TRIAL_STAY;
	return run_ended(t, (now_ns - t->ns) * 1000 / (acked - t->at), sent);
}

bool trial_second_won(const struct trial *t)
{
	return t->best[1] && t->best[1] * (100 + MARGIN_PERCENT) < t->best[0] * 100;
}
