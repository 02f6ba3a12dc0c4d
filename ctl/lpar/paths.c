// SPDX-License-Identifier: GPL-2.0
/*
 * Where an LPAR, and the guest in it, are found on this host: names, files, the lock, QEMU.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lpar/lpar.h"

/* In /run/lparkit, beside the directories of LPARs. */
static bool is_own_name(const char *name)
{
	return !strcmp(name, "cluster.lock") || !strncmp(name, "cluster.session", 15);
}

/*
 * The kernel's rule; names also become file names here. None that would be taken for an option,
 * nor for the record of an operation.
 */
bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len && !is_own_name(name) && len <= LPAR_NAME_MAX && *name != '-' &&
	       strcmp(name, ".") && strcmp(name, "..") &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* What lparctl keeps about an LPAR while it runs; forgotten at a reboot. */
const char *run_path(char *buf, size_t size, const char *name, const char *file)
{
	return rooted(buf, size, "/run/lparkit/%s/%s", name, file);
}

/*
 * The monitor of lparctl's own, for whoever has the LPAR's lock; one that an older lparctl
 * has started has only that for everybody.
 */
const char *run_monitor(char *buf, size_t size, const char *name)
{
	if (!access(run_path(buf, size, name, "lparctl.sock"), F_OK))
		return buf;
	return run_path(buf, size, name, "qmp.sock");
}

/* Which host a guest lives on that is being migrated; it survives a reboot. */
const char *move_path(char *buf, size_t size, const char *name)
{
	return rooted(buf, size, "/var/lib/lparkit/migrate/%s.json", name);
}

const char *lpar_memory_path(char *buf, size_t size, const char *name)
{
	return rooted(buf, size, "/dev/lpar/%s", name);
}

int run_make(const char *name)
{
	char path[PATH_MAX];

	return make_dir(run_path(path, sizeof(path), name, "."), 0755);
}

/*
 * A file descriptor that holds the lock until it is closed; -EWOULDBLOCK: another has it. Its
 * file stays: were it removed, two could each hold the lock of a file of that name.
 */
int lpar_try_lock(const char *name)
{
	char path[PATH_MAX];
	int ret = run_make(name);

	return ret ? ret : lock_file(run_path(path, sizeof(path), name, "lock"), LOCK_EX | LOCK_NB);
}

/* By another operation than the one that we are part of; a record that cannot be read is. */
static bool is_moved(const char *name)
{
	const char *ours = getenv(SESSION_VARIABLE);
	struct json_object *json;
	char path[PATH_MAX];
	bool moved;

	if (access(move_path(path, sizeof(path), name), F_OK))
		return errno != ENOENT;
	json = json_object_from_file(path);
	moved = !ours || !*ours || strcmp(json_text(json, "id"), ours);
	json_object_put(json);
	return moved;
}

/* The same; what fails is said. A guest that migrates is nobody else's until that is over. */
int lpar_lock(const char *name)
{
	int fd = lpar_try_lock(name);
	char path[PATH_MAX];

	if (fd >= 0 && is_moved(name)) {
		err("LPAR %s: its guest migrates: see 'lparctl migrate status', and 'lparctl migrate recover %s'",
		    name, name);
		close(fd);
		return -EBUSY;
	}
	if (fd == -EWOULDBLOCK)
		err("LPAR %s: another lparctl starts, stops or saves it", name);
	else if (fd < 0)
		err("LPAR %s: %s: %s", name, run_path(path, sizeof(path), name, ""),
		    fd == -EACCES ? "only root may do this" : strerror(-fd));
	return fd;
}

/* QEMU's process, or 0. A stale pidfile names no member of the LPAR. */
pid_t lpar_guest_pid(const struct lpar *lpar)
{
	char path[PATH_MAX], text[32];
	pid_t pid;

	if (read_text(run_path(path, sizeof(path), lpar->name, "qemu.pid"), text, sizeof(text)))
		return 0;
	pid = atoi(text);
	return lpar_has_member(lpar, pid) ? pid : 0;
}
