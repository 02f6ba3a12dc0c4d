// SPDX-License-Identifier: GPL-2.0
/*
 * Object fc: what changes an identity, and how its operations are waited for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fc/fc.h"
#include "lpar/lpar.h"

/* Without an event the identity is looked at this often. */
#define LOOK_MS 1000

/* --- settings --- */

static const char *put_wwn(struct nlmsghdr *nlh, uint16_t type, const char *value)
{
	uint64_t wwn;

	if (wwn_parse(value, &wwn))
		return "a world wide name such as 20:01:00:00:00:00:00:01";
	mnl_attr_put_u64(nlh, type, wwn);
	return NULL;
}

static const char *put_wwnn(struct nlmsghdr *nlh, const char *value)
{
	return put_wwn(nlh, FCN_A_WWNN, value);
}

static const char *put_original(struct nlmsghdr *nlh, const char *value)
{
	return put_wwn(nlh, FCN_A_WWPN_ORIGINAL, value);
}

static const char *put_maintenance(struct nlmsghdr *nlh, const char *value)
{
	return put_wwn(nlh, FCN_A_WWPN_MAINTENANCE, value);
}

static const char *put_parent(struct nlmsghdr *nlh, const char *value)
{
	uint64_t wwpn;

	if (fc_parent(value, &wwpn))
		return "an fc_host: its WWPN, or host3 as in /sys/class/fc_host";
	mnl_attr_put_u64(nlh, FCN_A_PARENT, wwpn);
	return NULL;
}

static const char *put_deadline(struct nlmsghdr *nlh, uint16_t type, const char *value)
{
	uint64_t ns;

	if (parse_time(value, &ns) || ns / NSEC_PER_MSEC < FCNPIV_DEADLINE_MIN_MS ||
	    ns / NSEC_PER_MSEC > FCNPIV_DEADLINE_MAX_MS)
		return "a time such as 30s, 100ms to 1h";
	mnl_attr_put_u32(nlh, type, ns / NSEC_PER_MSEC);
	return NULL;
}

static const char *put_login(struct nlmsghdr *nlh, const char *value)
{
	return put_deadline(nlh, FCN_A_LOGIN_MS, value);
}

static const char *put_storage(struct nlmsghdr *nlh, const char *value)
{
	return put_deadline(nlh, FCN_A_STORAGE_MS, value);
}

static const char *put_move(struct nlmsghdr *nlh, const char *value)
{
	return put_deadline(nlh, FCN_A_MOVE_MS, value);
}

static const char *put_logout(struct nlmsghdr *nlh, const char *value)
{
	return put_deadline(nlh, FCN_A_LOGOUT_MS, value);
}

static const char *put_grace(struct nlmsghdr *nlh, const char *value)
{
	return put_deadline(nlh, FCN_A_GRACE_MS, value);
}

static int put_lun(struct nlmsghdr *nlh, struct json_object *lun)
{
	struct nlattr *nest;

	if (!*json_text(lun, "id") || nl_room(nlh) < 256)
		return -EINVAL;
	nest = mnl_attr_nest_start(nlh, FCN_A_LUN);
	mnl_attr_put_strz(nlh, FCN_A_LUN_ID, json_text(lun, "id"));
	mnl_attr_put_u64(nlh, FCN_A_LUN_SECTORS, json_number(lun, "sectors"));
	mnl_attr_put_u32(nlh, FCN_A_LUN_BLOCK_SIZE, json_number(lun, "block_size"));
	mnl_attr_nest_end(nlh, nest);
	return 0;
}

/* The LUNs of what "lparctl -j fc show LPAR" has printed, here or on another host. */
static const char *put_luns(struct nlmsghdr *nlh, const char *file)
{
	struct json_object *shown = strcmp(file, "-") ? json_object_from_file(file)
						      : json_object_from_fd(0);
	struct json_object *luns = json_object_object_get(json_at(shown, 0), "luns");
	int ret = json_count(luns) ? 0 : -EINVAL;
	size_t i;

	for (i = 0; !ret && i < json_count(luns); i++)
		ret = put_lun(nlh, json_at(luns, i));
	json_object_put(shown);
	return ret ? "a file with the output of 'lparctl -j fc show LPAR', with its LUNs" : NULL;
}

static const char *put_bytes(struct nlmsghdr *nlh, uint16_t type, const char *value)
{
	uint8_t token[FCNPIV_TOKEN_SIZE];

	if (token_parse(value, token))
		return "the 32 hex digits that 'lparctl fc show LPAR' tells";
	mnl_attr_put(nlh, type, sizeof(token), token);
	return NULL;
}

static const char *put_token(struct nlmsghdr *nlh, const char *value)
{
	return put_bytes(nlh, FCN_A_TOKEN, value);
}

static const char *put_used(struct nlmsghdr *nlh, const char *value)
{
	return put_bytes(nlh, FCN_A_USED, value);
}

static const char *put_receipt(struct nlmsghdr *nlh, const char *value)
{
	return put_bytes(nlh, FCN_A_RECEIPT, value);
}

static const char *put_force(struct nlmsghdr *nlh, const char *value)
{
	(void)value;
	mnl_attr_put_u32(nlh, FCN_A_FORCE, 1);
	return NULL;
}

static const char *put_away(struct nlmsghdr *nlh, const char *value)
{
	(void)value;
	mnl_attr_put_u32(nlh, FCN_A_AWAY, 1);
	return NULL;
}

static const char *put_port_maintenance(struct nlmsghdr *nlh, const char *value)
{
	(void)value;
	mnl_attr_put_u32(nlh, FCN_A_PORT, FCN_PORT_MAINTENANCE);
	return NULL;
}

/* clang-format off */
static const struct setting define_settings[] = {
	{ "--wwnn", put_wwnn, false },
	{ "--wwpn", put_original, false },
	{ "--wwpn-maintenance", put_maintenance, false },
	{ "--parent", put_parent, false },
	{ "--away", put_away, true },
	{ "--login", put_login, false },
	{ "--storage", put_storage, false },
	{ "--move", put_move, false },
	{ "--logout", put_logout, false },
	{ "--grace", put_grace, false },
	{ "--luns", put_luns, false },
	{ NULL, NULL, false },
};

static const struct setting set_settings[] = {
	{ "--parent", put_parent, false },
	{ "--login", put_login, false },
	{ "--storage", put_storage, false },
	{ "--move", put_move, false },
	{ "--logout", put_logout, false },
	{ "--grace", put_grace, false },
	{ "--luns", put_luns, false },
	{ NULL, NULL, false },
};

static const struct setting start_settings[] = {
	{ "--token", put_token, false },
	{ "--luns", put_luns, false },
	{ "--force", put_force, true },
	{ NULL, NULL, false },
};

static const struct setting revoke_settings[] = {
	{ "--token", put_token, false },
	{ "--used", put_used, false },
	{ NULL, NULL, false },
};

static const struct setting port_settings[] = {
	{ "--maintenance", put_port_maintenance, true },
	{ "--force", put_force, true },
	{ NULL, NULL, false },
};

static const struct setting confirm_settings[] = {
	{ "--receipt", put_receipt, false },
	{ "--force", put_force, true },
	{ NULL, NULL, false },
};
/* clang-format on */

/* The LPAR's name; NULL, and *ret, when it is none. */
static const char *next_lpar(struct args *args, int *ret)
{
	const char *lpar = next_arg(args);

	*ret = EXIT_OK;
	if (!lpar || *lpar == '-')
		*ret = usage("the name of an LPAR is missing");
	else if (!name_is_valid(lpar))
		*ret = usage("'%s' is no name of an LPAR", lpar);
	return *ret ? NULL : lpar;
}

static int send_request(const char *lpar, struct nlmsghdr *nlh)
{
	int ret = nl_send(nlh, NULL, NULL);

	return ret ? fc_fail(lpar, ret) : EXIT_OK;
}

static bool has_word(const struct args *args, const char *word)
{
	int i;

	for (i = 0; i < args->argc; i++)
		if (!strcmp(args->argv[i], word))
			return true;
	return false;
}

/* Of what brings the original in; who says --force has looked at the other host himself. */
static int check_journal(const char *lpar, const struct args *args)
{
	return has_word(args, "--force") ? EXIT_OK : fc_journal_refuse(lpar);
}

static int configure(enum fcn_cmd cmd, const struct setting *settings, struct args *args)
{
	struct nlmsghdr *nlh;
	const char *lpar;
	int ret;

	lpar = next_lpar(args, &ret);
	if (!lpar)
		return ret;
	if (cmd == FCN_CMD_DEFINE && check_journal(lpar, args))
		return EXIT_FAILED;
	nlh = fc_request(cmd, lpar);
	ret = put_settings(nlh, args, settings, "fc");
	return ret ? ret : send_request(lpar, nlh);
}

/* define LPAR --wwnn WWN --wwpn WWN --wwpn-maintenance WWN --parent HOST [--away] [SETTING]... */
int fc_define_verb(struct args *args)
{
	return configure(FCN_CMD_DEFINE, define_settings, args);
}

/* set LPAR SETTING... */
int fc_set_verb(struct args *args)
{
	return configure(FCN_CMD_SET, set_settings, args);
}

/* revoke LPAR --token TOKEN --used TOKEN */
int fc_revoke_verb(struct args *args)
{
	return configure(FCN_CMD_REVOKE, revoke_settings, args);
}

/* delete LPAR... */
int fc_delete_verb(struct args *args)
{
	const char *lpar;
	int ret;

	do {
		lpar = next_lpar(args, &ret);
		if (lpar)
			ret = send_request(lpar, fc_request(FCN_CMD_DELETE, lpar));
	} while (!ret && args->argc);
	return ret;
}

/* --- waiting --- */

/**
 * struct wait - what is waited for
 * @lpar: of this LPAR
 * @step: "idle", or a step in which the operation waits
 * @end_ns: until then; 0 = for ever
 * @interruptions: so often we had been told to end before
 */
struct wait {
	const char *lpar;
	const char *step;
	uint64_t end_ns;
	unsigned int interruptions;
};

/* An operation that has ended went well, or went back. */
static int judge_end(const struct wait *wait, struct json_object *identity)
{
	if (!strcmp(json_text(identity, "result"), "back")) {
		err("LPAR %s: %s", wait->lpar, json_text(identity, "reason"));
		return EXIT_ROLLED_BACK;
	}
	if (strcmp(wait->step, "idle")) {
		err("LPAR %s: nothing is under way", wait->lpar);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

/* The exit code, or -EAGAIN: not yet. */
static int look(const struct wait *wait)
{
	struct json_object *identity;
	const char *step;
	int ret = fc_get(wait->lpar, &identity);

	if (ret)
		return fc_fail(wait->lpar, ret);
	step = json_text(identity, "step");
	ret = -EAGAIN;
	if (!strcmp(step, "idle"))
		ret = judge_end(wait, identity);
	else if (!strcmp(step, wait->step) && !strcmp(json_text(identity, "state"), "waiting"))
		ret = EXIT_OK;
	json_object_put(identity);
	return ret;
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	return MNL_CB_OK;
}

/* Milliseconds until the next look. */
static int pause_ms(const struct wait *wait)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (!wait->end_ns || wait->end_ns - now > LOOK_MS * NSEC_PER_MSEC)
		return LOOK_MS;
	return (wait->end_ns - now) / NSEC_PER_MSEC + 1;
}

/* Events only make us look: none of them has to come. */
static int wait_for(const struct wait *wait, struct mnl_socket *sock)
{
	int ret = look(wait);

	while (ret == -EAGAIN) {
		if (wait->end_ns && now_ns(CLOCK_MONOTONIC) >= wait->end_ns) {
			err("LPAR %s: not yet; it goes on: see 'lparctl fc show %s'", wait->lpar,
			    wait->lpar);
			return EXIT_TIMEOUT;
		}
		nl_receive(sock, pause_ms(wait), on_event, NULL);
		if (interruptions() > wait->interruptions) {
			err("LPAR %s: interrupted", wait->lpar);
			return EXIT_FAILED;
		}
		ret = look(wait);
	}
	return ret;
}

/*
 * As "fc wait", unless somebody who catches signals is told to end. Until end_ns of
 * CLOCK_MONOTONIC, 0 is for ever. Exit code.
 */
int fc_wait_until(const char *lpar, const char *step, uint64_t end_ns)
{
	const struct wait wait = {
		.lpar = lpar, .step = step, .end_ns = end_ns, .interruptions = interruptions()
	};
	struct mnl_socket *sock = nl_subscribe(&nl_fcnpiv);
	int ret = wait_for(&wait, sock);

	mnl_socket_close(sock);
	return ret;
}

int fc_wait(const char *lpar, const char *step)
{
	return fc_wait_until(lpar, step, 0);
}

/* Sends a request that begins an operation, and waits until that has ended. */
static int run_operation(const char *lpar, struct nlmsghdr *nlh)
{
	const struct wait wait = { .lpar = lpar, .step = "idle" };
	struct mnl_socket *sock = nl_subscribe(&nl_fcnpiv);
	int ret = send_request(lpar, nlh);

	if (!ret)
		ret = wait_for(&wait, sock);
	mnl_socket_close(sock);
	return ret;
}

/* wait LPAR STEP [--timeout TIME] */
int fc_wait_verb(struct args *args)
{
	struct wait wait = { 0 };
	struct mnl_socket *sock;
	const char *value;
	uint64_t ns;
	int ret;

	wait.lpar = next_lpar(args, &ret);
	if (!wait.lpar)
		return ret;
	wait.step = next_arg(args);
	if (!wait.step || *wait.step == '-')
		return usage("the step is missing: idle, io-to-m, on-m, armed, ...");
	while (args->argc) {
		if (!next_option(args, "--timeout", &value))
			return usage("'%s' is unknown to fc wait", next_arg(args));
		if (!value || parse_time(value, &ns) || !ns)
			return usage("--timeout needs a time such as 30s");
		wait.end_ns = now_ns(CLOCK_MONOTONIC) + ns;
	}
	sock = nl_subscribe(&nl_fcnpiv);
	ret = wait_for(&wait, sock);
	mnl_socket_close(sock);
	return ret;
}

/* --- operations --- */

static int port_operation(enum fcn_operation operation, struct args *args)
{
	struct nlmsghdr *nlh;
	const char *lpar;
	int ret;

	lpar = next_lpar(args, &ret);
	if (!lpar)
		return ret;
	if (operation == FCN_OPERATION_LOGIN && check_journal(lpar, args))
		return EXIT_FAILED;
	nlh = fc_request(FCN_CMD_START, lpar);
	mnl_attr_put_u32(nlh, FCN_A_OPERATION, operation);
	ret = put_settings(nlh, args, port_settings, "fc");
	return ret ? ret : run_operation(lpar, nlh);
}

/* login LPAR [--maintenance] [--force] */
int fc_login_verb(struct args *args)
{
	const char *lpar = args->argc ? args->argv[0] : "";
	bool original = !has_word(args, "--maintenance"), force = has_word(args, "--force");
	int ret = EXIT_OK;

	if (original && !force && name_is_valid(lpar))
		ret = fc_away_refuse(lpar);
	if (!ret)
		ret = port_operation(FCN_OPERATION_LOGIN, args);
	if (!ret && original && force)
		fc_away_forget(lpar);
	return ret;
}

/* logout LPAR [--maintenance] [--force] */
int fc_logout_verb(struct args *args)
{
	return port_operation(FCN_OPERATION_LOGOUT, args);
}

/* start LPAR source | start LPAR destination --token TOKEN|--force [--luns FILE] */
int fc_start_verb(struct args *args)
{
	struct nlmsghdr *nlh;
	const char *lpar, *role;
	int ret;

	lpar = next_lpar(args, &ret);
	if (!lpar)
		return ret;
	role = next_arg(args);
	if (!role || (strcmp(role, "source") && strcmp(role, "destination")))
		return usage("what this host is, is missing: source or destination");
	if (check_journal(lpar, args))
		return EXIT_FAILED;
	nlh = fc_request(FCN_CMD_START, lpar);
	mnl_attr_put_u32(nlh, FCN_A_OPERATION,
			 strcmp(role, "source") ? FCN_OPERATION_DESTINATION : FCN_OPERATION_SOURCE);
	ret = put_settings(nlh, args, start_settings, "fc");
	return ret ? ret : send_request(lpar, nlh);
}

static int confirm_number(const char *word)
{
	static const char *const words[] = {
		[FCN_CONFIRM_IO] = "io",
		[FCN_CONFIRM_GONE] = "gone",
		[FCN_CONFIRM_SWITCHED] = "switched",
		[FCN_CONFIRM_RETURNED] = "returned",
	};

	return word ? find_word(words, ARRAY_SIZE(words), word) : -1;
}

static bool has_come(const char *lpar)
{
	struct json_object *identity;
	bool come;

	if (fc_get(lpar, &identity))
		return false;
	come = !strcmp(json_text(identity, "operation"), "destination");
	json_object_put(identity);
	return come;
}

/* confirm LPAR io|gone|switched|returned [--receipt RECEIPT|--force] */
int fc_confirm_verb(struct args *args)
{
	struct nlmsghdr *nlh;
	const char *lpar;
	int ret, what;

	lpar = next_lpar(args, &ret);
	if (!lpar)
		return ret;
	what = confirm_number(next_arg(args));
	if (what < 0)
		return usage("what is confirmed: io, gone, switched or returned");
	nlh = fc_request(FCN_CMD_CONFIRM, lpar);
	mnl_attr_put_u32(nlh, FCN_A_CONFIRM, what);
	ret = put_settings(nlh, args, confirm_settings, "fc");
	if (!ret)
		ret = send_request(lpar, nlh);
	if (!ret && what == FCN_CONFIRM_SWITCHED && has_come(lpar))
		fc_away_forget(lpar);
	return ret;
}

/* abort LPAR */
int fc_abort_verb(struct args *args)
{
	const char *lpar;
	int ret;

	lpar = next_lpar(args, &ret);
	if (!lpar)
		return ret;
	if (args->argc)
		return usage("'%s' is unknown to fc abort", next_arg(args));
	return send_request(lpar, fc_request(FCN_CMD_ABORT, lpar));
}
