/* SPDX-License-Identifier: GPL-2.0 */
/* What request.c and the files of netlink share. */
#ifndef _KMOD_LPAR_NETLINK_H
#define _KMOD_LPAR_NETLINK_H

#include <linux/types.h>

struct genl_info;
struct lpar_report;
struct netlink_callback;
struct sk_buff;

/* Room for all attributes of an LPAR at their greatest lengths. */
#define LPAR_REPLY_SIZE		(32 << 10)
/* Of more members than this the first are listed; LPAR_A_MEMBERS says how many there are. */
#define LPAR_MEMBERS_SHOWN	512

/* Carries a command out: sends the reply, if any; returns 0 or a negative errno. */
typedef int lpar_request_run(struct genl_info *info, struct lpar_report *report);

/* request.c */
int lpar_request_defer(struct sk_buff *skb, struct genl_info *info, lpar_request_run *run);

/* netlink_get.c, netlink_cut.c */
int lpar_get_doit(struct sk_buff *skb, struct genl_info *info);
int lpar_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int lpar_netlink_dump_start(struct netlink_callback *cb);
int lpar_cut_arm_run(struct genl_info *info, struct lpar_report *report);
int lpar_cut_cancel_run(struct genl_info *info, struct lpar_report *report);
int lpar_cut_dump_start(struct netlink_callback *cb);
int lpar_cut_dump(struct sk_buff *skb, struct netlink_callback *cb);
int lpar_cut_dump_done(struct netlink_callback *cb);

#endif /* _KMOD_LPAR_NETLINK_H */
