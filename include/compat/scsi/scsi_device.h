/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_SCSI_SCSI_DEVICE_H
#define _COMPAT_SCSI_SCSI_DEVICE_H

#include_next <scsi/scsi_device.h>

/* Since 6.3 what few callers need is in a structure. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
struct scsi_exec_args {
	struct scsi_sense_hdr *sshdr;
};

static inline int scsi_execute_cmd(struct scsi_device *sdev, const unsigned char *cmd,
				   blk_opf_t opf, void *buffer, unsigned int bufflen,
				   int timeout, int retries, const struct scsi_exec_args *args)
{
	int direction = DMA_NONE;

	if (buffer)
		direction = opf == REQ_OP_DRV_OUT ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	return __scsi_execute(sdev, cmd, direction, buffer, bufflen, NULL,
			      args ? args->sshdr : NULL, timeout, retries, 0, 0, NULL);
}
#endif

#endif /* _COMPAT_SCSI_SCSI_DEVICE_H */
