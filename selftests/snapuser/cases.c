// SPDX-License-Identifier: GPL-2.0
/*
 * What the programs of single cases share: one volume, on two disks in memory.
 */
#include "cases.h"

struct block_device *base, *store;
struct test_volume vol;

void cases_begin(void)
{
	base = disk_new(BASE_SECTORS);
	store = disk_new(STORE_SECTORS);
}

void cases_end(void)
{
	disk_free(base);
	disk_free(store);
}

/* Nothing is on either. */
void wipe(void)
{
	store->n_written = 0;
	store->bad_from = 0;
	store->bad_to = 0;
	store->fault = DISK_DEAD;
	memset(store->now, 0, STORE_SECTORS * 512);
	memset(store->media, 0, STORE_SECTORS * 512);
}

bool is_wiped(void)
{
	return !memchr_inv(store->now, 0, STORE_SECTORS * 512);
}

int open_with_chunk(unsigned int chunk_sectors)
{
	struct ss_volume_args args = { .chunk_sectors = chunk_sectors };

	return volume_open(&vol, "vol", base, store, &args);
}

bool fill(u8 byte, sector_t sector, unsigned int sectors)
{
	u8 *data = malloc(sectors * 512);
	int err;

	memset(data, byte, sectors * 512);
	err = volume_io(&vol, REQ_OP_WRITE, sector, data, sectors);
	free(data);
	return !err;
}

bool shows_of(struct test_volume *test, u8 byte, sector_t sector)
{
	u8 data[512];

	return !volume_io(test, REQ_OP_READ, sector, data, 1) && !memchr_inv(data, byte, 512);
}

bool shows(u8 byte, sector_t sector)
{
	return shows_of(&vol, byte, sector);
}

bool discard(sector_t sector, unsigned int sectors)
{
	return !volume_io(&vol, REQ_OP_DISCARD, sector, NULL, sectors);
}
