// SPDX-License-Identifier: GPL-2.0
/*
 * The other host of a move: its own lparctl is run, by ssh or what the operator has for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fc/fc.h"

#define TIMEOUT_MS 30000
#define ANSWER_BYTES (4 << 20)
#define WORDS_MAX 32

/* Takes --peer HOST or --via COMMAND; *ret is the exit code of what is wrong with it. */
bool fc_peer_option(struct fc_peer *peer, const char *option, struct args *args, int *ret)
{
	*ret = EXIT_OK;
	if (next_option(args, option, &peer->host)) {
		if (!peer->host || !host_is_valid(peer->host))
			*ret = usage("%s needs a host", option);
		return true;
	}
	if (!next_option(args, "--via", &peer->via))
		return false;
	if (!peer->via)
		*ret = usage("--via needs a command");
	return true;
}

static int run(const struct fc_peer *peer, const char *const *command, const char *input,
	       char *answer)
{
	char **words = host_words(peer->via, peer->host, command);
	int ret = words ? command_answer(words, input, answer, ANSWER_BYTES, TIMEOUT_MS) : -EINVAL;

	host_words_free(words);
	return ret;
}

/*
 * "lparctl fc WORD..." there, with an input or NULL; it says itself what goes wrong. An error
 * does not say that nothing was done.
 */
int fc_peer_run(const struct fc_peer *peer, const char *const *words, const char *input)
{
	const char *command[WORDS_MAX] = { "lparctl", "fc" };
	char *answer = xalloc(ANSWER_BYTES);
	size_t n = 0;
	int ret;

	while (words[n] && n + 3 < ARRAY_SIZE(command)) {
		command[n + 2] = words[n];
		n++;
	}
	ret = run(peer, command, input ? input : "", answer);
	if (ret && ret != -EIO)
		err("%s: 'lparctl fc %s': %s", peer->host, words[0], strerror(-ret));
	free(answer);
	return ret;
}

/*
 * What "lparctl -j fc VERB [WORD]" prints there, an array; NULL, and it is said: it could not
 * be asked.
 */
struct json_object *fc_peer_ask(const struct fc_peer *peer, const char *verb, const char *word)
{
	const char *const command[] = { "lparctl", "-j", "fc", verb, word, NULL };
	char *answer = xalloc(ANSWER_BYTES);
	struct json_object *json = NULL;
	int ret = run(peer, command, "", answer);

	if (!ret)
		json = json_tokener_parse(answer);
	if (!json_object_is_type(json, json_type_array)) {
		json_object_put(json);
		json = NULL;
		err("%s: 'lparctl fc %s': %s", peer->host, verb,
		    ret == -EIO ? "failed"
		    : ret	? strerror(-ret)
				: "its answer is no JSON");
	}
	free(answer);
	return json;
}

/* The deadlines of an identity, as words that "fc define" and "fc set" take. */
struct deadlines {
	char text[5][16];
	const char *words[11];
};

static void get_deadlines(struct json_object *identity, struct deadlines *deadlines)
{
	static const char *const keys[] = { "login_ms", "storage_ms", "move_ms", "logout_ms",
					    "grace_ms" };
	static const char *const options[] = { "--login", "--storage", "--move", "--logout",
					       "--grace" };
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!json_number(identity, keys[i]))
			continue;
		snprintf(deadlines->text[i], sizeof(deadlines->text[i]), "%" PRIu32 "ms",
			 (uint32_t)json_number(identity, keys[i]));
		deadlines->words[n++] = options[i];
		deadlines->words[n++] = deadlines->text[i];
	}
	deadlines->words[n] = NULL;
}

/* Run "define" or "set" there, with these words and the deadlines of an identity. */
int fc_peer_configure(const struct fc_peer *peer, const char *const *words,
		      struct json_object *identity)
{
	struct deadlines deadlines;
	const char *all[24];
	size_t i, n = 0;

	get_deadlines(identity, &deadlines);
	for (i = 0; words[i]; i++)
		all[n++] = words[i];
	for (i = 0; deadlines.words[i]; i++)
		all[n++] = deadlines.words[i];
	all[n] = NULL;
	/* Nothing but the words themselves, from a kernel that tells no deadlines. */
	if (!i && !words[2])
		return EXIT_OK;
	return fc_peer_run(peer, all, NULL) ? EXIT_FAILED : EXIT_OK;
}
