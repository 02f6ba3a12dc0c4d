// SPDX-License-Identifier: GPL-2.0
/*
 * snapbench NAME COUNT MESSAGE: sends it COUNT times to the device-mapper device
 * NAME, with %d replaced by the number, and prints how long each took, in ms.
 */
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static int send_message(int control, const char *name, const char *text)
{
	char request[1024] __attribute__((aligned(8))) = "";
	struct dm_ioctl *dm = (struct dm_ioctl *)request;
	struct dm_target_msg *msg = (struct dm_target_msg *)(dm + 1);

	dm->version[0] = DM_VERSION_MAJOR;
	dm->data_size = sizeof(request);
	dm->data_start = sizeof(*dm);
	strncpy(dm->name, name, sizeof(dm->name) - 1);
	strncpy(msg->message, text, 128);
	return ioctl(control, DM_TARGET_MSG, dm);
}

int main(int argc, char **argv)
{
	int control = open("/dev/mapper/control", O_RDWR), i;
	char text[128], *number;
	double start;

	if (argc != 4 || control < 0)
		return 2;
	for (i = 0; i < atoi(argv[2]); i++) {
		number = strstr(argv[3], "%d");
		if (number)
			snprintf(text, sizeof(text), "%.*s%d", (int)(number - argv[3]), argv[3], i);
		else
			snprintf(text, sizeof(text), "%s", argv[3]);
		start = now_ms();
		if (send_message(control, argv[1], text)) {
			perror(text);
			return 1;
		}
		printf("%.3f\n", now_ms() - start);
	}
	return 0;
}
