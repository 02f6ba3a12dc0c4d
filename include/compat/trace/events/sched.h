/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/mm_types.h>	/* 6.12 forgets it */
#include_next <trace/events/sched.h>

#ifndef _COMPAT_TRACE_EVENTS_SCHED_H
#define _COMPAT_TRACE_EVENTS_SCHED_H

/* Since 6.16 the tracepoint sched_process_exit tells whether the whole process dies. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define SCHED_PROCESS_EXIT_PROTO void *data, struct task_struct *task
#else
#define SCHED_PROCESS_EXIT_PROTO void *data, struct task_struct *task, bool group_dead
#endif

#endif /* _COMPAT_TRACE_EVENTS_SCHED_H */
