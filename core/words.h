/* SPDX-License-Identifier: MIT */
/* Lists of words for messages. */
#ifndef DMAF_CORE_WORDS_H
#define DMAF_CORE_WORDS_H

#include <stddef.h>

/* Edit distance of two words, cut at 64 letters. */
unsigned dmaf_word_distance(const char *a, const char *b);

/* Append " word" (with a comma where one came before) to a list in @buf. */
void dmaf_word_append(char *buf, size_t size, const char *word);

#endif
