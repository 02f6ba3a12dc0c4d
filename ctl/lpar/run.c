// SPDX-License-Identifier: GPL-2.0
/*
 * Verbs on an LPAR that runs: freeze and thaw, members, grants, stages.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lpar/lpar.h"

/* 0 leaves it to the LPAR's own time-out. */
int gate_close(const char *name, uint32_t timeout_ms)
{
	struct nlmsghdr *nlh = nl_request(LPAR_CMD_GATE_CLOSE, name);

	if (timeout_ms)
		mnl_attr_put_u32(nlh, LPAR_A_GATE_TIMEOUT_MS, timeout_ms);
	return nl_send(nlh, NULL, NULL);
}

static void say_frozen(const char *name)
{
	char time[32];
	struct lpar lpar;

	if (!lpar_get(name, &lpar))
		say("%s: frozen, %" PRIu32 " vCPUs held, stopped in %s", name, lpar.gate_held,
		    format_time(time, sizeof(time), lpar.gate_stop_ns));
	lpar_free(&lpar);
}

/* Freeze one; *closed says whether it was this call that closed the gate. */
static int freeze_one(const char *name, uint32_t timeout_ms, bool *closed)
{
	struct lpar lpar;
	int ret = lpar_get(name, &lpar);

	*closed = !ret && lpar.gate != LPAR_GATE_CLOSED;
	lpar_free(&lpar);
	if (!ret)
		ret = gate_close(name, timeout_ms);
	if (!ret)
		say_frozen(name);
	return ret;
}

/* All or none: a half frozen group would be of no use to anybody. */
static int freeze_all(struct args *names, uint32_t timeout_ms)
{
	bool *closed = xalloc(names->argc * sizeof(*closed));
	int i, ret = 0, code = EXIT_OK;

	for (i = 0; i < names->argc && !ret; i++)
		ret = freeze_one(names->argv[i], timeout_ms, &closed[i]);
	if (ret) {
		code = lpar_fail(names->argv[--i], ret);
		while (--i >= 0) {
			if (!closed[i])
				continue;
			nl_simple(LPAR_CMD_GATE_OPEN, names->argv[i]);
			err("LPAR %s: thawed again", names->argv[i]);
			code = EXIT_ROLLED_BACK;
		}
	}
	free(closed);
	return code;
}

/*
 * Take --timeout TIME from wherever it stands among the names. Returns
 * EXIT_OK, or the exit code of usage().
 */
static int take_timeout(struct args *args, uint32_t *timeout_ms)
{
	struct args rest = *args;
	const char *value = NULL;
	uint64_t ns;
	int kept = 0;

	while (rest.argc) {
		if (!next_option(&rest, "--timeout", &value)) {
			args->argv[kept++] = (char *)next_arg(&rest);
			continue;
		}
		if (!value || parse_time(value, &ns) || ns / NSEC_PER_MSEC > UINT32_MAX)
			return usage("--timeout needs a time such as 30s");
		*timeout_ms = ns / NSEC_PER_MSEC;
	}
	args->argc = kept;
	return kept ? EXIT_OK : usage("the name of the LPAR is missing");
}

/* freeze NAME... [--timeout TIME] */
int freeze_verb(struct args *args)
{
	uint32_t timeout_ms = 0;

	if (take_timeout(args, &timeout_ms))
		return EXIT_USAGE;
	return freeze_all(args, timeout_ms);
}

/* thaw NAME...: as many as can be; the first error is the exit code. */
int thaw_verb(struct args *args)
{
	const char *name;
	int ret = EXIT_OK;
	int error;

	if (!args->argc)
		return usage("the name of the LPAR is missing");
	while ((name = next_arg(args))) {
		error = nl_simple(LPAR_CMD_GATE_OPEN, name);
		if (error)
			ret = lpar_fail(name, error);
		else
			say("%s: thawed", name);
	}
	return ret;
}

static int put_pids(struct nlmsghdr *nlh, enum lpar_attr attr, const struct args *pids)
{
	uint64_t pid;
	int i;

	for (i = 0; i < pids->argc; i++) {
		if (parse_uint(pids->argv[i], INT32_MAX, &pid) || !pid)
			return usage("'%s' is not a process id", pids->argv[i]);
		if (!mnl_attr_put_u32_check(nlh, MNL_SOCKET_BUFFER_SIZE, attr, pid))
			return usage("too many process ids at once");
	}
	return EXIT_OK;
}

/* NAME PID...: @cmd with these processes */
static int change_pids(enum lpar_cmd cmd, enum lpar_attr attr, struct args *args,
		       const char *synopsis)
{
	const char *name = next_arg(args);
	struct nlmsghdr *nlh;
	int ret;

	if (!name || !args->argc)
		return usage("%s", synopsis);
	nlh = nl_request(cmd, name);
	ret = put_pids(nlh, attr, args);
	if (ret)
		return ret;
	ret = nl_send(nlh, NULL, NULL);
	return ret ? lpar_fail(name, ret) : EXIT_OK;
}

/* member add|del NAME PID... */
int member_verb(struct args *args)
{
	static const char synopsis[] = "member add|del NAME PID...";
	const char *word = next_arg(args);

	if (!word)
		return usage(synopsis);
	if (!strcmp(word, "add"))
		return change_pids(LPAR_CMD_MEMBER_ADD, LPAR_A_MEMBER, args, synopsis);
	if (!strcmp(word, "del"))
		return change_pids(LPAR_CMD_MEMBER_DEL, LPAR_A_MEMBER, args, synopsis);
	return usage("member verb '%s' is unknown: add or del", word);
}

/* grant NAME PID... */
int grant_verb(struct args *args)
{
	return change_pids(LPAR_CMD_GRANT, LPAR_A_GRANT, args, "grant NAME PID...");
}

/* revoke NAME PID... */
int revoke_verb(struct args *args)
{
	return change_pids(LPAR_CMD_REVOKE, LPAR_A_GRANT, args, "revoke NAME PID...");
}

static int put_stage_u32(struct nlmsghdr *nlh, uint16_t type, const char *value)
{
	uint64_t number;

	if (parse_uint(value, UINT32_MAX, &number))
		return -EINVAL;
	mnl_attr_put_u32(nlh, type, number);
	return 0;
}

static int put_stage_size(struct nlmsghdr *nlh, uint16_t type, const char *value)
{
	uint64_t bytes;

	if (parse_size(value, &bytes))
		return -EINVAL;
	mnl_attr_put_u64(nlh, type, bytes);
	return 0;
}

static int put_stage_text(struct nlmsghdr *nlh, uint16_t type, const char *value)
{
	if (strlen(value) > LPAR_STAGE_TEXT_MAX)
		return -EINVAL;
	mnl_attr_put_strz(nlh, type, value);
	return 0;
}

struct stage_key {
	const char *name;
	uint16_t type;
	int (*put)(struct nlmsghdr *nlh, uint16_t type, const char *value);
};

/* clang-format off */
static const struct stage_key stage_keys[] = {
	{ "number", LPAR_A_STAGE_NUMBER, put_stage_u32 },
	{ "text", LPAR_A_STAGE_TEXT, put_stage_text },
	{ "progress", LPAR_A_STAGE_PROGRESS, put_stage_u32 },
	{ "transfer-rate", LPAR_A_STAGE_TRANSFER_RATE, put_stage_size },
	{ "dirty", LPAR_A_STAGE_DIRTY_BYTES, put_stage_size },
};
/* clang-format on */

static const struct stage_key *find_stage_key(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stage_keys); i++)
		if (!strcmp(stage_keys[i].name, name))
			return &stage_keys[i];
	return NULL;
}

/* The pairs KEY VALUE; "state" is not of the nest and comes back in *state. */
static int put_stage(struct nlmsghdr *nlh, struct args *args, int *state)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, LPAR_A_STAGE);
	const struct stage_key *key;
	const char *word, *value;

	while ((word = next_arg(args))) {
		value = next_arg(args);
		key = find_stage_key(word);
		if (!value)
			return usage("the value of '%s' is missing", word);
		if (!strcmp(word, "state"))
			*state = state_number(value);
		else if (!key)
			return usage("key '%s' is unknown", word);
		else if (key->put(nlh, key->type, value))
			return usage("%s '%s' is not valid", word, value);
		if (!strcmp(word, "state") && *state < 0)
			return usage("state '%s' is unknown", value);
	}
	mnl_attr_nest_end(nlh, nest);
	return EXIT_OK;
}

/* stage NAME KEY VALUE... */
int stage_verb(struct args *args)
{
	const char *name = next_arg(args);
	struct nlmsghdr *nlh;
	int state = -1;
	int ret;

	if (!name || !args->argc)
		return usage("stage NAME KEY VALUE...");
	nlh = nl_request(LPAR_CMD_STAGE_SET, name);
	ret = put_stage(nlh, args, &state);
	if (ret)
		return ret;
	if (state >= 0)
		mnl_attr_put_u32(nlh, LPAR_A_STATE, state);
	ret = nl_send(nlh, NULL, NULL);
	return ret ? lpar_fail(name, ret) : EXIT_OK;
}
