// SPDX-License-Identifier: GPL-2.0
/*
 * Groups: volumes that are cut at one instant, and of which all have a state
 * or none.
 *
 * The gate is a lock for each CPU. Who maps a bio holds its own CPU's; who
 * cuts holds all of them, for as long as it takes to give each member another
 * running layer. No bio is waited for.
 *
 * Durability is two-phase: all members but the first, the coordinator, commit
 * the state as prepared; then the coordinator commits it, which decides; then
 * the others commit that it was decided.
 */
#include <linux/slab.h>
#include <linux/uuid.h>
#include "snapsync.h"

static LIST_HEAD(groups);	/* those with a name; ss_registry */

/**
 * ss_gate_close() - let nobody map a bio of any member
 * @group: group
 *
 * Context: any, hard-irq included; the wait is bounded by the mapping of one bio per CPU.
 * Interrupts are off until ss_gate_open().
 * Return: for ss_gate_open().
 */
unsigned long ss_gate_close(struct ss_group *group)
	__acquires(&group->closing)
{
	unsigned long flags;
	int cpu;

	raw_spin_lock_irqsave(&group->closing, flags);
	for_each_possible_cpu(cpu) {
		raw_spin_lock_nest_lock(per_cpu_ptr(group->gate, cpu), &group->closing);
		__release(group->gate);		/* sparse cannot count them */
	}
	return flags;
}

/**
 * ss_gate_open() - the reverse
 * @group: group
 * @flags: of ss_gate_close()
 */
void ss_gate_open(struct ss_group *group, unsigned long flags)
	__releases(&group->closing)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		__acquire(group->gate);
		raw_spin_unlock(per_cpu_ptr(group->gate, cpu));
	}
	raw_spin_unlock_irqrestore(&group->closing, flags);
}

/**
 * ss_running() - the running layer, at an instant between two cuts
 * @volume: volume
 *
 * What a cut has marked dirty is seen by whoever sees its layer. I/O goes on meanwhile.
 *
 * Context: any.
 * Return: its number.
 */
u32 ss_running(struct ss_volume *volume)
{
	unsigned long flags;
	u32 running;

	raw_spin_lock_irqsave(&volume->group->closing, flags);
	running = volume->running;
	raw_spin_unlock_irqrestore(&volume->group->closing, flags);
	return running;
}

static struct ss_group *find_group(const char *name)
{
	struct ss_group *group;

	lockdep_assert_held(&ss_registry);
	list_for_each_entry(group, &groups, node)
		if (!strcmp(group->name, name))
			return group;
	return NULL;
}

/**
 * ss_group_find() - a group by name, if there is one
 * @name: of the group
 *
 * Context: may sleep; waits for no operation on a group.
 * Return: the group with a reference, NULL if there is none.
 */
struct ss_group *ss_group_find(const char *name)
{
	struct ss_group *group;

	mutex_lock(&ss_registry);
	group = find_group(name);
	if (group)
		kref_get(&group->ref);
	mutex_unlock(&ss_registry);
	return group;
}

static struct ss_group *new_group(const char *name)
{
	struct ss_group *group = kzalloc(sizeof(*group), GFP_KERNEL);
	int cpu;

	if (!group)
		return NULL;
	group->gate = alloc_percpu(raw_spinlock_t);
	if (!group->gate) {
		kfree(group);
		return NULL;
	}
	for_each_possible_cpu(cpu)
		raw_spin_lock_init(per_cpu_ptr(group->gate, cpu));
	kref_init(&group->ref);
	mutex_init(&group->op);
	raw_spin_lock_init(&group->closing);
	INIT_LIST_HEAD(&group->volumes);
	INIT_LIST_HEAD(&group->node);
	strscpy(group->name, name, sizeof(group->name));
	return group;
}

static void free_group(struct ss_group *group)
{
	free_percpu(group->gate);
	kfree(group);
}

/**
 * ss_group_get() - a group by name, made if need be
 * @name: empty for a group of its own
 *
 * Context: may sleep.
 * Return: the group with a reference, NULL without memory.
 */
struct ss_group *ss_group_get(const char *name)
{
	struct ss_group *fresh = new_group(name), *group;

	if (!fresh || !*name)
		return fresh;
	mutex_lock(&ss_registry);
	group = find_group(name);
	if (group)
		kref_get(&group->ref);
	else
		list_add_tail(&fresh->node, &groups);
	mutex_unlock(&ss_registry);
	if (!group)
		return fresh;
	free_group(fresh);
	return group;
}

/* With ss_registry held, which it drops. */
static void release_group(struct kref *ref)
{
	struct ss_group *group = container_of(ref, struct ss_group, ref);

	list_del(&group->node);
	mutex_unlock(&ss_registry);
	free_group(group);
}

/**
 * ss_group_put() - drop a reference
 * @group: freed with the last one
 *
 * Context: may sleep, ss_registry not held.
 */
void ss_group_put(struct ss_group *group)
{
	kref_put_mutex(&group->ref, release_group, &ss_registry);
}

/* The layer that a take has named, 0 if there is none. */
static u32 find_take(const struct ss_volume *volume, const u8 *txn)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++) {
		const struct ss_layer *layer = volume->layers[number];

		if (layer && (layer->flags & SS_LAYER_NAMED) &&
		    !memcmp(layer->txn, txn, sizeof(layer->txn)))
			return number;
	}
	return 0;
}

/* Did the coordinator decide for this transaction? */
static bool was_taken(const struct ss_volume *coordinator, const u8 *txn)
{
	u32 number = find_take(coordinator, txn);

	return number && !(coordinator->layers[number]->flags & SS_LAYER_PREPARED);
}

static struct ss_volume *find_member(const struct ss_group *group, const u8 *uuid)
{
	struct ss_volume *volume;

	list_for_each_entry(volume, &group->volumes, group_node)
		if (!memcmp(volume->uuid, uuid, SS_UUID_SIZE))
			return volume;
	return NULL;
}

/* Layers change only under group->op or by their own worker, which leaves named ones alone. */
static void settle_volume(struct ss_group *group, struct ss_volume *volume)
{
	unsigned int noio = ss_meta_lock(volume);
	bool changed = false;
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX && volume->mode == SS_MODE_WRITE; number++) {
		struct ss_layer *layer = volume->layers[number];
		const struct ss_volume *coordinator;

		if (!layer || !(layer->flags & SS_LAYER_PREPARED))
			continue;
		coordinator = find_member(group, layer->coordinator);
		/* One whose disk has failed knows what it wanted to write, not what is there. */
		if (!coordinator || (coordinator->mode != SS_MODE_WRITE && !coordinator->read_only))
			continue;
		if (was_taken(coordinator, layer->txn)) {
			layer->flags &= ~SS_LAYER_PREPARED;
			ss_layer_mark(volume, number);
		} else {
			DMINFO("%s: state \"%s\" was not taken on all members: undone",
			       volume->name, layer->name);
			ss_layer_unname(volume, number);
		}
		changed = true;
	}
	if (changed)
		ss_commit(volume);
	ss_meta_unlock(volume, noio);
}

/**
 * ss_group_settle() - decide about states that a crash left undecided
 * @group: group
 *
 * Context: may sleep, group->op held.
 */
void ss_group_settle(struct ss_group *group)
{
	struct ss_volume *volume;

	list_for_each_entry(volume, &group->volumes, group_node)
		settle_volume(group, volume);
}

/* A cut layer that gets no name is the reaper's. */
static void forget_cut(struct ss_volume *volume)
{
	unsigned int noio = ss_meta_lock(volume);

	WRITE_ONCE(volume->cut_layer, 0);
	volume->reap_asked++;
	ss_meta_unlock(volume, noio);
	ss_volume_kick(volume);
}

/* For who walks the list: with group->op, with ss_registry, or with the gate closed. */
static void change_members(struct ss_volume *volume, bool is_member)
{
	struct ss_group *group = volume->group;
	unsigned long flags;

	mutex_lock(&ss_registry);
	flags = ss_gate_close(group);
	if (is_member)
		list_add_tail(&volume->group_node, &group->volumes);
	else
		list_del_init(&volume->group_node);
	volume->is_member = is_member;
	ss_gate_open(group, flags);
	mutex_unlock(&ss_registry);
}

/**
 * ss_group_join() - a volume becomes a member
 * @group: group, of which the volume has a reference
 * @volume: loaded
 *
 * Context: may sleep.
 * Return: 0, -EEXIST when a member has the same UUID, as a copy of a STORE has.
 */
int ss_group_join(struct ss_group *group, struct ss_volume *volume)
{
	int err = 0;

	mutex_lock(&group->op);
	if (find_member(group, volume->uuid)) {
		err = -EEXIST;
	} else {
		change_members(volume, true);
		ss_group_settle(group);
	}
	mutex_unlock(&group->op);
	return err;
}

/**
 * ss_group_leave() - the reverse
 * @volume: has no table any more; maybe not a member
 *
 * A cut of it that is not a state yet is not going to be one.
 *
 * Context: may sleep; waits for an operation on the group.
 */
void ss_group_leave(struct ss_volume *volume)
{
	if (!volume->is_member)
		return;
	mutex_lock(&volume->group->op);
	change_members(volume, false);
	if (volume->cut_layer)
		forget_cut(volume);
	mutex_unlock(&volume->group->op);
}

/* May this member be cut now? Gate closed. */
static int check_cut(const struct ss_volume *volume)
{
	if (volume->mode != SS_MODE_WRITE)
		return -EROFS;
	if (volume->cut_layer)
		return -EBUSY;
	return volume->spare ? 0 : -ENOSPC;
}

/* Gate closed. */
static void cut_volume(struct ss_volume *volume)
{
	/* The reaper looks at what runs, then at this. */
	WRITE_ONCE(volume->cut_layer, volume->running);
	ss_layer_cut(volume);
	volume->cut_time = ktime_get_real();
}

/**
 * ss_group_cut() - the instant: all members or none
 * @group: group
 *
 * Context: any, hard-irq included.
 * Return: the number of members, -EROFS, -ENOSPC without a spare layer, -EBUSY when a cut is
 * being finished.
 */
int ss_group_cut(struct ss_group *group)
{
	unsigned long flags = ss_gate_close(group);
	struct ss_volume *volume;
	int count = 0, err = 0;

	list_for_each_entry(volume, &group->volumes, group_node) {
		err = check_cut(volume);
		if (err)
			break;
		count++;
	}
	if (!err)
		list_for_each_entry(volume, &group->volumes, group_node)
			cut_volume(volume);
	ss_gate_open(group, flags);
	return err ?: count;
}

/**
 * ss_provide_spare() - the next cut may come
 * @volume: volume; if there is no memory, or no number, that is refused
 *
 * Context: may sleep, volume->meta held.
 */
void ss_provide_spare(struct ss_volume *volume)
{
	u32 spare = READ_ONCE(volume->spare) ? 0 : ss_layer_new(volume);
	unsigned long flags;

	if (spare) {
		flags = ss_gate_close(volume->group);
		swap(volume->spare, spare);
		ss_gate_open(volume->group, flags);
	}
	if (spare)
		ss_layer_free(volume, spare);
}

static void provide_spare(struct ss_volume *volume)
{
	unsigned int noio = ss_meta_lock(volume);

	ss_provide_spare(volume);
	ss_meta_unlock(volume, noio);
}

/* Was it a member at the instant of a cut that is not a state yet? */
static bool is_cut(const struct ss_volume *volume)
{
	return READ_ONCE(volume->cut_layer);
}

static int check_name(struct ss_volume *volume, const char *name)
{
	unsigned int noio = ss_meta_lock(volume);
	int err = 0;

	if (volume->mode != SS_MODE_WRITE)
		err = -EROFS;
	else if (ss_layer_find(volume, name))
		err = -EEXIST;
	ss_meta_unlock(volume, noio);
	if (err)
		DMERR("%s: no state \"%s\": %s", volume->name, name,
		      err == -EROFS ? "the volume is read-only" : "there is one already");
	return err;
}

/**
 * struct take - a state on its way to be durable
 * @group: group; members that came after the cut have no part in it
 * @coordinator: the member that decides, NULL if it is the only one
 * @name: of the state
 * @note: free text
 * @txn: names it, the same on all members
 */
struct take {
	struct ss_group *group;
	const struct ss_volume *coordinator;
	const char *name;
	const char *note;
	u8 txn[SS_UUID_SIZE];
};

/* Names the layer that was cut, whose writes have ended then, and commits. */
static int name_cut(struct ss_volume *volume, const struct take *take, u32 flags)
{
	unsigned int noio = ss_meta_lock(volume);
	u32 number = volume->cut_layer;
	struct ss_layer *layer = volume->layers[number];
	int err;

	ss_drain(volume);
	memcpy(layer->txn, take->txn, sizeof(layer->txn));
	if (take->coordinator)
		memcpy(layer->coordinator, take->coordinator->uuid, sizeof(layer->coordinator));
	layer->flags |= flags;
	ss_layer_name(volume, number, take->name, take->note, ktime_to_ns(volume->cut_time));
	WRITE_ONCE(volume->cut_layer, 0);
	err = ss_commit(volume);
	ss_meta_unlock(volume, noio);
	return err;
}

/* What was named is the reaper's again, and so is what was not named yet. */
static void undo_take(const struct take *take)
{
	struct ss_volume *volume;

	list_for_each_entry(volume, &take->group->volumes, group_node) {
		unsigned int noio = ss_meta_lock(volume);
		u32 number = find_take(volume, take->txn);

		if (volume->cut_layer) {
			WRITE_ONCE(volume->cut_layer, 0);
			volume->reap_asked++;
		} else if (number) {
			ss_layer_unname(volume, number);
			ss_commit(volume);
		}
		ss_meta_unlock(volume, noio);
		ss_volume_kick(volume);
	}
}

static void confirm(struct ss_volume *volume, const struct take *take)
{
	unsigned int noio = ss_meta_lock(volume);
	u32 number = find_take(volume, take->txn);

	if (number && volume->layers[number]->flags & SS_LAYER_PREPARED) {
		volume->layers[number]->flags &= ~SS_LAYER_PREPARED;
		ss_layer_mark(volume, number);
		/* A failure leaves it prepared on disk; the coordinator has decided. */
		ss_commit(volume);
	}
	ss_meta_unlock(volume, noio);
}

static struct ss_volume *first_cut(const struct ss_group *group)
{
	struct ss_volume *volume;

	list_for_each_entry(volume, &group->volumes, group_node)
		if (is_cut(volume))
			return volume;
	return NULL;
}

/* @count members were cut, and there are no more of them. */
static int take_members(struct take *take, int count)
{
	struct ss_volume *first = first_cut(take->group), *volume;
	int err;

	generate_random_uuid(take->txn);
	if (count > 1)
		take->coordinator = first;
	list_for_each_entry(volume, &take->group->volumes, group_node) {
		if (volume == first || !is_cut(volume))
			continue;
		err = name_cut(volume, take, SS_LAYER_PREPARED);
		if (err) {
			undo_take(take);
			return err;
		}
	}
	/* If this fails, the disk may or may not have it: the others stay undecided. */
	err = name_cut(first, take, 0);
	if (err)
		return err;
	list_for_each_entry(volume, &take->group->volumes, group_node)
		if (volume != first)
			confirm(volume, take);
	return 0;
}

/**
 * ss_group_finish_cut() - make a cut a state
 * @group: group, of which members may have come and gone since the cut
 * @name: valid
 * @note: free text
 * @count: members that were cut
 *
 * Context: may sleep, group->op held, but not since the cut.
 * Return: 0, and it is durable; -ENODEV when one that was cut is gone; otherwise as
 * ss_group_take().
 */
int ss_group_finish_cut(struct ss_group *group, const char *name, const char *note, int count)
{
	struct take take = { .group = group, .name = name, .note = note };
	struct ss_volume *volume;
	int err = 0, left = 0;

	list_for_each_entry(volume, &group->volumes, group_node) {
		provide_spare(volume);
		if (!is_cut(volume))
			continue;
		left++;
		err = err ?: check_name(volume, name);
	}
	if (!err && (!left || left != count))
		err = -ENODEV;
	if (!err)
		return take_members(&take, count);
	list_for_each_entry(volume, &group->volumes, group_node)
		if (is_cut(volume))
			forget_cut(volume);
	return err;
}

static int take_now(struct ss_group *group, const char *name, const char *note)
{
	struct ss_volume *volume;
	int err = 0, count;

	list_for_each_entry(volume, &group->volumes, group_node) {
		provide_spare(volume);
		err = err ?: check_name(volume, name);
	}
	if (err)
		return err;
	count = ss_group_cut(group);
	return count < 0 ? count : ss_group_finish_cut(group, name, note, count);
}

/**
 * ss_group_take() - take a state on all members
 * @group: group
 * @name: valid
 * @note: free text
 *
 * Context: may sleep.
 * Return: 0, and it is durable; -EEXIST, -EBUSY when a cut is being finished, -ENOSPC when
 * there are too many layers, -EROFS, -EIO; -EINTR when killed before it began.
 */
int ss_group_take(struct ss_group *group, const char *name, const char *note)
{
	int err;

	if (mutex_lock_killable(&group->op))
		return -EINTR;
	err = take_now(group, name, note);
	mutex_unlock(&group->op);
	return err;
}
