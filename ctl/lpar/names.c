// SPDX-License-Identifier: GPL-2.0
/*
 * Names of the numbers of the ABI.
 */
#include <string.h>

#include "lpar/lpar.h"

/* clang-format off */
static const char *const state_names[] = {
	[LPAR_STATE_DEFINED] = "defined",
	[LPAR_STATE_ACTIVE] = "active",
	[LPAR_STATE_MIGRATING] = "migrating",
	[LPAR_STATE_SAVED] = "saved",
	[LPAR_STATE_DEGRADED] = "degraded",
};

static const char *const gate_names[] = {
	[LPAR_GATE_OPEN] = "open",
	[LPAR_GATE_ARMED] = "armed",
	[LPAR_GATE_CLOSED] = "closed",
};

static const char *const pages_names[] = {
	[LPAR_PAGES_ANY] = "any",
	[LPAR_PAGES_LARGE] = "large",
};

static const char *const cut_action_names[] = {
	[LPAR_CUT_CLOSE] = "close",
	[LPAR_CUT_OPEN] = "open",
};

static const char *const cut_state_names[] = {
	[LPAR_CUT_ARMED] = "armed",
	[LPAR_CUT_FIRED] = "fired",
	[LPAR_CUT_CANCELLED] = "cancelled",
};
/* clang-format on */

static const char *name_of(const char *const *names, size_t n, uint32_t number)
{
	return number < n ? names[number] : "unknown";
}

const char *pages_name(uint32_t pages)
{
	return name_of(pages_names, ARRAY_SIZE(pages_names), pages);
}

int pages_number(const char *name)
{
	return find_word(pages_names, ARRAY_SIZE(pages_names), name);
}

const char *state_name(uint32_t state)
{
	return name_of(state_names, ARRAY_SIZE(state_names), state);
}

const char *gate_name(uint32_t gate)
{
	return name_of(gate_names, ARRAY_SIZE(gate_names), gate);
}

const char *cut_action_name(uint32_t action)
{
	return name_of(cut_action_names, ARRAY_SIZE(cut_action_names), action);
}

const char *cut_state_name(uint32_t state)
{
	return name_of(cut_state_names, ARRAY_SIZE(cut_state_names), state);
}

/* -1 for a name that is none. */
int state_number(const char *name)
{
	return find_word(state_names, ARRAY_SIZE(state_names), name);
}

int cut_action_number(const char *name)
{
	return find_word(cut_action_names, ARRAY_SIZE(cut_action_names), name);
}
