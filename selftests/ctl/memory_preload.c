// SPDX-License-Identifier: GPL-2.0
/*
 * A library to be preloaded: lparctl has no memory left while there is $PLAYED_KERNEL/no-memory;
 * libraries, of which some abort then, have.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_calloc(size_t n, size_t size);

void *calloc(size_t n, size_t size)
{
	const char *dir = getenv("PLAYED_KERNEL");
	char path[PATH_MAX];
	Dl_info caller;

	snprintf(path, sizeof(path), "%s/no-memory", dir ? dir : "");
	if (access(path, F_OK) || !dladdr(__builtin_return_address(0), &caller) ||
	    !strstr(caller.dli_fname, "/lparctl"))
		return __libc_calloc(n, size);
	return NULL;
}
