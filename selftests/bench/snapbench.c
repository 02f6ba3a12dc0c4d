// SPDX-License-Identifier: GPL-2.0
/*
 * snapbench NAME COUNT MESSAGE [WRITES]: sends it COUNT times to the device-mapper
 * device NAME, with %d replaced by the number, and prints how long each took, in ms.
 * Before each, WRITES blocks of 4 KiB are written at random.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "dmmessage.h"

#define BLOCK 4096

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static int write_some(const char *name, int count)
{
	static char block[BLOCK] __attribute__((aligned(BLOCK)));
	char path[128];
	uint64_t size;
	int fd;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	fd = open(path, O_WRONLY | O_DIRECT);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		return -1;
	while (count-- && pwrite(fd, block, BLOCK, random() % (size / BLOCK) * BLOCK) == BLOCK)
		;
	close(fd);
	return count < 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	int control = dm_control(), i;
	char text[128], *number;
	double start;

	if ((argc != 4 && argc != 5) || control < 0)
		return 2;
	for (i = 0; i < atoi(argv[2]); i++) {
		if (argc == 5 && write_some(argv[1], atoi(argv[4]))) {
			perror(argv[1]);
			return 1;
		}
		number = strstr(argv[3], "%d");
		if (number)
			snprintf(text, sizeof(text), "%.*s%d", (int)(number - argv[3]), argv[3], i);
		else
			snprintf(text, sizeof(text), "%s", argv[3]);
		start = now_ms();
		if (dm_message(control, argv[1], text)) {
			perror(text);
			return 1;
		}
		printf("%.3f\n", now_ms() - start);
	}
	return 0;
}
