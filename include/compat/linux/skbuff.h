/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_SKBUFF_H
#define _COMPAT_LINUX_SKBUFF_H

#include_next <linux/skbuff.h>

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

#endif /* _COMPAT_LINUX_SKBUFF_H */
