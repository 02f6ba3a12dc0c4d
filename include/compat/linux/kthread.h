/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_KTHREAD_H
#define _COMPAT_LINUX_KTHREAD_H

#include_next <linux/kthread.h>

/* Since 6.14 creating a worker does not start it. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define kthread_run_worker kthread_create_worker
#endif

#endif /* _COMPAT_LINUX_KTHREAD_H */
