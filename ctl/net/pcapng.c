// SPDX-License-Identifier: GPL-2.0
/*
 * pcapng files of held frames; see pcapng.h for what is in them. A file is read
 * twice, block by block: as a whole it is checked before its reader sees any of it.
 */
#include <errno.h>
#include <inttypes.h>
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

/* One block in the making, or being read: the longest frame and its headers fit. */
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
	FILE *stream;
	uint64_t at; /* the block that is looked at */
	unsigned int number; /* of it, from 1 */
	uint32_t n_interfaces;
	uint64_t *frames; /* of each interface so far */
	uint32_t n_counted; /* interfaces with a count at the end */
};

static int refuse(const struct file *file, const char *why)
{
	err("%s: block %u at byte %" PRIu64 ": %s", file->path, file->number, file->at, why);
	return -EBADMSG;
}

static int fail(const struct file *file)
{
	err("%s: %s", file->path, strerror(errno));
	return -EIO;
}

static uint32_t get_u32(size_t offset)
{
	uint32_t value;

	memcpy(&value, block + offset, 4);
	return value;
}

static uint16_t get_u16(size_t offset)
{
	uint16_t value;

	memcpy(&value, block + offset, 2);
	return value;
}

static uint32_t block_bytes(void)
{
	return get_u32(4);
}

#define BLOCK_HEAD 12

/* The next block: its type, its length, and what that says. */
static int read_block(struct file *file)
{
	uint32_t total;

	if (fread(block, BLOCK_HEAD, 1, file->stream) != 1)
		return ferror(file->stream) ? fail(file) : refuse(file, "the file ends within it");
	total = block_bytes();
	if (total < BLOCK_HEAD + TAIL_BYTES || total % 4)
		return refuse(file, file->number == 1 ? "this is no file of lparctl netbuf save"
						      : "damaged: its length is wrong");
	if (total > sizeof(block))
		return refuse(file, "damaged: it is too long");
	if (fread(block + BLOCK_HEAD, total - BLOCK_HEAD, 1, file->stream) != 1)
		return ferror(file->stream) ? fail(file) : refuse(file, "the file ends within it");
	return 0;
}

/* Is it as it was written? */
static int check_block(const struct file *file)
{
	uint32_t total = block_bytes();

	/* What the checksum does not cover has one right value. */
	if (get_u32(total - 4) != total || get_u32(total - 8) != OPT_END ||
	    get_u32(total - 12) != crc32(0, block, total - 12))
		return refuse(file, "damaged, or not written by lparctl netbuf save");
	return 0;
}

/* Behind fixed fields, options and payload there is the tail and nothing else. */
static bool is_as_long_as(size_t bytes, size_t payload)
{
	return block_bytes() == bytes + TAIL_BYTES + payload && get_u16(bytes) == OPT_CUSTOM &&
	       get_u16(bytes + 2) == 4 + payload + 4 && get_u32(bytes + 4) == ENTERPRISE;
}

static int check_section(const struct file *file)
{
	const size_t len = strlen(PCAPNG_APPLICATION);

	if (get_u32(0) != BLOCK_SECTION || get_u32(8) != BYTE_ORDER_MAGIC ||
	    !is_as_long_as(24 + 4 + padded(len), 0) || get_u16(26) != len ||
	    memcmp(block + 28, PCAPNG_APPLICATION, len))
		return refuse(file, "this is no file of lparctl netbuf save, version 1");
	return 0;
}

/* The name is behind the time stamps' resolution. */
#define NAME_OFFSET (16 + 8 + 4)

static int check_interface(struct file *file)
{
	size_t len = get_u16(NAME_OFFSET - 2);

	if (!len || len > NETBUF_IFNAME_MAX || !is_as_long_as(NAME_OFFSET + padded(len), 0) ||
	    file->n_counted)
		return refuse(file, "no description of a netdev");
	file->frames = xrealloc(file->frames, (file->n_interfaces + 1) * sizeof(*file->frames));
	file->frames[file->n_interfaces++] = 0;
	return 0;
}

#define DATA_OFFSET 28

static int check_frame(struct file *file)
{
	size_t len = get_u32(20), options;
	uint32_t interface = get_u32(8);

	if (!len || len > NETBUF_FRAME_MAX)
		return refuse(file, "a frame of impossible length");
	options = DATA_OFFSET + padded(len);
	if (!is_as_long_as(options + 8, sizeof(struct pcapng_record)) ||
	    get_u16(options) != OPT_PACKET_FLAGS ||
	    (get_u32(options + 4) != direction_flags[NETBUF_INGRESS] &&
	     get_u32(options + 4) != direction_flags[NETBUF_EGRESS]))
		return refuse(file, "a frame without what it takes to hold it again");
	if (interface >= file->n_interfaces || file->n_counted)
		return refuse(file, "a frame of no netdev");
	file->frames[interface]++;
	return 0;
}

static int check_count(struct file *file)
{
	uint64_t frames;

	if (!is_as_long_as(20 + 4 + 8, 0) || get_u32(8) != file->n_counted ||
	    file->n_counted == file->n_interfaces)
		return refuse(file, "the count of frames of no netdev");
	memcpy(&frames, block + 24, 8);
	if (frames != file->frames[file->n_counted++])
		return refuse(file, "frames are missing");
	return 0;
}

static int check_content(struct file *file)
{
	if (file->number == 1)
		return check_section(file);
	switch (get_u32(0)) {
	case BLOCK_INTERFACE:
		return check_interface(file);
	case BLOCK_PACKET:
		return check_frame(file);
	case BLOCK_STATISTICS:
		return check_count(file);
	}
	return refuse(file, "a block that lparctl netbuf save does not write");
}

/* Is there another one? */
static bool has_block(struct file *file)
{
	int c = getc(file->stream);

	if (c != EOF)
		ungetc(c, file->stream);
	return c != EOF;
}

/* Goes through all blocks, with each of which @act does something. */
static int walk(struct file *file, const struct pcapng_reader *reader,
		int (*act)(struct file *file, const struct pcapng_reader *reader))
{
	int ret = 0;

	rewind(file->stream);
	file->at = 0;
	file->number = 0;
	file->n_interfaces = 0;
	file->n_counted = 0;
	while (!ret && (has_block(file) || !file->number)) {
		file->number++;
		ret = read_block(file);
		if (!ret)
			ret = check_block(file);
		if (!ret)
			ret = check_content(file);
		if (!ret && act)
			ret = act(file, reader);
		file->at += block_bytes();
	}
	if (!ret && ferror(file->stream))
		ret = fail(file);
	if (ret)
		return ret;
	if (file->n_counted < file->n_interfaces || !file->n_interfaces) {
		file->number++;
		return refuse(file, "the file ends before its last block");
	}
	return 0;
}

static int deliver_interface(uint32_t number, const struct pcapng_reader *reader)
{
	char name[NETBUF_IFNAME_MAX + 1] = "";

	memcpy(name, block + NAME_OFFSET, get_u16(NAME_OFFSET - 2));
	return reader->interface(number, name, reader->data);
}

static int deliver_frame(const struct pcapng_reader *reader)
{
	struct pcapng_frame frame = {
		.interface = get_u32(8),
		.time_ns = (uint64_t)get_u32(12) << 32 | get_u32(16),
		.length = get_u32(20),
		.data = block + DATA_OFFSET,
	};
	size_t flags = DATA_OFFSET + padded(frame.length) + 4;

	frame.direction = get_u32(flags) == direction_flags[NETBUF_INGRESS] ? NETBUF_INGRESS
									    : NETBUF_EGRESS;
	memcpy(&frame.record, block + flags + 4 + 8, sizeof(frame.record));
	return reader->frame(&frame, reader->data);
}

/* Should the file be another one by now, all that is wrong with it is found as well. */
static int deliver(struct file *file, const struct pcapng_reader *reader)
{
	switch (get_u32(0)) {
	case BLOCK_INTERFACE:
		return deliver_interface(file->n_interfaces - 1, reader);
	case BLOCK_PACKET:
		return deliver_frame(reader);
	}
	return 0;
}

/* What comes through a pipe can be read once only: a copy of it is read then. */
static FILE *copy_stream(FILE *stream)
{
	FILE *copy = tmpfile();
	size_t got;

	while (copy && (got = fread(block, 1, sizeof(block), stream)))
		if (fwrite(block, got, 1, copy) != 1)
			break;
	if (copy && (ferror(stream) || ferror(copy) || fflush(copy))) {
		fclose(copy);
		copy = NULL;
	}
	fclose(stream);
	return copy;
}

static FILE *open_file(const char *path)
{
	FILE *stream = fopen(path, "re");

	if (stream && fseek(stream, 0, SEEK_SET))
		stream = copy_stream(stream);
	return stream;
}

/* Hand a file to its reader, if all of it is right. Has printed what is wrong. */
int pcapng_read(const char *path, const struct pcapng_reader *reader)
{
	struct file file = { .path = path, .stream = open_file(path) };
	int ret;

	_Static_assert(sizeof(struct pcapng_record) == 24, "no padding in the file");
	if (!file.stream)
		return fail(&file);
	ret = walk(&file, NULL, NULL);
	if (!ret)
		ret = walk(&file, reader, deliver);
	free(file.frames);
	fclose(file.stream);
	return ret;
}
