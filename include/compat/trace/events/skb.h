/* SPDX-License-Identifier: GPL-2.0 */
#include_next <trace/events/skb.h>

#ifndef _COMPAT_TRACE_EVENTS_SKB_H
#define _COMPAT_TRACE_EVENTS_SKB_H

/* Since 6.11 the tracepoint kfree_skb tells the socket that was to receive the frame. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define KFREE_SKB_PROTO void *data, struct sk_buff *skb, void *location, \
	enum skb_drop_reason reason
#elif LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define KFREE_SKB_PROTO void *data, struct sk_buff *skb, void *location, \
	enum skb_drop_reason reason, struct sock *rx_sk
#else
#define KFREE_SKB_PROTO void *data, struct sk_buff *skb, void *location, \
	enum skb_drop_reason reason, const struct sock *rx_sk
#endif

#endif /* _COMPAT_TRACE_EVENTS_SKB_H */
