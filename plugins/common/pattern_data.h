/* SPDX-License-Identifier: MIT */
/*
 * Content whose every byte follows from its place in the stream, so that a receiver can verify any
 * part of it without having seen the rest.
 */
#ifndef DMAF_PATTERN_DATA_H
#define DMAF_PATTERN_DATA_H

#include <stddef.h>
#include <stdint.h>

/* Write bytes [@offset, @offset + @len) of the pattern of @seed to @to. */
void dmaf_pattern_fill(void *to, size_t len, uint64_t offset, uint64_t seed);

/* Compare. Return: @len when equal, otherwise where the first wrong byte is. */
size_t dmaf_pattern_check(const void *from, size_t len, uint64_t offset, uint64_t seed);

/* The right byte at @offset, for messages. */
uint8_t dmaf_pattern_byte(uint64_t offset, uint64_t seed);

#endif
