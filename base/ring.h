/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The descriptor ring: one producer, one consumer, entries of one size, in memory that both see.
 * Between threads, processes, kernel and user, or two cores. This header is the protocol.
 *
 * In shared memory lie four lines of 64 bytes, then the entries:
 *
 *      geometry   magic, version, count, entry size      written once, before the peer is told
 *      producer   head    entries ever submitted         P writes, C reads
 *      wait       c_wait  consumer's sleep ticket        C writes, P reads
 *                 p_wait  producer's sleep ticket        P writes, C reads
 *                 c_kick  ticket kicked last, for futex  P writes, C sleeps on it
 *                 p_kick  ticket kicked last, for futex  C writes, P sleeps on it
 *      consumer   tail    entries ever released          C writes, P reads
 *
 * Indices run freely through 2^32; entry i lies in slot i mod count. head - tail is how many
 * entries the consumer has yet to release, 0 to count. Only 32-bit loads and stores are used,
 * never a read-modify-write, so that a core without atomics can take part.
 *
 * What pairs with what (=> release, <= acquire, ## full fence):
 *
 *      producer                                  consumer
 *      --------                                  --------
 *      write entries
 *   1  head => ............................... <= head   1    entries are seen before they are read
 *                                                read entries
 *   2  tail <= ............................... => tail   2    reads are done before slots are
 * reused write entries
 *
 *      to sleep for entries:
 *                                                c_wait = odd
 *   3  head => ##                                ##           3    either C sees the new head and
 *      c_wait new and odd? kick ..............   head <=           stays awake, or P sees c_wait
 *                                                none? sleep       and kicks: never neither
 *
 *      to sleep for room:
 *      p_wait = odd
 *   4  ##                                        => tail ##   4    the same, the other way round
 *      tail <=  ..............................   p_wait new and odd? kick
 *      none? sleep
 *
 * A ticket is odd while its writer sleeps or is about to, and never the same for two sleeps: the
 * peer kicks once per sleep, not once per entry. A kick must last until it is consumed, because it
 * may come before the sleep: an eventfd does, and so does a futex on the kick word, which then
 * holds the ticket. A futex or a wait queue that looks at the index does not: a kick for an index
 * that the sleeper saw already is lost, and the next submit takes it for delivered.
 *
 * The peer is not trusted. Own index, mask and entry size are private (struct dmaf_ring_prod,
 * struct dmaf_ring_cons); of the shared memory only the peer's index and ticket are ever read. An
 * index that no honest peer could have written (going back, or more than count apart) stops the
 * ring: every call says -EPROTO from then on. A ticket can at worst cause or suppress kicks.
 *
 * A struct dmaf_ring_prod belongs to one thread at a time, and so does a struct dmaf_ring_cons.
 * Don't put the two in the same cache line.
 *
 * tests/ring/ring.pml is this protocol as a model, checked with store buffers.
 */
#ifndef DMAF_BASE_RING_H
#define DMAF_BASE_RING_H

#include "types.h"
#include "align.h"

#define DMAF_RING_MAGIC     0x52414d44u /* "DMAR" in memory, little endian */
#define DMAF_RING_VERSION   1u
#define DMAF_RING_LINE      64u
#define DMAF_RING_MAX_COUNT (1u << 30)

/* What both sides must agree on. */
struct dmaf_ring_geometry {
	uint32_t count;      /* slots: 1, 2, 4 … DMAF_RING_MAX_COUNT */
	uint32_t entry_size; /* bytes per entry, at least 1; entries lie back to back */
};

/* The shared header, at a multiple of DMAF_RING_LINE; entries follow at dmaf_ring_entries_at(). */
struct dmaf_ring_shared {
	uint32_t magic; /* written last */
	uint32_t version;
	struct dmaf_ring_geometry geometry;
	uint32_t reserved0[12];

	uint32_t head; /* P writes, C reads */
	uint32_t reserved1[15];

	/* Written only around sleeping, so that looking at a ticket after a submit hits the cache.
	 */
	uint32_t c_wait; /* C writes, P reads */
	uint32_t p_wait; /* P writes, C reads */
	uint32_t c_kick; /* P writes, C sleeps on it */
	uint32_t p_kick; /* C writes, P sleeps on it */
	uint32_t reserved2[12];

	uint32_t tail; /* C writes, P reads */
	uint32_t reserved3[15];
};

DMAF_STATIC_ASSERT(sizeof(struct dmaf_ring_shared) == 256, "ring header is four lines");
DMAF_STATIC_ASSERT(offsetof(struct dmaf_ring_shared, geometry) == 8, "geometry");
DMAF_STATIC_ASSERT(offsetof(struct dmaf_ring_shared, head) == 64, "producer's line");
DMAF_STATIC_ASSERT(offsetof(struct dmaf_ring_shared, c_wait) == 128, "wait line");
DMAF_STATIC_ASSERT(offsetof(struct dmaf_ring_shared, p_wait) == 132, "wait line");
DMAF_STATIC_ASSERT(offsetof(struct dmaf_ring_shared, c_kick) == 136, "wait line");
DMAF_STATIC_ASSERT(offsetof(struct dmaf_ring_shared, p_kick) == 140, "wait line");
DMAF_STATIC_ASSERT(offsetof(struct dmaf_ring_shared, tail) == 192, "consumer's line");

/* The producer's private end. Fields are for the inlines below only. */
struct dmaf_ring_prod {
	struct dmaf_ring_shared *shared;
	unsigned char *entries;
	uint32_t mask;
	uint32_t entry_size;
	uint32_t head;   /* own index */
	uint32_t limit;  /* peer's tail as last seen, plus count: head may go up to here */
	uint32_t c_wait; /* consumer's ticket as last seen */
	uint32_t p_wait; /* own ticket */
	uint32_t broken;
};

/* The consumer's private end. Fields are for the inlines below only. */
struct dmaf_ring_cons {
	struct dmaf_ring_shared *shared;
	const unsigned char *entries;
	uint32_t mask;
	uint32_t entry_size;
	uint32_t tail;   /* own index */
	uint32_t limit;  /* peer's head as last seen: tail may go up to here */
	uint32_t p_wait; /* producer's ticket as last seen */
	uint32_t c_wait; /* own ticket */
	uint32_t broken;
};

/* ---- set-up ------------------------------------------------------------------------------- */

/* Offset of the first entry from the shared header, in bytes; a multiple of DMAF_RING_LINE. */
DMAF_INLINE uint32_t dmaf_ring_entries_at(void)
{
	return (uint32_t)sizeof(struct dmaf_ring_shared);
}

/*
 * Bytes of shared memory that a ring takes; 0 if count is not a power of two up to
 * DMAF_RING_MAX_COUNT, or entry_size is 0.
 */
DMAF_INLINE uint64_t dmaf_ring_bytes(uint32_t count, uint32_t entry_size)
{
	if (!dmaf_is_pow2(count) || count > DMAF_RING_MAX_COUNT || !entry_size)
		return 0;
	return dmaf_ring_entries_at() + (uint64_t)count * entry_size;
}

/* Behind the set-up calls: whether a ring of this geometry can lie at mem, in bytes bytes. */
DMAF_INLINE int dmaf_ring_fits(const void *mem, uint64_t bytes, const struct dmaf_ring_geometry *g)
{
	uint64_t need = dmaf_ring_bytes(g->count, g->entry_size);

	if (!need || need > bytes || need > (uint64_t)(uintptr_t)-1)
		return -DMAF_EINVAL;
	if (!mem || !dmaf_ptr_is_aligned(mem, DMAF_RING_LINE))
		return -DMAF_EINVAL;
	return 0;
}

/*
 * Makes an empty ring in memory that nobody else uses yet. 0, or -EINVAL if mem is not a multiple
 * of DMAF_RING_LINE, the geometry is not possible or the ring takes more than bytes.
 */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_format(void *mem, uint64_t bytes,
						 const struct dmaf_ring_geometry *g)
{
	struct dmaf_ring_shared *shared = (struct dmaf_ring_shared *)mem;
	unsigned int i;
	int err = dmaf_ring_fits(mem, bytes, g);

	if (err)
		return err;
	for (i = 0; i < sizeof(*shared) / sizeof(uint32_t); i++)
		((uint32_t *)mem)[i] = 0;
	shared->version = DMAF_RING_VERSION;
	shared->geometry = *g;
	/* Pairs with the acquire in dmaf_ring_read_geometry(): who sees the magic sees the rest. */
	dmaf_store_release(&shared->magic, DMAF_RING_MAGIC);
	return 0;
}

/*
 * Reads the geometry of a ring that someone else formatted. 0, or -EINVAL if there is none, of
 * another version, or it takes more than bytes. Who knows the geometry better (the maker, a
 * kernel) uses its own and never calls this. Take entry_size for what the maker says it is:
 * compare it with the size of the entries you mean.
 */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_read_geometry(const void *mem, uint64_t bytes,
							struct dmaf_ring_geometry *g)
{
	const struct dmaf_ring_shared *shared = (const struct dmaf_ring_shared *)mem;

	if (!mem || !dmaf_ptr_is_aligned(mem, DMAF_RING_LINE) || bytes < sizeof(*shared))
		return -DMAF_EINVAL;
	/* Pairs with the release in dmaf_ring_format(). */
	if (dmaf_load_acquire(&shared->magic) != DMAF_RING_MAGIC)
		return -DMAF_EINVAL;
	/* Relaxed: written before the magic. Read once each, so that what is checked is what is
	 * used. */
	if (dmaf_load_relaxed(&shared->version) != DMAF_RING_VERSION)
		return -DMAF_EINVAL;
	g->count = dmaf_load_relaxed(&shared->geometry.count);
	g->entry_size = dmaf_load_relaxed(&shared->geometry.entry_size);
	return dmaf_ring_fits(mem, bytes, g);
}

/*
 * Opens the producer's end of a formatted ring, going on where its indices stand. At most one
 * producer at a time. mem is borrowed and must outlive prod. 0, -EINVAL as dmaf_ring_format(), or
 * -EPROTO if the indices in the ring are impossible. Who takes over from one that died calls
 * dmaf_ring_prod_must_kick() first: the kick that the dead one owed may never have come.
 */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_prod_init(struct dmaf_ring_prod *p, void *mem,
						    uint64_t bytes,
						    const struct dmaf_ring_geometry *g)
{
	struct dmaf_ring_geometry own = *g;
	uint32_t tail;
	int err = dmaf_ring_fits(mem, bytes, &own);

	if (err)
		return err;
	p->shared = (struct dmaf_ring_shared *)mem;
	p->entries = (unsigned char *)mem + dmaf_ring_entries_at();
	p->mask = own.count - 1;
	p->entry_size = own.entry_size;
	/* Relaxed: only a producer writes these, and whoever hands over its role orders that. */
	p->head = dmaf_load_relaxed(&p->shared->head);
	p->p_wait = (dmaf_load_relaxed(&p->shared->p_wait) + 1) & ~1u;
	/* Pairs with the release in dmaf_ring_release_polled(), as in dmaf_ring_prod_refresh(). */
	tail = dmaf_load_acquire(&p->shared->tail);
	p->limit = tail + own.count;
	/* No ticket seen: a consumer that sleeps already is kicked by the first submit. */
	p->c_wait = 0;
	p->broken = p->head - tail > own.count;
	if (p->broken) {
		p->limit = p->head;
		return -DMAF_EPROTO;
	}
	dmaf_store_relaxed(&p->shared->p_wait, p->p_wait); /* a dead predecessor sleeps no more */
	return 0;
}

/* Opens the consumer's end; as dmaf_ring_prod_init(), with dmaf_ring_cons_must_kick(). */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_cons_init(struct dmaf_ring_cons *c, void *mem,
						    uint64_t bytes,
						    const struct dmaf_ring_geometry *g)
{
	struct dmaf_ring_geometry own = *g;
	int err = dmaf_ring_fits(mem, bytes, &own);

	if (err)
		return err;
	c->shared = (struct dmaf_ring_shared *)mem;
	c->entries = (const unsigned char *)mem + dmaf_ring_entries_at();
	c->mask = own.count - 1;
	c->entry_size = own.entry_size;
	/* Relaxed: only a consumer writes these, and whoever hands over its role orders that. */
	c->tail = dmaf_load_relaxed(&c->shared->tail);
	c->c_wait = (dmaf_load_relaxed(&c->shared->c_wait) + 1) & ~1u;
	/* Pairs with the release in dmaf_ring_submit_polled(), as in dmaf_ring_cons_refresh(). */
	c->limit = dmaf_load_acquire(&c->shared->head);
	c->p_wait = 0;
	c->broken = c->limit - c->tail > own.count;
	if (c->broken) {
		c->limit = c->tail;
		return -DMAF_EPROTO;
	}
	dmaf_store_relaxed(&c->shared->c_wait, c->c_wait);
	return 0;
}

/* ---- producer: reserve, submit ------------------------------------------------------------- */

/* Behind dmaf_ring_reserve(): looks at the peer's index again. 0, or -EPROTO. */
DMAF_INLINE int dmaf_ring_prod_refresh(struct dmaf_ring_prod *p)
{
	uint32_t count = p->mask + 1;
	/* [2] pairs with the release of tail: the consumer is done reading what we may overwrite.
	 */
	uint32_t tail = dmaf_load_acquire(&p->shared->tail);

	/*
	 * An honest tail lies between the one seen last and our head. The one seen last is at most
	 * count behind head, so this one comparison refuses both going back and running ahead.
	 */
	if (DMAF_UNLIKELY(p->broken || p->head - tail > count - (p->limit - p->head))) {
		p->broken = 1;
		p->limit = p->head; /* no room, so that the fast path ends here for ever */
		return -DMAF_EPROTO;
	}
	p->limit = tail + count;
	return 0;
}

/*
 * How many of want entries (at most DMAF_RING_MAX_COUNT) can be filled now: 0 to want, or -EPROTO
 * for ever once the peer broke the protocol. Fill them through dmaf_ring_prod_entry(p, 0 …), then
 * submit as many of them as you like; what is not submitted needs no giving back, and is reserved
 * again by the next call.
 */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_reserve(struct dmaf_ring_prod *p, uint32_t want)
{
	uint32_t room = p->limit - p->head;
	int err;

	if (room < want) {
		err = dmaf_ring_prod_refresh(p);
		if (err)
			return err;
		room = p->limit - p->head;
		if (room < want)
			want = room;
	}
	return (int)want;
}

/* The i-th reserved entry, to be written. Aligned as entry_size allows, from a multiple of 64. */
DMAF_INLINE void *dmaf_ring_prod_entry(const struct dmaf_ring_prod *p, uint32_t i)
{
	return p->entries + (size_t)((p->head + i) & p->mask) * p->entry_size;
}

/* Behind dmaf_ring_submit_polled() and dmaf_ring_enqueue_burst(). */
DMAF_INLINE void dmaf_ring_prod_publish(struct dmaf_ring_prod *p, struct dmaf_ring_shared *shared,
					uint32_t head)
{
	p->head = head;
	/* [1] pairs with the acquire of head: entries are written before they are seen. */
	dmaf_store_release(&shared->head, head);
}

/*
 * dmaf_ring_submit() for a consumer that never sleeps, or for all but the last of several submits:
 * it cheaply publishes and wakes nobody.
 */
DMAF_INLINE void dmaf_ring_submit_polled(struct dmaf_ring_prod *p, uint32_t n)
{
	DMAF_ASSERT(n <= p->limit - p->head);
	dmaf_ring_prod_publish(p, p->shared, p->head + n);
}

/* True if the consumer sleeps and was not yet told: kick it. Call after dmaf_ring_submit_polled().
 */
DMAF_INLINE DMAF_MUST_CHECK bool dmaf_ring_prod_must_kick(struct dmaf_ring_prod *p)
{
	uint32_t ticket;

	/* [3] pairs with the fence in dmaf_ring_cons_sleep(): our store of head, then c_wait. */
	dmaf_fence_full();
	/* Relaxed: ordered by the fence; nothing is read on the strength of it. */
	ticket = dmaf_load_relaxed(&p->shared->c_wait);
	if (DMAF_LIKELY(ticket == p->c_wait))
		return false;
	p->c_wait = ticket;
	if (!(ticket & 1))
		return false;
	/* Relaxed: the FUTEX_WAKE that follows orders it; an eventfd has no use for it. */
	dmaf_store_relaxed(&p->shared->c_kick, ticket);
	return true;
}

/* Publishes the first n reserved entries. True if the consumer sleeps: kick it. */
DMAF_INLINE DMAF_MUST_CHECK bool dmaf_ring_submit(struct dmaf_ring_prod *p, uint32_t n)
{
	dmaf_ring_submit_polled(p, n);
	return dmaf_ring_prod_must_kick(p);
}

/*
 * Call before sleeping until n entries (1 to count) can be reserved: 1, sleep until kicked (a
 * time-out is allowed) and then call dmaf_ring_prod_awake(); 0, there is room, don't sleep;
 * -EPROTO, don't sleep. A kick may come with fewer than n free: sleep again.
 */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_prod_sleep(struct dmaf_ring_prod *p, uint32_t n)
{
	int got;

	p->p_wait = (p->p_wait + 1) | 1;
	/* Relaxed: ordered by the fence. */
	dmaf_store_relaxed(&p->shared->p_wait, p->p_wait);
	/* [4] pairs with the fence in dmaf_ring_cons_must_kick(): our store of p_wait, then tail.
	 */
	dmaf_fence_full();
	got = dmaf_ring_reserve(p, n);
	if (got >= 0 && (uint32_t)got < n)
		return 1;
	p->p_wait++;
	/* Relaxed: seen late it costs a needless kick, no more. */
	dmaf_store_relaxed(&p->shared->p_wait, p->p_wait);
	return got < 0 ? got : 0;
}

/* After sleeping, whatever ended it. */
DMAF_INLINE void dmaf_ring_prod_awake(struct dmaf_ring_prod *p)
{
	p->p_wait = (p->p_wait + 1) & ~1u;
	/* Relaxed: seen late it costs a needless kick, no more. */
	dmaf_store_relaxed(&p->shared->p_wait, p->p_wait);
}

/*
 * After dmaf_ring_prod_sleep() said 1: the word to sleep on with FUTEX_WAIT, and in *seen the value
 * it must still have. The consumer kicks by FUTEX_WAKE on dmaf_ring_cons_kick_word().
 */
DMAF_INLINE uint32_t *dmaf_ring_prod_futex(const struct dmaf_ring_prod *p, uint32_t *seen)
{
	/* Relaxed: it only has to be older than a kick for this sleep. */
	uint32_t kicked = dmaf_load_relaxed(&p->shared->p_kick);

	/* Kicked already: no value that the word has, so FUTEX_WAIT returns at once. */
	*seen = kicked == p->p_wait ? kicked + 1 : kicked;
	return &p->shared->p_kick;
}

/* Where the consumer sleeps, if by futex: FUTEX_WAKE it when told to kick. */
DMAF_INLINE uint32_t *dmaf_ring_prod_kick_word(const struct dmaf_ring_prod *p)
{
	return &p->shared->c_kick;
}

/* ---- consumer: peek, release --------------------------------------------------------------- */

/* Behind dmaf_ring_peek(): looks at the peer's index again. 0, or -EPROTO. */
DMAF_INLINE int dmaf_ring_cons_refresh(struct dmaf_ring_cons *c)
{
	uint32_t count = c->mask + 1;
	uint32_t seen = c->limit - c->tail;
	/* [1] pairs with the release of head: the entries up to it are there to be read. */
	uint32_t head = dmaf_load_acquire(&c->shared->head);

	/* An honest head lies between the one seen last and tail + count: one comparison for both.
	 */
	if (DMAF_UNLIKELY(c->broken || head - c->limit > count - seen)) {
		c->broken = 1;
		c->limit = c->tail; /* nothing to read, so that the fast path ends here for ever */
		return -DMAF_EPROTO;
	}
	c->limit = head;
	return 0;
}

/*
 * How many of want entries (at most DMAF_RING_MAX_COUNT) can be read now: 0 to want, or -EPROTO for
 * ever once the peer broke the protocol. Read them through dmaf_ring_cons_entry(c, 0 …), then
 * release as many of them, oldest first, as you are done with; the rest is peeked again by the
 * next call.
 */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_peek(struct dmaf_ring_cons *c, uint32_t want)
{
	uint32_t there = c->limit - c->tail;
	int err;

	if (there < want) {
		err = dmaf_ring_cons_refresh(c);
		if (err)
			return err;
		there = c->limit - c->tail;
		if (there < want)
			want = there;
	}
	return (int)want;
}

/*
 * The i-th peeked entry. A peer that isn't trusted may change it while you look: copy it into a
 * local before you check it, or use dmaf_ring_dequeue_burst().
 */
DMAF_INLINE const void *dmaf_ring_cons_entry(const struct dmaf_ring_cons *c, uint32_t i)
{
	return c->entries + (size_t)((c->tail + i) & c->mask) * c->entry_size;
}

/* Behind dmaf_ring_release_polled() and dmaf_ring_dequeue_burst(). */
DMAF_INLINE void dmaf_ring_cons_publish(struct dmaf_ring_cons *c, struct dmaf_ring_shared *shared,
					uint32_t tail)
{
	c->tail = tail;
	/* [2] pairs with the acquire of tail: our reads are done before the slots are reused. */
	dmaf_store_release(&shared->tail, tail);
}

/* dmaf_ring_release() for a producer that never sleeps, or for all but the last of several. */
DMAF_INLINE void dmaf_ring_release_polled(struct dmaf_ring_cons *c, uint32_t n)
{
	DMAF_ASSERT(n <= c->limit - c->tail);
	dmaf_ring_cons_publish(c, c->shared, c->tail + n);
}

/* True if the producer sleeps and was not yet told: kick it. After dmaf_ring_release_polled(). */
DMAF_INLINE DMAF_MUST_CHECK bool dmaf_ring_cons_must_kick(struct dmaf_ring_cons *c)
{
	uint32_t ticket;

	/* [4] pairs with the fence in dmaf_ring_prod_sleep(): our store of tail, then p_wait. */
	dmaf_fence_full();
	/* Relaxed: ordered by the fence; nothing is read on the strength of it. */
	ticket = dmaf_load_relaxed(&c->shared->p_wait);
	if (DMAF_LIKELY(ticket == c->p_wait))
		return false;
	c->p_wait = ticket;
	if (!(ticket & 1))
		return false;
	/* Relaxed: as in dmaf_ring_prod_must_kick(). */
	dmaf_store_relaxed(&c->shared->p_kick, ticket);
	return true;
}

/* Gives the n oldest peeked entries back. True if the producer sleeps: kick it. */
DMAF_INLINE DMAF_MUST_CHECK bool dmaf_ring_release(struct dmaf_ring_cons *c, uint32_t n)
{
	dmaf_ring_release_polled(c, n);
	return dmaf_ring_cons_must_kick(c);
}

/* Call before sleeping until n entries (1 to count) are there; as dmaf_ring_prod_sleep(). */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_cons_sleep(struct dmaf_ring_cons *c, uint32_t n)
{
	int got;

	c->c_wait = (c->c_wait + 1) | 1;
	/* Relaxed: ordered by the fence. */
	dmaf_store_relaxed(&c->shared->c_wait, c->c_wait);
	/* [3] pairs with the fence in dmaf_ring_prod_must_kick(): our store of c_wait, then head.
	 */
	dmaf_fence_full();
	got = dmaf_ring_peek(c, n);
	if (got >= 0 && (uint32_t)got < n)
		return 1;
	c->c_wait++;
	/* Relaxed: seen late it costs a needless kick, no more. */
	dmaf_store_relaxed(&c->shared->c_wait, c->c_wait);
	return got < 0 ? got : 0;
}

/* After sleeping, whatever ended it. */
DMAF_INLINE void dmaf_ring_cons_awake(struct dmaf_ring_cons *c)
{
	c->c_wait = (c->c_wait + 1) & ~1u;
	/* Relaxed: seen late it costs a needless kick, no more. */
	dmaf_store_relaxed(&c->shared->c_wait, c->c_wait);
}

/* After dmaf_ring_cons_sleep() said 1; as dmaf_ring_prod_futex(). */
DMAF_INLINE uint32_t *dmaf_ring_cons_futex(const struct dmaf_ring_cons *c, uint32_t *seen)
{
	/* Relaxed: it only has to be older than a kick for this sleep. */
	uint32_t kicked = dmaf_load_relaxed(&c->shared->c_kick);

	*seen = kicked == c->c_wait ? kicked + 1 : kicked;
	return &c->shared->c_kick;
}

/* Where the producer sleeps, if by futex: FUTEX_WAKE it when told to kick. */
DMAF_INLINE uint32_t *dmaf_ring_cons_kick_word(const struct dmaf_ring_cons *c)
{
	return &c->shared->p_kick;
}

/* ---- copying in and out --------------------------------------------------------------------- */

/*
 * Copies up to n entries in and submits them: how many, or -EPROTO. entry_size is the ring's,
 * given again so that the compiler knows it: pass sizeof. *kick says whether the consumer must be
 * kicked; NULL means that it never sleeps.
 */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_enqueue_burst(struct dmaf_ring_prod *p, const void *from,
							uint32_t entry_size, uint32_t n, bool *kick)
{
	const unsigned char *src = (const unsigned char *)from;
	/* In locals, because for all the compiler knows the copy overwrites *p. */
	struct dmaf_ring_shared *shared = p->shared;
	unsigned char *entries = p->entries;
	uint32_t at = p->head, mask = p->mask, left;
	int got = dmaf_ring_reserve(p, n);

	DMAF_ASSERT(entry_size == p->entry_size);
	if (kick)
		*kick = false;
	if (got <= 0)
		return got;
	for (left = (uint32_t)got; left; left--, at++, src += entry_size)
		__builtin_memcpy(entries + (size_t)(at & mask) * entry_size, src, entry_size);
	dmaf_ring_prod_publish(p, shared, at);
	if (kick)
		*kick = dmaf_ring_prod_must_kick(p);
	return got;
}

/*
 * Copies up to n entries out and releases them: how many, or -EPROTO. As
 * dmaf_ring_enqueue_burst(). What it copied is read from shared memory once: the release keeps the
 * compiler from going back there.
 */
DMAF_INLINE DMAF_MUST_CHECK int dmaf_ring_dequeue_burst(struct dmaf_ring_cons *c, void *to,
							uint32_t entry_size, uint32_t n, bool *kick)
{
	unsigned char *dst = (unsigned char *)to;
	struct dmaf_ring_shared *shared = c->shared;
	const unsigned char *entries = c->entries;
	uint32_t at = c->tail, mask = c->mask, left;
	int got = dmaf_ring_peek(c, n);

	DMAF_ASSERT(entry_size == c->entry_size);
	if (kick)
		*kick = false;
	if (got <= 0)
		return got;
	for (left = (uint32_t)got; left; left--, at++, dst += entry_size)
		__builtin_memcpy(dst, entries + (size_t)(at & mask) * entry_size, entry_size);
	dmaf_ring_cons_publish(c, shared, at);
	if (kick)
		*kick = dmaf_ring_cons_must_kick(c);
	return got;
}

#endif
