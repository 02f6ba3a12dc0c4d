/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lparctl snap check, as a function.
 */
#ifndef SNAPUSER_CHECKER_H
#define SNAPUSER_CHECKER_H

#include <stdbool.h>

enum verdict {
	SOUND,
	REPAIRABLE, /* activation repairs it */
	LOST,	    /* activation refuses it */
};

enum verdict checker_check(int fd);
int checker_repair(int fd, bool force);

#endif /* SNAPUSER_CHECKER_H */
