// SPDX-License-Identifier: GPL-2.0
/*
 * Header and records of a stream, written and read.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "snap/snap_store.h"
#include "snap/snap_stream.h"

_Static_assert(sizeof(struct stream_header) == STREAM_SECTOR, "the header is a sector");

/* Who has the other end may have made ours one that does not wait, too. */
static int wait_for(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return -errno;
	return poll(&pollfd, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

/* All, or a negative errno. */
static int write_all(int fd, const void *data, size_t size)
{
	while (size) {
		ssize_t done = write(fd, data, size);
		int ret = done < 0 ? wait_for(fd, POLLOUT) : 0;

		if (ret)
			return ret;
		if (done > 0) {
			data = (const char *)data + done;
			size -= done;
		}
	}
	return 0;
}

static int read_all(int fd, void *data, size_t size)
{
	while (size) {
		ssize_t done = read(fd, data, size);
		int ret = done < 0 ? wait_for(fd, POLLIN) : 0;

		if (!done)
			return -EPIPE;
		if (ret)
			return ret;
		if (done > 0) {
			data = (char *)data + done;
			size -= done;
		}
	}
	return 0;
}

static u32 crc_of_header(const struct stream_header *header)
{
	const size_t from = offsetof(struct stream_header, sectors);

	return crc32c(~0U, (const char *)header + from, sizeof(*header) - from);
}

static u32 crc_of_record(u32 before, const struct stream_record *record)
{
	const size_t from = offsetof(struct stream_record, type);

	return crc32c(before, (const char *)record + from, sizeof(*record) - from);
}

int stream_put_header(struct stream *stream, struct stream_header *header)
{
	memcpy(header->magic, STREAM_MAGIC, sizeof(header->magic));
	header->version = htole32(STREAM_VERSION);
	stream->crc = crc_of_header(header);
	header->crc = htole32(stream->crc);
	return write_all(stream->fd, header, sizeof(*header));
}

static size_t bytes_of(enum stream_type type, uint64_t sectors)
{
	return type == STREAM_DATA ? sectors * STREAM_SECTOR : 0;
}

int stream_put(struct stream *stream, enum stream_type type, uint64_t start, uint64_t sectors,
	       const void *data)
{
	size_t bytes = bytes_of(type, sectors);
	struct stream_record record = {
		.type = htole32(type),
		.start = htole64(start),
		.sectors = htole64(sectors),
		.data_crc = htole32(bytes ? crc32c(~0U, data, bytes) : 0),
	};
	int ret;

	stream->crc = crc_of_record(stream->crc, &record);
	record.crc = htole32(stream->crc);
	ret = write_all(stream->fd, &record, sizeof(record));
	return ret ? ret : write_all(stream->fd, data, bytes);
}

static bool is_text(const char *text, size_t size, char first)
{
	size_t length = strnlen(text, size), i;

	for (i = 0; i < length; i++)
		if (text[i] < first || text[i] > '~')
			return false;
	return length < size;
}

static bool is_name(const char *name)
{
	return is_text(name, SS_NAME_MAX + 1, '!') && *name && strcmp(name, "-") &&
	       strcmp(name, STREAM_RECEIVING);
}

/* It goes into messages as it is. */
static bool header_is_sound(const struct stream_header *header)
{
	bool is_full = !snap_has_uuid(header->from);

	return le64toh(header->at) <= le64toh(header->sectors) && snap_has_uuid(header->to) &&
	       snap_has_uuid(header->to_origin) && is_name(header->to_name) &&
	       is_full == !snap_has_uuid(header->from_origin) &&
	       (is_full ? !*header->from_name : is_name(header->from_name)) &&
	       is_text(header->note, sizeof(header->note), ' ') &&
	       !memchr_inv(header->reserved, 0, sizeof(header->reserved));
}

/* -EPROTONOSUPPORT: it is none, or a newer one */
int stream_get_header(struct stream *stream, struct stream_header *header)
{
	int ret = read_all(stream->fd, header, sizeof(*header));

	if (ret)
		return ret;
	if (memcmp(header->magic, STREAM_MAGIC, sizeof(header->magic)) ||
	    le32toh(header->version) != STREAM_VERSION)
		return -EPROTONOSUPPORT;
	stream->crc = crc_of_header(header);
	if (le32toh(header->crc) != stream->crc || !header_is_sound(header))
		return -EBADMSG;
	return 0;
}

static bool record_is_sound(const struct stream_record *record)
{
	uint64_t sectors = le64toh(record->sectors);

	switch (le32toh(record->type)) {
	case STREAM_DATA:
		return sectors && sectors <= STREAM_PIECE / STREAM_SECTOR;
	case STREAM_ZERO:
		return sectors && !record->data_crc;
	case STREAM_AT:
	case STREAM_END:
		return !sectors && !record->data_crc;
	default:
		return false;
	}
}

/* Data have room for STREAM_PIECE. */
int stream_get(struct stream *stream, struct stream_record *record, void *data)
{
	int ret = read_all(stream->fd, record, sizeof(*record));
	size_t bytes;

	if (ret)
		return ret;
	stream->crc = crc_of_record(stream->crc, record);
	if (le32toh(record->crc) != stream->crc || !record_is_sound(record))
		return -EBADMSG;
	bytes = bytes_of(le32toh(record->type), le64toh(record->sectors));
	ret = read_all(stream->fd, data, bytes);
	if (!ret && bytes && le32toh(record->data_crc) != crc32c(~0U, data, bytes))
		ret = -EBADMSG;
	return ret;
}
