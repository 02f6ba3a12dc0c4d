/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_KVM_HOST_H
#define _COMPAT_LINUX_KVM_HOST_H

#include_next <linux/kvm_host.h>

/*
 * Since 6.16 each VM says whether the processor logs its writes. Before, only
 * Intel's did, and only KVM's parameter said so.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define kvm_cpu_logs_writes(kvm) ((kvm)->arch.cpu_dirty_log_size > 0)
#else
#define kvm_cpu_logs_writes(kvm) false
#endif

#endif /* _COMPAT_LINUX_KVM_HOST_H */
