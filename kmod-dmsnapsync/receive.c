// SPDX-License-Identifier: GPL-2.0
/*
 * A state that comes from another host: what runs becomes one that bears the
 * name, the time and the transaction of the take over there.
 *
 * It may replace a state, in the same transaction: that which says how far it
 * had come.
 */
#include "snapsync.h"

/**
 * struct received - a state on its way
 * @name: of the state
 * @note: free text
 * @txn: of the take
 * @time: CLOCK_REALTIME of the take, ns
 * @replaced: state that is none any more then, 0 = none
 */
struct received {
	const char *name;
	const char *note;
	u8 txn[SS_UUID_SIZE];
	u64 time;
	u32 replaced;
};

/* What is replaced is what runs started from: nobody has restored another since. */
static int find_replaced(const struct ss_volume *volume, const char *name,
			 struct received *received)
{
	const struct ss_layer *layer;

	if (!strcmp(name, "-"))
		return 0;
	received->replaced = ss_layer_find(volume, name);
	if (!received->replaced)
		return -ENOENT;
	layer = volume->layers[received->replaced];
	if (layer->flags & SS_LAYER_PREPARED)
		return -EAGAIN;
	if (layer->nr_views || layer->flags & SS_LAYER_MERGING)
		return -EBUSY;
	return test_bit(received->replaced, volume->line->ancestors) ? 0 : -ESTALE;
}

/* Neither its name nor its transaction is that of another state. */
static int check_unique(const struct ss_volume *volume, const struct received *received)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++) {
		const struct ss_layer *layer = volume->layers[number];

		if (!layer || !(layer->flags & SS_LAYER_NAMED) || number == received->replaced)
			continue;
		if (!memcmp(layer->txn, received->txn, SS_UUID_SIZE))
			return -ENOTUNIQ;
		if (!strcmp(layer->name, received->name))
			return -EEXIST;
	}
	return 0;
}

/* Returns the layer that ran in @old. */
static int cut(struct ss_volume *volume, u32 *old)
{
	unsigned long flags;
	int err = 0;

	ss_provide_spare(volume);
	flags = ss_gate_close(volume->group);
	if (volume->cut_layer)
		err = -EBUSY;
	else if (!volume->spare)
		err = -ENOSPC;
	else
		*old = ss_layer_cut(volume);
	ss_gate_open(volume->group, flags);
	ss_provide_spare(volume);
	return err;
}

/* With volume->meta held: no reaper sees a layer that neither runs nor has a name yet. */
static int receive(struct ss_volume *volume, const char *replaced, struct received *received)
{
	int err = volume->mode == SS_MODE_WRITE ? 0 : -EROFS;
	u32 number;

	err = err ?: find_replaced(volume, replaced, received);
	err = err ?: check_unique(volume, received);
	err = err ?: cut(volume, &number);
	if (err)
		return err;
	ss_drain(volume);
	if (received->replaced)
		ss_layer_unname(volume, received->replaced);
	memcpy(volume->layers[number]->txn, received->txn, SS_UUID_SIZE);
	ss_layer_name(volume, number, received->name, received->note, received->time);
	return ss_commit(volume);
}

/**
 * ss_receive() - what runs becomes a state that was taken on another host
 * @volume: volume, alone of its group
 * @name: valid
 * @replaced: name of the state that goes in the same transaction, above which what runs has to
 * be; "-" = none
 * @txn: of the take, as hexadecimal digits; not zero
 * @time: CLOCK_REALTIME of the take, ns
 * @note: free text, valid
 *
 * Context: may sleep, group->op held.
 * Return: 0, and it is durable; -ENOENT, -EAGAIN when @replaced is undecided, -EBUSY when a view
 * shows it, it is being merged, or a cut is being finished, -ESTALE when what runs is not above
 * it, -EEXIST when another state has the name, -ENOTUNIQ when another is of that take, -EINVAL,
 * -ENOSPC when there are too many layers, -EROFS, and nothing has changed; -EIO.
 */
int ss_receive(struct ss_volume *volume, const char *name, const char *replaced, const char *txn,
	       u64 time, const char *note)
{
	struct received received = { .name = name, .note = note, .time = time };
	unsigned int noio;
	int err;

	lockdep_assert_held(&volume->group->op);
	if (strlen(txn) != 2 * SS_UUID_SIZE || hex2bin(received.txn, txn, SS_UUID_SIZE) ||
	    !memchr_inv(received.txn, 0, SS_UUID_SIZE))
		return -EINVAL;
	noio = ss_meta_lock(volume);
	err = receive(volume, replaced, &received);
	ss_meta_unlock(volume, noio);
	return err;
}
