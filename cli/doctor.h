/* SPDX-License-Identifier: MIT */
#ifndef DMAF_CLI_DOCTOR_H
#define DMAF_CLI_DOCTOR_H

/* Findings of `dmaflow doctor`: each looks at one thing and says yes, or no with reason and remedy.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include <dmaflow/error.h>

enum doctor_verdict { DOCTOR_YES, DOCTOR_NO, DOCTOR_LIMITED, DOCTOR_UNKNOWN };

/* Texts are the row's own, printable UTF-8 (what a file or a process is called may hold anything).
 */
struct doctor_row {
	const char *area; /* static */
	char *name;
	enum doctor_verdict verdict;
	char *detail; /* what was found; this and the next two may be NULL */
	char *reason; /* why not */
	char *remedy; /* what to do about it */
};

struct doctor {
	struct doctor_row **rows;
	size_t n, room;
	json_t *mappings;        /* --pid: an array; NULL otherwise */
	struct doctor_row spare; /* takes what has no room; see doctor_row() */
	bool open_ok;            /* --open: device nodes may be opened */
	bool no_memory;          /* something was lost for want of memory */
};

void doctor_init(struct doctor *d, bool open_ok);
void doctor_free(struct doctor *d);

/*
 * A new row. Never NULL: without memory it is a spare one that isn't printed, and doctor_print()
 * and doctor_json() fail. Valid until doctor_free().
 */
struct doctor_row *doctor_row(struct doctor *d, const char *area, enum doctor_verdict verdict,
			      const char *name, ...) __attribute__((format(printf, 4, 5)));

/* Set or replace a text. */
void doctor_detail(struct doctor *d, struct doctor_row *row, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_reason(struct doctor *d, struct doctor_row *row, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_remedy(struct doctor *d, struct doctor_row *row, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

const char *doctor_verdict_name(enum doctor_verdict verdict);

/* Printable UTF-8 of any bytes: what isn't becomes \xNN. The caller frees; NULL: no memory. */
char *doctor_clean(const char *text);

/* Print for people, lines of at most `width` columns where words allow. Returns 0 or -ENOMEM. */
int doctor_print(const struct doctor *d, FILE *out, unsigned int width);

/* One JSON object; the caller drops the reference. NULL: no memory. */
json_t *doctor_json(const struct doctor *d);

/*
 * First line of a small text file, without its newline. Returns its length or negative errno; an
 * absent file is -ENOENT and leaves "".
 */
int doctor_read(const char *path, char *text, size_t room);

/* One whole number in a file of /proc or /sys; `absent` where there is none. */
long long doctor_read_number(const char *path, long long absent);

/* Bytes as "16 KiB", "1.5 GiB". */
const char *doctor_bytes(unsigned long long bytes, char *text, size_t room);

/* Area of what doctor_address() finds. */
#define DOCTOR_END "end of a flow"

/* Each adds its rows. */
void doctor_kernel(struct doctor *d);  /* version, limits, io_uring, modules */
void doctor_memory(struct doctor *d);  /* huge pages, udmabuf, VFIO, IOMMU, dmaflow.ko */
void doctor_cpu(struct doctor *d);     /* stores for write-combining */
void doctor_network(struct doctor *d); /* zero-copy sends, AF_XDP, each interface */
void doctor_disks(struct doctor *d);   /* O_DIRECT per file system */

/* Adds the interface's row, what it and its driver make of a zero-copy send; returns its verdict.
 */
enum doctor_verdict doctor_interface(struct doctor *d, const char *area, const char *ifname);

/* Type of the file system on a device, "file system" where no mount of this process tells. */
void doctor_fs_type(dev_t device, char *type, size_t room);

/* Adds the row of a directory's file system; named: a short-lived named file may be made in it. */
void doctor_directory(struct doctor *d, const char *area, const char *dir, const char *type,
		      bool named);

/* Is an interface's copy of each packet taken by a capture (AF_PACKET, every protocol)? */
bool doctor_captured(void);

/*
 * Return 0, 1 (the object can't be looked at: one message was printed on stderr) or 2 (what was
 * given makes no sense, as above).
 */
int doctor_pid(struct doctor *d, const char *text);
int doctor_address(struct doctor *d, const char *text);

/* Parts of doctor_address(), for tcp:HOST:PORT and tcp-listen:[HOST:]PORT. */
int doctor_tcp(struct doctor *d, const char *address, const char *where);
int doctor_tcp_listen(struct doctor *d, const char *address, const char *where);

/* For v4l2:/dev/videoN. */
int doctor_v4l2(struct doctor *d, const char *address, const char *path);

/* For dma:/dev/dmaflowN. */
int doctor_dma(struct doctor *d, const char *address, const char *where);

/*
 * The rows of one device of dmaflow.ko, which is opened for them. @label: begins messages. Return:
 * 0, or negative errno with @err explained and no row.
 */
int doctor_driver(struct doctor *d, const char *area, const char *path, const char *label,
		  struct dmaf_err *err);

#endif
