/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_DEVICE_H
#define _COMPAT_LINUX_DEVICE_H

#include_next <linux/device.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
/* Since 6.2 device_type.devnode takes a const device. */
#define device_type_devnode(fn) \
	((char *(*)(struct device *, umode_t *, kuid_t *, kgid_t *))(fn))
#else
#define device_type_devnode(fn) (fn)
#endif

/* Since 6.14 what is looked for is const. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define device_find_child(parent, data, match) \
	(device_find_child)((parent), (void *)(data), \
			    (int (*)(struct device *, void *))(match))
#endif

#endif /* _COMPAT_LINUX_DEVICE_H */
