// SPDX-License-Identifier: GPL-2.0
/*
 * The meter: rates from a count that only grows. The last ten seconds of it
 * are kept, one sample for each tick. All functions are pure.
 */
#include <linux/math64.h>
#include "dirtythrottle.h"

/**
 * dt_meter_start() - nothing was counted before now
 * @meter: to be filled
 * @now_ns: the time
 */
void dt_meter_start(struct dt_meter *meter, u64 now_ns)
{
	meter->nr = 1;
	meter->samples[0] = (struct dt_sample){ .time_ns = now_ns };
}

/**
 * dt_meter_add() - a tick
 * @meter: meter
 * @count: so far
 * @now_ns: the time
 */
void dt_meter_add(struct dt_meter *meter, u64 count, u64 now_ns)
{
	meter->samples[meter->nr++ % DT_METER_SAMPLES] =
		(struct dt_sample){ .time_ns = now_ns, .count = count };
}

/**
 * dt_meter_rate() - per second, over about so many seconds
 * @meter: meter
 * @count: now
 * @now_ns: the time
 * @seconds: 1 to 10; over less when there is less
 *
 * Return: count per second.
 */
u64 dt_meter_rate(const struct dt_meter *meter, u64 count, u64 now_ns, unsigned int seconds)
{
	u64 since_ns = now_ns - min_t(u64, now_ns, (u64)seconds * NSEC_PER_SEC);
	const struct dt_sample *sample;
	unsigned int back = 0, kept = min_t(unsigned int, meter->nr, DT_METER_SAMPLES);

	do {
		sample = &meter->samples[(meter->nr - ++back) % DT_METER_SAMPLES];
	} while (back < kept && sample->time_ns > since_ns);
	if (now_ns <= sample->time_ns)
		return 0;
	return div64_u64((count - sample->count) * NSEC_PER_SEC, now_ns - sample->time_ns);
}
