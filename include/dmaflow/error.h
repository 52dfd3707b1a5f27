/* SPDX-License-Identifier: MIT */
/*
 * Errors: a negative errno tells a program what happened, the explanation kept on the handle tells
 * a person what was asked, what refused and what to do.
 */
#ifndef DMAFLOW_ERROR_H
#define DMAFLOW_ERROR_H

#include <stdarg.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DMAF_API __attribute__((visibility("default")))

/** Longest explanation in bytes, the closing 0 included; a longer one is cut. */
#define DMAF_ERR_TEXT 768

/** struct dmaf_err - an error and its explanation. All zero: no error. Not thread-safe. */
struct dmaf_err {
	int code; /* negative errno; 0: none */
	char text[DMAF_ERR_TEXT];
};

/**
 * dmaf_fail - note an error with its explanation.
 * @e: where to; NULL is accepted and drops the explanation.
 * @code: negative errno.
 * @fmt: what was asked, what refused, what would be right; no newline.
 * Return: @code, so that `return dmaf_fail(...)` works.
 */
DMAF_API int dmaf_fail(struct dmaf_err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** dmaf_vfail - dmaf_fail() with a va_list. */
DMAF_API int dmaf_vfail(struct dmaf_err *e, int code, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

#ifdef __cplusplus
}
#endif
#endif
