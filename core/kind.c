/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "core/kind.h"
#include "core/words.h"

#define KIND_ADDED 32

static const struct dmaf_kind *added[KIND_ADDED];
static unsigned nadded;

static const char *const on_full[] = {"block", "drop-new", "drop-old", NULL};
static const char *const on_gap[] = {"skip", "zero", "stop", NULL};

const struct dmaf_opt dmaf_source_options[] = {
	{"block", DMAF_OPT_SIZE, "bytes per buffer", 1, 1ull << 30},
	{"blocks", DMAF_OPT_COUNT, "buffers in the pool", 1, 65536},
	{"memory", DMAF_OPT_STRING, "where the pool comes from: pages, thp, huge, memfd"},
	{"rate", DMAF_OPT_RATE, "bytes per second at most", 1},
	{"count", DMAF_OPT_COUNT, "end after this many buffers", 1},
	{"bytes", DMAF_OPT_SIZE, "end after this many bytes", 1},
	{"duration", DMAF_OPT_DURATION, "end after this time", 1},
	{"slice", DMAF_OPT_SLICE, "pass on only this part of each buffer, by reference"},
	{"max-delay", DMAF_OPT_DURATION, "hand over a partly filled buffer after this time"},
	{NULL},
};

const struct dmaf_opt dmaf_sink_options[] = {
	{"on-full", DMAF_OPT_WORD, "when it can't keep up: block, drop-new or drop-old",
	 .words = on_full},
	{"on-gap", DMAF_OPT_WORD, "what stands for lost bytes: nothing (skip), zeros, or an error",
	 .words = on_gap},
	{"queue", DMAF_OPT_COUNT, "buffers it may hold before on-full applies", 1, 65536},
	{NULL},
};

const struct dmaf_kind *dmaf_kind_at(unsigned i)
{
	for (unsigned b = 0; dmaf_builtin_kinds[b]; b++)
		if (b == i)
			return dmaf_builtin_kinds[b];
		else if (!dmaf_builtin_kinds[b + 1])
			return i - b - 1 < nadded ? added[i - b - 1] : NULL;
	return i < nadded ? added[i] : NULL;
}

static const struct dmaf_kind *by_name(const char *name)
{
	const struct dmaf_kind *k;

	for (unsigned i = 0; (k = dmaf_kind_at(i)); i++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

int dmaf_kind_add(const struct dmaf_kind *kind)
{
	if (kind->abi != DMAF_ABI)
		return -EINVAL;
	if (by_name(kind->name))
		return -EEXIST;
	if (nadded == KIND_ADDED)
		return -ENOSPC;
	added[nadded++] = kind;
	return 0;
}

int dmaf_kind_load(const char *path, struct dmaf_err *err)
{
	const struct dmaf_kind *kind;
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int rc;

	if (!so)
		return dmaf_fail(err, -ENOENT, "plug-in %s: %s", path, dlerror());
	kind = (const struct dmaf_kind *)dlsym(so, "dmaf_plugin");
	if (!kind) {
		rc = dmaf_fail(err, -EINVAL,
			       "plug-in %s: it exports no 'dmaf_plugin'; see dmaflow-plugin(3)",
			       path);
		goto close;
	}
	if (kind->abi != DMAF_ABI) {
		rc = dmaf_fail(err, -EINVAL,
			       "plug-in %s: built for plug-in ABI %u, this is %u; build it again",
			       path, kind->abi, DMAF_ABI);
		goto close;
	}
	rc = dmaf_kind_add(kind);
	if (!rc)
		return 0; /* stays loaded: its tables are in use from now on */
	if (rc == -EEXIST)
		dmaf_fail(err, rc, "plug-in %s: a kind '%s' is known already", path, kind->name);
	else
		dmaf_fail(err, rc, "plug-in %s: more than %d kinds are loaded", path, KIND_ADDED);
close:
	dlclose(so);
	return rc;
}

const struct dmaf_kind *dmaf_kind_find(const char *name, struct dmaf_err *err)
{
	const struct dmaf_kind *k = by_name(name), *nearest = NULL;
	unsigned best = 3; /* further away it is no typing error */
	char list[512] = "";

	if (k)
		return k;
	for (unsigned i = 0; (k = dmaf_kind_at(i)); i++) {
		unsigned d = dmaf_word_distance(name, k->name);

		if (d < best && d < strlen(k->name)) {
			best = d;
			nearest = k;
		}
		dmaf_word_append(list, sizeof(list), k->name);
	}
	if (nearest)
		dmaf_fail(err, -EINVAL, "unknown kind '%s'; did you mean '%s'?", name,
			  nearest->name);
	else
		dmaf_fail(err, -EINVAL, "unknown kind '%s'; there are: %s", name, list);
	return NULL;
}

static const char *const role_name[] = {"source", "stage", "sink", "pool"};

static bool plays(const struct dmaf_kind *k, enum dmaf_role role)
{
	switch (role) {
	case DMAF_ROLE_SOURCE: return k->source;
	case DMAF_ROLE_STAGE: return k->stage;
	case DMAF_ROLE_SINK: return k->sink;
	case DMAF_ROLE_POOL: return k->pool;
	}
	return false;
}

int dmaf_kind_resolve(const char *text, enum dmaf_role role, dmaf_addr **addr,
		      const struct dmaf_kind **kind, struct dmaf_err *err)
{
	static const struct dmaf_opt nothing[] = {{NULL}};
	const struct dmaf_opt *tables[3] = {NULL};
	struct dmaf_err why = {0};
	int rc = dmaf_addr_parse(addr, text, err);

	if (rc)
		return rc;
	*kind = dmaf_kind_find(dmaf_addr_kind(*addr), &why);
	if (!*kind) {
		rc = dmaf_fail(err, -EINVAL, "%s: %s", text, why.text);
		goto fail;
	}
	if (!plays(*kind, role)) {
		char list[64] = "";

		for (enum dmaf_role r = DMAF_ROLE_SOURCE; r <= DMAF_ROLE_POOL; r++)
			if (plays(*kind, r))
				dmaf_word_append(list, sizeof(list), role_name[r]);
		rc = dmaf_fail(err, -EINVAL, "%s: '%s' can't be a %s, only: %s", text,
			       (*kind)->name, role_name[role], list);
		goto fail;
	}
	if (!(*kind)->main || !*(*kind)->main) {
		rc = dmaf_addr_no_main(*addr, err);
		if (rc)
			goto fail;
	}
	tables[0] = (*kind)->opts ? (*kind)->opts : nothing;
	tables[1] = role == DMAF_ROLE_SOURCE ? dmaf_source_options
		    : role == DMAF_ROLE_SINK ? dmaf_sink_options
					     : NULL;
	rc = dmaf_addr_check(*addr, tables, err);
	if (!rc)
		return 0;
fail:
	dmaf_addr_free(*addr);
	*addr = NULL;
	return rc;
}
