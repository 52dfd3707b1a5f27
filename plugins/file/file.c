// SPDX-License-Identifier: MIT
/* file: - regular files and block devices, read and written by io_uring. */
#include "plugins/file/file.h"
#include "plugins/plugins.h"

static const char *const engines[] = {"auto", "uring", "sync", NULL};

const struct dmaf_opt file_options[] = {
	{"direct", DMAF_OPT_FLAG, "O_DIRECT: past the page cache, without a copy"},
	{"depth", DMAF_OPT_COUNT, "reads or writes in flight (4)", 1, FILE_DEPTH_MAX},
	{"offset", DMAF_OPT_SIZE, "begin here; a file written there keeps the rest of it", 0,
	 INT64_MAX},
	{"length", DMAF_OPT_SIZE, "read at most this many bytes", 1, INT64_MAX},
	{"append", DMAF_OPT_FLAG,
	 "write behind what is there; a framed stream goes on where FILE.dmaflow says"},
	{"sync", DMAF_OPT_FLAG, "fdatasync before the end is reported"},
	{"prealloc", DMAF_OPT_SIZE, "reserve this much disk space first", 1, INT64_MAX},
	{"engine", DMAF_OPT_WORD, "uring, sync (pread and pwrite), or auto: the first that works",
	 .words = engines},
	{0},
};

const struct dmaf_kind dmaf_kind_file = {
	.abi = DMAF_ABI,
	.name = "file",
	.help = "a file or block device",
	.main = "PATH",
	.opts = file_options,
	.source = &file_source_ops,
	.sink = &file_sink_ops,
};
