/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_MM_H
#define _COMPAT_LINUX_MM_H

#include_next <linux/mm.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
/* Since 6.3 vm_flags are changed through helpers that check the lock. */
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* Since 6.7 ->get_policy() tells the index for interleaving as well. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define GET_POLICY_PROTO struct vm_area_struct *vma, unsigned long addr
#else
#define GET_POLICY_PROTO struct vm_area_struct *vma, unsigned long addr, pgoff_t *ilx
#endif

#endif /* _COMPAT_LINUX_MM_H */
