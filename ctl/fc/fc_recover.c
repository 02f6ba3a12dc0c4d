// SPDX-License-Identifier: GPL-2.0
/*
 * fc recover: the source of a move whose caller is gone. The kernels of both hosts know how far
 * it is, and the destination's decides: once it was told of the switch-over the LPAR lives
 * there, and until then the move is undone, there first. Nothing is done on a guess.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "fc/fc.h"
#include "lpar/lpar.h"

#define LOOK_MS 500

struct recovery {
	const char *lpar;
	struct fc_peer peer;
	bool force; /* who has no receipt never had the token, or is fenced */
};

/* What the other host makes of the move. */
enum theirs {
	SILENT, /* it could not be asked */
	LIVES, /* it was told of the switch-over */
	UNDECIDED, /* it could still be told */
	LEAVES, /* on its way back */
	NOTHING, /* is under way there */
};

static bool is(struct json_object *identity, const char *key, const char *value)
{
	return !strcmp(json_text(identity, key), value);
}

static struct json_object *find_lpar(struct json_object *identities, const char *lpar)
{
	size_t i;

	for (i = 0; i < json_count(identities); i++)
		if (is(json_at(identities, i), "lpar", lpar))
			return json_at(identities, i);
	return NULL;
}

/*
 * While the original is away from here, a destination that is done and has it has it by our
 * token. One that has it not is done with a former move.
 */
static bool has_come(struct json_object *identity)
{
	return is(identity, "step", "idle") && is(identity, "operation", "destination") &&
	       is(identity, "result", "done") &&
	       !is(json_object_object_get(identity, "original"), "state", "absent");
}

static enum theirs judge(struct json_object *identity)
{
	if (is(identity, "step", "o-free") || has_come(identity))
		return LIVES;
	if (!identity || is(identity, "step", "idle"))
		return NOTHING;
	return json_flag(identity, "goes_back") ? LEAVES : UNDECIDED;
}

/* *receipt: that of the other host, "" if it has none, or what it says is no receipt. */
static enum theirs look_there(const struct recovery *recovery, char *receipt, size_t size)
{
	struct json_object *identities = fc_peer_ask(&recovery->peer, "show", NULL), *identity;
	uint8_t bytes[FCNPIV_TOKEN_SIZE];
	enum theirs theirs;

	*receipt = 0;
	if (!identities)
		return SILENT;
	identity = find_lpar(identities, recovery->lpar);
	theirs = judge(identity);
	if (!token_parse(json_text(identity, "receipt"), bytes))
		snprintf(receipt, size, "%s", json_text(identity, "receipt"));
	json_object_put(identities);
	return theirs;
}

/* By whomever: an identity there, sysfs, or another one's. */
static int check_absent_there(const struct recovery *recovery, struct json_object *identity)
{
	const char *wwpn = json_text(identity, "wwpn_original");
	struct json_object *hosts = fc_peer_ask(&recovery->peer, "list", "--all");
	int ret = hosts ? 0 : -EIO;
	size_t i;

	for (i = 0; i < json_count(hosts) && !ret; i++)
		if (is(json_at(hosts, i), "wwpn", wwpn)) {
			err("%s: the original %s is logged in there: %s", recovery->peer.host, wwpn,
			    json_text(json_at(hosts, i), "host"));
			ret = -EBUSY;
		}
	json_object_put(hosts);
	return ret;
}

/* Until it has gone back there, or has been told of the switch-over after all. */
static enum theirs undo_there(const struct recovery *recovery, char *receipt, size_t size)
{
	enum theirs theirs = look_there(recovery, receipt, size);
	bool asked = false;

	while ((theirs == UNDECIDED || theirs == LEAVES) && !interrupted()) {
		if (theirs == UNDECIDED && !asked) {
			say("%s: goes back at %s", recovery->lpar, recovery->peer.host);
			/* What it says of it does not count: how it is then does. */
			fc_peer_run(&recovery->peer, "abort", recovery->lpar);
			asked = true;
		}
		sleep_ms(LOOK_MS);
		theirs = look_there(recovery, receipt, size);
	}
	return theirs;
}

/* --- this host --- */

/* -errno. Without a receipt only by force, which is for the operator to say. */
static int confirm(const struct recovery *recovery, enum fcn_confirm what, const char *receipt)
{
	struct nlmsghdr *nlh = fc_request(FCN_CMD_CONFIRM, recovery->lpar);
	uint8_t bytes[FCNPIV_TOKEN_SIZE];

	mnl_attr_put_u32(nlh, FCN_A_CONFIRM, what);
	if (!token_parse(receipt, bytes))
		mnl_attr_put(nlh, FCN_A_RECEIPT, sizeof(bytes), bytes);
	else if (recovery->force)
		mnl_attr_put_u32(nlh, FCN_A_FORCE, 1);
	return nl_send(nlh, NULL, NULL);
}

/* A receipt that is refused is for the token of a former move: that host never had this one. */
static int confirm_returned(const struct recovery *recovery, const char *receipt)
{
	int ret = confirm(recovery, FCN_CONFIRM_RETURNED, receipt);

	if (ret == -EPERM && recovery->force)
		ret = confirm(recovery, FCN_CONFIRM_RETURNED, "");
	if (!ret)
		return EXIT_OK;
	fc_fail(recovery->lpar, ret);
	if (ret == -EPERM && !recovery->force)
		err("LPAR %s: if %s never had the token, and nobody gives it to it, --force goes back",
		    recovery->lpar, recovery->peer.host);
	return EXIT_FAILED;
}

static int go_on(const struct recovery *recovery, struct json_object *identity)
{
	int ret;

	if (!is(identity, "step", "on-m")) {
		err("LPAR %s: it lives at %s, and this host goes back: stop it there, and log its original out; then 'lparctl fc recover' again",
		    recovery->lpar, recovery->peer.host);
		return EXIT_FAILED;
	}
	ret = confirm(recovery, FCN_CONFIRM_SWITCHED, "");
	ret = ret ? fc_fail(recovery->lpar, ret) : fc_wait(recovery->lpar, "idle");
	if (!ret)
		say("%s: lives at %s", recovery->lpar, recovery->peer.host);
	return ret;
}

static int say_paths(const struct recovery *recovery, const char *name)
{
	say("%s: waits for the paths to change over to the %s port: then 'lparctl fc confirm %s io'",
	    recovery->lpar, name, recovery->lpar);
	return EXIT_OK;
}

static int go_back(const struct recovery *recovery, struct json_object *identity,
		   const char *receipt)
{
	int ret = EXIT_OK, error;

	if (is(identity, "step", "on-m")) {
		error = nl_send(fc_request(FCN_CMD_ABORT, recovery->lpar), NULL, NULL);
		ret = error ? fc_fail(recovery->lpar, error) : fc_wait(recovery->lpar, "o-return");
	}
	if (!ret)
		ret = confirm_returned(recovery, receipt);
	if (!ret)
		ret = fc_wait(recovery->lpar, "io-to-o");
	return ret ? ret : say_paths(recovery, "original");
}

/* The other host has nothing of it any more. Has it said so? */
static int give_back(const struct recovery *recovery, struct json_object *identity,
		     const char *receipt)
{
	if (check_absent_there(recovery, identity))
		return EXIT_FAILED;
	if (*receipt || recovery->force)
		return go_back(recovery, identity, receipt);
	err("LPAR %s: %s has no receipt for the token: if it never had that, and nobody gives it to it, --force goes back",
	    recovery->lpar, recovery->peer.host);
	return EXIT_FAILED;
}

/* The token is out: the other host decides. */
static int settle(const struct recovery *recovery, struct json_object *identity)
{
	char receipt[2 * FCNPIV_TOKEN_SIZE + 1];

	if (!recovery->peer.host)
		return usage("the other host is missing: --peer HOST");
	switch (undo_there(recovery, receipt, sizeof(receipt))) {
	case LIVES:
		return go_on(recovery, identity);
	case NOTHING:
		return give_back(recovery, identity, receipt);
	case SILENT:
		if (recovery->force)
			return go_back(recovery, identity, "");
		err("LPAR %s: nobody but %s knows whether it lives there: --force goes back, if that host is dead or fenced",
		    recovery->lpar, recovery->peer.host);
		return EXIT_FAILED;
	default:
		err("LPAR %s: interrupted", recovery->lpar);
		return EXIT_FAILED;
	}
}

static int recover(const struct recovery *recovery, struct json_object *identity)
{
	if (is(identity, "step", "idle")) {
		say("%s: nothing is under way", recovery->lpar);
		return EXIT_OK;
	}
	if (is(identity, "operation", "source")) {
		if (is(identity, "step", "on-m") || is(identity, "step", "o-return"))
			return settle(recovery, identity);
		if (is(identity, "step", "io-to-m"))
			return say_paths(recovery, "maintenance");
		if (is(identity, "step", "io-to-o"))
			return say_paths(recovery, "original");
	}
	if (is(identity, "step", "armed")) {
		say("%s: comes to this host: recover it where it comes from", recovery->lpar);
		return EXIT_OK;
	}
	say("%s: goes on by itself: %s", recovery->lpar, json_text(identity, "step"));
	return EXIT_OK;
}

static int parse_words(struct args *args, struct recovery *recovery)
{
	int ret = EXIT_OK;

	recovery->lpar = next_arg(args);
	if (!recovery->lpar || !name_is_valid(recovery->lpar))
		return usage("the name of an LPAR is missing");
	while (args->argc && !ret) {
		if (next_flag(args, "--force"))
			recovery->force = true;
		else if (!fc_peer_option(&recovery->peer, args, &ret))
			return usage("'%s' is unknown to fc recover", next_arg(args));
	}
	return ret;
}

/* recover LPAR --peer HOST [--via COMMAND] [--force] */
int fc_recover_verb(struct args *args)
{
	struct recovery recovery = { 0 };
	struct json_object *identity;
	int ret = parse_words(args, &recovery);

	if (ret)
		return ret;
	ret = fc_get(recovery.lpar, &identity);
	if (ret)
		return fc_fail(recovery.lpar, ret);
	interrupt_catch(SA_RESTART);
	ret = recover(&recovery, identity);
	json_object_put(identity);
	return ret;
}
