// SPDX-License-Identifier: GPL-2.0
/*
 * fc swap: the whole move of an identity, from this host to another. It knows the order of the
 * steps; the kernels of both hosts know how far they are, and fc_back.c what is done when one
 * fails. Documentation/fcnpiv.md has the table.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fc/fc.h"
#include "lpar/lpar.h"

#define HERE_MS 100
#define THERE_MS 500
/* A host that does not answer for so long is lost. */
#define SILENCE_NS (60 * NSEC_PER_SEC)
/* So long a destination that has taken the switch-over may look as if it had not. */
#define DECISION_NS (10 * NSEC_PER_SEC)

struct swap {
	struct fc_move move;
	bool prepares; /* and does not switch over */
	bool switches; /* what was prepared */
	struct json_object *identity; /* as it was at the last look */
	struct json_object *stages;
	uint64_t stage_ns; /* CLOCK_MONOTONIC at which the last one has begun */
};

/* --- stages --- */

static void end_stage(struct swap *swap)
{
	size_t n = json_count(swap->stages);

	if (n)
		json_put_u64(json_at(swap->stages, n - 1), "ms",
			     (now_ns(CLOCK_MONOTONIC) - swap->stage_ns) / NSEC_PER_MSEC);
	if (n && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* Also of the LPAR, if there is one; it ends with this process. */
static void begin_stage(struct swap *swap, unsigned int number, const char *text)
{
	struct json_object *json = json_object_new_object();
	struct stage stage = { .number = number };

	end_stage(swap);
	swap->stage_ns = now_ns(CLOCK_MONOTONIC);
	json_put_u64(json, "number", number);
	json_put(json, "text", text);
	json_object_array_add(swap->stages, json);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "#%u %s", number, text);
	snprintf(stage.text, sizeof(stage.text), "%s", text);
	if (nl_available(&nl_lpar))
		stage_set(swap->move.lpar, &stage, -1, true);
}

static void show_reason(const struct swap *swap, struct json_object *identity)
{
	size_t n = json_count(swap->stages);
	char *reason;

	if (!isatty(STDERR_FILENO))
		return;
	reason = json_printable(json_object_object_get(identity, "reason"));
	fprintf(stderr, "\r\033[K#%" PRId64 " %s: %s%s%s",
		json_number(json_at(swap->stages, n - 1), "number"),
		json_text(json_at(swap->stages, n - 1), "text"), json_text(identity, "step"),
		*reason ? ": " : "", reason);
	fflush(stderr);
	free(reason);
}

/* --- this host --- */

static int look_here(struct swap *swap)
{
	int ret;

	json_object_put(swap->identity);
	swap->identity = NULL;
	ret = fc_get(swap->move.lpar, &swap->identity);
	return ret ? fc_fail(swap->move.lpar, ret) : EXIT_OK;
}

/* The exit code, or -EAGAIN: not yet. */
static int judge_here(const struct swap *swap, const char *step)
{
	struct json_object *identity = swap->identity;

	if (fc_is(identity, "step", step) && fc_is(identity, "state", "waiting"))
		return EXIT_OK;
	if (interrupted()) {
		err("LPAR %s: interrupted", swap->move.lpar);
		return EXIT_FAILED;
	}
	if (!fc_is(identity, "step", "idle") && !json_flag(identity, "goes_back") &&
	    !fc_is(identity, "state", "stuck"))
		return -EAGAIN;
	err("LPAR %s: %s", swap->move.lpar, json_text(identity, "reason"));
	return EXIT_FAILED;
}

/* Until it waits in this step. The kernel has the deadlines. */
static int wait_here(struct swap *swap, const char *step)
{
	int ret;

	for (;;) {
		ret = look_here(swap);
		if (!ret)
			ret = judge_here(swap, step);
		if (ret != -EAGAIN)
			return ret;
		show_reason(swap, swap->identity);
		sleep_ms(HERE_MS);
	}
}

static int ask_here(const struct swap *swap, enum fcn_cmd cmd, uint16_t type, uint32_t what)
{
	struct nlmsghdr *nlh = fc_request(cmd, swap->move.lpar);
	int ret;

	mnl_attr_put_u32(nlh, type, what);
	ret = nl_send(nlh, NULL, NULL);
	return ret ? fc_fail(swap->move.lpar, ret) : EXIT_OK;
}

/* --- the other host --- */

static int run_there(const struct swap *swap, const char *const *words, const char *input)
{
	return fc_peer_run(&swap->move.peer, words, input) ? EXIT_FAILED : EXIT_OK;
}

static int define_there(struct swap *swap)
{
	struct json_object *hosts = fc_peer_ask(&swap->move.peer, "list", NULL);
	const char *parent = json_text(fc_best_host(hosts), "wwpn");
	const char *const words[] = { "define",
				      swap->move.lpar,
				      "--wwnn",
				      json_text(swap->identity, "wwnn"),
				      "--wwpn",
				      json_text(swap->identity, "wwpn_original"),
				      "--wwpn-maintenance",
				      json_text(swap->identity, "wwpn_maintenance"),
				      "--parent",
				      parent,
				      "--away",
				      NULL };
	int ret = EXIT_FAILED;

	if (hosts && !*parent)
		err("%s: no adapter has a link and room for a port", swap->move.peer.host);
	else if (hosts && !fc_journal_note(&swap->move, "defined"))
		ret = fc_peer_configure(&swap->move.peer, words, swap->identity);
	json_object_put(hosts);
	return ret;
}

/* It is there from a former move. What is changed of it is on disk before. */
static int adopt_there(struct swap *swap, struct json_object *identity)
{
	const char *const words[] = { "set", swap->move.lpar, NULL };

	json_object_object_add(swap->move.journal, "there", json_object_get(identity));
	if (fc_journal_store(&swap->move))
		return EXIT_FAILED;
	return fc_peer_configure(&swap->move.peer, words, swap->identity);
}

/* #3: whoever comes later finds it there. */
static int prepare_there(struct swap *swap)
{
	struct json_object *identities = fc_peer_ask(&swap->move.peer, "show", NULL);
	struct json_object *known = fc_find(identities, swap->move.lpar);
	int ret = EXIT_FAILED;

	if (identities)
		ret = known ? adopt_there(swap, known) : define_there(swap);
	json_object_put(identities);
	return ret;
}

/* Of what the other host says; NULL: it has no identity any more. */
static int judge_there(struct swap *swap, struct json_object *identity, const char *step)
{
	bool stuck = fc_is(identity, "state", "stuck");

	if (fc_is(identity, "step", step))
		return EXIT_OK;
	if (!identity) {
		err("%s: the identity of LPAR %s is gone there", swap->move.peer.host,
		    swap->move.lpar);
		return EXIT_FAILED;
	}
	show_reason(swap, identity);
	if (!stuck && !fc_is(identity, "step", "idle") && !json_flag(identity, "goes_back"))
		return -EAGAIN;
	err("%s: %s: %s", swap->move.peer.host, json_text(identity, "step"),
	    json_text(identity, "reason"));
	return stuck ? EXIT_TIMEOUT : EXIT_FAILED;
}

/* The exit code, or -EAGAIN: not yet. *silent_ns: until then it may be silent. */
static int ask_there(struct swap *swap, const char *step, uint64_t *silent_ns)
{
	struct json_object *identities = fc_peer_ask(&swap->move.peer, "show", NULL);
	int ret;

	if (!identities)
		return left_ns(*silent_ns) ? -EAGAIN : EXIT_TIMEOUT;
	*silent_ns = now_ns(CLOCK_MONOTONIC) + SILENCE_NS;
	ret = judge_there(swap, fc_find(identities, swap->move.lpar), step);
	json_object_put(identities);
	return ret;
}

/* Until it has come to this step; the kernel there has the deadlines. */
static int wait_there(struct swap *swap, const char *step, bool deaf)
{
	uint64_t silent_ns = now_ns(CLOCK_MONOTONIC) + SILENCE_NS;
	int ret;

	for (;;) {
		ret = ask_there(swap, step, &silent_ns);
		if (ret != -EAGAIN)
			return ret;
		if (interrupted() && !deaf) {
			err("LPAR %s: interrupted", swap->move.lpar);
			return EXIT_FAILED;
		}
		sleep_ms(THERE_MS);
	}
}

/* What is known of the token, here and there, before it is given away. */
static int note_offer(struct swap *swap)
{
	struct fc_move *move = &swap->move;
	struct fc_there there;

	fc_look_there(move, &there);
	if (!*there.used) {
		if (there.is != FC_SILENT)
			err("%s: it does not say which token was the last one there: its fcnpiv.ko is too old, or the identity is gone",
			    move->peer.host);
		return EXIT_FAILED;
	}
	json_put(move->journal, "token", json_text(swap->identity, "token"));
	json_put(move->journal, "used_there", there.used);
	return fc_journal_note(move, "offered") ? EXIT_FAILED : EXIT_OK;
}

/* #5: with the token, and the LUNs that it has here */
static int start_there(struct swap *swap)
{
	const char *const words[] = { "start",
				      swap->move.lpar,
				      "destination",
				      "--token",
				      json_text(swap->identity, "token"),
				      "--luns",
				      "-",
				      NULL };
	struct json_object *shown = json_object_new_array();
	int ret;

	json_object_array_add(shown, json_object_get(swap->identity));
	ret = run_there(swap, words, json_object_to_json_string(shown));
	json_object_put(shown);
	return ret;
}

/* --- until both are ready --- */

static int log_maintenance_in(struct swap *swap)
{
	int ret;

	begin_stage(swap, 3, "logging the maintenance name in");
	ret = prepare_there(swap);
	if (!ret)
		ret = ask_here(swap, FCN_CMD_START, FCN_A_OPERATION, FCN_OPERATION_SOURCE);
	return ret ? ret : wait_here(swap, "io-to-m");
}

static int move_paths(struct swap *swap)
{
	begin_stage(swap, 4, "moving I/O to the maintenance name");
	if (fc_maps_move(swap->identity, "original", "maintenance"))
		return EXIT_FAILED;
	if (ask_here(swap, FCN_CMD_CONFIRM, FCN_A_CONFIRM, FCN_CONFIRM_IO))
		return EXIT_FAILED;
	return wait_here(swap, "on-m");
}

static int log_original_in(struct swap *swap)
{
	begin_stage(swap, 5, "logging the original in at the destination");
	if (note_offer(swap) || start_there(swap))
		return EXIT_FAILED;
	return wait_there(swap, "armed", false);
}

static int prepare(struct swap *swap)
{
	int ret = log_maintenance_in(swap);

	if (!ret)
		ret = move_paths(swap);
	return ret ? ret : log_original_in(swap);
}

/* --- switching over --- */

/* A guest that runs, by whomever it was started, would stand still, and not know why. */
static int check_stands(const struct swap *swap)
{
	struct lpar lpar;
	bool runs;

	if (!nl_available(&nl_lpar))
		return EXIT_OK;
	runs = !lpar_get(swap->move.lpar, &lpar) && (lpar.n_members || lpar.holder) &&
	       lpar.gate != LPAR_GATE_CLOSED;
	lpar_free(&lpar);
	if (!runs)
		return EXIT_OK;
	err("LPAR %s: its guest runs: --prepare, then 'lparctl freeze %s', then 'lparctl fc swap %s --switch'",
	    swap->move.lpar, swap->move.lpar, swap->move.lpar);
	return EXIT_FAILED;
}

/* What waits in a map for a path that does not come would fail when the map is held. */
static int check_maintenance(const struct swap *swap)
{
	struct json_object *port = json_object_object_get(swap->identity, "maintenance");

	if (fc_is(port, "state", "active") && json_flag(port, "matches"))
		return EXIT_OK;
	err("LPAR %s: its maintenance port (%s) has not all of its disks just now, so nothing is held: see 'lparctl fc show %s'",
	    swap->move.lpar, json_text(port, "state"), swap->move.lpar);
	return EXIT_FAILED;
}

/* What was written is on the LUNs then, and no more follows. */
static int hold_maps(struct swap *swap)
{
	struct json_object *maps = fc_maps_of(swap->identity, "maintenance");

	json_object_object_add(swap->move.journal, "maps", maps);
	return fc_journal_store(&swap->move) || fc_maps_suspend(maps) ? EXIT_FAILED : EXIT_OK;
}

/*
 * The decision: EXIT_OK, it lives there. Nobody is heard who interrupts. A confirmation that
 * was taken shows a moment later; one that was refused, or lost, never.
 */
static int decide(const struct swap *swap, bool taken)
{
	const struct fc_move *move = &swap->move;
	uint64_t began_ns = now_ns(CLOCK_MONOTONIC), past_ns;
	struct fc_there there;
	enum fc_theirs theirs;

	for (;;) {
		theirs = fc_look_there(move, &there);
		past_ns = now_ns(CLOCK_MONOTONIC) - began_ns;
		if (theirs == FC_LIVES)
			return EXIT_OK;
		if (theirs == FC_SILENT ? past_ns > SILENCE_NS
					: theirs != FC_UNDECIDED || !taken || past_ns > DECISION_NS)
			return EXIT_FAILED;
		sleep_ms(HERE_MS);
	}
}

static int switch_over(struct swap *swap)
{
	const char *const words[] = { "confirm", swap->move.lpar, "switched", NULL };
	bool taken;

	begin_stage(swap, 11, "switching over");
	if (look_here(swap) || check_maintenance(swap) || hold_maps(swap))
		return EXIT_FAILED;
	/* The gate may have opened by itself meanwhile. */
	if (check_stands(swap))
		return EXIT_FAILED;
	if (!fc_maps_stand(json_object_object_get(swap->move.journal, "maps")))
		return EXIT_FAILED;
	if (interrupted()) {
		err("LPAR %s: interrupted", swap->move.lpar);
		return EXIT_FAILED;
	}
	taken = !run_there(swap, words, NULL);
	return decide(swap, taken);
}

/* It lives there, whatever fails from now on. */
static int finish(struct swap *swap)
{
	int ret, code;

	begin_stage(swap, 12, "releasing the source");
	/* Should it not be written, that host still knows. */
	fc_journal_note(&swap->move, "lives");
	ret = wait_there(swap, "idle", true);
	if (ret)
		err("LPAR %s: lives at %s, where its disks are not free yet: see 'lparctl fc show %s' there",
		    swap->move.lpar, swap->move.peer.host, swap->move.lpar);
	code = fc_go_on(&swap->move, swap->identity);
	return code ? code : ret;
}

/* --- the verb --- */

static const char *outcome(const struct swap *swap, int code)
{
	switch (code) {
	case EXIT_OK:
		return swap->prepares ? "prepared" : "moved";
	case EXIT_ROLLED_BACK:
		return "back";
	default:
		return "unfinished";
	}
}

static void report(const struct swap *swap, int code)
{
	struct json_object *json = json_object_new_object();

	if (!code && swap->prepares)
		say("%s: ready at %s: 'lparctl fc swap %s --switch' when it stands, or 'lparctl fc recover %s'",
		    swap->move.lpar, swap->move.peer.host, swap->move.lpar, swap->move.lpar);
	json_put(json, "lpar", swap->move.lpar);
	json_put(json, "to", swap->move.peer.host);
	json_put(json, "outcome", outcome(swap, code));
	json_object_object_add(json, "stages", json_object_get(swap->stages));
	if (options.json)
		json_print(json);
	else
		json_object_put(json);
}

/* The journal has it, for whoever is in another directory. */
static bool is_relative(const char *via)
{
	const char *slash = strchr(via, '/');

	return slash && *via != '/' && slash < via + strcspn(via, " ");
}

/* Nothing is touched yet. */
static int begin(struct swap *swap)
{
	struct fc_move *move = &swap->move;
	int ret;

	if (move->peer.via && is_relative(move->peer.via))
		return usage("--via needs an absolute path, or a command of PATH");
	ret = fc_check_move(move->lpar, &move->peer);
	if (ret || look_here(swap))
		return ret ? ret : EXIT_FAILED;
	move->journal = json_object_new_object();
	json_put(move->journal, "lpar", move->lpar);
	json_put(move->journal, "peer", move->peer.host);
	if (move->peer.via)
		json_put(move->journal, "via", move->peer.via);
	json_put(move->journal, "wwpn_original", json_text(swap->identity, "wwpn_original"));
	return fc_journal_store(move) ? EXIT_FAILED : EXIT_OK;
}

/* Before the guest's I/O has to wait for it. */
static int check_armed(const struct swap *swap)
{
	struct fc_there there;

	if (fc_look_there(&swap->move, &there) == FC_UNDECIDED && !strcmp(there.step, "armed"))
		return EXIT_OK;
	if (there.is != FC_SILENT)
		err("%s: not armed there: %s%s%s; nothing was done: 'lparctl fc swap %s --switch' again when it is, or 'lparctl fc recover %s'",
		    swap->move.peer.host, *there.step ? there.step : "no identity",
		    *there.reason ? ": " : "", there.reason, swap->move.lpar, swap->move.lpar);
	return EXIT_FAILED;
}

/* What was prepared, and still is. */
static int resume(struct swap *swap)
{
	int ret = look_here(swap);

	if (ret)
		return ret;
	if (fc_is(swap->identity, "step", "on-m") && fc_is(swap->identity, "operation", "source"))
		return check_maintenance(swap) ? EXIT_FAILED : check_armed(swap);
	err("LPAR %s: it is not prepared any more: 'lparctl fc recover %s'", swap->move.lpar,
	    swap->move.lpar);
	return EXIT_FAILED;
}

static int run(struct swap *swap)
{
	int ret = swap->prepares ? EXIT_OK : check_stands(swap);

	interrupt_catch(SA_RESTART);
	if (!ret)
		ret = swap->switches ? resume(swap) : begin(swap);
	if (ret)
		return ret;
	if (!swap->switches)
		ret = prepare(swap);
	if (!ret && !swap->prepares)
		ret = switch_over(swap);
	if (ret)
		ret = fc_go_back(&swap->move);
	else if (!swap->prepares)
		ret = finish(swap);
	end_stage(swap);
	report(swap, ret);
	return ret;
}

/* One that another swap has left is not begun anew, and one that nobody has is not ended. */
static int check_journal(struct swap *swap)
{
	struct fc_move *move = &swap->move;

	if (fc_journal_load(move))
		return EXIT_FAILED;
	if (move->journal && !swap->switches)
		err("LPAR %s: another swap of it is not over: --switch goes on with one that is prepared, 'lparctl fc recover %s' ends it",
		    move->lpar, move->lpar);
	else if (!move->journal && swap->switches)
		err("LPAR %s: no swap of it is prepared", move->lpar);
	else
		return EXIT_OK;
	return EXIT_FAILED;
}

static int run_locked(struct swap *swap)
{
	int lock = lpar_lock(swap->move.lpar), ret;

	if (lock < 0)
		return EXIT_FAILED;
	ret = check_journal(swap);
	if (!ret)
		ret = run(swap);
	close(lock);
	return ret;
}

static int parse_words(struct args *args, struct swap *swap)
{
	struct fc_move *move = &swap->move;
	int ret = EXIT_OK;

	move->lpar = next_arg(args);
	if (!move->lpar || !name_is_valid(move->lpar))
		return usage("the name of an LPAR is missing");
	while (args->argc && !ret) {
		if (next_flag(args, "--prepare"))
			swap->prepares = true;
		else if (next_flag(args, "--switch"))
			swap->switches = true;
		else if (!fc_peer_option(&move->peer, "--to", args, &ret))
			return usage("'%s' is unknown to fc swap", next_arg(args));
	}
	if (ret)
		return ret;
	if (!move->peer.host == !swap->switches)
		return usage("either --to HOST or --switch is needed");
	if (swap->switches && (swap->prepares || move->peer.via))
		return usage("--switch goes without other options");
	return EXIT_OK;
}

/* swap LPAR --to HOST [--via COMMAND] [--prepare] | swap LPAR --switch */
int fc_swap_verb(struct args *args)
{
	struct swap swap = { 0 };
	int ret = parse_words(args, &swap);

	if (ret)
		return ret;
	swap.stages = json_object_new_array();
	ret = run_locked(&swap);
	json_object_put(swap.stages);
	json_object_put(swap.identity);
	json_object_put(swap.move.journal);
	return ret;
}
