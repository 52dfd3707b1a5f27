/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dmaflow/base/record.h>

static uint8_t file[DMAF_RECORD_FILE];

static struct dmaf_record example(uint64_t n)
{
	struct dmaf_record r = {
		.pos = {.offset = 0x0102030405060708u + n, .sequence = 100 + n, .lost = 7},
		.file_pos = 0x1112131415161718u + n,
	};

	memset(r.id, 0xa5, sizeof(r.id));
	r.id[0] = 1;
	return r;
}

static void write_whole(struct dmaf_record *r)
{
	uint8_t slot[DMAF_RECORD_SIZE];
	uint32_t at = dmaf_record_put(slot, r);

	assert_true(at + sizeof(slot) <= sizeof(file));
	memcpy(file + at, slot, sizeof(slot));
}

static void same(const struct dmaf_record *a, const struct dmaf_record *b)
{
	assert_memory_equal(a->id, b->id, 16);
	assert_int_equal(a->pos.offset, b->pos.offset);
	assert_int_equal(a->pos.sequence, b->pos.sequence);
	assert_int_equal(a->pos.lost, b->pos.lost);
	assert_int_equal(a->file_pos, b->file_pos);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->generation, b->generation);
}

static void every_field_comes_back(void **state)
{
	struct dmaf_record in = example(0), out;

	memset(file, 0, sizeof(file));
	in.flags = DMAF_RECORD_FINISHED;
	write_whole(&in);
	assert_int_equal(in.generation, 1);
	assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_OK);
	same(&out, &in);
	/* The first slot alone is a whole file. */
	assert_int_equal(dmaf_record_get(file, DMAF_RECORD_SIZE, &out), DMAF_RECORD_OK);
	same(&out, &in);
}

static void the_layout_is_fixed(void **state)
{
	static const uint8_t want[] = {
		'D', 'M', 'A', 'R', 1, 0, 1, 0, /* magic, version, flags */
		1,   0,   0,   0,               /* generation; then the CRC */
	};
	struct dmaf_record r = example(0);

	memset(file, 0, sizeof(file));
	r.flags = DMAF_RECORD_FINISHED;
	write_whole(&r);
	assert_memory_equal(file, want, sizeof(want));
	assert_int_equal(file[16], 1);
	assert_int_equal(file[17], 0xa5);
	assert_int_equal(file[32], 0x08);
	assert_int_equal(file[39], 0x01);
	assert_int_equal(file[40], 100);
	assert_int_equal(file[48], 7);
	assert_int_equal(file[56], 0x18);
	assert_int_equal(file[63], 0x11);
}

static void slots_alternate_and_the_newer_wins(void **state)
{
	struct dmaf_record r = example(0), out;
	uint8_t slot[DMAF_RECORD_SIZE];
	uint32_t last = dmaf_record_put(slot, &r), at, i;

	memset(file, 0, sizeof(file));
	memcpy(file + last, slot, sizeof(slot));
	assert_int_equal(last, 0);
	for (i = 0; i < 10; i++) {
		r.pos.offset += 10;
		at = dmaf_record_put(slot, &r);
		assert_int_not_equal(at, last);
		memcpy(file + at, slot, sizeof(slot));
		assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_OK);
		same(&out, &r);
		last = at;
	}
}

static void generations_wrap(void **state)
{
	struct dmaf_record r = example(0), out;
	uint32_t i;

	memset(file, 0, sizeof(file));
	r.generation = UINT32_MAX - 4;
	for (i = 0; i < 10; i++) {
		r.pos.offset++;
		write_whole(&r);
		assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_OK);
		same(&out, &r);
	}
	assert_true(r.generation < 10);
}

/* The write of generation @n stops after each number of bytes: old bytes stay behind the tear. */
static void torn_at_every_byte(uint32_t before)
{
	struct dmaf_record old = example(0), new, out;
	uint8_t slot[DMAF_RECORD_SIZE], keep[DMAF_RECORD_FILE];
	enum dmaf_record_found found;
	uint32_t at, cut, i;

	memset(file, 0, sizeof(file));
	for (i = 0; i < before; i++) {
		old.pos.offset += 1000;
		old.file_pos += 1000;
		write_whole(&old);
	}
	memcpy(keep, file, sizeof(file));
	new = old;
	new.pos.offset += 0x1111111111111111u;
	new.pos.sequence += 0x1111111111111111u;
	new.file_pos += 0x1111111111111111u;
	at = dmaf_record_put(slot, &new);
	for (cut = 0; cut <= sizeof(slot); cut++) {
		memcpy(file, keep, sizeof(file));
		memcpy(file + at, slot, cut);
		found = dmaf_record_get(file, sizeof(file), &out);
		/* The same bytes as a whole record are one, wherever the write stopped. */
		if (!memcmp(file + at, slot, sizeof(slot))) {
			assert_int_equal(found, DMAF_RECORD_OK);
			same(&out, &new);
		} else if (!before) {
			assert_int_equal(found, DMAF_RECORD_NONE);
		} else {
			assert_true(found == DMAF_RECORD_OK || found == DMAF_RECORD_TORN);
			if (found == DMAF_RECORD_OK) /* nothing of the slot had changed yet */
				assert_memory_equal(file + at, keep + at, sizeof(slot));
			same(&out, &old);
		}
	}
}

static void a_torn_write_leaves_the_older(void **state)
{
	uint32_t before;

	for (before = 0; before < 6; before++)
		torn_at_every_byte(before);
}

/* Sectors may land in any order: here the tail lands and the head does not. */
static void torn_from_the_back(void **state)
{
	struct dmaf_record old = example(0), new, out;
	uint8_t slot[DMAF_RECORD_SIZE], keep[DMAF_RECORD_FILE];
	uint32_t at, cut;

	memset(file, 0, sizeof(file));
	write_whole(&old);
	write_whole(&old);
	memcpy(keep, file, sizeof(file));
	new = old;
	new.pos.offset += 0x0101010101010101u;
	at = dmaf_record_put(slot, &new);
	for (cut = 1; cut < sizeof(slot); cut++) {
		memcpy(file, keep, sizeof(file));
		memcpy(file + at + cut, slot + cut, sizeof(slot) - cut);
		if (!memcmp(file + at, slot, sizeof(slot)))
			continue;
		assert_true(dmaf_record_get(file, sizeof(file), &out) > 0);
		same(&out, &old);
	}
}

/* Shorter files: the disk was full, or the file system kept the size back. */
static void cut_at_every_length(void **state)
{
	struct dmaf_record first = example(0), second, out;
	uint32_t have;

	memset(file, 0, sizeof(file));
	write_whole(&first);
	second = first;
	second.pos.offset++;
	write_whole(&second);
	for (have = 0; have <= sizeof(file); have++) {
		enum dmaf_record_found found = dmaf_record_get(file, have, &out);

		if (have < DMAF_RECORD_SIZE) {
			assert_int_equal(found, DMAF_RECORD_NONE);
		} else if (have < DMAF_RECORD_STRIDE + DMAF_RECORD_SIZE) {
			assert_true(found > 0);
			same(&out, &first);
		} else {
			assert_int_equal(found, DMAF_RECORD_OK);
			same(&out, &second);
		}
	}
}

static void one_flipped_bit_is_seen(void **state)
{
	struct dmaf_record old = example(0), new, out;
	uint32_t bit;

	memset(file, 0, sizeof(file));
	write_whole(&old);
	new = old;
	new.pos.offset++;
	write_whole(&new);
	for (bit = 0; bit < DMAF_RECORD_SIZE * 8; bit++) {
		uint8_t *p = &file[DMAF_RECORD_STRIDE + bit / 8];

		*p ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_TORN);
		same(&out, &old);
		*p ^= (uint8_t)(1u << bit % 8);
	}
}

static void other_files_are_not_records(void **state)
{
	static const char text[] = "an innocent text that somebody keeps under this very name, and "
				   "that must not be taken for a fresh record";
	struct dmaf_record r = example(0), out;
	uint8_t swapped[DMAF_RECORD_SIZE];

	assert_int_equal(dmaf_record_get(text, sizeof(text), &out), DMAF_RECORD_BAD);
	assert_int_equal(dmaf_record_get(text, 20, &out), DMAF_RECORD_BAD);
	assert_int_equal(dmaf_record_get(NULL, 0, &out), DMAF_RECORD_NONE);
	memset(file, 0, sizeof(file));
	assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_NONE);

	/* Right in itself, but in the other's slot. */
	dmaf_record_put(swapped, &r);
	memcpy(file + DMAF_RECORD_STRIDE, swapped, sizeof(swapped));
	assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_BAD);

	/* Both ruined: not to be taken for none. */
	memset(file, 0, sizeof(file));
	write_whole(&r);
	write_whole(&r);
	file[20] ^= 1;
	file[DMAF_RECORD_STRIDE + 20] ^= 1;
	assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_BAD);
}

static void impossible_contents_are_refused(void **state)
{
	struct dmaf_record r, out;

	memset(file, 0, sizeof(file));
	r = example(0);
	memset(r.id, 0, sizeof(r.id));
	write_whole(&r);
	assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_BAD);
	memset(file, 0, sizeof(file));
	r = example(0);
	r.pos.lost = r.pos.sequence + 1;
	write_whole(&r);
	assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_BAD);
	memset(file, 0, sizeof(file));
	r = example(0);
	r.flags = 0x8000;
	write_whole(&r);
	assert_int_equal(dmaf_record_get(file, sizeof(file), &out), DMAF_RECORD_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(the_layout_is_fixed),
		cmocka_unit_test(slots_alternate_and_the_newer_wins),
		cmocka_unit_test(generations_wrap),
		cmocka_unit_test(a_torn_write_leaves_the_older),
		cmocka_unit_test(torn_from_the_back),
		cmocka_unit_test(cut_at_every_length),
		cmocka_unit_test(one_flipped_bit_is_seen),
		cmocka_unit_test(other_files_are_not_records),
		cmocka_unit_test(impossible_contents_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
