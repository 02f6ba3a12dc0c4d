/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_TASK_WORK_H
#define _COMPAT_LINUX_TASK_WORK_H

#include_next <linux/task_work.h>

/*
 * In 6.12 KASAN allocates in task_work_add() unless told not to; older and
 * newer kernels never do under a raw spinlock.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define TWA_RESUME_NO_ALLOC (TWA_RESUME | TWAF_NO_ALLOC)
#define TWA_SIGNAL_NO_ALLOC (TWA_SIGNAL | TWAF_NO_ALLOC)
#else
#define TWA_RESUME_NO_ALLOC TWA_RESUME
#define TWA_SIGNAL_NO_ALLOC TWA_SIGNAL
#endif

#endif /* _COMPAT_LINUX_TASK_WORK_H */
