// SPDX-License-Identifier: GPL-2.0
/*
 * The words of lparctl migrate.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cluster/move.h"

#define DOWNTIME_MS 300
#define TIMEOUT_NS (3600 * (uint64_t)NSEC_PER_SEC)
#define MIB_MOST (1 << 20)

static int set_to(struct move *move, const char *value)
{
	move->to = value;
	return host_is_valid(value) ? EXIT_OK : usage("'%s' is no name of a host", value);
}

static int set_from(struct move *move, const char *value)
{
	free(move->from);
	move->from = xstrdup(value);
	return host_is_valid(value) ? EXIT_OK : usage("'%s' is no name of a host", value);
}

/* It becomes a part of what QEMU is told, beside a port. */
static int set_address(struct move *move, const char *value)
{
	free(move->address);
	move->address = xstrdup(value);
	return host_is_valid(value) && !strchr(value, '@') ? EXIT_OK
							   : usage("'%s' is no address", value);
}

static int set_via(struct move *move, const char *value)
{
	move->channels.prefix = value;
	return EXIT_OK;
}

static int set_downtime(struct move *move, const char *value)
{
	return parse_uint(value, DOWNTIME_MOST_MS, &move->downtime_ms) || !move->downtime_ms
		       ? usage("--downtime needs milliseconds, 1 to %d", DOWNTIME_MOST_MS)
		       : EXIT_OK;
}

static int set_mib(const char *option, const char *value, uint64_t *bytes)
{
	if (parse_uint(value, MIB_MOST, bytes) || !*bytes)
		return usage("%s needs MiB per second", option);
	*bytes <<= 20;
	return EXIT_OK;
}

static int set_bandwidth(struct move *move, const char *value)
{
	return set_mib("--bandwidth", value, &move->bandwidth);
}

static int set_limit(struct move *move, const char *value)
{
	move->throttled = strcmp(value, "off");
	move->limit = 0;
	return !move->throttled || !strcmp(value, "auto")
		       ? EXIT_OK
		       : set_mib("--limit auto|off, or a number,", value, &move->limit);
}

static int set_storage(struct move *move, const char *value)
{
	move->storage = value;
	if (!strcmp(value, "none") || !strcmp(value, "shared"))
		return EXIT_OK;
	if (!strcmp(value, "fc") || !strcmp(value, "relocate"))
		return usage("--storage %s: disks cannot be moved so yet", value);
	return usage("--storage shared|none");
}

static int set_slow(struct move *move, const char *value)
{
	move->patient = !strcmp(value, "wait");
	if (!strcmp(value, "postcopy"))
		return usage(
			"--on-slow postcopy: a guest whose memory is at both hosts is lost with the link between them");
	return move->patient || !strcmp(value, "cancel") ? EXIT_OK : usage("--on-slow wait|cancel");
}

static int set_timeout(struct move *move, const char *value)
{
	return parse_time(value, &move->timeout_ns) || !move->timeout_ns
		       ? usage("--timeout needs a time such as 10m")
		       : EXIT_OK;
}

struct move_option {
	const char *name;
	bool recovers; /* is known to recover, too */
	int (*set)(struct move *move, const char *value); /* exit code */
};

/* clang-format off */
static const struct move_option known[] = {
	{ "--to", true, set_to },
	{ "--from", false, set_from },
	{ "--address", false, set_address },
	{ "--via", true, set_via },
	{ "--downtime", false, set_downtime },
	{ "--bandwidth", false, set_bandwidth },
	{ "--limit", false, set_limit },
	{ "--storage", false, set_storage },
	{ "--on-slow", false, set_slow },
	{ "--timeout", false, set_timeout },
};
/* clang-format on */

static int parse_word(struct args *args, struct move *move, const char *verb)
{
	bool recovers = !strcmp(verb, "recover");
	const char *value = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if ((known[i].recovers || !recovers) && next_option(args, known[i].name, &value))
			return value ? known[i].set(move, value)
				     : usage("%s needs a value", known[i].name);
	if (next_flag(args, recovers ? "--abandon" : "--check")) {
		*(recovers ? &move->abandons : &move->check) = true;
		return EXIT_OK;
	}
	if (recovers && next_flag(args, "--source-gone")) {
		move->orphaned = true;
		return EXIT_OK;
	}
	if (args->argv[0][0] == '-' || move->name)
		return usage("'%s' is unknown to migrate %s", args->argv[0], verb);
	move->name = next_arg(args);
	return EXIT_OK;
}

/* Where it is reached without a user's name. */
static const char *without_user(const char *host)
{
	const char *at = strchr(host, '@');

	return at ? at + 1 : host;
}

/* NAME and options, in any order; to be freed, whatever becomes of it. Exit code. */
int move_parse(struct args *args, struct move *move, const char *verb)
{
	struct utsname uts;
	int ret = EXIT_OK;

	memset(move, 0, sizeof(*move));
	move->downtime_ms = DOWNTIME_MS;
	move->storage = "shared";
	move->throttled = move->patient = true;
	move->timeout_ns = TIMEOUT_NS;
	move->stages = json_object_new_array();
	while (!ret && args->argc)
		ret = parse_word(args, move, verb);
	if (!ret && (!move->name || (strcmp(verb, "recover") && !move->to)))
		ret = usage("migrate %s NAME%s", verb, strcmp(verb, "recover") ? " --to HOST" : "");
	if (!ret && move->orphaned && !move->abandons)
		ret = usage(
			"--source-gone needs --abandon: a copy that nobody can tell to run goes");
	if (!ret && move->orphaned && (move->to || move->channels.prefix))
		ret = usage("--source-gone asks nobody: leave --to and --via out");
	if (!ret && !name_is_valid(move->name))
		ret = usage("'%s' is no name for an LPAR: " NAME_RULE, move->name);
	if (ret)
		return ret;
	if (!move->from && !uname(&uts))
		move->from = xstrdup(uts.nodename);
	if (!move->address && move->to)
		move->address = xstrdup(without_user(move->to));
	move->channels.timeout_ns = move->timeout_ns + MOVE_STEP_NS;
	return EXIT_OK;
}

void move_free(struct move *move)
{
	channels_close(&move->channels);
	free(move->from);
	free(move->address);
	json_object_put(move->stages);
	json_object_put(move->result);
}
