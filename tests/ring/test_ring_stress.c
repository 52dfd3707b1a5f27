/* SPDX-License-Identifier: MIT */
/*
 * base/ring.h between two threads and between two processes that map it at different addresses,
 * both ends sleeping at random; and with ends that are killed anywhere and opened again.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <dmaflow/ring.h>

/* Nobody sleeps that long with work to do unless a kick was lost. */
#define LOST_AFTER_S 20

enum how { BY_POLLING, BY_EVENTFD, BY_FUTEX };

#define MAX_ENTRY 64

struct setup {
	struct dmaf_ring_geometry g;
	enum how how;
	uint32_t start; /* index of the first entry */
	uint32_t total; /* entries to move */
};

struct end {
	const struct setup *setup;
	void *mem;
	uint64_t bytes;
	int wake_fd; /* eventfd that wakes this end */
	int kick_fd; /* eventfd that wakes the other end */
	uint32_t random;
	uint32_t crash_in; /* steps until SIGKILL hits, 0 for never */
	uint32_t sleeps;
	char wrong[120];
};

static uint32_t next_random(struct end *e)
{
	e->random ^= e->random << 13;
	e->random ^= e->random >> 17;
	e->random ^= e->random << 5;
	return e->random;
}

/* Somewhere between any two calls the process may die. */
static void maybe_crash(struct end *e)
{
	if (e->crash_in && !--e->crash_in)
		raise(SIGKILL);
}

/* Now and then one side dawdles, so that the other has to sleep. */
static void maybe_dawdle(struct end *e)
{
	struct timespec ts = {0, 20000};

	if (next_random(e) % 128 == 0)
		nanosleep(&ts, NULL);
	else if (next_random(e) % 8 == 0)
		sched_yield();
}

static int futex(uint32_t *word, int op, uint32_t value)
{
	struct timespec limit = {LOST_AFTER_S, 0};

	return (int)syscall(SYS_futex, word, op, value, &limit, NULL, 0);
}

/* word and seen are what dmaf_ring_*_futex() gave. false if nobody came. */
static bool block(struct end *e, uint32_t *word, uint32_t seen)
{
	struct pollfd pfd = {.fd = e->wake_fd, .events = POLLIN};
	uint64_t kicks;

	e->sleeps++;
	if (e->setup->how == BY_FUTEX)
		return !futex(word, FUTEX_WAIT, seen) || errno == EAGAIN;
	if (poll(&pfd, 1, LOST_AFTER_S * 1000) != 1)
		return false;
	return read(e->wake_fd, &kicks, sizeof(kicks)) == sizeof(kicks);
}

/* word is the one that the other end sleeps on. */
static void kick(struct end *e, uint32_t *word)
{
	const uint64_t one = 1;

	if (e->setup->how == BY_FUTEX)
		futex(word, FUTEX_WAKE, INT_MAX);
	else if (write(e->kick_fd, &one, sizeof(one)) != sizeof(one))
		snprintf(e->wrong, sizeof(e->wrong), "kick: %s", strerror(errno));
}

/* What an end may ask for before it sleeps without the two waiting for each other. */
static uint32_t some(struct end *e, uint32_t left)
{
	uint32_t n = 1 + next_random(e) % ((e->setup->g.count + 1) / 2);

	return n < left ? n : left;
}

static void produce(struct end *e)
{
	const struct setup *s = e->setup;
	const uint32_t words = s->g.entry_size / 4, stop = s->start + s->total;
	struct dmaf_ring_prod p;
	uint32_t *futex_word, *entry, seen, want, i, w;
	int got = dmaf_ring_prod_init(&p, e->mem, e->bytes, &s->g);

	if (!got && dmaf_ring_prod_must_kick(&p)) /* what a killed predecessor may owe */
		kick(e, dmaf_ring_prod_kick_word(&p));
	while (got >= 0 && p.head != stop && !*e->wrong) {
		maybe_dawdle(e);
		want = some(e, stop - p.head);
		if (s->how == BY_POLLING || next_random(e) % 4) {
			got = dmaf_ring_reserve(&p, want);
		} else {
			got = dmaf_ring_prod_sleep(&p, want);
			maybe_crash(e);
			if (got == 1) {
				futex_word = dmaf_ring_prod_futex(&p, &seen);
				if (!block(e, futex_word, seen))
					snprintf(e->wrong, sizeof(e->wrong),
						 "producer at %u slept on, consumer at %u", p.head,
						 *futex_word);
				maybe_crash(e);
				dmaf_ring_prod_awake(&p);
			}
			continue;
		}
		for (i = 0; got > 0 && i < (uint32_t)got; i++) {
			entry = dmaf_ring_prod_entry(&p, i);
			for (w = 0; w < words; w++)
				entry[w] = (p.head + i) * 2654435761u + w;
		}
		maybe_crash(e);
		if (got <= 0)
			continue;
		dmaf_ring_submit_polled(&p, (uint32_t)got);
		maybe_crash(e);
		if (s->how != BY_POLLING && dmaf_ring_prod_must_kick(&p)) {
			maybe_crash(e);
			kick(e, dmaf_ring_prod_kick_word(&p));
		}
	}
	if (got < 0)
		snprintf(e->wrong, sizeof(e->wrong), "producer: %s", strerror(-got));
}

static void consume(struct end *e)
{
	const struct setup *s = e->setup;
	const uint32_t words = s->g.entry_size / 4, stop = s->start + s->total;
	struct dmaf_ring_cons c;
	const uint32_t *entry;
	uint32_t *futex_word, seen, want, i, w;
	int got = dmaf_ring_cons_init(&c, e->mem, e->bytes, &s->g);

	if (!got && dmaf_ring_cons_must_kick(&c))
		kick(e, dmaf_ring_cons_kick_word(&c));
	while (got >= 0 && c.tail != stop && !*e->wrong) {
		maybe_dawdle(e);
		want = some(e, stop - c.tail);
		if (s->how == BY_POLLING || next_random(e) % 4) {
			got = dmaf_ring_peek(&c, want);
		} else {
			got = dmaf_ring_cons_sleep(&c, want);
			maybe_crash(e);
			if (got == 1) {
				futex_word = dmaf_ring_cons_futex(&c, &seen);
				if (!block(e, futex_word, seen))
					snprintf(e->wrong, sizeof(e->wrong),
						 "consumer at %u slept on, producer at %u", c.tail,
						 *futex_word);
				maybe_crash(e);
				dmaf_ring_cons_awake(&c);
			}
			continue;
		}
		for (i = 0; got > 0 && i < (uint32_t)got; i++) {
			entry = dmaf_ring_cons_entry(&c, i);
			for (w = 0; w < words; w++) {
				if (entry[w] != (c.tail + i) * 2654435761u + w)
					snprintf(e->wrong, sizeof(e->wrong),
						 "entry %u word %u is not what was written",
						 c.tail + i, w);
			}
		}
		maybe_crash(e);
		if (got <= 0)
			continue;
		dmaf_ring_release_polled(&c, (uint32_t)got);
		maybe_crash(e);
		if (s->how != BY_POLLING && dmaf_ring_cons_must_kick(&c)) {
			maybe_crash(e);
			kick(e, dmaf_ring_cons_kick_word(&c));
		}
	}
	if (got < 0)
		snprintf(e->wrong, sizeof(e->wrong), "consumer: %s", strerror(-got));
}

static const struct setup setups[] = {
	/* Through 2^32 in the middle, each way of waiting, from the smallest ring upwards. */
	{{1, 4}, BY_FUTEX, 0u - 5000, 10000},     {{1, 64}, BY_EVENTFD, 0u - 5000, 10000},
	{{2, 12}, BY_EVENTFD, 0u - 5000, 10000},  {{2, 64}, BY_POLLING, 0u - 5000, 10000},
	{{8, 64}, BY_FUTEX, 0u - 9000, 40000},    {{64, 64}, BY_EVENTFD, 0u - 9000, 100000},
	{{64, 4}, BY_POLLING, 0u - 9000, 100000},
};
#define SETUPS (sizeof(setups) / sizeof(setups[0]))

static void format(void *mem, uint64_t bytes, const struct setup *s)
{
	struct dmaf_ring_shared *shared = mem;

	assert_int_equal(dmaf_ring_format(mem, bytes, &s->g), 0);
	shared->head = s->start;
	shared->tail = s->start;
}

static void *produce_thread(void *arg)
{
	produce(arg);
	return NULL;
}

static void test_threads(void **state)
{
	struct end p, c;
	pthread_t thread;
	uint32_t k, p_sleeps = 0, c_sleeps = 0;
	int fds[2];

	for (k = 0; k < SETUPS; k++) {
		memset(&p, 0, sizeof(p));
		p.setup = &setups[k];
		p.bytes = dmaf_ring_bytes(setups[k].g.count, setups[k].g.entry_size);
		assert_int_equal(posix_memalign(&p.mem, DMAF_RING_LINE, p.bytes), 0);
		format(p.mem, p.bytes, &setups[k]);
		assert_true((fds[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
		assert_true((fds[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
		p.wake_fd = fds[0];
		p.kick_fd = fds[1];
		p.random = 1 + k;
		c = p;
		c.wake_fd = fds[1];
		c.kick_fd = fds[0];
		c.random = 1000 + k;
		assert_int_equal(pthread_create(&thread, NULL, produce_thread, &p), 0);
		consume(&c);
		pthread_join(thread, NULL);
		assert_string_equal(p.wrong, "");
		assert_string_equal(c.wrong, "");
		p_sleeps += p.sleeps;
		c_sleeps += c.sleeps;
		close(fds[0]);
		close(fds[1]);
		free(p.mem);
	}
	/* Or the sleep protocol was not tested. */
	assert_true(p_sleeps > 100);
	assert_true(c_sleeps > 100);
}

/* One end in a process of its own, with a mapping of its own; exits 0 if all went well. */
static pid_t end_process(int memfd, struct end *e, void (*run)(struct end *))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	e->mem = mmap(NULL, e->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (e->mem == MAP_FAILED)
		_exit(2);
	run(e);
	if (*e->wrong)
		fprintf(stderr, "%s\n", e->wrong);
	_exit(*e->wrong != 0);
}

/* Both ends as processes; each is killed lives times, about every 60 steps, and opened again. */
static void run_processes(const struct setup *s, uint32_t lives)
{
	const struct end none = {.setup = s, .bytes = dmaf_ring_bytes(s->g.count, s->g.entry_size)};
	int memfd = memfd_create("ring", MFD_CLOEXEC), fds[2], status, i;
	void (*const run[2])(struct end *) = {produce, consume};
	uint32_t left[2] = {lives, lives}, seed = 1;
	pid_t pids[2] = {0, 0}, pid;
	struct end e;
	void *mem;

	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, (off_t)none.bytes), 0);
	mem = mmap(NULL, none.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	assert_true(mem != MAP_FAILED);
	format(mem, none.bytes, s);
	munmap(mem, none.bytes);
	for (i = 0; i < 2; i++)
		assert_true((fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
	do {
		for (i = 0; i < 2; i++) {
			if (pids[i])
				continue;
			e = none;
			e.wake_fd = fds[i];
			e.kick_fd = fds[!i];
			e.random = seed++ * 2654435761u;
			e.crash_in = left[i] ? 1 + e.random % 120 : 0;
			left[i] -= left[i] > 0;
			pids[i] = end_process(memfd, &e, run[i]);
			assert_true(pids[i] > 0);
		}
		pid = wait(&status);
		assert_true(pid == pids[0] || pid == pids[1]);
		i = pid == pids[1];
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
			pids[i] = 0;
			continue;
		}
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		pids[i] = -1;
	} while (pids[0] != -1 || pids[1] != -1);
	assert_int_equal(left[0] + left[1], 0);
	close(fds[0]);
	close(fds[1]);
	close(memfd);
}

static void test_processes(void **state)
{
	uint32_t k;

	for (k = 0; k < SETUPS; k++)
		run_processes(&setups[k], 0);
}

static void test_killed_processes(void **state)
{
	static const struct setup killed[] = {
		{{1, 16}, BY_EVENTFD, 0u - 3000, 6000},
		{{4, 64}, BY_FUTEX, 0u - 3000, 6000},
		{{16, 64}, BY_EVENTFD, 0u - 10000, 20000},
	};
	uint32_t k;

	for (k = 0; k < 3; k++)
		run_processes(&killed[k], 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_killed_processes),
	};

	return cmocka_run_group_tests_name("ring stress", tests, NULL, NULL);
}
