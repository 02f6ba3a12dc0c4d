// SPDX-License-Identifier: GPL-2.0
/* The manifest of a saved state, as show and list read it. */
#include "fuzz.h"

#include "../../ctl/cluster/cluster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *dir = strdup(fuzz_path("state"));
	char *show[] = { "one", "--dir", dir }, *list[] = { "--dir", dir };
	struct args show_args = { 3, show }, list_args = { 2, list };

	fuzz_write(fuzz_path("state/one/manifest.json"), data, size);
	err_capture(true);
	cluster_show_verb(&show_args);
	cluster_list_verb(&list_args);
	free(dir);
	return 0;
}
