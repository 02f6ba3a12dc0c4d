/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/version.h>

/* Since 6.18 the tracepoint memory_failure_event has a header of its own. */
#if __has_include_next(<trace/events/memory-failure.h>)
#include_next <trace/events/memory-failure.h>
#else
#include <ras/ras_event.h>
#endif
