/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_NETDEVICE_H
#define _COMPAT_LINUX_NETDEVICE_H

#include_next <linux/netdevice.h>

/* Since 6.6 BPF programs and qdiscs share a place; before, there was one for qdiscs. */
#ifdef CONFIG_NET_XGRESS
#define netdev_has_tc_ingress(dev) rcu_access_pointer((dev)->tcx_ingress)
#define netdev_has_tc_egress(dev) rcu_access_pointer((dev)->tcx_egress)
#elif defined(CONFIG_NET_CLS_ACT)
#define netdev_has_tc_ingress(dev) rcu_access_pointer((dev)->miniq_ingress)
#define netdev_has_tc_egress(dev) rcu_access_pointer((dev)->miniq_egress)
#else
#define netdev_has_tc_ingress(dev) false
#define netdev_has_tc_egress(dev) false
#endif

#endif /* _COMPAT_LINUX_NETDEVICE_H */
