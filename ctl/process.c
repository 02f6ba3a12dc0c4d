// SPDX-License-Identifier: GPL-2.0
/*
 * Processes: further ones of lparctl itself.
 */
#include <stdlib.h>

#include "lparctl.h"

/* The command line of another lparctl that works on the same root. To be freed, with each word. */
char **self_words(const char *const *words)
{
	char **all;
	size_t n = 0, i;

	while (words[n])
		n++;
	all = xalloc((n + 4) * sizeof(*all));
	n = 0;
	all[n++] = xstrdup("lparctl");
	if (*options.root) {
		all[n++] = xstrdup("--root");
		all[n++] = xstrdup(options.root);
	}
	for (i = 0; words[i]; i++)
		all[n++] = xstrdup(words[i]);
	return all;
}
