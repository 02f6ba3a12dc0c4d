// SPDX-License-Identifier: GPL-2.0
/*
 * activation=, after= and delay=: which LPARs are started at boot, and when.
 */
#include <stdlib.h>
#include <string.h>

#include "lpar/lpar.h"

/* A longer one would look like a host that does not come up. */
#define DELAY_MAX_NS (3600 * NSEC_PER_SEC)

static const char *const names[] = {
	[ACTIVATION_IF_RUNNING] = "if-running",
	[ACTIVATION_ALWAYS] = "always",
	[ACTIVATION_NEVER] = "never",
};

const char *activation_name(enum activation activation)
{
	return names[activation];
}

/* These return NULL, or what is wrong with the value. */
const char *activation_set(struct lpar_config *config, const char *value)
{
	int activation = find_word(names, ARRAY_SIZE(names), value);

	if (activation < 0)
		return "is not 'if-running', 'always' or 'never'";
	config->guest.activation = activation;
	return NULL;
}

const char *activation_add_after(struct lpar_config *config, const char *value)
{
	struct guest_config *guest = &config->guest;

	if (!*value) {
		activation_free(guest);
		return NULL;
	}
	if (!name_is_valid(value))
		return "is no name for an LPAR: " NAME_RULE;
	guest->after = xrealloc(guest->after, (guest->n_after + 1) * sizeof(*guest->after));
	guest->after[guest->n_after++] = xstrdup(value);
	return NULL;
}

const char *activation_set_delay(struct lpar_config *config, const char *value)
{
	if (parse_time(value, &config->guest.delay_ns) || config->guest.delay_ns > DELAY_MAX_NS)
		return "is not a time up to 1h such as 30s";
	return NULL;
}

/* The names of after= */
void activation_free(struct guest_config *guest)
{
	while (guest->n_after)
		free(guest->after[--guest->n_after]);
	free(guest->after);
	guest->after = NULL;
}

/* Is it started after the LPAR of that name? */
bool activation_follows(const struct lpar_config *config, const char *name)
{
	size_t i;

	for (i = 0; i < config->guest.n_after; i++)
		if (!strcmp(config->guest.after[i], name))
			return true;
	return false;
}
