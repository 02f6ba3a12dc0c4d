/* SPDX-License-Identifier: GPL-2.0 */
/* What netlink.c and netlink_frame.c share. */
#ifndef _KMOD_NETBUF_NETLINK_H
#define _KMOD_NETBUF_NETLINK_H

#include <linux/types.h>
#include <net/netlink.h>

struct genl_info;
struct netlink_callback;
struct sk_buff;

/* A chunk of a frame with all its attributes. */
#define NETBUF_REPLY_SIZE	(32 << 10)

extern const struct nla_policy netbuf_frame_policy[NETBUF_A_FRAME_MAX + 1];

const char *netbuf_netlink_ifname(struct genl_info *info);
int netbuf_save_start(struct netlink_callback *cb);
int netbuf_save_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int netbuf_save_done(struct netlink_callback *cb);
int netbuf_load_doit(struct sk_buff *skb, struct genl_info *info);
int netbuf_commit_doit(struct sk_buff *skb, struct genl_info *info);
int netbuf_load_init(void);
void netbuf_load_exit(void);

#endif /* _KMOD_NETBUF_NETLINK_H */
