/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_FTRACE_H
#define _COMPAT_LINUX_FTRACE_H

#include_next <linux/ftrace.h>

/* Since 6.2. */
#if defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS) && !defined(ftrace_regs_get_argument)
#define ftrace_regs_get_argument(fregs, n) regs_get_kernel_argument(&(fregs)->regs, n)
#endif

#endif /* _COMPAT_LINUX_FTRACE_H */
