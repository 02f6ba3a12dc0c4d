/* SPDX-License-Identifier: GPL-2.0 */
/*
 * States of snapsync volumes.
 */
#ifndef SNAP_H
#define SNAP_H

#include "../include/uapi/lparkit/snapsync.h"
#include "lib/lib.h"

struct dm_task;

/**
 * struct snap_status - what device mapper and the module say of a volume
 * @sectors: its size
 * @opens: who has it open
 * @read_only: nothing is written; @reason may say why
 * @is_reaping: something is not free yet that no state needs
 * @has_other_base: its states show another base disk than when they were taken
 * @chunk: bytes
 * @used: chunks of the store
 * @total: chunks that there are
 * @states: their number
 * @parent: state that what runs started from, or "-"
 * @full: "held", "full" or "-"
 * @reason: empty if all is well
 */
struct snap_status {
	uint64_t sectors;
	unsigned int opens;
	bool read_only;
	bool is_reaping;
	bool has_other_base;
	uint64_t chunk;
	uint64_t used;
	uint64_t total;
	unsigned int states;
	char parent[SS_NAME_MAX + 1];
	char full[8];
	char reason[128];
};

/* snap.c, snap_volumes.c, snap_diff.c, snap_travel.c, snap_check.c: states of snapsync volumes */
int snap_create_verb(struct args *args);
int snap_list_verb(struct args *args);
int snap_list_volumes(void);
int snap_read_status(const char *volume, struct snap_status *status);
int snap_take_verb(struct args *args);
int snap_restore_verb(struct args *args);
int snap_delete_verb(struct args *args);
int snap_rename_verb(struct args *args);
int snap_settle_verb(struct args *args);
int snap_merge_verb(struct args *args);
int snap_diff_verb(struct args *args);
int snap_send_verb(struct args *args);
int snap_receive_verb(struct args *args);
int snap_volume_of(const char *disk, char *volume, size_t size);
struct dm_task *snap_task(int type, const char *volume);
int snap_run_task(struct dm_task *task);
int snap_create_device(const char *name, const char *target, uint64_t sectors, const char *params);
int snap_message(const char *volume, const char *text, char **response);
char *snap_quoted(const char *text);
int snap_change(const char *volume, const char *verb, const char *state);
int snap_has_state(const char *volume, const char *state);
void snap_delete_cut(const char *volume, uint64_t fired_ns);
int snap_check_closed(const char *volume, unsigned int ours);
int snap_claim(const char *volume, unsigned int claims, int *claim);
bool snap_is_reaping(const char *volume);
int snap_has_other_base(const char *volume);
int snap_is_partial(const char *disk);
int snap_restore(const char *volume, const char *state);
const char *snap_reason(int error);
int snap_check_verb(struct args *args);

#endif /* SNAP_H */
