/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The file systems of a guest stand still while a state is taken.
 */
#ifndef SNAP_FREEZE_H
#define SNAP_FREEZE_H

#include "lib/lib.h"

/**
 * struct snap_freeze - file systems that stand still
 * @agent: socket of the guest's agent
 * @limit_ns: they do so no longer
 * @pid: of the process that thaws them
 * @fd: by which it learns that the state is taken, or that we are gone
 */
struct snap_freeze {
	char agent[108];
	uint64_t limit_ns;
	pid_t pid;
	int fd;
};

int snap_freeze_set(struct snap_freeze *freeze, const char *agent, const char *limit);
int snap_freeze(struct snap_freeze *freeze);
int snap_thaw(struct snap_freeze *freeze);

#endif /* SNAP_FREEZE_H */
