// SPDX-License-Identifier: GPL-2.0
/*
 * How a move ends whose token may be out, or that has failed: the kernels of both hosts know
 * how far it is, and the destination's decides. Once it was told of the switch-over the LPAR
 * lives there, and until then the move is undone, there first. Nothing is done on a guess.
 *
 * A move by fc swap is undone to its beginning: it is looked at, the next thing is done, and it
 * is looked at again, until nothing is under way. So it does not matter who has begun what.
 */
#include <errno.h>
#include <string.h>

#include "fc/fc.h"
#include "lpar/lpar.h"

#define THERE_MS 500
#define HERE_MS 100
/* So long the kernel may take to see that nobody has the former paths open any more. */
#define CLOSE_NS (10 * NSEC_PER_SEC)
/* So long after its deadline a logout is not waited for any more: it goes on by itself. */
#define LOGOUT_SLACK_NS (5 * NSEC_PER_SEC)
#define RECEIPT_CHARS (2 * FCNPIV_TOKEN_SIZE + 1)

bool fc_is(struct json_object *json, const char *key, const char *value)
{
	return !strcmp(json_text(json, key), value);
}

struct json_object *fc_find(struct json_object *identities, const char *lpar)
{
	size_t i;

	for (i = 0; i < json_count(identities); i++)
		if (fc_is(json_at(identities, i), "lpar", lpar))
			return json_at(identities, i);
	return NULL;
}

static bool gives_up(const struct fc_move *move)
{
	return interruptions() > move->interruptions;
}

static int given_up(const struct fc_move *move)
{
	err("LPAR %s: interrupted; see 'lparctl fc recover %s'", move->lpar, move->lpar);
	return EXIT_FAILED;
}

/* --- the other host --- */

/*
 * While the original is away from here, a destination that is done and has it has it by our
 * token. One that has it not is done with a former move.
 */
static bool has_come(struct json_object *identity)
{
	return fc_is(identity, "step", "idle") && fc_is(identity, "operation", "destination") &&
	       fc_is(identity, "result", "done") &&
	       !fc_is(json_object_object_get(identity, "original"), "state", "absent");
}

static enum fc_theirs judge(struct json_object *identity)
{
	if (fc_is(identity, "step", "o-free") || has_come(identity))
		return FC_LIVES;
	if (!identity || fc_is(identity, "step", "idle"))
		return FC_NOTHING;
	return json_flag(identity, "goes_back") ? FC_LEAVES : FC_UNDECIDED;
}

/* *receipt: that of the other host, "" if it has none, or what it says is no receipt. */
enum fc_theirs fc_look_there(const struct fc_move *move, char *receipt, size_t size)
{
	struct json_object *identities = fc_peer_ask(&move->peer, "show", NULL), *identity;
	uint8_t bytes[FCNPIV_TOKEN_SIZE];
	enum fc_theirs theirs;

	*receipt = 0;
	if (!identities)
		return FC_SILENT;
	identity = fc_find(identities, move->lpar);
	theirs = judge(identity);
	if (!token_parse(json_text(identity, "receipt"), bytes))
		snprintf(receipt, size, "%s", json_text(identity, "receipt"));
	json_object_put(identities);
	return theirs;
}

static int run_there(const struct fc_move *move, const char *verb)
{
	return fc_peer_run(&move->peer, (const char *const[]){ verb, move->lpar, NULL }, NULL);
}

/* By whomever: an identity there, sysfs, or another one's. */
static int check_absent_there(const struct fc_move *move, struct json_object *identity)
{
	const char *wwpn = json_text(identity, "wwpn_original");
	struct json_object *hosts = fc_peer_ask(&move->peer, "list", "--all");
	int ret = hosts ? 0 : -EIO;
	size_t i;

	for (i = 0; i < json_count(hosts) && !ret; i++)
		if (fc_is(json_at(hosts, i), "wwpn", wwpn)) {
			err("%s: the original %s is logged in there: %s", move->peer.host, wwpn,
			    json_text(json_at(hosts, i), "host"));
			ret = -EBUSY;
		}
	json_object_put(hosts);
	return ret;
}

/* Until it has gone back there, or has been told of the switch-over after all. */
static enum fc_theirs undo_there(const struct fc_move *move, char *receipt, size_t size)
{
	enum fc_theirs theirs = fc_look_there(move, receipt, size);
	bool asked = false;

	while ((theirs == FC_UNDECIDED || theirs == FC_LEAVES) && !gives_up(move)) {
		if (theirs == FC_UNDECIDED && !asked) {
			say("%s: goes back at %s", move->lpar, move->peer.host);
			/* What it says of it does not count: how it is then does. */
			run_there(move, "abort");
			asked = true;
		}
		sleep_ms(THERE_MS);
		theirs = fc_look_there(move, receipt, size);
	}
	return theirs;
}

/* Without its identity that host can take no token, however late it would be asked to. */
static bool forget_there(const struct fc_move *move)
{
	struct json_object *identities = fc_peer_ask(&move->peer, "show", NULL);
	bool gone = identities && !fc_find(identities, move->lpar);

	json_object_put(identities);
	if (gone || !identities)
		return gone;
	run_there(move, "delete");
	identities = fc_peer_ask(&move->peer, "show", NULL);
	gone = identities && !fc_find(identities, move->lpar);
	json_object_put(identities);
	return gone;
}

/* --- this host, while the token is out --- */

/* -errno */
static int confirm(const struct fc_move *move, enum fcn_confirm what, const char *receipt,
		   bool force)
{
	struct nlmsghdr *nlh = fc_request(FCN_CMD_CONFIRM, move->lpar);
	uint8_t bytes[FCNPIV_TOKEN_SIZE];

	mnl_attr_put_u32(nlh, FCN_A_CONFIRM, what);
	if (!token_parse(receipt, bytes))
		mnl_attr_put(nlh, FCN_A_RECEIPT, sizeof(bytes), bytes);
	else if (force)
		mnl_attr_put_u32(nlh, FCN_A_FORCE, 1);
	return nl_send(nlh, NULL, NULL);
}

/* May it go back without a receipt: has that host never had the token, and will it never? */
static bool never_had_it(const struct fc_move *move)
{
	if (move->force)
		return true;
	return move->journal && (!json_flag(move->journal, "offered") || forget_there(move));
}

/* A receipt that is refused is for the token of a former move: that host never had this one. */
static int confirm_returned(const struct fc_move *move, const char *receipt, bool force)
{
	int ret = confirm(move, FCN_CONFIRM_RETURNED, receipt, force);

	if (ret == -EPERM && *receipt && never_had_it(move))
		ret = confirm(move, FCN_CONFIRM_RETURNED, "", true);
	if (!ret)
		return EXIT_OK;
	fc_fail(move->lpar, ret);
	if (ret == -EPERM)
		err("LPAR %s: if %s never had the token, and nobody gives it to it, --force goes back",
		    move->lpar, move->peer.host);
	return EXIT_FAILED;
}

static struct json_object *maps_of(const struct fc_move *move)
{
	return json_object_object_get(move->journal, "maps");
}

static int wait_logout(const struct fc_move *move, struct json_object *identity)
{
	uint64_t timeout_ns = json_number(identity, "logout_ms") * NSEC_PER_MSEC + LOGOUT_SLACK_NS;

	return fc_wait_until(move->lpar, "idle", now_ns(CLOCK_MONOTONIC) + timeout_ns);
}

/* It lives there: exit code of the rest that is to be done here. */
int fc_go_on(struct fc_move *move, struct json_object *identity)
{
	int ret;

	if (!fc_is(identity, "step", "on-m")) {
		err("LPAR %s: it lives at %s, and this host goes back: stop it there, and log its original out; then 'lparctl fc recover' again",
		    move->lpar, move->peer.host);
		return EXIT_FAILED;
	}
	fc_maps_drop(maps_of(move));
	ret = confirm(move, FCN_CONFIRM_SWITCHED, "", false);
	if (ret)
		return fc_fail(move->lpar, ret);
	fc_journal_forget(move);
	ret = wait_logout(move, identity);
	if (!ret)
		say("%s: lives at %s", move->lpar, move->peer.host);
	return ret;
}

static int go_back_here(const struct fc_move *move, struct json_object *identity,
			const char *receipt, bool force)
{
	int ret = EXIT_OK, error;

	if (fc_maps_resume(maps_of(move)))
		return EXIT_FAILED;
	if (fc_is(identity, "step", "on-m")) {
		error = nl_send(fc_request(FCN_CMD_ABORT, move->lpar), NULL, NULL);
		ret = error ? fc_fail(move->lpar, error) : fc_wait(move->lpar, "o-return");
	}
	if (!ret)
		ret = confirm_returned(move, receipt, force);
	return ret ? ret : EXIT_ROLLED_BACK;
}

/* The other host has nothing of it any more. Has it said so? */
static int give_back(const struct fc_move *move, struct json_object *identity, const char *receipt)
{
	if (check_absent_there(move, identity))
		return EXIT_FAILED;
	if (*receipt)
		return go_back_here(move, identity, receipt, false);
	if (never_had_it(move))
		return go_back_here(move, identity, "", true);
	err("LPAR %s: %s has no receipt for the token: if it never had that, and nobody gives it to it, --force goes back",
	    move->lpar, move->peer.host);
	return EXIT_FAILED;
}

/*
 * The token is out, at on-m or o-return: the other host decides. EXIT_OK: it lives there;
 * EXIT_ROLLED_BACK: the source goes back, until the paths are to change over.
 */
int fc_settle(struct fc_move *move, struct json_object *identity)
{
	char receipt[RECEIPT_CHARS];

	if (move->journal && !json_flag(move->journal, "offered"))
		return go_back_here(move, identity, "", true);
	switch (undo_there(move, receipt, sizeof(receipt))) {
	case FC_LIVES:
		return fc_go_on(move, identity);
	case FC_NOTHING:
		return give_back(move, identity, receipt);
	case FC_SILENT:
		if (move->force)
			return go_back_here(move, identity, "", true);
		err("LPAR %s: nobody but %s knows whether it lives there: 'lparctl fc recover %s' when it answers; --force goes back, if that host is dead or fenced",
		    move->lpar, move->peer.host, move->lpar);
		return EXIT_FAILED;
	default:
		return given_up(move);
	}
}

/* --- back to the beginning, of a move by fc swap --- */

/* It has been told of the switch-over, and all of it is done here. */
static bool has_left(struct json_object *identity)
{
	return fc_is(identity, "operation", "source") && fc_is(identity, "result", "done") &&
	       json_flag(identity, "away");
}

static int lives_there(struct fc_move *move)
{
	fc_journal_forget(move);
	say("%s: lives at %s", move->lpar, move->peer.host);
	return EXIT_OK;
}

/* Nothing is under way here, and nothing of it is to be there. */
static int end_there(struct fc_move *move)
{
	char receipt[RECEIPT_CHARS];
	enum fc_theirs theirs = FC_NOTHING;

	if (json_flag(move->journal, "offered"))
		theirs = undo_there(move, receipt, sizeof(receipt));
	if (theirs == FC_LIVES)
		return lives_there(move);
	if (theirs == FC_SILENT && !move->force) {
		err("LPAR %s: nothing is under way here, but %s may still have the token: 'lparctl fc recover %s' when it answers, or with --force",
		    move->lpar, move->peer.host, move->lpar);
		return EXIT_FAILED;
	}
	if (theirs == FC_UNDECIDED || theirs == FC_LEAVES)
		return given_up(move);
	if (json_flag(move->journal, "defined") && theirs == FC_NOTHING && !forget_there(move))
		err("warning: %s keeps the identity of LPAR %s, which is logged in nowhere there",
		    move->peer.host, move->lpar);
	if (fc_journal_forget(move))
		return EXIT_FAILED;
	say("%s: everything is as it was", move->lpar);
	return EXIT_ROLLED_BACK;
}

/* Once for each time that it comes to this step; -EAGAIN: it takes effect. */
static int paths_back(const struct fc_move *move, struct json_object *identity, uint64_t *moved_ns)
{
	int ret;

	if (fc_maps_move(identity, "maintenance", "original")) {
		err("LPAR %s: when its paths have changed over to the original port: 'lparctl fc confirm %s io', then 'lparctl fc recover %s'",
		    move->lpar, move->lpar, move->lpar);
		return EXIT_FAILED;
	}
	ret = confirm(move, FCN_CONFIRM_IO, "", false);
	if (!ret)
		*moved_ns = now_ns(CLOCK_MONOTONIC);
	/* It may just have left this step, as its port was lost. */
	return ret && ret != -EINVAL ? fc_fail(move->lpar, ret) : -EAGAIN;
}

/* A step in which the kernel goes on by itself, or is to turn back. */
static int watch(const struct fc_move *move, struct json_object *identity)
{
	if (fc_is(identity, "state", "stuck")) {
		err("LPAR %s: %s: %s; it goes on by itself, and 'lparctl fc recover %s' then",
		    move->lpar, json_text(identity, "step"), json_text(identity, "reason"),
		    move->lpar);
		return EXIT_TIMEOUT;
	}
	/* Refused where it goes on, and waited for. */
	if (!json_flag(identity, "goes_back"))
		nl_send(fc_request(FCN_CMD_ABORT, move->lpar), NULL, NULL);
	return -EAGAIN;
}

static int take_step(struct fc_move *move, struct json_object *identity, uint64_t *moved_ns)
{
	bool returns = fc_is(identity, "step", "io-to-o");
	int ret;

	if (fc_is(identity, "step", "idle"))
		return has_left(identity) ? lives_there(move) : end_there(move);
	if (!fc_is(identity, "operation", "source")) {
		err("LPAR %s: another operation is under way: %s", move->lpar,
		    json_text(identity, "step"));
		return EXIT_FAILED;
	}
	if (fc_is(identity, "step", "on-m") || fc_is(identity, "step", "o-return")) {
		ret = fc_settle(move, identity);
		return ret == EXIT_ROLLED_BACK ? -EAGAIN : ret;
	}
	if (!returns)
		*moved_ns = 0;
	else if (!*moved_ns)
		return paths_back(move, identity, moved_ns);
	else if (now_ns(CLOCK_MONOTONIC) - *moved_ns < CLOSE_NS)
		return -EAGAIN;
	return watch(move, identity);
}

/*
 * Undo a move by fc swap, unless the LPAR lives at the destination by now: EXIT_OK.
 * EXIT_ROLLED_BACK: all is as it was. Else the journal stays.
 */
int fc_go_back(struct fc_move *move)
{
	struct json_object *identity;
	uint64_t moved_ns = 0;
	int ret;

	move->interruptions = interruptions();
	do {
		ret = fc_get(move->lpar, &identity);
		if (ret == -ENOENT)
			return end_there(move);
		if (ret)
			return fc_fail(move->lpar, ret);
		ret = take_step(move, identity, &moved_ns);
		json_object_put(identity);
		if (ret == -EAGAIN)
			sleep_ms(HERE_MS);
	} while (ret == -EAGAIN && !gives_up(move));
	return ret == -EAGAIN ? given_up(move) : ret;
}
