// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on states: of one volume, or of all members of its group.
 *
 * All members are looked at before the first is changed. As group->op keeps
 * their states as they were found, only a disk can fail after that. Restore
 * takes effect on all at one instant, but members commit one after the other:
 * what a crash left half done is completed by doing it again. So a member that
 * has no such state is in order where it is to be deleted, or is renamed
 * already.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include "snapsync.h"

/**
 * struct change - an operation on its way
 * @group: group
 * @only: the volume that it is about, NULL = all members
 * @name: of the state
 * @to: new name, for a rename
 * @keep: an undecided state, for a settlement; otherwise it goes
 * @txn: of the take
 * @nr_found: volumes that have the state
 */
struct change {
	struct ss_group *group;
	struct ss_volume *only;
	const char *name;
	const char *to;
	bool keep;
	u8 txn[SS_UUID_SIZE];
	unsigned int nr_found;
};

/* A step on each volume, with its meta held; the first error counts, but stops nothing. */
static int visit(struct change *change,
		 int (*step)(struct ss_volume *volume, struct change *change))
{
	struct ss_volume *volume;
	unsigned int noio;
	int first = 0, err;

	lockdep_assert_held(&change->group->op);
	list_for_each_entry(volume, &change->group->volumes, group_node) {
		if (change->only && change->only != volume)
			continue;
		noio = ss_meta_lock(volume);
		err = step(volume, change);
		ss_meta_unlock(volume, noio);
		first = first ?: err;
	}
	return first;
}

static bool is_same_take(const struct ss_volume *volume, u32 number, const u8 *txn)
{
	return !memcmp(volume->layers[number]->txn, txn, SS_UUID_SIZE);
}

/* States of one name that are not of one take are no state of the group. */
static int look(struct ss_volume *volume, struct change *change)
{
	u32 number = ss_layer_find(volume, change->name);

	if (volume->mode != SS_MODE_WRITE)
		return -EROFS;
	if (!number)
		return 0;
	if (volume->layers[number]->flags & SS_LAYER_PREPARED)
		return -EAGAIN;
	if (change->nr_found++)
		return is_same_take(volume, number, change->txn) ? 0 : -EXDEV;
	memcpy(change->txn, volume->layers[number]->txn, sizeof(change->txn));
	return 0;
}

static int look_at_all(struct change *change)
{
	int err = visit(change, look);

	return err ?: change->nr_found ? 0 : -ENOENT;
}

/* Its line is known to the reaper, which may remove layers before it runs. */
static int prepare_restore(struct ss_volume *volume, struct change *change)
{
	struct ss_next *next = &volume->next;
	unsigned long flags;

	next->parent = ss_layer_find(volume, change->name);
	if (!next->parent)
		return -ENOENT;
	next->line = kmalloc(sizeof(*next->line), SS_GFP);
	if (!next->line)
		return -ENOMEM;
	next->layer = ss_layer_new(volume);
	if (!next->layer)
		return -ENOSPC;
	ss_layer_line(volume, next->parent, next->line);
	__set_bit(next->layer, next->line->ancestors);
	flags = ss_gate_close(volume->group);
	list_add_tail(&next->line->node, &volume->views);
	ss_gate_open(volume->group, flags);
	return 0;
}

static int undo_prepare(struct ss_volume *volume, struct change *change)
{
	struct ss_next *next = &volume->next;
	unsigned long flags;

	if (next->layer) {
		flags = ss_gate_close(volume->group);
		list_del(&next->line->node);
		ss_gate_open(volume->group, flags);
		ss_layer_free(volume, next->layer);
	}
	kfree(next->line);
	memset(next, 0, sizeof(*next));
	return 0;
}

/* Gate closed. */
static void run_next(struct ss_volume *volume)
{
	struct ss_next *next = &volume->next;

	list_del(&next->line->node);
	swap(volume->line, next->line);
	ss_layer_run(volume, next->layer, next->parent);
	WRITE_ONCE(volume->restores, volume->restores + 1);
}

/* The instant. */
static void run_all(const struct change *change)
{
	unsigned long flags = ss_gate_close(change->group);
	struct ss_volume *volume;

	list_for_each_entry(volume, &change->group->volumes, group_node)
		if (volume->next.layer)
			run_next(volume);
	ss_gate_open(change->group, flags);
}

static int commit_restore(struct ss_volume *volume, struct change *change)
{
	kfree(volume->next.line);
	memset(&volume->next, 0, sizeof(volume->next));
	volume->reap_asked++;
	ss_volume_kick(volume);
	return ss_commit(volume);
}

/**
 * ss_state_restore() - throw the running layer away and start from a state
 * @group: group
 * @only: this volume, NULL = all members
 * @name: of the state
 *
 * Context: may sleep, group->op held.
 * Return: 0, -ENOENT, -EXDEV when members have it from different takes, -EAGAIN when it is
 * undecided, -ENOMEM, -ENOSPC when there are too many layers, -EROFS, and nothing has changed;
 * -EIO.
 */
int ss_state_restore(struct ss_group *group, struct ss_volume *only, const char *name)
{
	struct change change = { .group = group, .only = only, .name = name };
	int err = look_at_all(&change);

	err = err ?: visit(&change, prepare_restore);
	if (err) {
		visit(&change, undo_prepare);
		return err;
	}
	run_all(&change);
	return visit(&change, commit_restore);
}

static int check_unused(struct ss_volume *volume, struct change *change)
{
	u32 number = ss_layer_find(volume, change->name);

	return number && (volume->layers[number]->nr_views ||
			  volume->layers[number]->flags & SS_LAYER_MERGING) ? -EBUSY : 0;
}

static int delete(struct ss_volume *volume, struct change *change)
{
	u32 number = ss_layer_find(volume, change->name);

	if (!number)
		return 0;
	ss_layer_unname(volume, number);
	return ss_commit(volume);
}

/**
 * ss_state_delete() - a state is needed no more
 * @group: group
 * @only: this volume, NULL = all members that have it
 * @name: of the state
 *
 * Context: may sleep, group->op held.
 * Return: 0, -ENOENT, -EBUSY when a view shows it or it is being merged, -EXDEV when members
 * have it from different takes, -EAGAIN when it is undecided, -EROFS, and nothing has changed;
 * -EIO.
 */
int ss_state_delete(struct ss_group *group, struct ss_volume *only, const char *name)
{
	struct change change = { .group = group, .only = only, .name = name };
	int err = look_at_all(&change);

	err = err ?: visit(&change, check_unused);
	return err ?: visit(&change, delete);
}

/* A member that has it under the new name was renamed before a crash. */
static int check_rename(struct ss_volume *volume, struct change *change)
{
	u32 number = ss_layer_find(volume, change->name);
	u32 other = ss_layer_find(volume, change->to);

	if (number)
		return other ? -EEXIST : 0;
	return other && is_same_take(volume, other, change->txn) ? 0 : -ENOENT;
}

static int rename(struct ss_volume *volume, struct change *change)
{
	u32 number = ss_layer_find(volume, change->name);
	struct ss_layer *layer = volume->layers[number];

	if (!number)
		return 0;
	strscpy_pad(layer->name, change->to, sizeof(layer->name));
	ss_layer_mark(volume, number);
	return ss_commit(volume);
}

/**
 * ss_state_rename() - give a state another name
 * @group: group
 * @only: this volume, NULL = all members
 * @from: its name
 * @to: valid
 *
 * Context: may sleep, group->op held.
 * Return: 0, -ENOENT, -EEXIST, -EXDEV when members have it from different takes, -EAGAIN when
 * it is undecided, -EROFS, and nothing has changed; -EIO.
 */
int ss_state_rename(struct ss_group *group, struct ss_volume *only, const char *from,
		    const char *to)
{
	struct change change = { .group = group, .only = only, .name = from, .to = to };
	int err = look_at_all(&change);

	err = err ?: visit(&change, check_rename);
	return err ?: visit(&change, rename);
}

/* Members that have it decided, or have none of that name, are in order. */
static int look_undecided(struct ss_volume *volume, struct change *change)
{
	u32 number = ss_layer_find(volume, change->name);

	if (volume->mode != SS_MODE_WRITE)
		return -EROFS;
	if (!number || !(volume->layers[number]->flags & SS_LAYER_PREPARED))
		return 0;
	if (change->nr_found++)
		return is_same_take(volume, number, change->txn) ? 0 : -EXDEV;
	memcpy(change->txn, volume->layers[number]->txn, sizeof(change->txn));
	return 0;
}

static int settle(struct ss_volume *volume, struct change *change)
{
	u32 number = ss_layer_find(volume, change->name);

	if (!number || !(volume->layers[number]->flags & SS_LAYER_PREPARED))
		return 0;
	if (change->keep) {
		volume->layers[number]->flags &= ~SS_LAYER_PREPARED;
		ss_layer_mark(volume, number);
	} else {
		ss_layer_unname(volume, number);
	}
	return ss_commit(volume);
}

/**
 * ss_state_settle() - decide about an undecided state in place of its coordinator
 * @group: group
 * @only: this volume, NULL = all members that have it
 * @name: of the state
 * @keep: it is a state; otherwise it is none
 *
 * For a coordinator that is gone for good: one that is active has decided already, and one
 * that comes later is not asked any more.
 *
 * Context: may sleep, group->op held.
 * Return: 0, -ENOENT when no undecided state is called so, -EXDEV when members have it from
 * different takes, -EROFS, and nothing has changed; -EIO.
 */
int ss_state_settle(struct ss_group *group, struct ss_volume *only, const char *name, bool keep)
{
	struct change change = { .group = group, .only = only, .name = name, .keep = keep };
	int err = visit(&change, look_undecided);

	if (!err && !change.nr_found)
		err = -ENOENT;
	return err ?: visit(&change, settle);
}
