// SPDX-License-Identifier: GPL-2.0
/*
 * pcapng files of held frames; see pcapng.h for what is in them. A file is
 * checked as a whole before its reader sees any of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "net/netbuf.h"
#include "net/pcapng.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
};

enum {
	OPT_END = 0,
	OPT_USER_APPLICATION = 4, /* of a section */
	OPT_INTERFACE_NAME = 2,
	OPT_TIME_RESOLUTION = 9,
	OPT_PACKET_FLAGS = 2,
	OPT_RECEIVED = 4, /* of interface statistics */
	OPT_CUSTOM = 2989, /* binary, may be copied */
};

#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define LINKTYPE_ETHERNET 1
/* The number for examples (RFC 5612), as lparkit has no enterprise number of its own. */
#define ENTERPRISE 32473
/* Custom option without payload, end of options, total length. */
#define TAIL_BYTES (4 + 4 + 4 + 4 + 4)

static const uint32_t direction_flags[] = {
	[NETBUF_INGRESS] = 1, /* inbound */
	[NETBUF_EGRESS] = 2, /* outbound */
};

static size_t padded(size_t bytes)
{
	return (bytes + 3) & ~(size_t)3;
}

/* --- writing --- */

/* One block in the making: the longest frame and its headers fit. */
static uint8_t block[NETBUF_FRAME_MAX + 512];
static size_t block_len;

static void put(const void *data, size_t len)
{
	memcpy(block + block_len, data, len);
	memset(block + block_len + len, 0, padded(len) - len);
	block_len += padded(len);
}

static void put_u16(uint16_t value)
{
	memcpy(block + block_len, &value, 2);
	block_len += 2;
}

static void put_u32(uint32_t value)
{
	put(&value, 4);
}

static void put_time(uint64_t time_ns)
{
	put_u32(time_ns >> 32);
	put_u32(time_ns);
}

static void put_option(uint16_t code, const void *value, uint16_t len)
{
	put_u16(code);
	put_u16(len);
	put(value, len);
}

static void begin_block(uint32_t type)
{
	block_len = 0;
	put_u32(type);
	put_u32(0);
}

/* With the custom option, which ends in the checksum of all before it. */
static int end_block(FILE *file, const void *payload, size_t len)
{
	uint32_t total = block_len + TAIL_BYTES + len;

	memcpy(block + 4, &total, 4);
	put_u16(OPT_CUSTOM);
	put_u16(4 + len + 4);
	put_u32(ENTERPRISE);
	if (len)
		put(payload, len);
	put_u32(crc32(0, block, block_len));
	put_u32(OPT_END);
	put_u32(total);
	return fwrite(block, block_len, 1, file) == 1 ? 0 : -errno;
}

int pcapng_write_header(FILE *file)
{
	const int64_t unknown_length = -1;

	begin_block(BLOCK_SECTION);
	put_u32(BYTE_ORDER_MAGIC);
	put_u16(1);
	put_u16(0);
	put(&unknown_length, 8);
	put_option(OPT_USER_APPLICATION, PCAPNG_APPLICATION, strlen(PCAPNG_APPLICATION));
	return end_block(file, NULL, 0);
}

int pcapng_write_interface(FILE *file, const char *name)
{
	const uint8_t nanoseconds = 9;

	begin_block(BLOCK_INTERFACE);
	put_u16(LINKTYPE_ETHERNET);
	put_u16(0);
	put_u32(0);
	put_option(OPT_TIME_RESOLUTION, &nanoseconds, 1);
	put_option(OPT_INTERFACE_NAME, name, strlen(name));
	return end_block(file, NULL, 0);
}

int pcapng_write_frame(FILE *file, const struct pcapng_frame *frame)
{
	begin_block(BLOCK_PACKET);
	put_u32(frame->interface);
	put_time(frame->time_ns);
	put_u32(frame->length);
	put_u32(frame->length);
	put(frame->data, frame->length);
	put_option(OPT_PACKET_FLAGS, &direction_flags[frame->direction], 4);
	return end_block(file, &frame->record, sizeof(frame->record));
}

int pcapng_write_count(FILE *file, uint32_t interface, uint64_t frames, uint64_t time_ns)
{
	begin_block(BLOCK_STATISTICS);
	put_u32(interface);
	put_time(time_ns);
	put_option(OPT_RECEIVED, &frames, 8);
	return end_block(file, NULL, 0);
}

/* --- reading --- */

struct file {
	const char *path;
	uint8_t *data;
	size_t len;
	size_t at; /* the block that is looked at */
	unsigned int number; /* of it, from 1 */
	uint32_t n_interfaces;
	uint64_t *frames; /* of each interface so far */
	uint32_t n_counted; /* interfaces with a count at the end */
};

static int refuse(const struct file *file, const char *why)
{
	err("%s: block %u at byte %zu: %s", file->path, file->number, file->at, why);
	return -EBADMSG;
}

static uint32_t get_u32(const struct file *file, size_t offset)
{
	uint32_t value;

	memcpy(&value, file->data + file->at + offset, 4);
	return value;
}

static uint16_t get_u16(const struct file *file, size_t offset)
{
	uint16_t value;

	memcpy(&value, file->data + file->at + offset, 2);
	return value;
}

static uint32_t block_bytes(const struct file *file)
{
	return get_u32(file, 4);
}

/* Is it whole, and as it was written? */
static int check_block(const struct file *file)
{
	size_t left = file->len - file->at;
	uint32_t total;

	if (left < 12)
		return refuse(file, "the file ends within it");
	total = block_bytes(file);
	if (total < 12 + TAIL_BYTES || total % 4)
		return refuse(file, file->number == 1 ? "this is no file of lparctl netbuf save"
						      : "damaged: its length is wrong");
	if (total > left)
		return refuse(file, "the file ends within it");
	/* What the checksum does not cover has one right value. */
	if (get_u32(file, total - 4) != total || get_u32(file, total - 8) != OPT_END ||
	    get_u32(file, total - 12) != crc32(0, file->data + file->at, total - 12))
		return refuse(file, "damaged, or not written by lparctl netbuf save");
	return 0;
}

/* Behind fixed fields, options and payload there is the tail and nothing else. */
static bool is_as_long_as(const struct file *file, size_t bytes, size_t payload)
{
	return block_bytes(file) == bytes + TAIL_BYTES + payload &&
	       get_u16(file, bytes) == OPT_CUSTOM && get_u16(file, bytes + 2) == 4 + payload + 4 &&
	       get_u32(file, bytes + 4) == ENTERPRISE;
}

static int check_section(const struct file *file)
{
	const size_t len = strlen(PCAPNG_APPLICATION);

	if (get_u32(file, 0) != BLOCK_SECTION || get_u32(file, 8) != BYTE_ORDER_MAGIC ||
	    !is_as_long_as(file, 24 + 4 + padded(len), 0) || get_u16(file, 26) != len ||
	    memcmp(file->data + file->at + 28, PCAPNG_APPLICATION, len))
		return refuse(file, "this is no file of lparctl netbuf save, version 1");
	return 0;
}

/* The name is behind the time stamps' resolution. */
#define NAME_OFFSET (16 + 8 + 4)

static int check_interface(struct file *file)
{
	size_t len = get_u16(file, NAME_OFFSET - 2);

	if (!len || len > NETBUF_IFNAME_MAX || !is_as_long_as(file, NAME_OFFSET + padded(len), 0) ||
	    file->n_counted)
		return refuse(file, "no description of a netdev");
	file->frames = xrealloc(file->frames, (file->n_interfaces + 1) * sizeof(*file->frames));
	file->frames[file->n_interfaces++] = 0;
	return 0;
}

#define DATA_OFFSET 28

static int check_frame(struct file *file)
{
	size_t len = get_u32(file, 20), options;
	uint32_t interface = get_u32(file, 8);

	if (!len || len > NETBUF_FRAME_MAX)
		return refuse(file, "a frame of impossible length");
	options = DATA_OFFSET + padded(len);
	if (!is_as_long_as(file, options + 8, sizeof(struct pcapng_record)) ||
	    get_u16(file, options) != OPT_PACKET_FLAGS ||
	    (get_u32(file, options + 4) != direction_flags[NETBUF_INGRESS] &&
	     get_u32(file, options + 4) != direction_flags[NETBUF_EGRESS]))
		return refuse(file, "a frame without what it takes to hold it again");
	if (interface >= file->n_interfaces || file->n_counted)
		return refuse(file, "a frame of no netdev");
	file->frames[interface]++;
	return 0;
}

static int check_count(struct file *file)
{
	uint64_t frames;

	if (!is_as_long_as(file, 20 + 4 + 8, 0) || get_u32(file, 8) != file->n_counted ||
	    file->n_counted == file->n_interfaces)
		return refuse(file, "the count of frames of no netdev");
	memcpy(&frames, file->data + file->at + 24, 8);
	if (frames != file->frames[file->n_counted++])
		return refuse(file, "frames are missing");
	return 0;
}

static int check_content(struct file *file)
{
	if (file->number == 1)
		return check_section(file);
	switch (get_u32(file, 0)) {
	case BLOCK_INTERFACE:
		return check_interface(file);
	case BLOCK_PACKET:
		return check_frame(file);
	case BLOCK_STATISTICS:
		return check_count(file);
	}
	return refuse(file, "a block that lparctl netbuf save does not write");
}

static int check_file(struct file *file)
{
	int ret = 0;

	while (file->at < file->len || !file->number) {
		file->number++;
		ret = check_block(file);
		if (!ret)
			ret = check_content(file);
		if (ret)
			return ret;
		file->at += block_bytes(file);
	}
	if (file->n_counted < file->n_interfaces || !file->n_interfaces) {
		file->number++;
		return refuse(file, "the file ends before its last block");
	}
	return 0;
}

static int deliver_interface(const struct file *file, uint32_t number,
			     const struct pcapng_reader *reader)
{
	char name[NETBUF_IFNAME_MAX + 1] = "";

	memcpy(name, file->data + file->at + NAME_OFFSET, get_u16(file, NAME_OFFSET - 2));
	return reader->interface(number, name, reader->data);
}

static int deliver_frame(const struct file *file, const struct pcapng_reader *reader)
{
	struct pcapng_frame frame = {
		.interface = get_u32(file, 8),
		.time_ns = (uint64_t)get_u32(file, 12) << 32 | get_u32(file, 16),
		.length = get_u32(file, 20),
		.data = file->data + file->at + DATA_OFFSET,
	};
	size_t flags = DATA_OFFSET + padded(frame.length) + 4;

	frame.direction = get_u32(file, flags) == direction_flags[NETBUF_INGRESS] ? NETBUF_INGRESS
										  : NETBUF_EGRESS;
	memcpy(&frame.record, file->data + file->at + flags + 4 + 8, sizeof(frame.record));
	return reader->frame(&frame, reader->data);
}

static int deliver(struct file *file, const struct pcapng_reader *reader)
{
	uint32_t interfaces = 0;
	int ret = 0;

	for (file->at = 0; !ret && file->at < file->len; file->at += block_bytes(file)) {
		if (get_u32(file, 0) == BLOCK_INTERFACE)
			ret = deliver_interface(file, interfaces++, reader);
		else if (get_u32(file, 0) == BLOCK_PACKET)
			ret = deliver_frame(file, reader);
	}
	return ret;
}

static int slurp(struct file *file)
{
	FILE *stream = fopen(file->path, "re");
	size_t size = 0, got;

	if (!stream)
		goto fail;
	do {
		size += size + (1 << 20);
		file->data = xrealloc(file->data, size);
		got = fread(file->data + file->len, 1, size - file->len, stream);
		file->len += got;
	} while (file->len == size);
	if (ferror(stream)) {
		fclose(stream);
		goto fail;
	}
	fclose(stream);
	return 0;
fail:
	err("%s: %s", file->path, strerror(errno));
	return -EIO;
}

/* Hand a file to its reader, if all of it is right. Has printed what is wrong. */
int pcapng_read(const char *path, const struct pcapng_reader *reader)
{
	struct file file = { .path = path };
	int ret = slurp(&file);

	_Static_assert(sizeof(struct pcapng_record) == 24, "no padding in the file");
	if (!ret)
		ret = check_file(&file);
	if (!ret)
		ret = deliver(&file, reader);
	free(file.frames);
	free(file.data);
	return ret;
}
