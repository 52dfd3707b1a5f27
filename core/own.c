/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/own.h"
#include "core/pool.h"

static const char *const owner_name[] = {
	[DMAF_OWNER_POOL] = "free in its pool",
	[DMAF_OWNER_WRITER] = "its writer's",
	[DMAF_OWNER_READERS] = "lent to readers",
};

void dmaf_own_expect(const dmaf_buf *buf, enum dmaf_owner expected, const char *verb)
{
	if (buf->owner == expected)
		return;
	fprintf(stderr, "dmaflow: %s of buffer %u, which is %s and not %s\n", verb, buf->index,
		owner_name[buf->owner], owner_name[expected]);
	abort();
}

void dmaf_own_protect(const dmaf_buf *buf, enum dmaf_owner owner)
{
	static const int prot[] = {
		[DMAF_OWNER_POOL] = PROT_NONE,
		[DMAF_OWNER_WRITER] = PROT_READ | PROT_WRITE,
		[DMAF_OWNER_READERS] = PROT_READ,
	};
	const dmaf_region *r = buf->home.region;
	size_t stride = dmaf_pool_terms(buf->pool)->stride;

	/* Only whole pages can be protected, and only pages are worth it. */
	if (buf->pool->overwriting || r->backing != DMAF_PAGES || !r->cpu ||
	    buf->home.off % r->page || stride % r->page)
		return;
	if (mprotect((char *)r->cpu + buf->home.off, stride, prot[owner]))
		perror("dmaflow: protecting a block");
}
