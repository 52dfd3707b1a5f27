/* SPDX-License-Identifier: MIT */
/* What a stream is, in the words of its hello. */
#include <stdlib.h>
#include <string.h>

#include "plugins/tcp/tcp_sink.h"

/* Formats are [c](u|s|f)BITS[le|be]: complex, unsigned, signed, float. Anything else goes by name.
 */
static bool read_format(const char *f, struct dmaf_wire_hello *h)
{
	static const char kinds[] = "usf";
	bool complex = *f == 'c';
	const char *kind;
	unsigned long bits;
	char *end;

	f += complex;
	kind = *f ? strchr(kinds, *f) : NULL;
	if (!kind || f[1] < '1' || f[1] > '9')
		return false;
	bits = strtoul(f + 1, &end, 10);
	if (bits > UINT16_MAX || (bits > 8 && strcmp(end, "le") != 0 && strcmp(end, "be") != 0) ||
	    (bits <= 8 && *end))
		return false;
	h->sample =
		(uint8_t)(kind - kinds + (complex ? DMAF_WIRE_S_COMPLEX_UINT : DMAF_WIRE_S_UINT));
	h->bits = (uint16_t)bits;
	h->big_endian = *end == 'b';
	return true;
}

void tcp_stream_to_hello(const struct dmaf_stream *s, struct dmaf_wire_hello *h)
{
	size_t n;

	if (!s)
		return;
	h->channels = s->channels;
	h->rate_millihz = s->rate_mhz;
	h->clock = (uint8_t)s->clock;
	if (!s->format[0] || read_format(s->format, h))
		return;
	h->sample = DMAF_WIRE_S_OTHER;
	n = strnlen(s->format, sizeof(s->format));
	memcpy(h->name, s->format, n < sizeof(h->name) ? n : sizeof(h->name));
}
