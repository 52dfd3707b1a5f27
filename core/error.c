/* SPDX-License-Identifier: MIT */
#include <dmaflow/error.h>

int dmaf_vfail(struct dmaf_err *e, int code, const char *fmt, va_list ap)
{
	if (e) {
		e->code = code;
		(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	}
	return code;
}

int dmaf_fail(struct dmaf_err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	dmaf_vfail(e, code, fmt, ap);
	va_end(ap);
	return code;
}
