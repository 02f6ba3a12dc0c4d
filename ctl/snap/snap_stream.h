/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A state on its way from one volume to another: a header, then records in the
 * order of sectors. All numbers are little endian.
 */
#ifndef LPARCTL_SNAP_STREAM_H
#define LPARCTL_SNAP_STREAM_H

#include <linux/types.h>

#include "snap/snap_volume.h"

#define STREAM_MAGIC "snapsend"
#define STREAM_VERSION 1

#define STREAM_SECTOR 512
/* What is sent begins and ends at such a sector: a disk may have blocks of that size. */
#define STREAM_ALIGN (4096 / STREAM_SECTOR)
/* Data of one record at most. */
#define STREAM_PIECE (1 << 20)
/* A mark each so many sectors of the volume, if anything was sent since. */
#define STREAM_MARK ((64 << 20) / STREAM_SECTOR)
/* The state on the receiving side that says how far a stream has come. */
#define STREAM_RECEIVING "receiving"

/**
 * struct stream_header - what is sent
 * @magic: STREAM_MAGIC, without a NUL
 * @version: STREAM_VERSION
 * @crc: CRC-32C of all that follows
 * @sectors: size of the volume
 * @at: sector from which on it is sent; what is before has been received
 * @time: of the take, ns since 1970
 * @from: transaction of the state that the other side has; zero = none, all is sent
 * @from_origin: store of the volume that was taken then: others of its group have the transaction
 * @to: transaction of the state that is sent
 * @to_origin: store of the volume that was taken then
 * @from_name: what it is called here, NUL-terminated; as the others
 * @to_name: name of the state that is sent
 * @note: of that state
 * @reserved: zero
 */
struct stream_header {
	__u8 magic[8];
	__le32 version;
	__le32 crc;
	__le64 sectors;
	__le64 at;
	__le64 time;
	__u8 from[SS_UUID_SIZE];
	__u8 from_origin[SS_UUID_SIZE];
	__u8 to[SS_UUID_SIZE];
	__u8 to_origin[SS_UUID_SIZE];
	char from_name[SS_NAME_MAX + 1];
	char to_name[SS_NAME_MAX + 1];
	char note[SS_NOTE_MAX + 1];
	__u8 reserved[152];
};

enum stream_type {
	STREAM_DATA = 1, /* @sectors of data follow */
	STREAM_ZERO, /* zeroes */
	STREAM_AT, /* a mark: all before @start was sent */
	STREAM_END, /* all was sent */
};

/**
 * struct stream_record - the next sectors
 * @crc: CRC-32C of what follows here, begun with that of the record before, or of the header: so
 *	none can be left out, repeated, or taken from another stream
 * @type: of enum stream_type
 * @start: first sector
 * @sectors: their number; 0 of a mark and of the end
 * @data_crc: CRC-32C of the data
 * @reserved: zero
 */
struct stream_record {
	__le32 crc;
	__le32 type;
	__le64 start;
	__le64 sectors;
	__le32 data_crc;
	__le32 reserved;
};

/**
 * struct stream - one that is written or read
 * @fd: where to, or from
 * @crc: of the last record
 */
struct stream {
	int fd;
	__u32 crc;
};

/* All return 0 or a negative errno: -EPIPE if it ends too early, -EBADMSG if it is damaged. */
int stream_put_header(struct stream *stream, struct stream_header *header);
int stream_put(struct stream *stream, enum stream_type type, uint64_t start, uint64_t sectors,
	       const void *data);
int stream_get_header(struct stream *stream, struct stream_header *header);
int stream_get(struct stream *stream, struct stream_record *record, void *data);

/**
 * struct snap_sender - a state that is sent
 * @volume: that has it
 * @to: the state
 * @from: one that the other side has, NULL = none
 * @at: sector from which on
 * @mark: sectors from mark to mark
 * @sectors: size of the volume
 * @has_other_base: its base disk is not the one that its own states were taken above
 * @view: of the state: where it can be read
 * @read: reads sectors of it; returns 0 or a negative errno
 * @fd: where to
 */
struct snap_sender {
	const struct snap_volume *volume;
	const char *to;
	const char *from;
	uint64_t at;
	uint64_t mark;
	uint64_t sectors;
	bool has_other_base;
	void *view;
	int (*read)(void *view, uint64_t sector, void *data, size_t sectors);
	int fd;
};

/* Prepare, make a view, send: then the view is of what was prepared, or it fails. */
int snap_prepare_send(const struct snap_sender *sender, struct stream_header *header);
int snap_send(const struct snap_sender *sender, struct stream_header *header);

/**
 * struct snap_receiver - a volume that receives a state
 * @volume: volume
 * @sectors: its size
 * @disk: it, where it can be written
 * @write: writes sectors; returns 0 or a negative errno, as the others
 * @zero: writes zeroes
 * @check: has anybody else got it open? For a while is no matter.
 * @restore: what runs is a state again
 * @is_reaping: is what the last mark left not freed yet?
 * @mark_ns: time from a mark to the next that is noted
 * @fd: where from
 */
struct snap_receiver {
	const struct snap_volume *volume;
	uint64_t sectors;
	void *disk;
	int (*write)(void *disk, uint64_t sector, const void *data, size_t sectors);
	int (*zero)(void *disk, uint64_t sector, uint64_t sectors);
	int (*check)(void *disk);
	int (*restore)(void *disk, const char *state);
	bool (*is_reaping)(void *disk);
	uint64_t mark_ns;
	int fd;
};

int snap_receive(const struct snap_receiver *receiver, struct stream_header *header);
int snap_received(const struct snap_volume *volume, const struct stream_header *header,
		  uint64_t *at);
int snap_runs_part(const struct snap_volume *volume);
void snap_disown_part(char *note, const uint8_t *origin);
int snap_needs_part(const struct snap_volume *volume, const char *name, char *above);

#endif /* LPARCTL_SNAP_STREAM_H */
