/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a volume has to show: running content, and that of its states. Each
 * sector that is written has a stamp of its own.
 */
#ifndef SNAPUSER_MODEL_H
#define SNAPUSER_MODEL_H

#include "volume.h"

#define MODEL_SECTORS 2048
#define MODEL_STATES 12
#define MODEL_PAST 32

struct content {
	u32 stamp[MODEL_SECTORS]; /* 0: as BASE has it, zeroes */
};

struct model_state {
	char name[16];
	struct content content;
};

/**
 * struct model - what was written
 * @sectors: size of the volume
 * @now: running content
 * @past: contents since something was durable, that one first; any sector may be of any
 * @n_past: their number
 * @below: what is seen where the running layer has nothing; if that is known
 * @below_name: of the state that it is
 * @has_below: it is known
 * @state: states, as they are on the disk
 * @n_states: their number
 * @pending: a state that is just being taken or deleted: it may be there or not
 * @has_pending: there is one
 */
struct model {
	sector_t sectors;
	struct content now;
	struct content past[MODEL_PAST];
	unsigned int n_past;
	struct content below;
	char below_name[16];
	bool has_below;
	struct model_state state[MODEL_STATES];
	unsigned int n_states;
	struct model_state pending;
	bool has_pending;
};

void model_init(struct model *model, sector_t sectors);
void model_grow(struct model *model, struct test_volume *test, sector_t sectors);
void model_write(struct model *model, struct test_volume *test, sector_t sector,
		 unsigned int sectors);
void model_clear(struct model *model, struct test_volume *test, blk_opf_t opf, sector_t sector,
		 unsigned int sectors);
void model_flush(struct model *model, struct test_volume *test);
int model_try_flush(struct model *model, struct test_volume *test);
void model_take(struct model *model, struct test_volume *test);
void model_delete(struct model *model, struct test_volume *test, unsigned int which);
void model_restore(struct model *model, struct test_volume *test, unsigned int which);
bool model_merge(struct model *model, struct test_volume *test, unsigned int which);
const char *model_compare(const struct model *model, struct test_volume *test);

#endif /* SNAPUSER_MODEL_H */
