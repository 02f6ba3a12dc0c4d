/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_SCHED_H
#define _COMPAT_LINUX_SCHED_H

#include_next <linux/sched.h>

/* Since 6.4 threads that the kernel makes for a process are marked so. */
#ifndef PF_USER_WORKER
#define PF_USER_WORKER 0
#endif

#endif /* _COMPAT_LINUX_SCHED_H */
