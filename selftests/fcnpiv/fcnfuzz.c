// SPDX-License-Identifier: GPL-2.0
/*
 * Nonsense for the netlink family fcnpiv.
 *
 *	fcnfuzz COUNT SEED
 *
 * Two thirds of the messages are plausible commands about a few identities, whose
 * adapter is not there; half of all are then mutated. The module has to go on
 * answering, and some of the messages have to be accepted, or the fuzzer would not
 * reach anything.
 */
#include "../../include/uapi/lparkit/fcnpiv.h"
#include "../lpar/fuzz.h"

#define LPARS 4
#define NAME 0x2001000000000000ULL
#define ADAPTER 0x21000024ff000001ULL

static uint64_t random_name(uint32_t lpar, uint32_t port)
{
	static const uint64_t odd[] = { 0, ~0ULL, ADAPTER, NAME + 1 };

	return one_in(16) ? odd[below(4)] : NAME + 2 * lpar + port;
}

static void put_deadline(struct nlmsghdr *message, uint16_t type)
{
	if (one_in(3))
		mnl_attr_put_u32(message, type,
				 one_in(8) ? random_u32() : FCNPIV_DEADLINE_MIN_MS + below(900));
}

static void put_lun(struct nlmsghdr *message)
{
	struct nlattr *nest = mnl_attr_nest_start(message, FCN_A_LUN);
	char id[FCNPIV_LUN_ID_MAX + 8];

	snprintf(id, sizeof(id), "naa.6001%04x%*s", below(16), (int)below(90), "");
	if (!one_in(16))
		mnl_attr_put_strz(message, FCN_A_LUN_ID, id);
	if (!one_in(16))
		mnl_attr_put_u64(message, FCN_A_LUN_SECTORS, random_u32());
	if (!one_in(16))
		mnl_attr_put_u32(message, FCN_A_LUN_BLOCK_SIZE, 512);
	mnl_attr_nest_end(message, nest);
}

static void put_settings(struct nlmsghdr *message)
{
	unsigned int luns = one_in(64) ? FCNPIV_PATHS_MAX + 1 : below(4);

	put_deadline(message, FCN_A_LOGIN_MS);
	put_deadline(message, FCN_A_STORAGE_MS);
	put_deadline(message, FCN_A_MOVE_MS);
	put_deadline(message, FCN_A_LOGOUT_MS);
	put_deadline(message, FCN_A_GRACE_MS);
	while (luns--)
		put_lun(message);
}

static void put_names(struct nlmsghdr *message, uint32_t lpar)
{
	mnl_attr_put_u64(message, FCN_A_WWNN, NAME);
	mnl_attr_put_u64(message, FCN_A_WWPN_ORIGINAL, random_name(lpar, 1));
	mnl_attr_put_u64(message, FCN_A_WWPN_MAINTENANCE, random_name(lpar, 2));
	mnl_attr_put_u64(message, FCN_A_PARENT, ADAPTER);
}

static void put_token(struct nlmsghdr *message, uint16_t type, uint32_t lpar)
{
	uint8_t token[FCNPIV_TOKEN_SIZE];

	for (unsigned int i = 0; i < sizeof(token); i++)
		token[i] = i < 8 ? random_name(lpar, 1) >> (56 - 8 * i) : random_u32();
	mnl_attr_put(message, type, sizeof(token), token);
}

static void put_plausible(struct nlmsghdr *message, uint8_t cmd)
{
	uint32_t lpar = below(LPARS);
	char name[16];

	snprintf(name, sizeof(name), "fuzz%u", lpar);
	mnl_attr_put_strz(message, FCN_A_LPAR, name);
	switch (cmd) {
	case FCN_CMD_DEFINE:
		put_names(message, lpar);
		put_settings(message);
		break;
	case FCN_CMD_SET:
		if (one_in(3))
			mnl_attr_put_u64(message, FCN_A_PARENT, random_name(lpar, 3));
		put_settings(message);
		break;
	case FCN_CMD_START:
		mnl_attr_put_u32(message, FCN_A_OPERATION,
				 mostly_below(FCN_OPERATION_DESTINATION + 1));
		if (one_in(2))
			mnl_attr_put_u32(message, FCN_A_PORT, mostly_below(2));
		if (one_in(3))
			put_token(message, FCN_A_TOKEN, lpar);
		if (one_in(2))
			mnl_attr_put_u32(message, FCN_A_FORCE, mostly_below(2));
		put_settings(message);
		break;
	case FCN_CMD_REVOKE:
		put_token(message, FCN_A_TOKEN, lpar);
		put_token(message, FCN_A_USED, lpar);
		break;
	case FCN_CMD_CONFIRM:
		mnl_attr_put_u32(message, FCN_A_CONFIRM, mostly_below(FCN_CONFIRM_RETURNED + 1));
		if (one_in(3))
			put_token(message, FCN_A_RECEIPT, lpar);
		break;
	}
}

static void send_message(void)
{
	send_nonsense(FCN_CMD_MAX, FCN_A_MAX, put_plausible);
}

static int ask(void)
{
	lparnl_start(&nl, nl.family, FCN_CMD_GET, 0);
	mnl_attr_put_strz(lparnl_message(&nl), FCN_A_LPAR, "nobody");
	return lparnl_call(&nl, NULL, NULL);
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 3 ? strtoul(argv[1], NULL, 0) : 0;

	if (!count) {
		fputs("usage: fcnfuzz COUNT SEED\n", stderr);
		return 2;
	}
	start_fuzzing(FCN_FAMILY_NAME, strtoul(argv[2], NULL, 0));
	fuzz(count, send_message, ask);
	return accepted > count / 100 && refused ? 0 : 1;
}
