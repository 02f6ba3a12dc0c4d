/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_SKBUFF_H
#define _COMPAT_LINUX_SKBUFF_H

#include_next <linux/skbuff.h>
#include <net/dropreason.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#include <net/dropreason-qdisc.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
/* Since 6.9 there is a helper for the bit that TLS devices leave. */
static inline bool skb_is_decrypted(const struct sk_buff *skb)
{
#ifdef CONFIG_TLS_DEVICE
	return skb->decrypted;
#else
	return false;
#endif
}
#endif

/* Newer kernels have a subsystem of reasons for qdiscs; before, all were between these two. */
static inline bool skb_dropped_by_qdisc(enum skb_drop_reason reason)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	if ((reason & SKB_DROP_REASON_SUBSYS_MASK) >> SKB_DROP_REASON_SUBSYS_SHIFT ==
	    SKB_DROP_REASON_SUBSYS_QDISC)
		return true;
#endif
	return reason >= SKB_DROP_REASON_QDISC_DROP && reason < SKB_DROP_REASON_CPU_BACKLOG;
}

/* By one that had no room for it, whatever the frame is: older kernels do not say so. */
static inline bool skb_dropped_by_full_qdisc(enum skb_drop_reason reason)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	switch ((u32)reason) {
	case SKB_DROP_REASON_QDISC_BURST_DROP:
	case QDISC_DROP_OVERLIMIT:
	case QDISC_DROP_CONGESTED:
	case QDISC_DROP_MAXFLOWS:
	case QDISC_DROP_BAND_LIMIT:
	case QDISC_DROP_FLOW_LIMIT:
		return true;
	}
#endif
	return false;
}

#endif /* _COMPAT_LINUX_SKBUFF_H */
