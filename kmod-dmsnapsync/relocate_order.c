// SPDX-License-Identifier: GPL-2.0
/*
 * What the copier brings next, and how much at a time. No I/O is done here:
 * these are functions of what they are given.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "relocate.h"

#define RANGES_FIRST	256

/* What is looked at before others get their turn: regions of a range, and ranges. */
#define LOOK_REGIONS	(1024U * 1024)
#define LOOK_RANGES	64

/**
 * rl_order_begin() - a pass begins
 * @order: with its stages and lists
 *
 * Context: rl->control held.
 */
void rl_order_begin(struct rl_order *order)
{
	order->stage = RL_STAGE_HOT;
	order->index = 0;
	order->at = 0;
	order->found = false;
}

static int grow(struct rl_list *list)
{
	u32 size = list->size ? 2 * list->size : RANGES_FIRST;
	struct rl_range *range;

	if (size > RL_RANGES_MAX)
		return -ENOSPC;
	range = __vmalloc(size * sizeof(*range), GFP_NOIO | __GFP_NOWARN);
	if (!range)
		return -ENOMEM;
	if (list->nr)
		memcpy(range, list->range, list->nr * sizeof(*range));
	vfree(list->range);
	list->range = range;
	list->size = size;
	return 0;
}

/**
 * rl_order_add() - one more range, behind those that there are
 * @order: order
 * @list: RL_STAGE_HOT or RL_STAGE_USED
 * @first: region of the device
 * @count: at least 1, within the device
 *
 * Context: may sleep, rl->control held.
 * Return: 0, -ENOSPC when there are too many, -ENOMEM.
 */
int rl_order_add(struct rl_order *order, unsigned int list, u64 first, u64 count)
{
	struct rl_list *ranges = &order->list[list];
	struct rl_range *last = ranges->nr ? &ranges->range[ranges->nr - 1] : NULL;
	int err = 0;

	if (last && first >= last->first && first <= last->first + last->count) {
		last->count = max(last->count, first + count - last->first);
		ranges->received++;
		return 0;
	}
	if (ranges->nr == ranges->size)
		err = grow(ranges);
	if (err)
		return err;
	ranges->range[ranges->nr++] = (struct rl_range){ first, count };
	ranges->received++;
	return 0;
}

/**
 * rl_order_end() - the lists are complete
 * @order: order
 * @list: RL_STAGE_HOT or RL_STAGE_USED
 * @received: ranges that were sent for it
 *
 * A table that was loaded anew meanwhile has received the last of them only, and what
 * was in the others must not become zeroes.
 *
 * Context: rl->control held.
 * Return: 0, -ESTALE when it has received more or fewer.
 */
int rl_order_end(struct rl_order *order, unsigned int list, u64 received)
{
	if (order->list[list].received != received)
		return -ESTALE;
	order->ended = true;
	rl_order_begin(order);
	return 0;
}

/**
 * rl_order_forget() - throw the lists away
 * @order: order
 *
 * Context: may sleep, rl->control held.
 */
void rl_order_forget(struct rl_order *order)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order->list); i++) {
		vfree(order->list[i].range);
		memset(&order->list[i], 0, sizeof(order->list[i]));
	}
	order->ended = false;
	rl_order_begin(order);
}

/* The next absent regions within [at, end), which lie in one word; returns where to go on. */
static u64 next_absent(const struct rl_map *map, u64 at, u64 end, unsigned int limit, u64 *word,
		       u64 *mask)
{
	const unsigned long *bits = (const unsigned long *)map->word;
	unsigned int from;
	u64 run, left;

	*mask = 0;
	at = find_next_zero_bit(bits, end, at);
	if (at >= end)
		return end;
	from = at % RL_WORD_REGIONS;
	*word = at / RL_WORD_REGIONS;
	run = rl_run(rl_map_absent(map, *word), from);
	left = min_t(u64, end - at, limit);
	if (left < RL_WORD_REGIONS - from)
		run &= GENMASK_ULL(from + left - 1, 0);
	*mask = run;
	return at + hweight64(run);
}

/* The lists have nothing more. Returns true if what remains is to be zeroes. */
static bool end_lists(struct rl_order *order)
{
	/* What is absent is under way, or failed: it must not become zeroes. */
	if (!order->found && order->ended) {
		order->stage = RL_STAGE_ZERO;
		return true;
	}
	if (order->found)
		rl_order_begin(order);
	else
		order->stage = RL_STAGE_WAIT;
	return false;
}

/* Behind a range, or a stage, that has nothing more. Returns false at the end of a pass. */
static bool advance(struct rl_order *order)
{
	order->at = 0;
	if (order->stage <= RL_STAGE_USED) {
		if (++order->index < order->list[order->stage].nr)
			return true;
		order->index = 0;
		order->stage++;
		if (order->stage < RL_STAGE_REST || order->has[RL_STAGE_REST])
			return true;
		return end_lists(order);
	}
	if (order->stage == RL_STAGE_REST)
		rl_order_begin(order);
	return false;
}

/**
 * rl_order_next() - what the copier brings next
 * @order: order; goes on
 * @map: regions
 * @limit: the most
 * @word: result
 * @mask: result: adjacent regions that are absent; none if it has looked for long
 *	  enough, and the next call goes on from there
 *
 * A million of ranges may all lie over what is present already.
 *
 * Context: rl->control held.
 * Return: false at the end of a pass; the next call begins another.
 */
bool rl_order_next(struct rl_order *order, const struct rl_map *map, unsigned int limit,
		   u64 *word, u64 *mask)
{
	unsigned int left = LOOK_RANGES;
	const struct rl_range *range;
	u64 start, end, until;

	*word = 0;
	*mask = 0;
	if (order->stage == RL_STAGE_WAIT)
		rl_order_begin(order);
	do {
		if (!left--)
			return true;
		start = 0;
		end = map->nr_regions;
		if (order->stage <= RL_STAGE_USED) {
			const struct rl_list *list = &order->list[order->stage];

			if (order->index >= list->nr)
				continue;
			range = &list->range[order->index];
			start = range->first;
			end = range->first + range->count;
		}
		order->at = max(order->at, start);
		until = min(end, order->at + LOOK_REGIONS);
		order->at = next_absent(map, order->at, until, limit, word, mask);
		order->found |= *mask;
		if (*mask || order->at < end)
			return true;
	} while (advance(order));
	return false;
}

/**
 * rl_ahead_init() - no reader is known yet
 * @ahead: result
 * @regions: how far in front of one
 */
void rl_ahead_init(struct rl_ahead *ahead, u64 regions)
{
	memset(ahead, 0, sizeof(*ahead));
	ahead->regions = regions;
	ahead->mark = U64_MAX;
}

/**
 * rl_ahead_extend() - the reader came half way: go further
 * @ahead: read-ahead
 *
 * Context: rl->lock held.
 */
void rl_ahead_extend(struct rl_ahead *ahead)
{
	ahead->mark = (ahead->end + ahead->regions / 2) / RL_WORD_REGIONS;
	ahead->end += ahead->regions;
}

/**
 * rl_ahead_note() - a reader waits for a fetch
 * @ahead: read-ahead
 * @first: region of the fetch
 * @end: first region behind it
 *
 * Context: rl->lock held.
 * Return: true if it reads on from where it was.
 */
bool rl_ahead_note(struct rl_ahead *ahead, u64 first, u64 end)
{
	struct rl_stream *stream;

	for (stream = ahead->stream; stream < ahead->stream + RL_STREAMS; stream++)
		if (stream->to && first >= stream->from && first <= stream->to)
			break;
	if (stream == ahead->stream + RL_STREAMS) {
		stream = &ahead->stream[ahead->oldest++ % RL_STREAMS];
		*stream = (struct rl_stream){ end, end };
		return false;
	}
	stream->from = end;
	if (!ahead->regions) {
		stream->to = end;
		return false;
	}
	/* Behind what was asked for already, it is too late to ask again. */
	if (end >= ahead->at && end <= ahead->end && ahead->at < ahead->end) {
		stream->to = max(stream->to, ahead->end);
		return true;
	}
	ahead->at = end;
	ahead->end = end;
	rl_ahead_extend(ahead);
	stream->to = ahead->end;
	return true;
}

/**
 * rl_ahead_next() - what is to be brought before all that is in the lists
 * @ahead: read-ahead; goes on
 * @map: regions
 * @limit: the most
 * @word: result
 * @mask: result: adjacent regions that are absent
 *
 * Context: rl->lock held.
 * Return: false if there is nothing.
 */
bool rl_ahead_next(struct rl_ahead *ahead, const struct rl_map *map, unsigned int limit,
		   u64 *word, u64 *mask)
{
	ahead->end = min(ahead->end, map->nr_regions);
	if (ahead->at >= ahead->end)
		return false;
	ahead->at = next_absent(map, ahead->at, ahead->end, limit, word, mask);
	return *mask;
}

/**
 * rl_pace_step() - how many slots may the copier use from now on?
 * @pace: goes on
 * @max: the most
 * @mean_ns: what the guest waited on the mean, by meter; 0 = it did not
 */
void rl_pace_step(struct rl_pace *pace, unsigned int max, const u64 *mean_ns)
{
	bool slow = false, idle = true;
	unsigned int i;

	for (i = 0; i < RL_METERS; i++) {
		u64 *best = &pace->best_ns[i];

		if (!mean_ns[i])
			continue;
		idle = false;
		*best = *best ? min(mean_ns[i], *best + (*best >> 6) + 1) : mean_ns[i];
		slow |= mean_ns[i] > 2 * *best;
	}
	if (slow)
		pace->slots /= 2;
	else
		pace->slots += idle ? pace->slots : 1;
	pace->slots = clamp(pace->slots, 1U, max);
}
