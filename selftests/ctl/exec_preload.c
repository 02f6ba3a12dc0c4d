// SPDX-License-Identifier: GPL-2.0
/*
 * A library to be preloaded: who is to become a QEMU with a name does not get beyond execvp() while
 * there is $PLAYED_KERNEL/exec-hangs, as if the program were on a file system that does not answer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int hangs(char *const argv[])
{
	const char *dir = getenv("PLAYED_KERNEL");
	char path[PATH_MAX];

	while (*argv && strcmp(*argv, "-name"))
		argv++;
	snprintf(path, sizeof(path), "%s/exec-hangs", dir ? dir : "");
	return *argv && !access(path, F_OK);
}

int execvp(const char *file, char *const argv[])
{
	int (*real)(const char *file, char *const argv[]) = dlsym(RTLD_NEXT, "execvp");

	while (hangs(argv))
		pause();
	return real(file, argv);
}
