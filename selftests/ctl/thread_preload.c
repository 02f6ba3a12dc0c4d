// SPDX-License-Identifier: GPL-2.0
/*
 * A library to be preloaded: lparctl gets no thread while there is a file $NO_THREAD, as where
 * there is no room for one more.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *data),
		   void *data)
{
	int (*real)(pthread_t * thread, const pthread_attr_t *attr, void *(*run)(void *data),
		    void *data) = dlsym(RTLD_NEXT, "pthread_create");
	const char *path = getenv("NO_THREAD");

	/* Not QEMU, which inherits the library. */
	if (!path || access(path, F_OK) || strcmp(program_invocation_short_name, "lparctl"))
		return real(thread, attr, run, data);
	return EAGAIN;
}
