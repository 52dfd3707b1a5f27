// SPDX-License-Identifier: MIT
/* A loadable kind, and the ways in which one can be wrong; see meson.build. */
#include <dmaflow/plugin.h>

static int open_nothing(dmaf_sink *sink)
{
	return dmaf_fail(&sink->p.err, -1, "never used");
}

static const struct dmaf_sink_ops ops = {.open = open_nothing};

#ifdef PLUG_NO_SYMBOL
#define dmaf_plugin another_name
#endif
__attribute__((visibility("default"))) extern const struct dmaf_kind dmaf_plugin;
const struct dmaf_kind dmaf_plugin = {
	.abi = DMAF_ABI + PLUG_ABI,
	.name = PLUG,
	.help = "a plug-in of the tests",
	.main = "",
	.sink = &ops,
};
