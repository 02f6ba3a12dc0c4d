// SPDX-License-Identifier: GPL-2.0
/* How long an interrupt waits, and whether its device cares. All functions are pure. */
#include <linux/math64.h>
#include <linux/minmax.h>
#include "dirtythrottle.h"
#include "msi.h"

/* A window in which fewer interrupts are merged tells nothing of the device. */
#define FULL_WINDOW	8
/* Windows between two judgements, without which there is none. */
#define WINDOWS_MIN	4

static int refuse(struct netlink_ext_ack *extack, const char *text)
{
	dt_say(extack, text);
	return -EINVAL;
}

/**
 * dt_msi_settings_check() - can they be meant?
 * @settings: settings
 * @extack: for the refusal, or NULL
 *
 * Return: 0 or -EINVAL.
 */
int dt_msi_settings_check(const struct dt_msi_settings *settings, struct netlink_ext_ack *extack)
{
	if (settings->delay_us && settings->rate)
		return refuse(extack, "either a delay or a rate, not both");
	if (settings->delay_us > DIRTYTHROTTLE_DELAY_MAX_US)
		return refuse(extack, "a delay is 50 ms at most");
	if (settings->rate && (settings->rate < DIRTYTHROTTLE_RATE_MIN ||
			       settings->rate > DIRTYTHROTTLE_RATE_MAX))
		return refuse(extack, "a rate is 20 at least and 1000000 at most");
	return dt_settings_check_timeout(settings->timeout_ms, extack);
}

/**
 * dt_pace_of() - what follows from settings
 * @settings: checked settings
 *
 * Return: pace.
 */
struct dt_pace dt_pace_of(const struct dt_msi_settings *settings)
{
	return (struct dt_pace){
		.delay_ns = (u64)settings->delay_us * NSEC_PER_USEC,
		.gap_ns = settings->rate ? NSEC_PER_SEC / settings->rate : 0,
	};
}

/**
 * dt_pace_wait_ns() - how long an interrupt waits that comes now
 * @delay_ns: from now, or 0
 * @gap_ns: from the last one, or 0
 * @delivered_ns: when the last one was delivered
 * @now_ns: now
 *
 * Return: nanoseconds.
 */
u64 dt_pace_wait_ns(u64 delay_ns, u64 gap_ns, u64 delivered_ns, u64 now_ns)
{
	u64 since_ns = now_ns - delivered_ns;

	return max(delay_ns, gap_ns > since_ns ? gap_ns - since_ns : 0);
}

/**
 * dt_pace_count() - count a window that ends
 * @counters: to be changed
 * @window: window
 * @end_ns: now
 *
 * A device whose driver has to hear of what is done before it gives it more to
 * do falls silent in the course of a long window.
 */
void dt_pace_count(struct dt_msi_counters *counters, const struct dt_window *window, u64 end_ns)
{
	u64 length_ns = end_ns - window->first_ns;

	counters->delay_ns += length_ns;
	if (window->merged < FULL_WINDOW)
		return;
	counters->full++;
	if ((window->last_ns - window->first_ns) * 8 >= length_ns * 7)
		counters->steady++;
}

/**
 * dt_pace_is_polled() - does a device go on, whether its interrupts come or not?
 * @before: counters at the last judgement
 * @now: counters
 *
 * Return: true if it did in most windows in between.
 */
bool dt_pace_is_polled(const struct dt_msi_counters *before, const struct dt_msi_counters *now)
{
	u64 full = now->full - before->full;

	return full >= WINDOWS_MIN && (now->steady - before->steady) * 2 > full;
}
