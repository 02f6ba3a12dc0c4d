/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_NET_GSO_H
#define _COMPAT_NET_GSO_H

/* Before 6.5 what it declares was in netdevice.h. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#include <linux/netdevice.h>
#else
#include_next <net/gso.h>
#endif

#endif /* _COMPAT_NET_GSO_H */
