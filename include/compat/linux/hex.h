/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_HEX_H
#define _COMPAT_LINUX_HEX_H

#include <linux/version.h>

/* A header of its own came in between; as long as it was not, kernel.h has it. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include <linux/kernel.h>
#else
#include_next <linux/hex.h>
#endif

#endif /* _COMPAT_LINUX_HEX_H */
