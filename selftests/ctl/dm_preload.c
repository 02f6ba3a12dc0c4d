// SPDX-License-Identifier: GPL-2.0
/*
 * Device mapper, played for one lparctl: a library to be preloaded beside kernel_preload.so, so
 * that guests with snapsync volumes can be saved where no module is loaded.
 *
 * A volume is the file $PLAYED_KERNEL/.dm/NAME, which is a block device to whoever asks, and has
 * a state's name in each line. Volumes know "members" (each is a group of its own), "list",
 * "uuids", "take" and "delete". While there is $PLAYED_KERNEL/hung, its store does not answer to
 * whoever changes it; while there is $PLAYED_KERNEL/read-only, none of them takes a state. Other than in the kernel he can be killed; but a process that has all of his
 * files open goes on in his place, and does what he has asked for once the store answers. If that
 * file says "list N", who asks for the states after N others have waits as well, until he is killed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libdevmapper.h>

#define DM_MAJOR 253
#define NUMBERS 0xfffff
#define TEXT_BYTES 4096

struct dm_task {
	int type, error;
	char volume[64], message[128], response[TEXT_BYTES];
};

static const char *path_of(const char *file)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", getenv("PLAYED_KERNEL"), file);
	return path;
}

static const char *path_of_volume(const char *volume)
{
	char file[80];

	snprintf(file, sizeof(file), ".dm/%s", volume);
	return path_of(file);
}

/* ---- nodes ---- */

int stat(const char *restrict path, struct stat *restrict st)
{
	int (*next)(const char *path, struct stat *st) = dlsym(RTLD_NEXT, "stat");
	const char *dir = path_of(".dm/");
	int ret = next(path, st);

	if (ret || strncmp(path, dir, strlen(dir)))
		return ret;
	st->st_mode = S_IFBLK | 0600;
	st->st_rdev = makedev(DM_MAJOR, st->st_ino & NUMBERS);
	return 0;
}

/* What is to be read of sysfs: the name of a device by its number. */
static int open_name(unsigned int number)
{
	DIR *dir = opendir(path_of(".dm"));
	struct dirent *entry;
	int ends[2] = { -1, -1 };

	while (dir && (entry = readdir(dir))) {
		if ((entry->d_ino & NUMBERS) != number || pipe2(ends, O_CLOEXEC))
			continue;
		dprintf(ends[1], "%s\n", entry->d_name);
		close(ends[1]);
		break;
	}
	if (dir)
		closedir(dir);
	return ends[0];
}

int open(const char *path, int flags, ...)
{
	int (*next)(const char *path, int flags, mode_t mode) = dlsym(RTLD_NEXT, "open");
	unsigned int number;
	va_list ap;
	mode_t mode;

	if (sscanf(path, "/sys/dev/block/253:%u/dm/name", &number) == 1)
		return open_name(number);
	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return next(path, flags, mode);
}

/* ---- messages ---- */

/* The states, or how many are called so. */
static int read_states(struct dm_task *task, const char *name)
{
	FILE *file = fopen(path_of_volume(task->volume), "re");
	size_t len = 0;
	char state[64];
	int n = 0;

	while (file && fscanf(file, "%63s", state) == 1) {
		n += name && !strcmp(name, state);
		if (!name && len + 128 < sizeof(task->response))
			len += sprintf(task->response + len, "%s - 0 0 0 0 0 complete\n", state);
	}
	if (file)
		fclose(file);
	return n;
}

static bool is_read_only(void)
{
	return !access(path_of("read-only"), F_OK);
}

static int take(struct dm_task *task, const char *name)
{
	FILE *file;

	if (is_read_only())
		return EROFS;
	file = read_states(task, name) ? NULL : fopen(path_of_volume(task->volume), "ae");
	if (!file)
		return EEXIST;
	fprintf(file, "%s\n", name);
	fclose(file);
	return 0;
}

static int delete (struct dm_task *task, const char *name)
{
	char states[TEXT_BYTES], *line, *rest = states;
	FILE *file;

	if (!read_states(task, name))
		return ENOENT;
	file = fopen(path_of_volume(task->volume), "r+e");
	if (!file)
		return EIO;
	states[fread(states, 1, sizeof(states) - 1, file)] = 0;
	rewind(file);
	while ((line = strsep(&rest, "\n")))
		if (*line && strcmp(line, name))
			fprintf(file, "%s\n", line);
	fflush(file);
	if (ftruncate(fileno(file), ftell(file)))
		abort();
	fclose(file);
	return 0;
}

static int change(struct dm_task *task, const char *verb, const char *name)
{
	return !strcmp(verb, "take") ? take(task, name) : delete (task, name);
}

/* What was asked for is done once the store answers, were the asker gone. */
static int change_late(struct dm_task *task, const char *verb, const char *name)
{
	pid_t pid = fork();
	int status = 0;

	if (pid < 0)
		return EAGAIN;
	if (!pid) {
		while (!access(path_of("hung"), F_OK))
			usleep(10000);
		_exit(change(task, verb, name));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WEXITSTATUS(status);
}

/* One at a time. Who waits hears of no signal. */
static int change_in_turn(struct dm_task *task, const char *verb, const char *name)
{
	int lock = open(path_of("dm-lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), ret;
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	flock(lock, LOCK_EX);
	ret = access(path_of("hung"), F_OK) ? change(task, verb, name)
					    : change_late(task, verb, name);
	close(lock);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ret;
}

/* A commit that waits for the store has what "list" is to read. */
static void wait_to_list(void)
{
	FILE *file = fopen(path_of("hung"), "r+e");
	unsigned int n;

	if (!file)
		return;
	if (fscanf(file, "list %u", &n) != 1) {
		fclose(file);
		return;
	}
	rewind(file);
	if (n)
		fprintf(file, "list %u\n", n - 1);
	else
		fprintf(file, "list 0 waits\n");
	fclose(file);
	while (!n && !access(path_of("hung"), F_OK))
		usleep(10000);
}

static int answer(struct dm_task *task)
{
	const char *message = task->message;
	char verb[16], name[64];

	if (!strcmp(message, "members"))
		sprintf(task->response, "%s\n", task->volume);
	else if (!strcmp(message, "list")) {
		wait_to_list();
		read_states(task, NULL);
	}
	if (!strncmp(message, "group ", 6))
		message += 6;
	return sscanf(message, "%15s %63s", verb, name) == 2 ? change_in_turn(task, verb, name) : 0;
}

/* ---- what libdevmapper has ---- */

void dm_log_with_errno_init(dm_log_with_errno_fn fn)
{
	(void)fn;
}

struct dm_task *dm_task_create(int type)
{
	struct dm_task *task = calloc(1, sizeof(*task));

	if (task)
		task->type = type;
	return task;
}

void dm_task_destroy(struct dm_task *task)
{
	free(task);
}

int dm_task_set_name(struct dm_task *task, const char *name)
{
	return snprintf(task->volume, sizeof(task->volume), "%s", name) > 0;
}

int dm_task_set_sector(struct dm_task *task, uint64_t sector)
{
	(void)task;
	return !sector;
}

int dm_task_set_message(struct dm_task *task, const char *message)
{
	return snprintf(task->message, sizeof(task->message), "%s", message) > 0;
}

int dm_task_no_flush(struct dm_task *task)
{
	(void)task;
	return 1;
}

int dm_task_run(struct dm_task *task)
{
	if (access(path_of_volume(task->volume), F_OK))
		task->error = ENXIO;
	else if (task->type == DM_DEVICE_TARGET_MSG)
		task->error = answer(task);
	return !task->error;
}

int dm_task_get_errno(struct dm_task *task)
{
	return task->error;
}

const char *dm_task_get_message_response(struct dm_task *task)
{
	return task->response;
}

int dm_task_get_info(struct dm_task *task, struct dm_info *info)
{
	(void)task;
	memset(info, 0, sizeof(*info));
	info->exists = 1;
	return 1;
}

void *dm_get_next_target(struct dm_task *task, void *next, uint64_t *start, uint64_t *length,
			 char **type, char **params)
{
	static char snapsync[] = "snapsync", status[] = "rw 64 1/100 - 0 - - - - - -";
	static char read_only[] = "ro 64 100/100 - 0 - - - - - - cannot write metadata";

	(void)task;
	(void)next;
	*start = 0;
	*length = 2048;
	*type = snapsync;
	*params = is_read_only() ? read_only : status;
	return NULL;
}
