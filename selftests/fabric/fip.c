// SPDX-License-Identifier: GPL-2.0
/*
 * FIP, the FCoE Initialization Protocol (FC-BB-5): hosts find the switch, log
 * their ports in and out, and are told when a port is thrown out.
 */
#include <inttypes.h>
#include <string.h>

#include "fabric.h"

const uint64_t switch_name = 0x100002fcfc000001;
const uint64_t fabric_name = 0x200102fcfc000001;
static const uint64_t fport_name = 0x200202fcfc000001; /* of the first link */

#define FC_MAP 0x0efc00
#define FIP_HEADER 24 /* with Ethernet's */

/* Operations, and their sub codes. */
#define OP_DISCOVERY 1
#define OP_LINK_SERVICE 2
#define OP_CONTROL 3
#define SUB_SOLICITATION 1
#define SUB_ADVERTISEMENT 2
#define SUB_REQUEST 1
#define SUB_REPLY 2
#define SUB_KEEP_ALIVE 1
#define SUB_CLEAR 2

#define FLAGS_MULTICAST 0x8005 /* FPMA, available, F_Port */
#define FLAGS_SOLICITED 0x8007 /* and solicited */
#define FLAGS_FPMA 0x8000

/* Descriptors, with their lengths in words of 4 bytes. */
#define DESC_PRIORITY 1
#define DESC_MAC 2
#define DESC_NAME 4
#define DESC_FABRIC 5
#define DESC_FLOGI 7
#define DESC_FDISC 8
#define DESC_LOGO 9
#define DESC_VN_PORT 11
#define DESC_KEEP_ALIVE 12

/* Where things are in FLOGI and FDISC, behind the FC header. */
#define LOGIN_WWPN 20
#define LOGIN_WWNN 28

static const uint8_t all_enodes[MAC_LEN] = { 0x01, 0x10, 0x18, 0x01, 0x00, 0x01 };

/* A frame without its descriptors. */
static void begin(struct bytes *frame, const struct link *link, const uint8_t *to, uint16_t op,
		  uint8_t sub, uint16_t flags)
{
	frame->len = 0;
	put_bytes(frame, to, MAC_LEN);
	put_bytes(frame, link->mac, MAC_LEN);
	put_be(frame, ETH_FIP, 2);
	put_be(frame, 0x1000, 2); /* version 1 */
	put_be(frame, op, 2);
	put_be(frame, sub, 2);
	put_be(frame, 0, 2); /* length of the descriptors: see finish() */
	put_be(frame, flags, 2);
}

static void put_mac(struct bytes *frame, const uint8_t *mac)
{
	put_be(frame, DESC_MAC << 8 | 2, 2);
	put_bytes(frame, mac, MAC_LEN);
}

static void put_name(struct bytes *frame, uint64_t name)
{
	put_be(frame, DESC_NAME << 24 | 3 << 16, 4);
	put_be(frame, name, 8);
}

static void finish(struct fabric *fabric, struct link *link, struct bytes *frame)
{
	uint16_t words = (frame->len - FIP_HEADER) / 4;

	frame->data[20] = words >> 8;
	frame->data[21] = words;
	if (frame->len < ETH_MIN)
		put_zeroes(frame, ETH_MIN - frame->len);
	fabric_send(fabric, link, frame);
}

/* To one host that asked, or, with NULL, to all. */
void fip_advertise(struct fabric *fabric, struct link *link, const uint8_t *to)
{
	struct bytes frame;

	begin(&frame, link, to ? to : all_enodes, OP_DISCOVERY, SUB_ADVERTISEMENT,
	      to ? FLAGS_SOLICITED : FLAGS_MULTICAST);
	put_be(&frame, DESC_PRIORITY << 24 | 1 << 16 | 0x0080, 4);
	put_mac(&frame, link->mac);
	put_name(&frame, switch_name);
	put_be(&frame, DESC_FABRIC << 24 | 4 << 16, 4); /* virtual fabric 0 */
	put_be(&frame, FC_MAP, 4);
	put_be(&frame, fabric_name, 8);
	put_be(&frame, DESC_KEEP_ALIVE << 24 | 2 << 16, 4);
	put_be(&frame, fabric->period_ms, 4);
	finish(fabric, link, &frame);
}

/* The answer to a login: a descriptor with an ELS in it, and the MAC that is granted. */
static void reply(struct fabric *fabric, const struct login *login, const struct nport *nport,
		  const struct bytes *els)
{
	uint8_t type = login->is_virtual ? DESC_FDISC : DESC_FLOGI;
	uint8_t mac[MAC_LEN];
	struct bytes frame;

	begin(&frame, login->link, login->enode, OP_LINK_SERVICE, SUB_REPLY, FLAGS_FPMA);
	put_be(&frame, type, 1);
	put_be(&frame, (4 + FC_HEADER + els->len) / 4, 1);
	put_be(&frame, 0, 2);
	put_fc_header(&frame, R_CTL_ELS_REPLY, nport ? nport->id : 0, FABRIC_ID, TYPE_ELS,
		      F_CTL_REPLY, login->ox_id, 1);
	put_bytes(&frame, els->data, els->len);
	if (nport) {
		nport_mac(mac, nport->id);
		put_mac(&frame, mac);
	}
	finish(fabric, login->link, &frame);
}

static void refuse(struct fabric *fabric, const struct login *login, uint8_t reason,
		   uint8_t explanation, const char *why)
{
	struct bytes els = { .len = 0 };

	note(fabric, "%s: rejected %016" PRIx64 ": %02x/%02x, %s", login->link->name, login->wwpn,
	     reason, explanation, why);
	put_reject(&els, reason, explanation);
	reply(fabric, login, NULL, &els);
}

static const struct reject *find_reject(const struct fabric *fabric, uint64_t wwpn)
{
	unsigned int i;

	for (i = 0; i < fabric->n_rejects; i++)
		if (fabric->reject[i].wwpn == wwpn)
			return &fabric->reject[i];
	return NULL;
}

static bool is_held(const struct fabric *fabric, uint64_t wwpn)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fabric->held); i++)
		if (fabric->held[i].wwpn == wwpn && fabric->held[i].until_ms > fabric->now_ms)
			return true;
	return false;
}

/* The adapter itself, at whose link a virtual port logs in. */
static bool has_adapter(const struct fabric *fabric, const struct login *login)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fabric->nport); i++) {
		const struct nport *nport = &fabric->nport[i];

		if (nport->used && !nport->is_virtual && nport->link == login->link &&
		    !memcmp(nport->enode, login->enode, MAC_LEN))
			return true;
	}
	return false;
}

/* The name is logged in elsewhere. False: the second one is not let in. */
static bool settle_clash(struct fabric *fabric, const struct login *login, struct nport *first)
{
	fabric->clashes++;
	note(fabric, "CLASH: %016" PRIx64 " at %s and %s", login->wwpn, first->link->name,
	     login->link->name);
	if (!fabric->knobs.second_wins)
		return false;
	fip_clear(fabric, first);
	nport_leave(fabric, first, "thrown out by a second login");
	return true;
}

/* What has logged in before under this name, or at this adapter, is over. */
static bool clear_the_way(struct fabric *fabric, const struct login *login)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fabric->nport); i++) {
		struct nport *nport = &fabric->nport[i];

		if (!nport->used)
			continue;
		if (nport->wwpn == login->wwpn && nport->link != login->link) {
			if (!settle_clash(fabric, login, nport))
				return false;
		} else if (nport->wwpn == login->wwpn) {
			nport_leave(fabric, nport, "it logs in again");
		} else if (!login->is_virtual && nport->link == login->link &&
			   !memcmp(nport->enode, login->enode, MAC_LEN)) {
			nport_leave(fabric, nport, "its adapter logs in again");
		}
	}
	return true;
}

static void grant(struct fabric *fabric, const struct login *login)
{
	uint16_t features = 0x1000 | (fabric->knobs.no_npiv ? 0 : 0x2000);
	struct nport *nport = nport_add(fabric, login);
	struct bytes els = { .len = 0 };

	if (!nport) {
		refuse(fabric, login, RJT_UNABLE, EXPL_RESOURCES, "no room");
		return;
	}
	note(fabric, "%s: granted %06x to %016" PRIx64, login->link->name, nport->id, nport->wwpn);
	put_login(&els, features, fabric->r_a_tov_ms, fabric->e_d_tov_ms,
		  fport_name + (login->link - fabric->link), fabric_name);
	reply(fabric, login, nport, &els);
}

/* A login that is due. */
void fip_answer(struct fabric *fabric, struct login *login)
{
	const struct reject *reject = find_reject(fabric, login->wwpn);

	if (!login->link->up)
		return;
	if (reject)
		refuse(fabric, login, reject->reason, reject->explanation, "as told");
	else if (login->is_virtual && fabric->knobs.no_resources)
		refuse(fabric, login, RJT_UNABLE, EXPL_RESOURCES, "no resources");
	else if (is_held(fabric, login->wwpn))
		refuse(fabric, login, RJT_DUPLICATE, EXPL_DUPLICATE, "held after its logout");
	else if (login->is_virtual && !has_adapter(fabric, login))
		refuse(fabric, login, RJT_LOGICAL, 0, "its adapter is not logged in");
	else if (!clear_the_way(fabric, login))
		refuse(fabric, login, RJT_DUPLICATE, EXPL_DUPLICATE, "logged in elsewhere");
	else
		grant(fabric, login);
}

/* A host that asks again is answered when the first request would have been. */
static struct login *find_login(struct fabric *fabric, const struct link *link, uint64_t wwpn)
{
	struct login *empty = NULL, *login;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fabric->login); i++) {
		login = &fabric->login[i];
		if (login->used && login->link == link && login->wwpn == wwpn)
			return login;
		if (!login->used && !empty)
			empty = login;
	}
	return empty;
}

static void login_in(struct fabric *fabric, struct link *link, const uint8_t *from, bool is_virtual,
		     const uint8_t *fc, size_t len)
{
	uint64_t delay = is_virtual ? fabric->knobs.fdisc_delay_ms : fabric->knobs.flogi_delay_ms;
	const uint8_t *els = fc + FC_HEADER;
	struct login *login;
	uint64_t wwpn;

	if (len < FC_HEADER + LOGIN_LEN)
		return;
	wwpn = get_be64(els + LOGIN_WWPN);
	login = find_login(fabric, link, wwpn);
	if (!login)
		return;
	note(fabric, "%s: %s of %016" PRIx64, link->name, is_virtual ? "FDISC" : "FLOGI", wwpn);
	if (!login->used)
		login->due_ms = fabric->now_ms + delay;
	login->used = true;
	login->link = link;
	memcpy(login->enode, from, MAC_LEN);
	login->is_virtual = is_virtual;
	login->wwpn = wwpn;
	login->wwnn = get_be64(els + LOGIN_WWNN);
	login->ox_id = get_be(fc + 16, 2);
	if (!delay)
		fabric_run(fabric, fabric->now_ms);
}

/* One that never logged in leaves as 000000. */
static void logout_in(struct fabric *fabric, struct link *link, const uint8_t *from,
		      const uint8_t *fc, size_t len)
{
	struct nport *nport;
	struct bytes frame;
	uint8_t mac[MAC_LEN];
	uint32_t id;

	if (len < FC_HEADER)
		return;
	id = get_be(fc + 5, 3);
	nport = nport_find(fabric, id);
	if (fabric->knobs.lost_logos) {
		fabric->knobs.lost_logos--;
		note(fabric, "%s: LOGO of %06x lost", link->name, id);
		return;
	}
	begin(&frame, link, from, OP_LINK_SERVICE, SUB_REPLY, FLAGS_FPMA);
	put_be(&frame, DESC_LOGO << 24 | ((4 + FC_HEADER + 4) / 4) << 16, 4);
	put_fc_header(&frame, R_CTL_ELS_REPLY, id, FABRIC_ID, TYPE_ELS, F_CTL_REPLY,
		      get_be(fc + 16, 2), 1);
	put_accept(&frame);
	nport_mac(mac, id);
	put_mac(&frame, mac);
	finish(fabric, link, &frame);
	if (nport && nport->link == link)
		nport_leave(fabric, nport, "LOGO");
}

/* The first descriptor has the ELS; @len is what it claims, and what is there. */
static void link_service_in(struct fabric *fabric, struct link *link, const uint8_t *from,
			    const uint8_t *desc, size_t len)
{
	switch (desc[0]) {
	case DESC_FLOGI:
	case DESC_FDISC:
		login_in(fabric, link, from, desc[0] == DESC_FDISC, desc + 4, len - 4);
		break;
	case DESC_LOGO:
		logout_in(fabric, link, from, desc + 4, len - 4);
		break;
	}
}

void fip_input(struct fabric *fabric, struct link *link, const uint8_t *frame, size_t len)
{
	const uint8_t *from = frame + MAC_LEN, *desc = frame + FIP_HEADER;
	size_t room, desc_len;
	uint16_t op;

	if (len < FIP_HEADER + 4 || frame[14] >> 4 != 1 || !memcmp(from, link->mac, MAC_LEN))
		return;
	op = get_be(frame + 16, 2);
	room = get_be(frame + 20, 2) * 4;
	desc_len = desc[1] * 4;
	if (room > len - FIP_HEADER || desc_len > room || desc_len < 4)
		return;
	if (op == OP_DISCOVERY && frame[19] == SUB_SOLICITATION)
		fip_advertise(fabric, link, from);
	else if (op == OP_LINK_SERVICE && frame[19] == SUB_REQUEST)
		link_service_in(fabric, link, from, desc, desc_len);
	/* Keep-alives need no answer: a test that wants a port gone says so. */
}

/* The fabric throws a port out. */
void fip_clear(struct fabric *fabric, const struct nport *nport)
{
	uint8_t mac[MAC_LEN];
	struct bytes frame;

	note(fabric, "%s: clears the virtual link of %06x", nport->link->name, nport->id);
	begin(&frame, nport->link, nport->enode, OP_CONTROL, SUB_CLEAR, FLAGS_FPMA);
	put_mac(&frame, nport->link->mac);
	put_name(&frame, switch_name);
	put_be(&frame, DESC_VN_PORT << 8 | 5, 2);
	nport_mac(mac, nport->id);
	put_bytes(&frame, mac, MAC_LEN);
	put_be(&frame, nport->id, 4);
	put_be(&frame, nport->wwpn, 8);
	finish(fabric, nport->link, &frame);
}
