/* SPDX-License-Identifier: MIT */
/* The text of /proc/PID/smaps, where file names are the looked-at process's own choice. */
#include <string.h>

#include <dmaflow/inspect.h>

#include "fuzz.h"

static int on_mapping(void *arg, const struct dmaf_mapping *m)
{
	uint64_t *n = arg;

	must(m->end > m->start);
	must((unsigned)m->kind < DMAF_MAPPING_KINDS);
	must(memchr(m->path, 0, sizeof(m->path)));
	must(memchr(m->vmflags, 0, sizeof(m->vmflags)));
	must(m->kind != DMAF_MAPPING_PAGES || !(m->vm & (DMAF_VM_PFN | DMAF_VM_IO)));
	for (unsigned f = 0; f < DMAF_FACILITIES; f++) {
		struct dmaf_facility_verdict v =
			dmaf_mapping_verdict(m, (enum dmaf_facility)f, DMAF_KERNEL(6, 1));

		must(v.err <= 0 && v.why);
		must(v.err || !(m->vm & (DMAF_VM_PFN | DMAF_VM_IO)));
	}
	++*n;
	return 0;
}

static uint64_t parse(const uint8_t *data, size_t size, size_t cut, uint64_t *malformed)
{
	static struct dmaf_smaps p;
	uint64_t n = 0;

	dmaf_smaps_init(&p, on_mapping, &n);
	must(!dmaf_smaps_feed(&p, (const char *)data, cut));
	must(!dmaf_smaps_feed(&p, (const char *)data + cut, size - cut));
	must(!dmaf_smaps_finish(&p));
	must(p.mappings == n);
	*malformed = p.malformed;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole_bad, cut_bad, whole;

	if (!size)
		return 0;
	/* The first byte says where the rest is cut; that must make no difference. */
	whole = parse(data + 1, size - 1, size - 1, &whole_bad);
	must(parse(data + 1, size - 1, data[0] * (size - 1) / 256, &cut_bad) == whole);
	must(whole_bad == cut_bad);
	return 0;
}
