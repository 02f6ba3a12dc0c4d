// SPDX-License-Identifier: GPL-2.0
/*
 * Nonsense for the netlink family dirtythrottle.
 *
 *	throttlefuzz COUNT SEED PID
 *
 * Two thirds of the messages are plausible commands about the process, which runs
 * a guest; half of all are then mutated. The module has to go on answering, and some
 * of the messages have to be accepted, or the fuzzer would not reach anything.
 */
#include "../../include/uapi/lparkit/dirtythrottle.h"
#include "../lpar/fuzz.h"

static uint32_t pid;

/* What may be meant, mostly; else what lies at or behind the bounds. */
static uint64_t random_rate(void)
{
	static const uint64_t odd[] = {
		0, 1, DIRTYTHROTTLE_LIMIT_MIN - 1, DIRTYTHROTTLE_LIMIT_MAX + 1, 1ULL << 63, ~0ULL,
	};
	static const uint64_t rates[] = {
		DIRTYTHROTTLE_LIMIT_MIN,
		1 << 20,
		100 << 20,
		DIRTYTHROTTLE_LIMIT_MAX,
	};

	return one_in(8) ? odd[below(sizeof(odd) / sizeof(odd[0]))]
			 : rates[below(sizeof(rates) / sizeof(rates[0]))];
}

static void put_timeout(struct nlmsghdr *message)
{
	mnl_attr_put_u32(message, DT_A_TIMEOUT_MS,
			 one_in(8) ? random_u32() : DIRTYTHROTTLE_TIMEOUT_MIN_MS);
}

static void put_settings(struct nlmsghdr *message)
{
	if (one_in(2))
		mnl_attr_put_u32(message, DT_A_MODE, mostly_below(DT_MODE_AUTO + 1));
	if (one_in(2))
		mnl_attr_put_u64(message, DT_A_LIMIT, random_rate());
	if (one_in(3))
		mnl_attr_put_u32(message, DT_A_DELAY_US, mostly_below(1000));
	if (one_in(3))
		mnl_attr_put_u32(message, DT_A_SHARE, mostly_below(DIRTYTHROTTLE_SHARE_MAX + 2));
	if (one_in(3))
		mnl_attr_put_u64(message, DT_A_TRANSFER_RATE, random_rate());
	if (one_in(3))
		put_timeout(message);
}

/* A device without a driver: nobody's interrupts wait because of us. */
static void put_device(struct nlmsghdr *message, uint8_t cmd)
{
	mnl_attr_put_strz(message, DT_A_ADDRESS, one_in(8) ? "0000:ff:1f.7" : "0000:00:00.0");
	if (cmd != DT_CMD_MSI_SET)
		return;
	if (one_in(2))
		mnl_attr_put_u32(message, DT_A_DELAY_US, mostly_below(DIRTYTHROTTLE_DELAY_MAX_US));
	if (one_in(3))
		mnl_attr_put_u32(message, DT_A_RATE, mostly_below(1000));
	if (one_in(2))
		mnl_attr_put_u32(message, DT_A_FORCE, mostly_below(2));
	if (one_in(3))
		put_timeout(message);
}

static void put_plausible(struct nlmsghdr *message, uint8_t cmd)
{
	if (cmd >= DT_CMD_MSI_GET) {
		put_device(message, cmd);
		return;
	}
	/* Mostly our guest; never a process of the harness. */
	mnl_attr_put_u32(message, DT_A_PID, one_in(8) ? ~below(100) : pid);
	if (cmd == DT_CMD_ATTACH || cmd == DT_CMD_SET)
		put_settings(message);
}

static void send_message(void)
{
	send_nonsense(DT_CMD_MAX, DT_A_MAX, put_plausible);
}

static int ask(void)
{
	lparnl_start(&nl, nl.family, DT_CMD_GET, 0);
	mnl_attr_put_u32(lparnl_message(&nl), DT_A_PID, UINT32_MAX);
	return lparnl_call(&nl, NULL, NULL);
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 4 ? strtoul(argv[1], NULL, 0) : 0;

	if (!count) {
		fputs("usage: throttlefuzz COUNT SEED PID\n", stderr);
		return 2;
	}
	pid = strtoul(argv[3], NULL, 0);
	start_fuzzing(DT_FAMILY_NAME, strtoul(argv[2], NULL, 0));
	fuzz(count, send_message, ask);
	return accepted > count / 100 && refused ? 0 : 1;
}
