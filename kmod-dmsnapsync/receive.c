// SPDX-License-Identifier: GPL-2.0
/*
 * A state that comes from another host: what runs becomes one that bears the
 * name, the time and the transaction of the take over there.
 *
 * It may replace a state, in the same transaction: that which says how far it
 * had come.
 *
 * A transaction is that of all volumes of a group, so that the store of the one
 * that was taken belongs to what a state is known by.
 */
#include <linux/uuid.h>
#include "snapsync.h"

/* What is replaced is what runs started from. Returns its layer, 0 if there is none. */
static int find_replaced(const struct ss_volume *volume, const char *name, u32 *replaced)
{
	const struct ss_layer *layer;

	*replaced = 0;
	if (!strcmp(name, "-"))
		return 0;
	*replaced = ss_layer_find(volume, name);
	if (!*replaced)
		return -ENOENT;
	layer = volume->layers[*replaced];
	if (layer->flags & SS_LAYER_PREPARED)
		return -EAGAIN;
	if (layer->nr_views || layer->flags & SS_LAYER_MERGING)
		return -EBUSY;
	return test_bit(*replaced, volume->line->ancestors) ? 0 : -ESTALE;
}

/* Neither its name nor its transaction is that of another state. */
static int check_unique(const struct ss_volume *volume, const struct ss_received *received,
			u32 replaced)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++) {
		const struct ss_layer *layer = volume->layers[number];

		if (!layer || !(layer->flags & SS_LAYER_NAMED) || number == replaced)
			continue;
		if (!received->is_own && !memcmp(layer->txn, received->txn, SS_UUID_SIZE))
			return -ENOTUNIQ;
		if (!strcmp(layer->name, received->name))
			return -EEXIST;
	}
	return 0;
}

/* Returns the layer that ran in @old, which has what was received and nothing else. */
static int cut(struct ss_volume *volume, const struct ss_received *received, u32 *old)
{
	unsigned long flags;
	int err = 0;

	ss_provide_spare(volume);
	flags = ss_gate_close(volume->group);
	if (volume->cut_layer)
		err = -EINPROGRESS;
	else if (ss_written(volume) != received->written)
		err = -ETXTBSY;
	else if (!volume->spare)
		err = -ENOSPC;
	else
		*old = ss_layer_cut(volume);
	ss_gate_open(volume->group, flags);
	ss_provide_spare(volume);
	return err;
}

static void name(struct ss_volume *volume, u32 number, const struct ss_received *received)
{
	struct ss_layer *layer = volume->layers[number];

	if (received->is_own) {
		generate_random_uuid(layer->txn);
	} else {
		memcpy(layer->txn, received->txn, SS_UUID_SIZE);
		memcpy(layer->coordinator, received->origin, SS_UUID_SIZE);
		layer->flags |= SS_LAYER_RECEIVED;
	}
	ss_layer_name(volume, number, received->name, received->note, received->time);
}

/* With volume->meta held: no reaper sees a layer that neither runs nor has a name yet. */
static int receive(struct ss_volume *volume, const char *name_replaced,
		   const struct ss_received *received)
{
	u32 number, replaced;
	int err;

	if (volume->mode != SS_MODE_WRITE)
		return -EROFS;
	if (volume->restores != received->restores)
		return -ESTALE;
	err = find_replaced(volume, name_replaced, &replaced);
	err = err ?: check_unique(volume, received, replaced);
	err = err ?: cut(volume, received, &number);
	if (err)
		return err;
	ss_drain(volume);
	if (replaced)
		ss_layer_unname(volume, replaced);
	name(volume, number, received);
	return ss_commit(volume);
}

/**
 * ss_receive() - what runs becomes a state that was taken on another host
 * @volume: volume, alone of its group
 * @replaced: name of the state that goes in the same transaction, above which what runs has to
 * be; "-" = none
 * @received: the state
 *
 * Context: may sleep, group->op held.
 * Return: 0, and it is durable; -ENOENT, -EAGAIN when @replaced is undecided, -EBUSY when a view
 * shows it or it is being merged, -ESTALE when what runs is not above it, or a state was restored
 * since, -ETXTBSY when somebody else wrote since, -EEXIST when another state has the name,
 * -ENOTUNIQ when another is of that take, -ENOSPC when there are too many layers, -EINPROGRESS
 * when a cut is being finished, -EROFS, and nothing has changed; -EIO.
 */
int ss_receive(struct ss_volume *volume, const char *replaced, const struct ss_received *received)
{
	unsigned int noio;
	int err;

	lockdep_assert_held(&volume->group->op);
	noio = ss_meta_lock(volume);
	err = receive(volume, replaced, received);
	ss_meta_unlock(volume, noio);
	return err;
}
