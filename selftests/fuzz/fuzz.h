/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzers of lparctl have in common. Each is one function that is given bytes of
 * somebody else, see libFuzzer; the kernel is played (selftests/ctl/kernel_preload.c).
 */
#ifndef LPARKIT_FUZZ_H
#define LPARKIT_FUZZ_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../ctl/lib/lib.h"

static char fuzz_root[PATH_MAX]; /* a directory of this process alone */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

__attribute__((format(printf, 1, 2), unused)) static const char *fuzz_path(const char *fmt, ...)
{
	static char path[2 * PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/", fuzz_root);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + len, sizeof(path) - len, fmt, ap);
	va_end(ap);
	return path;
}

__attribute__((unused)) static void fuzz_write(const char *path, const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

/* As root it could remove what is not its own: never run one so. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (!geteuid()) {
		fputs("fuzzers are not for root: see make fuzz\n", stderr);
		exit(1);
	}
	snprintf(fuzz_root, sizeof(fuzz_root), "/dev/shm/fuzz-%d", getpid());
	if (make_dir(fuzz_path("kernel"), 0700) || make_dir(fuzz_path("state/one"), 0700) ||
	    make_dir(fuzz_path("run/lparkit"), 0700))
		abort();
	setenv("PLAYED_KERNEL", fuzz_path("kernel"), 1);
	options.root = fuzz_root;
	err_capture(true);
	if (!freopen("/dev/null", "w", stdout))
		abort();
	return 0;
}

#endif /* LPARKIT_FUZZ_H */
