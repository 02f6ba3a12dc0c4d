// SPDX-License-Identifier: GPL-2.0
/* The INI file of an LPAR. */
#include "fuzz.h"

#include "../../ctl/guest/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lpar_config config = { 0 };

	fuzz_write(fuzz_path("web.lpar"), data, size);
	err_capture(true);
	config_load(&config, fuzz_path("web.lpar"), "web");
	config_free(&config);
	return 0;
}
