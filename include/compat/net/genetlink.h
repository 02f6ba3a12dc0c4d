/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_NET_GENETLINK_H
#define _COMPAT_NET_GENETLINK_H

#include_next <net/genetlink.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
/* Since 6.7 the attributes of a dump are in a struct genl_info. */
#define genl_info_dump(cb) genl_dumpit_info(cb)
#endif

#endif /* _COMPAT_NET_GENETLINK_H */
