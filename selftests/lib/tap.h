/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test Anything Protocol for C tests: call tap_plan() first, tap_check() once
 * per test, and return tap_done() from main().  Standard output carries the
 * results; write anything else to standard error.
 */
#ifndef LPARKIT_TAP_H
#define LPARKIT_TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_planned, tap_count, tap_failed;

static inline void tap_plan(int tests)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	tap_planned = tests;
	printf("1..%d\n", tests);
}

/* Returns @passed, so that a test can go on only if it makes sense. */
__attribute__((format(printf, 2, 3))) static inline bool tap_check(bool passed, const char *fmt,
								   ...)
{
	va_list args;

	printf("%sok %d - ", passed ? "" : "not ", ++tap_count);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	if (!passed)
		tap_failed++;
	return passed;
}

static inline void tap_skip(const char *what, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_count, what, why);
}

/* For what must work before anything can be tested. */
__attribute__((noreturn, unused)) static void tap_bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline int tap_done(void)
{
	return tap_failed || tap_count != tap_planned;
}

#endif
