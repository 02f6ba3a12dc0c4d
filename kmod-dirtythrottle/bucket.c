// SPDX-License-Identifier: GPL-2.0
/*
 * The token bucket, as arithmetic on one time: paid_ns is when all pages that
 * were booked so far are paid for. A page moves it on by what it costs; who
 * booked it may go on when that time has come. So the bucket is a queue, too,
 * in which each vCPU has a page, a grant, or what its processor has logged, and in
 * which none overtakes another.
 *
 *	DEPTH in the past    an idle guest has saved up this much
 *	in the future        pages were dirtied that are not paid for: debt
 *
 * All functions are pure: the caller gives the time.
 */
#include <linux/math64.h>
#include <linux/minmax.h>
#include "dirtythrottle.h"

/* As much as QEMU's block throttle lets a guest save up by default. */
#define DEPTH_NS	(100 * NSEC_PER_MSEC)
/* 5 % of a second: what a guest may exceed its limit by, once, for short waits. */
#define DEBT_NS		(50 * NSEC_PER_MSEC)
/* A wait that a guest's timers and watchdogs do not notice. */
#define PIECE_NS	DT_PIECE_NS
/* As long as it is less, an interrupt ends a wait. */
#define FAVOUR_NS	(500 * NSEC_PER_MSEC)
/* What a vCPU may be given at once, so that it does not ask for each page. */
#define GRANT_NS	NSEC_PER_MSEC
#define GRANT_MAX	64U
/* More is forgiven: who has been given pages in spite of its debt has had a reason. */
#define DEBT_MAX_NS	NSEC_PER_SEC

/**
 * dt_bucket_init() - a bucket without a limit
 * @bucket: to be filled
 */
void dt_bucket_init(struct dt_bucket *bucket)
{
	spin_lock_init(&bucket->lock);
	bucket->page_ns = 0;
	bucket->paid_ns = 0;
}

/**
 * dt_bucket_page_ns() - what a page costs
 * @limit: bytes per second, 0 = no limit
 *
 * Context: any.
 * Return: nanoseconds, 0 = nothing.
 */
u64 dt_bucket_page_ns(u64 limit)
{
	if (!limit)
		return 0;
	return max_t(u64, DIV64_U64_ROUND_CLOSEST((u64)PAGE_SIZE * NSEC_PER_SEC, limit), 1);
}

/**
 * dt_bucket_set() - another limit from now on
 * @bucket: bucket, its lock held
 * @limit: bytes per second, 0 = none
 * @now_ns: the time
 *
 * Pages that are not paid for stay so many pages. Nothing that was saved up
 * under another limit, or under none, is kept.
 */
void dt_bucket_set(struct dt_bucket *bucket, u64 limit, u64 now_ns)
{
	u64 page_ns = dt_bucket_page_ns(limit);
	u64 debt_ns = bucket->paid_ns > now_ns ? bucket->paid_ns - now_ns : 0;

	lockdep_assert_held(&bucket->lock);
	if (page_ns == bucket->page_ns)
		return;
	/* It is DEBT_MAX_NS and a page at most, so that the product fits. */
	debt_ns = bucket->page_ns ? div64_u64(debt_ns * page_ns, bucket->page_ns) : 0;
	WRITE_ONCE(bucket->paid_ns, now_ns + min_t(u64, debt_ns, DEBT_MAX_NS));
	WRITE_ONCE(bucket->page_ns, page_ns);
}

/**
 * dt_bucket_grant() - how many pages does a vCPU book at once?
 * @page_ns: what one costs, not 0
 *
 * What it does not use is not lost, so that it is worth little time.
 *
 * Context: any.
 * Return: 1 to 64.
 */
unsigned int dt_bucket_grant(u64 page_ns)
{
	return clamp_t(u64, div64_u64(GRANT_NS, page_ns), 1, GRANT_MAX);
}

/**
 * dt_bucket_charge() - book pages
 * @bucket: bucket, its lock held
 * @pages: their number
 * @waits: whoever dirtied it can be made to wait for it; if not, so much debt
 *	that others would have to wait for long is not made
 * @now_ns: the time
 *
 * Return: when it is paid for; not after @now_ns: at once.
 */
u64 dt_bucket_charge(struct dt_bucket *bucket, unsigned int pages, bool waits, u64 now_ns)
{
	u64 oldest_ns = now_ns > DEPTH_NS ? now_ns - DEPTH_NS : 0;
	u64 before_ns = max(bucket->paid_ns, oldest_ns);
	u64 most_ns = waits ? now_ns + DEBT_MAX_NS : max_t(u64, before_ns, now_ns + DEBT_NS);

	lockdep_assert_held(&bucket->lock);
	WRITE_ONCE(bucket->paid_ns, min(before_ns + pages * bucket->page_ns, most_ns));
	return bucket->paid_ns;
}

/**
 * dt_debt_add() - a fixed delay is due
 * @paid_ns: when the vCPU has paid what it owes so far
 * @delay_ns: what it owes in addition
 * @now_ns: the time
 *
 * Return: when it has paid all.
 */
u64 dt_debt_add(u64 paid_ns, u64 delay_ns, u64 now_ns)
{
	return min_t(u64, max(paid_ns, now_ns) + delay_ns, now_ns + DEBT_MAX_NS);
}

/**
 * dt_debt_leave_ns() - how long is a vCPU held?
 * @paid_ns: when its page is paid for
 * @now_ns: the time
 *
 * For a short time as long as the debt is small, which is then carried; so
 * that short bursts cause no long waits.
 *
 * Return: the time at which it goes on; not after @now_ns: at once.
 */
u64 dt_debt_leave_ns(u64 paid_ns, u64 now_ns)
{
	u64 debt_ns = paid_ns > now_ns ? paid_ns - now_ns : 0;
	u64 wait_ns = debt_ns > DEBT_NS ? debt_ns - DEBT_NS : 0;

	return now_ns + min_t(u64, debt_ns, max_t(u64, wait_ns, PIECE_NS));
}

/**
 * dt_debt_is_small() - may an interrupt end a wait?
 * @paid_ns: when all that was booked is paid for
 * @now_ns: the time
 *
 * What is dirtied meanwhile is booked as well. So interrupts shorten waits until
 * half of a second is owed, and the limit holds in the long run.
 *
 * Context: any.
 * Return: true if so.
 */
bool dt_debt_is_small(u64 paid_ns, u64 now_ns)
{
	return paid_ns < now_ns + FAVOUR_NS;
}
