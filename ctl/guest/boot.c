// SPDX-License-Identifier: GPL-2.0
/*
 * Object boot: the LPARs of a host that went down, or has crashed, run again, in their order;
 * before it goes down they end in the reverse one.
 *
 * Each is started, or stopped, by an lparctl of its own, or by its unit. What keeps one from it
 * keeps those that come after it, and no others.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/guest.h"

#define SHUTDOWN_TIMEOUT_NS (100 * NSEC_PER_SEC)
/* For those, too, whose turn comes late, as another took all of it: beyond it, if it has to be. */
#define SHUTDOWN_LEAST_NS (20 * NSEC_PER_SEC)

/* For one that starts, whose own limits are shorter, but for a disk that does not answer. */
#define START_NS (600 * (uint64_t)NSEC_PER_SEC)

enum progress {
	WAITS,
	ACTS, /* its child does */
	DONE,
	LEFT, /* it is not to run */
	ENDED, /* at shutdown, before it had powered down */
	FAILED,
};

struct entry {
	char name[LPAR_NAME_MAX + 1];
	struct lpar_config config; /* empty when nobody can read it */
	struct json_object *record; /* NULL: it did not run */
	bool noted; /* it is on record, if only by us, and to run as long as that stays so */
	bool runs;
	enum progress progress;
	char *why;
	uint64_t done_ns;
	pid_t child;
	int said; /* what it says */
	int told; /* what it tells in JSON, at shutdown */
};

struct boot {
	struct entry *entry; /* by their names */
	size_t n;
	bool down; /* they end */
	bool units;
	bool dry; /* only in which order */
	uint64_t begin_ns;
	uint64_t deadline_ns;
	uint64_t least_ns; /* that each has */
	size_t *order; /* in which they were begun */
	size_t n_begun;
};

/* ---- which ---- */

static struct entry *find(const struct boot *boot, const char *name)
{
	size_t i;

	for (i = 0; i < boot->n; i++)
		if (!strcmp(boot->entry[i].name, name))
			return &boot->entry[i];
	return NULL;
}

static int add(const char *name, void *data)
{
	struct boot *boot = data;

	if (find(boot, name))
		return 0;
	boot->entry = xrealloc(boot->entry, (boot->n + 1) * sizeof(*boot->entry));
	boot->entry[boot->n] = (struct entry){ .said = -1, .told = -1 };
	snprintf(boot->entry[boot->n++].name, LPAR_NAME_MAX + 1, "%s", name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void boot_sort(struct boot *boot)
{
	if (boot->n)
		qsort(boot->entry, boot->n, sizeof(*boot->entry), by_name);
	boot->order = xalloc((boot->n + 1) * sizeof(*boot->order));
	boot->begin_ns = now_ns(CLOCK_MONOTONIC);
}

static void boot_free(struct boot *boot)
{
	size_t i;

	for (i = 0; i < boot->n; i++) {
		config_free(&boot->entry[i].config);
		json_object_put(boot->entry[i].record);
		free(boot->entry[i].why);
	}
	free(boot->entry);
	free(boot->order);
}

static void settle(struct entry *entry, enum progress progress, const char *why)
{
	char *copy = why ? xstrdup(why) : NULL;

	free(entry->why);
	entry->why = copy;
	entry->progress = progress;
	entry->done_ns = now_ns(CLOCK_MONOTONIC);
}

/* Without the module there is none; whoever is started says so. */
static bool guest_is_there(const char *name)
{
	struct lpar lpar;
	bool there;

	if (!nl_available(&nl_lpar))
		return false;
	there = !lpar_get(name, &lpar) && lpar_guest_pid(&lpar);
	lpar_free(&lpar);
	return there;
}

/* One that cannot be read may be of one that is always to run: that is told, too. */
static void read_entry(struct entry *entry)
{
	const char *file;
	bool bad;

	err_capture(true);
	bad = running_load(entry->name, &entry->record);
	file = json_text(entry->record, "file");
	bad = bad || config_load(&entry->config, *file ? file : NULL, entry->name);
	if (bad)
		settle(entry, FAILED, err_captured());
	err_capture(false);
	entry->runs = guest_is_there(entry->name);
	if (entry->runs)
		settle(entry, DONE, "runs");
	if (bad || entry->runs)
		return;
	if (json_flag(entry->record, "incoming"))
		settle(entry, FAILED,
		       "it was on its way to this host: look where it runs, then start it here, "
		       "or say 'lparctl boot forget'");
	else if (entry->config.guest.activation == ACTIVATION_NEVER)
		settle(entry, LEFT, "activation=never");
	else if (!entry->record && entry->noted)
		settle(entry, LEFT, "was stopped or forgotten meanwhile");
	else if (!entry->record && entry->config.guest.activation != ACTIVATION_ALWAYS)
		settle(entry, LEFT, "did not run");
}

/* As it is now, rather than hours ago. */
static void read_again(struct entry *entry)
{
	config_free(&entry->config);
	json_object_put(entry->record);
	entry->progress = WAITS;
	read_entry(entry);
}

/*
 * What is to be started is on record until it is: whoever stops or forgets it meanwhile takes
 * that away. One that is always to run may have none yet.
 */
static void note(struct entry *entry)
{
	int lock;

	if (entry->progress != WAITS)
		return;
	entry->noted = true;
	if (entry->record)
		return;
	err_capture(true);
	lock = lpar_lock(entry->name);
	if (lock < 0 || (!guest_is_there(entry->name) && running_note(entry->name, NULL, false)))
		settle(entry, FAILED, err_captured());
	err_capture(false);
	if (lock >= 0)
		close(lock);
}

static int add_described(struct boot *boot)
{
	char path[PATH_MAX], *name;
	glob_t files;
	size_t i;
	int ret;

	ret = find_files(rooted(path, sizeof(path), "/etc/lparkit/*.lpar"), &files);
	if (ret)
		return ret;
	for (i = 0; i < files.gl_pathc; i++) {
		name = xstrdup(strrchr(files.gl_pathv[i], '/') + 1);
		*strrchr(name, '.') = 0;
		if (name_is_valid(name))
			add(name, boot);
		free(name);
	}
	globfree(&files);
	return 0;
}

/* All that ran, and all that are described. */
static int load_up(struct boot *boot)
{
	int ret = running_for_each(add, boot);
	size_t i;

	if (add_described(boot))
		ret = -EIO;
	boot_sort(boot);
	for (i = 0; i < boot->n; i++) {
		read_entry(&boot->entry[i]);
		if (!boot->dry)
			note(&boot->entry[i]);
	}
	return ret;
}

static int add_guest(const struct lpar *lpar, void *data)
{
	/* Also one whose guest has powered down as nobody watched: it is not to run again. */
	return lpar_guest_pid(lpar) || (lpar_is_fenced(lpar) && running_is_noted(lpar->name))
		       ? add(lpar->name, data)
		       : 0;
}

/* Those whose LPAR was given back, or deleted, under them, too. */
static int add_noted(struct boot *boot)
{
	char path[PATH_MAX], *name;
	struct process process;
	glob_t files;
	size_t i;
	int ret;

	ret = find_files(run_path(path, sizeof(path), "*", "process"), &files);
	if (ret)
		return ret;
	for (i = 0; i < files.gl_pathc; i++) {
		*strrchr(files.gl_pathv[i], '/') = 0;
		name = strrchr(files.gl_pathv[i], '/') + 1;
		if (name_is_valid(name) && !guest_find_noted(name, &process))
			add(name, boot);
	}
	globfree(&files);
	return 0;
}

/* All that run, as they were started; exit code. */
static int load_down(struct boot *boot)
{
	int ret = nl_available(&nl_lpar) ? lpar_for_each(add_guest, boot) : 0;
	char path[PATH_MAX];
	size_t i;

	if (ret)
		ret = nl_fail("shutdown", ret);
	if (add_noted(boot))
		ret = EXIT_FAILED;
	boot_sort(boot);
	err_capture(true);
	for (i = 0; i < boot->n; i++)
		config_load(&boot->entry[i].config,
			    run_path(path, sizeof(path), boot->entry[i].name, "lpar.conf"),
			    boot->entry[i].name);
	err_capture(false);
	return ret;
}

/* ---- when ---- */

/* Which of two is dealt with first, if it is said. */
static bool is_before(const struct boot *boot, const struct entry *a, const struct entry *b)
{
	return boot->down ? activation_follows(&a->config, b->name)
			  : activation_follows(&b->config, a->name);
}

/* Has all that comes before it been dealt with, and when is its time? */
static bool is_ready(struct boot *boot, struct entry *entry, uint64_t *time_ns)
{
	size_t i;

	*time_ns = boot->begin_ns;
	for (i = 0; i < boot->n; i++) {
		const struct entry *other = &boot->entry[i];

		if (other == entry || !is_before(boot, other, entry))
			continue;
		if (other->progress == WAITS || other->progress == ACTS)
			return false;
		if (!boot->down && other->progress == FAILED) {
			char *why = xprintf("after=%s, which does not run", other->name);

			settle(entry, FAILED, why);
			free(why);
			return false;
		}
		if (other->progress == DONE && other->done_ns > *time_ns)
			*time_ns = other->done_ns;
	}
	if (boot->dry)
		*time_ns = 0;
	else if (!boot->down)
		*time_ns += entry->config.guest.delay_ns;
	return true;
}

/* The next one to begin with; if its time is to come, that is the soonest. */
static struct entry *next_ready(struct boot *boot, uint64_t *time_ns)
{
	struct entry *next = NULL;
	uint64_t one_ns;
	size_t i;

	for (i = 0; i < boot->n; i++) {
		struct entry *entry = &boot->entry[i];

		if (entry->progress != WAITS || !is_ready(boot, entry, &one_ns))
			continue;
		/* Of those whose time has come, the names decide. */
		if (next && (one_ns >= *time_ns || *time_ns <= now_ns(CLOCK_MONOTONIC)))
			continue;
		next = entry;
		*time_ns = one_ns;
	}
	return next;
}

/* ---- how ---- */

/* Each to be freed; the list ends with NULL. */
static char **child_words(const struct boot *boot, const struct entry *entry)
{
	const char *file = json_text(entry->record, "file");
	uint64_t left = left_ns(boot->deadline_ns);
	uint64_t time_ns = left > boot->least_ns ? left : boot->least_ns;
	char *time = xprintf("%llums", (unsigned long long)(time_ns / NSEC_PER_MSEC));
	char *unit = xprintf("lparkit@%s.service", entry->name);
	const char *const down[] = { "-j", "stop", entry->name, "--timeout", time, "--keep", NULL };
	const char *const up[] = { "start", entry->name, *file ? "--file" : NULL, file, NULL };
	char **words;

	if (boot->down) {
		words = self_words(down);
	} else if (boot->units && !*file) {
		words = xalloc(4 * sizeof(*words));
		words[0] = xstrdup("systemctl");
		words[1] = xstrdup("start");
		words[2] = xstrdup(unit);
	} else {
		words = self_words(up);
	}
	free(unit);
	free(time);
	return words;
}

static void become_child(const char *restored, char **words, const struct entry *entry)
{
	int said = entry->said;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Until it ends, whoever starts that LPAR, as its unit, wants it on record. */
	if (restored && running_claim(restored)) {
		dprintf(said, "lparctl: LPAR %s: %s\n", restored, strerror(errno));
		_exit(EXIT_FAILED);
	}
	dup2(null, STDIN_FILENO);
	dup2(entry->told < 0 ? null : entry->told, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	if (!strcmp(words[0], "lparctl")) {
		/* A host that goes down ends us: the start is undone, and the LPAR still on record. */
		if (restored)
			prctl(PR_SET_PDEATHSIG, SIGTERM);
		execv("/proc/self/exe", words);
	} else {
		execvp(words[0], words);
	}
	dprintf(STDERR_FILENO, "lparctl: %s: %s\n", words[0], strerror(errno));
	_exit(EXIT_FAILED);
}

static void begin(struct boot *boot, struct entry *entry)
{
	char **words;
	size_t i;

	if (!boot->down && !boot->dry) {
		read_again(entry);
		if (entry->progress == LEFT || entry->progress == DONE)
			say("%s: %s", entry->name, entry->why);
		if (entry->progress != WAITS)
			return;
	}
	boot->order[boot->n_begun++] = entry - boot->entry;
	if (boot->dry) {
		settle(entry, DONE, boot->down ? "to be stopped" : "to be started");
		return;
	}
	words = child_words(boot, entry);
	fflush(stdout);
	/* Files, so that nobody has to read while it speaks. */
	entry->said = memfd_create("said", MFD_CLOEXEC);
	if (boot->down)
		entry->told = memfd_create("told", MFD_CLOEXEC);
	entry->child = entry->said < 0 ? -1 : fork();
	if (!entry->child)
		become_child(boot->down ? NULL : entry->name, words, entry);
	entry->progress = ACTS;
	if (entry->child < 0)
		settle(entry, FAILED, strerror(errno));
	for (i = 0; words[i]; i++)
		free(words[i]);
	free(words);
}

/* The first line is the reason, what follows its consequence; all of it is passed on. */
static char *read_said(struct entry *entry)
{
	char text[1024], *line;
	ssize_t len = pread(entry->said, text, sizeof(text) - 1, 0);

	close(entry->said);
	entry->said = -1;
	text[len < 0 ? 0 : len] = 0;
	line = !strncmp(text, "lparctl: ", 9) ? text + 9 : text;
	line[strcspn(line, "\n")] = 0;
	return xstrdup(*line ? line : "failed without a word");
}

/* A guest that had no time, or did not use it, has lost what it had not written. */
static void settle_stopped(struct entry *entry)
{
	char text[1024];
	ssize_t len = pread(entry->told, text, sizeof(text) - 1, 0);
	struct json_object *json;
	const char *how;

	text[len < 0 ? 0 : len] = 0;
	json = json_tokener_parse(text);
	how = json_text(json, "guest");
	if (!strcmp(how, GUEST_POWERED_DOWN) || !strcmp(how, GUEST_NONE))
		settle(entry, DONE, "stopped");
	else if (!strcmp(how, GUEST_KILLED))
		settle(entry, ENDED, "QEMU was killed before its guest had powered down");
	else
		settle(entry, ENDED, "QEMU was ended before its guest had powered down");
	json_object_put(json);
}

static void end(struct boot *boot, struct entry *entry, int status)
{
	char *why = read_said(entry);

	entry->child = 0;
	/* Whoever was quicker may have started it, or wants it no more. */
	if (WIFEXITED(status) && !WEXITSTATUS(status) && boot->down)
		settle_stopped(entry);
	else if (WIFEXITED(status) && !WEXITSTATUS(status))
		settle(entry, DONE, "started");
	else if (!boot->down)
		read_again(entry);
	if (entry->progress == WAITS || entry->progress == ACTS)
		settle(entry, FAILED, why);
	free(why);
	if (entry->told >= 0)
		close(entry->told);
	if (entry->progress == ENDED)
		err("LPAR %s: %s", entry->name, entry->why);
	else if (entry->progress != FAILED)
		say("%s: %s", entry->name, entry->why);
	else
		err("LPAR %s: %s: %s", entry->name, boot->down ? "not stopped" : "not started",
		    entry->why);
}

/* What comes of it is for its own lparctl to say; as long as that is there it wants it on record. */
static void leave_behind(struct entry *entry)
{
	entry->child = 0;
	close(entry->said);
	entry->said = -1;
	settle(entry, FAILED, "'lparctl start' of it does not end: others do not wait for it");
	err("LPAR %s: not started: %s", entry->name, entry->why);
}

/* The one that starts has ended, or has had its time; false: none does. */
static bool wait_start(struct boot *boot)
{
	int status;
	size_t i;

	for (i = 0; i < boot->n; i++) {
		struct entry *entry = &boot->entry[i];

		if (entry->child <= 0)
			continue;
		if (process_await(entry->child, &status, START_NS))
			leave_behind(entry);
		else
			end(boot, entry, status);
		return true;
	}
	return false;
}

/* One of those that stop has ended; false: none does. */
static bool wait_stop(struct boot *boot)
{
	int status;
	pid_t pid;
	size_t i;

	do {
		pid = waitpid(-1, &status, 0);
	} while (pid < 0 && errno == EINTR);
	for (i = 0; pid > 0 && i < boot->n; i++)
		if (boot->entry[i].child == pid)
			end(boot, &boot->entry[i], status);
	return pid > 0;
}

static void sleep_until(uint64_t time_ns)
{
	struct timespec time = { time_ns / NSEC_PER_SEC, time_ns % NSEC_PER_SEC };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* At shutdown a circle is no reason to let them run: nobody was asked for it as they were started. */
static struct entry *break_circle(struct boot *boot)
{
	size_t i;

	for (i = 0; boot->down && i < boot->n; i++)
		if (boot->entry[i].progress == WAITS)
			return &boot->entry[i];
	return NULL;
}

/* One after the other starts, as they want the same host; all that may end do so together. */
static void act(struct boot *boot)
{
	struct entry *entry;
	uint64_t time_ns;
	size_t i;

	for (;;) {
		entry = next_ready(boot, &time_ns);
		if (entry && time_ns > now_ns(CLOCK_MONOTONIC)) {
			sleep_until(time_ns);
			continue;
		}
		if (entry)
			begin(boot, entry);
		if (entry && (boot->down || boot->dry))
			continue;
		if ((boot->down ? wait_stop(boot) : wait_start(boot)) || entry)
			continue;
		entry = break_circle(boot);
		if (!entry)
			break;
		begin(boot, entry);
	}
	for (i = 0; i < boot->n; i++)
		if (boot->entry[i].progress == WAITS)
			settle(&boot->entry[i], FAILED, "after= goes round in a circle");
}

/* ---- the verbs ---- */

/* What failed before anything was begun, or as something else did, is said now. */
static int report(const struct boot *boot)
{
	static const char *const words[] = {
		[DONE] = "done",
		[LEFT] = "left",
		[ENDED] = "ended",
		[FAILED] = "failed",
	};
	struct json_object *list = json_object_new_array(), *json;
	int ret = EXIT_OK;
	size_t i;

	for (i = 0; i < boot->n; i++) {
		const struct entry *entry = &boot->entry[i];
		bool begun = false;
		size_t j;

		for (j = 0; j < boot->n_begun; j++)
			begun = begun || boot->order[j] == i;
		if (entry->progress == FAILED || entry->progress == ENDED)
			ret = EXIT_FAILED;
		if (entry->progress == FAILED && !begun)
			err("LPAR %s: not %s: %s", entry->name, boot->down ? "stopped" : "started",
			    entry->why);
		json = json_object_new_object();
		json_put(json, "name", entry->name);
		json_put(json, "result", words[entry->progress]);
		json_put(json, "why", entry->why);
		json_object_array_add(list, json);
	}
	if (options.json)
		json_print(list);
	else
		json_object_put(list);
	return ret;
}

/* boot restore [--units] */
int boot_restore_verb(struct args *args)
{
	struct boot boot = { .units = next_flag(args, "--units") };
	int ret;

	if (args->argc)
		return usage("boot restore [--units]");
	ret = load_up(&boot);
	act(&boot);
	if (report(&boot))
		ret = EXIT_FAILED;
	boot_free(&boot);
	return ret ? EXIT_FAILED : EXIT_OK;
}

/* boot shutdown [--timeout TIME] */
int boot_shutdown_verb(struct args *args)
{
	uint64_t timeout_ns = SHUTDOWN_TIMEOUT_NS;
	struct boot boot = { .down = true };
	const char *value = NULL;
	int ret;

	if (next_option(args, "--timeout", &value) && (!value || parse_time(value, &timeout_ns)))
		return usage("--timeout needs a time such as 30s");
	if (args->argc)
		return usage("boot shutdown [--timeout TIME]");
	boot.deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ns;
	boot.least_ns = timeout_ns < SHUTDOWN_LEAST_NS ? timeout_ns : SHUTDOWN_LEAST_NS;
	ret = load_down(&boot);
	act(&boot);
	if (report(&boot))
		ret = EXIT_FAILED;
	boot_free(&boot);
	return ret;
}

static char *after_text(const struct guest_config *guest)
{
	char *text = xstrdup(""), *more;
	size_t i;

	for (i = 0; i < guest->n_after; i++) {
		more = xprintf("%s%s%s", text, i ? "," : "", guest->after[i]);
		free(text);
		text = more;
	}
	return text;
}

static void show_row(const struct entry *entry)
{
	char *after = after_text(&entry->config.guest), delay[32];
	const char *cell[] = {
		entry->name,
		activation_name(entry->config.guest.activation),
		entry->record ? "yes" : "no",
		*after ? after : "-",
		entry->config.guest.delay_ns
			? format_time(delay, sizeof(delay), entry->config.guest.delay_ns)
			: "-",
		entry->why,
	};

	table_row(cell, ARRAY_SIZE(cell));
	free(after);
}

static void show_json(struct json_object *list, const struct entry *entry)
{
	struct json_object *json = json_object_new_object(), *after = json_object_new_array();
	size_t i;

	json_put(json, "name", entry->name);
	json_put(json, "activation", activation_name(entry->config.guest.activation));
	json_put_flag(json, "ran", entry->record);
	json_put_flag(json, "runs", entry->runs);
	for (i = 0; i < entry->config.guest.n_after; i++)
		json_object_array_add(after, json_object_new_string(entry->config.guest.after[i]));
	json_object_object_add(json, "after", after);
	json_put_u64(json, "delay_ns", entry->config.guest.delay_ns);
	json_put_flag(json, "fails", entry->progress == FAILED);
	json_put(json, "plan", entry->why);
	json_object_array_add(list, json);
}

/* Those that would be started first, in that order. */
static void show_all(const struct boot *boot, struct json_object *list)
{
	size_t i, j;

	for (i = 0; i < boot->n + boot->n_begun; i++) {
		size_t at = i < boot->n_begun ? boot->order[i] : i - boot->n_begun;

		for (j = 0; i >= boot->n_begun && j < boot->n_begun; j++)
			if (boot->order[j] == at)
				break;
		if (i >= boot->n_begun && j < boot->n_begun)
			continue;
		if (list)
			show_json(list, &boot->entry[at]);
		else
			show_row(&boot->entry[at]);
	}
}

/* boot show */
int boot_show_verb(struct args *args)
{
	static const char *const head[] = { "NAME", "ACTIVATION", "RAN", "AFTER", "DELAY", "PLAN" };
	struct json_object *list = options.json ? json_object_new_array() : NULL;
	struct boot boot = { .dry = true };
	int ret;

	if (args->argc)
		return usage("boot show");
	ret = load_up(&boot);
	act(&boot);
	if (!list)
		table_row(head, ARRAY_SIZE(head));
	show_all(&boot, list);
	if (list)
		json_print(list);
	else
		table_print();
	boot_free(&boot);
	return ret ? EXIT_FAILED : EXIT_OK;
}

static int forget(const char *name)
{
	int lock, ret;

	if (!name_is_valid(name) || !running_is_noted(name)) {
		err("LPAR %s: there is no record that it ran: see 'lparctl boot show'", name);
		return EXIT_FAILED;
	}
	lock = lpar_lock(name);
	if (lock < 0)
		return EXIT_FAILED;
	ret = guest_is_there(name) ? -EBUSY : running_forget(name);
	if (ret == -EBUSY)
		err("LPAR %s: its guest runs: 'lparctl stop %s'", name, name);
	close(lock);
	return ret ? EXIT_FAILED : EXIT_OK;
}

/* boot forget NAME... */
int boot_forget_verb(struct args *args)
{
	const char *name;
	int ret = EXIT_OK;

	if (!args->argc)
		return usage("boot forget NAME...");
	while (!ret && (name = next_arg(args)))
		ret = forget(name);
	return ret;
}
