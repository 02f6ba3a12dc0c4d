// SPDX-License-Identifier: GPL-2.0
/* A file of frames. */
#include "fuzz.h"

#include <zlib.h>

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

/* A file as netbuf save writes it, for the beginning. */
static size_t write_good(uint8_t *data, size_t most)
{
	FILE *file = fmemopen(data, most, "w");
	static uint8_t bytes[60] = { 1, 2, 3 };
	const struct pcapng_frame frame = { .length = sizeof(bytes), .data = bytes };
	size_t size;

	pcapng_write_header(file);
	pcapng_write_interface(file, "tap0");
	pcapng_write_frame(file, &frame);
	pcapng_write_count(file, 0, 1, 5);
	size = ftell(file);
	fclose(file);
	return size;
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, 4);
	return value;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, 4);
}

/* Whoever makes a file to harm us gets its checksums right: so are they here. */
static void repair(uint8_t *data, size_t size)
{
	size_t at, total;

	for (at = 0; size - at >= 32; at += total) {
		total = get_u32(data + at + 4);
		if (total < 32 || total % 4 || total > size - at)
			return;
		put_u32(data + at + total - 4, total);
		put_u32(data + at + total - 8, 0);
		put_u32(data + at + total - 12, crc32(0, data + at, total - 12));
	}
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed)
{
	if (size < 32 && most >= 512)
		size = write_good(data, most);
	if (seed % 8)
		size = LLVMFuzzerMutate(data, size, most);
	repair(data, size);
	return size;
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
