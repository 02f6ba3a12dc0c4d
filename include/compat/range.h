/* SPDX-License-Identifier: GPL-2.0 */
/* The range of kernels that the modules were built and tested for. */
#ifndef _COMPAT_RANGE_H
#define _COMPAT_RANGE_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "lparkit needs Linux 6.1 or newer"
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0)
#error "lparkit is not ported to Linux 7.4 or newer"
#endif

#ifndef CONFIG_X86_64
#error "lparkit supports x86-64 only"
#endif

#endif /* _COMPAT_RANGE_H */
