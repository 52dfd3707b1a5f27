/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef DMAF_BASE_RECORD_H
#define DMAF_BASE_RECORD_H

#include "wire.h"

/*
 * The receiver's progress record, kept beside the data (FILE.dmaflow): which stream the file holds
 * and how far it is written without a hole. The file's size proves neither.
 *
 * Two slots, written in turn. A write torn by power loss or a kill spoils one slot; its CRC says so
 * and the other, one generation older, holds. The slots lie a page apart so that no device sector
 * carries both. A record may claim less than the file has, never more: write (and for "synced" acks
 * sync) the data first, then the record, then ack.
 *
 * No state outside the arguments; a struct dmaf_record belongs to one thread at a time.
 */
#define DMAF_RECORD_SIZE   64   /* bytes of a slot that are used */
#define DMAF_RECORD_STRIDE 4096 /* from slot to slot */
/* A record file's length: 2 slots. Read this much at open; a shorter file is no obstacle. */
#define DMAF_RECORD_FILE (2 * DMAF_RECORD_STRIDE)

enum dmaf_record_flag {
	DMAF_RECORD_FINISHED = 1 << 0, /* the stream's end was received and all of it is written */
};

struct dmaf_record {
	uint8_t id[16];           /* the stream; never all zero */
	struct dmaf_wire_pos pos; /* where the stream goes on: everything before is written */
	uint64_t file_pos;   /* where in the file that is; differs from pos.offset after gaps */
	uint16_t flags;      /* enum dmaf_record_flag */
	uint32_t generation; /* kept by dmaf_record_put() and _get(); start with 0 */
};

/**
 * dmaf_record_put() - encode the next generation of a record
 * @out: DMAF_RECORD_SIZE bytes
 * @r:   its generation goes up by one
 *
 * Return: the byte offset in the record file where @out belongs.
 */
uint32_t dmaf_record_put(uint8_t out[DMAF_RECORD_SIZE], struct dmaf_record *r);

enum dmaf_record_found {
	DMAF_RECORD_NONE = 0, /* none was ever written whole, and nobody else's bytes are there */
	DMAF_RECORD_OK = 1,
	DMAF_RECORD_TORN = 2, /* one slot is torn; @r is from the other */
	DMAF_RECORD_BAD =
		-1, /* no slot holds a record, and there is something: not ours, or ruined */
};

/**
 * dmaf_record_get() - decode a record file
 * @bytes: the file from its start
 * @have:  how many bytes there are; those beyond DMAF_RECORD_FILE are ignored
 * @r:     filled on DMAF_RECORD_OK and DMAF_RECORD_TORN, generation included
 */
enum dmaf_record_found dmaf_record_get(const void *bytes, size_t have, struct dmaf_record *r);

#endif
