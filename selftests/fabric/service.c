// SPDX-License-Identifier: GPL-2.0
/*
 * What the fabric itself answers: the directory (FC-GS), registrations for state
 * changes, and the notices of these.
 */
#include <string.h>

#include "fabric.h"

#define CT_HEADER 16

enum ct_command {
	CT_GPN_ID = 0x0112,
	CT_GNN_ID = 0x0113,
	CT_GID_PN = 0x0121,
	CT_GPN_FT = 0x0172,
	CT_RNN_ID = 0x0213,
	CT_RFT_ID = 0x0217,
	CT_RSPN_ID = 0x0218,
	CT_RFF_ID = 0x021f,
	CT_RSNN_NN = 0x0239,
	CT_DA_ID = 0x0300,
	CT_REJECT = 0x8001,
	CT_ACCEPT = 0x8002,
};

/* Reasons and explanations of a rejection by the directory. */
#define CT_UNABLE 0x09
#define CT_UNSUPPORTED 0x0b
#define CT_NO_PORT_ID 0x01
#define CT_NO_PORT_NAME 0x02
#define CT_NO_TYPE 0x07

static void tell(struct fabric *fabric, const struct nport *to, const struct nport *about)
{
	struct bytes rscn = { .len = 0 };

	note(fabric, "RSCN about %06x to %06x", about->id, to->id);
	put_be(&rscn, (uint32_t)ELS_RSCN << 24 | 4 << 16 | 8, 4);
	put_be(&rscn, about->id, 4);
	fabric->exchange = 0x100 | (fabric->exchange + 1) % 0x1000;
	fc_send(fabric, to, CONTROLLER_ID, R_CTL_ELS_REQUEST, TYPE_ELS, F_CTL_REQUEST,
		fabric->exchange, 0xffff, &rscn, 0);
}

/* A port has come or gone: those in its zones who want to know are told. */
void service_change(struct fabric *fabric, const struct nport *about)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fabric->nport); i++) {
		struct nport *to = &fabric->nport[i];

		if (!to->used || !to->wants_changes || to == about ||
		    !zone_allows(fabric, to, about))
			continue;
		if (!fabric->knobs.unkind && has_unfinished(about, to->id))
			note(fabric, "%06x is not told about %06x: unfinished writes", to->id,
			     about->id);
		else
			tell(fabric, to, about);
	}
}

/* Everything may have changed: zones have. */
void service_changes(struct fabric *fabric)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fabric->nport); i++)
		if (fabric->nport[i].used)
			service_change(fabric, &fabric->nport[i]);
}

/* --- the directory --- */

/* The header of an answer repeats that of the request. */
static void begin_answer(struct bytes *answer, const struct fc_frame *request,
			 enum ct_command command, uint8_t reason, uint8_t explanation)
{
	answer->len = 0;
	put_bytes(answer, request->payload, 8);
	put_be(answer, command, 2);
	put_be(answer, 0, 2);
	put_be(answer, (uint32_t)reason << 16 | (uint32_t)explanation << 8, 4);
}

static bool sees(const struct fabric *fabric, const struct nport *asker, const struct nport *other)
{
	return other->used && other->does_fcp && other != asker &&
	       zone_allows(fabric, asker, other);
}

/* All ports that do FCP, but for who asks. */
static void get_by_type(struct fabric *fabric, const struct nport *asker,
			const struct fc_frame *request, struct bytes *answer)
{
	size_t i, last = 0;

	begin_answer(answer, request, CT_ACCEPT, 0, 0);
	for (i = 0; i < ARRAY_SIZE(fabric->nport); i++) {
		/* What fits into one frame. */
		if (!sees(fabric, asker, &fabric->nport[i]) || answer->len + 16 > 2112)
			continue;
		last = answer->len;
		put_be(answer, fabric->nport[i].id, 4);
		put_be(answer, 0, 4);
		put_be(answer, fabric->nport[i].wwpn, 8);
	}
	if (last)
		answer->data[last] = 0x80;
	else
		begin_answer(answer, request, CT_REJECT, CT_UNABLE, CT_NO_TYPE);
}

static void get_by_id(struct fabric *fabric, const struct nport *asker,
		      const struct fc_frame *request, struct bytes *answer, bool node)
{
	const struct nport *nport = nport_find(fabric, get_be(request->payload + CT_HEADER + 1, 3));

	if (!nport || !sees(fabric, asker, nport)) {
		begin_answer(answer, request, CT_REJECT, CT_UNABLE, CT_NO_PORT_ID);
		return;
	}
	begin_answer(answer, request, CT_ACCEPT, 0, 0);
	put_be(answer, node ? nport->wwnn : nport->wwpn, 8);
}

/* Whoever asks may see itself: so is found out whether a name is gone. */
static void get_by_name(struct fabric *fabric, const struct nport *asker,
			const struct fc_frame *request, struct bytes *answer)
{
	uint64_t wwpn = get_be64(request->payload + CT_HEADER);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fabric->nport); i++) {
		const struct nport *nport = &fabric->nport[i];

		if (!nport->used || nport->wwpn != wwpn ||
		    (nport != asker && !zone_allows(fabric, asker, nport)))
			continue;
		begin_answer(answer, request, CT_ACCEPT, 0, 0);
		put_be(answer, nport->id, 4);
		return;
	}
	begin_answer(answer, request, CT_REJECT, CT_UNABLE, CT_NO_PORT_NAME);
}

static void directory(struct fabric *fabric, struct nport *asker, const struct fc_frame *request,
		      struct bytes *answer)
{
	switch (get_be(request->payload + 8, 2)) {
	case CT_GPN_FT:
		get_by_type(fabric, asker, request, answer);
		return;
	case CT_GPN_ID:
		get_by_id(fabric, asker, request, answer, false);
		return;
	case CT_GNN_ID:
		get_by_id(fabric, asker, request, answer, true);
		return;
	case CT_GID_PN:
		get_by_name(fabric, asker, request, answer);
		return;
	case CT_RFT_ID:
		/* Bit 8 of the types: FCP. */
		asker->does_fcp = request->payload[CT_HEADER + 4 + 2] & 1;
		break;
	case CT_RNN_ID:
	case CT_RSPN_ID:
	case CT_RSNN_NN:
	case CT_RFF_ID:
	case CT_DA_ID:
		break;
	default:
		begin_answer(answer, request, CT_REJECT, CT_UNSUPPORTED, 0);
		return;
	}
	begin_answer(answer, request, CT_ACCEPT, 0, 0);
}

/* The last registration: now others may come. */
static bool completes(const struct fc_frame *request)
{
	return get_be(request->payload + 8, 2) == CT_RFF_ID;
}

static void ct_in(struct fabric *fabric, struct nport *from, const struct fc_frame *request)
{
	struct bytes answer;

	/* The shortest body of all commands that are looked into is 8 bytes. */
	if (request->d_id != DIRECTORY_ID || request->len < CT_HEADER + 4)
		return;
	if (request->len < CT_HEADER + 8 && (get_be(request->payload + 8, 2) == CT_GID_PN ||
					     get_be(request->payload + 8, 2) == CT_RFT_ID))
		return;
	directory(fabric, from, request, &answer);
	fc_send(fabric, from, DIRECTORY_ID, R_CTL_CT_REPLY, TYPE_CT, F_CTL_REPLY, request->ox_id, 1,
		&answer, 0);
	if (completes(request))
		service_change(fabric, from);
}

/* --- link services --- */

static void els_in(struct fabric *fabric, struct nport *from, const struct fc_frame *request)
{
	struct bytes answer = { .len = 0 };
	uint64_t delay_ms = 0;

	if (!request->len)
		return;
	switch (request->payload[0]) {
	case ELS_PLOGI:
		if (request->d_id == DIRECTORY_ID || request->d_id == CONTROLLER_ID)
			put_login(&answer, 0x8800, 0x00ff0001, 2000,
				  fabric_name ^ (uint64_t)request->d_id << 24, fabric_name);
		else
			put_reject(&answer, RJT_UNSUPPORTED, EXPL_UNSUPPORTED);
		delay_ms = fabric->knobs.plogi_delay_ms;
		break;
	case ELS_SCR:
		from->wants_changes = true;
		put_accept(&answer);
		break;
	case ELS_LOGO:
		put_accept(&answer);
		break;
	default:
		put_reject(&answer, RJT_UNSUPPORTED, EXPL_UNSUPPORTED);
		break;
	}
	fc_send(fabric, from, request->d_id, R_CTL_ELS_REPLY, TYPE_ELS, F_CTL_REPLY, request->ox_id,
		1, &answer, delay_ms);
}

/* A frame to a well known address. */
void service_input(struct fabric *fabric, struct nport *from, const struct fc_frame *frame)
{
	if (frame->r_ctl == R_CTL_ELS_REQUEST && frame->type == TYPE_ELS)
		els_in(fabric, from, frame);
	else if (frame->r_ctl == R_CTL_CT_REQUEST && frame->type == TYPE_CT)
		ct_in(fabric, from, frame);
}
