/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/version.h>

/* Since 6.19 the tracepoint memory_failure_event has a header of its own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
#include <ras/ras_event.h>
#else
#include_next <trace/events/memory-failure.h>
#endif
