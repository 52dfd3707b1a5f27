/* SPDX-License-Identifier: MIT */
#ifndef DMAF_TESTS_FUZZ_H
#define DMAF_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What libFuzzer, or replay.c, calls with each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holds whatever the input; not assert(), which a release build leaves out. */
#define must(cond)                                                                         \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                           \
		}                                                                          \
	} while (0)

#endif
