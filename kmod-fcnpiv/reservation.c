// SPDX-License-Identifier: GPL-2.0
/*
 * Persistent reservations. A registration belongs to the port name that made it.
 * A guest that has registered under the original would be locked out under the
 * maintenance name: such a guest does not move, and is told why.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <scsi/scsi.h>
#include <scsi/scsi_common.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_proto.h>
#include "fcnpiv.h"

#define PR_IN_BUFFER		(16 << 10)
#define PR_IN_TIMEOUT		(10 * HZ)
#define PR_IN_RETRIES		5

/* Service actions of PERSISTENT RESERVE IN, SPC-4. */
#define READ_KEYS		0x00
#define READ_FULL_STATUS	0x03

/* Layout of READ FULL STATUS. */
#define HEADER_SIZE		8
#define DESCRIPTOR_SIZE		24
#define ADDITIONAL_AT		20
#define TRANSPORT_ID_FC_SIZE	24
#define FC_NAME_AT		8

/*
 * 0, with the length of what the header announces; -EOPNOTSUPP when the device
 * does not know the command.
 */
static int read_in(struct scsi_device *sdev, u8 action, u8 *buffer, size_t *len)
{
	u8 cdb[10] = { PERSISTENT_RESERVE_IN, action };
	struct scsi_sense_hdr sense = {};
	const struct scsi_exec_args args = { .sshdr = &sense };
	int result;

	memset(buffer, 0, PR_IN_BUFFER);
	put_unaligned_be16(PR_IN_BUFFER, cdb + 7);
	result = scsi_execute_cmd(sdev, cdb, REQ_OP_DRV_IN, buffer, PR_IN_BUFFER, PR_IN_TIMEOUT,
				  PR_IN_RETRIES, &args);
	if (result > 0 && scsi_sense_valid(&sense) && sense.sense_key == ILLEGAL_REQUEST)
		return -EOPNOTSUPP;
	if (result)
		return -EIO;
	*len = get_unaligned_be32(buffer + 4);
	return 0;
}

static bool is_ours(const u8 *transport_id, size_t len, const u64 *wwpn, unsigned int nr)
{
	unsigned int i;

	/* Protocol 0 is Fibre Channel. */
	if (len < TRANSPORT_ID_FC_SIZE || transport_id[0] & 0x0f)
		return false;
	for (i = 0; i < nr; i++)
		if (get_unaligned_be64(transport_id + FC_NAME_AT) == wwpn[i])
			return true;
	return false;
}

/**
 * fcn_reservation_find() - has one of these ports registered?
 * @data: answer to READ FULL STATUS
 * @len: bytes of it that are there
 * @wwpn: port names
 * @nr: their number
 *
 * Return: 1 if so, 0 if not, -EMSGSIZE when the answer is cut short or malformed.
 */
int fcn_reservation_find(const u8 *data, size_t len, const u64 *wwpn, unsigned int nr)
{
	size_t end, at, id_len;

	if (len < HEADER_SIZE)
		return -EMSGSIZE;
	end = HEADER_SIZE + (size_t)get_unaligned_be32(data + 4);
	for (at = HEADER_SIZE; at < end; at += DESCRIPTOR_SIZE + id_len) {
		if (at + DESCRIPTOR_SIZE > len)
			return -EMSGSIZE;
		id_len = get_unaligned_be32(data + at + ADDITIONAL_AT);
		if (id_len > len - at - DESCRIPTOR_SIZE)
			return -EMSGSIZE;
		if (is_ours(data + at + DESCRIPTOR_SIZE, id_len, wwpn, nr))
			return 1;
	}
	return 0;
}

static int check(struct scsi_device *sdev, const struct fcn_names *names, u8 *buffer)
{
	size_t len;
	int err = read_in(sdev, READ_KEYS, buffer, &len);

	if (err == -EOPNOTSUPP || (!err && !len))
		return 0;
	if (!err)
		err = read_in(sdev, READ_FULL_STATUS, buffer, &len);
	/* There are keys, and it cannot be told whose. */
	if (err == -EOPNOTSUPP)
		return -EBUSY;
	if (err)
		return err;
	return fcn_reservation_find(buffer, PR_IN_BUFFER, names->port, FCN_PORTS) ? -EBUSY : 0;
}

/**
 * fcn_reservation_check() - may the guest's disk be used under another name?
 * @sdev: disk, through either port
 * @names: of the ports
 * @why: FCNPIV_REASON_MAX + 1 bytes for the reason of a failure
 *
 * Context: process, without locks; may take a minute.
 * Return: 0; -EBUSY when the guest has registered, or it cannot be told; -EIO, -ENOMEM.
 */
int fcn_reservation_check(struct scsi_device *sdev, const struct fcn_names *names, char *why)
{
	u8 *buffer = kmalloc(PR_IN_BUFFER, GFP_KERNEL);
	int err = buffer ? check(sdev, names, buffer) : -ENOMEM;

	kfree(buffer);
	if (!err)
		return 0;
	return fcn_fail(why, err, err == -EBUSY ?
			"the guest holds persistent reservations on LUN %llu: release them first" :
			"reservations of LUN %llu cannot be read (%d)", sdev->lun, err);
}
