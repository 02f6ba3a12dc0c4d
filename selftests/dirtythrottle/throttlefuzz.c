// SPDX-License-Identifier: GPL-2.0
/*
 * Nonsense for the netlink family dirtythrottle.
 *
 *	throttlefuzz COUNT SEED PID
 *
 * Half of the messages are plausible commands about the process, which runs a
 * guest, and most are then mutated. The module has to go on answering, and some
 * of the messages have to be accepted, or the fuzzer would not reach anything.
 */
#include "../../include/uapi/lparkit/dirtythrottle.h"
#include "../lpar/fuzz.h"

static uint32_t pid;

static uint64_t random_rate(void)
{
	static const uint64_t rates[] = {
		0,
		1,
		DIRTYTHROTTLE_LIMIT_MIN,
		1 << 20,
		100 << 20,
		DIRTYTHROTTLE_LIMIT_MAX,
		DIRTYTHROTTLE_LIMIT_MAX + 1,
		1ULL << 63,
		~0ULL,
	};

	return rates[below(sizeof(rates) / sizeof(rates[0]))];
}

/* Mostly our guest; never a process of the harness. */
static void put_plausible(struct nlmsghdr *message)
{
	mnl_attr_put_u32(message, DT_A_PID, one_in(8) ? ~below(100) : pid);
	if (one_in(2))
		mnl_attr_put_u32(message, DT_A_MODE, below(5));
	if (one_in(2))
		mnl_attr_put_u64(message, DT_A_LIMIT, random_rate());
	if (one_in(3))
		mnl_attr_put_u32(message, DT_A_DELAY_US, one_in(2) ? below(1000) : random_u32());
	if (one_in(3))
		mnl_attr_put_u32(message, DT_A_SHARE, below(110));
	if (one_in(3))
		mnl_attr_put_u64(message, DT_A_TRANSFER_RATE, random_rate());
	if (one_in(3))
		mnl_attr_put_u32(message, DT_A_TIMEOUT_MS, one_in(2) ? 500 : random_u32());
}

/* A device without a driver: nobody's interrupts wait because of us. */
static void put_plausible_msi(struct nlmsghdr *message)
{
	mnl_attr_put_strz(message, DT_A_ADDRESS, one_in(8) ? "0000:ff:1f.7" : "0000:00:00.0");
	if (one_in(2))
		mnl_attr_put_u32(message, DT_A_DELAY_US, one_in(2) ? below(50000) : random_u32());
	if (one_in(3))
		mnl_attr_put_u32(message, DT_A_RATE, one_in(2) ? below(1000) : random_u32());
	if (one_in(2))
		mnl_attr_put_u32(message, DT_A_FORCE, below(3));
	if (one_in(3))
		mnl_attr_put_u32(message, DT_A_TIMEOUT_MS, one_in(2) ? 500 : random_u32());
}

static void send_message(void)
{
	uint8_t cmd = one_in(16) ? random_u32() : below(DT_CMD_MAX + 2);

	lparnl_start(&nl, nl.family, cmd, one_in(8) ? NLM_F_DUMP : 0);
	if (one_in(3))
		put_random_attrs(lparnl_message(&nl), DT_A_MAX);
	else if (one_in(3))
		put_plausible_msi(lparnl_message(&nl));
	else
		put_plausible(lparnl_message(&nl));
	if (one_in(2))
		mutate_bytes(lparnl_message(&nl));
	lparnl_send(&nl);
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
