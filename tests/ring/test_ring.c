/* SPDX-License-Identifier: MIT */
/* base/ring.h with both ends in one thread: what each call promises, and a peer that lies. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dmaflow/ring.h>

_Static_assert(DMAF_EPROTO == EPROTO && DMAF_EINVAL == EINVAL, "errno values");

struct fixture {
	void *mem; /* exactly as long as the ring, so that AddressSanitizer sees the first byte
		      behind */
	uint64_t bytes;
	struct dmaf_ring_geometry g;
	struct dmaf_ring_shared *shared;
	struct dmaf_ring_prod p;
	struct dmaf_ring_cons c;
};

/* A ring whose indices stand at start, as after that many entries. */
static void ring_open(struct fixture *f, uint32_t count, uint32_t entry_size, uint32_t start)
{
	f->g = (struct dmaf_ring_geometry){count, entry_size};
	f->bytes = dmaf_ring_bytes(count, entry_size);
	assert_true(f->bytes > 0);
	assert_int_equal(posix_memalign(&f->mem, DMAF_RING_LINE, f->bytes), 0);
	memset(f->mem, 0xa5, f->bytes);
	f->shared = f->mem;
	assert_int_equal(dmaf_ring_format(f->mem, f->bytes, &f->g), 0);
	f->shared->head = start;
	f->shared->tail = start;
	assert_int_equal(dmaf_ring_prod_init(&f->p, f->mem, f->bytes, &f->g), 0);
	assert_int_equal(dmaf_ring_cons_init(&f->c, f->mem, f->bytes, &f->g), 0);
}

static void ring_close(struct fixture *f)
{
	free(f->mem);
}

static void test_bytes(void **state)
{
	uint32_t shift, count;

	for (shift = 0; shift <= 30; shift++) {
		count = 1u << shift;
		assert_true(dmaf_ring_bytes(count, 1) == 256 + (uint64_t)count);
		assert_true(dmaf_ring_bytes(count, UINT32_MAX) ==
			    256 + (uint64_t)count * UINT32_MAX);
		assert_true(dmaf_ring_bytes(count, 0) == 0);
		if (count > 2)
			assert_true(dmaf_ring_bytes(count - 1, 8) == 0);
	}
	assert_true(dmaf_ring_bytes(0, 8) == 0);
	assert_true(dmaf_ring_bytes(1u << 31, 8) == 0);
	assert_true(dmaf_ring_bytes(UINT32_MAX, 8) == 0);
}

static void test_refusals(void **state)
{
	struct dmaf_ring_geometry g = {8, 16}, bad, read;
	uint64_t bytes = dmaf_ring_bytes(8, 16);
	struct dmaf_ring_shared *shared;
	struct dmaf_ring_prod p;
	struct dmaf_ring_cons c;
	unsigned char *mem = NULL;

	assert_int_equal(posix_memalign((void **)&mem, 64, bytes + 64), 0);
	memset(mem, 0, bytes + 64);
	shared = (void *)mem;
	assert_int_equal(dmaf_ring_format(NULL, bytes, &g), -EINVAL);
	assert_int_equal(dmaf_ring_format(mem + 4, bytes, &g), -EINVAL);
	assert_int_equal(dmaf_ring_format(mem + 32, bytes, &g), -EINVAL);
	assert_int_equal(dmaf_ring_format(mem, bytes - 1, &g), -EINVAL);
	bad = (struct dmaf_ring_geometry){7, 16};
	assert_int_equal(dmaf_ring_format(mem, bytes, &bad), -EINVAL);
	bad = (struct dmaf_ring_geometry){8, 0};
	assert_int_equal(dmaf_ring_format(mem, bytes, &bad), -EINVAL);

	/* Nothing formatted yet. */
	assert_int_equal(dmaf_ring_read_geometry(mem, bytes, &read), -EINVAL);
	assert_int_equal(dmaf_ring_format(mem, bytes, &g), 0);
	assert_int_equal(dmaf_ring_read_geometry(mem, bytes, &read), 0);
	assert_int_equal(read.count, 8);
	assert_int_equal(read.entry_size, 16);
	assert_int_equal(dmaf_ring_read_geometry(NULL, bytes, &read), -EINVAL);
	assert_int_equal(dmaf_ring_read_geometry(mem + 4, bytes, &read), -EINVAL);
	assert_int_equal(dmaf_ring_read_geometry(mem, 255, &read), -EINVAL);
	assert_int_equal(dmaf_ring_read_geometry(mem, bytes - 1, &read), -EINVAL);
	shared->version++;
	assert_int_equal(dmaf_ring_read_geometry(mem, bytes, &read), -EINVAL);
	shared->version--;
	shared->geometry.count = 1u << 20; /* longer than the memory */
	assert_int_equal(dmaf_ring_read_geometry(mem, bytes, &read), -EINVAL);
	shared->geometry.count = 6;
	assert_int_equal(dmaf_ring_read_geometry(mem, bytes, &read), -EINVAL);
	shared->geometry.count = 8;

	assert_int_equal(dmaf_ring_prod_init(&p, mem, bytes - 1, &g), -EINVAL);
	assert_int_equal(dmaf_ring_cons_init(&c, mem, bytes - 1, &g), -EINVAL);
	assert_int_equal(dmaf_ring_prod_init(&p, mem + 8, bytes, &g), -EINVAL);
	assert_int_equal(dmaf_ring_cons_init(&c, mem + 8, bytes, &g), -EINVAL);
	/* Indices further apart than there are slots. */
	shared->head = 9;
	assert_int_equal(dmaf_ring_prod_init(&p, mem, bytes, &g), -EPROTO);
	assert_int_equal(dmaf_ring_reserve(&p, 1), -EPROTO);
	assert_int_equal(dmaf_ring_cons_init(&c, mem, bytes, &g), -EPROTO);
	assert_int_equal(dmaf_ring_peek(&c, 1), -EPROTO);
	shared->head = 8;
	assert_int_equal(dmaf_ring_prod_init(&p, mem, bytes, &g), 0);
	assert_int_equal(dmaf_ring_reserve(&p, 1), 0);
	assert_int_equal(dmaf_ring_cons_init(&c, mem, bytes, &g), 0);
	assert_int_equal(dmaf_ring_peek(&c, 9), 8);
	free(mem);
}

/* Byte b of the entry with index i: no two neighbours, nor two laps, alike. */
static unsigned char pattern(uint32_t i, uint32_t b)
{
	return (unsigned char)((i * 2654435761u >> 11) + b * 37);
}

static void fill(void *entry, uint32_t entry_size, uint32_t i)
{
	unsigned char *byte = entry;
	uint32_t b;

	for (b = 0; b < entry_size; b++)
		byte[b] = pattern(i, b);
}

static void expect(const void *entry, uint32_t entry_size, uint32_t i)
{
	const unsigned char *byte = entry;
	uint32_t b;

	for (b = 0; b < entry_size; b++)
		assert_int_equal(byte[b], pattern(i, b));
}

static uint32_t lower(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Laps in bursts of every kind through one ring, by the verbs; the fill level kept beside it. */
static void laps(uint32_t count, uint32_t entry_size, uint32_t start)
{
	struct fixture f;
	uint32_t head = start, tail = start, step = 0, want, n, i;

	ring_open(&f, count, entry_size, start);
	while (head - start < 5 * count + 40) {
		want = 1 + (step * 7) % (count + 2);
		n = lower(want, count - (head - tail));
		assert_int_equal(dmaf_ring_reserve(&f.p, want), n);
		assert_int_equal(dmaf_ring_reserve(&f.p, want), n); /* not taken by asking */
		n -= n > 1 && step % 3 == 0;                        /* not all of them used */
		for (i = 0; i < n; i++)
			fill(dmaf_ring_prod_entry(&f.p, i), entry_size, head + i);
		dmaf_ring_submit_polled(&f.p, n);
		head += n;

		want = 1 + (step * 5) % (count + 2);
		n = lower(want, head - tail);
		assert_int_equal(dmaf_ring_peek(&f.c, want), n);
		assert_int_equal(dmaf_ring_peek(&f.c, want), n);
		for (i = 0; i < n; i++)
			expect(dmaf_ring_cons_entry(&f.c, i), entry_size, tail + i);
		n -= n > 1 && step % 4 == 0;
		dmaf_ring_release_polled(&f.c, n);
		tail += n;
		step++;
	}
	assert_int_equal(f.shared->head, head);
	assert_int_equal(f.shared->tail, tail);
	ring_close(&f);
}

static void test_laps(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 4, 7, 8, 12, 16, 24, 63, 64, 65, 200};
	uint32_t count, i;

	for (count = 1; count <= 512; count *= 2) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			laps(count, sizes[i], 0);
	}
	laps(1u << 14, 4, 0);
	laps(2, 70000, 0);
}

/* Through 2^32, from every distance at which something could go wrong. */
static void test_index_wrap(void **state)
{
	uint32_t count, before;

	for (count = 1; count <= 64; count *= 2) {
		for (before = 0; before <= 2 * count + 3; before++)
			laps(count, 8, 0u - before);
		laps(count, 8, 0x7fffffffu);
		laps(count, 8, 0x80000000u - count);
	}
}

static void test_bursts(void **state)
{
	struct fixture f;
	uint64_t in[40], out[40];
	uint32_t next_in = 0, next_out = 0, step, n, i;
	bool kick;
	int got;

	ring_open(&f, 32, sizeof(in[0]), 0u - 50);
	for (step = 0; step < 400; step++) {
		n = step * 11 % 41;
		for (i = 0; i < n; i++)
			in[i] = next_in + i;
		got = dmaf_ring_enqueue_burst(&f.p, in, sizeof(in[0]), n, step & 1 ? &kick : NULL);
		assert_int_equal(got, lower(n, 32 - (next_in - next_out)));
		next_in += (uint32_t)got;
		n = step * 17 % 41;
		memset(out, 0xff, sizeof(out));
		got = dmaf_ring_dequeue_burst(&f.c, out, sizeof(out[0]), n,
					      step & 1 ? NULL : &kick);
		assert_int_equal(got, lower(n, next_in - next_out));
		for (i = 0; i < (uint32_t)got; i++)
			assert_true(out[i] == next_out + i);
		for (; i < 40; i++)
			assert_true(out[i] == UINT64_MAX);
		next_out += (uint32_t)got;
		assert_false(kick); /* nobody sleeps here */
	}
	assert_true(next_out > 3000);
	ring_close(&f);
}

/* Which heads a consumer may be shown: from the last one it saw up to tail + count. */
static void test_impossible_head(void **state)
{
	static const uint32_t starts[] = {0, 5, 0u - 2, 0x7ffffffeu};
	struct fixture f;
	uint32_t s, queued, taken, d, head;
	bool honest;
	int got;

	for (s = 0; s < 4; s++) {
		for (queued = 0; queued <= 8; queued++) {
			for (taken = 0; taken <= queued; taken++) {
				for (d = 0; d < 64; d++) {
					ring_open(&f, 8, 16, starts[s]);
					dmaf_ring_submit_polled(&f.p, queued);
					assert_int_equal(dmaf_ring_peek(&f.c, 8), queued);
					dmaf_ring_release_polled(&f.c, taken);
					/* Every head nearby, then some in each eighth of the
					 * circle. */
					head = starts[s] +
					       (d < 40 ? d - 16 : (d - 40) * 0x15555555u);
					honest = head - starts[s] - queued <= 8 - (queued - taken);
					f.shared->head = head;
					got = dmaf_ring_peek(&f.c, 9);
					if (honest) {
						assert_int_equal(got, head - starts[s] - taken);
						ring_close(&f);
						continue;
					}
					assert_int_equal(got, -EPROTO);
					/* For ever, also once the peer pretends it never happened.
					 */
					f.shared->head = starts[s] + queued;
					assert_int_equal(dmaf_ring_peek(&f.c, 1), -EPROTO);
					assert_int_equal(dmaf_ring_cons_sleep(&f.c, 1), -EPROTO);
					assert_int_equal(f.shared->c_wait & 1, 0);
					assert_int_equal(f.shared->tail, starts[s] + taken);
					ring_close(&f);
				}
			}
		}
	}
}

/* Which tails a producer may be shown: from the last one it saw up to its own head. */
static void test_impossible_tail(void **state)
{
	static const uint32_t starts[] = {0, 5, 0u - 2, 0x7ffffffeu};
	struct fixture f;
	uint32_t s, queued, taken, d, tail;
	bool honest;
	int got;

	for (s = 0; s < 4; s++) {
		for (queued = 0; queued <= 8; queued++) {
			for (taken = 0; taken <= queued; taken++) {
				for (d = 0; d < 64; d++) {
					ring_open(&f, 8, 16, starts[s]);
					dmaf_ring_submit_polled(&f.p, queued);
					f.shared->tail = starts[s] + taken;
					assert_int_equal(dmaf_ring_reserve(&f.p, 9),
							 8 - queued + taken);
					tail = starts[s] +
					       (d < 40 ? d - 16 : (d - 40) * 0x15555555u);
					honest = tail - starts[s] - taken <= queued - taken;
					f.shared->tail = tail;
					got = dmaf_ring_reserve(&f.p, 9);
					if (honest) {
						assert_int_equal(got,
								 8 - queued + (tail - starts[s]));
						ring_close(&f);
						continue;
					}
					assert_int_equal(got, -EPROTO);
					f.shared->tail = starts[s] + taken;
					assert_int_equal(dmaf_ring_reserve(&f.p, 1), -EPROTO);
					assert_int_equal(dmaf_ring_prod_sleep(&f.p, 1), -EPROTO);
					assert_int_equal(f.shared->p_wait & 1, 0);
					assert_int_equal(f.shared->head, starts[s] + queued);
					ring_close(&f);
				}
			}
		}
	}
}

/* Of the shared memory only the peer's index and ticket count; the rest may say what it likes. */
static void test_own_state_is_private(void **state)
{
	struct fixture f;
	uint64_t i, out;

	ring_open(&f, 4, sizeof(i), 0);
	memset(&f.shared->geometry, 0xff, sizeof(f.shared->geometry));
	f.shared->magic = 0;
	f.shared->version = 99;
	for (i = 0; i < 20; i++) {
		f.shared->head = 12345;
		assert_int_equal(dmaf_ring_enqueue_burst(&f.p, &i, sizeof(i), 1, NULL), 1);
		assert_int_equal(f.shared->head, i + 1);
		f.shared->tail = 54321;
		assert_int_equal(dmaf_ring_dequeue_burst(&f.c, &out, sizeof(out), 1, NULL), 1);
		assert_int_equal(f.shared->tail, i + 1);
		assert_true(out == i);
		assert_int_equal(dmaf_ring_reserve(&f.p, 9), 4);
		assert_int_equal(dmaf_ring_peek(&f.c, 9), 0);
	}
	ring_close(&f);
}

static void test_consumer_sleep(void **state)
{
	struct fixture f;
	uint32_t round, before;

	ring_open(&f, 4, 8, 0);
	assert_false(dmaf_ring_submit(&f.p, 1)); /* nobody asleep, nobody kicked */
	assert_int_equal(dmaf_ring_cons_sleep(&f.c, 1), 0);
	assert_false(dmaf_ring_submit(&f.p, 0));
	assert_int_equal(dmaf_ring_peek(&f.c, 1), 1);
	assert_false(dmaf_ring_release(&f.c, 1));
	for (round = 0; round < 10; round++) {
		assert_int_equal(dmaf_ring_reserve(&f.p, 4), 4);
		before = f.shared->c_wait;
		assert_int_equal(dmaf_ring_cons_sleep(&f.c, 1), 1);
		assert_int_equal(f.shared->c_wait & 1, 1);
		assert_true(f.shared->c_wait != before);
		assert_true(dmaf_ring_submit(&f.p, 1));
		assert_false(dmaf_ring_submit(&f.p, 1)); /* told once */
		dmaf_ring_cons_awake(&f.c);
		assert_int_equal(f.shared->c_wait & 1, 0);
		assert_false(dmaf_ring_submit(&f.p, 1));
		assert_int_equal(dmaf_ring_peek(&f.c, 4), 3);
		/* Asked for more than is there, it sleeps all the same, and the next one tells it.
		 */
		assert_int_equal(dmaf_ring_cons_sleep(&f.c, 3), 0);
		assert_int_equal(dmaf_ring_cons_sleep(&f.c, 4), 1);
		assert_true(dmaf_ring_submit(&f.p, 1));
		/* Sleeping again without a word between is a new sleep. */
		assert_int_equal(dmaf_ring_peek(&f.c, 4), 4);
		dmaf_ring_release_polled(&f.c, 4);
		assert_int_equal(dmaf_ring_cons_sleep(&f.c, 1), 1);
		assert_int_equal(dmaf_ring_cons_sleep(&f.c, 1), 1);
		assert_int_equal(dmaf_ring_reserve(&f.p, 4), 4);
		assert_true(dmaf_ring_submit(&f.p, 1));
		dmaf_ring_cons_awake(&f.c);
		assert_int_equal(dmaf_ring_peek(&f.c, 1), 1);
		dmaf_ring_release_polled(&f.c, 1);
	}
	ring_close(&f);
}

static void test_producer_sleep(void **state)
{
	struct fixture f;
	uint32_t round;

	ring_open(&f, 4, 8, 0);
	for (round = 0; round < 10; round++) {
		assert_int_equal(dmaf_ring_prod_sleep(&f.p, 4), 0);
		assert_int_equal(f.shared->p_wait & 1, 0);
		dmaf_ring_submit_polled(&f.p, 4);
		assert_int_equal(dmaf_ring_prod_sleep(&f.p, 1), 1);
		assert_int_equal(f.shared->p_wait & 1, 1);
		assert_int_equal(dmaf_ring_peek(&f.c, 4), 4);
		assert_true(dmaf_ring_release(&f.c, 1));
		assert_false(dmaf_ring_release(&f.c, 1));
		dmaf_ring_prod_awake(&f.p);
		assert_int_equal(f.shared->p_wait & 1, 0);
		assert_int_equal(dmaf_ring_prod_sleep(&f.p, 2), 0);
		assert_int_equal(dmaf_ring_prod_sleep(&f.p, 3), 1);
		assert_true(dmaf_ring_release(&f.c, 1));
		dmaf_ring_prod_awake(&f.p);
		assert_false(dmaf_ring_release(&f.c, 1));
		assert_int_equal(dmaf_ring_reserve(&f.p, 4), 4);
	}
	ring_close(&f);
}

/* Tickets run through 2^32 as indices do. */
static void test_ticket_wrap(void **state)
{
	struct fixture f;
	uint32_t round;

	ring_open(&f, 4, 8, 0);
	f.c.c_wait = f.shared->c_wait = f.p.c_wait = 0u - 6;
	for (round = 0; round < 8; round++) {
		assert_int_equal(dmaf_ring_cons_sleep(&f.c, 1), 1);
		assert_true(dmaf_ring_submit(&f.p, 1));
		dmaf_ring_cons_awake(&f.c);
		assert_int_equal(dmaf_ring_peek(&f.c, 1), 1);
		dmaf_ring_release_polled(&f.c, 1);
		assert_int_equal(dmaf_ring_reserve(&f.p, 4), 4);
	}
	ring_close(&f);
}

/* An end that died and was opened again goes on where the indices stand. */
static void test_reopen(void **state)
{
	struct fixture f;
	uint64_t in[4] = {1, 2, 3, 4}, out[4];

	ring_open(&f, 4, 8, 0u - 2);
	assert_int_equal(dmaf_ring_enqueue_burst(&f.p, in, 8, 3, NULL), 3);
	assert_int_equal(dmaf_ring_dequeue_burst(&f.c, out, 8, 1, NULL), 1);
	assert_int_equal(dmaf_ring_peek(&f.c, 2), 2); /* looked at, not released: seen again */
	assert_int_equal(dmaf_ring_cons_init(&f.c, f.mem, f.bytes, &f.g), 0);
	assert_int_equal(dmaf_ring_prod_init(&f.p, f.mem, f.bytes, &f.g), 0);
	assert_int_equal(dmaf_ring_reserve(&f.p, 4), 2);
	assert_int_equal(dmaf_ring_enqueue_burst(&f.p, in, 8, 1, NULL), 1);
	assert_int_equal(dmaf_ring_dequeue_burst(&f.c, out, 8, 4, NULL), 3);
	assert_true(out[0] == 2 && out[1] == 3 && out[2] == 1);

	/* A producer that comes anew kicks a consumer that slept before. */
	assert_int_equal(dmaf_ring_cons_sleep(&f.c, 1), 1);
	assert_int_equal(dmaf_ring_prod_init(&f.p, f.mem, f.bytes, &f.g), 0);
	assert_true(dmaf_ring_submit(&f.p, 1));
	/* A consumer that died asleep is awake once another has opened its end. */
	assert_int_equal(dmaf_ring_cons_init(&f.c, f.mem, f.bytes, &f.g), 0);
	assert_int_equal(f.shared->c_wait & 1, 0);
	assert_false(dmaf_ring_submit(&f.p, 0));
	ring_close(&f);
}

/* A kick that comes before the sleep, for an index that the sleeper has seen, is not lost. */
static void test_futex_words(void **state)
{
	struct fixture f;
	uint32_t seen = 1;

	ring_open(&f, 4, 8, 0u - 2);
	assert_int_equal(dmaf_ring_cons_sleep(&f.c, 2), 1);
	assert_ptr_equal(dmaf_ring_cons_futex(&f.c, &seen), dmaf_ring_prod_kick_word(&f.p));
	assert_int_equal(seen, *dmaf_ring_prod_kick_word(&f.p)); /* not kicked: it would sleep */
	assert_true(dmaf_ring_submit(&f.p, 1));
	assert_int_not_equal(seen, *dmaf_ring_prod_kick_word(&f.p)); /* it would not any more */
	(void)dmaf_ring_cons_futex(&f.c, &seen);
	assert_int_not_equal(seen, *dmaf_ring_prod_kick_word(&f.p)); /* nor if it looks late */
	assert_false(dmaf_ring_submit(&f.p, 1));
	dmaf_ring_cons_awake(&f.c);
	assert_int_equal(dmaf_ring_cons_sleep(&f.c, 4), 1); /* the old kick is not for this sleep */
	(void)dmaf_ring_cons_futex(&f.c, &seen);
	assert_int_equal(seen, *dmaf_ring_prod_kick_word(&f.p));
	assert_true(dmaf_ring_submit(&f.p, 1));
	dmaf_ring_cons_awake(&f.c);

	assert_int_equal(dmaf_ring_prod_sleep(&f.p, 4), 1);
	assert_ptr_equal(dmaf_ring_prod_futex(&f.p, &seen), dmaf_ring_cons_kick_word(&f.c));
	assert_int_equal(seen, *dmaf_ring_cons_kick_word(&f.c));
	assert_int_equal(dmaf_ring_peek(&f.c, 1), 1);
	assert_true(dmaf_ring_release(&f.c, 1));
	assert_int_not_equal(seen, *dmaf_ring_cons_kick_word(&f.c));
	(void)dmaf_ring_prod_futex(&f.p, &seen);
	assert_int_not_equal(seen, *dmaf_ring_cons_kick_word(&f.c));
	ring_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_laps),
		cmocka_unit_test(test_index_wrap),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_impossible_head),
		cmocka_unit_test(test_impossible_tail),
		cmocka_unit_test(test_own_state_is_private),
		cmocka_unit_test(test_consumer_sleep),
		cmocka_unit_test(test_producer_sleep),
		cmocka_unit_test(test_ticket_wrap),
		cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_futex_words),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
