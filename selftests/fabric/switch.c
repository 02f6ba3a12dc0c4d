// SPDX-License-Identifier: GPL-2.0
/*
 * The switch: links, who is logged in at them, and what is due when.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "fabric.h"

#define DOMAIN 0x010000

/* Into the log, with the time. */
void note(struct fabric *fabric, const char *fmt, ...)
{
	va_list args;

	if (!fabric->log)
		return;
	fprintf(fabric->log, "%6" PRIu64 ".%03u ", fabric->now_ms / 1000,
		(unsigned int)(fabric->now_ms % 1000));
	va_start(args, fmt);
	vfprintf(fabric->log, fmt, args);
	va_end(args);
	fputc('\n', fabric->log);
	fflush(fabric->log);
}

/* Values of the drivers: see libfc's and fcoe's defaults. */
void fabric_init(struct fabric *fabric)
{
	memset(fabric, 0, sizeof(*fabric));
	fabric->period_ms = 8000;
	fabric->r_a_tov_ms = 4000;
	fabric->e_d_tov_ms = 2000;
	fabric->exchange = 0x100;
	fabric->seed = 1;
}

/* NULL when there are too many. */
struct link *fabric_add_link(struct fabric *fabric, const char *name)
{
	unsigned int number = fabric->n_links + 1;
	struct link *link;

	if (number > LINKS_MAX)
		return NULL;
	link = &fabric->link[fabric->n_links++];
	snprintf(link->name, sizeof(link->name), "%s", name);
	memcpy(link->mac, (uint8_t[]){ 0x02, 0xfc, 0xfc, 0, 0, number }, MAC_LEN);
	link->up = true;
	return link;
}

void fabric_send(struct fabric *fabric, struct link *link, const struct bytes *frame)
{
	if (link->up)
		fabric->send(fabric, link, frame->data, frame->len);
}

/* A frame that finds no room is lost, as frames may be. */
void fabric_send_later(struct fabric *fabric, struct link *link, const struct bytes *frame,
		       uint64_t ms)
{
	size_t i;

	for (i = 0; ms && i < ARRAY_SIZE(fabric->later); i++) {
		struct later *later = &fabric->later[i];

		if (later->used)
			continue;
		later->used = true;
		later->due_ms = fabric->now_ms + ms;
		later->link = link;
		later->frame = *frame;
		return;
	}
	if (!ms)
		fabric_send(fabric, link, frame);
}

struct nport *nport_find(struct fabric *fabric, uint32_t id)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fabric->nport); i++)
		if (fabric->nport[i].used && fabric->nport[i].id == id)
			return &fabric->nport[i];
	return NULL;
}

/*
 * An ID comes back late, lest frames of an earlier port reach a new one: LIO has
 * a session for an ID for a while.
 */
static uint32_t new_id(struct fabric *fabric, const struct login *login)
{
	uint32_t link = DOMAIN | (uint32_t)(login->link - fabric->link + 1) << 8;
	unsigned int tries;

	if (!login->is_virtual)
		return link;
	for (tries = 0; tries < 255; tries++) {
		login->link->last_virtual = login->link->last_virtual % 255 + 1;
		if (!nport_find(fabric, link | login->link->last_virtual))
			return link | login->link->last_virtual;
	}
	return 0;
}

/* NULL when there is no room. */
struct nport *nport_add(struct fabric *fabric, const struct login *login)
{
	uint32_t id = new_id(fabric, login);
	struct nport *nport;
	size_t i;

	for (i = 0; id && i < ARRAY_SIZE(fabric->nport); i++) {
		nport = &fabric->nport[i];
		if (nport->used)
			continue;
		memset(nport, 0, sizeof(*nport));
		nport->used = true;
		nport->link = login->link;
		nport->id = id;
		nport->wwpn = login->wwpn;
		nport->wwnn = login->wwnn;
		memcpy(nport->enode, login->enode, MAC_LEN);
		nport->is_virtual = login->is_virtual;
		return nport;
	}
	return NULL;
}

/* The others in its zones are told. */
void nport_leave(struct fabric *fabric, struct nport *nport, const char *why)
{
	struct held *held = &fabric->held[fabric->next_held++ % ARRAY_SIZE(fabric->held)];

	note(fabric, "%s: %06x %016" PRIx64 " is out: %s", nport->link->name, nport->id,
	     nport->wwpn, why);
	held->wwpn = nport->wwpn;
	held->until_ms = fabric->now_ms + fabric->knobs.hold_ms;
	nport->used = false;
	service_change(fabric, nport);
}

/* What is lost with a link is noticed here at once, at its other end by time-outs. */
void link_set(struct fabric *fabric, struct link *link, bool up)
{
	size_t i;

	link->up = up;
	for (i = 0; !up && i < ARRAY_SIZE(fabric->nport); i++)
		if (fabric->nport[i].used && fabric->nport[i].link == link)
			nport_leave(fabric, &fabric->nport[i], "its link is down");
	for (i = 0; !up && i < ARRAY_SIZE(fabric->login); i++)
		if (fabric->login[i].link == link)
			fabric->login[i].used = false;
	if (up)
		fip_advertise(fabric, link, NULL);
}

void fabric_input(struct fabric *fabric, struct link *link, const uint8_t *frame, size_t len)
{
	if (!link->up || len < ETH_HEADER || len > FRAME_MAX)
		return;
	switch (get_be(frame + 12, 2)) {
	case ETH_FIP:
		fip_input(fabric, link, frame, len);
		break;
	case ETH_FCOE:
		fcoe_input(fabric, link, frame, len);
		break;
	}
}

static void advertise_all(struct fabric *fabric)
{
	unsigned int i;

	for (i = 0; i < fabric->n_links; i++)
		fip_advertise(fabric, &fabric->link[i], NULL);
	fabric->advertise_ms = fabric->now_ms + fabric->period_ms;
}

/* Does what is due. Returns when something will be due next. */
uint64_t fabric_run(struct fabric *fabric, uint64_t now_ms)
{
	uint64_t next;
	size_t i;

	fabric->now_ms = now_ms;
	if (now_ms >= fabric->advertise_ms)
		advertise_all(fabric);
	next = fabric->advertise_ms;
	for (i = 0; i < ARRAY_SIZE(fabric->login); i++) {
		struct login *login = &fabric->login[i];

		if (login->used && login->due_ms <= now_ms) {
			login->used = false;
			fip_answer(fabric, login);
		}
		if (login->used && login->due_ms < next)
			next = login->due_ms;
	}
	for (i = 0; i < ARRAY_SIZE(fabric->later); i++) {
		struct later *later = &fabric->later[i];

		if (later->used && later->due_ms <= now_ms) {
			later->used = false;
			fabric_send(fabric, later->link, &later->frame);
		}
		if (later->used && later->due_ms < next)
			next = later->due_ms;
	}
	return next;
}
