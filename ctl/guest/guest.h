/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest of an LPAR, which is its QEMU.
 */
#ifndef GUEST_H
#define GUEST_H

#include "lpar/lpar.h"

/* guest.c */
int start_verb(struct args *args);
int stop_verb(struct args *args);

/* pin.c: vCPUs on CPUs of their own */
int pin_guest(const struct lpar *lpar, const struct pin_config *config); /* exit code */
int pin_verb(struct args *args);

/* resume.c: guests that stand */
int resume_verb(struct args *args);

/* qemu.c: the command line of QEMU */
char **qemu_command(const struct lpar_config *config, bool incoming);

#endif /* GUEST_H */
