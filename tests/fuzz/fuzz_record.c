/* SPDX-License-Identifier: MIT */
/*
 * The receiver's record. The input is a record file; so that its 8 KiB of mostly nothing don't slow
 * the search, bytes 1.. are slot 0 and what follows is slot 1. Bits of byte 0: sign the slots.
 */
#include <string.h>

#include <dmaflow/base/record.h>

#include "fuzz.h"

static void sign(uint8_t *p)
{
	uint32_t crc = dmaf_crc32c(dmaf_crc32c(0, p, 12), p + 16, DMAF_RECORD_SIZE - 16), i;

	for (i = 0; i < 4; i++)
		p[12 + i] = (uint8_t)(crc >> 8 * i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[DMAF_RECORD_FILE];
	uint8_t again[DMAF_RECORD_SIZE];
	struct dmaf_record r, next;
	enum dmaf_record_found found;
	uint32_t i, at;

	if (!size)
		return 0;
	memset(file, 0, sizeof(file));
	for (i = 0; i + 1 < size && i < 2 * DMAF_RECORD_SIZE; i++)
		file[i / DMAF_RECORD_SIZE * DMAF_RECORD_STRIDE + i % DMAF_RECORD_SIZE] =
			data[i + 1];
	for (i = 0; i < 2; i++)
		if (data[0] >> i & 1)
			sign(file + i * DMAF_RECORD_STRIDE);
	found = dmaf_record_get(file, sizeof(file), &r);
	if (found <= 0)
		return 0;
	must(r.pos.lost <= r.pos.sequence);

	/* It is in the file, and the next one goes over the other slot. */
	next = r;
	next.generation--;
	at = dmaf_record_put(again, &next);
	must(!memcmp(file + at, again, sizeof(again)));
	at = dmaf_record_put(again, &next);
	memcpy(file + at, again, sizeof(again));
	must(dmaf_record_get(file, sizeof(file), &next) == DMAF_RECORD_OK);
	must(next.generation == r.generation + 1);
	return 0;
}
