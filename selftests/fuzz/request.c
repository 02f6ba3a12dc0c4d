// SPDX-License-Identifier: GPL-2.0
/* Requests to execd, lines of them. */
#include "fuzz.h"

#include "../../ctl/cluster/cluster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("requests", MFD_CLOEXEC);
	struct args none = { 0, NULL };

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	lseek(fd, 0, SEEK_SET);
	dup2(fd, STDIN_FILENO);
	close(fd);
	execd_verb(&none);
	return 0;
}
