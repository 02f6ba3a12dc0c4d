// SPDX-License-Identifier: GPL-2.0
/*
 * The journal of fc swap: what neither kernel knows of a move, for whoever comes after a
 * lparctl that was killed. It is on the disk before what it announces is done.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "fc/fc.h"

#define HOST_CHARS 256

static const char *journal_path(char *buf, size_t size, const char *lpar)
{
	return rooted(buf, size, "/var/lib/lparkit/fc/%s.json", lpar);
}

static int failed(const char *path, int error)
{
	err("%s: %s", path, strerror(-error));
	return error;
}

/*
 * The journal of this LPAR, if there is one, and the other host from it, unless that is
 * known; -EBADMSG when it cannot be read. What fails is said.
 */
int fc_journal_load(struct fc_move *move)
{
	struct json_object *journal;
	char path[PATH_MAX];

	journal_path(path, sizeof(path), move->lpar);
	if (access(path, F_OK))
		return errno == ENOENT ? 0 : failed(path, -errno);
	journal = json_object_from_file(path);
	if (!*json_text(journal, "peer") || !host_is_valid(json_text(journal, "peer"))) {
		err("%s: damaged: remove it, then 'lparctl fc recover %s --peer HOST'", path,
		    move->lpar);
		json_object_put(journal);
		return -EBADMSG;
	}
	move->journal = journal;
	if (!move->peer.host)
		move->peer.host = json_text(journal, "peer");
	if (!move->peer.via && *json_text(journal, "via") && fc_journal_has_peer(move))
		move->peer.via = json_text(journal, "via");
	return 0;
}

/* Is the other host the one to which the LPAR was moving, asked as it was then? */
bool fc_journal_has_peer(const struct fc_move *move)
{
	const char *via = json_text(move->journal, "via");

	return fc_is(move->journal, "peer", move->peer.host) &&
	       (!move->peer.via || !strcmp(move->peer.via, via));
}

static int store(const char *path, const char *text)
{
	char dir[PATH_MAX];
	int ret = make_dir(rooted(dir, sizeof(dir), "/var/lib/lparkit/fc"), 0700);

	if (!ret)
		ret = store_text(path, text);
	return ret ? failed(path, ret) : 0;
}

/* --- where it lives, after a move --- */

static const char *away_path(char *buf, size_t size, const char *lpar)
{
	return rooted(buf, size, "/var/lib/lparkit/fc/%s.away", lpar);
}

/* The kernel knows it as well, until this host reboots. What fails is said. */
int fc_away_note(const struct fc_move *move)
{
	char path[PATH_MAX], text[HOST_CHARS];

	snprintf(text, sizeof(text), "%s\n", move->peer.host);
	return store(away_path(path, sizeof(path), move->lpar), text);
}

/* It lives here again. */
void fc_away_forget(const char *lpar)
{
	char path[PATH_MAX];

	unlink(away_path(path, sizeof(path), lpar));
}

/* Whoever was killed when it came back has left the note, but the kernel knows better. */
static bool has_come_back(const char *lpar)
{
	struct json_object *identity;
	bool back;

	if (fc_get(lpar, &identity))
		return false;
	back = json_flag(identity, "has_come") && !json_flag(identity, "away");
	json_object_put(identity);
	return back;
}

/* EXIT_FAILED, and it is said: it has moved to another host, and not come back. */
int fc_away_refuse(const char *lpar)
{
	char path[PATH_MAX], host[HOST_CHARS] = "another host";

	if (access(away_path(path, sizeof(path), lpar), F_OK) && errno == ENOENT)
		return EXIT_OK;
	if (has_come_back(lpar)) {
		fc_away_forget(lpar);
		return EXIT_OK;
	}
	read_text(path, host, sizeof(host));
	err("LPAR %s: it has moved to %s: if its original is surely not logged in there, nor anywhere, 'lparctl fc login %s --force' brings it back",
	    lpar, host, lpar);
	return EXIT_FAILED;
}

/*
 * EXIT_FAILED, and it is said: a move of this LPAR is not over, which may have its original on
 * another host, whatever the kernel here knows of it after a reboot.
 */
int fc_journal_refuse(const char *lpar)
{
	char path[PATH_MAX];

	if (access(journal_path(path, sizeof(path), lpar), F_OK) && errno == ENOENT)
		return EXIT_OK;
	err("LPAR %s: a swap of it is not over: 'lparctl fc recover %s' ends it", lpar, lpar);
	return EXIT_FAILED;
}

/* What fails is said. */
int fc_journal_store(const struct fc_move *move)
{
	char path[PATH_MAX];

	return store(journal_path(path, sizeof(path), move->lpar),
		     json_object_to_json_string(move->journal));
}

/* From now on it may be so, whatever becomes of us. */
int fc_journal_note(const struct fc_move *move, const char *key)
{
	json_put_flag(move->journal, key, true);
	return fc_journal_store(move);
}

/* Nothing is left to do. The journal's memory stays, as others point into it. */
int fc_journal_forget(struct fc_move *move)
{
	char path[PATH_MAX];
	int ret = 0;

	if (!move->journal)
		return 0;
	journal_path(path, sizeof(path), move->lpar);
	if (unlink(path) && errno != ENOENT)
		ret = -errno;
	if (!ret)
		ret = sync_parent(path);
	return ret ? failed(path, ret) : 0;
}
