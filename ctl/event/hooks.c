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

struct hook {
	char *path;
	struct json_object *queue[QUEUE_MAX];
	size_t first, n;
	uint64_t left_out;
	pid_t pid; /* 0: it does not run */
	int pidfd;
	uint64_t deadline_ns;
	bool refused; /* which was told */
};

struct hooks {
	struct hook **hook;
	size_t n;
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

/* It runs as root: nobody else may have written it. */
static bool is_trusted(struct hook *hook)
{
	struct stat st;
	bool trusted;

	if (stat(hook->path, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return false;
	trusted = st.st_uid == geteuid() && !(st.st_mode & 0022);
	if (!trusted && !hook->refused)
		err("%s: not called, as others than its caller may write it: chown root, chmod go-w",
		    hook->path);
	hook->refused = !trusted;
	return trusted;
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
		    json_object_is_type(value, json_type_array))
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

static void start(struct hook *hook)
{
	struct json_object *event = hook->queue[hook->first];
	char **words = environment(event);
	size_t i;

	hook->first = (hook->first + 1) % QUEUE_MAX;
	hook->n--;
	hook->pid = fork();
	if (!hook->pid)
		become_hook(hook->path, words);
	if (hook->pid < 0) {
		err("%s: %s", hook->path, strerror(errno));
		hook->pid = 0;
	} else {
		/* Also here, so that it is done before anybody kills the group. */
		setpgid(hook->pid, hook->pid);
		hook->pidfd = syscall(SYS_pidfd_open, hook->pid, 0);
		hook->deadline_ns = now_ns(CLOCK_MONOTONIC) + LIMIT_NS;
	}
	for (i = 0; words[i]; i++)
		free(words[i]);
	free(words);
	json_object_put(event);
}

static void end(struct hook *hook, int status)
{
	if (WIFSIGNALED(status))
		err("%s: ended by signal %d", hook->path, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		err("%s: exit status %d", hook->path, WEXITSTATUS(status));
	/* What it has started in the background had its time, too. */
	kill(-hook->pid, SIGKILL);
	close(hook->pidfd);
	hook->pid = 0;
}

/* Whoever has ended, or has to; the next event for those that wait. */
static void look(struct hook *hook)
{
	int status;

	if (hook->pid && now_ns(CLOCK_MONOTONIC) >= hook->deadline_ns) {
		err("%s: killed after %u s", hook->path, (unsigned int)(LIMIT_NS / NSEC_PER_SEC));
		kill(-hook->pid, SIGKILL);
		/* It goes, but when is the kernel's business. */
		hook->deadline_ns = UINT64_MAX;
	}
	if (hook->pid && waitpid(hook->pid, &status, WNOHANG) == hook->pid)
		end(hook, status);
	if (!hook->pid && hook->left_out) {
		err("%s: %" PRIu64 " events were left out, as it is too slow", hook->path,
		    hook->left_out);
		hook->left_out = 0;
	}
	while (!hook->pid && hook->n)
		start(hook);
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
		json_object_put(hook->queue[hook->first]);
		hook->first = (hook->first + 1) % QUEUE_MAX;
		hook->n--;
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

	if (glob(rooted(path, sizeof(path), HOOKS_DIR "/*"), 0, NULL, &files))
		return;
	for (i = 0; i < files.gl_pathc; i++) {
		hook = find(hooks, files.gl_pathv[i]);
		if (!is_trusted(hook))
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
		if (!hooks->hook[i]->pid)
			continue;
		if (hooks->hook[i]->deadline_ns < *deadline_ns)
			*deadline_ns = hooks->hook[i]->deadline_ns;
		if (used < n)
			pfd[used++] = (struct pollfd){ hooks->hook[i]->pidfd, POLLIN, 0 };
	}
	return used;
}

static bool hook_is_idle(const struct hooks *hooks)
{
	size_t i;

	for (i = 0; i < hooks->n; i++)
		if (hooks->hook[i]->pid)
			return false;
	return true;
}

/* Nothing more of it, now. */
static void kill_hook(struct hook *hook)
{
	int status;

	for (; hook->n; hook->n--) {
		json_object_put(hook->queue[hook->first]);
		hook->first = (hook->first + 1) % QUEUE_MAX;
	}
	hook->left_out = 0;
	if (!hook->pid)
		return;
	kill(-hook->pid, SIGKILL);
	waitpid(hook->pid, &status, 0);
	close(hook->pidfd);
	hook->pid = 0;
}

/* At once, or after all that they were called for has been done, or was too slow. */
void hooks_free(struct hooks *hooks, bool at_once)
{
	struct pollfd pfd[64];
	uint64_t deadline_ns;
	size_t i, n;

	if (!hooks)
		return;
	for (i = 0; at_once && i < hooks->n; i++)
		kill_hook(hooks->hook[i]);
	while (hooks_look(hooks), !hook_is_idle(hooks)) {
		deadline_ns = UINT64_MAX;
		n = hooks_poll(hooks, pfd, ARRAY_SIZE(pfd), &deadline_ns);
		poll(pfd, n, poll_ms(left_ns(deadline_ns)));
	}
	for (i = 0; i < hooks->n; i++) {
		free(hooks->hook[i]->path);
		free(hooks->hook[i]);
	}
	free(hooks->hook);
	free(hooks);
}
