/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_MSI_H
#define _COMPAT_LINUX_MSI_H

#include_next <linux/msi.h>

/* Since 6.15 a guard is the usual way, and these have underscores. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#define __msi_lock_descs msi_lock_descs
#define __msi_unlock_descs msi_unlock_descs
#endif

#endif /* _COMPAT_LINUX_MSI_H */
