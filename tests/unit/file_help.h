/* SPDX-License-Identifier: MIT */
/* What the tests of the file kind share: a source whose content, name and gaps the test sets. */
#ifndef DMAF_TEST_FILE_HELP_H
#define DMAF_TEST_FILE_HELP_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmaflow/flow.h>

#define KIB 1024u
#define MIB (1024u * KIB)

/* Byte @i of every stream here; no period that a block size divides. */
static inline uint8_t byte_at(uint64_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 16) * 31 + (i >> 24));
}

/* The source "gen:": what it gives, and what it saw. */
struct gen {
	uint64_t total;
	size_t piece[4];        /* buffer lengths, in turn; 0: a whole block */
	uint8_t id;             /* byte 0 of the stream's id; 0: unframed */
	uint64_t lose_at, lose; /* buffers: the first lost one, how many */
	uint64_t fail_after;    /* buffers; 0: never */
	bool durable;
	/* what came of it */
	bool resumed;
	struct dmaf_resume from;
	uint64_t done_bytes; /* in good buffers that came back */
	void (*on_done)(void);
	/* its own */
	uint64_t seq, off;
};

static struct gen gen;

static int gen_open(dmaf_source *src)
{
	src->stream.id[0] = gen.id;
	src->flags = gen.durable ? DMAF_SRC_DURABLE : 0;
	gen.resumed = false;
	gen.seq = gen.off = gen.done_bytes = 0;
	return 0;
}

static int gen_start(dmaf_source *src, const struct dmaf_resume *resume)
{
	if (resume) {
		gen.resumed = true;
		gen.from = *resume;
	}
	if (resume && gen.id && resume->id[0] == gen.id) {
		gen.seq = resume->seq;
		gen.off = resume->offset;
	}
	return 0;
}

static int gen_dequeue(dmaf_source *src, dmaf_buf **bufs, unsigned n)
{
	unsigned got = 0;

	while (got < n && gen.off < gen.total) {
		dmaf_buf *b;
		uint8_t *p;
		size_t len;

		if (gen.fail_after && gen.seq >= gen.fail_after)
			return got ? (int)got
				   : dmaf_fail(&src->p.err, -ECONNRESET, "gen: cut as asked");
		b = dmaf_pool_try(src->pool);
		if (!b)
			break;
		len = gen.piece[gen.seq % 4] ? gen.piece[gen.seq % 4] : dmaf_buf_room(b);
		if (len > gen.total - gen.off)
			len = gen.total - gen.off;
		if (gen.lose && gen.seq == gen.lose_at) {
			gen.seq += gen.lose;
			gen.off += gen.lose * len;
		}
		p = dmaf_buf_data(b);
		for (size_t i = 0; i < len; i++)
			p[i] = byte_at(gen.off + i);
		b->seq = gen.seq++;
		b->offset = gen.off;
		b->mono_ns = dmaf_now_ns();
		gen.off += len;
		dmaf_buf_filled(b, len);
		bufs[got++] = b;
	}
	return got || gen.off < gen.total ? (int)got : DMAF_END;
}

static void gen_done(dmaf_source *src, dmaf_buf *const *bufs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!bufs[i]->status)
			gen.done_bytes += bufs[i]->len;
	if (gen.on_done)
		gen.on_done();
}

static const struct dmaf_source_ops gen_ops = {
	.open = gen_open, .start = gen_start, .dequeue = gen_dequeue, .done = gen_done};
static const struct dmaf_kind gen_kind = {
	.abi = DMAF_ABI, .name = "gen", .help = "test", .main = "", .source = &gen_ops};

static char dir[64];

static inline const char *in_dir(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % 4];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

/* Runs source and sink (printf formats with %s for the directory). The error's text is in why. */
static char why[DMAF_ERR_TEXT];
static struct dmaf_figures fig;

static inline int run_flow(const char *source, const char *sink)
{
	dmaf_flow *f = dmaf_flow_new();
	char addr[2][256];
	int rc;

	assert_non_null(f);
	(void)snprintf(addr[0], sizeof(addr[0]), source, dir);
	(void)snprintf(addr[1], sizeof(addr[1]), sink, dir);
	rc = dmaf_flow_add(f, addr[0]);
	if (!rc)
		rc = dmaf_flow_add(f, addr[1]);
	if (!rc)
		rc = dmaf_flow_open(f);
	if (!rc)
		rc = dmaf_flow_run(f);
	(void)snprintf(why, sizeof(why), "%s", dmaf_flow_err(f)->text);
	dmaf_flow_figures(f, &fig);
	dmaf_flow_close(f);
	return rc;
}

static inline uint64_t size_of(const char *name)
{
	struct stat st;

	return stat(in_dir(name), &st) ? UINT64_MAX : (uint64_t)st.st_size;
}

static inline bool exists(const char *name)
{
	return !access(in_dir(name), F_OK);
}

/* Bytes [@at, @at + @len) of the file are those of the stream from @from on. */
static inline void check_bytes(const char *name, uint64_t at, uint64_t from, uint64_t len)
{
	FILE *f = fopen(in_dir(name), "re");
	int c;

	assert_non_null(f);
	assert_int_equal(fseeko(f, (off_t)at, SEEK_SET), 0);
	for (uint64_t i = 0; i < len; i++) {
		c = getc(f);
		if (c != byte_at(from + i))
			fail_msg("%s: byte %llu is %d", name, (unsigned long long)(at + i), c);
	}
	assert_int_equal(fclose(f), 0);
}

static inline void check_zeros(const char *name, uint64_t at, uint64_t len)
{
	FILE *f = fopen(in_dir(name), "re");

	assert_non_null(f);
	assert_int_equal(fseeko(f, (off_t)at, SEEK_SET), 0);
	while (len--)
		assert_int_equal(getc(f), 0);
	assert_int_equal(fclose(f), 0);
}

static inline void check_file(const char *name, uint64_t len)
{
	assert_int_equal(size_of(name), len);
	check_bytes(name, 0, 0, len);
}

static inline void make_file(const char *name, uint64_t len)
{
	FILE *f = fopen(in_dir(name), "we");

	assert_non_null(f);
	for (uint64_t i = 0; i < len; i++)
		assert_int_not_equal(putc(byte_at(i), f), EOF);
	assert_int_equal(fclose(f), 0);
}

static inline uint64_t copied(const struct dmaf_party_figures *p)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DMAF_COPY_REASONS; i++)
		sum += p->count.copies[i].bytes;
	return sum;
}

static inline unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* On a disk where there is one: /tmp is often in memory. */
static inline int make_dir(void **state)
{
	const char *where = getenv("DMAF_BUILD");

	gen = (struct gen){0};
	(void)snprintf(dir, sizeof(dir), "%s/dmaf-file-XXXXXX",
		       where && strlen(where) < 40 ? where : "/var/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_dir(void **state)
{
	char cmd[96];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

#endif
