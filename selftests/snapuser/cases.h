/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of single cases share: one volume, on two disks in memory.
 */
#ifndef SNAPUSER_CASES_H
#define SNAPUSER_CASES_H

#include "../lib/tap.h"
#include "checker.h"
#include "volume.h"

#define BASE_SECTORS 2048
#define STORE_SECTORS 20480

extern struct block_device *base, *store;
extern struct test_volume vol;

void cases_begin(void);
void cases_end(void);
void wipe(void);
bool is_wiped(void);
int open_with_chunk(unsigned int chunk_sectors);
bool fill(u8 byte, sector_t sector, unsigned int sectors);
bool shows_of(struct test_volume *test, u8 byte, sector_t sector);
bool shows(u8 byte, sector_t sector);
bool discard(sector_t sector, unsigned int sectors);

#endif /* SNAPUSER_CASES_H */
