/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers of netdevs.
 */
#ifndef NETBUF_H
#define NETBUF_H

#include "../../include/uapi/lparkit/netbuf.h"
#include "lib/lib.h"

_Static_assert((int)NETBUF_A_MAX <= NL_ATTRS_MAX, "nl_attrs() has room");
extern struct nl_family nl_netbuf;
extern const struct event_source netbuf_events;

/* netbuf.c: frames of netdevs; netbuf_save.c, netbuf_load.c: to a file and back */
int netbuf_show_verb(struct args *args);
int netbuf_attach_verb(struct args *args);
int netbuf_set_verb(struct args *args);
int netbuf_detach_verb(struct args *args);
int netbuf_hold_verb(struct args *args);
int netbuf_flush_verb(struct args *args);
int netbuf_drain_verb(struct args *args);
int netbuf_monitor_verb(struct args *args);
int netbuf_fail(const char *name, int error); /* exit code */
struct nlmsghdr *netbuf_request(enum netbuf_cmd cmd, const char *name);
int netbuf_get(const char *name, struct json_object **buffer);
int netbuf_set_state(const char *name, enum netbuf_state state);
int netbuf_save(const char *path, char *const *names, int n, uint64_t *frames); /* exit code */
int netbuf_save_verb(struct args *args);
int netbuf_load(const char *path); /* exit code */
int netbuf_load_verb(struct args *args);

#endif /* NETBUF_H */
