// SPDX-License-Identifier: GPL-2.0
/*
 * /run/lparkit/NAME/qemu: the one directory that a QEMU with user= may write to. What has been
 * left there may be anything.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/guest.h"

/* What is more than that stays, and the next start says so. */
#define DEEPEST 16
#define MOST 65536

struct clearing {
	size_t left; /* names that may yet be taken away */
	size_t depth;
};

/* Nobody but root changes what is in it from here on. */
static int take_over(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || (!fchown(fd, geteuid(), getegid()) && !fchmod(fd, 0700)))
		return fd;
	close(fd);
	return -1;
}

static bool clear(struct clearing *clearing, int dir, const char *name);

static bool clear_entry(struct clearing *clearing, int dir, const char *name)
{
	if (!clearing->left)
		return false;
	clearing->left--;
	return !unlinkat(dir, name, 0) || (errno == EISDIR && clear(clearing, dir, name));
}

/* Of a directory of root's; no name is followed. */
static bool clear(struct clearing *clearing, int dir, const char *name)
{
	int fd = clearing->depth < DEEPEST ? take_over(dir, name) : -1;
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool cleared = entries;

	clearing->depth++;
	while (cleared && (entry = readdir(entries)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			cleared = clear_entry(clearing, fd, entry->d_name);
	clearing->depth--;
	if (entries)
		closedir(entries);
	else if (fd >= 0)
		close(fd);
	return cleared && !unlinkat(dir, name, AT_REMOVEDIR);
}

void place_clear(const char *name)
{
	struct clearing clearing = { .left = MOST };
	char path[PATH_MAX];

	clear(&clearing, AT_FDCWD, run_path(path, sizeof(path), name, "qemu"));
}

/* For the pidfile that QEMU takes away itself, whoever it runs as. Nobody else writes there. */
int place_make(const struct lpar_config *config)
{
	char path[PATH_MAX];
	int ret = 0;

	run_path(path, sizeof(path), config->name, "qemu");
	/* Nothing of another QEMU is in a new one. */
	if (mkdir(path, 0700) || lchown(path, config->guest.uid, config->guest.gid))
		ret = -errno;
	if (ret)
		err("LPAR %s: %s: %s", config->name, path, strerror(-ret));
	return ret;
}
