// SPDX-License-Identifier: GPL-2.0
/*
 * throttle msi --limit: holds the bandwidth of a device at a target. A file
 * counts its bytes; the delay of its interrupts is changed until they fit. It
 * runs until it is interrupted; then the device is as it was. If it dies, the kernel's watchdog
 * ends the delay.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "throttle/throttle.h"

#define PERIOD_MS 500
/* The first delay, and the one below which there is none. */
#define DELAY_MIN_US 20
/* A step changes the delay by no more than this factor. */
#define STEP_MAX 2.0
/* Closer than this is good enough. */
#define TOLERANCE 0.03
#define SECTOR 512

struct hold {
	const char *address;
	const char *counter;
	uint64_t limit; /* bytes per second */
	uint64_t bytes; /* counted so far */
	uint64_t since_ns;
	uint64_t rate; /* bytes per second in the last period */
	uint32_t delay_us;
	bool helpless; /* the longest delay is not enough, which was said */
};

/* Sectors read and written, see the kernel's Documentation/block/stat.rst. */
static int parse_block_stat(const char *text, uint64_t *bytes)
{
	uint64_t sectors_read, sectors_written;

	if (sscanf(text, "%*u %*u %" SCNu64 " %*u %*u %*u %" SCNu64, &sectors_read,
		   &sectors_written) != 2)
		return -EINVAL;
	*bytes = (sectors_read + sectors_written) * SECTOR;
	return 0;
}

/* One number is bytes; more are a block device's stat. */
static int count(const struct hold *hold, uint64_t *bytes)
{
	char text[512];
	int ret = read_text(hold->counter, text, sizeof(text));

	if (ret < 0) {
		err("%s: %s", hold->counter, strerror(-ret));
		return EXIT_FAILED;
	}
	text[strcspn(text, "\n")] = '\0';
	if (!parse_uint(text + strspn(text, " "), UINT64_MAX, bytes) ||
	    !parse_block_stat(text, bytes))
		return EXIT_OK;
	err("%s: neither a number of bytes nor the stat file of a block device", hold->counter);
	return EXIT_FAILED;
}

/* Bandwidth falls with the delay, roughly as 1/delay. */
static uint32_t next_delay(const struct hold *hold)
{
	double ratio = (double)hold->rate / hold->limit, delay_us;

	if (fabs(ratio - 1) < TOLERANCE)
		return hold->delay_us;
	if (!hold->delay_us)
		return ratio > 1 ? DELAY_MIN_US : 0;
	delay_us = hold->delay_us * fmin(fmax(ratio, 1 / STEP_MAX), STEP_MAX);
	if (delay_us < DELAY_MIN_US)
		return 0;
	return fmin(delay_us, DIRTYTHROTTLE_DELAY_MAX_US);
}

static int put_delay(const struct hold *hold, bool force, uint32_t watchdog_ms)
{
	struct nlmsghdr *nlh = throttle_msi_request(DT_CMD_MSI_SET, hold->address);
	int ret;

	mnl_attr_put_u32(nlh, DT_A_DELAY_US, hold->delay_us);
	mnl_attr_put_u32(nlh, DT_A_TIMEOUT_MS, watchdog_ms);
	mnl_attr_put_u32(nlh, DT_A_FORCE, force);
	ret = nl_send(nlh, NULL, NULL);
	return ret ? nl_fail(hold->address, ret) : EXIT_OK;
}

static int measure(struct hold *hold)
{
	uint64_t bytes, now = now_ns(CLOCK_MONOTONIC);
	int ret = count(hold, &bytes);

	if (ret)
		return ret;
	/* A counter that begins anew tells nothing. */
	if (hold->since_ns && bytes >= hold->bytes)
		hold->rate = (bytes - hold->bytes) * 1e9 / (now - hold->since_ns);
	hold->bytes = bytes;
	hold->since_ns = now;
	return EXIT_OK;
}

static void show_progress(struct hold *hold)
{
	bool helpless = hold->delay_us == DIRTYTHROTTLE_DELAY_MAX_US &&
			hold->rate > hold->limit * (1 + TOLERANCE);

	if (helpless && !hold->helpless)
		err("%s: the longest delay is not enough; see its state", hold->address);
	hold->helpless = helpless;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%.1f MiB/s, delay %" PRIu32 " us", hold->rate / 1048576.0,
			hold->delay_us);
}

static int run(struct hold *hold, bool force, uint32_t watchdog_ms)
{
	int ret = measure(hold);

	if (!ret)
		ret = put_delay(hold, force, watchdog_ms);
	while (!ret && !interrupted()) {
		sleep_ms(PERIOD_MS);
		ret = measure(hold);
		if (ret)
			break;
		hold->delay_us = next_delay(hold);
		ret = put_delay(hold, force, watchdog_ms);
		show_progress(hold);
	}
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	return ret;
}

/* Another's delay or rate is in force again. A device that is gone needs it no more. */
static void put_back(const char *address, struct json_object *before)
{
	static const struct {
		const char *name;
		uint16_t type;
	} settings[] = {
		{ "delay_us", DT_A_DELAY_US },
		{ "rate", DT_A_RATE },
		{ "timeout_ms", DT_A_TIMEOUT_MS },
		{ "force", DT_A_FORCE },
	};
	struct nlmsghdr *nlh =
		throttle_msi_request(before ? DT_CMD_MSI_SET : DT_CMD_MSI_OFF, address);
	size_t i;

	for (i = 0; before && i < ARRAY_SIZE(settings); i++)
		mnl_attr_put_u32(nlh, settings[i].type, json_number(before, settings[i].name));
	nl_send(nlh, NULL, NULL);
}

/*
 * Holds the device at @limit bytes per second until a signal comes; *counter is
 * a file in which its bytes are counted.
 */
int throttle_hold(const char *address, uint64_t limit, const char *counter, bool force,
		  uint32_t watchdog_ms)
{
	struct hold hold = { .address = address, .counter = counter, .limit = limit };
	struct json_object *before = NULL;
	int ret;

	interrupt_catch(0);
	ret = throttle_msi_get(address, &before);
	if (ret && ret != -ENOENT)
		return nl_fail(address, ret);
	ret = run(&hold, force, watchdog_ms);
	put_back(address, before);
	json_object_put(before);
	return ret;
}
