// SPDX-License-Identifier: GPL-2.0
/*
 * Small files, and directories.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/lib.h"

/* A path below --root. */
const char *rooted(char *buf, size_t size, const char *fmt, ...)
{
	int len = snprintf(buf, size, "%s", options.root);
	va_list ap;

	if (len < 0 || (size_t)len >= size)
		return "";
	va_start(ap, fmt);
	vsnprintf(buf + len, size - len, fmt, ap);
	va_end(ap);
	return buf;
}

/* A small file as text, without trailing white space. */
int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, buf, size - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return len;
	while (len && isspace((unsigned char)buf[len - 1]))
		len--;
	buf[len] = 0;
	return 0;
}

/* In one write(), as sysfs, cgroup and proc files want it. */
int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* There may be none. What cannot be looked at may hold any, which is said: -errno. */
int find_files(const char *pattern, glob_t *files)
{
	int ret = glob(pattern, GLOB_ERR, NULL, files);

	if (!ret)
		return 0;
	ret = ret == GLOB_ABORTED ? -errno : ret == GLOB_NOMATCH ? -ENOENT : -ENOMEM;
	memset(files, 0, sizeof(*files));
	if (ret == -ENOENT)
		return 0;
	err("%s: %s", pattern, strerror(-ret));
	return ret;
}

/* Its name is on the disk, if it was not there. */
static int make_one(const char *path, mode_t mode)
{
	if (!mkdir(path, mode))
		return sync_parent(path);
	return errno == EEXIST ? 0 : -errno;
}

static int make_path(const char *path, mode_t mode)
{
	char *copy = xstrdup(path), *end;
	int ret = 0;

	for (end = copy + 1; !ret && (end = strchr(end, '/')); *end++ = '/') {
		*end = 0;
		ret = make_one(copy, mode);
	}
	if (!ret)
		ret = make_one(copy, mode);
	free(copy);
	return ret;
}

/*
 * With all directories above it. Another host may remove one above it that is empty, as it
 * undoes, when they are shared.
 */
int make_dir(const char *path, mode_t mode)
{
	int tries = 10, ret;

	do {
		ret = make_path(path, mode);
	} while (ret == -ENOENT && --tries);
	return ret;
}

/*
 * A file descriptor that holds the lock until it is closed, or -errno; with LOCK_NB
 * -EWOULDBLOCK says that another has it. Root's alone: who may open a file may lock it.
 */
int lock_file(const char *path, int operation)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return -errno;
	if (!flock(fd, operation))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* A new one, in place of what a crash has left or somebody else has put there; NULL and errno. */
FILE *create_file(const char *path)
{
	return unlink(path) && errno != ENOENT ? NULL : fopen(path, "wxe");
}

/* One that was written is closed, and on the disk. Returns @ret, what failed before, or -errno. */
int close_synced(FILE *file, int ret)
{
	if (!ret && (fflush(file) || fsync(fileno(file))))
		ret = -errno;
	if (fclose(file) && !ret)
		ret = -errno;
	return ret;
}

/* Names in a directory, too, are lost with the power otherwise. */
int sync_parent(const char *path)
{
	char *parent = xstrdup(path), *end = strrchr(parent, '/');
	int fd, ret = 0;

	if (end)
		*end = 0;
	fd = open(end ? *parent ? parent : "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* What cannot be synchronised, as on some network file systems, says EINVAL. */
	if (fd < 0 || (fsync(fd) && errno != EINVAL))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	free(parent);
	return ret;
}

static char *part_of(const char *path)
{
	return xprintf("%s.%d", path, getpid());
}

/*
 * A file that takes the place of another, or of none, when replace_file() ends it. It has no name
 * until then, so that nothing of it stays when we are killed; on file systems that cannot do that,
 * as NFS, it has our number behind the other's. NULL and errno.
 */
FILE *begin_file(const char *path, mode_t mode)
{
	char *part = part_of(path), *dir = xstrdup(path), *end = strrchr(dir, '/');
	int fd;

	if (end)
		end[end == dir] = 0;
	fd = open(end ? dir : ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	if (fd < 0 && (!unlink(part) || errno == ENOENT))
		fd = open(part, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
	free(dir);
	free(part);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

/* Who may write where it is may have put something there. */
static int name_file(FILE *file, const char *part)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fileno(file));
	if (unlink(part) && errno != ENOENT)
		return -errno;
	return linkat(AT_FDCWD, self, AT_FDCWD, part, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* Closes it. Returns @ret, what failed before, or -errno; then what is at @path is as it was. */
int replace_file(FILE *file, const char *path, int ret)
{
	char *part = part_of(path);
	struct stat st;

	if (!ret && (ferror(file) || fflush(file) || fsync(fileno(file))))
		ret = -EIO;
	if (!ret && !fstat(fileno(file), &st) && !st.st_nlink)
		ret = name_file(file, part);
	fclose(file);
	if (!ret && rename(part, path))
		ret = -errno;
	if (ret)
		unlink(part);
	free(part);
	return ret ? ret : sync_parent(path);
}

/*
 * A small file in place of the one that is there, or of none: whoever looks, and whatever becomes
 * of this host, finds one of them, and after the return the new one.
 */
int store_text(const char *path, const char *text)
{
	char *new = xprintf("%s.new", path);
	FILE *file = create_file(new);
	int ret = file ? 0 : -errno;

	if (file)
		ret = close_synced(file, fputs(text, file) < 0 ? -EIO : 0);
	if (!ret && rename(new, path))
		ret = -errno;
	if (!ret)
		ret = sync_parent(path);
	if (ret)
		unlink(new);
	free(new);
	return ret;
}

/* What was there, or not, is not there from now on, whatever becomes of this host. */
static int gone_synced(const char *path, int failed)
{
	int ret = failed && errno != ENOENT ? -errno : 0;

	/* Also if it is gone: who has done that may have failed in this. */
	if (!ret)
		ret = sync_parent(path);
	return ret == -ENOENT ? 0 : ret;
}

int remove_synced(const char *path)
{
	return gone_synced(path, unlink(path));
}

/* By another name in the same directory. */
int rename_synced(const char *path, const char *to)
{
	return gone_synced(path, rename(path, to));
}
