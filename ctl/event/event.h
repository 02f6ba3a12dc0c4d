/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events of all objects: for whoever reads them, for programs, for the journal.
 */
#ifndef EVENT_H
#define EVENT_H

#include <poll.h>

#include "lib/lib.h"

/* monitor.c */
int monitor_verb(struct args *args);

/* event_text.c: an event as a line */
char *event_text(struct json_object *event); /* to be freed */

/* hooks.c: programs that are called */
struct hooks;

struct hooks *hooks_new(void);
void hooks_free(struct hooks *hooks);
void hooks_call(struct hooks *hooks, struct json_object *event);
size_t hooks_poll(const struct hooks *hooks, struct pollfd *pfd, size_t n, uint64_t *deadline_ns);
void hooks_look(struct hooks *hooks);

/* journal.c: systemd's */
struct journal;

struct journal *journal_open(void); /* NULL, with a message */
void journal_close(struct journal *journal);
void journal_send(struct journal *journal, struct json_object *event);

#endif /* EVENT_H */
