// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that are called for each event: /etc/lparkit/hooks.d/NAME, with the event in the
 * environment.
 *
 * Each hook gets all events in their order, one at a time, and is killed when it takes too
 * long. None waits for another, and nobody waits for any: what a slow one has not got to is
 * kept for it, and when that is too much the oldest is left out, and told of.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event/event.h"

#define HOOKS_DIR "/etc/lparkit/hooks.d"
#define LIMIT_NS (10 * NSEC_PER_SEC)
#define QUEUE_MAX 1000 /* events that wait for one hook */
#define RETRY_NS NSEC_PER_SEC /* until one that could not be started is tried again */
#define END_NS NSEC_PER_SEC /* for one that was killed to go, and between looks at us */

struct hook {
	char *path;
	struct json_object *queue[QUEUE_MAX];
	size_t first, n;
	uint64_t left_out;
	pid_t pid; /* 0: it does not run */
	int pidfd;
	uint64_t deadline_ns; /* when it is killed, or may be started again */
	bool failed, refused; /* which was told */
};

struct hooks {
	struct hook **hook;
	size_t n;
	bool refused; /* their directory, which was told */
};

struct hooks *hooks_new(void)
{
	struct hooks *hooks = xalloc(sizeof(*hooks));

	memset(hooks, 0, sizeof(*hooks));
	return hooks;
}

static struct hook *find(struct hooks *hooks, const char *path)
{
	struct hook *hook;
	size_t i;

	for (i = 0; i < hooks->n; i++)
		if (!strcmp(hooks->hook[i]->path, path))
			return hooks->hook[i];
	hook = xalloc(sizeof(*hook));
	memset(hook, 0, sizeof(*hook));
	hook->path = xstrdup(path);
	hooks->hook = xrealloc(hooks->hook, (hooks->n + 1) * sizeof(*hooks->hook));
	hooks->hook[hooks->n++] = hook;
	return hook;
}

static bool refuse(const char *path, bool *refused, const char *why)
{
	if (!*refused)
		err("%s: not called, as %s", path, why);
	*refused = true;
	return false;
}

/* It runs as root: nobody else may have written it, or may put others in its place. */
static bool is_trusted(const char *path, mode_t type, bool *refused)
{
	struct stat st;

	if (stat(path, &st) || (st.st_mode & S_IFMT) != type || !(st.st_mode & 0111))
		return false;
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & 0022)
		return refuse(
			path, refused,
			"others than root and the caller may write it: chown root, chmod go-w");
	*refused = false;
	return true;
}

/* What editors and packages leave beside it is not called: as run-parts(8) has it. */
static bool has_name_of_hook(const char *path)
{
	const char *at = strrchr(path, '/') + 1;

	while (isalnum((unsigned char)*at) || *at == '-' || *at == '_')
		at++;
	return !*at;
}

/* LPARKIT_KEY=VALUE for what is one value; all of it is LPARKIT_JSON. To be freed, each, too. */
static char **environment(struct json_object *event)
{
	size_t n = 0;
	char **words = xalloc((json_object_object_length(event) + 3) * sizeof(*words)), *at;

	words[n++] = xstrdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	words[n++] = xprintf("LPARKIT_JSON=%s",
			     json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN));
	json_object_object_foreach(event, key, value) {
		if (json_object_is_type(value, json_type_object) ||
		    json_object_is_type(value, json_type_array) ||
		    json_object_is_type(value, json_type_null))
			continue;
		words[n] = xprintf("LPARKIT_%s=%s", key, json_object_get_string(value));
		for (at = words[n] + strlen("LPARKIT_"); *at != '='; at++)
			*at = toupper((unsigned char)*at);
		n++;
	}
	words[n] = NULL;
	return words;
}

static void become_hook(const char *path, char **words)
{
	char *const argv[] = { (char *)path, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setpgid(0, 0);
	dup2(null, STDIN_FILENO);
	/* What it says is no event. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (!chdir("/"))
		execve(path, argv, words);
	_exit(126);
}

static void drop_first(struct hook *hook)
{
	json_object_put(hook->queue[hook->first]);
	hook->first = (hook->first + 1) % QUEUE_MAX;
	hook->n--;
}

static void drop_all(struct hook *hook)
{
	while (hook->n)
		drop_first(hook);
}

/* With the first event, which stays while the host has no room for a process. */
static void start(struct hook *hook)
{
	char **words = environment(hook->queue[hook->first]);
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	size_t i;

	hook->pid = fork();
	if (!hook->pid)
		become_hook(hook->path, words);
	if (hook->pid < 0) {
		if (!hook->failed)
			err("%s: waits: %s", hook->path, strerror(errno));
		hook->failed = true;
		hook->pid = 0;
		hook->deadline_ns = now + RETRY_NS;
	} else {
		/* Also here, so that it is done before anybody kills the group. */
		setpgid(hook->pid, hook->pid);
		hook->pidfd = syscall(SYS_pidfd_open, hook->pid, 0);
		hook->failed = false;
		hook->deadline_ns = now + LIMIT_NS;
		drop_first(hook);
	}
	for (i = 0; words[i]; i++)
		free(words[i]);
	free(words);
}

/* Its number is its group's, too, as long as nobody has waited for it. */
static bool has_ended(const struct hook *hook)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, hook->pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

static void end(struct hook *hook)
{
	int status = 0;

	/* What it has started in the background had its time, too. */
	kill(-hook->pid, SIGKILL);
	waitpid(hook->pid, &status, 0);
	if (WIFSIGNALED(status))
		err("%s: ended by signal %d", hook->path, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		err("%s: exit status %d", hook->path, WEXITSTATUS(status));
	close(hook->pidfd);
	hook->pid = 0;
	hook->deadline_ns = 0;
}

/* Whoever has ended, or has to; the next event for those that wait. */
static void look(struct hook *hook)
{
	bool is_over = now_ns(CLOCK_MONOTONIC) >= hook->deadline_ns;

	if (hook->pid && is_over) {
		err("%s: killed after %u s", hook->path, (unsigned int)(LIMIT_NS / NSEC_PER_SEC));
		kill(-hook->pid, SIGKILL);
		/* It goes, but when is the kernel's business. */
		hook->deadline_ns = UINT64_MAX;
	}
	if (hook->pid && has_ended(hook))
		end(hook);
	if (!hook->pid && hook->left_out) {
		err("%s: %" PRIu64 " events were left out, as it is too slow", hook->path,
		    hook->left_out);
		hook->left_out = 0;
	}
	if (hook->pid || !hook->n || now_ns(CLOCK_MONOTONIC) < hook->deadline_ns)
		return;
	/* It may have been replaced since it was to be called. */
	if (is_trusted(hook->path, S_IFREG, &hook->refused))
		start(hook);
	else
		drop_all(hook);
}

void hooks_look(struct hooks *hooks)
{
	size_t i;

	for (i = 0; i < hooks->n; i++)
		look(hooks->hook[i]);
}

static void add(struct hook *hook, struct json_object *event)
{
	if (hook->n == QUEUE_MAX) {
		drop_first(hook);
		hook->left_out++;
	}
	hook->queue[(hook->first + hook->n++) % QUEUE_MAX] = json_object_get(event);
}

/* For each that is there now. Waits for none. */
void hooks_call(struct hooks *hooks, struct json_object *event)
{
	char path[PATH_MAX];
	struct hook *hook;
	glob_t files;
	size_t i;

	if (!is_trusted(rooted(path, sizeof(path), HOOKS_DIR), S_IFDIR, &hooks->refused) ||
	    glob(rooted(path, sizeof(path), HOOKS_DIR "/*"), 0, NULL, &files))
		return;
	for (i = 0; i < files.gl_pathc; i++) {
		hook = find(hooks, files.gl_pathv[i]);
		if (!has_name_of_hook(hook->path)) {
			refuse(hook->path, &hook->refused,
			       "a hook's name has letters, digits, '-' and '_' only");
			continue;
		}
		if (!is_trusted(hook->path, S_IFREG, &hook->refused))
			continue;
		add(hook, event);
		look(hook);
	}
	globfree(&files);
}

/* When they want to be looked at: their descriptors, and a deadline that may be sooner. */
size_t hooks_poll(const struct hooks *hooks, struct pollfd *pfd, size_t n, uint64_t *deadline_ns)
{
	size_t i, used = 0;

	for (i = 0; i < hooks->n; i++) {
		if (!hooks->hook[i]->pid && !hooks->hook[i]->n)
			continue;
		if (hooks->hook[i]->deadline_ns < *deadline_ns)
			*deadline_ns = hooks->hook[i]->deadline_ns;
		if (hooks->hook[i]->pid && used < n)
			pfd[used++] = (struct pollfd){ hooks->hook[i]->pidfd, POLLIN, 0 };
	}
	return used;
}

static bool is_idle(const struct hooks *hooks)
{
	size_t i;

	for (i = 0; i < hooks->n; i++)
		if (hooks->hook[i]->pid || hooks->hook[i]->n)
			return false;
	return true;
}

/* Nothing more of it. One that the kernel does not let go is left to init. */
static void kill_hook(struct hook *hook, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = hook->pidfd, .events = POLLIN };

	drop_all(hook);
	if (!hook->pid)
		return;
	kill(-hook->pid, SIGKILL);
	while (poll(&pfd, 1, poll_ms(left_ns(deadline_ns))) < 0 && errno == EINTR)
		;
	waitpid(hook->pid, NULL, WNOHANG);
	close(hook->pidfd);
	hook->pid = 0;
}

static void kill_all(struct hooks *hooks)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + END_NS;
	size_t i;

	for (i = 0; i < hooks->n; i++)
		kill_hook(hooks->hook[i], deadline_ns);
}

/* After all that they were called for has been done, or was too slow; at once if we are to end. */
void hooks_free(struct hooks *hooks)
{
	struct pollfd pfd[64];
	uint64_t deadline_ns;
	size_t i, n;

	if (!hooks)
		return;
	while (!interrupted() && (hooks_look(hooks), !is_idle(hooks))) {
		deadline_ns = now_ns(CLOCK_MONOTONIC) + END_NS;
		n = hooks_poll(hooks, pfd, ARRAY_SIZE(pfd), &deadline_ns);
		poll(pfd, n, poll_ms(left_ns(deadline_ns)));
	}
	kill_all(hooks);
	for (i = 0; i < hooks->n; i++) {
		free(hooks->hook[i]->path);
		free(hooks->hook[i]);
	}
	free(hooks->hook);
	free(hooks);
}
