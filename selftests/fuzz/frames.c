// SPDX-License-Identifier: GPL-2.0
/* A file of frames. */
#include "fuzz.h"

#include "../../ctl/net/netbuf.h"

#include "../../ctl/net/pcapng.h"

static int on_interface(uint32_t number, const char *name, void *data)
{
	(void)number;
	(void)name;
	(void)data;
	return 0;
}

/* Each byte of it is there. */
static int on_frame(const struct pcapng_frame *frame, void *data)
{
	uint32_t i;

	for (i = 0; i < frame->length; i++)
		*(uint8_t *)data ^= frame->data[i];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sum = 0;
	const struct pcapng_reader reader = { on_interface, on_frame, &sum };

	fuzz_write(fuzz_path("frames.pcapng"), data, size);
	err_capture(true);
	pcapng_read(fuzz_path("frames.pcapng"), &reader);
	return 0;
}
