/* SPDX-License-Identifier: GPL-2.0 */
/* A message to a device-mapper device, without the time that starting dmsetup takes. */
#ifndef LPARKIT_DMMESSAGE_H
#define LPARKIT_DMMESSAGE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <string.h>
#include <sys/ioctl.h>

static inline int dm_control(void)
{
	return open("/dev/mapper/control", O_RDWR);
}

/* Returns 0 or a negative errno. */
static inline int dm_message(int control, const char *name, const char *text)
{
	char request[1024] __attribute__((aligned(8))) = "";
	struct dm_ioctl *dm = (struct dm_ioctl *)request;
	struct dm_target_msg *msg = (struct dm_target_msg *)(dm + 1);

	dm->version[0] = DM_VERSION_MAJOR;
	dm->data_size = sizeof(request);
	dm->data_start = sizeof(*dm);
	strncpy(dm->name, name, sizeof(dm->name) - 1);
	strncpy(msg->message, text, 256);
	return ioctl(control, DM_TARGET_MSG, dm) ? -errno : 0;
}

#endif /* LPARKIT_DMMESSAGE_H */
