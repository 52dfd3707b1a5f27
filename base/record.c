/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "record.h"
#include "le.h"

enum {
	O_MAGIC = 0,
	O_FLAGS = 6,
	O_GENERATION = 8,
	O_CRC = 12, /* of all the rest */
	O_ID = 16,
	O_OFFSET = 32,
	O_SEQUENCE = 40,
	O_LOST = 48,
	O_FILE_POS = 56,
};

_Static_assert(O_FILE_POS + 8 == DMAF_RECORD_SIZE, "the file position ends the record");
_Static_assert(O_ID == O_CRC + 4 && O_OFFSET == O_ID + 16, "no holes around the id");
_Static_assert(DMAF_RECORD_STRIDE >= DMAF_RECORD_SIZE, "slots don't overlap");

/* The last two are the version. */
static const uint8_t magic[6] = {'D', 'M', 'A', 'R', 1, 0};

static uint32_t crc_of(const uint8_t *p)
{
	return dmaf_crc32c(dmaf_crc32c(0, p, O_CRC), p + O_ID, DMAF_RECORD_SIZE - O_ID);
}

/* The first generation, 1, goes to the front of the file. */
static uint32_t slot_of(uint32_t generation)
{
	return ~generation & 1;
}

uint32_t dmaf_record_put(uint8_t out[DMAF_RECORD_SIZE], struct dmaf_record *r)
{
	uint32_t i;

	r->generation++;
	for (i = 0; i < sizeof(magic); i++)
		out[O_MAGIC + i] = magic[i];
	dmaf_put_le16(out + O_FLAGS, r->flags);
	dmaf_put_le32(out + O_GENERATION, r->generation);
	dmaf_put_le64(out + O_LOST, r->pos.lost);
	for (i = 0; i < 16; i++)
		out[O_ID + i] = r->id[i];
	dmaf_put_le64(out + O_OFFSET, r->pos.offset);
	dmaf_put_le64(out + O_SEQUENCE, r->pos.sequence);
	dmaf_put_le64(out + O_FILE_POS, r->file_pos);
	dmaf_put_le32(out + O_CRC, crc_of(out));
	return slot_of(r->generation) * DMAF_RECORD_STRIDE;
}

static enum dmaf_record_found get_slot(const uint8_t *p, size_t have, struct dmaf_record *r)
{
	uint8_t any = 0;
	uint32_t i;

	for (i = 0; i < DMAF_RECORD_SIZE && i < have; i++)
		any |= p[i];
	if (!any)
		return DMAF_RECORD_NONE;
	if (have < DMAF_RECORD_SIZE || dmaf_get_le32(p + O_CRC) != crc_of(p))
		return DMAF_RECORD_BAD;
	for (i = 0; i < sizeof(magic); i++)
		if (p[O_MAGIC + i] != magic[i])
			return DMAF_RECORD_BAD;
	r->flags = dmaf_get_le16(p + O_FLAGS);
	r->generation = dmaf_get_le32(p + O_GENERATION);
	r->pos.lost = dmaf_get_le64(p + O_LOST);
	any = 0;
	for (i = 0; i < 16; i++)
		any |= r->id[i] = p[O_ID + i];
	r->pos.offset = dmaf_get_le64(p + O_OFFSET);
	r->pos.sequence = dmaf_get_le64(p + O_SEQUENCE);
	r->file_pos = dmaf_get_le64(p + O_FILE_POS);
	if (!any || (r->flags & ~DMAF_RECORD_FINISHED) || r->pos.lost > r->pos.sequence)
		return DMAF_RECORD_BAD;
	return DMAF_RECORD_OK;
}

/*
 * A first record cut short has promised nothing to anybody, and the stream starts anew; bytes that
 * no dmaf_record_put() left are somebody else's file.
 */
static int first_torn(const uint8_t *p, size_t have)
{
	uint32_t i;

	for (i = 0; i < sizeof(magic) && i < have; i++)
		if (p[i] && p[i] != magic[i])
			return 0;
	return have < DMAF_RECORD_SIZE || dmaf_get_le32(p + O_CRC) != crc_of(p);
}

enum dmaf_record_found dmaf_record_get(const void *bytes, size_t have, struct dmaf_record *r)
{
	const uint8_t *p = bytes;
	struct dmaf_record slot[2];
	enum dmaf_record_found found[2] = {DMAF_RECORD_NONE, DMAF_RECORD_NONE};
	uint32_t i;

	for (i = 0; i < 2; i++)
		if (have > i * DMAF_RECORD_STRIDE)
			found[i] = get_slot(p + i * DMAF_RECORD_STRIDE,
					    have - i * DMAF_RECORD_STRIDE, &slot[i]);
	/* A generation lies in the slot of its parity: one in the wrong place was put there. */
	for (i = 0; i < 2; i++)
		if (found[i] == DMAF_RECORD_OK && slot_of(slot[i].generation) != i)
			found[i] = DMAF_RECORD_BAD;
	if (found[0] == DMAF_RECORD_OK && found[1] == DMAF_RECORD_OK) {
		/* Generations wrap; the two are one apart. */
		i = (int32_t)(slot[1].generation - slot[0].generation) > 0;
		*r = slot[i];
		return DMAF_RECORD_OK;
	}
	for (i = 0; i < 2; i++) {
		if (found[i] != DMAF_RECORD_OK)
			continue;
		*r = slot[i];
		return found[!i] == DMAF_RECORD_BAD ? DMAF_RECORD_TORN : DMAF_RECORD_OK;
	}
	if (found[1] == DMAF_RECORD_NONE && (found[0] == DMAF_RECORD_NONE || first_torn(p, have)))
		return DMAF_RECORD_NONE;
	return DMAF_RECORD_BAD;
}
