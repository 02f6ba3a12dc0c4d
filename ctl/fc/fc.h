/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fibre Channel identities of LPARs.
 */
#ifndef FC_H
#define FC_H

#include "../../include/uapi/lparkit/fcnpiv.h"
#include "lib/lib.h"

_Static_assert((int)FCN_A_MAX <= NL_ATTRS_MAX, "nl_attrs() has room");
extern struct nl_family nl_fcnpiv;

/* fc.c: what the kernel says about an identity */
int fc_show_verb(struct args *args);
int fc_monitor_verb(struct args *args);
struct nlmsghdr *fc_request(enum fcn_cmd cmd, const char *lpar);
int fc_get(const char *lpar, struct json_object **identity);
int fc_fail(const char *lpar, int error); /* exit code */
struct json_object *fc_decode(const struct nlmsghdr *nlh);

/* fc_name.c: world wide names, tokens, the hosts that have ports */
int wwn_parse(const char *text, uint64_t *wwn);
const char *wwn_format(char *buf, size_t size, uint64_t wwn);
int token_parse(const char *text, uint8_t *token);
const char *token_format(char *buf, size_t size, const uint8_t *token, size_t len);
int fc_parent(const char *word, uint64_t *wwpn);
int fc_list_verb(struct args *args);

/* fc_registry.c: names that this host has given to LPARs */
int fc_generate_verb(struct args *args);

/* fc_change.c: define, set, delete, login, logout, start, confirm, abort, wait */
int fc_define_verb(struct args *args);
int fc_set_verb(struct args *args);
int fc_delete_verb(struct args *args);
int fc_login_verb(struct args *args);
int fc_logout_verb(struct args *args);
int fc_start_verb(struct args *args);
int fc_confirm_verb(struct args *args);
int fc_abort_verb(struct args *args);
int fc_wait_verb(struct args *args);

#endif /* FC_H */
