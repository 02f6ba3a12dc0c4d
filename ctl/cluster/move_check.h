/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What both hosts of a migration have to have alike, told by the source and compared at the
 * destination, before anything of the guest is touched.
 */
#ifndef MOVE_CHECK_H
#define MOVE_CHECK_H

#include "cluster/cluster.h"

/* move_cpu.c */
int cpu_note(struct guest *guest, struct json_object **noted);
int cpu_compare(struct guest *guest, struct json_object *source);

/* move_disk.c: disks that both hosts see */
int disks_note(const struct lpar *lpar, struct json_object **noted);
int disks_compare(const struct lpar_config *config, struct json_object *source);

/* move_qemu.c */
int move_check_qemu(const struct lpar_config *config, struct json_object *request);

#endif /* MOVE_CHECK_H */
