// SPDX-License-Identifier: GPL-2.0
/*
 * The copier: brings in the background what nobody has asked for yet. The tick
 * says how much of that at a time, and looks after what waits too long.
 */
#include "relocate.h"

#define TICK_MS		100

/* SOURCE does not answer. */
#define SILENT_MS	5000

/* What the budget may add up to while it is not used, in ms of the rate. */
#define BURST_MS	200

/* Fetches begun in one turn; messages wait for its end. */
#define TURN		64

/**
 * rl_copy_kick() - there may be something to copy, or a slot to do it
 * @rl: device
 *
 * Context: any.
 */
void rl_copy_kick(struct relocate *rl)
{
	if (!READ_ONCE(rl->is_quiet))
		queue_work(rl->wq, &rl->copy);
}

static bool is_complete(const struct relocate *rl)
{
	return READ_ONCE(rl->map.nr_present) == rl->map.nr_regions;
}

static bool may_read(const struct relocate *rl)
{
	return READ_ONCE(rl->link) && (!READ_ONCE(rl->args.rate) || READ_ONCE(rl->budget) > 0);
}

/* Is there anything that the copier could do at all? With rl->control held. */
static bool may_work(const struct relocate *rl)
{
	return rl->mode == RL_MODE_WRITE && !rl->is_quiet && !rl->is_paused &&
	       !is_complete(rl) && time_after_eq(jiffies, READ_ONCE(rl->copy_after)) &&
	       (may_read(rl) || rl->order.stage == RL_STAGE_ZERO);
}

/* One of those that it may have; another one if there may be more. */
static struct rl_slot *take_slot(struct relocate *rl)
{
	struct rl_slot *slot = NULL;

	if (READ_ONCE(rl->nr_copying) >= READ_ONCE(rl->pace.slots))
		return NULL;
	if (READ_ONCE(rl->nr_idle) <= RL_SLOTS_KEPT)
		rl_slot_add(rl);
	spin_lock_irq(&rl->lock);
	if (rl->nr_copying < rl->pace.slots)
		slot = rl_slot_take(rl, false);
	spin_unlock_irq(&rl->lock);
	return slot;
}

static bool next_ahead(struct relocate *rl, u64 *word, u64 *mask)
{
	bool found;

	spin_lock_irq(&rl->lock);
	found = rl_ahead_next(&rl->ahead, &rl->map, rl->copy_regions, word, mask);
	spin_unlock_irq(&rl->lock);
	return found;
}

static void say_stage(struct relocate *rl, const char *stage)
{
	WRITE_ONCE(rl->stage, stage);
}

/* What comes next, before everything else what a reader is about to want. */
static bool next(struct relocate *rl, u64 *word, u64 *mask, bool *zero)
{
	static const char *const name[] = {
		[RL_STAGE_HOT] = "hot",
		[RL_STAGE_USED] = "used",
		[RL_STAGE_REST] = "rest",
		[RL_STAGE_ZERO] = "zero",
		[RL_STAGE_WAIT] = "wait",
	};
	bool found;

	*zero = false;
	if (may_read(rl) && next_ahead(rl, word, mask)) {
		say_stage(rl, "ahead");
		return true;
	}
	found = rl_order_next(&rl->order, &rl->map, READ_ONCE(rl->copy_regions), word, mask);
	say_stage(rl, name[rl->order.stage]);
	*zero = rl->order.stage == RL_STAGE_ZERO;
	return found;
}

/* Not what somebody fetches or writes already. Returns false if nothing is left. */
static bool begin(struct relocate *rl, struct rl_slot *slot, u64 word, u64 mask, bool zero)
{
	spin_lock_irq(&rl->lock);
	mask &= rl_map_absent(&rl->map, word) & ~rl_ops_mask(&rl->ops, word, RL_ANY);
	if (!mask || rl->is_quiet || (!zero && !rl->link)) {
		rl_slot_release(rl, slot);
		spin_unlock_irq(&rl->lock);
		return false;
	}
	mask = rl_run(mask, __ffs64(mask));
	if (zero) {
		rl_zero(rl, slot, word, mask);
	} else {
		rl_fetch(rl, slot, word, mask, 0);
		/* What is copied without a limit is no debt when there is one. */
		if (READ_ONCE(rl->args.rate))
			rl->budget -= (s64)hweight64(mask) << rl->region_shift << SECTOR_SHIFT;
	}
	spin_unlock_irq(&rl->lock);
	return true;
}

static void put_back(struct relocate *rl, struct rl_slot *slot)
{
	spin_lock_irq(&rl->lock);
	rl_slot_release(rl, slot);
	spin_unlock_irq(&rl->lock);
}

/* Returns false if there is no more to be done for now. */
static bool copy_one(struct relocate *rl)
{
	struct rl_slot *slot;
	u64 word, mask;
	bool zero;

	if (!may_work(rl))
		return false;
	slot = take_slot(rl);
	if (!slot)
		return false;
	if (!next(rl, &word, &mask, &zero)) {
		put_back(rl, slot);
		return false;
	}
	begin(rl, slot, word, mask, zero);
	return true;
}

/* Without that, readers would take the slot that is the copier's. */
static void claim(struct relocate *rl)
{
	spin_lock_irq(&rl->lock);
	rl->is_copying = may_work(rl);
	spin_unlock_irq(&rl->lock);
}

/**
 * rl_copy_work() - the copier
 * @work: rl->copy
 *
 * Context: process context.
 */
void rl_copy_work(struct work_struct *work)
{
	struct relocate *rl = container_of(work, struct relocate, copy);
	unsigned int left = TURN;

	mutex_lock(&rl->control);
	claim(rl);
	while (left && copy_one(rl)) {
		left--;
		cond_resched();
	}
	mutex_unlock(&rl->control);
	if (!left)
		rl_copy_kick(rl);
}

static void fill_budget(struct relocate *rl)
{
	u64 now = ktime_get_ns(), rate = (u64)READ_ONCE(rl->args.rate) << 20;
	s64 most = max_t(s64, div_u64(rate * BURST_MS, MSEC_PER_SEC), RL_SLOT_BYTES);
	s64 more = div_u64(rate * min_t(u64, (now - rl->budget_ns) / NSEC_PER_MSEC, MSEC_PER_SEC),
			   MSEC_PER_SEC);

	spin_lock_irq(&rl->lock);
	rl->budget = rate ? min(rl->budget + more, most) : 0;
	spin_unlock_irq(&rl->lock);
	rl->budget_ns = now;
}

static void set_pace(struct relocate *rl)
{
	u64 mean_ns[RL_METERS];
	unsigned int i;

	for (i = 0; i < RL_METERS; i++) {
		u64 sum = atomic64_xchg(&rl->meters[i].sum_ns, 0);
		unsigned int count = atomic_xchg(&rl->meters[i].count, 0);

		mean_ns[i] = count ? div_u64(sum, count) : 0;
	}
	spin_lock_irq(&rl->lock);
	rl_pace_step(&rl->pace, rl->max_slots - RL_SLOTS_KEPT, mean_ns);
	spin_unlock_irq(&rl->lock);
}

/* Has a read been under way for too long? Returns true if that has changed. */
static bool listen(struct relocate *rl)
{
	unsigned long oldest = jiffies - msecs_to_jiffies(SILENT_MS);
	struct rl_slot *slot;
	bool silent = false, changed;

	spin_lock_irq(&rl->lock);
	rl_retry(rl);
	list_for_each_entry(slot, &rl->busy, node)
		if (slot->phase == RL_READING && time_before(slot->since, oldest))
			silent = true;
	changed = silent != rl->silent;
	rl->silent = silent;
	spin_unlock_irq(&rl->lock);
	return changed;
}

/**
 * rl_tick_work() - each 100 ms
 * @work: rl->tick
 *
 * Context: process context.
 */
void rl_tick_work(struct work_struct *work)
{
	struct relocate *rl = container_of(to_delayed_work(work), struct relocate, tick);

	if (READ_ONCE(rl->is_suspended) || READ_ONCE(rl->meta.flags) & RL_COMPLETE)
		return;
	fill_budget(rl);
	set_pace(rl);
	if (listen(rl)) {
		DMWARN("%s: SOURCE %s", rl->name,
		       rl->silent ? "does not answer" : "answers again");
		rl_event(rl);
	}
	rl_io_overdue(rl);
	queue_work(rl->wq, &rl->work);
	rl_copy_kick(rl);
	queue_delayed_work(rl->wq, &rl->tick, msecs_to_jiffies(TICK_MS));
}

/**
 * rl_source_state() - a word for status
 * @rl: device
 *
 * Context: any.
 * Return: the word.
 */
const char *rl_source_state(const struct relocate *rl)
{
	if (READ_ONCE(rl->meta.flags) & RL_COMPLETE)
		return "closed";
	if (!READ_ONCE(rl->link))
		return "none";
	if (READ_ONCE(rl->silent))
		return "silent";
	return READ_ONCE(rl->failures) ? "retry" : "ok";
}
