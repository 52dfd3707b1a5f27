// SPDX-License-Identifier: MIT
/*
 * The copy meter: a plug-in of QEMU's emulator that counts, between the marks of meter.h, what the
 * CPU did: instructions, accesses to device registers, and bytes loaded from and stored to pages
 * that were tagged as payload.
 *
 * Payload is known by physical page. A kernel copies from user space through the user's addresses,
 * but checksums and copies socket buffers through its own mapping of all memory; both count. What
 * a device does by DMA never passes a CPU and does not count.
 *
 *	-plugin meter.so,out=FILE      one JSON object a line for each begin...end
 *	...,profile=FILE               and which code it was: "address kernel instructions touched"
 *
 * Looking at every access makes the guest some times slower, so until the first mark is translated
 *only marks are looked for. Counted instructions are exact to a block of code at either end, for
 *one processor; counts of several would race.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meter.h"
#include "qemu_plugin.h"

QEMU_EXPORT int qemu_plugin_version = 1;

#define PAGES   (1ull << 24) /* physical pages that can be tagged: 64 GiB */
#define BUCKETS 65536u

enum { LOADED, STORED };
enum { USER, KERNEL };

/* What a piece of translated code did between the marks. Never freed: QEMU holds pointers to it. */
struct code {
	struct code *next;
	uint64_t vaddr;
	uint64_t insns;   /* executed */
	uint64_t touched; /* payload bytes */
	int kernel;
};

static qemu_plugin_id_t self;
static const char *out_path, *profile_path;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of codes */
static struct code *codes[BUCKETS];
static uint64_t tagged[PAGES / 64];
static uint64_t tagged_pages;
static int counting, seen, arm;
static uint64_t insns[2], at_begin[2];
static uint64_t mmio, unknown, payload[2][2];

/* On Arm, modules lie 16 MiB below the kernel's 3 GiB. */
static int is_kernel(uint64_t vaddr)
{
	return vaddr >= (arm ? 0xbf000000ull : 1ull << 63) ? KERNEL : USER;
}

static struct code *code_at(uint64_t vaddr)
{
	struct code **head = &codes[(vaddr ^ vaddr >> 16) % BUCKETS], *c;

	pthread_mutex_lock(&lock);
	for (c = *head; c && c->vaddr != vaddr; c = c->next)
		;
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			abort();
		c->vaddr = vaddr;
		c->kernel = is_kernel(vaddr);
		c->next = *head;
		*head = c;
	}
	pthread_mutex_unlock(&lock);
	return c;
}

/* Physical page of an access to memory, or PAGES. */
static uint64_t page_of(qemu_plugin_meminfo_t info, uint64_t vaddr, bool *io)
{
	struct qemu_plugin_hwaddr *at = qemu_plugin_get_hwaddr(info, vaddr);
	uint64_t page;

	*io = at && qemu_plugin_hwaddr_is_io(at);
	if (!at || *io)
		return PAGES;
	page = qemu_plugin_hwaddr_phys_addr(at) / METER_PAGE;
	return page < PAGES ? page : PAGES;
}

static void on_access(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *udata)
{
	struct code *c = udata;
	uint64_t page, bytes;
	bool io;

	if (!counting)
		return;
	page = page_of(info, vaddr, &io);
	if (io) {
		mmio++;
	} else if (page == PAGES) {
		unknown++;
	} else if (tagged[page / 64] >> page % 64 & 1) {
		bytes = 1ull << qemu_plugin_mem_size_shift(info);
		payload[c->kernel][qemu_plugin_mem_is_store(info) ? STORED : LOADED] += bytes;
		c->touched += bytes;
	}
}

static void on_tag(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *udata)
{
	bool io;
	uint64_t page = page_of(info, vaddr, &io), bit = 1ull << page % 64;

	if (page == PAGES) {
		unknown++;
		return;
	}
	if (!(tagged[page / 64] & bit) != !udata) {
		tagged[page / 64] ^= bit;
		tagged_pages += udata ? 1 : -1ull;
	}
}

static void on_clear(unsigned int vcpu, void *udata)
{
	memset(tagged, 0, sizeof(tagged));
	tagged_pages = 0;
}

static void on_begin(unsigned int vcpu, void *udata)
{
	unsigned int i;
	struct code *c;

	pthread_mutex_lock(&lock);
	for (i = 0; i < BUCKETS; i++)
		for (c = codes[i]; c; c = c->next)
			c->insns = c->touched = 0;
	pthread_mutex_unlock(&lock);
	memset(payload, 0, sizeof(payload));
	mmio = unknown = 0;
	memcpy(at_begin, insns, sizeof(insns));
	counting = 1;
}

static void write_profile(void)
{
	FILE *f = profile_path ? fopen(profile_path, "w") : NULL;
	unsigned int i;
	struct code *c;

	if (!f)
		return;
	pthread_mutex_lock(&lock);
	for (i = 0; i < BUCKETS; i++)
		for (c = codes[i]; c; c = c->next)
			if (c->insns || c->touched)
				fprintf(f, "%016" PRIx64 " %d %" PRIu64 " %" PRIu64 "\n", c->vaddr,
					c->kernel, c->insns, c->touched);
	pthread_mutex_unlock(&lock);
	fclose(f);
}

static void on_end(unsigned int vcpu, void *udata)
{
	FILE *f;

	if (!counting)
		return;
	counting = 0;
	f = fopen(out_path, "a");
	if (!f) {
		perror(out_path);
		return;
	}
	fprintf(f,
		"{\"user_insns\": %" PRIu64 ", \"kernel_insns\": %" PRIu64 ", \"mmio\": %" PRIu64
		", \"unknown\": %" PRIu64 ", \"pages\": %" PRIu64 ", \"user_loaded\": %" PRIu64
		", \"user_stored\": %" PRIu64 ", \"kernel_loaded\": %" PRIu64
		", \"kernel_stored\": %" PRIu64 "}\n",
		insns[USER] - at_begin[USER], insns[KERNEL] - at_begin[KERNEL], mmio, unknown,
		tagged_pages, payload[USER][LOADED], payload[USER][STORED], payload[KERNEL][LOADED],
		payload[KERNEL][STORED]);
	fclose(f);
	write_profile();
}

/* The displacement of a mark, or 0. */
static uint32_t mark_of(const struct qemu_plugin_insn *insn)
{
	const unsigned char *b = qemu_plugin_insn_data(insn);
	size_t n = qemu_plugin_insn_size(insn);
	uint32_t disp = 0, word;

	if (arm) {
		if (n != 4)
			return 0;
		memcpy(&word, b, sizeof(word));
		disp = (METER_BEGIN & ~0xfu) | (word & 0xf);
		return disp >= METER_BEGIN && disp <= METER_CLEAR &&
				       (word == METER_ARM_HINT(disp) ||
					word == METER_ARM_LOAD(disp))
			       ? disp
			       : 0;
	}
	if (n == 7 && b[0] == 0x0f && b[1] == 0x1f && b[2] == 0x80)
		memcpy(&disp, b + 3, sizeof(disp));
	else if (n == 6 && b[0] == 0x8a && b[1] == 0x87)
		memcpy(&disp, b + 2, sizeof(disp));
	return disp >= METER_BEGIN && disp <= METER_CLEAR ? disp : 0;
}

static void watch_mark(struct qemu_plugin_insn *insn, uint32_t mark)
{
	const enum qemu_plugin_cb_flags flags = QEMU_PLUGIN_CB_NO_REGS;

	if (mark == METER_BEGIN)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_begin, flags, NULL);
	else if (mark == METER_END)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_end, flags, NULL);
	else if (mark == METER_CLEAR)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_clear, flags, NULL);
	else /* a load; but QEMU 7.2 never calls back for loads alone */
		qemu_plugin_register_vcpu_mem_cb(insn, on_tag, flags, QEMU_PLUGIN_MEM_RW,
						 mark == METER_TAG ? &tagged_pages : NULL);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct code *c = code_at(qemu_plugin_tb_vaddr(tb));

	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &insns[c->kernel],
						 n);
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &c->insns, n);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t mark = mark_of(insn);

		if (mark)
			watch_mark(insn, mark);
		else
			qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_RW, c);
	}
}

static void go_on_in_earnest(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
}

static void translate_until_marked(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t mark = mark_of(insn);

		if (!mark)
			continue;
		watch_mark(insn, mark);
		if (!__atomic_exchange_n(&seen, 1, __ATOMIC_RELAXED))
			qemu_plugin_reset(self, go_on_in_earnest); /* once this CPU lets go */
	}
}

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc,
				    char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out_path = strdup(argv[i] + 4);
		else if (!strncmp(argv[i], "profile=", 8))
			profile_path = strdup(argv[i] + 8);
		else
			return fprintf(stderr, "meter: %s: no such option\n", argv[i]), -1;
	}
	if (!out_path)
		return fprintf(stderr, "meter: out=FILE is missing\n"), -1;
	self = id;
	arm = !strcmp(info->target_name, "arm");
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate_until_marked);
	return 0;
}
