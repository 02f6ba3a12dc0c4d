// SPDX-License-Identifier: GPL-2.0
/*
 * fc recover: the source of a move whose caller is gone. One by fc swap ends, or is undone to
 * its beginning; of one that was made by hand the paths are the operator's.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fc/fc.h"
#include "lpar/lpar.h"

static int say_paths(const struct fc_move *move, const char *name)
{
	say("%s: waits for the paths to change over to the %s port: then 'lparctl fc confirm %s io'",
	    move->lpar, name, move->lpar);
	return EXIT_OK;
}

static int settle(struct fc_move *move, struct json_object *identity)
{
	int ret;

	if (!move->peer.host)
		return usage("the other host is missing: --peer HOST");
	ret = fc_settle(move, identity);
	if (ret != EXIT_ROLLED_BACK)
		return ret;
	ret = fc_wait(move->lpar, "io-to-o");
	return ret ? ret : say_paths(move, "original");
}

static int recover_by_hand(struct fc_move *move, struct json_object *identity)
{
	if (fc_is(identity, "step", "idle")) {
		say("%s: nothing is under way", move->lpar);
		return EXIT_OK;
	}
	if (fc_is(identity, "operation", "source")) {
		if (fc_is(identity, "step", "on-m") || fc_is(identity, "step", "o-return"))
			return settle(move, identity);
		if (fc_is(identity, "step", "io-to-m"))
			return say_paths(move, "maintenance");
		if (fc_is(identity, "step", "io-to-o"))
			return say_paths(move, "original");
	}
	if (fc_is(identity, "step", "armed")) {
		say("%s: comes to this host: recover it where it comes from", move->lpar);
		return EXIT_OK;
	}
	say("%s: goes on by itself: %s", move->lpar, json_text(identity, "step"));
	return EXIT_OK;
}

/*
 * Another host than that of the move knows nothing of it, which must not pass for a word of that
 * one.
 */
static int recover_swap(struct fc_move *move)
{
	int ret;

	if (!fc_journal_has_peer(move) && !move->force) {
		err("LPAR %s: it was moving to %s%s%s, and another host does not know what became of it: without --peer and --via, or with --force",
		    move->lpar, json_text(move->journal, "peer"),
		    *json_text(move->journal, "via") ? " via " : "",
		    json_text(move->journal, "via"));
		return EXIT_FAILED;
	}
	ret = fc_go_back(move);
	return ret == EXIT_ROLLED_BACK ? EXIT_OK : ret;
}

static int recover(struct fc_move *move)
{
	struct json_object *identity;
	int ret;

	if (fc_journal_load(move))
		return EXIT_FAILED;
	if (move->journal)
		return recover_swap(move);
	ret = fc_get(move->lpar, &identity);
	if (ret)
		return fc_fail(move->lpar, ret);
	ret = recover_by_hand(move, identity);
	json_object_put(identity);
	return ret;
}

/* Whoever is at it has the LPAR's lock, and the journal may go with him. */
static int recover_locked(struct fc_move *move)
{
	int lock = lpar_lock(move->lpar), ret;

	if (lock < 0)
		return EXIT_FAILED;
	ret = recover(move);
	close(lock);
	return ret;
}

static int parse_words(struct args *args, struct fc_move *move)
{
	int ret = EXIT_OK;

	move->lpar = next_arg(args);
	if (!move->lpar || !name_is_valid(move->lpar))
		return usage("the name of an LPAR is missing");
	while (args->argc && !ret) {
		if (next_flag(args, "--force"))
			move->force = true;
		else if (!fc_peer_option(&move->peer, "--peer", args, &ret))
			return usage("'%s' is unknown to fc recover", next_arg(args));
	}
	return ret;
}

/* recover LPAR [--peer HOST [--via COMMAND]] [--force] */
int fc_recover_verb(struct args *args)
{
	struct fc_move move = { 0 };
	int ret = parse_words(args, &move);

	if (ret)
		return ret;
	interrupt_catch(SA_RESTART);
	ret = recover_locked(&move);
	json_object_put(move.journal);
	return ret;
}
