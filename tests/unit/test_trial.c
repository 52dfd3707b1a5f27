// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/tcp/trial.h"

#define STEP   1000000u
#define WINDOW 100000u

/* A stream on which each byte takes ps[way]; acknowledged each tenth of a window. */
struct stream {
	struct trial t;
	uint64_t acked, ps;
	unsigned way, changes, of_the_second; /* acknowledged bytes in tenths of a window */
};

static enum trial_word go(struct stream *s, const uint64_t ps[2], unsigned acks, bool busy)
{
	enum trial_word w = TRIAL_STAY;

	for (; acks && w != TRIAL_OVER; acks--) {
		s->acked += WINDOW / 10;
		/* What is on its way when the way changes still takes the other one's time. */
		s->ps += ps[s->acked < s->t.from ? !s->way : s->way] * (WINDOW / 10);
		s->of_the_second += s->way;
		w = trial_acked(&s->t, s->acked, s->acked + WINDOW, busy, s->ps / 1000);
		if (w == TRIAL_CHANGE) {
			s->way = !s->way;
			s->changes++;
		}
	}
	return w;
}

static void begin(struct stream *s)
{
	*s = (struct stream){.ps = 1000};
	trial_begin(&s->t, 0, STEP);
}

static void the_faster_wins(void **state)
{
	static const struct {
		uint64_t ps[2];
		bool second;
	} list[] = {{{500, 700}, false},
		    {{700, 500}, true},
		    {{500, 500}, false},
		    {{510, 500}, false},
		    {{530, 500}, true}};

	for (unsigned i = 0; i < 5; i++) {
		struct stream s;

		begin(&s);
		assert_int_equal(go(&s, list[i].ps, 10000, true), TRIAL_OVER);
		assert_int_equal(s.changes, TRIAL_RUNS - 1);
		assert_int_equal(trial_second_won(&s.t), list[i].second);
		/* The times are those of each way alone. */
		assert_int_equal(s.t.best[0], list[i].ps[0]);
		assert_int_equal(s.t.best[1], list[i].ps[1]);
		assert_int_equal(go(&s, list[i].ps, 10000, true), TRIAL_STAY);
	}
}

static void one_slow_run_decides_nothing(void **state)
{
	static const uint64_t even[2] = {500, 500}, slow[2] = {900, 500};
	struct stream s;

	begin(&s);
	go(&s, slow, 150, true); /* the first run of the first way, and some of the next */
	assert_int_equal(s.way, 1);
	assert_int_equal(go(&s, even, 10000, true), TRIAL_OVER);
	assert_false(trial_second_won(&s.t));
}

static void an_idle_stream_is_left_alone(void **state)
{
	static const uint64_t ps[2] = {700, 500};
	struct stream s;

	begin(&s);
	go(&s, ps, 5000, false);
	assert_int_equal(s.of_the_second, 0);
	go(&s, ps, 150, true);
	assert_int_equal(s.way, 1);
	go(&s, ps, 5000, false); /* back to the first way, and no further */
	assert_int_equal(s.way, 0);
	assert_int_equal(s.changes, 2);
	assert_int_equal(go(&s, ps, 10000, true), TRIAL_OVER);
	assert_true(trial_second_won(&s.t));
}

static void a_new_link_begins_again(void **state)
{
	static const uint64_t ps[2] = {700, 500};
	struct stream s;

	begin(&s);
	go(&s, ps, 150, true);
	assert_int_equal(s.way, 1);
	s.way = 0;
	trial_begin(&s.t, s.acked, STEP);
	assert_int_equal(go(&s, ps, 10000, true), TRIAL_OVER);
	trial_begin(&s.t, s.acked, STEP);
	assert_int_equal(go(&s, ps, 10000, true), TRIAL_STAY);
	assert_true(trial_second_won(&s.t));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_faster_wins),
		cmocka_unit_test(one_slow_run_decides_nothing),
		cmocka_unit_test(an_idle_stream_is_left_alone),
		cmocka_unit_test(a_new_link_begins_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
