// SPDX-License-Identifier: GPL-2.0
/*
 * The tree of layers. A state is a named layer that does not run any more.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include "snapsync.h"

/**
 * ss_layer_find() - look a state up
 * @volume: volume
 * @name: of the state
 *
 * Context: volume->meta held.
 * Return: its layer, 0 if there is none.
 */
u32 ss_layer_find(const struct ss_volume *volume, const char *name)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (volume->layers[number] && (volume->layers[number]->flags & SS_LAYER_NAMED) &&
		    !strcmp(volume->layers[number]->name, name))
			return number;
	return 0;
}

/**
 * ss_layer_new() - a layer that is not in the tree yet
 * @volume: volume
 *
 * Context: may sleep, volume->meta held.
 * Return: its number; 0 if there are too many, or no memory.
 */
u32 ss_layer_new(struct ss_volume *volume)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (!volume->layers[number])
			break;
	if (number == SS_LAYERS_MAX)
		return 0;
	volume->layers[number] = kzalloc(sizeof(*volume->layers[number]), SS_GFP);
	return volume->layers[number] ? number : 0;
}

/**
 * ss_layer_free() - forget a layer
 * @volume: volume
 * @number: not in any line
 *
 * Context: volume->meta held.
 */
void ss_layer_free(struct ss_volume *volume, u32 number)
{
	kfree(volume->layers[number]);
	volume->layers[number] = NULL;
}

/**
 * ss_layer_mark() - the disk's record of a layer is to be written
 * @volume: volume
 * @number: layer
 *
 * Context: as ss_mark_dirty().
 */
void ss_layer_mark(struct ss_volume *volume, u32 number)
{
	ss_mark_dirty(volume, SS_KIND_LAYER, number / SS_LAYERS_PER_BLOCK);
}

/**
 * ss_layer_count() - a layer has one version more or less
 * @volume: volume
 * @number: layer
 * @kind: of the version
 * @change: 1 or -1
 *
 * Context: any.
 */
void ss_layer_count(struct ss_volume *volume, u32 number, enum ss_kind kind, int change)
{
	atomic_add(change, &volume->layers[number]->count[kind]);
}

/**
 * ss_layer_name() - a layer is a state now
 * @volume: volume
 * @number: layer
 * @name: valid and not in use
 * @note: free text
 * @time: CLOCK_REALTIME, ns
 *
 * Context: volume->meta held.
 */
void ss_layer_name(struct ss_volume *volume, u32 number, const char *name, const char *note,
		   u64 time)
{
	struct ss_layer *layer = volume->layers[number];

	strscpy_pad(layer->name, name, sizeof(layer->name));
	strscpy_pad(layer->note, note, sizeof(layer->note));
	layer->time = time;
	layer->flags |= SS_LAYER_NAMED;
	ss_layer_mark(volume, number);
}

/**
 * ss_layer_unname() - a layer is no state any more
 * @volume: volume
 * @number: layer; the reaper looks what can be freed
 *
 * Context: volume->meta held.
 */
void ss_layer_unname(struct ss_volume *volume, u32 number)
{
	struct ss_layer *layer = volume->layers[number];

	memset(layer->name, 0, sizeof(layer->name));
	memset(layer->note, 0, sizeof(layer->note));
	memset(layer->txn, 0, sizeof(layer->txn));
	memset(layer->coordinator, 0, sizeof(layer->coordinator));
	layer->flags &= ~(SS_LAYER_NAMED | SS_LAYER_PREPARED | SS_LAYER_RECEIVED);
	ss_layer_mark(volume, number);
	volume->reap_asked++;
	ss_volume_kick(volume);
}

/**
 * ss_layer_run() - from now on writes go to another layer
 * @volume: volume
 * @number: new layer; the caller has put it in volume->line
 * @parent: what it starts from
 *
 * Context: any, with the gate closed.
 */
void ss_layer_run(struct ss_volume *volume, u32 number, u32 parent)
{
	struct ss_layer *layer = volume->layers[number];

	layer->parent = parent;
	volume->table.gen[number] = volume->next_gen++;
	/* Pairs with put_layers(): a commit may be looking. */
	smp_store_release(&layer->flags, SS_LAYER_USED);
	volume->running = number;
	ss_layer_mark(volume, number);
}

/**
 * ss_layer_cut() - the running layer has ended, the spare one goes on above it
 * @volume: volume with a spare layer
 *
 * Context: any, with the gate closed.
 * Return: the layer that has ended.
 */
u32 ss_layer_cut(struct ss_volume *volume)
{
	u32 old = volume->running, new = volume->spare;

	volume->spare = 0;
	__set_bit(new, volume->line->ancestors);
	ss_layer_run(volume, new, old);
	return old;
}

/**
 * ss_layer_line() - a layer and its ancestors
 * @volume: volume
 * @number: layer
 * @line: result
 *
 * Context: volume->meta held.
 */
void ss_layer_line(const struct ss_volume *volume, u32 number, struct ss_line *line)
{
	bitmap_zero(line->ancestors, SS_LAYERS_MAX);
	for (; number; number = volume->layers[number]->parent)
		__set_bit(number, line->ancestors);
}
