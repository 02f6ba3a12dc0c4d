// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl schedule: when LPARs are started and stopped. systemd keeps the time: a schedule is a
 * drop-in of an instance of lparkit-start@.timer or lparkit-stop@.timer.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lpar/lpar.h"

#define KEY "OnCalendar="

static const char *const verbs[] = { "start", "stop" };

static const char *dir_path(char *buf, size_t size, const char *name, const char *verb)
{
	return rooted(buf, size, "/etc/systemd/system/lparkit-%s@%s.timer.d", verb, name);
}

static const char *file_path(char *buf, size_t size, const char *name, const char *verb)
{
	return rooted(buf, size, "/etc/systemd/system/lparkit-%s@%s.timer.d/lparctl.conf", verb,
		      name);
}

/* --- systemd --- */

/* Its exit status, or -errno. What it says of failures is for people; the rest is not. */
static int run(const char *const *words)
{
	int status, null;
	pid_t pid = fork();

	if (!pid) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0)
			execvp(words[0], (char *const *)words);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (pid < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* systemctl VERB [UNIT]; what only a systemd that runs can do is nothing to do on another root. */
static int systemctl(const char *verb, const char *unit)
{
	const char *const here[] = { "systemctl", "--quiet", verb, unit, NULL };
	const char *const there[] = { "systemctl", "--quiet", "--root", options.root,
				      verb,	   unit,      NULL };
	bool offline = !strcmp(verb, "enable") || !strcmp(verb, "disable");
	int ret = *options.root && !offline ? 0 : run(*options.root ? there : here);

	if (ret)
		err("systemctl %s%s%s failed", verb, unit ? " " : "", unit ? unit : "");
	return ret;
}

static bool is_calendar(const char *text)
{
	const char *const words[] = { "systemd-analyze", "calendar", "--", text, NULL };

	return *text && !strchr(text, '\n') && !run(words);
}

/* --- one schedule --- */

static int write_schedule(const char *path, const char *calendar)
{
	/* The empty one takes back what the instance has from elsewhere. */
	char *text = xprintf("# of lparctl schedule\n[Timer]\n" KEY "\n" KEY "%s\n", calendar);
	int ret = store_text(path, text);

	if (ret)
		err("%s: %s", path, strerror(-ret));
	free(text);
	return ret;
}

/* Until systemd has taken another one. It reads no file of that name. */
static const char *former_path(char *buf, size_t size, const char *name, const char *verb)
{
	return rooted(buf, size, "/etc/systemd/system/lparkit-%s@%s.timer.d/lparctl.former", verb,
		      name);
}

/* -ENOENT: there is none. */
static int keep_former(const char *name, const char *verb)
{
	char path[PATH_MAX], former[PATH_MAX];

	unlink(former_path(former, sizeof(former), name, verb));
	return link(file_path(path, sizeof(path), name, verb), former) ? -errno : 0;
}

static void forget_former(const char *name, const char *verb)
{
	char path[PATH_MAX];

	unlink(former_path(path, sizeof(path), name, verb));
}

/* What systemd has refused is not what it would read at the next boot. */
static void put_former_back(const char *name, const char *verb, const char *unit)
{
	char path[PATH_MAX], former[PATH_MAX];
	int ret = rename_synced(former_path(former, sizeof(former), name, verb),
				file_path(path, sizeof(path), name, verb));

	if (ret)
		err("%s: %s", path, strerror(-ret));
	if (!ret)
		ret = systemctl("daemon-reload", NULL);
	if (!ret)
		ret = systemctl("restart", unit);
	if (!ret)
		err("LPAR %s: the schedule that it had is in force again", name);
}

static void remove_schedule(const char *name, const char *verb)
{
	char path[PATH_MAX];

	unlink(file_path(path, sizeof(path), name, verb));
	/* Others may have drop-ins there, too. */
	rmdir(dir_path(path, sizeof(path), name, verb));
}

static int set_schedule(const char *name, const char *verb, const char *calendar)
{
	char *unit = xprintf("lparkit-%s@%s.timer", verb, name);
	char path[PATH_MAX];
	int ret = make_dir(dir_path(path, sizeof(path), name, verb), 0755);
	int former = ret ? ret : keep_former(name, verb);
	bool is_new = former == -ENOENT, enabled;

	if (former && !is_new) {
		err("%s: %s", path, strerror(-former));
		free(unit);
		return EXIT_FAILED;
	}
	ret = write_schedule(file_path(path, sizeof(path), name, verb), calendar);
	if (!ret)
		ret = systemctl("daemon-reload", NULL);
	if (!ret)
		ret = systemctl("enable", unit);
	enabled = !ret;
	if (!ret)
		ret = systemctl("restart", unit);
	if (ret && is_new) {
		if (enabled)
			systemctl("disable", unit);
		remove_schedule(name, verb);
		systemctl("daemon-reload", NULL);
	} else if (ret) {
		put_former_back(name, verb, unit);
	}
	forget_former(name, verb);
	free(unit);
	return ret ? EXIT_FAILED : EXIT_OK;
}

/* It may have none: then it has none afterwards as well. */
static int end_schedule(const char *name, const char *verb)
{
	char *unit = xprintf("lparkit-%s@%s.timer", verb, name);
	char path[PATH_MAX];
	int ret = 0;

	if (!access(file_path(path, sizeof(path), name, verb), F_OK)) {
		ret = systemctl("stop", unit);
		if (!ret)
			ret = systemctl("disable", unit);
		if (!ret)
			remove_schedule(name, verb);
		if (!ret)
			ret = systemctl("daemon-reload", NULL);
	}
	free(unit);
	return ret ? EXIT_FAILED : EXIT_OK;
}

/* --- all of them --- */

/* The last one that is not empty; what another has written there is read as well. */
static void read_calendar(char *text, char *calendar, size_t size)
{
	char *line;

	*calendar = 0;
	while ((line = strsep(&text, "\n")))
		if (!strncmp(line, KEY, strlen(KEY)))
			snprintf(calendar, size, "%s", line + strlen(KEY));
}

static void add_schedule(struct json_object *list, const char *path, const char *verb)
{
	const char *at = strchr(strstr(path, "/lparkit-"), '@') + 1;
	size_t len = strstr(at, ".timer.d/") - at;
	char text[4096], calendar[1024], name[LPAR_NAME_MAX + 1];
	struct json_object *json;

	if (len > LPAR_NAME_MAX || read_text(path, text, sizeof(text)))
		return;
	snprintf(name, sizeof(name), "%.*s", (int)len, at);
	read_calendar(text, calendar, sizeof(calendar));
	json = json_object_new_object();
	json_put(json, "name", name);
	json_put(json, "verb", verb);
	json_put(json, "calendar", calendar);
	json_object_array_add(list, json);
}

static int load_schedules(const char *name, struct json_object *list)
{
	char path[PATH_MAX];
	glob_t files;
	size_t i, j;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(verbs) && !ret; i++) {
		file_path(path, sizeof(path), name ? name : "*", verbs[i]);
		ret = find_files(path, &files);
		if (ret)
			break;
		for (j = 0; j < files.gl_pathc; j++)
			add_schedule(list, files.gl_pathv[j], verbs[i]);
		globfree(&files);
	}
	return ret;
}

static int list_schedules(const char *name)
{
	static const char *const head[] = { "NAME", "VERB", "CALENDAR" };
	struct json_object *list = json_object_new_array();
	size_t i;

	if (load_schedules(name, list)) {
		json_object_put(list);
		return EXIT_FAILED;
	}
	if (options.json) {
		json_print(list);
		return EXIT_OK;
	}
	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(list); i++) {
		struct json_object *json = json_at(list, i);
		const char *cell[] = { json_text(json, "name"), json_text(json, "verb"),
				       json_text(json, "calendar") };

		table_row(cell, ARRAY_SIZE(cell));
	}
	table_print();
	json_object_put(list);
	return EXIT_OK;
}

/* schedule [NAME [start|stop CALENDAR|off]] */
int schedule_verb(struct args *args)
{
	const char *name = next_arg(args), *verb = next_arg(args), *calendar = next_arg(args);

	if (args->argc || (verb && !calendar))
		return usage("schedule [NAME [start|stop CALENDAR|off]]");
	if (name && !name_is_valid(name))
		return usage("'%s' is no name for an LPAR: " NAME_RULE, name);
	if (!verb)
		return list_schedules(name);
	if (strcmp(verb, verbs[0]) && strcmp(verb, verbs[1]))
		return usage("'%s' is not start or stop", verb);
	if (!strcmp(calendar, "off"))
		return end_schedule(name, verb);
	if (!config_exists(name)) {
		err("LPAR %s is not described on this host: there is nothing to schedule", name);
		return EXIT_FAILED;
	}
	if (!is_calendar(calendar))
		return usage("'%s' is no time as in systemd.time(7), such as \"Mon..Fri 07:00\"",
			     calendar);
	return set_schedule(name, verb, calendar);
}
