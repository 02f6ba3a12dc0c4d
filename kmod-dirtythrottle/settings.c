// SPDX-License-Identifier: GPL-2.0
/* What a controller may set, and what follows from it. */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include "dirtythrottle.h"

/**
 * dt_settings_init() - the defaults
 * @settings: to be filled
 */
void dt_settings_init(struct dt_settings *settings)
{
	*settings = (struct dt_settings){
		.mode = DT_MODE_COUNT,
		.share = DIRTYTHROTTLE_SHARE_DEFAULT,
	};
}

static int refuse(struct netlink_ext_ack *extack, const char *text)
{
	dt_say(extack, text);
	return -EINVAL;
}

/**
 * dt_settings_check_timeout() - can it be meant?
 * @timeout_ms: how long a controller may be silent, 0 = for ever
 * @extack: for the refusal, or NULL
 *
 * Return: 0 or -EINVAL.
 */
int dt_settings_check_timeout(u32 timeout_ms, struct netlink_ext_ack *extack)
{
	if (timeout_ms && (timeout_ms < DIRTYTHROTTLE_TIMEOUT_MIN_MS ||
			   timeout_ms > DIRTYTHROTTLE_TIMEOUT_MAX_MS))
		return refuse(extack, "a time-out is 500 ms at least and an hour at most");
	return 0;
}

/**
 * dt_settings_check() - can they be meant?
 * @settings: settings
 * @extack: for the refusal, or NULL
 *
 * Return: 0 or -EINVAL.
 */
int dt_settings_check(const struct dt_settings *settings, struct netlink_ext_ack *extack)
{
	if (settings->mode == DT_MODE_LIMIT && !settings->limit)
		return refuse(extack, "the limit is missing");
	if (settings->limit && (settings->limit < DIRTYTHROTTLE_LIMIT_MIN ||
				settings->limit > DIRTYTHROTTLE_LIMIT_MAX))
		return refuse(extack, "a limit is 40 KiB/s at least and 16 GiB/s at most");
	if (settings->mode == DT_MODE_DELAY && !settings->delay_us)
		return refuse(extack, "the delay is missing");
	if (settings->delay_us > DIRTYTHROTTLE_DELAY_MAX_US)
		return refuse(extack, "a delay is 50 ms at most");
	if (!settings->share || settings->share > DIRTYTHROTTLE_SHARE_MAX)
		return refuse(extack, "a share is 1 to 100 percent");
	return dt_settings_check_timeout(settings->timeout_ms, extack);
}

/**
 * dt_settings_is_silent() - has the controller been silent for too long?
 * @timeout_ms: for how long it may be, 0 = for ever
 * @beat_ns: when it was heard last, CLOCK_MONOTONIC
 *
 * Context: any.
 * Return: true if so.
 */
bool dt_settings_is_silent(u32 timeout_ms, u64 beat_ns)
{
	return timeout_ms && ktime_get_ns() - beat_ns > (u64)timeout_ms * NSEC_PER_MSEC;
}

/**
 * dt_settings_limit() - which limit is in force?
 * @settings: settings
 * @engaged: in mode auto, the guest has been faster than the transfer
 * @last: the one that has been until now; it stays while the transfer rate is unknown
 *
 * Return: bytes per second, 0 = none.
 */
u64 dt_settings_limit(const struct dt_settings *settings, bool engaged, u64 last)
{
	u64 share;

	if (settings->mode == DT_MODE_LIMIT)
		return settings->limit;
	if (settings->mode != DT_MODE_AUTO || !engaged)
		return 0;
	if (!settings->transfer_rate)
		return last;
	/* What is beyond the largest limit is so before it is multiplied. */
	share = div_u64(min_t(u64, settings->transfer_rate, 100 * DIRTYTHROTTLE_LIMIT_MAX) *
			settings->share, 100);
	return clamp_t(u64, share, DIRTYTHROTTLE_LIMIT_MIN, DIRTYTHROTTLE_LIMIT_MAX);
}

/**
 * dt_settings_engage() - is it time for the limit of mode auto?
 * @settings: settings
 * @rate: bytes that the guest dirties per second
 *
 * Return: true if it dirties faster than is transferred.
 */
bool dt_settings_engage(const struct dt_settings *settings, u64 rate)
{
	return settings->mode == DT_MODE_AUTO && settings->transfer_rate &&
	       rate > settings->transfer_rate;
}
