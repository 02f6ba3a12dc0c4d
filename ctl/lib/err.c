// SPDX-License-Identifier: GPL-2.0
/*
 * What is said to people.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/lib.h"

/* For those who pass the reason of a failure on instead of printing it. */
static struct {
	bool on;
	char text[1024]; /* the first one: what follows is its consequence */
} captured;

void err_capture(bool on)
{
	captured.on = on;
	captured.text[0] = 0;
}

const char *err_captured(void)
{
	return captured.text;
}

/* Much of it is others' words, as QEMU's log: no terminal is to obey them. */
static void print(FILE *to, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		return;
	fputs(make_printable(text, "\n\t"), to);
	free(text);
}

/* To stderr: "lparctl: TEXT". */
void err(const char *fmt, ...)
{
	va_list ap;

	if (captured.on) {
		va_start(ap, fmt);
		if (!*captured.text)
			vsnprintf(captured.text, sizeof(captured.text), fmt, ap);
		va_end(ap);
		return;
	}
	fflush(stdout);
	fputs("lparctl: ", stderr);
	va_start(ap, fmt);
	print(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* What was done, to people; a reader of JSON is not to be disturbed. */
void say(const char *fmt, ...)
{
	va_list ap;

	if (options.json)
		return;
	va_start(ap, fmt);
	print(stdout, fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

int usage(const char *fmt, ...)
{
	va_list ap;

	fputs("lparctl: ", stderr);
	va_start(ap, fmt);
	print(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'lparctl help'.\n", stderr);
	return EXIT_USAGE;
}
