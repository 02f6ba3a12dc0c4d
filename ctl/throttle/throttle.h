/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Throttles: of memory that is dirtied, of interrupts.
 */
#ifndef THROTTLE_H
#define THROTTLE_H

#include "../../include/uapi/lparkit/dirtythrottle.h"
#include "lpar/lpar.h"

_Static_assert((int)DT_A_MAX <= NL_ATTRS_MAX, "nl_attrs() has room");
extern struct nl_family nl_throttle;
extern const struct event_source throttle_events;

/*
 * throttle.c: how fast guests dirty their memory; throttle_follow.c: while one migrates;
 * throttle_msi.c: how late interrupts come; throttle_hold.c: so that a device is slow
 */
int throttle_show_verb(struct args *args);
int throttle_attach_verb(struct args *args);
int throttle_set_verb(struct args *args);
int throttle_detach_verb(struct args *args);
int throttle_monitor_verb(struct args *args);
struct nlmsghdr *throttle_request(enum dt_cmd cmd, pid_t pid);
int throttle_get(pid_t pid, struct json_object **target);
pid_t throttle_pid(const char *word, const char **name);
int throttle_parse_watchdog(const char *value, uint32_t *ms);
struct json_object *throttle_decode(const struct nlmsghdr *nlh);
int throttle_follow_verb(struct args *args);
int throttle_engage(pid_t pid, uint64_t limit, uint32_t share, uint32_t watchdog_ms);
int throttle_beat(pid_t pid, uint64_t rate);
void throttle_release(pid_t pid);
int throttle_msi_verb(struct args *args);
struct nlmsghdr *throttle_msi_request(enum dt_cmd cmd, const char *address);
int throttle_msi_get(const char *address, struct json_object **device);
int throttle_hold(const char *address, uint64_t limit, const char *counter, bool force,
		  uint32_t watchdog_ms); /* exit code */

#endif /* THROTTLE_H */
