// SPDX-License-Identifier: GPL-2.0
/*
 * /run/lparkit/NAME/qemu: the one directory that a QEMU with user= may write to. What has been
 * left there may be anything.
 *
 * So that it does not fill /run, that directory and its log are on a file system of their own,
 * NAME/own, as long as it runs, and symbolic links lead there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/guest.h"

/* What is more than that stays, and the next start says so. */
#define DEEPEST 16
#define MOST 65536
#define OWN_OPTIONS "size=1m,nr_inodes=16,mode=755"

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

static void clear_own(const char *name)
{
	char path[PATH_MAX];

	run_path(path, sizeof(path), name, "own");
	if (access(path, F_OK))
		return;
	guest_keep_log(name);
	/* One that a killed start has left may be below another. */
	while (!umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW))
		;
	rmdir(path);
}

void place_clear(const char *name)
{
	struct clearing clearing = { .left = MOST };
	char path[PATH_MAX];

	clear_own(name);
	if (unlink(run_path(path, sizeof(path), name, "qemu")))
		clear(&clearing, AT_FDCWD, path);
}

/* Of the mount with that number, as /proc/self/mountinfo has it. */
static bool is_slave(const char *line, uint64_t id)
{
	const char *end = strstr(line, " - "), *master = strstr(line, " master:");

	return strtoull(line, NULL, 10) == id && end && master && master < end;
}

/* A service with files of its own has its mounts for itself, though they are shared within it. */
static bool is_of_init(void)
{
	struct stat ours, its;

	return !stat("/proc/self/ns/mnt", &ours) && !stat("/proc/1/ns/mnt", &its) &&
	       ours.st_dev == its.st_dev && ours.st_ino == its.st_ino;
}

/* What is mounted there is mounted for us alone. */
static bool is_apart(const char *path)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	bool apart = false;
	char *line = NULL;
	size_t size = 0;
	struct statx st;

	if (mounts && !statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st))
		while (!apart && getline(&line, &size, mounts) > 0)
			apart = is_slave(line, st.stx_mnt_id) &&
				(!is_of_init() || !strstr(line, " shared:"));
	free(line);
	if (mounts)
		fclose(mounts);
	return apart;
}

static int mount_own(const char *path)
{
	if (mkdir(path, 0755))
		return -errno;
	if (is_apart(path))
		return -EXDEV;
	if (mount("lparkit", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, OWN_OPTIONS))
		return -errno;
	return 0;
}

/* Where nobody else would see it, or a container may not mount, QEMU has what all have. */
static bool make_own(const struct lpar_config *config)
{
	char path[PATH_MAX], log[PATH_MAX];
	int ret = mount_own(run_path(path, sizeof(path), config->name, "own"));

	if (ret) {
		say("%s: QEMU has no file system of its own, and may fill that of %s: %s",
		    config->name, path,
		    ret == -EXDEV ? "what is mounted here nobody else sees" : strerror(-ret));
		rmdir(path);
		return false;
	}
	run_path(log, sizeof(log), config->name, "qemu.log");
	unlink(log);
	return !symlink("own/qemu.log", log);
}

/* Nothing of another QEMU is in a new one. */
static int make(const struct lpar_config *config, const char *path)
{
	char own[PATH_MAX];

	if (!config->guest.user || !make_own(config))
		return mkdir(path, 0700) ? -errno : 0;
	run_path(own, sizeof(own), config->name, "own/qemu");
	return mkdir(own, 0700) || symlink("own/qemu", path) ? -errno : 0;
}

/* For the pidfile that QEMU takes away itself, whoever it runs as. Nobody else writes there. */
int place_make(const struct lpar_config *config)
{
	char path[PATH_MAX];
	int ret = make(config, run_path(path, sizeof(path), config->name, "qemu"));

	if (!ret && chown(path, config->guest.uid, config->guest.gid))
		ret = -errno;
	if (ret)
		err("LPAR %s: %s: %s", config->name, path, strerror(-ret));
	return ret;
}
