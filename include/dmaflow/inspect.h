/* SPDX-License-Identifier: MIT */
#ifndef DMAFLOW_INSPECT_H
#define DMAFLOW_INSPECT_H

/*
 * What a mapping is made of, and which parts of the kernel will take it without copying.
 *
 * Everything that sends or stores by reference first pins the pages behind an address. A driver
 * that mapped its memory with remap_pfn_range() or dma_mmap_coherent() made a mapping without
 * pages to pin (VM_PFNMAP or VM_IO): write() works, MSG_ZEROCOPY and the rest say EFAULT.
 * The kernel tells by the VmFlags line of /proc/PID/smaps (Documentation/filesystems/proc.rst).
 *
 * Nothing here keeps state between calls: every function may be called from any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dmaflow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes kept of a mapping's name, with its final NUL; longer names are cut and say so. */
#define DMAF_MAPPING_PATH    4096
#define DMAF_MAPPING_VMFLAGS 192

/** enum dmaf_mapping_kind - what lies behind a mapping. */
enum dmaf_mapping_kind {
	DMAF_MAPPING_UNKNOWN, /* the kernel gave no VmFlags */
	DMAF_MAPPING_PAGES,   /* ordinary pages: anonymous, memfd, files */
	DMAF_MAPPING_HUGETLB, /* pages of the explicit huge page pool */
	DMAF_MAPPING_MIXED,   /* `mm`: a driver's pages, inserted one by one; can be pinned */
	DMAF_MAPPING_DEVICE,  /* a device's file, with neither of `pf`, `io`, `mm` */
	DMAF_MAPPING_PFN,     /* `pf`: page frames without pages to pin */
	DMAF_MAPPING_IO,      /* `io` without `pf`: device registers or what is treated like them */
	DMAF_MAPPING_SECRET,  /* memfd_secret(2): not even in the kernel's own map */
	DMAF_MAPPING_KERNEL,  /* an address above user space: [vsyscall] */
	DMAF_MAPPING_KINDS
};

/* Bits of dmaf_mapping.perms. */
#define DMAF_PERM_READ   1U
#define DMAF_PERM_WRITE  2U
#define DMAF_PERM_EXEC   4U
#define DMAF_PERM_SHARED 8U

/* Bits of dmaf_mapping.vm: the VmFlags that decide something. */
#define DMAF_VM_PFN     0x01U /* pf */
#define DMAF_VM_IO      0x02U /* io */
#define DMAF_VM_MIXED   0x04U /* mm */
#define DMAF_VM_HUGETLB 0x08U /* ht */
#define DMAF_VM_LOCKED  0x10U /* lo */
#define DMAF_VM_NODUMP  0x20U /* dd */
#define DMAF_VM_NOGROW  0x40U /* de */
#define DMAF_VM_KNOWN   0x80U /* a VmFlags line was there at all */

/** struct dmaf_mapping - one mapping of a process, as smaps tells it. */
struct dmaf_mapping {
	uint64_t start;     /* first byte's address */
	uint64_t end;       /* address after the last byte; always above start */
	uint64_t offset;    /* bytes into the file; 0 for anonymous memory */
	uint64_t inode;     /* 0: no file behind it */
	uint64_t page_size; /* bytes, KernelPageSize; 0: not told */
	uint64_t resident;  /* bytes, Rss */
	uint64_t huge;      /* bytes of it in transparent huge pages */
	uint32_t dev_major; /* file system's device; 0:0 with inode 0 */
	uint32_t dev_minor;
	uint32_t perms; /* DMAF_PERM_* */
	uint32_t vm;    /* DMAF_VM_* */
	enum dmaf_mapping_kind kind;
	bool path_cut;                      /* the name was longer than fits */
	char vmflags[DMAF_MAPPING_VMFLAGS]; /* as the kernel wrote them, without the key */
	char path[DMAF_MAPPING_PATH]; /* as the kernel wrote it (newlines are \012); may be "" */
};

/** enum dmaf_facility - what takes user memory by reference. */
enum dmaf_facility {
	DMAF_FACILITY_MSG_ZEROCOPY, /* send(MSG_ZEROCOPY) */
	DMAF_FACILITY_VMSPLICE,     /* vmsplice(2) into a pipe */
	DMAF_FACILITY_ODIRECT,      /* write(2) to a file opened O_DIRECT */
	DMAF_FACILITY_URING_FIXED,  /* IORING_REGISTER_BUFFERS */
	DMAF_FACILITY_SEND_ZC,      /* IORING_OP_SEND_ZC, buffer not registered */
	DMAF_FACILITIES
};

/**
 * struct dmaf_facility_verdict - what the table says: err is 0 (works) or a negative errno; why is
 * a static string, never NULL.
 */
struct dmaf_facility_verdict {
	int err;
	const char *why;
};

/**
 * struct dmaf_facility_trial - what happened when it was tried. Not tried: err tells what stood in
 * the way and says nothing of the memory.
 */
struct dmaf_facility_trial {
	bool tried;
	bool copied; /* MSG_ZEROCOPY only: the completion says that the kernel copied after all */
	int err;     /* 0: it works; else negative errno */
};

/** DMAF_KERNEL - a kernel version as one number that can be compared. */
#define DMAF_KERNEL(major, minor) (((unsigned int)(major) << 16) | (unsigned int)(minor))

/** dmaf_kernel_version - the running kernel as DMAF_KERNEL(); 0 where uname(2) gives none. */
DMAF_API unsigned int dmaf_kernel_version(void);

/** dmaf_mapping_kind_name, dmaf_facility_name - for people and for JSON; never NULL. */
DMAF_API const char *dmaf_mapping_kind_name(enum dmaf_mapping_kind kind);
DMAF_API const char *dmaf_facility_name(enum dmaf_facility facility);

/**
 * dmaf_mapping_fn - called for each mapping, in the kernel's order. The mapping is valid during the
 * call only. A value other than 0 ends the walk and is what the walk returns.
 */
typedef int dmaf_mapping_fn(void *arg, const struct dmaf_mapping *mapping);

/* Bytes of a line that the parser keeps; the rest of a longer line is ignored. */
#define DMAF_SMAPS_LINE 8192

/** struct dmaf_smaps - a parser for the text of /proc/PID/smaps. One thread at a time. */
struct dmaf_smaps {
	dmaf_mapping_fn *fn;
	void *arg;
	uint64_t mappings;  /* handed to fn so far */
	uint64_t malformed; /* lines that couldn't be read and were left out */
	/* private */
	int stopped;
	bool open;
	size_t line_len;
	struct dmaf_mapping cur;
	char line[DMAF_SMAPS_LINE];
};

/** dmaf_smaps_init - begin a text. Keeps fn and arg. */
DMAF_API void dmaf_smaps_init(struct dmaf_smaps *parser, dmaf_mapping_fn *fn, void *arg);

/**
 * dmaf_smaps_feed - take len bytes, cut anywhere. Any bytes are taken: what isn't smaps is counted
 * in malformed. A mapping is handed over when the next begins. Returns 0, or what fn returned to
 * end the walk; bytes fed after that are ignored.
 */
DMAF_API int dmaf_smaps_feed(struct dmaf_smaps *parser, const char *text, size_t len);

/** dmaf_smaps_finish - end of the text: hands over the last mapping. Returns as dmaf_smaps_feed().
 */
DMAF_API int dmaf_smaps_finish(struct dmaf_smaps *parser);

/**
 * dmaf_inspect_pid - walk the mappings of a process (0: the calling one) by reading
 * /proc/PID/smaps; nothing else of it is touched, it isn't stopped and its memory isn't read.
 * Returns 0, what fn returned, or -ESRCH (no such process), -EACCES (another user's, or a system
 * where one may not look: ptrace(2), "Ptrace access mode checking"), -ENOSYS (a kernel without
 * smaps) or open(2)'s and read(2)'s errors. Mappings that come or go meanwhile may be missed.
 */
DMAF_API int dmaf_inspect_pid(pid_t pid, dmaf_mapping_fn *fn, void *arg);

/**
 * dmaf_inspect_addr - look at [addr, addr + len) of the calling process. Where it spans several
 * mappings, *mapping is the one that refuses most facilities on the running kernel. Returns 0,
 * -EINVAL (len 0 or past the end of the address space), -ENOMEM (some of it isn't mapped; *mapping
 * is unspecified), or as dmaf_inspect_pid(). Reads the whole of smaps: not for a hot path.
 */
DMAF_API int dmaf_inspect_addr(const void *addr, size_t len, struct dmaf_mapping *mapping);

/**
 * dmaf_mapping_verdict - does a facility take this mapping on a kernel of that version (0: the
 * running one)? From the kernel's rules (mm/gup.c: check_vma_flags; io_uring/rsrc.c) and
 * measurements; nothing is tried.
 */
DMAF_API struct dmaf_facility_verdict dmaf_mapping_verdict(const struct dmaf_mapping *mapping,
							   enum dmaf_facility facility,
							   unsigned int kernel);

/**
 * dmaf_inspect_try - try every facility on the calling process's own memory: the first 32 KiB at
 * most of [addr, addr + len), from a page boundary. The memory is read by the kernel, never
 * written, and no longer referenced on return. MSG_ZEROCOPY and SEND_ZC go to a UDP socket that
 * talks to itself on 127.0.0.1, O_DIRECT to an unnamed file on the first of $TMPDIR, /var/tmp, the
 * current directory and /tmp that lies on a disk. results has DMAF_FACILITIES members, indexed by
 * facility. Returns 0, or -EINVAL when no whole page lies in the range. Takes at most some 3 s.
 */
DMAF_API int dmaf_inspect_try(const void *addr, size_t len, struct dmaf_facility_trial *results);

#ifdef __cplusplus
}
#endif

#endif
