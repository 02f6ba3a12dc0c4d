/* SPDX-License-Identifier: GPL-2.0 */
/* What the modules of lparkit know of lpar.ko. */
#ifndef _LPARKIT_LPAR_H
#define _LPARKIT_LPAR_H

#include <uapi/lparkit/lpar.h>

#endif /* _LPARKIT_LPAR_H */
