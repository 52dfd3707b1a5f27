/* SPDX-License-Identifier: MIT */
/*
 * dmaflow.ko without a kernel: the system calls that mem/driver.c makes are wrapped (ld --wrap),
 * and those on FAKE_NODE end here. The device fills a block within the call that gives it one, by
 * the content rule of pattern:, so a whole flow runs on one thread.
 */
#ifndef DMAF_TEST_FAKE_DRIVER_H
#define DMAF_TEST_FAKE_DRIVER_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dmaflow/base/driver_abi.h>
#include <dmaflow/ring.h>

#define FAKE_NODE  "/dev/dmaflow-fake"
#define FAKE_IOVA  0x7000000000ull
#define FAKE_SYNCS 8u

/* As the driver says it of memory that no device of its own stands behind. */
#define MEMORY_ONLY (DMAF_DRV_CAP_MEMORY_ONLY | DMAF_DRV_CAP_TO_MEMORY | DMAF_DRV_CAP_FROM_MEMORY)

struct fake {
	/* set by the test before the device is opened */
	struct dmaf_drv_info info;
	int open_errno, info_errno, setup_errno, start_errno;
	bool no_iova;        /* its bus maps by itself: no addresses are told */
	uint64_t segment;    /* bytes of each bus segment; 0: all in one */
	uint64_t lose_after; /* after this many blocks … */
	uint64_t lose;       /* … so many are lost */
	uint64_t last_after; /* the device's stream ends after so many blocks; 0: never */
	uint64_t gone_after; /* it is unplugged after so many; 0: never */
	uint64_t hold_after; /* it takes blocks and fills no more after so many; 0: never */
	uint64_t bounce;     /* bytes of each block that go through a bounce buffer */
	uint64_t lie_index;  /* block number for which the done ring names block 0; 0: none */
	uint64_t lie_len;    /* block number that is longer than a block; 0: none */
	uint64_t short_at;   /* block number that is half full and damaged; 0: none */

	/* planted faults, from block number on: 0: none */
	uint64_t stale_line;  /* the device leaves the third line of the block as it was */
	uint64_t late_write;  /* it goes on changing after it has been given back */
	uint64_t wrong_byte;  /* its second byte is another */
	uint64_t hide_lost;   /* blocks are lost before it, and not counted */
	uint64_t keep_one;    /* it never comes back */
	uint64_t takes_any;   /* blocks that do not exist are taken in silence */
	uint64_t beyond_mask; /* bus addresses are beyond the mask */

	/* what came of it */
	struct dmaf_drv_setup set;
	struct dmaf_drv_stats stats;
	unsigned opens, closes, starts, stops, maps, unmaps;
	unsigned nsyncs;
	struct dmaf_drv_sync sync[FAKE_SYNCS];
	uint64_t read_bytes; /* from memory, all as they should be */
	bool read_wrong;

	/* its own */
	int fd, data_fd;
	bool gone, running, owned;
	unsigned char *data; /* the kernel's view of the blocks */
	void *fill_mem, *done_mem;
	int fill_fd, done_fd;
	struct dmaf_ring_cons fill;
	struct dmaf_ring_prod done;
	uint64_t seq, off, taken;
	uint32_t held[64], nheld; /* taken and not filled */
	pthread_t late;
	bool late_runs;
	unsigned char *late_at;
	atomic_bool late_ends;
};

extern struct fake fake;

/* A fresh device that writes memory. Call before each test. */
void fake_reset(void);

/* Everything that was opened and mapped has been given back. */
void fake_check_closed(void);

#endif
