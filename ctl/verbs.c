// SPDX-License-Identifier: GPL-2.0
/*
 * The table of all verbs, and which of them a command line means.
 */
#include <ctype.h>
#include <string.h>

#include "cluster/cluster.h"
#include "event/event.h"
#include "fc/fc.h"
#include "guest/guest.h"
#include "lpar/lpar.h"
#include "net/netbuf.h"
#include "relocate/relocate.h"
#include "snap/snap.h"
#include "throttle/throttle.h"
#include "verbs.h"

#define SETTINGS_NETBUF                                                           \
	"SETTING := --lpar NAME | --limit-frames N | --limit-bytes SIZE |\n"      \
	"           --policy tail-drop|head-drop|pass | --high-water PERCENT |\n" \
	"           --filter EXPRESSION | --unmatched pass|drop | --copy yes|no\n"

/* An abbreviation is looked up in this order. */
/* clang-format off */
static const struct verb lpar_verbs[] = {
	{ "list", lpar_list_verb, "", "A table of all LPARs." },
	{ "show", lpar_show_verb, "[NAME]...", "All that the kernel knows about them." },
	{ "create", lpar_create_verb,
	  "NAME [KEY VALUE]... | create [NAME] -f|--file FILE | create NAME",
	  "Describe an LPAR: by keys, by a file, or by /etc/lparkit/NAME.lpar." },
	{ "set", lpar_set_verb, "NAME KEY VALUE...",
	  "Change an LPAR that is defined or failed; its gate-timeout at any time." },
	{ "delete", lpar_delete_verb, "NAME...", "Forget LPARs that are defined or failed.",
	  true },
	{ "check", check_verb, "[NAME|FILE]...",
	  "Find what would keep an LPAR from being activated." },
	{ "activate", lpar_activate_verb, "NAME [--host]",
	  "Fence all resources of an LPAR, or none; --host: interrupts leave its CPUs, too." },
	{ "deactivate", lpar_deactivate_verb, "NAME [--force]",
	  "Give all resources back; --force: while processes are members or hold the memory.",
	  true },
	{ "start", start_verb, "NAME [--timeout TIME] [--file FILE] [--incoming] [--wait]",
	  "Run the guest that /etc/lparkit/NAME.lpar, or FILE, describes; --incoming: it waits for a migration;\n"
	  "--wait: until it has ended, and then undo what start did." },
	{ "stop", stop_verb, "NAME [--timeout TIME] [--keep|--forget]",
	  "Ask the guest to power down (60 s), tell QEMU to end, kill it; undo what start did;\n"
	  "--keep: it is to run again at the next boot; --forget: it is not, even as the host goes down.",
	  true },
	{ "freeze", freeze_verb, "NAME... [--timeout TIME]",
	  "Close the gates: no vCPU executes another instruction." },
	{ "thaw", thaw_verb, "NAME...", "Open the gates." },
	{ "console", console_verb, "NAME",
	  "Be at the guest's serial console, if console=yes gives it one; Ctrl-] . ends it." },
	{ "resume", resume_verb, "NAME",
	  "Let a guest go on that stands since its disk was full, or that was paused." },
	{ "member", member_verb, "add|del NAME PID...", "Make processes members of an LPAR, or none." },
	{ "grant", grant_verb, "NAME PID...",
	  "Let processes, as virtiofsd, map the LPAR's memory when its guest passes it to them." },
	{ "revoke", revoke_verb, "NAME PID...",
	  "Let them no more: they lose what they have mapped.", true },
	{ "pin", pin_verb, "NAME", "Give each vCPU a CPU of its own once more, where there are enough." },
	{ "stage", stage_verb,
	  "NAME [number N] [text TEXT] [progress PERCENT]\n"
	  "[transfer-rate SIZE] [dirty SIZE] [state STATE]",
	  "Say how far a long operation is." },
	{ "export", export_verb, "NAME... | export --all",
	  "Print descriptions as one text, which import takes on this host or another." },
	{ "import", import_verb, "[FILE] [--check] [--rename OLD=NEW]...",
	  "Describe the LPARs of an exported text on this host, unless one is in the way of another;\n"
	  "--check: only say whether." },
	{ "define", define_verb,
	  "NAME --cpus N --memory SIZE [--node N] [--check] [KEY=VALUE]...",
	  "Describe an LPAR with whole cores and memory of one node that are free in the pool;\n"
	  "--check: only say which. KEY=VALUE: more lines of its file, see lpar.conf(5)." },
	{ "distribute", distribute_verb,
	  "--to HOST[,HOST]... [--check] [--via COMMAND] [--timeout TIME] NAME...|--all",
	  "Describe LPARs of this host on others, on all of them or on none." },
	{ "schedule", schedule_verb, "[NAME [start|stop CALENDAR|off]]",
	  "Start or stop an LPAR at times as in systemd.time(7); without, say which there are." },
	{ "metrics", metrics_verb, "[--file PATH]",
	  "LPARs, guests and the pool in numbers, for Prometheus' textfile collector." },
	{ NULL },
};

static const struct verb boot_verbs[] = {
	{ "show", boot_show_verb, "",
	  "Which LPARs run, or ran when their host crashed or went down, and what a boot would do." },
	{ "restore", boot_restore_verb, "[--units]",
	  "Start those that ran, and those that are always to run, in their order;\n"
	  "--units: by lparkit@NAME.service." },
	{ "shutdown", boot_shutdown_verb, "[--timeout TIME]",
	  "Stop all guests in the reverse order (100 s); they run again with the next boot.", true },
	{ "forget", boot_forget_verb, "NAME...", "Start those no more that ran.", true },
	{ NULL },
};

static const struct verb pool_verbs[] = {
	{ "show", pool_show_verb, "", "What LPARs may have of each NUMA node, and what is free." },
	{ NULL },
};

static const struct verb cut_verbs[] = {
	{ "list", cut_list_verb, "", "The cuts that the kernel remembers." },
	{ "show", cut_show_verb, "ID", "What each participant of a cut did, and when." },
	{ "cancel", cut_cancel_verb, "ID", "Cancel a cut that is armed.", true },
	{ "arm", cut_arm_verb,
	  "--at INSTANT --lpar NAME[,NAME]... [--lpar ...]... [--action close|open] [--no-wait]",
	  "Close, or open, the gates of these LPARs at one instant." },
	{ NULL },
};

static const struct verb netbuf_verbs[] = {
	{ "show", netbuf_show_verb, "[NETDEV]...", "State, frames and memory held, frames dropped." },
	{ "list", netbuf_show_verb, NULL, NULL },
	{ "attach", netbuf_attach_verb, "NETDEV [SETTING]...",
	  "Give the netdev a buffer, which lets frames pass." },
	{ "set", netbuf_set_verb, "NETDEV SETTING...", "Change settings." },
	{ "detach", netbuf_detach_verb, "NETDEV... [--force]",
	  "Take the buffer away; --force: with the frames that it holds.", true },
	{ "hold", netbuf_hold_verb, "NETDEV...", "Keep frames in both directions, in order." },
	{ "drain", netbuf_drain_verb, "NETDEV... [--timeout TIME] [--no-wait]",
	  "Send held frames on, in order, and wait until frames pass again (60 s)." },
	{ "flush", netbuf_flush_verb, "NETDEV...", "Drop what is held.", true },
	{ "save", netbuf_save_verb, "FILE NETDEV...", "Write the held frames to a pcapng file." },
	{ "load", netbuf_load_verb, "FILE [NETDEV[=NETDEV]]...",
	  "Put the frames of a file in front of those that are held." },
	{ "monitor", netbuf_monitor_verb, "[--count N] [--timeout TIME]",
	  "Print events of buffers as they come." },
	{ NULL },
};

static const struct verb throttle_verbs[] = {
	{ "show", throttle_show_verb, "[PID|LPAR]...",
	  "State, limit in force, rate of dirtying, delays; with names, also for each vCPU." },
	{ "list", throttle_show_verb, NULL, NULL },
	{ "attach", throttle_attach_verb, "PID|LPAR [SETTING]...",
	  "Throttle a guest from now on, or only count what it dirties." },
	{ "set", throttle_set_verb, "PID|LPAR SETTING...", "Change settings." },
	{ "detach", throttle_detach_verb, "PID|LPAR...", "Let the guest go at once.", true },
	{ "follow", throttle_follow_verb,
	  "QMP-SOCKET|--libvirt DOMAIN [--target PID|LPAR] [--share PERCENT]\n"
	  "[--watchdog TIME] [--wait TIME]",
	  "Throttle the guest of this QEMU while it migrates." },
	{ "msi", throttle_msi_verb,
	  "[DEVICE [--delay TIME | --rate N | off] [--force] [--watchdog TIME]]\n"
	  "| msi DEVICE --limit SIZE --counter FILE [--force] [--watchdog TIME]",
	  "Show, or delay, the interrupts of PCI devices; hold the bandwidth of one." },
	{ "monitor", throttle_monitor_verb, "[--count N] [--timeout TIME]",
	  "Print events of throttles as they come." },
	{ NULL },
};

static const struct verb fc_verbs[] = {
	{ "show", fc_show_verb, "[LPAR]...",
	  "Operation, step and ports of identities; with names, also world wide names and paths." },
	{ "list", fc_list_verb, "[--all]",
	  "The adapters of this host, and how many ports they have room for; --all: virtual ports, too." },
	{ "generate", fc_generate_verb, "LPAR [--new]",
	  "Names for an LPAR that no adapter has, the same ones each time; --new: others." },
	{ "define", fc_define_verb,
	  "LPAR --wwnn WWN --wwpn WWN --wwpn-maintenance WWN --parent HOST\n[--away] [SETTING]...",
	  "Give an LPAR an identity: its names, and the adapter through which it has its disks." },
	{ "set", fc_set_verb, "LPAR [--parent HOST] [SETTING]...",
	  "Change an identity with which nothing is under way." },
	{ "delete", fc_delete_verb, "LPAR...", "Forget identities that have no port.", true },
	{ "login", fc_login_verb, "LPAR [--maintenance] [--force]",
	  "Log a name in to the fabric, and wait for its disks; --force: after a host was lost." },
	{ "logout", fc_logout_verb, "LPAR [--maintenance] [--force]",
	  "Log a name out; --force: while its disks are open.", true },
	{ "start", fc_start_verb,
	  "LPAR source | start LPAR destination [--token TOKEN] [--luns FILE] [--force]",
	  "Begin a move to another host, or from there; destination: --token or --force is needed." },
	{ "confirm", fc_confirm_verb,
	  "LPAR io|gone|switched | confirm LPAR returned [--receipt RECEIPT] [--force]",
	  "Say that what the move waits for was done; returned: --receipt or --force is needed." },
	{ "revoke", fc_revoke_verb, "LPAR --token TOKEN --used TOKEN",
	  "Give a receipt for a token with which this host has not begun, and never will, if the last one\n"
	  "that was used here is still the one that is said.",
	  true },
	{ "abort", fc_abort_verb, "LPAR", "Go back to where the move began.", true },
	{ "check", fc_check_verb, "LPAR [--peer HOST [--via COMMAND]]",
	  "Find what would keep an identity from moving, to that host; nothing is changed." },
	{ "swap", fc_swap_verb, "LPAR --to HOST [--via COMMAND] [--prepare] | swap LPAR --switch",
	  "Move the identity to another host, all steps at both; what fails is undone. --prepare: until\n"
	  "only the switch-over is left, which --switch does when the guest stands.",
	  true },
	{ "recover", fc_recover_verb, "LPAR [--peer HOST [--via COMMAND]] [--force]",
	  "End or undo a move from this host whose caller is gone, or what fc swap has prepared; --peer:\n"
	  "if it was none by fc swap; --force: that host is dead, fenced, or has forgotten it.",
	  true },
	{ "wait", fc_wait_verb, "LPAR STEP [--timeout TIME]",
	  "Wait until the move waits in a step, or has ended (idle)." },
	{ "monitor", fc_monitor_verb, "[--count N] [--timeout TIME]",
	  "Print events of identities as they come." },
	{ NULL },
};

static const struct verb snap_verbs[] = {
	{ "create", snap_create_verb,
	  "VOLUME BASE STORE [--chunk SIZE] [--group NAME] [--writable-base] [--any-base]\n"
	  "| create --all [--wait TIME]",
	  "Make a volume of a base disk and its store, which is formatted if it is blank;\n"
	  "--all: those of /etc/lparkit/volumes that are not there." },
	{ "list", snap_list_verb, "[VOLUME]", "The volumes, or the tree of states of one." },
	{ "take", snap_take_verb,
	  "VOLUME NAME [note TEXT] [--fs-freeze TIME --agent LPAR|SOCKET]",
	  "Keep the volume, and all others of its group, as they are now; --fs-freeze: while the\n"
	  "guest's file systems stand still, for that time at most." },
	{ "restore", snap_restore_verb, "VOLUME NAME [--group] [--force]",
	  "Throw away what was written since, and go on from a state; --force: while it is open.",
	  true },
	{ "delete", snap_delete_verb, "VOLUME NAME [--group]", "Forget a state.", true },
	{ "rename", snap_rename_verb, "VOLUME OLD NEW [--group]", "Give a state another name." },
	{ "settle", snap_settle_verb, "VOLUME NAME keep|drop [--group]",
	  "Decide an undecided state whose coordinator is gone for good.", true },
	{ "merge", snap_merge_verb, "VOLUME NAME", "Write a state into the base disk.", true },
	{ "diff", snap_diff_verb, "VOLUME OLDER|- [NEWER]",
	  "Ranges that two states, or the base disk and a state, have from different places." },
	{ "send", snap_send_verb, "VOLUME NAME [--from OLDER] [--at BYTE]",
	  "Write a state to standard output, or what it has that an older one has not." },
	{ "receive", snap_receive_verb, "VOLUME [--at]",
	  "Read a state from standard input; --at: say where one that was broken off goes on.",
	  true },
	{ "check", snap_check_verb, "STORE [--repair] [--force]",
	  "Say what is wrong with a store that is not in use; --repair: and mend it." },
	{ NULL },
};

static const struct verb relocate_verbs[] = {
	{ "start", relocate_start_verb,
	  "VOLUME --dest DEV --meta DEV [--source DEV] [--order LIST] [--rate SIZE]\n"
	  "[--window SIZE] [--region SIZE] [--fetch SIZE] [--ahead SIZE] [--fail-after TIME]\n"
	  "[--from HOST:DEV [--via COMMAND] [--deadline TIME]]",
	  "Make a volume that fetches what is not on DEST yet, or go on with one;\n"
	  "--from: a disk of another host, by ssh, until all is here." },
	{ "connect", relocate_connect_verb, "VOLUME HOST:DEV [--via COMMAND] [--deadline TIME]",
	  "The source is a disk of another host, until all is here." },
	{ "status", relocate_status_verb, "VOLUME [--interval TIME]",
	  "How much is here and why, the rate, and what the source does." },
	{ "pause", relocate_pause_verb, "VOLUME", "Copy nothing in the background." },
	{ "resume", relocate_resume_verb, "VOLUME", "Go on with it." },
	{ "rate", relocate_rate_verb, "VOLUME SIZE",
	  "Copy at most so much a second, in whole MiB; 0 is no limit." },
	{ "source", relocate_source_verb, "VOLUME DEV|-",
	  "Another disk with the same data, or none for the time being." },
	{ "order", relocate_order_verb, "DEV [--exact]",
	  "Print what the file systems of a disk use; --exact: fail if more may be in use." },
	{ "send", relocate_send_verb, "VOLUME hot|used [--end]",
	  "Send ranges from standard input; --end: the lists are complete." },
	{ "finish", relocate_finish_verb, "VOLUME",
	  "When all is here, the guest goes over to DEST itself while it runs.", true },
	{ "abort", relocate_abort_verb, "VOLUME [--discard-writes]",
	  "Remove the volume and forget what was copied.", true },
	{ NULL },
};

static const struct verb cluster_verbs[] = {
	{ "list", cluster_list_verb, "[--dir DIR]", "What is saved." },
	{ "show", cluster_show_verb, "NAME [--dir DIR]", "One saved state." },
	{ "save", cluster_save_verb,
	  "NAME --hosts HOST[,HOST]... [--lpar NAME[,NAME]...] [--continue]\n"
	  "[--qmp LPAR=PATH[,...]] [--wait TIME] [--max-skew TIME] [--via COMMAND] [--dir DIR] [--timeout TIME]",
	  "Save the guests that run on these hosts at one instant; they end, or go on together.", true },
	{ "restore", cluster_restore_verb,
	  "NAME [--hosts HOST[,HOST]...] [--max-skew TIME]\n"
	  "[--via COMMAND] [--dir DIR] [--timeout TIME]",
	  "Have the guests back in that state; those that run under their names end.", true },
	{ "verify", cluster_verify_verb,
	  "NAME [--hosts HOST[,HOST]...] [--via COMMAND] [--dir DIR] [--timeout TIME]",
	  "Compare every file with its digest, and look for the states of the disks." },
	{ "delete", cluster_delete_verb,
	  "NAME [--hosts HOST[,HOST]...] [--via COMMAND] [--dir DIR] [--timeout TIME]",
	  "Remove a saved state, or what a save that was lost has left.", true },
	{ "recover", cluster_recover_verb, "",
	  "Undo what an operation that was killed has left on this host.", true },
	{ NULL },
};

static const struct verb migrate_verbs[] = {
	{ "start", migrate_start_verb,
	  "NAME --to HOST [--check] [--from HOST] [--address ADDRESS]\n"
	  "[--downtime MS] [--bandwidth MIB/S] [--limit auto|MIB/S|off] [--storage shared|none]\n"
	  "[--on-slow wait|cancel] [--via COMMAND] [--timeout TIME]",
	  "Move a running guest to another host; --check: only find out whether that would do." },
	{ "status", migrate_status_verb, "[NAME]", "Migrations that this host has a part in." },
	{ "cancel", migrate_cancel_verb, "NAME",
	  "Give a migration up that was started here, as long as that can be.", true },
	{ "recover", migrate_recover_verb,
	  "NAME [--to HOST] [--via COMMAND] [--abandon [--source-gone]]",
	  "After a crash: ask both hosts, and let the guest run where it lives;\n"
	  "--abandon: a copy at the destination is of no use, its source has gone on;\n"
	  "--source-gone: at the destination, and nobody is there to ask.", true },
	{ NULL },
};

const struct object objects[] = {
	{ "lpar", "LPARs", lpar_verbs, .bare = "list",
	  .notes = "KEY := cpus LIST | memory SIZE | node N|any | pages any|large |\n"
		   "       owner USER[:GROUP] | disk PATH | gate-timeout TIME\n" },
	{ "pool", "The pool: what LPARs may have of this host", pool_verbs, .bare = "show" },
	{ "boot", "Boot: LPARs that ran run again", boot_verbs, .bare = "show" },
	{ "cut", "Cuts: gates of several LPARs close, or open, at one instant", cut_verbs,
	  .bare = "list", .left_out = "arm",
	  .notes = "INSTANT := now | +TIME | @SECONDS | YYYY-MM-DD HH:MM:SS[.FRACTION][Z]\n" },
	{ "netbuf", "Netdevs: frames are held while a guest is saved and restored", netbuf_verbs,
	  .bare = "show", .notes = SETTINGS_NETBUF },
	{ "throttle", "Throttles: a migrating guest dirties no faster than the link carries",
	  throttle_verbs, .bare = "show",
	  .notes = "SETTING := --count | --limit SIZE | --delay TIME | --auto PERCENT |\n"
		   "           --transfer-rate SIZE | --watchdog TIME\n" },
	{ "fc", "Fibre Channel identities: the names by which an LPAR has its disks", fc_verbs,
	  .bare = "show",
	  .notes = "SETTING := --login TIME | --storage TIME | --move TIME | --logout TIME |\n"
		   "           --grace TIME | --luns FILE\n" },
	{ "monitor", "Events", .only = { "monitor", monitor_verb,
	  "[--object OBJECT] [--lpar NAME] [--event EVENT] [--count N] [--timeout TIME]\n"
	  "[--hooks] [--journal]",
	  "Print events of all modules as they come, one line or one JSON object each; or give\n"
	  "them to hooks and to the journal." } },
	{ "snap", "States of snapsync volumes", snap_verbs },
	{ "relocate", "Disks that follow their guests", relocate_verbs },
	{ "cluster", "Clusters: guests of several hosts are saved, and restored, at one instant",
	  cluster_verbs, .bare = "list" },
	{ "migrate", "Migrations: a guest moves to another host while it runs", migrate_verbs,
	  .bare = "status", .left_out = "start", .named = true },
	{ "execd", .only = { "execd", execd_verb } },
	{ "help", .only = { "help", help_verb } },
	{ "__complete", .only = { "__complete", complete_verb } },
	{ NULL },
};
/* clang-format on */

static bool begins(const char *name, const char *word)
{
	return *word && !strncmp(name, word, strlen(word));
}

/* As in iproute2, the first entry that begins with the word is meant; or NULL. */
const struct object *find_object(const char *word)
{
	const struct object *object = objects;

	while (object->name && !begins(object->name, word))
		object++;
	return object->name ? object : NULL;
}

/* The same; *cut_short says that the word is too short for what it may mean. */
const struct verb *find_verb(const struct object *object, const char *word, bool *cut_short)
{
	const struct verb *verb = object->verbs;

	while (verb->name && !begins(verb->name, word))
		verb++;
	*cut_short = verb->name && verb->whole && strcmp(verb->name, word);
	return verb->name ? verb : NULL;
}

/* Where a name may stand in place of a verb, verbs are written out. */
static bool is_name(const struct object *object, const char *word)
{
	const struct verb *verb = object->verbs;

	while (object->named && verb->name && strcmp(verb->name, word))
		verb++;
	return object->named && !verb->name;
}

/* The forms of a usage are parted by a bar and a blank, outside of brackets. */
#define FORMS_MAX 8
#define ANY_FORM ((1U << FORMS_MAX) - 1)

static const char *end_of_form(const char *form)
{
	int depth = 0;

	for (; *form; form++) {
		depth += *form == '[' ? 1 : *form == ']' ? -1 : 0;
		if (!depth && form[0] == '|' && form[1] == ' ')
			break;
	}
	return form;
}

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '-';
}

/* What comes behind the word, up to its '=', in a part of a usage; NULL when it is not there. */
static const char *behind(const char *part, const char *end, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *at;

	for (at = part; at + len <= end; at++)
		if (!strncmp(at, word, len) && (at == part || !in_word(at[-1])) &&
		    !in_word(at[len]))
			return at + len;
	return NULL;
}

/* What a usage says of a word of a command line. */
struct meaning {
	unsigned int forms; /* that have it, a bit each; 0 = none */
	bool has_value; /* the next word is its own */
	bool repeats; /* it may be there more than once */
};

static void look_behind(const char *end, struct meaning *meaning)
{
	meaning->has_value |= end[0] == ' ' && isalnum((unsigned char)end[1]);
	meaning->repeats |= !strncmp(end + strcspn(end, "[]|\n"), "]...", 4);
}

static struct meaning find_meaning(const struct object *object, const struct verb *verb,
				   const char *word)
{
	const char *form = verb->usage, *notes = object->notes, *end;
	struct meaning meaning = { 0 };
	unsigned int bit;

	for (bit = 1; bit & ANY_FORM; bit <<= 1) {
		end = behind(form, end_of_form(form), word);
		if (end) {
			meaning.forms |= bit;
			look_behind(end, &meaning);
			/* It is named again, as "[--lpar ...]". */
			meaning.repeats |= behind(end, end_of_form(form), word) != NULL;
		}
		form = end_of_form(form);
		if (!*form)
			break;
		/* The verb is named again. */
		form += strlen("| ") + strlen(verb->name);
	}
	end = meaning.forms || !notes ? NULL : behind(notes, notes + strlen(notes), word);
	if (end) {
		meaning.forms = ANY_FORM;
		look_behind(end, &meaning);
	}
	return meaning;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

static bool came_before(const struct args *args, int i)
{
	size_t len = strcspn(args->argv[i], "=");
	int j;

	for (j = 0; j < i; j++)
		if (strcspn(args->argv[j], "=") == len &&
		    !strncmp(args->argv[j], args->argv[i], len))
			return true;
	return false;
}

/*
 * What begins as an option is one, unless it is the value of the word before it. It must be in
 * the usage, once, and in the form of it that the words before have chosen: no verb takes it for a
 * name, when it has acted on others already, or ignores it.
 */
static int check_options(const struct object *object, const struct verb *verb,
			 const struct args *args)
{
	const char *named = object == objects ? "" : object->name;
	const char *blank = object == objects || !object->verbs ? "" : " ";
	const char *verb_name = object->verbs ? verb->name : "";
	unsigned int forms = ANY_FORM;
	const char *chosen = NULL;
	struct meaning meaning;
	int i;

	for (i = 0; verb->usage && i < args->argc; i++) {
		const char *word = args->argv[i];
		int len = strcspn(word, "=");

		/* The first word is a name, or a key without a value. */
		if (!is_option(word) && (!i || !islower((unsigned char)*word)))
			continue;
		meaning = find_meaning(object, verb, word);
		if (is_option(word) && !meaning.forms)
			return usage("%s%s%s has no option %.*s", named, blank, verb_name, len,
				     word);
		if (is_option(word) && !meaning.repeats && came_before(args, i))
			return usage("%.*s is given twice", len, word);
		if (meaning.forms && !(forms & meaning.forms))
			return usage("%.*s does not go with %s", len, word, chosen);
		if (meaning.forms && (forms & meaning.forms) != forms) {
			forms &= meaning.forms;
			chosen = word;
		}
		i += meaning.has_value && !strchr(word, '=');
	}
	return EXIT_OK;
}

static int run_verb(const struct object *object, const struct verb *verb, struct args *args)
{
	int ret = check_options(object, verb, args);

	return ret ? ret : verb->run(args);
}

static int run_object(const struct object *object, struct args *args)
{
	const char *word = args->argc ? args->argv[0] : object->bare;
	const struct verb *verb;
	bool cut_short;

	if (!object->verbs)
		return run_verb(object, &object->only, args);
	if (!word)
		return usage("a verb of %s is missing", object->name);
	if (args->argc && object->left_out && (*word == '-' || is_name(object, word)))
		word = object->left_out;
	else
		next_arg(args);
	verb = find_verb(object, word, &cut_short);
	if (!verb)
		return usage("verb '%s' is unknown to %s", word, object->name);
	if (cut_short)
		return usage("'%s' may mean %s, which is not to be abbreviated", word, verb->name);
	return run_verb(object, verb, args);
}

/* The object lpar may be left out: "lparctl start web". */
int run_words(struct args *args)
{
	const struct object *object = find_object(args->argv[0]);

	if (help_asked(args))
		return EXIT_OK;
	if (object)
		next_arg(args);
	return run_object(object ? object : objects, args);
}
