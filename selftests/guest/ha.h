/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GUEST_HA_H
#define GUEST_HA_H

#include <stddef.h>

void ha_start(void);
void ha_command(const char *command, char *answer, size_t size);

#endif /* GUEST_HA_H */
