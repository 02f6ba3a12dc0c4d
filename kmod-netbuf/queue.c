// SPDX-License-Identifier: GPL-2.0
/*
 * The queue of one direction: in order, within limits.
 *
 *	pass --hold, cut--> hold --drain, cut--> drain --queue is empty--> pass
 *	                      ^                    |
 *	                      +-----hold, cut------+
 *
 * A cut changes the state in hard-irq context, so the state is an atomic and
 * no lock is needed to change it. The one change that depends on the frames,
 * drain to pass, is made under the lock by compare and exchange: the hook asks
 * for room under the lock too, after another look at the state, so that no
 * frame is ever left behind in a queue that passes.
 */
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/percpu_counter.h>
#include <linux/sizes.h>
#include "netbuf.h"

/* Old frames that one new frame drops at most: some ten microseconds. */
#define DROPS_MAX	64
/* What each CPU may have held, or let go, without the others knowing. */
#define TOTAL_BATCH	SZ_256K

/* Of one buffer limits take no notice of how many there are. */
static unsigned long long limit_total;
module_param(limit_total, ullong, 0644);
MODULE_PARM_DESC(limit_total, "bytes that all buffers together may hold (a quarter of the memory)");

static struct percpu_counter total;

/**
 * netbuf_total_add() - frames are held, or no more
 * @bytes: memory that they take (truesize)
 *
 * Context: any but hard irq.
 */
void netbuf_total_add(s64 bytes)
{
	percpu_counter_add_batch(&total, bytes, TOTAL_BATCH);
}

/**
 * netbuf_total() - what all buffers hold, and may hold
 * @limit: set to the latter, in bytes
 *
 * Context: any.
 * Return: bytes.
 */
u64 netbuf_total(u64 *limit)
{
	*limit = READ_ONCE(limit_total);
	return percpu_counter_sum_positive(&total);
}

/* Within TOTAL_BATCH for each CPU. */
static bool total_fits(u64 bytes)
{
	return percpu_counter_read_positive(&total) + bytes <= READ_ONCE(limit_total);
}

static void account(struct netbuf_queue *queue, s64 bytes)
{
	lockdep_assert_held(&queue->frames.lock);
	queue->bytes += bytes;
	netbuf_total_add(bytes);
}

/**
 * netbuf_queue_init() - an empty queue that lets frames pass
 * @queue: queue
 * @buf: its buffer
 * @direction: of its frames
 */
void netbuf_queue_init(struct netbuf_queue *queue, struct netbuf *buf,
		       enum netbuf_direction direction)
{
	queue->buf = buf;
	queue->direction = direction;
	atomic_set(&queue->state, NETBUF_STATE_PASS);
	skb_queue_head_init(&queue->frames);
	queue->limits.frames = NETBUF_LIMIT_FRAMES_DEFAULT;
	queue->limits.bytes = NETBUF_LIMIT_BYTES_DEFAULT;
	queue->limits.high_water = NETBUF_HIGH_WATER_DEFAULT;
	queue->limits.policy = NETBUF_POLICY_TAIL_DROP;
}

/* Frames that nobody wants any more. */
static struct sk_buff_head discarded;

/* There may be millions of them. */
static void free_discarded(struct work_struct *work)
{
	struct sk_buff *skb;

	while ((skb = skb_dequeue(&discarded))) {
		kfree_skb(skb);
		cond_resched();
	}
}

static DECLARE_WORK(discard_work, free_discarded);

/**
 * netbuf_discard() - free frames soon
 * @buf: where its drain works they are freed
 * @frames: empty on return
 *
 * Context: any but hard irq; so also under rtnl, which must not be held for as
 * long as it takes to free millions of frames.
 */
void netbuf_discard(struct netbuf *buf, struct sk_buff_head *frames)
{
	if (skb_queue_empty(frames))
		return;
	spin_lock_bh(&discarded.lock);
	skb_queue_splice_tail_init(frames, &discarded);
	spin_unlock_bh(&discarded.lock);
	queue_work_on(netbuf_drain_cpu(buf), netbuf_wq, &discard_work);
}

/**
 * netbuf_queues_init() - at module load
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int netbuf_queues_init(void)
{
	if (!limit_total)
		limit_total = (u64)totalram_pages() * PAGE_SIZE / 4;
	skb_queue_head_init(&discarded);
	return percpu_counter_init(&total, 0, GFP_KERNEL);
}

/**
 * netbuf_queues_exit() - the reverse
 *
 * All that was discarded is freed before, when destroy_workqueue() returns.
 */
void netbuf_queues_exit(void)
{
	percpu_counter_destroy(&total);
}

static bool fits(const struct netbuf_queue *queue, u32 frames, u64 bytes)
{
	lockdep_assert_held(&queue->frames.lock);
	return skb_queue_len(&queue->frames) + queue->coming.frames + (u64)frames <=
		       queue->limits.frames &&
	       queue->bytes + queue->coming.bytes + bytes <= queue->limits.bytes;
}

static bool is_high(const struct netbuf_queue *queue)
{
	const struct netbuf_limits *limits = &queue->limits;

	return skb_queue_len(&queue->frames) * 100ULL >= (u64)limits->frames * limits->high_water ||
	       queue->bytes >= div_u64(limits->bytes, 100) * limits->high_water;
}

static void note_level(struct netbuf_queue *queue)
{
	bool was_high = queue->is_high;

	queue->peak_frames = max(queue->peak_frames, skb_queue_len(&queue->frames));
	queue->peak_bytes = max(queue->peak_bytes, queue->bytes);
	queue->is_high = is_high(queue);
	if (queue->is_high && !was_high)
		netbuf_event_defer(NETBUF_EVENT_HIGH_WATER, queue->buf);
}

static void count_drops(struct netbuf_queue *queue, u64 *counter, unsigned int frames)
{
	lockdep_assert_held(&queue->frames.lock);
	*counter += frames;
	if (!queue->has_dropped)
		netbuf_event_defer(NETBUF_EVENT_DROP, queue->buf);
	queue->has_dropped = true;
}

/**
 * netbuf_queue_count() - one more
 * @queue: queue
 * @counter: one of queue->counters
 *
 * Context: any but hard irq.
 */
void netbuf_queue_count(struct netbuf_queue *queue, u64 *counter)
{
	spin_lock_bh(&queue->frames.lock);
	(*counter)++;
	spin_unlock_bh(&queue->frames.lock);
}

/**
 * netbuf_queue_count_drop() - a frame was dropped before it came to the queue
 * @queue: queue
 * @counter: one of queue->counters
 *
 * Context: any but hard irq.
 */
void netbuf_queue_count_drop(struct netbuf_queue *queue, u64 *counter)
{
	spin_lock_bh(&queue->frames.lock);
	count_drops(queue, counter, 1);
	spin_unlock_bh(&queue->frames.lock);
}

/*
 * The oldest frame, whose memory the caller accounts for; a SAVE that is about to
 * send it goes on behind it.
 */
static struct sk_buff *remove_first(struct netbuf_queue *queue)
{
	struct sk_buff *skb = skb_peek(&queue->frames);

	lockdep_assert_held(&queue->frames.lock);
	if (!skb)
		return NULL;
	if (queue->cursor == skb)
		queue->cursor = skb_peek_next(skb, &queue->frames);
	__skb_unlink(skb, &queue->frames);
	return skb;
}

static void append(struct netbuf_queue *queue, struct sk_buff *frames, ktime_t now)
{
	struct sk_buff *skb, *next;

	skb_list_walk_safe(frames, skb, next) {
		skb_mark_not_on_list(skb);
		*NETBUF_TAG(skb) = (struct netbuf_tag){ .time = now };
		__skb_queue_tail(&queue->frames, skb);
		account(queue, skb->truesize);
		queue->counters.held++;
	}
}

/*
 * Makes room by dropping older frames, if that can help at all. When a limit
 * was lowered there may be millions too many: each frame that comes takes some of
 * them away, and more memory than it needs itself. If all buffers together hold
 * too much, it takes the place of as much as it needs; the others keep theirs.
 */
static bool make_room(struct netbuf_queue *queue, u32 n, u64 bytes, struct sk_buff_head *dropped)
{
	u64 before = queue->bytes;
	struct sk_buff *skb;

	if (n > queue->limits.frames || bytes > queue->limits.bytes)
		return false;
	while (!fits(queue, n, bytes) ||
	       (before - queue->bytes < bytes && !total_fits(bytes))) {
		if (skb_queue_len(dropped) >= DROPS_MAX && before - queue->bytes >= bytes)
			return true;
		skb = remove_first(queue);
		/* All the room is for frames that are coming. */
		if (!skb)
			return false;
		account(queue, -(s64)skb->truesize);
		__skb_queue_tail(dropped, skb);
		count_drops(queue, &queue->counters.dropped_limit, 1);
	}
	return true;
}

/* May the frames go in? Applies the policy if they exceed a limit. */
static enum netbuf_verdict admit(struct netbuf_queue *queue, u32 n, u64 bytes,
				 struct sk_buff_head *dropped)
{
	if (fits(queue, n, bytes) && total_fits(bytes))
		return NETBUF_HELD;
	switch (queue->limits.policy) {
	case NETBUF_POLICY_PASS:
		queue->counters.passed_limit++;
		return NETBUF_ACCEPTED;
	case NETBUF_POLICY_HEAD_DROP:
		if (make_room(queue, n, bytes, dropped))
			return NETBUF_HELD;
		break;
	case NETBUF_POLICY_TAIL_DROP:
		break;
	}
	count_drops(queue, &queue->counters.dropped_limit, 1);
	return NETBUF_DROPPED;
}

static void expect_coming(struct netbuf_queue *queue, const struct netbuf_room *room)
{
	lockdep_assert_held(&queue->frames.lock);
	queue->coming.frames += room->frames;
	queue->coming.bytes += room->bytes;
}

static void forget_coming(struct netbuf_queue *queue, const struct netbuf_room *room)
{
	lockdep_assert_held(&queue->frames.lock);
	queue->coming.frames -= room->frames;
	queue->coming.bytes -= room->bytes;
}

/**
 * netbuf_queue_admit() - is a frame to be held?
 * @queue: queue
 * @room: what it will take
 *
 * Applies the policy if it exceeds a limit. On NETBUF_HELD the room is kept for
 * it, and the queue does not pass, until netbuf_queue_add() or netbuf_queue_cancel().
 *
 * Context: any but hard irq.
 * Return: verdict.
 */
enum netbuf_verdict netbuf_queue_admit(struct netbuf_queue *queue,
				       const struct netbuf_room *room)
{
	enum netbuf_verdict verdict = NETBUF_ACCEPTED;
	struct sk_buff_head dropped;

	__skb_queue_head_init(&dropped);
	spin_lock_bh(&queue->frames.lock);
	if (atomic_read(&queue->state) != NETBUF_STATE_PASS)
		verdict = admit(queue, room->frames, room->bytes, &dropped);
	if (verdict == NETBUF_HELD)
		expect_coming(queue, room);
	spin_unlock_bh(&queue->frames.lock);
	__skb_queue_purge(&dropped);
	return verdict;
}

/**
 * netbuf_queue_cancel() - what was to come does not
 * @queue: queue that has admitted or reserved it
 * @room: what was kept for it
 *
 * Context: any but hard irq.
 */
void netbuf_queue_cancel(struct netbuf_queue *queue, const struct netbuf_room *room)
{
	spin_lock_bh(&queue->frames.lock);
	forget_coming(queue, room);
	spin_unlock_bh(&queue->frames.lock);
}

/**
 * netbuf_queue_add() - hold a frame
 * @queue: queue that has admitted it
 * @frames: one frame, or its segments linked by skb->next
 * @room: what was kept for it
 *
 * Context: any but hard irq.
 * Return: NETBUF_HELD, always if they take no more than was kept: the frames belong
 * to the queue. Otherwise what the policy says.
 */
enum netbuf_verdict netbuf_queue_add(struct netbuf_queue *queue, struct sk_buff *frames,
				     const struct netbuf_room *room)
{
	enum netbuf_verdict verdict = NETBUF_HELD;
	ktime_t now = ktime_get_real();
	struct sk_buff_head dropped;
	struct sk_buff *skb, *next;
	u64 bytes = 0;
	u32 n = 0;

	__skb_queue_head_init(&dropped);
	skb_list_walk_safe(frames, skb, next) {
		bytes += skb->truesize;
		n++;
	}
	spin_lock_bh(&queue->frames.lock);
	forget_coming(queue, room);
	if (n > room->frames || bytes > room->bytes)
		verdict = admit(queue, n, bytes, &dropped);
	if (verdict == NETBUF_HELD) {
		append(queue, frames, now);
		note_level(queue);
	}
	spin_unlock_bh(&queue->frames.lock);
	__skb_queue_purge(&dropped);
	return verdict;
}

/**
 * netbuf_queue_take() - the oldest frames, to be sent on
 * @queue: queue
 * @batch: takes them
 * @max: their number at most
 *
 * Context: any but hard irq; only the drain may call it.
 * Return: number of frames taken.
 */
unsigned int netbuf_queue_take(struct netbuf_queue *queue, struct sk_buff_head *batch,
			       unsigned int max)
{
	struct sk_buff *skb;
	unsigned int n = 0;
	s64 bytes = 0;

	spin_lock_bh(&queue->frames.lock);
	while (n < max && (skb = remove_first(queue))) {
		__skb_queue_tail(batch, skb);
		bytes += skb->truesize;
		n++;
	}
	account(queue, -bytes);
	queue->is_high = is_high(queue);
	spin_unlock_bh(&queue->frames.lock);
	return n;
}

/**
 * netbuf_queue_return() - frames that could not be sent on are the oldest again
 * @queue: queue
 * @batch: what is left of that of netbuf_queue_take()
 *
 * Context: any but hard irq.
 */
void netbuf_queue_return(struct netbuf_queue *queue, struct sk_buff_head *batch)
{
	struct sk_buff *skb;

	spin_lock_bh(&queue->frames.lock);
	while ((skb = __skb_dequeue_tail(batch))) {
		__skb_queue_head(&queue->frames, skb);
		account(queue, skb->truesize);
	}
	spin_unlock_bh(&queue->frames.lock);
}

/**
 * netbuf_queue_count_sent() - what became of frames that were sent on
 * @queue: queue
 * @drained: how many went
 * @dropped: how many were dropped for good on the way
 *
 * Context: any but hard irq.
 */
void netbuf_queue_count_sent(struct netbuf_queue *queue, unsigned int drained,
			     unsigned int dropped)
{
	spin_lock_bh(&queue->frames.lock);
	queue->counters.drained += drained;
	if (dropped)
		count_drops(queue, &queue->counters.dropped_below, dropped);
	spin_unlock_bh(&queue->frames.lock);
}

/**
 * netbuf_queue_count_lost() - frames that had gone were dropped in flight
 * @queue: queue
 * @frames: their number
 *
 * Context: any but hard irq.
 */
void netbuf_queue_count_lost(struct netbuf_queue *queue, unsigned int frames)
{
	spin_lock_bh(&queue->frames.lock);
	/* Parts of a frame are dropped one by one, but were counted as one. */
	queue->counters.drained -= min_t(u64, frames, queue->counters.drained);
	count_drops(queue, &queue->counters.dropped_below, frames);
	spin_unlock_bh(&queue->frames.lock);
}

/**
 * netbuf_queue_try_pass() - end a drain if nothing is left
 * @queue: queue
 *
 * Context: any but hard irq.
 * Return: true if the queue does not drain any more, also when it was told to
 * hold meanwhile.
 */
bool netbuf_queue_try_pass(struct netbuf_queue *queue)
{
	bool over;

	spin_lock_bh(&queue->frames.lock);
	if (skb_queue_empty(&queue->frames) && !queue->coming.frames) {
		/* A full barrier: who sees it sees that all before were sent on. */
		atomic_cmpxchg(&queue->state, NETBUF_STATE_DRAIN, NETBUF_STATE_PASS);
		queue->has_dropped = false;
	}
	over = atomic_read(&queue->state) != NETBUF_STATE_DRAIN;
	spin_unlock_bh(&queue->frames.lock);
	return over;
}

/**
 * netbuf_queue_flush() - drop all frames that are held
 * @queue: queue
 *
 * Context: process.
 * Return: their number.
 */
unsigned int netbuf_queue_flush(struct netbuf_queue *queue)
{
	struct sk_buff_head frames;
	unsigned int n;

	__skb_queue_head_init(&frames);
	spin_lock_bh(&queue->frames.lock);
	n = skb_queue_len(&queue->frames);
	skb_queue_splice_init(&queue->frames, &frames);
	queue->counters.flushed += n;
	account(queue, -(s64)queue->bytes);
	queue->cursor = NULL;
	queue->is_high = false;
	spin_unlock_bh(&queue->frames.lock);
	netbuf_discard(queue->buf, &frames);
	return n;
}

/**
 * netbuf_queue_fits() - is there room within the limits?
 * @queue: queue
 * @room: what is to come, its memory part of the total already
 *
 * Context: any but hard irq.
 * Return: true if so.
 */
bool netbuf_queue_fits(struct netbuf_queue *queue, const struct netbuf_room *room)
{
	bool ret;

	spin_lock_bh(&queue->frames.lock);
	ret = fits(queue, room->frames, room->bytes) && total_fits(0);
	spin_unlock_bh(&queue->frames.lock);
	return ret;
}

/**
 * netbuf_queue_reserve() - frames from a file are about to come
 * @queue: queue
 * @room: what they take, its memory part of the total already
 *
 * If there is room it is kept for them, and the queue does not pass, until
 * netbuf_queue_splice() or netbuf_queue_cancel().
 *
 * Context: any but hard irq.
 * Return: 0; -EBUSY if the queue does not hold, -ENOSPC beyond the limits.
 */
int netbuf_queue_reserve(struct netbuf_queue *queue, const struct netbuf_room *room)
{
	int err = 0;

	spin_lock_bh(&queue->frames.lock);
	if (atomic_read(&queue->state) != NETBUF_STATE_HOLD)
		err = -EBUSY;
	else if (!fits(queue, room->frames, room->bytes) || !total_fits(0))
		err = -ENOSPC;
	else
		expect_coming(queue, room);
	spin_unlock_bh(&queue->frames.lock);
	return err;
}

/**
 * netbuf_queue_splice() - frames from a file become the oldest
 * @queue: queue
 * @frames: in order; empty on return
 * @room: what was reserved for them, its memory counted once more in the total
 *
 * Context: process.
 */
void netbuf_queue_splice(struct netbuf_queue *queue, struct sk_buff_head *frames,
			 const struct netbuf_room *room)
{
	spin_lock_bh(&queue->frames.lock);
	forget_coming(queue, room);
	queue->counters.loaded += room->frames;
	account(queue, room->bytes);
	skb_queue_splice_init(frames, &queue->frames);
	note_level(queue);
	spin_unlock_bh(&queue->frames.lock);
}

/**
 * netbuf_queue_limits() - how much it may hold
 * @queue: queue
 *
 * Context: any but hard irq.
 * Return: the limits, as they belong together.
 */
struct netbuf_limits netbuf_queue_limits(struct netbuf_queue *queue)
{
	struct netbuf_limits limits;

	spin_lock_bh(&queue->frames.lock);
	limits = queue->limits;
	spin_unlock_bh(&queue->frames.lock);
	return limits;
}

/**
 * netbuf_set_limits() - how much both queues may hold from now on
 * @buf: buffer; frames beyond a lower limit stay
 * @limits: new ones
 *
 * Context: process, under buf->op.
 */
void netbuf_set_limits(struct netbuf *buf, const struct netbuf_limits *limits)
{
	unsigned int i;

	lockdep_assert_held(&buf->op);
	for (i = 0; i < NETBUF_DIRECTIONS; i++) {
		struct netbuf_queue *queue = &buf->queue[i];

		spin_lock_bh(&queue->frames.lock);
		queue->limits = *limits;
		note_level(queue);
		spin_unlock_bh(&queue->frames.lock);
	}
}
