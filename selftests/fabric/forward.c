// SPDX-License-Identifier: GPL-2.0
/*
 * FCoE frames: forwarded between ports that are logged in and zoned, or answered.
 *
 * LIO's tcm_fc waits in a LOGO for the data of writes that it has begun, for ever,
 * and all remote ports of its kernel with it. So the switch counts the writes that
 * have no response: while there are some it answers the LOGO in the target's place
 * and does not tell the target that the port has left.
 *
 * libfc resets a port's exchanges before its LOGO, which so gets the number of a
 * command whose answer is still to come. It takes that answer for the one to the
 * LOGO, then the right one too, and drops the remote port twice: a use after free.
 * So the switch keeps answers to commands from exchanges that are of ELS by now.
 *
 * "kind off" ends both.
 */
#include <string.h>
#include <zlib.h>

#include "fabric.h"

#define SOF_I3 0x2e
#define EOF_T 0x42
#define FCP_CMND_FLAGS 11
#define FCP_WRITE 0x01

bool zone_allows(const struct fabric *fabric, const struct nport *a, const struct nport *b)
{
	unsigned int i, j;

	for (i = 0; i < fabric->n_zones; i++) {
		bool has_a = false, has_b = false;

		for (j = 0; j < fabric->zone[i].n; j++) {
			has_a |= fabric->zone[i].wwpn[j] == a->wwpn;
			has_b |= fabric->zone[i].wwpn[j] == b->wwpn;
		}
		if (has_a && has_b)
			return true;
	}
	return !fabric->n_zones;
}

/* Has it writes under way at this target? */
bool has_unfinished(const struct nport *nport, uint32_t target)
{
	unsigned int i;

	for (i = 0; i < nport->n_writes; i++)
		if (nport->write[i].target == target)
			return true;
	return false;
}

static void begin_write(struct nport *nport, uint32_t target, uint16_t ox_id)
{
	if (nport->n_writes < WRITES_MAX)
		nport->write[nport->n_writes++] = (struct write){ target, ox_id };
}

static void end_write(struct nport *nport, uint32_t target, uint16_t ox_id)
{
	unsigned int i;

	for (i = 0; i < nport->n_writes; i++)
		if (nport->write[i].target == target && nport->write[i].ox_id == ox_id) {
			nport->write[i] = nport->write[--nport->n_writes];
			return;
		}
}

/* A frame of our own: a single one of a sequence. */
void fc_send(struct fabric *fabric, const struct nport *to, uint32_t s_id, uint8_t r_ctl,
	     uint8_t type, uint32_t f_ctl, uint16_t ox_id, uint16_t rx_id,
	     const struct bytes *payload, uint64_t delay_ms)
{
	struct bytes frame = { .len = 0 };
	uint8_t mac[MAC_LEN];
	uint32_t crc;

	nport_mac(mac, to->id);
	put_bytes(&frame, mac, MAC_LEN);
	put_bytes(&frame, to->link->mac, MAC_LEN);
	put_be(&frame, ETH_FCOE, 2);
	put_zeroes(&frame, 13);
	put_be(&frame, SOF_I3, 1);
	put_fc_header(&frame, r_ctl, to->id, s_id, type, f_ctl, ox_id, rx_id);
	put_bytes(&frame, payload->data, payload->len);
	put_zeroes(&frame, -payload->len % 4);
	crc = crc32(0, frame.data + FCOE_HEADER, frame.len - FCOE_HEADER);
	/* The only little endian number. */
	put_bytes(&frame, (uint8_t[]){ crc, crc >> 8, crc >> 16, crc >> 24 }, 4);
	put_be(&frame, (uint32_t)EOF_T << 24, 4);
	fabric_send_later(fabric, to->link, &frame, delay_ms);
}

static void reply_els(struct fabric *fabric, const struct nport *to, const struct fc_frame *request,
		      const struct bytes *payload)
{
	fc_send(fabric, to, request->d_id, R_CTL_ELS_REPLY, TYPE_ELS, F_CTL_REPLY, request->ox_id,
		1, payload, 0);
}

static bool is_els(const struct nport *nport, uint16_t ox_id)
{
	return nport->els[ox_id / 8] & 1 << ox_id % 8;
}

static void begin_exchange(struct nport *nport, const struct fc_frame *fc)
{
	if (fc->type == TYPE_ELS)
		nport->els[fc->ox_id / 8] |= 1 << fc->ox_id % 8;
	else
		nport->els[fc->ox_id / 8] &= ~(1 << fc->ox_id % 8);
}

/* Takes note of exchanges and writes. False: the frame is kept from its target. */
static bool watch(struct fabric *fabric, struct nport *from, struct nport *to,
		  const struct fc_frame *fc)
{
	struct bytes accept = { .len = 0 };

	if (!fc->is_answer)
		begin_exchange(from, fc);
	if (fc->type == TYPE_FCP && fc->r_ctl == R_CTL_FCP_COMMAND && fc->len > FCP_CMND_FLAGS &&
	    fc->payload[FCP_CMND_FLAGS] & FCP_WRITE)
		begin_write(from, to->id, fc->ox_id);
	else if (fc->type == TYPE_FCP && fc->r_ctl == R_CTL_FCP_RESPONSE)
		end_write(to, from->id, fc->ox_id);
	if (!fabric->knobs.unkind && fc->type == TYPE_FCP && fc->is_answer &&
	    is_els(to, fc->ox_id)) {
		note(fabric, "answer %04x of %06x kept from %06x: it is of ELS now", fc->ox_id,
		     from->id, to->id);
		return false;
	}
	if (fabric->knobs.unkind || fc->r_ctl != R_CTL_ELS_REQUEST || !fc->len ||
	    fc->payload[0] != ELS_LOGO || !has_unfinished(from, to->id))
		return true;
	note(fabric, "LOGO of %06x kept from %06x: %u unfinished writes", from->id, to->id,
	     from->n_writes);
	put_accept(&accept);
	reply_els(fabric, from, fc, &accept);
	return false;
}

/* Lost as on a bad cable, the same ones each time. */
static bool is_lost(struct fabric *fabric)
{
	fabric->seed = fabric->seed * 1664525 + 1013904223;
	return (fabric->seed >> 8) % 1000 < fabric->knobs.loss;
}

static void forward(struct fabric *fabric, const struct nport *to, const uint8_t *data, size_t len)
{
	struct bytes frame = { .len = 0 };
	uint8_t mac[MAC_LEN];

	if (is_lost(fabric))
		return;
	nport_mac(mac, to->id);
	put_bytes(&frame, mac, MAC_LEN);
	put_bytes(&frame, to->link->mac, MAC_LEN);
	put_bytes(&frame, data + 2 * MAC_LEN, len - 2 * MAC_LEN);
	fabric_send(fabric, to->link, &frame);
}

static void between_ports(struct fabric *fabric, struct nport *from, const struct fc_frame *fc,
			  const uint8_t *data, size_t len)
{
	struct nport *to = nport_find(fabric, fc->d_id);
	struct bytes reject = { .len = 0 };

	if (to && zone_allows(fabric, from, to)) {
		if (watch(fabric, from, to, fc))
			forward(fabric, to, data, len);
	} else if (fc->r_ctl == R_CTL_ELS_REQUEST) {
		put_reject(&reject, RJT_LOGICAL, EXPL_NO_ID);
		reply_els(fabric, from, fc, &reject);
	}
}

static void parse(struct fc_frame *fc, const uint8_t *data, size_t len)
{
	const uint8_t *header = data + FCOE_HEADER;

	fc->r_ctl = header[0];
	fc->d_id = get_be(header + 1, 3);
	fc->s_id = get_be(header + 5, 3);
	fc->type = header[8];
	fc->is_answer = header[9] & 0x80;
	fc->ox_id = get_be(header + 16, 2);
	fc->payload = header + FC_HEADER;
	fc->len = len - FCOE_HEADER - FC_HEADER - FCOE_TRAILER;
}

void fcoe_input(struct fabric *fabric, struct link *link, const uint8_t *data, size_t len)
{
	uint8_t mac[MAC_LEN];
	struct nport *from;
	struct fc_frame fc;

	if (len < ETH_MIN)
		return;
	parse(&fc, data, len);
	from = nport_find(fabric, fc.s_id);
	nport_mac(mac, fc.s_id);
	if (!from || from->link != link || memcmp(data + MAC_LEN, mac, MAC_LEN)) {
		note(fabric, "%s: dropped a frame of %06x, which is not logged in there",
		     link->name, fc.s_id);
		return;
	}
	from->frames++;
	if (fc.d_id < WELL_KNOWN)
		between_ports(fabric, from, &fc, data, len);
	else
		service_input(fabric, from, &fc);
}
