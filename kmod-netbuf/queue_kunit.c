// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of queue.c: order, limits and the end of a drain. */
#include <kunit/test.h>
#include "netbuf.h"

#define FRAME_BYTES	100
#define LIMIT		4

/* Marked by number, so that a frame is known when it comes out. */
static struct sk_buff *numbered(struct kunit *test, u32 number)
{
	struct sk_buff *skb = netbuf_frame_alloc(0, FRAME_BYTES, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb->mark = number;
	return skb;
}

static enum netbuf_verdict add(struct kunit *test, struct netbuf_queue *queue, u32 number)
{
	struct sk_buff *skb = numbered(test, number);
	struct netbuf_room room = { .frames = 1, .bytes = skb->truesize };
	enum netbuf_verdict verdict = netbuf_queue_admit(queue, &room);

	if (verdict == NETBUF_HELD)
		verdict = netbuf_queue_add(queue, skb, &room);
	if (verdict != NETBUF_HELD)
		kfree_skb(skb);
	return verdict;
}

static void expect_next(struct kunit *test, struct netbuf_queue *queue, u32 number)
{
	struct sk_buff_head batch;
	struct sk_buff *skb;

	__skb_queue_head_init(&batch);
	KUNIT_EXPECT_EQ(test, netbuf_queue_take(queue, &batch, 1), 1U);
	skb = __skb_dequeue(&batch);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_EQ(test, skb->mark, number);
	kfree_skb(skb);
}

static void fill(struct kunit *test, struct netbuf_queue *queue)
{
	u32 i;

	for (i = 0; i < LIMIT; i++)
		KUNIT_EXPECT_EQ(test, (int)add(test, queue, i), (int)NETBUF_HELD);
}

static void only_while_it_holds(struct kunit *test)
{
	struct netbuf *buf = test->priv;
	struct netbuf_queue *queue = &buf->queue[NETBUF_EGRESS];

	atomic_set(&queue->state, NETBUF_STATE_PASS);
	KUNIT_EXPECT_EQ(test, (int)add(test, queue, 0), (int)NETBUF_ACCEPTED);
	atomic_set(&queue->state, NETBUF_STATE_DRAIN);
	KUNIT_EXPECT_EQ(test, (int)add(test, queue, 0), (int)NETBUF_HELD);
	KUNIT_EXPECT_FALSE(test, netbuf_queue_try_pass(queue));
	expect_next(test, queue, 0);
	KUNIT_EXPECT_TRUE(test, netbuf_queue_try_pass(queue));
	KUNIT_EXPECT_EQ(test, atomic_read(&queue->state), (int)NETBUF_STATE_PASS);
}

static void a_cut_wins_over_the_end_of_a_drain(struct kunit *test)
{
	struct netbuf *buf = test->priv;
	struct netbuf_queue *queue = &buf->queue[NETBUF_EGRESS];

	atomic_set(&queue->state, NETBUF_STATE_HOLD);
	KUNIT_EXPECT_TRUE(test, netbuf_queue_try_pass(queue));
	KUNIT_EXPECT_EQ(test, atomic_read(&queue->state), (int)NETBUF_STATE_HOLD);
}

static void returned_frames_are_the_oldest(struct kunit *test)
{
	struct netbuf *buf = test->priv;
	struct netbuf_queue *queue = &buf->queue[NETBUF_EGRESS];
	u64 bytes;
	struct sk_buff_head batch;
	u32 i;

	__skb_queue_head_init(&batch);
	fill(test, queue);
	bytes = queue->bytes;
	KUNIT_EXPECT_EQ(test, netbuf_queue_take(queue, &batch, 3), 3U);
	netbuf_queue_return(queue, &batch);
	KUNIT_EXPECT_EQ(test, queue->bytes, bytes);
	for (i = 0; i < LIMIT; i++)
		expect_next(test, queue, i);
	KUNIT_EXPECT_EQ(test, queue->bytes, 0ULL);
}

static void policies(struct kunit *test)
{
	struct netbuf *buf = test->priv;
	struct netbuf_queue *queue = &buf->queue[NETBUF_EGRESS];

	fill(test, queue);
	queue->limits.policy = NETBUF_POLICY_TAIL_DROP;
	KUNIT_EXPECT_EQ(test, (int)add(test, queue, LIMIT), (int)NETBUF_DROPPED);
	queue->limits.policy = NETBUF_POLICY_PASS;
	KUNIT_EXPECT_EQ(test, (int)add(test, queue, LIMIT), (int)NETBUF_ACCEPTED);
	queue->limits.policy = NETBUF_POLICY_HEAD_DROP;
	KUNIT_EXPECT_EQ(test, (int)add(test, queue, LIMIT), (int)NETBUF_HELD);
	KUNIT_EXPECT_EQ(test, queue->counters.dropped_limit, 2ULL);
	KUNIT_EXPECT_EQ(test, queue->counters.passed_limit, 1ULL);
	expect_next(test, queue, 1);
	/* One that is larger than the limit alone drops no others. */
	queue->limits.bytes = 1;
	KUNIT_EXPECT_EQ(test, (int)add(test, queue, 9), (int)NETBUF_DROPPED);
	expect_next(test, queue, 2);
}

static void a_frame_that_is_coming_has_its_room(struct kunit *test)
{
	struct netbuf *buf = test->priv;
	struct netbuf_queue *queue = &buf->queue[NETBUF_EGRESS];
	struct sk_buff *skb = numbered(test, 7);
	struct netbuf_room room = { .frames = 1, .bytes = skb->truesize };
	u32 i;

	atomic_set(&queue->state, NETBUF_STATE_DRAIN);
	KUNIT_EXPECT_EQ(test, (int)netbuf_queue_admit(queue, &room), (int)NETBUF_HELD);
	KUNIT_EXPECT_FALSE(test, netbuf_queue_try_pass(queue));
	for (i = 1; i < LIMIT; i++)
		KUNIT_EXPECT_EQ(test, (int)add(test, queue, i), (int)NETBUF_HELD);
	KUNIT_EXPECT_EQ(test, (int)add(test, queue, i), (int)NETBUF_DROPPED);
	KUNIT_EXPECT_EQ(test, (int)netbuf_queue_add(queue, skb, &room), (int)NETBUF_HELD);
	netbuf_queue_flush(queue);
	KUNIT_EXPECT_EQ(test, (int)netbuf_queue_admit(queue, &room), (int)NETBUF_HELD);
	netbuf_queue_cancel(queue, &room);
	KUNIT_EXPECT_TRUE(test, netbuf_queue_try_pass(queue));
}

static void a_lowered_limit_drops_step_by_step(struct kunit *test)
{
	struct netbuf *buf = test->priv;
	struct netbuf_queue *queue = &buf->queue[NETBUF_EGRESS];
	u32 i;

	queue->limits.frames = 1000;
	for (i = 0; i < 1000; i++)
		add(test, queue, i);
	queue->limits.frames = LIMIT;
	queue->limits.policy = NETBUF_POLICY_HEAD_DROP;
	KUNIT_EXPECT_EQ(test, (int)add(test, queue, i++), (int)NETBUF_HELD);
	KUNIT_EXPECT_GT(test, skb_queue_len(&queue->frames), 900U);
	while (skb_queue_len(&queue->frames) > LIMIT && i < 1100)
		add(test, queue, i++);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&queue->frames), (u32)LIMIT);
	expect_next(test, queue, i - LIMIT);
}

static void a_save_survives_a_dropped_head(struct kunit *test)
{
	struct netbuf *buf = test->priv;
	struct netbuf_queue *queue = &buf->queue[NETBUF_EGRESS];

	fill(test, queue);
	queue->cursor = skb_peek(&queue->frames);
	expect_next(test, queue, 0);
	KUNIT_ASSERT_NOT_NULL(test, queue->cursor);
	KUNIT_EXPECT_EQ(test, queue->cursor->mark, 1U);
	netbuf_queue_flush(queue);
	KUNIT_EXPECT_NULL(test, queue->cursor);
}

static void loaded_frames_come_first(struct kunit *test)
{
	struct netbuf *buf = test->priv;
	struct netbuf_queue *queue = &buf->queue[NETBUF_EGRESS];
	struct sk_buff_head loaded;
	struct sk_buff *skb = numbered(test, 100);
	struct netbuf_room room = { .frames = 1, .bytes = skb->truesize };

	__skb_queue_head_init(&loaded);
	__skb_queue_tail(&loaded, skb);
	add(test, queue, 0);
	KUNIT_EXPECT_EQ(test, netbuf_queue_reserve(queue, &room), 0);
	netbuf_queue_splice(queue, &loaded, &room);
	expect_next(test, queue, 100);
	expect_next(test, queue, 0);
	KUNIT_EXPECT_EQ(test, queue->bytes, 0ULL);
	KUNIT_EXPECT_EQ(test, queue->coming.frames, 0U);
}

static void loaded_frames_are_not_left_in_a_queue_that_passes(struct kunit *test)
{
	struct netbuf *buf = test->priv;
	struct netbuf_queue *queue = &buf->queue[NETBUF_EGRESS];
	struct netbuf_room room = { .frames = 1, .bytes = FRAME_BYTES };

	/* Before there is room for them, and after. */
	atomic_set(&queue->state, NETBUF_STATE_PASS);
	KUNIT_EXPECT_EQ(test, netbuf_queue_reserve(queue, &room), -EBUSY);
	atomic_set(&queue->state, NETBUF_STATE_DRAIN);
	KUNIT_EXPECT_EQ(test, netbuf_queue_reserve(queue, &room), -EBUSY);
	atomic_set(&queue->state, NETBUF_STATE_HOLD);
	KUNIT_EXPECT_EQ(test, netbuf_queue_reserve(queue, &room), 0);
	atomic_set(&queue->state, NETBUF_STATE_DRAIN);
	KUNIT_EXPECT_FALSE(test, netbuf_queue_try_pass(queue));
	netbuf_queue_cancel(queue, &room);
	KUNIT_EXPECT_TRUE(test, netbuf_queue_try_pass(queue));
	atomic_set(&queue->state, NETBUF_STATE_HOLD);
	room.frames = LIMIT + 1;
	KUNIT_EXPECT_EQ(test, netbuf_queue_reserve(queue, &room), -ENOSPC);
}

static int make_buffer(struct kunit *test)
{
	struct netbuf *buf = kunit_kzalloc(test, sizeof(*buf), GFP_KERNEL);

	if (!buf)
		return -ENOMEM;
	netbuf_queue_init(&buf->queue[NETBUF_EGRESS], buf, NETBUF_EGRESS);
	buf->queue[NETBUF_EGRESS].limits.frames = LIMIT;
	/* There is no netdev to tell about: these have been told. */
	buf->queue[NETBUF_EGRESS].is_high = true;
	buf->queue[NETBUF_EGRESS].limits.high_water = 0;
	buf->queue[NETBUF_EGRESS].has_dropped = true;
	atomic_set(&buf->queue[NETBUF_EGRESS].state, NETBUF_STATE_HOLD);
	test->priv = buf;
	return 0;
}

static void free_frames(struct kunit *test)
{
	struct netbuf *buf = test->priv;

	if (buf)
		netbuf_queue_flush(&buf->queue[NETBUF_EGRESS]);
}

static struct kunit_case queue_cases[] = {
	KUNIT_CASE(only_while_it_holds),
	KUNIT_CASE(a_cut_wins_over_the_end_of_a_drain),
	KUNIT_CASE(returned_frames_are_the_oldest),
	KUNIT_CASE(policies),
	KUNIT_CASE(a_frame_that_is_coming_has_its_room),
	KUNIT_CASE(a_lowered_limit_drops_step_by_step),
	KUNIT_CASE(a_save_survives_a_dropped_head),
	KUNIT_CASE(loaded_frames_come_first),
	KUNIT_CASE(loaded_frames_are_not_left_in_a_queue_that_passes),
	{}
};

static struct kunit_suite queue_suite = {
	.name = "netbuf_queue",
	.init = make_buffer,
	.exit = free_frames,
	.test_cases = queue_cases,
};

kunit_test_suite(queue_suite);
