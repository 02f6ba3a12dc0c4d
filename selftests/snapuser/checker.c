// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl snap check, as a function; and where what lparctl says goes.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "lib/lib.h"
#include "snap/snap_store.h"
#include "checker.h"

static void print(const char *fmt, va_list ap)
{
	char line[512];

	/* Formatted in any case: of hostile bytes. */
	vsnprintf(line, sizeof(line), fmt, ap);
	if (getenv("VERBOSE"))
		printf("# checker: %s\n", line);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(fmt, ap);
	va_end(ap);
}

void err(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(fmt, ap);
	va_end(ap);
}

/**
 * checker_check() - as "lparctl snap check"
 * @fd: STORE
 *
 * Return: verdict.
 */
enum verdict checker_check(int fd)
{
	struct store *store = store_new(fd);
	enum verdict verdict;

	store_check(store);
	verdict = store_is_lost(store)			     ? LOST
		  : json_object_array_length(store->damages) ? REPAIRABLE
							     : SOUND;
	if (getenv("VERBOSE"))
		printf("# %s %s\n", json_object_to_json_string(store->problems),
		       json_object_to_json_string(store->damages));
	store_free(store);
	return verdict;
}

/**
 * checker_repair() - as "lparctl snap check --repair"
 * @fd: STORE
 * @force: as the option
 *
 * Return: as store_repair().
 */
int checker_repair(int fd, bool force)
{
	struct store *store = store_new(fd);
	int ret = store_repair(store, force);

	store_free(store);
	return ret;
}
