/* SPDX-License-Identifier: MIT */
/*
 * usage: replay_NAME FOLDER
 *
 * Give every file of FOLDER to the fuzzer's entry, whole and then cut at a few places: one TAP
 * point each. A finding ends the program, and the point that is missing from the plan names it.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fuzz.h"

static uint8_t *load(const char *folder, const char *file, size_t *size)
{
	char path[4096];
	uint8_t *data = NULL;
	FILE *f;
	long len;

	if (snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path))
		return NULL;
	f = fopen(path, "rb");
	if (!f)
		return NULL;
	if (!fseek(f, 0, SEEK_END) && (len = ftell(f)) >= 0 && !fseek(f, 0, SEEK_SET)) {
		*size = (size_t)len;
		data = malloc(*size + 1);
		if (data && fread(data, 1, *size, f) != *size) {
			free(data);
			data = NULL;
		}
	}
	fclose(f);
	return data;
}

/* From a block of its own size, so that a sanitizer sees a read beyond the end. */
static int give(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		return -ENOMEM;
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

static int seeds_only(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **list;
	int i, n, failed = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	n = scandir(argv[1], &list, seeds_only, alphasort);
	if (n <= 0) {
		fprintf(stderr, "%s: no seeds in %s\n", argv[0], argv[1]);
		return 1;
	}
	printf("1..%d\n", n);
	for (i = 0; i < n; i++) {
		size_t size = 0, cut;
		uint8_t *data = load(argv[1], list[i]->d_name, &size);
		int bad = !data || give(data, size);

		for (cut = 0; !bad && cut < size; cut += 1 + size / 50)
			bad = give(data, cut);
		printf("%s %d - %s\n", bad ? "not ok" : "ok", i + 1, list[i]->d_name);
		fflush(stdout);
		failed += bad;
		free(data);
		free(list[i]);
	}
	free(list);
	return failed ? 1 : 0;
}
