/* SPDX-License-Identifier: GPL-2.0 */
/* What the modules of lparkit know of lpar.ko. */
#ifndef _LPARKIT_LPAR_H
#define _LPARKIT_LPAR_H

#include <linux/types.h>
#include <uapi/lparkit/lpar.h>

bool lpar_cpu_is_fenced(unsigned int cpu);

#endif /* _LPARKIT_LPAR_H */
