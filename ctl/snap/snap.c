// SPDX-License-Identifier: GPL-2.0
/*
 * Object snap: states of snapsync volumes, by device-mapper messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <libdevmapper.h>
#include <linux/fs.h>

#include "snap/snap.h"
#include "snap/snap_freeze.h"
#include "snap/snap_stream.h"

__attribute__((format(printf, 5, 6))) static void
dm_say_nothing(int level, const char *file, int line, int dm_errno, const char *fmt, ...)
{
	(void)level;
	(void)file;
	(void)line;
	(void)dm_errno;
	(void)fmt;
}

/* One task on a volume, or without a name, or NULL. */
struct dm_task *snap_task(int type, const char *volume)
{
	struct dm_task *task;

	dm_log_with_errno_init(dm_say_nothing);
	task = dm_task_create(type);
	if (task && (!volume || dm_task_set_name(task, volume)))
		return task;
	if (task)
		dm_task_destroy(task);
	return NULL;
}

/* Of several steps, as of a creation, libdevmapper does not say which error it was. */
int snap_run_task(struct dm_task *task)
{
	int error;

	if (dm_task_run(task))
		return 0;
	error = dm_task_get_errno(task);
	return error ? -error : -EINVAL;
}

/* Sets *response, to be freed, if it is not NULL. */
int snap_message(const char *volume, const char *text, char **response)
{
	struct dm_task *task = snap_task(DM_DEVICE_TARGET_MSG, volume);
	const char *answer;
	int ret = 0;

	if (!task)
		return -ENODEV;
	if (!dm_task_set_sector(task, 0) || !dm_task_set_message(task, text))
		ret = -ENOMEM;
	else
		ret = snap_run_task(task);
	if (!ret && response) {
		answer = dm_task_get_message_response(task);
		*response = xstrdup(answer ? answer : "");
	}
	dm_task_destroy(task);
	return ret;
}

/* What the module means by an error. */
const char *snap_reason(int error)
{
	switch (-error) {
	case ENODEV:
		return "no device mapper";
	case ENXIO:
		return "no such volume";
	case ENOENT:
		return "no such state";
	case EEXIST:
		return "the name is in use, or other states need BASE as it is";
	case EBUSY:
		return "a view shows the state, or it is being merged";
	case EAGAIN:
		return "the state is undecided until the coordinator of its group is active; if that is gone for good, settle it";
	case EXDEV:
		return "the states of that name on the members of the group are not from one take";
	case ETXTBSY:
		return "another active volume has the same BASE";
	case EMEDIUMTYPE:
		return "its BASE is another one than its STORE belongs to";
	case EADDRINUSE:
		return "a guest, a mount or whoever else uses it would go on with another disk";
	case ENOTUNIQ:
		return "it has that state, by another name";
	case ESTALE:
		return "a state was restored, or another one has got the name, meanwhile";
	case EROFS:
		return "the volume is read-only, or not created with writable_base";
	case ENOSPC:
		return "too many states";
	case EINVAL:
		return "not a snapsync volume, or not a valid name";
	default:
		return strerror(-error);
	}
}

static int fail(const char *what, const char *volume, int error)
{
	err("cannot %s on %s: %s", what, volume, snap_reason(error));
	return EXIT_FAILED;
}

/* Returns a file, -ENXIO when there is no such volume, or another negative errno. */
static int open_volume(const char *volume, int flags)
{
	char *path = xprintf("/dev/mapper/%s", volume);
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

	if (fd < 0)
		fd = errno == ENOENT ? -ENXIO : -errno;
	free(path);
	return fd;
}

/* Writes what the page cache has of the volume, and forgets it. Returns 0 or a negative errno. */
static int forget_pages(const char *volume)
{
	int fd = open_volume(volume, 0), ret = fd < 0 ? fd : 0;

	if (fd >= 0) {
		if (ioctl(fd, BLKFLSBUF, 0)) {
			ret = -errno;
			err("cannot drop cached pages of %s: %s", volume, strerror(errno));
		}
		close(fd);
	}
	return ret;
}

static bool is_printable(const char *text, char first)
{
	for (; *text; text++)
		if (*text < first || *text > '~')
			return false;
	return true;
}

/* What the module refuses, or device mapper would make something else of. */
static int check_name(const char *name)
{
	if (*name && strlen(name) <= SS_NAME_MAX && strcmp(name, "-") && is_printable(name, '!'))
		return EXIT_OK;
	return usage("the name of a state is 1 to %d visible ASCII characters, and not \"-\"",
		     SS_NAME_MAX);
}

static int check_note(const char *note)
{
	if (strlen(note) <= SS_NOTE_MAX && is_printable(note, ' '))
		return EXIT_OK;
	return usage("a note is at most %d ASCII characters", SS_NOTE_MAX);
}

/* What "VERB VOLUME NAME [NAME] [--group] [--force]" says. */
struct change {
	const char *verb;
	const char *volume;
	const char *name;
	const char *to; /* empty unless it is a rename */
	bool group;
	bool force;
	struct claims *claims;
};

/* On the volumes that are restored. */
struct claims {
	int *fd;
	size_t n;
};

static int parse_change(struct change *change, struct args *args, bool two_names)
{
	change->volume = next_arg(args);
	change->name = next_arg(args);
	change->to = two_names ? next_arg(args) : "";
	while (args->argc)
		if (next_flag(args, "--group"))
			change->group = true;
		else if (!strcmp(change->verb, "restore") && next_flag(args, "--force"))
			change->force = true;
		else
			break;
	if (change->volume && change->name && change->to && !args->argc)
		return two_names ? check_name(change->to) : EXIT_OK;
	return usage("%s wants a volume and %s", change->verb, two_names ? "two names" : "a name");
}

static int send_change(const struct change *change)
{
	char *name = snap_quoted(change->name), *to = snap_quoted(change->to);
	char *text = xprintf("%s%s %s %s", change->group ? "group " : "", change->verb, name, to);
	int ret = snap_message(change->volume, text, NULL);

	free(text);
	free(to);
	free(name);
	return ret ? fail(change->verb, change->volume, ret) : EXIT_OK;
}

/* A step for the volume, or with --group for all members, until one fails. */
static int for_volumes(const struct change *change,
		       int (*step)(const struct change *change, const char *volume))
{
	char *members = NULL, *member, *rest;
	int ret;

	if (!change->group)
		return step(change, change->volume);
	ret = snap_message(change->volume, "members", &members);
	for (member = strtok_r(members, "\n", &rest); !ret && member;
	     member = strtok_r(NULL, "\n", &rest))
		ret = step(change, member);
	free(members);
	return ret;
}

/* Without the part nothing would say any more that what is above it is none of a whole. */
static int insist_on_whole(const struct change *change, const char *name)
{
	const struct snap_volume volume = snap_volume(name);
	char above[SS_NAME_MAX + 1];
	int ret = snap_needs_part(&volume, change->name, above);

	if (ret <= 0)
		return ret;
	if (strcmp(above, "-"))
		err("cannot %s %s of %s, a part of a state: %s was taken above it: delete that first",
		    change->verb, change->name, name, above);
	else
		err("cannot %s %s of %s, a part of a state that runs: restore another state first: lparctl snap restore %s STATE",
		    change->verb, change->name, name, name);
	return -ECANCELED;
}

static int change_state(const char *verb, struct args *args, bool two_names)
{
	struct change change = { .verb = verb };
	int ret = parse_change(&change, args, two_names);

	if (ret)
		return ret;
	ret = for_volumes(&change, insist_on_whole);
	if (ret == -ECANCELED)
		return EXIT_FAILED;
	return ret ? fail(change.verb, change.volume, ret) : send_change(&change);
}

static int tell_read_only(const struct change *change, const char *volume)
{
	struct snap_status status;

	(void)change;
	if (!snap_read_status(volume, &status) && status.read_only)
		err("%s is read-only; dmsetup status says why", volume);
	return 0;
}

/* Of all members of the volume's group. */
static int send_take(const char *volume, const char *name, const char *note)
{
	const struct change change = { .volume = volume, .group = true };
	char *quoted_name = snap_quoted(name), *quoted_note = snap_quoted(note);
	char *text = xprintf("take %s %s", quoted_name, quoted_note);
	int ret = snap_message(volume, text, NULL);

	free(text);
	free(quoted_note);
	free(quoted_name);
	if (ret == -EROFS)
		for_volumes(&change, tell_read_only);
	return ret ? fail("take", volume, ret) : EXIT_OK;
}

/*
 * A state of file systems that did not stand still is not what was asked for, also when we are
 * asked to end while a store is waited for: so that is done first.
 */
static int take_frozen(const char *volume, const char *name, const char *note,
		       struct snap_freeze *freeze)
{
	const struct change undo = {
		.verb = "delete", .volume = volume, .name = name, .to = "", .group = true
	};
	int ret, thawed;

	interrupt_catch(SA_RESTART);
	ret = snap_freeze(freeze);
	if (ret)
		return ret;
	if (interrupted()) {
		err("%s: not taken: interrupted", volume);
		ret = EXIT_FAILED;
	} else {
		ret = send_take(volume, name, note);
	}
	thawed = snap_thaw(freeze);
	if (!ret && thawed && !send_change(&undo))
		err("the state %s is deleted again", name);
	return ret ? ret : thawed;
}

/* "VOLUME NAME [note TEXT] [--fs-freeze TIME --agent LPAR|SOCKET]" */
int snap_take_verb(struct args *args)
{
	const char *volume = next_arg(args), *name = next_arg(args), *note = "";
	static const char not_given[] = "";
	const char *limit = not_given, *agent = not_given;
	struct snap_freeze freeze;
	bool frozen;
	int ret;

	if (!volume || !name)
		return usage("take wants a volume and a name");
	while (args->argc)
		if (!next_option(args, "note", &note) && !next_option(args, "--agent", &agent) &&
		    !next_option(args, "--fs-freeze", &limit))
			return usage(
				"after the name comes 'note TEXT', '--fs-freeze TIME', or '--agent LPAR|SOCKET'");
	ret = note ? check_name(name) : usage("note wants a text");
	ret = ret ? ret : check_note(note);
	frozen = limit != not_given || agent != not_given;
	if (!ret && frozen)
		ret = snap_freeze_set(&freeze, agent, limit);
	if (ret)
		return ret;
	return frozen ? take_frozen(volume, name, note, &freeze) : send_take(volume, name, note);
}

/* Whoever has it open, but for @ours, would find another disk below: -EADDRINUSE. */
int snap_check_closed(const char *volume, unsigned int ours)
{
	struct snap_status status;
	int ret = snap_read_status(volume, &status);

	return ret ? ret : status.opens > ours ? -EADDRINUSE : 0;
}

/*
 * Nobody has the volume open but @claims that only keep others away; where there are none it is
 * claimed, so that nobody mounts it, formats it or gives it to an LPAR until the claim is dropped.
 * Returns 0, -EADDRINUSE or another errno; *claim is a file that is to be closed, or negative.
 */
int snap_claim(const char *volume, unsigned int claims, int *claim)
{
	int ret = 0;

	*claim = claims ? -1 : open_volume(volume, O_EXCL);
	if (*claim < 0 && !claims)
		ret = *claim == -EBUSY ? -EADDRINUSE : *claim;
	ret = ret ? ret : snap_check_closed(volume, claims ? claims : 1);
	if (ret && *claim >= 0) {
		close(*claim);
		*claim = -1;
	}
	return ret;
}

/* Is there something that no state needs any more, and that is not free yet? */
bool snap_is_reaping(const char *volume)
{
	struct snap_status status;

	return !snap_read_status(volume, &status) && status.is_reaping;
}

/* Do its states show another base disk than when they were taken? 1, 0 or a negative errno. */
int snap_has_other_base(const char *volume)
{
	struct snap_status status;
	int ret = snap_read_status(volume, &status);

	return ret ? ret : status.has_other_base;
}

static int claim(const struct change *change, const char *volume)
{
	struct claims *claims = change->claims;
	int fd, ret = snap_claim(volume, 0, &fd);

	if (ret == -EADDRINUSE)
		err("%s is open: %s; --force restores all the same", volume, snap_reason(ret));
	if (ret)
		return ret;
	claims->fd = xrealloc(claims->fd, (claims->n + 1) * sizeof(*claims->fd));
	claims->fd[claims->n++] = fd;
	return 0;
}

static void drop_claims(struct claims *claims)
{
	while (claims->n)
		close(claims->fd[--claims->n]);
	free(claims->fd);
}

static int forget_pages_of(const struct change *change, const char *volume)
{
	(void)change;
	return forget_pages(volume);
}

/*
 * What the page cache has to write is written before, so that it does not end up
 * in what is restored; what it has read is forgotten after.
 */
static int restore(const struct change *change)
{
	int ret = for_volumes(change, forget_pages_of);

	if (ret)
		return fail("restore", change->volume, ret);
	ret = send_change(change);
	if (!ret && for_volumes(change, forget_pages_of)) {
		err("%s is restored, but what was read before may still show", change->volume);
		ret = EXIT_FAILED;
	}
	return ret;
}

int snap_restore_verb(struct args *args)
{
	struct claims claims = { 0 };
	struct change change = { .verb = "restore", .claims = &claims };
	int ret = parse_change(&change, args, false);

	if (ret)
		return ret;
	ret = change.force ? 0 : for_volumes(&change, claim);
	if (!ret)
		ret = restore(&change);
	else if (ret == -EADDRINUSE)
		ret = EXIT_FAILED;
	else
		ret = fail("restore", change.volume, ret);
	drop_claims(&claims);
	return ret;
}

int snap_delete_verb(struct args *args)
{
	return change_state("delete", args, false);
}

int snap_rename_verb(struct args *args)
{
	return change_state("rename", args, true);
}

int snap_settle_verb(struct args *args)
{
	struct change change = { .verb = "settle" };
	int ret = parse_change(&change, args, true);

	if (!ret && strcmp(change.to, "keep") && strcmp(change.to, "drop"))
		ret = usage(
			"settle wants a volume, the name of an undecided state, and keep or drop");
	return ret ? ret : send_change(&change);
}

int snap_merge_verb(struct args *args)
{
	return change_state("merge", args, false);
}

static int message(const struct snap_volume *volume, const char *text, char **answer)
{
	return snap_message(volume->name, text, answer);
}

/* A volume of device mapper. */
struct snap_volume snap_volume(const char *name)
{
	return (struct snap_volume){ .name = name, .message = message };
}

static int read_states(const char *name, struct snap_states *states)
{
	const struct snap_volume volume = snap_volume(name);
	struct snap_status status = { 0 };
	int ret = snap_read_status(name, &status);

	memset(states, 0, sizeof(*states));
	ret = ret ? ret : snap_read_states(&volume, states);
	states->chunk = status.chunk;
	return ret;
}

/* 1 or 0, or a negative errno. */
int snap_has_state(const char *volume, const char *state)
{
	struct snap_states states;
	int ret = read_states(volume, &states);

	ret = ret ? ret : !!snap_find_state(&states, state);
	free(states.state);
	return ret;
}

/* Take or delete one state. */
int snap_change(const char *volume, const char *verb, const char *state)
{
	char *name = snap_quoted(state), *text = xprintf("%s %s", verb, name);
	int ret = snap_message(volume, text, NULL);

	free(text);
	free(name);
	return ret;
}

/* Restores a state of a volume that nobody uses, see snap_claim(). */
int snap_restore(const char *volume, const char *state)
{
	int ret = forget_pages(volume);

	ret = ret ? ret : snap_change(volume, "restore", state);
	return ret ? ret : forget_pages(volume);
}

/* The name in device mapper of a disk that is a snapsync volume. */
int snap_volume_of(const char *disk, char *volume, size_t size)
{
	struct snap_status status;
	char path[64];
	struct stat st;
	int ret;

	if (stat(disk, &st) || !S_ISBLK(st.st_mode))
		return -ENOTBLK;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/name", major(st.st_rdev),
		 minor(st.st_rdev));
	ret = read_text(path, volume, size);
	return ret ? ret : snap_read_status(volume, &status);
}

/* What a cut has taken of it that has fired then, if it has. */
void snap_delete_cut(const char *volume, uint64_t fired_ns)
{
	time_t seconds = fired_ns / NSEC_PER_SEC;
	char when[32], name[64];
	struct tm tm;

	strftime(when, sizeof(when), "%Y%m%dT%H%M%S", gmtime_r(&seconds, &tm));
	snprintf(name, sizeof(name), "cut-%s.%06uZ", when,
		 (unsigned int)(fired_ns % NSEC_PER_SEC / 1000));
	if (snap_has_state(volume, name) > 0)
		snap_change(volume, "delete", name);
}

static struct json_object *state_json(const struct snap_state *state, uint64_t chunk)
{
	struct json_object *json = json_object_new_object();
	bool running = !strcmp(state->name, "-");
	char uuid[2 * SS_UUID_SIZE + 1];

	snap_format_uuid(uuid, state->uuid);
	json_put(json, "name", running ? "" : state->name);
	json_put(json, "parent", strcmp(state->parent, "-") ? state->parent : "");
	json_put_flag(json, "running", running);
	json_put_u64(json, "time_ns", state->time);
	json_put_u64(json, "own_chunks", state->own);
	json_put_u64(json, "own_zero_chunks", state->zero);
	json_put_u64(json, "inherited_chunks", state->inherited);
	json_put_u64(json, "own_bytes", state->own * chunk);
	json_put_u64(json, "inherited_bytes", state->inherited * chunk);
	json_put_u64(json, "views", state->views);
	json_put(json, "condition", strcmp(state->condition, "-") ? state->condition : "");
	json_put(json, "note", state->note);
	json_put(json, "uuid", uuid);
	return json;
}

static void state_row(const struct snap_state *state, uint64_t chunk, int depth)
{
	bool running = !strcmp(state->name, "-");
	char *name = xprintf("%*s%s", 2 * depth, "", running ? "(running)" : state->name);
	char when[64] = "", own[32], inherited[32];
	const char *cell[] = {
		name, own, inherited, when, running ? "" : state->condition, state->note,
	};

	if (state->time)
		format_instant(when, sizeof(when), state->time);
	format_size(own, sizeof(own), state->own * chunk);
	format_size(inherited, sizeof(inherited), state->inherited * chunk);
	table_row(cell, ARRAY_SIZE(cell));
	free(name);
}

static size_t count_children(const struct snap_states *states, const char *parent)
{
	size_t count = 0, i;

	for (i = 0; i < states->n; i++)
		count += !strcmp(states->state[i].parent, parent);
	return count;
}

/*
 * Only where lines part is it indented: most have hundreds of states one above
 * the other. The kernel's tree has no circles; @level bounds the recursion all
 * the same.
 */
static void rows_above(const struct snap_states *states, const char *parent, int depth, int level)
{
	size_t i;

	if (level > SS_LAYERS_MAX)
		return;
	if (count_children(states, parent) > 1)
		depth++;
	for (i = 0; i < states->n; i++) {
		if (strcmp(states->state[i].parent, parent))
			continue;
		state_row(&states->state[i], states->chunk, depth);
		if (strcmp(states->state[i].name, "-"))
			rows_above(states, states->state[i].name, depth, level + 1);
	}
}

int snap_list_verb(struct args *args)
{
	static const char *const head[] = {
		"STATE", "OWN", "INHERITED", "TIME", "CONDITION", "NOTE"
	};
	const char *volume = next_arg(args);
	struct json_object *json;
	struct snap_states states;
	size_t i;
	int ret;

	if (!volume)
		return snap_list_volumes();
	if (args->argc)
		return usage("list wants one volume, or none");
	ret = read_states(volume, &states);
	if (ret) {
		free(states.state);
		return fail("list", volume, ret);
	}
	if (options.json) {
		json = json_object_new_array();
		for (i = 0; i < states.n; i++)
			json_object_array_add(json, state_json(&states.state[i], states.chunk));
		json_print(json);
	} else {
		table_row(head, ARRAY_SIZE(head));
		rows_above(&states, "-", 0, 0);
		table_print();
	}
	free(states.state);
	return EXIT_OK;
}
