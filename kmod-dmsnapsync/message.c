// SPDX-License-Identifier: GPL-2.0
/*
 * dmsetup messages and status.
 */
#include <linux/delay.h>
#include <linux/hex.h>
#include "snapsync.h"

#define STATUS_WAIT_MS	2000
#define STATUS_POLL_MS	10

static const char *state_name(const struct ss_volume *volume, u32 number)
{
	while (number && !(volume->layers[number]->flags & SS_LAYER_NAMED))
		number = volume->layers[number]->parent;
	return number ? volume->layers[number]->name : "-";
}

/* Versions of the ancestors: what is shared with other states, or shadowed. */
static u64 inherited(const struct ss_volume *volume, u32 number)
{
	u64 sum = 0;

	while ((number = volume->layers[number]->parent))
		sum += atomic_read(&volume->layers[number]->count[SS_KIND_DATA]);
	return sum;
}

static const char *condition(const struct ss_layer *layer)
{
	if (layer->flags & SS_LAYER_PREPARED)
		return "undecided";
	return layer->flags & SS_LAYER_MERGING ? "merging" : "-";
}

/* NAME PARENT TIME_NS OWN_CHUNKS OWN_ZERO_CHUNKS INHERITED_CHUNKS VIEWS CONDITION [NOTE] */
static void put_list(const struct ss_volume *volume, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;
	u32 number;

	DMEMIT("- %s 0 %u %u %llu 0 running\n",
	       state_name(volume, volume->layers[volume->running]->parent),
	       atomic_read(&volume->layers[volume->running]->count[SS_KIND_DATA]),
	       atomic_read(&volume->layers[volume->running]->count[SS_KIND_ZERO]),
	       inherited(volume, volume->running));
	for (number = 1; number < SS_LAYERS_MAX; number++) {
		const struct ss_layer *layer = volume->layers[number];

		if (!layer || !(layer->flags & SS_LAYER_NAMED))
			continue;
		DMEMIT("%s %s %llu %u %u %llu %u %s%s%s\n", layer->name,
		       state_name(volume, layer->parent), layer->time,
		       atomic_read(&layer->count[SS_KIND_DATA]),
		       atomic_read(&layer->count[SS_KIND_ZERO]), inherited(volume, number),
		       layer->nr_views, condition(layer), *layer->note ? " " : "", layer->note);
	}
}

/* Who waits for a disk that does not answer may be killed. */
static int list(struct ss_volume *volume, char *result, unsigned int maxlen)
{
	if (mutex_lock_killable(&volume->meta))
		return -EINTR;
	put_list(volume, result, maxlen);
	mutex_unlock(&volume->meta);
	return 1;
}

/* The devices of the group's members, one in each line. */
static void members(const struct ss_volume *volume, char *result, unsigned int maxlen)
{
	const struct ss_volume *member;
	char name[DM_NAME_LEN];
	unsigned int sz = 0;

	mutex_lock(&ss_registry);
	list_for_each_entry(member, &volume->group->volumes, group_node)
		if (!dm_copy_name_and_uuid(member->md, name, NULL))
			DMEMIT("%s\n", name);
	mutex_unlock(&ss_registry);
}

static int diff(struct ss_volume *volume, char **argv, char *result, unsigned int maxlen)
{
	u64 sector;

	if (kstrtou64(argv[2], 10, &sector))
		return -EINVAL;
	return ss_diff(volume, argv[0], argv[1], sector, result, maxlen);
}

/*
 * "-", how often a state was restored since the volume was activated, how many sectors were written
 * since then, ORIGIN; then NAME, TRANSACTION and the ORIGIN of the volume that was taken, of each
 * state that is decided. No other has that transaction here, but other volumes of a group have it,
 * too.
 */
static void put_uuids(const struct ss_volume *volume, char *result, unsigned int maxlen)
{
	char txn[2 * SS_UUID_SIZE + 1] = "", origin[2 * SS_UUID_SIZE + 1] = "";
	unsigned int sz = 0;
	u32 number;

	bin2hex(origin, volume->origin, SS_UUID_SIZE);
	DMEMIT("- %llu %llu %s\n", READ_ONCE(volume->restores), ss_written(volume), origin);
	for (number = 1; number < SS_LAYERS_MAX; number++) {
		const struct ss_layer *layer = volume->layers[number];

		if (!layer || !(layer->flags & SS_LAYER_NAMED) || layer->flags & SS_LAYER_PREPARED)
			continue;
		bin2hex(txn, layer->txn, SS_UUID_SIZE);
		bin2hex(origin,
			layer->flags & SS_LAYER_RECEIVED ? layer->coordinator : volume->origin,
			SS_UUID_SIZE);
		DMEMIT("%s %s %s\n", layer->name, txn, origin);
	}
}

static int uuids(struct ss_volume *volume, char *result, unsigned int maxlen)
{
	if (mutex_lock_killable(&volume->meta))
		return -EINTR;
	put_uuids(volume, result, maxlen);
	mutex_unlock(&volume->meta);
	return 1;
}

static bool note_is_valid(const char *note)
{
	for (; *note; note++)
		if (*note < ' ' || *note > '~')
			return false;
	return true;
}

/* Device mapper has split the note into words. */
static int join_note(char *note, size_t size, unsigned int nr_words, char **words)
{
	unsigned int i;

	*note = '\0';
	for (i = 0; i < nr_words; i++) {
		if (i && strlcat(note, " ", size) >= size)
			return -EINVAL;
		if (strlcat(note, words[i], size) >= size)
			return -EINVAL;
	}
	return note_is_valid(note) ? 0 : -EINVAL;
}

static bool may_be_state(const char *name)
{
	return ss_name_is_valid(name) && strcmp(name, "-");
}

static int take(struct ss_volume *volume, const char *name, unsigned int nr_words, char **words)
{
	char note[SS_NOTE_MAX + 1];

	if (!may_be_state(name) || join_note(note, sizeof(note), nr_words, words))
		return -EINVAL;
	return ss_group_take(volume->group, name, note);
}

static int parse_uuid(const char *text, u8 *uuid)
{
	if (strlen(text) != 2 * SS_UUID_SIZE || hex2bin(uuid, text, SS_UUID_SIZE))
		return -EINVAL;
	return memchr_inv(uuid, 0, SS_UUID_SIZE) ? 0 : -EINVAL;
}

/* TRANSACTION ORIGIN; "-" "-" for what is taken here */
static int parse_origin(char **words, struct ss_received *received)
{
	received->is_own = !strcmp(words[0], "-") && !strcmp(words[1], "-");
	if (received->is_own)
		return 0;
	return parse_uuid(words[0], received->txn) ?: parse_uuid(words[1], received->origin);
}

/* NAME REPLACED RESTORES WRITTEN TRANSACTION ORIGIN TIME_NS [NOTE] */
static int receive_state(struct ss_volume *volume, unsigned int nr_words, char **words)
{
	char note[SS_NOTE_MAX + 1];
	struct ss_received received = { .name = words[0], .note = note };

	if (!may_be_state(words[0]) || kstrtou64(words[2], 10, &received.restores) ||
	    kstrtou64(words[3], 10, &received.written) || parse_origin(words + 4, &received) ||
	    kstrtou64(words[6], 10, &received.time) ||
	    join_note(note, sizeof(note), nr_words - 7, words + 7))
		return -EINVAL;
	return ss_receive(volume, words[1], &received);
}

static int extend(struct ss_volume *volume)
{
	unsigned int noio = ss_meta_lock(volume);
	int err = volume->mode == SS_MODE_WRITE ? ss_space_extend(volume) : -EROFS;

	err = err ?: ss_commit(volume);
	ss_meta_unlock(volume, noio);
	return err;
}

static int rename_state(struct ss_group *group, struct ss_volume *only, const char *from,
			const char *to)
{
	if (!may_be_state(to))
		return -EINVAL;
	return ss_state_rename(group, only, from, to);
}

static int settle_state(struct ss_group *group, struct ss_volume *only, const char *name,
			const char *how)
{
	bool keep = !strcasecmp(how, "keep");

	if (!keep && strcasecmp(how, "drop"))
		return -EINVAL;
	return ss_state_settle(group, only, name, keep);
}

/* Operations on states: of one volume, or after "group" of all members. */
static int change(struct ss_volume *volume, unsigned int argc, char **argv)
{
	struct ss_group *group = volume->group;
	struct ss_volume *only = volume;
	int err = -EINVAL;

	if (!strcasecmp(argv[0], "group")) {
		only = NULL;
		argc--;
		argv++;
	}
	if (mutex_lock_killable(&group->op))
		return -EINTR;
	if (argc == 2 && !strcasecmp(argv[0], "restore"))
		err = ss_state_restore(group, only, argv[1]);
	else if (argc == 2 && !strcasecmp(argv[0], "delete"))
		err = ss_state_delete(group, only, argv[1]);
	else if (argc == 3 && !strcasecmp(argv[0], "rename"))
		err = rename_state(group, only, argv[1], argv[2]);
	else if (argc == 3 && !strcasecmp(argv[0], "settle"))
		err = settle_state(group, only, argv[1], argv[2]);
	else if (only && argc == 2 && !strcasecmp(argv[0], "merge"))
		err = ss_merge_start(volume, argv[1]);
	else if (only && argc >= 8 && !strcasecmp(argv[0], "receive"))
		err = receive_state(volume, argc - 1, argv + 1);
	else if (only && argc == 1 && !strcasecmp(argv[0], "extend"))
		err = extend(volume);
	else
		DMERR("%s: unknown message", volume->name);
	mutex_unlock(&group->op);
	return err;
}

/**
 * ss_message() - a message from dmsetup
 * @volume: volume
 * @argc: number of words
 * @argv: words
 * @result: of "list", "uuids", "members" or "diff"
 * @maxlen: its size
 *
 * Context: may sleep.
 * Return: 0, 1 when @result is set, or a negative errno; -ENXIO before it was activated.
 */
int ss_message(struct ss_volume *volume, unsigned int argc, char **argv, char *result,
	       unsigned int maxlen)
{
	if (!READ_ONCE(volume->is_member))
		return -ENXIO;
	if (argc == 1 && !strcasecmp(argv[0], "list"))
		return list(volume, result, maxlen);
	if (argc == 1 && !strcasecmp(argv[0], "uuids"))
		return uuids(volume, result, maxlen);
	if (argc == 1 && !strcasecmp(argv[0], "members")) {
		members(volume, result, maxlen);
		return 1;
	}
	if (argc == 4 && !strcasecmp(argv[0], "diff"))
		return diff(volume, argv + 1, result, maxlen);
	if (argc >= 2 && !strcasecmp(argv[0], "take"))
		return take(volume, argv[1], argc - 2, argv + 2);
	return change(volume, argc, argv);
}

static unsigned int count_states(const struct ss_volume *volume, bool named)
{
	unsigned int count = 0;
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (volume->layers[number] &&
		    (!named || volume->layers[number]->flags & SS_LAYER_NAMED))
			count++;
	return count;
}

/* With volume->meta held. */
static void make_status(struct ss_volume *volume, char *result, unsigned int maxlen)
{
	u32 total = volume->nr_versions;
	unsigned int sz = 0;
	bool held;

	spin_lock_irq(&volume->bio_lock);
	held = !bio_list_empty(&volume->held);
	spin_unlock_irq(&volume->bio_lock);
	DMEMIT("%s %u %u/%u %u/%u %u %u %s %llu %llu %s %s",
	       volume->mode == SS_MODE_WRITE ? "rw" : "ro", volume->chunk_sectors / 2,
	       total - ss_space_free_chunks(volume), total,
	       total - volume->nr_free[SS_KIND_ZERO], total, count_states(volume, true),
	       count_states(volume, false),
	       state_name(volume, volume->layers[volume->running]->parent), volume->seq,
	       ss_table_bytes(&volume->table) + total / 4,
	       volume->is_full ? "full" : held ? "held" : "-",
	       ss_reap_is_due(volume) || volume->freed != SS_NONE ? "reaping" : "-");
	if (*volume->reason)
		DMEMIT(" %s", volume->reason);
	else if (volume->has_other_base)
		DMEMIT(" BASE is another one than STORE belongs to");
}

/* A disk that does not answer keeps a commit waiting, and who asks for all devices. */
static bool lock_soon(struct ss_volume *volume)
{
	unsigned int tries;

	for (tries = 0; tries < STATUS_WAIT_MS / STATUS_POLL_MS; tries++) {
		if (mutex_trylock(&volume->meta))
			return true;
		msleep(STATUS_POLL_MS);
	}
	return false;
}

/**
 * ss_status() - the status line
 * @volume: volume
 * @result: text
 * @maxlen: its size
 *
 * MODE CHUNK_KIB USED/TOTAL ZERO_USED/TOTAL STATES LAYERS PARENT TRANSACTION RAM_BYTES FULL
 * REAPING [REASON]; MODE is rw or ro, FULL is -, held or full, REAPING is - or reaping: what
 * was freed counts as used until that is durable. While a disk does not answer it is the line
 * of the last time that it did, with that reason.
 *
 * Context: may sleep.
 */
void ss_status(struct ss_volume *volume, char *result, unsigned int maxlen)
{
	char line[SS_STATUS_MAX] = "ro 0 0/0 0/0 0 0 - 0 0 - - not active";

	if (lock_soon(volume)) {
		if (volume->mode != SS_MODE_NONE)
			make_status(volume, line, sizeof(line));
		spin_lock_irq(&volume->bio_lock);
		memcpy(volume->status, line, sizeof(line));
		spin_unlock_irq(&volume->bio_lock);
		mutex_unlock(&volume->meta);
	} else {
		spin_lock_irq(&volume->bio_lock);
		if (*volume->status)
			memcpy(line, volume->status, sizeof(line));
		spin_unlock_irq(&volume->bio_lock);
		strlcat(line, " (a disk does not answer)", sizeof(line));
	}
	strscpy(result, line, maxlen);
}
