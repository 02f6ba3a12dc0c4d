// SPDX-License-Identifier: GPL-2.0
/*
 * The words of the command line.
 */
#include <string.h>

#include "lib/lib.h"

struct options options = { .root = "" };

/* The next word of the command line, or NULL. */
const char *next_arg(struct args *args)
{
	if (!args->argc)
		return NULL;
	args->argc--;
	return *args->argv++;
}

/*
 * Take "--option VALUE" or "--option=VALUE" when it is next. *value is NULL
 * when the value is missing.
 */
bool next_option(struct args *args, const char *option, const char **value)
{
	size_t len = strlen(option);

	if (!args->argc || strncmp(args->argv[0], option, len))
		return false;
	if (args->argv[0][len] == '=') {
		*value = next_arg(args) + len + 1;
		return true;
	}
	if (args->argv[0][len])
		return false;
	next_arg(args);
	*value = next_arg(args);
	return true;
}

bool next_flag(struct args *args, const char *flag)
{
	if (!args->argc || strcmp(args->argv[0], flag))
		return false;
	next_arg(args);
	return true;
}
