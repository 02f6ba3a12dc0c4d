/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GUEST_PAIR_H
#define GUEST_PAIR_H

#include <stddef.h>

void pair_start(void);
void pair_command(const char *command, char *answer, size_t size);

#endif /* GUEST_PAIR_H */
