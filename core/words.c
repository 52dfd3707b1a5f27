/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "core/words.h"

#define WORD_MAX_LEN 64

unsigned dmaf_word_distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX_LEN + 1];
	size_t la = strnlen(a, WORD_MAX_LEN), lb = strnlen(b, WORD_MAX_LEN);

	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);
			unsigned best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

			diagonal = row[j];
			row[j] = change < best ? change : best;
		}
	}
	return row[lb];
}

void dmaf_word_append(char *buf, size_t size, const char *word)
{
	size_t used = strlen(buf);

	(void)snprintf(buf + used, size - used, "%s%s", used ? ", " : "", word);
}
