// SPDX-License-Identifier: GPL-2.0
/*
 * Commands on other hosts, normally by ssh.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"

#define HOST_MAX 255

/*
 * A connection that has broken without a word is noticed in 15 s, well before an execd
 * gives us up. Nobody is there to be asked for a password. It is ours alone, whatever the
 * user's ssh_config says: a shared one dies with its master, and neither a terminal, an agent
 * nor a forwarded port is a host's to have.
 */
static const char *const ssh[] = { "ssh",
				   "-oBatchMode=yes",
				   "-oConnectTimeout=10",
				   "-oServerAliveInterval=5",
				   "-oServerAliveCountMax=3",
				   "-oControlMaster=no",
				   "-oControlPath=none",
				   "-oClearAllForwardings=yes",
				   "-oPermitLocalCommand=no",
				   "-T",
				   "-a",
				   "-x",
				   "--",
				   NULL };

/* Of an operator or of a file: nothing that ssh, or a path, could take for something else. */
bool host_is_valid(const char *host)
{
	static const char most[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789.-_:%@[]";
	const char *at = strchr(host, '@');
	const char *name = at ? at + 1 : host;

	return *host && strlen(host) <= HOST_MAX && strspn(host, most) == strlen(host) &&
	       !strchr("-.@", *host) && *name && *name != '-' && !strchr(name, '@');
}

static char **add_words(char **words, size_t *n, const char *const *more)
{
	size_t i;

	for (i = 0; more[i]; i++) {
		words = xrealloc(words, (*n + 2) * sizeof(*words));
		words[(*n)++] = xstrdup(more[i]);
		words[*n] = NULL;
	}
	return words;
}

/*
 * What runs @command on @host: by @via, which is called with the host and the command, or by
 * ssh if that is NULL. To be freed by host_words_free(); NULL if @via is no command.
 */
char **host_words(const char *via, const char *host, const char *const *command)
{
	char **words = NULL;
	size_t n = 0;

	if (via && (split_words(via, &words, &n) || !n))
		return NULL;
	if (!via)
		words = add_words(words, &n, ssh);
	words = add_words(words, &n, (const char *const[]){ host, NULL });
	return add_words(words, &n, command);
}

void host_words_free(char **words)
{
	size_t i;

	for (i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}
