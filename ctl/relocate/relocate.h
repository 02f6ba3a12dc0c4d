/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks that follow their guests.
 */
#ifndef RELOCATE_H
#define RELOCATE_H

#include "lib/lib.h"

/* relocate.c: volumes */
int relocate_start_verb(struct args *args);
int relocate_status_verb(struct args *args);
int relocate_pause_verb(struct args *args);
int relocate_resume_verb(struct args *args);
int relocate_rate_verb(struct args *args);
int relocate_source_verb(struct args *args);
int relocate_finish_verb(struct args *args);
int relocate_abort_verb(struct args *args);

/* relocate_order.c: what comes first */
int relocate_order_verb(struct args *args);
int relocate_send_verb(struct args *args);

#endif /* RELOCATE_H */
