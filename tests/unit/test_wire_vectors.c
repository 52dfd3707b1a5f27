/* SPDX-License-Identifier: MIT */
/* Every vector of tests/vectors/wire, fed a byte at a time; make.py says what the fields mean. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include <dmaflow/base/wire.h>

static const char *name; /* of the vector, for messages */
static uint8_t *bytes;
static size_t len;
static json_t *meta;

#define same(what, got, want)                                                          \
	do {                                                                           \
		uint64_t got_ = (got), want_ = (uint64_t)(want);                       \
		if (got_ != want_)                                                     \
			fail_msg("%s: %s is %llu, must be %llu", name, what,           \
				 (unsigned long long)got_, (unsigned long long)want_); \
	} while (0)

static uint64_t num(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v))
		fail_msg("%s: no number \"%s\"", name, key);
	return (uint64_t)json_integer_value(v);
}

static const char *str(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	if (!v)
		fail_msg("%s: no text \"%s\"", name, key);
	return v;
}

static void same_hex(const char *what, const void *got, size_t got_len, const char *want)
{
	const uint8_t *p = got;
	char *text = calloc(1, got_len * 2 + 1);
	size_t i;

	assert_non_null(text);
	for (i = 0; i < got_len; i++)
		sprintf(text + 2 * i, "%02x", p[i]);
	if (strcmp(text, want) != 0)
		fail_msg("%s: %s is %s, must be %s", name, what, text, want);
	free(text);
}

static void unhex(uint8_t id[16], const char *text)
{
	unsigned int i, b;

	for (i = 0; i < 16; i++) {
		assert_int_equal(sscanf(text + 2 * i, "%2x", &b), 1);
		id[i] = (uint8_t)b;
	}
}

static struct dmaf_wire_pos pos_of(const char *key)
{
	const json_t *a = json_object_get(meta, key);
	struct dmaf_wire_pos pos = {
		.offset = (uint64_t)json_integer_value(json_array_get(a, 0)),
		.sequence = (uint64_t)json_integer_value(json_array_get(a, 1)),
		.lost = (uint64_t)json_integer_value(json_array_get(a, 2)),
	};

	assert_int_equal(json_array_size(a), 3);
	return pos;
}

static void check_hello(const struct dmaf_wire_hello *h, const json_t *want)
{
	size_t name_len = strnlen(h->name, sizeof(h->name));

	same("sample", h->sample, num(want, "sample"));
	same("big_endian", h->big_endian, num(want, "big_endian"));
	same("bits", h->bits, num(want, "bits"));
	same("channels", h->channels, num(want, "channels"));
	same("rate", h->rate_millihz, num(want, "rate_millihz"));
	same("clock", h->clock, num(want, "clock"));
	same("ack", h->ack, num(want, "ack"));
	same("block", h->block, num(want, "block"));
	same("window", h->window, num(want, "window"));
	same_hex("name", h->name, name_len, str(want, "name"));
}

static void check_frame(const struct dmaf_wire_frame *f, const uint8_t *payload, const json_t *want)
{
	const struct dmaf_wire_hdr *h = &f->hdr;

	if (strcmp(dmaf_wire_type_name(h->type), str(want, "type")) != 0)
		fail_msg("%s: a %s, must be a %s", name, dmaf_wire_type_name(h->type),
			 str(want, "type"));
	same("flags", h->flags, num(want, "flags"));
	same("length", h->length, num(want, "length"));
	same_hex("id", h->id, 16, str(want, "id"));
	same("offset", h->pos.offset, num(want, "offset"));
	same("sequence", h->pos.sequence, num(want, "sequence"));
	same("lost", h->pos.lost, num(want, "lost"));
	same("timestamp", h->timestamp, num(want, "timestamp"));
	same("ticks", h->ticks, num(want, "ticks"));
	switch (h->type) {
	case DMAF_WIRE_T_HELLO: check_hello(&f->u.hello, json_object_get(want, "hello")); break;
	case DMAF_WIRE_T_DATA: same_hex("payload", payload, h->length, str(want, "data")); break;
	case DMAF_WIRE_T_END:
		same("end.bytes", f->u.end.bytes, num(json_object_get(want, "end"), "bytes"));
		same("end.lost", f->u.end.lost, num(json_object_get(want, "end"), "lost"));
		break;
	case DMAF_WIRE_T_ERROR:
		same("code", f->u.error.code, num(json_object_get(want, "error"), "code"));
		same_hex("text", f->u.error.text, f->u.error.text_len,
			 str(json_object_get(want, "error"), "text"));
		break;
	}
}

static struct dmaf_wire_rx rx;
static struct dmaf_wire_tx tx;
static int receiver;

static void begin(void)
{
	const json_t *resume = json_object_get(meta, "resume");
	struct dmaf_wire_pos pos, reach;
	uint8_t id[16];

	receiver = !strcmp(str(meta, "side"), "receiver");
	if (receiver) {
		dmaf_wire_rx_init(&rx, (uint32_t)num(meta, "max_block"));
		if (!resume)
			return;
		pos = (struct dmaf_wire_pos){num(resume, "offset"), num(resume, "sequence"),
					     num(resume, "lost")};
		unhex(id, str(resume, "id"));
		dmaf_wire_rx_resume(&rx, id, &pos);
		return;
	}
	pos = pos_of("floor");
	reach = pos_of("reach");
	unhex(id, "101112131415161718191a1b1c1d1e1f");
	dmaf_wire_tx_init(&tx, id, &pos, &reach, (uint32_t)num(meta, "block"),
			  (uint8_t)num(meta, "want"));
}

static void answer(void)
{
	const char *want = json_string_value(json_object_get(meta, "answer"));
	uint8_t out[DMAF_WIRE_HDR + DMAF_WIRE_HELLO];

	if (!want)
		return;
	same("answer's length",
	     (uint64_t)dmaf_wire_rx_answer(&rx, out, (uint8_t)num(meta, "ack"),
					   num(meta, "window")),
	     sizeof(out));
	same_hex("answer", out, sizeof(out), want);
}

/* The sender sends all that it will, once it has its answer. */
static void send_all(void)
{
	const json_t *sent = json_object_get(meta, "sent"), *s;
	size_t i;

	json_array_foreach(sent, i, s)
	{
		uint64_t lost = (uint64_t)json_integer_value(json_array_get(s, 2));
		struct dmaf_wire_hdr h = {
			.type = DMAF_WIRE_T_END,
			.pos = {tx.sent.offset, tx.sent.sequence + lost, lost},
		};

		if (!strcmp(json_string_value(json_array_get(s, 0)), "data")) {
			h.type = DMAF_WIRE_T_DATA;
			h.length = (uint32_t)json_integer_value(json_array_get(s, 1));
		}
		dmaf_wire_tx_sent(&tx, &h);
	}
}

static int judge(const struct dmaf_wire_frame *f, const json_t *want)
{
	int r;

	if (!receiver) {
		r = dmaf_wire_tx_check(&tx, f);
		if (!r && f->hdr.type == DMAF_WIRE_T_HELLO)
			send_all();
		return r;
	}
	r = dmaf_wire_rx_check(&rx, f);
	if (r)
		return r;
	same("gap_bytes", rx.gap_bytes, num(want, "gap_bytes"));
	same("gap_buffers", rx.gap_buffers, num(want, "gap_buffers"));
	if (f->hdr.type == DMAF_WIRE_T_HELLO)
		answer();
	return 0;
}

/* Decode at @p, of whose bytes only so many are shown as the decoder asked for. */
static int decode(const uint8_t *p, size_t have, struct dmaf_wire_frame *f)
{
	uint32_t limit = receiver ? dmaf_wire_rx_limit(&rx) : tx.block;
	size_t shown;
	int r = 0;

	for (shown = 0; shown <= have; shown++) {
		r = dmaf_wire_get(p, shown, limit, f);
		if (r <= 0)
			return r;
	}
	return r;
}

static void same_pos(const char *key, const struct dmaf_wire_pos *got)
{
	struct dmaf_wire_pos want;

	if (!json_object_get(meta, key))
		return;
	want = pos_of(key);
	same(key, got->offset, want.offset);
	same(key, got->sequence, want.sequence);
	same(key, got->lost, want.lost);
}

static void replay(void **state)
{
	const json_t *frames = json_object_get(meta, "frames");
	struct dmaf_wire_frame f;
	size_t at = 0, n = 0;
	int r = 0;

	begin();
	while (at < len) {
		r = decode(bytes + at, len - at, &f);
		if (!r)
			r = judge(&f, json_array_get(frames, n));
		if (r)
			break;
		check_frame(&f, bytes + at + DMAF_WIRE_HDR, json_array_get(frames, n++));
		at += DMAF_WIRE_HDR + f.hdr.length;
		if (at > len) { /* a payload cut short: the decoder leaves it to the reader */
			r = (int)(at - len);
			break;
		}
	}
	same("frames accepted", n, json_array_size(frames));
	same("refused with", r < 0 ? (uint64_t)-r : 0, num(meta, "refused"));
	same("bytes lacking", r > 0 ? (uint64_t)r : 0, num(meta, "need"));
	same_pos("acked", &tx.acked);
	same_pos("progress", &tx.sent);
	if (json_object_get(meta, "missing"))
		same("missing", rx.cut, num(meta, "missing"));
}

static int load(void **state)
{
	char path[4096];
	json_error_t err;
	FILE *f;
	long size;

	name = *state;
	snprintf(path, sizeof(path), "%s/tests/vectors/wire/%s.json", getenv("DMAF_SOURCE"), name);
	meta = json_load_file(path, 0, &err);
	if (!meta) {
		fprintf(stderr, "%s:%d: %s\n", path, err.line, err.text);
		return -1;
	}
	snprintf(path, sizeof(path), "%s/tests/vectors/wire/%s.bin", getenv("DMAF_SOURCE"), name);
	f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) {
		perror(path);
		return -1;
	}
	len = (size_t)size;
	bytes = malloc(len ? len : 1); /* its own block: a read beyond it is seen */
	if (!bytes || fread(bytes, 1, len, f) != len) {
		perror(path);
		return -1;
	}
	return fclose(f);
}

static int unload(void **state)
{
	free(bytes);
	bytes = NULL;
	json_decref(meta);
	meta = NULL;
	return 0;
}

static int is_json(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && !strcmp(e->d_name + n - 5, ".json");
}

int main(void)
{
	struct dirent **list;
	struct CMUnitTest *tests;
	char path[4096];
	int i, n, rc;

	if (!getenv("DMAF_SOURCE")) {
		fprintf(stderr, "test_wire_vectors: set DMAF_SOURCE to the source tree\n");
		return 1;
	}
	snprintf(path, sizeof(path), "%s/tests/vectors/wire", getenv("DMAF_SOURCE"));
	n = scandir(path, &list, is_json, alphasort);
	if (n <= 0) {
		fprintf(stderr, "test_wire_vectors: no vectors in %s\n", path);
		return 1;
	}
	tests = calloc((size_t)n, sizeof(*tests));
	if (!tests)
		return 1;
	for (i = 0; i < n; i++) {
		list[i]->d_name[strlen(list[i]->d_name) - 5] = 0;
		tests[i] =
			(struct CMUnitTest){list[i]->d_name, replay, load, unload, list[i]->d_name};
	}
	rc = _cmocka_run_group_tests("wire vectors", tests, (size_t)n, NULL, NULL);
	for (i = 0; i < n; i++)
		free(list[i]);
	free(list);
	free(tests);
	return rc;
}
