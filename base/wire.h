/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef DMAF_BASE_WIRE_H
#define DMAF_BASE_WIRE_H

#include "types.h"

/*
 * The framed stream, version 1; docs/wire.md describes it byte by byte.
 *
 *   sender                                    receiver
 *     hello (what, from where, ack wanted) ->
 *                                          <- hello|ANSWER (resume position, block, window)   }
 * only data, data, heartbeat, data          ->                                                 }
 * when
 *                                          <- ack (written or synced up to here)              }
 * acks end (total)                          ->                                                 }
 * are
 *                                          <- ack|DONE                                        }
 * wanted
 *
 * Either side may send an error and close. All numbers are little-endian. Every header has the same
 * size, a multiple of 8, so that it is a segment of its own and the payload stays where it is. The
 * CRC covers the header only: TCP guards the payload on the way.
 *
 * Nothing here allocates, blocks or keeps state outside its arguments. A struct dmaf_wire_rx or
 * dmaf_wire_tx belongs to one thread at a time; the rest may be called from any.
 */
#define DMAF_WIRE_VERSION 1
#define DMAF_WIRE_HDR     96  /* bytes of every header */
#define DMAF_WIRE_HELLO   64  /* bytes of a hello's payload */
#define DMAF_WIRE_END     16  /* bytes of an end's payload */
#define DMAF_WIRE_ERROR   8   /* bytes of an error's payload before its text */
#define DMAF_WIRE_TEXT    504 /* most bytes of an error's text */
#define DMAF_WIRE_NAME    32  /* bytes of a sample format's name */
/* The largest frame other than data: an error with the longest text. */
#define DMAF_WIRE_CONTROL_MAX (DMAF_WIRE_HDR + DMAF_WIRE_ERROR + DMAF_WIRE_TEXT)
/* The largest payload of a data frame that either side may propose. */
#define DMAF_WIRE_BLOCK_MAX (1u << 30)

enum dmaf_wire_type {
	DMAF_WIRE_T_HELLO = 1,
	DMAF_WIRE_T_DATA = 2,
	DMAF_WIRE_T_END = 3,
	DMAF_WIRE_T_ERROR = 4,
	DMAF_WIRE_T_ACK = 5,
	DMAF_WIRE_T_HEARTBEAT = 6,
};

/* Flags; each belongs to one type of frame and is refused on another. */
enum dmaf_wire_flag {
	DMAF_WIRE_MORE = 1 << 0,   /* data: the next data frame goes on with the same buffer */
	DMAF_WIRE_SHORT = 1 << 1,  /* data: the buffer was sent before it was full */
	DMAF_WIRE_BAD = 1 << 2,    /* data: the device reported an error for this buffer */
	DMAF_WIRE_ANSWER = 1 << 4, /* hello: from the receiver */
	DMAF_WIRE_DONE = 1 << 5,   /* ack: the end was received and all before it is written */
};

enum dmaf_wire_sample {
	DMAF_WIRE_S_BYTES = 0, /* no structure known */
	DMAF_WIRE_S_UINT = 1,
	DMAF_WIRE_S_INT = 2,
	DMAF_WIRE_S_FLOAT = 3,
	DMAF_WIRE_S_COMPLEX_UINT = 4,
	DMAF_WIRE_S_COMPLEX_INT = 5,
	DMAF_WIRE_S_COMPLEX_FLOAT = 6,
	DMAF_WIRE_S_OTHER = 7, /* what the name says */
};

/* What timestamps count from. */
enum dmaf_wire_clock {
	DMAF_WIRE_C_NONE = 0,      /* timestamps are zero */
	DMAF_WIRE_C_DEVICE = 1,    /* the device's own clock, scaled to ns */
	DMAF_WIRE_C_MONOTONIC = 2, /* the sender's CLOCK_MONOTONIC */
	DMAF_WIRE_C_REALTIME = 3,  /* ns since 1970-01-01 UTC, leap seconds not counted */
	DMAF_WIRE_C_TAI = 4,       /* ns since 1970-01-01 TAI */
};

/* What an acknowledgement promises; a stronger one satisfies a weaker wish. */
enum dmaf_wire_ack {
	DMAF_WIRE_A_NONE = 0,    /* no answer and no acks: one way only */
	DMAF_WIRE_A_WRITTEN = 1, /* handed to the receiver's file or device */
	DMAF_WIRE_A_SYNCED = 2,  /* survives power loss */
};

/*
 * Why a frame was refused. Functions return the negative; an error frame carries the positive
 * number, so these never change meaning.
 */
enum dmaf_wire_why {
	DMAF_WIRE_E_MAGIC = 1,
	DMAF_WIRE_E_VERSION = 2,
	DMAF_WIRE_E_HEADER = 3,
	DMAF_WIRE_E_CRC = 4,
	DMAF_WIRE_E_TYPE = 5,
	DMAF_WIRE_E_FLAGS = 6,
	DMAF_WIRE_E_RESERVED = 7,
	DMAF_WIRE_E_LENGTH = 8,
	DMAF_WIRE_E_TOO_LONG = 9,
	DMAF_WIRE_E_WRAP = 10,
	DMAF_WIRE_E_HELLO = 11,
	DMAF_WIRE_E_TEXT = 12,
	DMAF_WIRE_E_NO_HELLO = 13,
	DMAF_WIRE_E_HELLO_AGAIN = 14,
	DMAF_WIRE_E_STREAM = 15,
	DMAF_WIRE_E_OFFSET = 16,
	DMAF_WIRE_E_SEQUENCE = 17,
	DMAF_WIRE_E_AFTER_END = 18,
	DMAF_WIRE_E_TOTAL = 19,
	DMAF_WIRE_E_DIRECTION = 20,
	DMAF_WIRE_E_NO_ANSWER = 21,
	DMAF_WIRE_E_ACK_BEYOND = 22,
	DMAF_WIRE_E_ACK_BACK = 23,
	DMAF_WIRE_E_ACK_MODE = 24,
	DMAF_WIRE_E_BEHIND = 25,
	DMAF_WIRE_E_AHEAD = 26,
	DMAF_WIRE_E_DONE = 27,
	/* Sent in error frames by those who hold the link; never returned from here. */
	DMAF_WIRE_E_BUSY = 28,
	DMAF_WIRE_E_TIMEOUT = 29,
	DMAF_WIRE_E_SINK = 30,
	DMAF_WIRE_E_SOURCE = 31,
	DMAF_WIRE_E_STOPPED = 32,
	DMAF_WIRE_E_SUPERSEDED = 33,
	DMAF_WIRE_E_LAST = DMAF_WIRE_E_SUPERSEDED,
};

/*
 * A place in a stream. Between buffers, @sequence is that of the next one; inside a buffer, that of
 * the buffer. @lost counts buffers lost before this place since the stream began; bytes that a gap
 * stands for are part of @offset where the sender knows how many they were.
 */
struct dmaf_wire_pos {
	uint64_t offset;   /* bytes */
	uint64_t sequence; /* buffers */
	uint64_t lost;     /* buffers */
};

/*
 * The header. What @pos means: data, where the payload begins; hello, the earliest place from where
 * the sender can go on (without acks: where it will go on); answer, where the receiver wants it to;
 * ack, everything before is written; end and heartbeat, the place after the last payload.
 * @pos.lost: data, buffers lost since the data frame before; end, the same, at the tail; else
 * total.
 */
struct dmaf_wire_hdr {
	uint16_t type;   /* enum dmaf_wire_type */
	uint16_t flags;  /* enum dmaf_wire_flag */
	uint32_t length; /* payload bytes after the header */
	uint8_t id[16]; /* the stream; random, never all zero except in an error before any hello */
	struct dmaf_wire_pos pos;
	uint64_t timestamp; /* ns, when the last byte of the buffer landed; 0 = unknown */
	uint64_t ticks;     /* the device's counter at that time, unscaled; 0 = unknown */
};

struct dmaf_wire_hello {
	uint8_t sample;        /* enum dmaf_wire_sample */
	uint8_t big_endian;    /* 1: samples are big-endian */
	uint16_t bits;         /* of one sample component; 0 = unknown */
	uint32_t channels;     /* interleaved; 0 = unknown */
	uint64_t rate_millihz; /* samples of one channel in 1000 s; 0 = unknown */
	uint8_t clock;         /* enum dmaf_wire_clock */
	uint8_t ack;           /* enum dmaf_wire_ack: wanted; in an answer, given */
	uint32_t block;        /* most payload bytes of a data frame, 1..DMAF_WIRE_BLOCK_MAX */
	uint64_t
		window; /* bytes this side can hold: sent and not acked, or taken and not written */
	char name[DMAF_WIRE_NAME]; /* UTF-8, zero-padded; may be empty, may fill all bytes */
};

struct dmaf_wire_end {
	uint64_t bytes; /* where the stream ends; equals the header's offset */
	uint64_t lost;  /* buffers lost in the whole stream */
};

struct dmaf_wire_error {
	uint32_t code; /* enum dmaf_wire_why; an unknown one is not an error */
	uint32_t text_len;
	const char *text; /* UTF-8 without control characters, not terminated; in the bytes given */
};

struct dmaf_wire_frame {
	struct dmaf_wire_hdr hdr;
	union { /* by hdr.type; data, ack and heartbeat have none */
		struct dmaf_wire_hello hello;
		struct dmaf_wire_end end;
		struct dmaf_wire_error error;
	} u;
};

/*
 * Writing. Each sets @h's type (and length, but for data) itself and returns the bytes written to
 * @out. Values that the other side would refuse are the caller's bug: the encoder does not check.
 */
/* @out: DMAF_WIRE_HDR bytes; @h->length bytes of payload are to follow. */
uint32_t dmaf_wire_put_data(uint8_t *out, const struct dmaf_wire_hdr *h);
/* @out: DMAF_WIRE_HDR bytes. */
uint32_t dmaf_wire_put_ack(uint8_t *out, const struct dmaf_wire_hdr *h);
/* @out: DMAF_WIRE_HDR bytes. */
uint32_t dmaf_wire_put_heartbeat(uint8_t *out, const struct dmaf_wire_hdr *h);
/* @out: DMAF_WIRE_HDR + DMAF_WIRE_HELLO bytes. */
uint32_t dmaf_wire_put_hello(uint8_t *out, const struct dmaf_wire_hdr *h,
			     const struct dmaf_wire_hello *hello);
/* @out: DMAF_WIRE_HDR + DMAF_WIRE_END bytes. @total_lost includes @h->pos.lost. */
uint32_t dmaf_wire_put_end(uint8_t *out, const struct dmaf_wire_hdr *h, uint64_t total_lost);
/* @out: DMAF_WIRE_CONTROL_MAX bytes. Text beyond DMAF_WIRE_TEXT is cut between characters; control
 * characters and what is not UTF-8 become '?'. */
uint32_t dmaf_wire_put_error(uint8_t *out, const struct dmaf_wire_hdr *h, uint32_t code,
			     const char *text, uint32_t text_len);

/**
 * dmaf_wire_get() - decode a frame from the bytes that have arrived so far
 * @bytes:    start of a frame; any alignment
 * @have:     how many bytes there are
 * @max_data: most payload bytes of a data frame (dmaf_wire_rx_limit())
 * @f:        filled on success; unspecified otherwise
 *
 * A data frame is complete with its header: the payload, @f->hdr.length bytes, follows it and is
 * never looked at. Every other frame is complete with its payload, DMAF_WIRE_CONTROL_MAX bytes at
 * most. What can be refused early is: a wrong first byte needs no second.
 *
 * Return: 0 when @f is filled, the number of further bytes needed (at least 1), or a negative
 * enum dmaf_wire_why after which the link has no known frame boundary and must be closed.
 */
int dmaf_wire_get(const void *bytes, size_t have, uint32_t max_data, struct dmaf_wire_frame *f);

/*
 * The receiver's state. Read it freely; write it by the functions below only.
 */
struct dmaf_wire_rx {
	uint8_t id[16];
	struct dmaf_wire_pos pos;     /* what the next data frame must carry on from */
	struct dmaf_wire_hello hello; /* the sender's, once had_hello */
	uint64_t gap_bytes;           /* missing before the last accepted frame */
	uint64_t gap_buffers;
	uint64_t cut;       /* buffers missing from links that broke without acks, all told */
	uint32_t max_block; /* our own limit */
	uint32_t block;     /* agreed on; 0 before hello */
	uint8_t known;      /* id and pos come from a record or an earlier link */
	uint8_t had_hello;
	uint8_t answered;
	uint8_t more;  /* the last data frame had DMAF_WIRE_MORE */
	uint8_t ended; /* 1 after end, 2 after error */
};

/* Start with no stream known: the first hello decides. @max_block: 1..DMAF_WIRE_BLOCK_MAX. */
void dmaf_wire_rx_init(struct dmaf_wire_rx *rx, uint32_t max_block);

/* Expect the stream @id to go on from @pos. After dmaf_wire_rx_init(), before the first frame. */
void dmaf_wire_rx_resume(struct dmaf_wire_rx *rx, const uint8_t id[16],
			 const struct dmaf_wire_pos *pos);

/* Most payload bytes that a data frame may have now: for dmaf_wire_get(). */
uint32_t dmaf_wire_rx_limit(const struct dmaf_wire_rx *rx);

/**
 * dmaf_wire_rx_check() - judge a decoded frame by what came before it
 *
 * On success @rx moves past the frame, a data frame's payload included, and gap_bytes and
 * gap_buffers say what is missing before it. What was really written is the caller's to count.
 * A stream first seen in its middle is accepted: rx->pos after hello says where it begins.
 *
 * Return: 0, or a negative enum dmaf_wire_why; then @rx is unchanged and the link must be closed.
 */
int dmaf_wire_rx_check(struct dmaf_wire_rx *rx, const struct dmaf_wire_frame *f);

/**
 * dmaf_wire_rx_answer() - the answer to a hello that wants acks
 * @out:    DMAF_WIRE_HDR + DMAF_WIRE_HELLO bytes
 * @ack:    what our acks promise (enum dmaf_wire_ack)
 * @window: bytes that we can take before they are written
 *
 * Return: bytes written to @out, or -DMAF_WIRE_E_ACK_MODE when the sender wants more than @ack or
 * wants none, -DMAF_WIRE_E_NO_HELLO when there is nothing to answer.
 */
int dmaf_wire_rx_answer(struct dmaf_wire_rx *rx, uint8_t *out, uint8_t ack, uint64_t window);

/* The sender's state; as above. */
struct dmaf_wire_tx {
	uint8_t id[16];
	struct dmaf_wire_pos acked; /* everything before is the receiver's */
	struct dmaf_wire_pos sent;  /* the place after the last frame sent */
	struct dmaf_wire_pos reach; /* furthest place from which we could go on */
	uint64_t peer_window;
	uint32_t block; /* ours until the answer, then agreed on */
	uint8_t ack;    /* wanted, then given */
	uint8_t answered;
	uint8_t ended; /* our end was sent */
	uint8_t done;  /* and the receiver has confirmed it */
};

/**
 * dmaf_wire_tx_init() - state for a link
 * @floor: what the hello carries: the earliest place from which we can (re)send
 * @reach: the furthest place that the answer may resume from: the place after what was ever sent of
 *         this stream, or all UINT64_MAX for a source that can seek
 * @block: most payload bytes of our data frames
 * @ack:   enum dmaf_wire_ack that the hello asks for
 */
void dmaf_wire_tx_init(struct dmaf_wire_tx *tx, const uint8_t id[16],
		       const struct dmaf_wire_pos *floor, const struct dmaf_wire_pos *reach,
		       uint32_t block, uint8_t ack);

/* Note a data or end header as sent; a heartbeat needs no note. */
void dmaf_wire_tx_sent(struct dmaf_wire_tx *tx, const struct dmaf_wire_hdr *h);

/**
 * dmaf_wire_tx_check() - judge a frame from the receiver: answer, ack or error
 *
 * After an answer tx->sent and tx->acked are where the receiver wants the stream to go on, and
 * tx->block is what both sides take.
 *
 * Return: 0, or a negative enum dmaf_wire_why; then @tx is unchanged and the link must be closed.
 */
int dmaf_wire_tx_check(struct dmaf_wire_tx *tx, const struct dmaf_wire_frame *f);

/* Text for an enum dmaf_wire_why, negative or positive; never NULL. */
const char *dmaf_wire_reason(int why);

/* The short name of a frame type ("data"), "unknown" for what is none. */
const char *dmaf_wire_type_name(unsigned int type);

/* CRC-32C (Castagnoli; RFC 3720 appendix B.4) of @len bytes, going on from @crc; start with 0. */
uint32_t dmaf_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
