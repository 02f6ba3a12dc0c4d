// SPDX-License-Identifier: GPL-2.0
/*
 * How a move ends whose token may be out, or that has failed: the kernels of both hosts know
 * how far it is, and the destination's decides. Once it was told of the switch-over the LPAR
 * lives there, and until then the move is undone, there first. Nothing is done on a guess: that
 * host tells which token was the last one there, and whether the LPAR has come by it.
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
/* A host that does not answer for so long cannot be asked. */
#define SILENCE_NS (10 * NSEC_PER_SEC)
/* What was asked there may have been lost, or refused for the moment. */
#define ASK_AGAIN_NS (10 * NSEC_PER_SEC)

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

static const char *token_of(const struct fc_move *move)
{
	return *move->token ? move->token : json_text(move->journal, "token");
}

/* Was our token the last one there? */
static bool used_ours(const struct fc_move *move, const char *used)
{
	return *used && !strcmp(used, token_of(move));
}

/*
 * While the original is away from here, a destination that is done and has it has it, be it
 * by force. One that has it not, and not had our token, is done with a former move.
 */
static bool has_it(struct json_object *identity)
{
	return fc_is(identity, "step", "idle") && fc_is(identity, "operation", "destination") &&
	       fc_is(identity, "result", "done") &&
	       !fc_is(json_object_object_get(identity, "original"), "state", "absent");
}

/* What came by our token lives there, whatever was done with it since. */
static enum fc_theirs judge(const struct fc_move *move, struct json_object *identity)
{
	if (json_flag(identity, "has_come") && used_ours(move, json_text(identity, "used")))
		return FC_LIVES;
	if (fc_is(identity, "step", "o-free") || has_it(identity))
		return FC_LIVES;
	if (!identity || fc_is(identity, "step", "idle"))
		return FC_NOTHING;
	return json_flag(identity, "goes_back") ? FC_LEAVES : FC_UNDECIDED;
}

/* A receipt has the random half of its token inverted. */
static bool is_receipt(const struct fc_move *move, const char *text)
{
	uint8_t receipt[FCNPIV_TOKEN_SIZE], token[FCNPIV_TOKEN_SIZE];
	size_t i;

	if (token_parse(text, receipt) || token_parse(token_of(move), token))
		return false;
	for (i = FCNPIV_TOKEN_SIZE / 2; i < FCNPIV_TOKEN_SIZE; i++)
		token[i] = ~token[i];
	return !memcmp(receipt, token, sizeof(token));
}

enum fc_theirs fc_look_there(const struct fc_move *move, struct fc_there *there)
{
	struct json_object *identities = fc_peer_ask(&move->peer, "show", NULL), *identity;

	memset(there, 0, sizeof(*there));
	there->is = FC_SILENT;
	if (!identities)
		return there->is;
	identity = fc_find(identities, move->lpar);
	there->is = judge(move, identity);
	there->stuck = fc_is(identity, "state", "stuck");
	snprintf(there->step, sizeof(there->step), "%s", json_text(identity, "step"));
	snprintf(there->reason, sizeof(there->reason), "%s", json_text(identity, "reason"));
	snprintf(there->used, sizeof(there->used), "%s", json_text(identity, "used"));
	if (is_receipt(move, json_text(identity, "receipt")))
		snprintf(there->receipt, sizeof(there->receipt), "%s",
			 json_text(identity, "receipt"));
	json_object_put(identities);
	return there->is;
}

static int run_there(const struct fc_move *move, const char *verb)
{
	return fc_peer_run(&move->peer, (const char *const[]){ verb, move->lpar, NULL }, NULL);
}

static int silent_there(const struct fc_move *move)
{
	err("LPAR %s: nobody but %s knows whether it lives there: 'lparctl fc recover %s' when it answers; --force goes back, if that host is dead or fenced",
	    move->lpar, move->peer.host, move->lpar);
	return EXIT_FAILED;
}

/* As undo_there(): once is no silence. NULL, and it is said: it could not be asked. */
static struct json_object *hosts_there(const struct fc_move *move)
{
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + SILENCE_NS;
	struct json_object *hosts;

	for (;;) {
		hosts = fc_peer_ask(&move->peer, "list", "--all");
		if (hosts)
			return hosts;
		if (!left_ns(end_ns) || gives_up(move)) {
			silent_there(move);
			return NULL;
		}
		sleep_ms(THERE_MS);
	}
}

/* By whomever: an identity there, sysfs, or another one's. *name: of its fc_host, or "". */
static int find_there(const struct fc_move *move, const char *wwpn, char *name, size_t size)
{
	struct json_object *hosts = hosts_there(move);
	int ret = hosts ? 0 : -EIO;
	size_t i;

	*name = 0;
	for (i = 0; i < json_count(hosts); i++)
		if (fc_is(json_at(hosts, i), "wwpn", wwpn))
			snprintf(name, size, "%s", json_text(json_at(hosts, i), "host"));
	json_object_put(hosts);
	return ret;
}

static int check_absent_there(const struct fc_move *move, const char *wwpn)
{
	char name[64];
	int ret = find_there(move, wwpn, name, sizeof(name));

	if (ret || !*name)
		return ret;
	err("%s: the original %s is logged in there: %s; log it out there if nothing uses it, then 'lparctl fc recover %s'",
	    move->peer.host, wwpn, name, move->lpar);
	return -EBUSY;
}

/* What it says of it does not count: how it is then does. Again now and then, as it may be lost. */
static void abort_there(const struct fc_move *move, uint64_t *asked_ns)
{
	if (*asked_ns && now_ns(CLOCK_MONOTONIC) - *asked_ns < ASK_AGAIN_NS)
		return;
	if (!*asked_ns)
		say("%s: goes back at %s", move->lpar, move->peer.host);
	run_there(move, "abort");
	*asked_ns = now_ns(CLOCK_MONOTONIC);
}

/*
 * Until it has gone back there, or has been told of the switch-over after all. A host that does
 * not answer once is asked again, as the guest's I/O may wait for it.
 */
static enum fc_theirs undo_there(const struct fc_move *move, struct fc_there *there)
{
	uint64_t answered_ns = now_ns(CLOCK_MONOTONIC), asked_ns = 0;

	for (;;) {
		fc_look_there(move, there);
		if (there->is != FC_SILENT)
			answered_ns = now_ns(CLOCK_MONOTONIC);
		else if (now_ns(CLOCK_MONOTONIC) - answered_ns > SILENCE_NS)
			return there->is;
		if (there->is == FC_LIVES || there->is == FC_NOTHING || gives_up(move))
			return there->is;
		if (there->is == FC_LEAVES && there->stuck)
			return there->is = FC_STUCK;
		if (there->is == FC_UNDECIDED)
			abort_there(move, &asked_ns);
		sleep_ms(THERE_MS);
	}
}

static int stuck_there(const struct fc_move *move, const struct fc_there *there)
{
	err("%s: %s: %s; it goes on by itself, and 'lparctl fc recover %s' then", move->peer.host,
	    there->step, there->reason, move->lpar);
	return EXIT_TIMEOUT;
}

/*
 * Has that host never had our token, or has it gone back, which it need not remember by a
 * receipt any more? It says so itself: the last token that was used there is ours, and nobody
 * has come by it; or it is still what it was before ours was offered. Then ours is made worth
 * nothing there, however late somebody would begin with it, and there is a receipt.
 */
static bool revoke_there(const struct fc_move *move, struct fc_there *there)
{
	const char *former = json_text(move->journal, "used_there");
	const char *const words[] = { "revoke", move->lpar,  "--token", token_of(move),
				      "--used", there->used, NULL };

	if (!*token_of(move) || !*there->used)
		return false;
	if (!used_ours(move, there->used) && strcmp(there->used, former))
		return false;
	fc_peer_run(&move->peer, words, NULL);
	return fc_look_there(move, there) == FC_NOTHING && *there->receipt;
}

/* It is the swap's own, and nothing of it is logged in, or may be by a token. */
static bool may_forget(const struct fc_move *move, struct json_object *identity)
{
	const char *used = json_text(identity, "used");

	return fc_is(identity, "step", "idle") && !json_flag(identity, "has_come") &&
	       fc_is(json_object_object_get(identity, "original"), "state", "absent") &&
	       (!json_flag(move->journal, "offered") || used_ours(move, used) ||
		fc_is(move->journal, "used_there", used));
}

/* 0: it is gone there; 1: it is to stay. */
static int look_forget(const struct fc_move *move)
{
	struct json_object *identities = fc_peer_ask(&move->peer, "show", NULL);
	struct json_object *identity = fc_find(identities, move->lpar);
	int ret = identities && !identity ? 0 : 1;

	if (identity && may_forget(move, identity))
		ret = -EAGAIN;
	json_object_put(identities);
	return ret;
}

static bool forget_there(const struct fc_move *move)
{
	int ret = look_forget(move);

	if (ret == -EAGAIN) {
		run_there(move, "delete");
		ret = look_forget(move);
	}
	return !ret;
}

/* What the swap has changed of it there, which nothing depends on. */
static void tidy_there(const struct fc_move *move)
{
	struct json_object *there = json_object_object_get(move->journal, "there");
	const char *const words[] = { "set", move->lpar, NULL };

	if (json_flag(move->journal, "defined") && !forget_there(move))
		err("warning: %s keeps the identity of LPAR %s, which the swap has defined there",
		    move->peer.host, move->lpar);
	else if (there && fc_peer_configure(&move->peer, words, there))
		err("warning: %s keeps the deadlines that LPAR %s has here", move->peer.host,
		    move->lpar);
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

static int confirm_returned(const struct fc_move *move, const char *receipt, bool force)
{
	int ret = confirm(move, FCN_CONFIRM_RETURNED, receipt, force);

	return ret ? fc_fail(move->lpar, ret) : EXIT_OK;
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
	if (fc_away_note(move))
		return EXIT_FAILED;
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

static int unknown_there(const struct fc_move *move, const char *wwpn)
{
	err("LPAR %s: %s does not know what became of the token, as it has rebooted, or its identity is another one: see that the LPAR runs nowhere, and that no host has %s logged in; then --force goes back",
	    move->lpar, move->peer.host, wwpn);
	return EXIT_FAILED;
}

/* The other host has nothing of it any more. Has it said so? */
static int give_back(const struct fc_move *move, struct json_object *identity,
		     struct fc_there *there)
{
	const char *wwpn = json_text(identity, "wwpn_original");

	if (check_absent_there(move, wwpn))
		return EXIT_FAILED;
	if (*there->receipt || revoke_there(move, there))
		return go_back_here(move, identity, there->receipt, false);
	if (there->is != FC_NOTHING)
		return -EAGAIN;
	return move->force ? go_back_here(move, identity, "", true) : unknown_there(move, wwpn);
}

/* What was seen once stays so, whatever becomes of that host. */
static int note_lives(const struct fc_move *move)
{
	return move->journal ? fc_journal_note(move, "lives") : 0;
}

/*
 * The token is out, at on-m or o-return: the other host decides. EXIT_OK: it lives there;
 * EXIT_ROLLED_BACK: the source goes back, until the paths are to change over.
 */
int fc_settle(struct fc_move *move, struct json_object *identity)
{
	struct fc_there there;
	int ret;

	if (json_flag(move->journal, "lives"))
		return fc_go_on(move, identity);
	snprintf(move->token, sizeof(move->token), "%s", json_text(identity, "token"));
	if (move->journal && !json_flag(move->journal, "offered"))
		return go_back_here(move, identity, "", true);
	do {
		undo_there(move, &there);
		ret = there.is == FC_NOTHING ? give_back(move, identity, &there) : EXIT_FAILED;
	} while (ret == -EAGAIN);
	switch (there.is) {
	case FC_LIVES:
		return note_lives(move) ? EXIT_FAILED : fc_go_on(move, identity);
	case FC_NOTHING:
		return ret;
	case FC_STUCK:
		return stuck_there(move, &there);
	case FC_SILENT:
		return move->force ? go_back_here(move, identity, "", true) : silent_there(move);
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
	if (fc_away_note(move))
		return EXIT_FAILED;
	fc_journal_forget(move);
	say("%s: lives at %s", move->lpar, move->peer.host);
	return EXIT_OK;
}

/* It has gone back here, to its end: the token was returned, or the other host is fenced. */
static bool has_returned(struct json_object *identity)
{
	return fc_is(identity, "operation", "source") && fc_is(identity, "result", "back") &&
	       !json_flag(identity, "away");
}

/*
 * This host has rebooted while the token was out, and knows nothing of it any more. EXIT_OK:
 * nobody there has the original, or will have it by our token; -EAGAIN: look again.
 */
static int settle_forgotten(struct fc_move *move, struct fc_there *there)
{
	const char *wwpn = json_text(move->journal, "wwpn_original");
	char name[64];

	if (find_there(move, wwpn, name, sizeof(name)))
		return EXIT_FAILED;
	if (*name) {
		err("LPAR %s: %s has its original logged in, at %s: it is left to that host; do not start it here",
		    move->lpar, move->peer.host, name);
		there->is = FC_LIVES;
		return EXIT_OK;
	}
	if (*there->receipt || revoke_there(move, there))
		return EXIT_OK;
	if (there->is != FC_NOTHING)
		return -EAGAIN;
	return move->force ? EXIT_OK : unknown_there(move, wwpn);
}

static int end_offered(struct fc_move *move, struct json_object *identity, struct fc_there *there)
{
	int ret;

	do {
		ret = EXIT_OK;
		undo_there(move, there);
		if (there->is == FC_NOTHING && !has_returned(identity))
			ret = settle_forgotten(move, there);
	} while (ret == -EAGAIN);
	if (ret)
		return ret;
	if (there->is == FC_STUCK)
		return stuck_there(move, there);
	if (there->is == FC_UNDECIDED || there->is == FC_LEAVES)
		return given_up(move);
	if (there->is != FC_SILENT || move->force)
		return EXIT_OK;
	err("LPAR %s: nothing is under way here, but %s may still have the token: 'lparctl fc recover %s' when it answers, or with --force",
	    move->lpar, move->peer.host, move->lpar);
	return EXIT_FAILED;
}

/* Nothing is under way here, and nothing of it is to be there. No identity: a reboot. */
static int end_there(struct fc_move *move, struct json_object *identity)
{
	struct fc_there there = { .is = FC_NOTHING };
	int ret = EXIT_OK;

	if (json_flag(move->journal, "lives"))
		return lives_there(move);
	if (json_flag(move->journal, "offered"))
		ret = end_offered(move, identity, &there);
	if (ret)
		return ret;
	if (there.is == FC_LIVES)
		return lives_there(move);
	if (there.is == FC_NOTHING)
		tidy_there(move);
	if (fc_journal_forget(move))
		return EXIT_FAILED;
	if (there.is == FC_SILENT)
		err("warning: %s was not asked: unless it was rebooted, it may have the original of LPAR %s logged in, and take it over: 'lparctl fc abort %s' there before it gets to the fabric again",
		    move->peer.host, move->lpar, move->lpar);
	say("%s: everything is as it was%s", move->lpar, there.is == FC_SILENT ? " here" : "");
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
		return has_left(identity) ? lives_there(move) : end_there(move, identity);
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
			return end_there(move, NULL);
		if (ret)
			return fc_fail(move->lpar, ret);
		ret = take_step(move, identity, &moved_ns);
		json_object_put(identity);
		if (ret == -EAGAIN)
			sleep_ms(HERE_MS);
	} while (ret == -EAGAIN && !gives_up(move));
	return ret == -EAGAIN ? given_up(move) : ret;
}
