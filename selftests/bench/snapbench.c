// SPDX-License-Identifier: GPL-2.0
/*
 * snapbench NAME COUNT MESSAGE: sends it COUNT times to the device-mapper device
 * NAME, with %d replaced by the number, and prints how long each took, in ms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dmmessage.h"

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	int control = dm_control(), i;
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
		if (dm_message(control, argv[1], text)) {
			perror(text);
			return 1;
		}
		printf("%.3f\n", now_ms() - start);
	}
	return 0;
}
