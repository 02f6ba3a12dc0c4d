// SPDX-License-Identifier: GPL-2.0
/* The record of an operation that was killed. */
#include "fuzz.h"

#include "../../ctl/cluster/cluster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct args none = { 0, NULL };

	fuzz_write(fuzz_path("run/lparkit/cluster.session"), data, size);
	err_capture(true);
	cluster_recover_verb(&none);
	return 0;
}
