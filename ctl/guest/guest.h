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
int guest_check_netdevs(const struct lpar_config *config);

/* end.c: QEMU is ended, and what it had is given back */
int guest_find_noted(const char *name, struct process *process);
int guest_find_process(const struct lpar *lpar, struct process *process);
void guest_forget_run(const char *name);
int guest_wait_left(const char *name, pid_t pid);

/* Why a guest has no QEMU any more: whether it is to run again with its host */
enum guest_end {
	GUEST_STOPPED, /* somebody wants it so, or it has powered down: it is not */
	GUEST_LEFT, /* the same, even if its host goes down meanwhile */
	GUEST_HALTED, /* its host goes down */
	GUEST_LOST, /* QEMU has failed, or was killed */
};

/* What has ended it, as "stop -j" says */
#define GUEST_NONE "none" /* there was no guest */
#define GUEST_POWERED_DOWN "powered-down"
#define GUEST_QUIT "quit" /* QEMU was told to */
#define GUEST_KILLED "killed"

int guest_stop(const struct lpar *lpar, uint64_t timeout_ns, enum guest_end end,
	       const char **how); /* exit code */

/* log.c: what QEMU has said */
void guest_show_log(const char *name);
void guest_last_words(const char *name, char *buf, size_t size);
void guest_keep_log(const char *name);

/* pin.c: vCPUs on CPUs of their own */
int pin_guest(const struct lpar *lpar, const struct pin_config *config); /* exit code */
int pin_verb(struct args *args);

/* resume.c: guests that stand */
int resume_verb(struct args *args);
void guest_try_again(const struct lpar *lpar);

/* supervisor.c: start --wait */
int guest_supervise(const char *name, pid_t child);
int guest_note_watched(const char *name);
bool guest_ended_itself(const struct lpar *lpar);
bool guest_ended_unseen(const struct lpar *lpar);

/* boot.c: all that are to run again with their host */
int boot_show_verb(struct args *args);
int boot_restore_verb(struct args *args);
int boot_shutdown_verb(struct args *args);
int boot_forget_verb(struct args *args);

/* console.c */
int console_verb(struct args *args);

/* qemu.c: the command line of QEMU */
#define QEMU_MONITORS 2
extern const char *const qemu_monitors[QEMU_MONITORS];

/* What QEMU is given open, rather than by its name. */
struct qemu_files {
	int monitor[QEMU_MONITORS];
	int console;
	int agent;
	int disk[LPAR_DISKS_MAX][2]; /* to be read, and written: QEMU reads until it has to write */
	int *nic;
};

const char *qemu_binary(const struct lpar_config *config);
char **qemu_command(const struct lpar_config *config, const struct qemu_files *files,
		    bool incoming);

/* qemu_kind.c: which QEMU it is */
struct qemu_kind {
	char *binary;
	char version[32];
	char *machines; /* as it lists them */
};

int qemu_kind_read(struct qemu_kind *kind, const char *binary);
void qemu_kind_free(struct qemu_kind *kind);
bool qemu_kind_has(const struct qemu_kind *kind, const char *machine);
bool qemu_is_older(const char *version, const char *than);

/* place.c: where QEMU may write */
void place_clear(const char *name);
int place_make(const struct lpar_config *config);

/* user.c: QEMU as a user of its own */
int user_check(const struct lpar_config *config, const struct lpar *lpar);
int user_open(const struct lpar_config *config, struct qemu_files *files, int report);
int user_become(const struct guest_config *guest, int report);

#endif /* GUEST_H */
