/* SPDX-License-Identifier: MIT */
/*
 * base/ring.h as a model: one producer, one consumer, both sleep, stores go through store buffers.
 * Run by model.sh. It is exhaustive and never ends: indices run modulo MOD. Of a ticket only matters
 * whether it is odd and whether the peer saw it: each sleep takes the lowest odd number that is
 * neither in memory, nor in a store buffer, nor what the peer saw last; 0 stands for every even one.
 *
 * What is checked:
 *   - the consumer reads in slot i mod COUNT the value i, nothing older or newer;
 *   - nobody sleeps while there is something to do. The one that sleeps when it should not meets a
 *     peer that idles until the work is done, and spin reports an invalid end state.
 *
 * Machines:
 *   TSO    stores leave the buffer in order (x86)
 *   else   stores leave it in any order, but those to one place in order, and a release after all
 *          that came before it; loads may run ahead of an earlier load and stores of an earlier
 *          load, unless an acquire or a release forbids it (Arm and weaker)
 *
 * -D to leave one out (numbers as in ring.h; P producer, C consumer):
 *   NO_FENCE_3P NO_FENCE_3C NO_FENCE_4P NO_FENCE_4C   full fences of the sleep protocol
 *   NO_REL1 NO_ACQ1                                   head: entries are written, then read
 *   NO_REL2 NO_ACQ2                                   tail: entries are read, then overwritten
 *   NO_RECHECK_P NO_RECHECK_C                         the look before sleeping
 *
 * How one sleeps: by default a kick lasts until it is taken, like an eventfd's.
 *   FUTEX  on the kick word, which the peer sets to the ticket it kicks
 *   INDEX  on the peer's index as last seen, which is not enough: a kick may come for an index that
 *          was seen
 */
#ifndef COUNT
#define COUNT 2
#endif
#define MOD   4 /* of indices */
#ifndef DEPTH
#define DEPTH 4 /* of a store buffer; one that is full stalls its owner */
#endif

/* Shared memory: the slots, then the four words. */
#define HEAD   COUNT
#define TAIL   (COUNT + 1)
#define C_WAIT (COUNT + 2)
#define P_WAIT (COUNT + 3)
byte mem[COUNT + 4];

/* The peer's ticket as last seen: the producer's of c_wait, the consumer's of p_wait. */
byte seen_c, seen_p;

#if defined(FUTEX)
/* FUTEX_WAIT and FUTEX_WAKE together: one sleeps while the word has the value read before. */
byte kick_p, kick_c;
#define kicked(v)         (kick_p == v || kick_c == v)
#define kick(word, who)   word = who
#define sleep(word, w, i) s = word; if :: s != own -> word != s :: else fi; s = 0; own = 0
#elif defined(INDEX)
bool kick_p = true, kick_c = true; /* false: in FUTEX_WAIT */
#define kicked(v)         false
#define kick(word, who)   word = true
#define sleep(word, w, i) atomic { if :: mem[w] == i -> word = false :: else fi }; word
#else
bool kick_p, kick_c;
#define kicked(v)         false
#define kick(word, who)   word = true
#define sleep(word, w, i) atomic { word; word = false }
#endif

/* Which side may idle until the other has done all it can. */
bool idle_p, idle_c;

#ifdef NO_ACQ2
bool ahead; /* the producer wrote a slot before it read the tail that allows it */
bool wrong; /* what the consumer read meanwhile */
#endif

typedef store_buffer {
	byte place[DEPTH];
	byte value[DEPTH];
	bit release[DEPTH];
	byte n
}
store_buffer buf[2];
#define P 0
#define C 1

inline store(who, where, what, rel)
{
	atomic {
		buf[who].n < DEPTH;
		d_step {
			buf[who].place[buf[who].n] = where;
			buf[who].value[buf[who].n] = what;
			buf[who].release[buf[who].n] = rel;
			buf[who].n++
		}
	}
}

inline fence(who)
{
	buf[who].n == 0
}

/* Entry i of a buffer reaches memory. */
inline drain(who, i)
{
	d_step {
		mem[buf[who].place[i]] = buf[who].value[i];
		k = i;
		do
		:: k + 1 < buf[who].n ->
			buf[who].place[k] = buf[who].place[k + 1];
			buf[who].value[k] = buf[who].value[k + 1];
			buf[who].release[k] = buf[who].release[k + 1];
			k++
		:: else -> break
		od;
		buf[who].n--;
		buf[who].place[buf[who].n] = 0;
		buf[who].value[buf[who].n] = 0;
		buf[who].release[buf[who].n] = 0;
		k = 0
	}
}

#define older_same(who, i, j) (buf[who].place[i] == buf[who].place[j])

proctype drainer(bit who)
{
	byte k;
end:	do
	:: buf[who].n > 0 -> drain(who, 0)
#ifndef TSO
	:: buf[who].n > 1 && !buf[who].release[1] && !older_same(who, 1, 0) -> drain(who, 1)
	:: buf[who].n > 2 && !buf[who].release[2] && !older_same(who, 2, 0) &&
	   !older_same(who, 2, 1) -> drain(who, 2)
	:: buf[who].n > 3 && !buf[who].release[3] && !older_same(who, 3, 0) &&
	   !older_same(who, 3, 1) && !older_same(who, 3, 2) -> drain(who, 3)
#endif
	od
}

#ifdef NO_REL1
#define REL1 0
#else
#define REL1 1
#endif

#define gap(a, b) ((a + MOD - (b)) % MOD)

#define pending(who, where, i, v) (buf[who].n > i && buf[who].place[i] == where && buf[who].value[i] == v)
#define used(who, where, seen, v)                                                                  \
	(seen == v || kicked(v) || mem[where] == v || pending(who, where, 0, v) || pending(who, where, 1, v) || \
	 pending(who, where, 2, v) || pending(who, where, 3, v))

/* p_wait or c_wait = a new odd number */
inline arm(who, where, seen)
{
	atomic {
		t = 1;
		do
		:: used(who, where, seen, t) -> t = t + 2
		:: else -> break
		od;
		store(who, where, t, 0);
#ifdef FUTEX
		own = t;
#endif
		t = 0
	}
}

/* dmaf_ring_prod_refresh() */
inline prod_refresh()
{
	atomic {
		t = mem[TAIL];
		assert(gap(head, t) <= COUNT - gap(limit, head)); /* honest peers never stop the ring */
		limit = (t + COUNT) % MOD;
		t = 0
	}
}

proctype producer()
{
	byte head, limit = COUNT, t;
#ifdef FUTEX
	byte own, s, told;
#endif
	bool written;

	do
	:: written = false;
	   if
	   :: gap(limit, head) > 0
	   :: gap(limit, head) == 0 -> prod_refresh()
#ifdef NO_ACQ2
	   :: gap(limit, head) == 0 ->
		/* C has no control dependency: the store of the slot may run ahead of the load. */
		ahead = true;
		store(P, head % COUNT, head, 0);
		written = true;
		fence(P);
		prod_refresh();
		if
		:: gap(limit, head) > 0 -> assert(!wrong); ahead = false
		:: else -> do :: ahead = true od /* guessed wrong: there is no such execution */
		fi
#endif
	   fi;
	   if
	   :: gap(limit, head) == 0 -> /* dmaf_ring_prod_sleep() */
		arm(P, P_WAIT, seen_p);
#ifndef NO_FENCE_4P
		fence(P);
#endif
#ifndef NO_RECHECK_P
		prod_refresh();
#endif
		if
		:: gap(limit, head) == 0 -> sleep(kick_p, TAIL, (limit + MOD - COUNT) % MOD)
		:: else
		fi;
		store(P, P_WAIT, 0, 0)
	   :: else ->
again:		if
		:: !written -> store(P, head % COUNT, head, 0)
		:: else
		fi;
		written = false;
		head = (head + 1) % MOD;
		store(P, HEAD, head, REL1);
		if
		:: gap(limit, head) > 0 -> goto again /* dmaf_ring_submit_polled(), more to come */
		:: true
		fi;
		/* dmaf_ring_prod_must_kick() */
#ifndef NO_FENCE_3P
		fence(P);
#endif
		atomic {
			t = mem[C_WAIT];
			if
#ifdef FUTEX
			:: t != seen_c && (t & 1) -> told = t
#else
			:: t != seen_c && (t & 1) -> kick(kick_c, t)
#endif
			:: else
			fi;
			seen_c = t;
			t = 0
		}
#ifdef FUTEX
		if /* the kick is a system call, some time later */
		:: told != 0 -> atomic { kick(kick_c, told); told = 0 }
		:: else
		fi;
#endif
		if
		:: idle_p -> mem[TAIL] == head
		:: true
		fi
	   fi
	od
}

/* dmaf_ring_cons_refresh() */
inline cons_refresh()
{
	atomic {
		t = mem[HEAD];
		assert(gap(t, limit) <= COUNT - gap(limit, tail));
		limit = t;
		t = 0
	}
}

inline check(value)
{
#ifdef NO_ACQ2
	atomic {
		if
		:: ahead && (value) != tail -> wrong = true
		:: else -> assert((value) == tail)
		fi
	}
#else
	assert((value) == tail)
#endif
}

proctype consumer()
{
	byte tail, limit, t;
#ifdef FUTEX
	byte own, s, told;
#endif
#ifdef NO_ACQ1
	byte early = 255;
#endif

	do
	:: if
	   :: gap(limit, tail) > 0
	   :: gap(limit, tail) == 0 ->
#ifdef NO_ACQ1
		if /* the load of the slot may run ahead of the load of head */
		:: early = mem[tail % COUNT]
		:: true
		fi;
#endif
		cons_refresh()
	   fi;
	   if
	   :: gap(limit, tail) == 0 -> /* dmaf_ring_cons_sleep() */
#ifdef NO_ACQ1
		early = 255;
#endif
		arm(C, C_WAIT, seen_c);
#ifndef NO_FENCE_3C
		fence(C);
#endif
#ifndef NO_RECHECK_C
		cons_refresh();
#endif
		if
		:: gap(limit, tail) == 0 -> sleep(kick_c, HEAD, limit)
		:: else
		fi;
		store(C, C_WAIT, 0, 0)
	   :: else ->
again:
#if defined(NO_ACQ1)
		atomic {
			if
			:: early != 255 -> check(early)
			:: else -> check(mem[tail % COUNT])
			fi;
			early = 255
		}
		store(C, TAIL, (tail + 1) % MOD, 1);
		tail = (tail + 1) % MOD;
#elif defined(NO_REL2)
		if /* the store of tail may run ahead of the load of the slot */
		:: check(mem[tail % COUNT]);
		   store(C, TAIL, (tail + 1) % MOD, 0)
		:: store(C, TAIL, (tail + 1) % MOD, 0);
		   check(mem[tail % COUNT])
		fi;
		tail = (tail + 1) % MOD;
#else
		check(mem[tail % COUNT]);
		store(C, TAIL, (tail + 1) % MOD, 1);
		tail = (tail + 1) % MOD;
#endif
		if
		:: gap(limit, tail) > 0 -> goto again /* dmaf_ring_release_polled(), more to come */
		:: true
		fi;
		/* dmaf_ring_cons_must_kick() */
#ifndef NO_FENCE_4C
		fence(C);
#endif
		atomic {
			t = mem[P_WAIT];
			if
#ifdef FUTEX
			:: t != seen_p && (t & 1) -> told = t
#else
			:: t != seen_p && (t & 1) -> kick(kick_p, t)
#endif
			:: else
			fi;
			seen_p = t;
			t = 0
		}
#ifdef FUTEX
		if /* the kick is a system call, some time later */
		:: told != 0 -> atomic { kick(kick_p, told); told = 0 }
		:: else
		fi;
#endif
		if
		:: idle_c -> gap(mem[HEAD], tail) == COUNT
		:: true
		fi
	   fi
	od
}

init {
	atomic {
		if
		:: idle_p = true
		:: idle_c = true
		:: true
		fi;
		run drainer(P);
		run drainer(C);
		run producer();
		run consumer()
	}
}
