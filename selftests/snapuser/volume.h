/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A volume of dm-snapsync, made of the module's own code, on disks in memory.
 */
#ifndef SNAPUSER_VOLUME_H
#define SNAPUSER_VOLUME_H

#include "../../kmod-dmsnapsync/snapsync.h"
#include "disk.h"

/**
 * struct test_volume - what device mapper has of a volume
 * @md: mapped device
 * @table: of it
 * @ti: target
 * @args: of the table
 * @volume: of the module
 * @error: why a table was refused
 */
struct test_volume {
	struct mapped_device md;
	struct dm_table table;
	struct dm_target ti;
	struct ss_volume_args args;
	struct ss_volume *volume;
	char *error;
};

int volume_open(struct test_volume *test, const char *name, struct block_device *base,
		struct block_device *store, const struct ss_volume_args *args);
int volume_reload(struct test_volume *test, sector_t sectors);
void volume_close(struct test_volume *test);
int volume_io(struct test_volume *test, blk_opf_t opf, sector_t sector, void *data,
	      unsigned int sectors);
void volume_start(struct test_volume *test, struct bio *bio);
void volume_discards(struct test_volume *test, sector_t sector, sector_t step, unsigned int sectors,
		     unsigned int count);
int volume_message(struct test_volume *test, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
char *volume_answer(struct test_volume *test, unsigned int size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
char *volume_list(struct test_volume *test);

#endif /* SNAPUSER_VOLUME_H */
