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
bool guest_runs(const struct lpar *lpar);
int guest_locked(const char *name, int (*act)(const struct lpar *lpar, void *data),
		 void *data); /* exit code */
int guest_find_process(const struct lpar *lpar, struct process *process);
int guest_stop(const struct lpar *lpar, uint64_t timeout_ns); /* exit code */
void guest_show_log(const char *name);

/* pin.c: vCPUs on CPUs of their own */
int pin_guest(const struct lpar *lpar, const struct pin_config *config); /* exit code */
int pin_verb(struct args *args);

/* resume.c: guests that stand */
int resume_verb(struct args *args);
void guest_try_again(const char *name);

/* supervisor.c: start --wait */
int guest_supervise(const char *name, pid_t child);
int guest_note_watched(const char *name);
bool guest_ended_unseen(const struct lpar *lpar);

/* console.c */
int console_verb(struct args *args);

/* qemu.c: the command line of QEMU */
char **qemu_command(const struct lpar_config *config, bool incoming);

#endif /* GUEST_H */
