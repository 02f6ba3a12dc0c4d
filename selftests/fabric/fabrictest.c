// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the fabric: frames as libfc and fcoe send them, and what comes back.
 * Time is the test's own.
 */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "../lib/tap.h"
#include "fabric.h"

#define SENT_MAX 512

#define ADAPTER_A 0x2000020000000001
#define ADAPTER_B 0x2000020000000002
#define TARGET 0x2000020000000003
#define LPAR 0x2001000000000001
#define NODE 0x1000000000000001

#define BASE_FCP 0x10000 /* a flag of fc_in(): the type is FCP */

/* What the fabric has sent. */
static struct {
	struct link *link;
	uint8_t frame[FRAME_MAX];
	size_t len;
} sent[SENT_MAX];
static unsigned int n_sent;

static struct fabric fabric;
static struct link *link_a, *link_b, *link_t;

static const uint8_t mac_a[] = { 2, 0, 0, 0, 0, 0xa }, mac_b[] = { 2, 0, 0, 0, 0, 0xb };
static const uint8_t mac_t[] = { 2, 0, 0, 0, 0, 0xc };

static void keep(struct fabric *from, struct link *link, const uint8_t *frame, size_t len)
{
	(void)from;
	if (n_sent == SENT_MAX)
		return;
	sent[n_sent].link = link;
	memcpy(sent[n_sent].frame, frame, len);
	sent[n_sent++].len = len;
}

static void start(void)
{
	fabric_init(&fabric);
	fabric.send = keep;
	link_a = fabric_add_link(&fabric, "a");
	link_b = fabric_add_link(&fabric, "b");
	link_t = fabric_add_link(&fabric, "t");
	fabric_run(&fabric, 1000);
	n_sent = 0;
}

static void command(const char *line, char *answer, size_t size)
{
	FILE *out = fmemopen(answer, size, "w");

	memset(answer, 0, size);
	fabric_command(&fabric, line, out);
	fclose(out);
}

static bool is_done(const char *line)
{
	char answer[256];

	command(line, answer, sizeof(answer));
	return !*answer;
}

/* --- what hosts send --- */

static void fip(const struct link *link, struct bytes *frame, const uint8_t *from, uint16_t op,
		uint8_t sub)
{
	frame->len = 0;
	put_bytes(frame, link->mac, MAC_LEN);
	put_bytes(frame, from, MAC_LEN);
	put_be(frame, ETH_FIP, 2);
	put_be(frame, 0x1000, 2);
	put_be(frame, op, 2);
	put_be(frame, sub, 2);
	put_be(frame, 0, 2);
	put_be(frame, 0x8000, 2);
}

static void in(struct link *link, struct bytes *frame)
{
	if (get_be(frame->data + 12, 2) == ETH_FIP)
		frame->data[21] = (frame->len - 24) / 4;
	fabric_input(&fabric, link, frame->data, frame->len);
}

static void login_in(struct link *link, const uint8_t *from, bool is_virtual, uint64_t wwpn)
{
	struct bytes frame;

	fip(link, &frame, from, 2, 1);
	put_be(&frame, (is_virtual ? 8u : 7u) << 24 | 36 << 16, 4);
	put_fc_header(&frame, R_CTL_ELS_REQUEST, FABRIC_ID, 0, TYPE_ELS, F_CTL_REQUEST, 0x1234,
		      0xffff);
	put_be(&frame, is_virtual ? ELS_FDISC : ELS_FLOGI, 1);
	put_zeroes(&frame, 19);
	put_be(&frame, wwpn, 8);
	put_be(&frame, NODE, 8);
	put_zeroes(&frame, LOGIN_LEN - 36);
	put_be(&frame, 0x0202, 2);
	put_bytes(&frame, from, MAC_LEN);
	in(link, &frame);
}

static void logout_in(struct link *link, const uint8_t *from, uint32_t id, uint64_t wwpn)
{
	struct bytes frame;

	fip(link, &frame, from, 2, 1);
	put_be(&frame, 9 << 24 | 11 << 16, 4);
	put_fc_header(&frame, R_CTL_ELS_REQUEST, FABRIC_ID, id, TYPE_ELS, F_CTL_REQUEST, 0x77,
		      0xffff);
	put_be(&frame, (uint32_t)ELS_LOGO << 24, 4);
	put_be(&frame, id, 4);
	put_be(&frame, wwpn, 8);
	put_be(&frame, 0x0202, 2);
	put_bytes(&frame, from, MAC_LEN);
	in(link, &frame);
}

/* @kind: r_ctl, with BASE_FCP for FCP; others are what r_ctl says. */
static void fc_in(struct link *link, uint32_t from, uint32_t to, unsigned int kind, uint16_t ox_id,
		  const struct bytes *payload)
{
	uint8_t r_ctl = kind, mac[MAC_LEN];
	uint8_t type = kind & BASE_FCP ? TYPE_FCP : r_ctl == R_CTL_CT_REQUEST ? TYPE_CT : TYPE_ELS;
	struct bytes frame = { .len = 0 };

	nport_mac(mac, from);
	put_bytes(&frame, link->mac, MAC_LEN);
	put_bytes(&frame, mac, MAC_LEN);
	put_be(&frame, ETH_FCOE, 2);
	put_zeroes(&frame, 13);
	put_be(&frame, 0x2e, 1);
	put_fc_header(&frame, r_ctl, to, from, type,
		      r_ctl == R_CTL_FCP_RESPONSE ? F_CTL_REPLY : F_CTL_REQUEST, ox_id, 0xffff);
	put_bytes(&frame, payload->data, payload->len);
	put_be(&frame, crc32(0, frame.data + FCOE_HEADER, frame.len - FCOE_HEADER), 4);
	put_be(&frame, 0x42u << 24, 4);
	fabric_input(&fabric, link, frame.data, frame.len);
}

static void els_in(struct link *link, uint32_t from, uint32_t to, uint8_t els)
{
	struct bytes payload = { .len = 0 };

	put_be(&payload, (uint32_t)els << 24, 4);
	put_zeroes(&payload, 4);
	fc_in(link, from, to, R_CTL_ELS_REQUEST, 0x55, &payload);
}

static void ct_in(struct link *link, uint32_t from, uint16_t cmd, const void *body, size_t len)
{
	struct bytes payload = { .len = 0 };

	put_be(&payload, 0x01000000, 4);
	put_be(&payload, 0xfc020000, 4);
	put_be(&payload, cmd, 2);
	put_zeroes(&payload, 6);
	put_bytes(&payload, body, len);
	fc_in(link, from, DIRECTORY_ID, R_CTL_CT_REQUEST, 0x66, &payload);
}

/* As libfc does when it is logged in: types with FCP, then the last registration. */
static void registers(struct link *link, uint32_t id)
{
	uint8_t types[36] = { 0, id >> 16, id >> 8, id, 0, 0, 1 };

	els_in(link, id, CONTROLLER_ID, ELS_SCR);
	ct_in(link, id, 0x0217, types, sizeof(types));
	ct_in(link, id, 0x021f, types, 8);
}

/* --- what came back --- */

/* The last frame to a link of this kind: FIP operation, or r_ctl of Fibre Channel. */
static const uint8_t *last(const struct link *link, uint16_t eth, unsigned int kind, size_t *len)
{
	unsigned int i;

	for (i = n_sent; i--;) {
		const uint8_t *frame = sent[i].frame;

		if (sent[i].link != link || get_be(frame + 12, 2) != eth)
			continue;
		if ((eth == ETH_FIP ? get_be(frame + 16, 2) : frame[FCOE_HEADER]) != kind)
			continue;
		if (len)
			*len = sent[i].len;
		return frame;
	}
	return NULL;
}

/* The ID that a login was granted; 0 when it was not. */
static uint32_t granted(const struct link *link)
{
	const uint8_t *frame = last(link, ETH_FIP, 2, NULL);

	return frame && frame[24 + 4 + FC_HEADER] == ELS_LS_ACC ? get_be(frame + 29, 3) : 0;
}

static bool is_rejected(const struct link *link, uint8_t reason, uint8_t explanation)
{
	const uint8_t *frame = last(link, ETH_FIP, 2, NULL);
	const uint8_t *els = frame ? frame + 24 + 4 + FC_HEADER : NULL;

	return els && els[0] == ELS_LS_RJT && els[5] == reason && els[6] == explanation;
}

static uint32_t log_in(struct link *link, const uint8_t *from, bool is_virtual, uint64_t wwpn)
{
	n_sent = 0;
	login_in(link, from, is_virtual, wwpn);
	return granted(link);
}

static bool is_listed(uint64_t wwpn, const char *at)
{
	char answer[8192], wanted[64], *line;

	snprintf(wanted, sizeof(wanted), " %s %016" PRIx64 " ", at, wwpn);
	command("list", answer, sizeof(answer));
	line = strstr(answer, wanted);
	return line && !strstr(line + 1, wanted);
}

static unsigned int count(const struct link *link, uint16_t eth, unsigned int kind)
{
	unsigned int i, n = 0;

	for (i = 0; i < n_sent; i++)
		n += sent[i].link == link && get_be(sent[i].frame + 12, 2) == eth &&
		     (eth == ETH_FIP ? get_be(sent[i].frame + 16, 2)
				     : sent[i].frame[FCOE_HEADER]) == kind;
	return n;
}

/* A host that is told about this port. */
static bool is_told(const struct link *link, uint32_t about)
{
	const uint8_t *frame = last(link, ETH_FCOE, R_CTL_ELS_REQUEST, NULL);
	const uint8_t *els = frame ? frame + FCOE_HEADER + FC_HEADER : NULL;

	return els && els[0] == ELS_RSCN && get_be(els + 4, 4) == about;
}

/* --- tests --- */

/* Byte by byte, as fcoe_ctlr.c takes it. */
static void test_advertisement(void)
{
	static const uint8_t wanted[] = {
		0x01, 0x10, 0x18, 0x01, 0x00, 0x01, 0x02, 0xfc, 0xfc, 0x00, 0x00, 0x01,
		0x89, 0x14, 0x10, 0x00, 0x00, 0x01, 0x00, 0x02, 0x00, 0x0c, 0x80, 0x05, /* header */
		0x01, 0x01, 0x00, 0x80,				/* priority */
		0x02, 0x02, 0x02, 0xfc, 0xfc, 0x00, 0x00, 0x01, /* MAC */
		0x04, 0x03, 0x00, 0x00, 0x10, 0x00, 0x02, 0xfc, 0xfc, 0x00, 0x00, 0x01, /* switch */
		0x05, 0x04, 0x00, 0x00, 0x00, 0x0e, 0xfc, 0x00, 0x20, 0x01, 0x02, 0xfc,
		0xfc, 0x00, 0x00, 0x01,				/* fabric */
		0x0c, 0x02, 0x00, 0x00, 0x00, 0x00, 0x1f, 0x40, /* keep-alives, 8 s */
	};
	size_t len = 0;
	const uint8_t *frame;

	start();
	fabric_run(&fabric, 9000);
	frame = last(link_a, ETH_FIP, 1, &len);
	tap_check(frame && len == sizeof(wanted) && !memcmp(frame, wanted, len),
		  "an advertisement, byte by byte");
	tap_check(count(link_b, ETH_FIP, 1) == 1, "at each link");
	n_sent = 0;
	fabric_run(&fabric, 16999);
	tap_check(!n_sent, "not before its time");
	fabric_run(&fabric, 17000);
	tap_check(n_sent == 3, "and again");
}

static void test_login(void)
{
	size_t len = 0;
	const uint8_t *frame, *els;
	uint32_t adapter, port;

	start();
	tap_check(!log_in(link_a, mac_a, true, LPAR), "no virtual port without its adapter");
	adapter = log_in(link_a, mac_a, false, ADAPTER_A);
	tap_check(adapter == 0x010100, "an adapter logs in");
	port = log_in(link_a, mac_a, true, LPAR);
	tap_check(port && port != adapter && port >> 8 == 0x0101, "a virtual port logs in");
	frame = last(link_a, ETH_FIP, 2, &len);
	els = frame + 24 + 4 + FC_HEADER;
	tap_check(!memcmp(frame, mac_a, MAC_LEN) && frame[24] == 8 && frame[25] == 36 &&
			  get_be(frame + 20, 2) == 38 && len == 24 + 38 * 4,
		  "the answer goes to its adapter, with both descriptors");
	tap_check(frame[28] == R_CTL_ELS_REPLY && get_be(frame + 33, 3) == FABRIC_ID &&
			  get_be(frame + 44, 2) == 0x1234,
		  "from the fabric, for its exchange");
	tap_check(get_be(els + 8, 2) == 0x3000 && get_be(els + 10, 2) == 2112 &&
			  get_be(els + 12, 4) == 4000 && get_be(els + 16, 4) == 2000 &&
			  get_be(els + 68, 2) == 0x8800 && get_be(els + 74, 2) == 2112,
		  "an F_Port with NPIV, its sizes and times");
	tap_check(frame[24 + 36 * 4] == 2 && get_be(frame + 24 + 36 * 4 + 2, 3) == 0x0efc00 &&
			  get_be(frame + 24 + 36 * 4 + 5, 3) == port,
		  "the MAC that it gets");
	tap_check(is_listed(LPAR, "a"), "it is listed, once");
	tap_check(log_in(link_a, mac_a, true, LPAR) && is_listed(LPAR, "a"),
		  "one that logs in again is there once");
}

static void test_logout(void)
{
	uint32_t port, again;
	const uint8_t *frame;

	start();
	log_in(link_a, mac_a, false, ADAPTER_A);
	port = log_in(link_a, mac_a, true, LPAR);
	n_sent = 0;
	logout_in(link_a, mac_a, port, LPAR);
	frame = last(link_a, ETH_FIP, 2, NULL);
	tap_check(frame && frame[24] == 9 && frame[24 + 4 + FC_HEADER] == ELS_LS_ACC,
		  "a logout is answered");
	tap_check(!is_listed(LPAR, "a"), "the port is gone");
	again = log_in(link_a, mac_a, true, LPAR);
	tap_check(again && again != port, "an ID is not used again soon");
	n_sent = 0;
	logout_in(link_a, mac_a, 0, LPAR);
	tap_check(n_sent == 1 && is_listed(LPAR, "a"), "one that never logged in may leave");
	tap_check(is_done("lose-logo 1"), "lose-logo");
	n_sent = 0;
	logout_in(link_a, mac_a, again, LPAR);
	tap_check(!n_sent && is_listed(LPAR, "a"), "a LOGO is lost");
	logout_in(link_b, mac_b, again, LPAR);
	tap_check(is_listed(LPAR, "a"), "a port is not logged out at another link");
}

static void test_rejects(void)
{
	char answer[64];

	start();
	log_in(link_a, mac_a, false, ADAPTER_A);
	log_in(link_b, mac_b, false, ADAPTER_B);
	tap_check(is_done("reject 20:01:00:00:00:00:00:01 9 29"), "reject");
	tap_check(!log_in(link_a, mac_a, true, LPAR) && is_rejected(link_a, 9, 0x29),
		  "a name is rejected");
	tap_check(is_done("accept") && log_in(link_a, mac_a, true, LPAR), "accept");
	tap_check(!log_in(link_b, mac_b, true, LPAR) && is_rejected(link_b, 7, 0x0d) &&
			  is_listed(LPAR, "a"),
		  "the second one is rejected");
	command("clashes", answer, sizeof(answer));
	tap_check(!strcmp(answer, "1\n"), "and counted");
	tap_check(is_done("duplicate second") && log_in(link_b, mac_b, true, LPAR) &&
			  is_listed(LPAR, "b") && !is_listed(LPAR, "a"),
		  "the second one wins");
	tap_check(count(link_a, ETH_FIP, 3) == 1, "the first one is thrown out");
	tap_check(is_done("hold 5000") && is_done("clear 2001000000000001"), "hold, clear");
	tap_check(!log_in(link_a, mac_a, true, LPAR) && is_rejected(link_a, 7, 0x0d),
		  "a name is held after its logout");
	fabric_run(&fabric, fabric.now_ms + 5000);
	tap_check(log_in(link_a, mac_a, true, LPAR), "and let in later");
	tap_check(is_done("resources off") && !log_in(link_a, mac_a, true, LPAR + 1) &&
			  is_rejected(link_a, 9, 0x29),
		  "no resources");
	tap_check(is_done("resources on") && is_done("npiv off") &&
			  log_in(link_b, mac_b, false, ADAPTER_B) &&
			  get_be(last(link_b, ETH_FIP, 2, NULL) + 60, 2) == 0x1000,
		  "no NPIV");
}

static void test_delay(void)
{
	start();
	log_in(link_a, mac_a, false, ADAPTER_A);
	tap_check(is_done("delay fdisc 300000"), "delay");
	n_sent = 0;
	login_in(link_a, mac_a, true, LPAR);
	fabric_run(&fabric, fabric.now_ms + 200000);
	login_in(link_a, mac_a, true, LPAR);
	tap_check(!granted(link_a), "a login waits for minutes");
	n_sent = 0;
	fabric_run(&fabric, fabric.now_ms + 100000);
	tap_check(granted(link_a) && count(link_a, ETH_FIP, 2) == 1,
		  "asked again it is answered once, when it would have been");
	n_sent = 0;
	is_done("delay plogi 5000");
	els_in(link_a, 0x010100, DIRECTORY_ID, ELS_PLOGI);
	tap_check(!n_sent, "PLOGI waits");
	fabric_run(&fabric, fabric.now_ms + 5000);
	tap_check(count(link_a, ETH_FCOE, R_CTL_ELS_REPLY) == 1, "and is answered");
}

static void test_directory(void)
{
	uint8_t name[8], id[4] = { 0 };
	const uint8_t *frame;
	uint32_t port, target;
	size_t len = 0;

	start();
	log_in(link_a, mac_a, false, ADAPTER_A);
	port = log_in(link_a, mac_a, true, LPAR);
	target = log_in(link_t, mac_t, false, TARGET);
	ct_in(link_a, port, 0x0172, "\0\0\0\x08", 4);
	frame = last(link_a, ETH_FCOE, R_CTL_CT_REPLY, NULL);
	tap_check(frame && get_be(frame + FCOE_HEADER + FC_HEADER + 8, 2) == 0x8001,
		  "no port does FCP");
	registers(link_t, target);
	registers(link_a, port);
	tap_check(is_told(link_t, port), "the target is told of a new port");
	ct_in(link_a, port, 0x0172, "\0\0\0\x08", 4);
	frame = last(link_a, ETH_FCOE, R_CTL_CT_REPLY, &len) + FCOE_HEADER + FC_HEADER;
	tap_check(get_be(frame + 8, 2) == 0x8002 && frame[16] == 0x80 &&
			  get_be(frame + 17, 3) == target && get_be64(frame + 24) == TARGET,
		  "the target, and not who asks");
	frame -= FCOE_HEADER + FC_HEADER;
	tap_check(len == FCOE_HEADER + FC_HEADER + 32 + FCOE_TRAILER &&
			  crc32(0, frame + FCOE_HEADER, len - FCOE_HEADER - FCOE_TRAILER) ==
				  (frame[len - 8] | frame[len - 7] << 8 | frame[len - 6] << 16 |
				   (uint32_t)frame[len - 5] << 24),
		  "its CRC, little endian");
	for (len = 0; len < 8; len++)
		name[len] = (uint64_t)LPAR >> (56 - 8 * len);
	ct_in(link_t, target, 0x0121, name, 8);
	frame = last(link_t, ETH_FCOE, R_CTL_CT_REPLY, NULL) + FCOE_HEADER + FC_HEADER;
	tap_check(get_be(frame + 8, 2) == 0x8002 && get_be(frame + 16, 4) == port,
		  "a name is found");
	id[1] = port >> 16;
	id[2] = port >> 8;
	id[3] = port;
	ct_in(link_t, target, 0x0112, id, 4);
	frame = last(link_t, ETH_FCOE, R_CTL_CT_REPLY, NULL) + FCOE_HEADER + FC_HEADER;
	tap_check(get_be64(frame + 16) == LPAR, "and an ID");
	n_sent = 0;
	logout_in(link_a, mac_a, port, LPAR);
	tap_check(is_told(link_t, port), "the target is told that it has left");
	ct_in(link_t, target, 0x0121, name, 8);
	frame = last(link_t, ETH_FCOE, R_CTL_CT_REPLY, NULL) + FCOE_HEADER + FC_HEADER;
	tap_check(get_be(frame + 8, 2) == 0x8001 && frame[13] == 9 && frame[14] == 2,
		  "its name is gone");
}

static void test_forwarding(void)
{
	struct bytes payload = { .len = 0 };
	uint32_t port, target;
	const uint8_t *frame;
	uint8_t mac[MAC_LEN];

	start();
	log_in(link_a, mac_a, false, ADAPTER_A);
	port = log_in(link_a, mac_a, true, LPAR);
	target = log_in(link_t, mac_t, false, TARGET);
	n_sent = 0;
	els_in(link_a, port, target, ELS_PLOGI);
	frame = last(link_t, ETH_FCOE, R_CTL_ELS_REQUEST, NULL);
	nport_mac(mac, target);
	tap_check(frame && !memcmp(frame, mac, MAC_LEN) &&
			  !memcmp(frame + MAC_LEN, link_t->mac, MAC_LEN) &&
			  get_be(frame + FCOE_HEADER + 5, 3) == port,
		  "a frame is forwarded");
	n_sent = 0;
	els_in(link_b, port, target, ELS_PLOGI);
	tap_check(!n_sent, "not from another link");
	els_in(link_a, port, 0x010999, ELS_PLOGI);
	frame = last(link_a, ETH_FCOE, R_CTL_ELS_REPLY, NULL);
	tap_check(frame && frame[FCOE_HEADER + FC_HEADER] == ELS_LS_RJT,
		  "a request to nobody is rejected");
	is_done("zone 2001000000000002 2000020000000003");
	n_sent = 0;
	els_in(link_a, port, target, ELS_PLOGI);
	tap_check(!count(link_t, ETH_FCOE, R_CTL_ELS_REQUEST), "zones keep them apart");
	is_done("zone 2001000000000001 2000020000000003");
	els_in(link_a, port, target, ELS_PLOGI);
	tap_check(count(link_t, ETH_FCOE, R_CTL_ELS_REQUEST) == 1, "or together");
	is_done("lose 1000");
	n_sent = 0;
	put_zeroes(&payload, 64);
	fc_in(link_a, port, target, BASE_FCP | R_CTL_FCP_COMMAND, 1, &payload);
	tap_check(!n_sent, "frames get lost");
}

/* tcm_fc is not told what it cannot bear. */
static void test_kindness(void)
{
	struct bytes write = { .len = 0 }, response = { .len = 0 };
	uint32_t port, target;

	start();
	log_in(link_a, mac_a, false, ADAPTER_A);
	port = log_in(link_a, mac_a, true, LPAR);
	target = log_in(link_t, mac_t, false, TARGET);
	registers(link_t, target);
	put_zeroes(&write, 11);
	put_be(&write, 1, 1);
	put_zeroes(&write, 20);
	put_zeroes(&response, 24);
	fc_in(link_a, port, target, BASE_FCP | R_CTL_FCP_COMMAND, 0x42, &write);
	n_sent = 0;
	els_in(link_a, port, target, ELS_LOGO);
	tap_check(!count(link_t, ETH_FCOE, R_CTL_ELS_REQUEST) &&
			  count(link_a, ETH_FCOE, R_CTL_ELS_REPLY) == 1,
		  "a LOGO with a write under way is answered in its place");
	fc_in(link_t, target, port, BASE_FCP | R_CTL_FCP_RESPONSE, 0x42, &response);
	n_sent = 0;
	els_in(link_a, port, target, ELS_LOGO);
	tap_check(count(link_t, ETH_FCOE, R_CTL_ELS_REQUEST) == 1,
		  "and passed on when it has its response");
	fc_in(link_a, port, target, BASE_FCP | R_CTL_FCP_COMMAND, 0x43, &write);
	n_sent = 0;
	logout_in(link_a, mac_a, port, LPAR);
	tap_check(!count(link_t, ETH_FCOE, R_CTL_ELS_REQUEST), "nor is it told of the port");
}

/* libfc gives the number of a command that it has forgotten to the LOGO that follows. */
static void test_late_answers(void)
{
	struct bytes read = { .len = 0 }, response = { .len = 0 };
	uint32_t port, target;

	start();
	log_in(link_a, mac_a, false, ADAPTER_A);
	port = log_in(link_a, mac_a, true, LPAR);
	target = log_in(link_t, mac_t, false, TARGET);
	put_zeroes(&read, 32);
	put_zeroes(&response, 24);
	fc_in(link_a, port, target, BASE_FCP | R_CTL_FCP_COMMAND, 0x55, &read);
	els_in(link_a, port, target, ELS_LOGO);
	fc_in(link_t, target, port, BASE_FCP | R_CTL_FCP_RESPONSE, 0x55, &response);
	tap_check(!count(link_a, ETH_FCOE, R_CTL_FCP_RESPONSE),
		  "a late answer is kept from a LOGO of its number");
	fc_in(link_t, target, port, BASE_FCP | R_CTL_FCP_RESPONSE, 0x57, &response);
	tap_check(count(link_a, ETH_FCOE, R_CTL_FCP_RESPONSE) == 1, "one of another is passed on");
	fc_in(link_a, port, target, BASE_FCP | R_CTL_FCP_COMMAND, 0x55, &read);
	fc_in(link_t, target, port, BASE_FCP | R_CTL_FCP_RESPONSE, 0x55, &response);
	tap_check(count(link_a, ETH_FCOE, R_CTL_FCP_RESPONSE) == 2,
		  "as is that of a command which has the number anew");
	els_in(link_a, port, target, ELS_LOGO);
	is_done("kind off");
	fc_in(link_t, target, port, BASE_FCP | R_CTL_FCP_RESPONSE, 0x55, &response);
	tap_check(count(link_a, ETH_FCOE, R_CTL_FCP_RESPONSE) == 3,
		  "and all are by a switch that is not kind");
}

static void test_links(void)
{
	uint32_t target;

	start();
	log_in(link_a, mac_a, false, ADAPTER_A);
	log_in(link_a, mac_a, true, LPAR);
	target = log_in(link_t, mac_t, false, TARGET);
	registers(link_t, target);
	n_sent = 0;
	tap_check(is_done("link a down") && !is_listed(LPAR, "a") && is_told(link_t, 0x010101),
		  "with a link its ports go, and others are told");
	tap_check(!log_in(link_a, mac_a, false, ADAPTER_A), "nothing comes through");
	n_sent = 0;
	tap_check(is_done("link a up") && count(link_a, ETH_FIP, 1) == 1, "it advertises again");
	tap_check(!is_done("link z down") && !is_done("reject 12") && !is_done("frobnicate"),
		  "wrong commands are told");
}

/* Whatever comes in, of whatever length: the sanitizers look. */
static void test_garbage(void)
{
	uint8_t frame[FRAME_MAX];
	uint32_t seed = 7;
	unsigned int i, j;
	size_t len;

	start();
	log_in(link_a, mac_a, false, ADAPTER_A);
	log_in(link_a, mac_a, true, LPAR);
	for (i = 0; i < 200000; i++) {
		len = (seed >> 8) % 300;
		for (j = 0; j < len; j++) {
			seed = seed * 1664525 + 1013904223;
			frame[j] = seed >> 24;
		}
		if (len > 60) {
			memcpy(frame + 12,
			       i % 2 ? "\x89\x14\x10\0\0\2\0\1" : "\x89\x06\0\0\0\0\0\0", 8);
			nport_mac(frame + MAC_LEN, 0x010101);
			memcpy(frame + FCOE_HEADER + 1, i % 4 ? "\xff\xff\xfc" : "\1\1\1", 3);
			memcpy(frame + FCOE_HEADER + 5, "\1\1\1", 3);
			if (i % 3 == 0) {
				frame[FCOE_HEADER] = R_CTL_CT_REQUEST;
				frame[FCOE_HEADER + 8] = TYPE_CT;
			}
		}
		n_sent = 0;
		fabric_input(&fabric, link_a, frame, len);
		fabric_run(&fabric, fabric.now_ms + i % 5);
		seed += i;
	}
	tap_check(log_in(link_a, mac_a, false, ADAPTER_A),
		  "it works after 200000 frames of garbage");
}

int main(void)
{
	tap_plan(63);
	test_advertisement();
	test_login();
	test_logout();
	test_rejects();
	test_delay();
	test_directory();
	test_forwarding();
	test_kindness();
	test_late_answers();
	test_links();
	test_garbage();
	return tap_done();
}
