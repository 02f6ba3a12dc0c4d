/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_WORKQUEUE_H
#define _COMPAT_LINUX_WORKQUEUE_H

#include_next <linux/workqueue.h>

/* Since 6.17 a queue says so when it is bound to CPUs, which was the default. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define WQ_PERCPU 0
#endif

#endif /* _COMPAT_LINUX_WORKQUEUE_H */
