// SPDX-License-Identifier: GPL-2.0
/* Frames are put together, and taken apart, byte by byte. */
#include <stdlib.h>
#include <string.h>

#include "fabric.h"

/* Up to 4 bytes. */
uint32_t get_be(const uint8_t *at, unsigned int n)
{
	uint32_t value = 0;

	while (n--)
		value = value << 8 | *at++;
	return value;
}

uint64_t get_be64(const uint8_t *at)
{
	return (uint64_t)get_be(at, 4) << 32 | get_be(at + 4, 4);
}

/* What we send fits: whatever does not is a bug of ours. */
static uint8_t *take(struct bytes *bytes, size_t n)
{
	if (n > sizeof(bytes->data) - bytes->len)
		abort();
	bytes->len += n;
	return bytes->data + bytes->len - n;
}

void put_be(struct bytes *bytes, uint64_t value, unsigned int n)
{
	uint8_t *at = take(bytes, n);

	while (n--) {
		at[n] = value;
		value >>= 8;
	}
}

void put_bytes(struct bytes *bytes, const void *data, size_t n)
{
	memcpy(take(bytes, n), data, n);
}

void put_zeroes(struct bytes *bytes, size_t n)
{
	memset(take(bytes, n), 0, n);
}

void put_fc_header(struct bytes *bytes, uint8_t r_ctl, uint32_t d_id, uint32_t s_id, uint8_t type,
		   uint32_t f_ctl, uint16_t ox_id, uint16_t rx_id)
{
	put_be(bytes, r_ctl, 1);
	put_be(bytes, d_id, 3);
	put_be(bytes, 0, 1);
	put_be(bytes, s_id, 3);
	put_be(bytes, type, 1);
	put_be(bytes, f_ctl, 3);
	put_be(bytes, 0, 4); /* seq_id, df_ctl, seq_cnt */
	put_be(bytes, ox_id, 2);
	put_be(bytes, rx_id, 2);
	put_be(bytes, 0, 4);
}

void put_accept(struct bytes *bytes)
{
	put_be(bytes, (uint32_t)ELS_LS_ACC << 24, 4);
}

void put_reject(struct bytes *bytes, uint8_t reason, uint8_t explanation)
{
	put_be(bytes, (uint32_t)ELS_LS_RJT << 24, 4);
	put_be(bytes, (uint32_t)reason << 16 | (uint32_t)explanation << 8, 4);
}

/* The LS_ACC to FLOGI, FDISC and PLOGI: LOGIN_LEN bytes. */
void put_login(struct bytes *bytes, uint16_t features, uint32_t r_a_tov, uint32_t e_d_tov,
	       uint64_t wwpn, uint64_t wwnn)
{
	put_accept(bytes);
	put_be(bytes, 0x2020, 2); /* version */
	put_be(bytes, 10, 2);	  /* credit */
	put_be(bytes, features, 2);
	put_be(bytes, 2112, 2); /* payload of a frame */
	put_be(bytes, r_a_tov, 4);
	put_be(bytes, e_d_tov, 4);
	put_be(bytes, wwpn, 8);
	put_be(bytes, wwnn, 8);
	put_zeroes(bytes, 32);	      /* classes 1 and 2 */
	put_be(bytes, 0x88000000, 4); /* class 3 is valid, in order */
	put_be(bytes, 2112, 4);
	put_be(bytes, 0x00ff0000, 4);
	put_be(bytes, 0x00010000, 4);
	put_zeroes(bytes, 32); /* class 4, vendor */
}

/* Of a port whose address the fabric provides. */
void nport_mac(uint8_t *mac, uint32_t id)
{
	const uint8_t fpma[MAC_LEN] = { 0x0e, 0xfc, 0x00, id >> 16, id >> 8, id };

	memcpy(mac, fpma, MAC_LEN);
}
