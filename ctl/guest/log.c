// SPDX-License-Identifier: GPL-2.0
/*
 * The last words of a QEMU, /run/lparkit/NAME/qemu.log.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/guest.h"

/* What is shown of it */
#define LOG_BYTES 16384
#define LOG_LINES 40

/* The end of QEMU's log, which may be as long as a file can be. Its length, or -errno. */
static ssize_t read_log(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = -errno;
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st))
		len = pread(fd, text, size, st.st_size > (off_t)size ? st.st_size - size : 0);
	if (fd >= 0)
		close(fd);
	return len;
}

/* The last lines of a text, of LOG_LINES at most. */
static char *last_lines(char *text, size_t len)
{
	size_t at = text[len - 1] == '\n' ? len - 1 : len, n = 0;

	while (at && (text[at - 1] != '\n' || ++n < LOG_LINES))
		at--;
	return text + at;
}

/* QEMU's last words. */
void guest_show_log(const char *name)
{
	char path[PATH_MAX], text[LOG_BYTES + 1], *rest, *line;
	ssize_t len = read_log(run_path(path, sizeof(path), name, "qemu.log"), text, LOG_BYTES);

	if (len <= 0)
		return;
	text[len] = 0;
	rest = last_lines(text, len);
	while ((line = strsep(&rest, "\n")))
		if (*line || rest)
			err("%s: %s", path, line);
}

/* The same in one line, of which there is room for the end. */
void guest_last_words(const char *name, char *buf, size_t size)
{
	char path[PATH_MAX], *at;
	ssize_t len = read_log(run_path(path, sizeof(path), name, "qemu.log"), buf, size - 1);

	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len > 0 ? len : 0] = 0;
	for (at = buf; (at = strchr(at, '\n')); at++)
		*at = ';';
}

/* The end of one that is on a file system which goes with QEMU. */
void guest_keep_log(const char *name)
{
	char path[PATH_MAX], text[LOG_BYTES];
	struct stat st;
	ssize_t len;
	FILE *file;

	run_path(path, sizeof(path), name, "qemu.log");
	if (lstat(path, &st) || !S_ISLNK(st.st_mode))
		return;
	len = read_log(path, text, sizeof(text));
	file = begin_file(path, 0600);
	if (file && len > 0)
		fwrite(text, 1, len, file);
	if (!file || replace_file(file, path, 0))
		unlink(path);
}
