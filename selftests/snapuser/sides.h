/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs share that send states: two volumes, whose states travel from the one to the
 * other by lparctl's own code and dm-snapsync's, through a file.
 */
#ifndef SNAPUSER_SIDES_H
#define SNAPUSER_SIDES_H

#include "../lib/tap.h"
#include "snap/snap_stream.h"
#include "checker.h"
#include "volume.h"

#define SECTORS 2048
#define STORE_SECTORS 16384
#define MARK 256
#define RECORDS 200

/* A volume with its disks. */
struct side {
	struct snap_volume snap;
	struct test_volume vol;
	struct block_device *base;
	struct block_device *store;
	unsigned int chunk;
	const char *group;
	bool in_use;
	bool is_killed; /* before it can put anything in order */
	bool is_reaping;
	bool has_other_base;
	bool is_silent; /* for once */
	bool is_broken; /* each write fails, and some of it is done */
	unsigned int n_restores;
	unsigned int writes;
	void (*at_write)(struct side *side);
	void (*at_message)(struct side *side);
};

/* A stream, and where its records begin; the header does at 0. */
struct sent {
	u8 data[SECTORS * 512 * 2];
	size_t size;
	size_t record[RECORDS];
	unsigned int n_records;
};

/* The source has three states, of which these are the content. */
extern u8 one[SECTORS * 512], two[SECTORS * 512], three[SECTORS * 512], shown[SECTORS * 512];
extern struct side source, target;
/* What is sent: one as a whole, two above one, and what a case makes of them. */
extern struct sent full, later, changed;

int side_message(const struct snap_volume *snap, const char *text, char **answer);
int open_side(struct side *side);
void new_side(struct side *side, u8 byte);
void free_side(struct side *side);
void side_fill(struct side *side, u8 byte, sector_t sector, unsigned int sectors);
bool side_shows(struct side *side, const u8 *content);
bool has(const struct side *side, const char *name);
bool has_state(struct side *side, const char *name, const u8 *content);
int send_of(const struct side *side, struct sent *sent, const char *from, const char *to,
	    const u8 *content, sector_t at);
int send_state(struct sent *sent, const char *from, const char *to, const u8 *content, sector_t at);
int receive(struct side *side, const struct sent *sent, size_t size);
int receive_all(struct side *side, const struct sent *sent);
void give_up(void);
void reopen_target(bool power);
void sides_begin(void);
void sides_end(void);

#endif /* SNAPUSER_SIDES_H */
