// SPDX-License-Identifier: GPL-2.0
/*
 * start --wait: stays until the guest has ended, gives back what it had, and tells systemd.
 *
 * The guest that is watched is the one that the LPAR has: one that "lparctl stop" and
 * "start", or a restore, have put in place of another is watched after it. Whoever kills the
 * supervisor kills no guest; the next one watches it again. It has the LPAR's lock only to
 * give back, as all others would have to wait for it.
 *
 * A file "watched" says that the guest has a supervisor, or had one that was killed: if such
 * a guest powers down meanwhile, systemd's next supervisor gives back instead of starting it
 * again. It goes with the guest, or when its supervisor is told to end.
 *
 * QEMU takes its own pidfile, qemu/alive, away when it ends of itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/guest.h"

#define LOOK_MS 10000 /* between looks at a guest that runs */
#define WAIT_MS 100 /* for another lparctl to finish */

struct supervisor {
	const char *name;
	pid_t child; /* the QEMU that we have started, until it has ended */
	bool failed; /* the last QEMU has not ended of itself */
	bool stands;
	bool strays; /* an interrupt did when we looked last */
	bool waits; /* for a restore that nobody is at, which was said */
};

/* Between the end of a guest and the start of the one that it is to become again. */
static bool is_restored(const char *name)
{
	char path[PATH_MAX];
	struct json_object *session, *guests;
	bool found = false;
	size_t i;

	rooted(path, sizeof(path), "/run/lparkit/cluster.session");
	if (access(path, F_OK))
		return false;
	session = json_object_from_file(path);
	guests = json_object_object_get(session, "guests");
	for (i = 0; !found && i < json_count(guests); i++)
		found = !strcmp(json_text(json_at(guests, i), "name"), name);
	found = found && !strcmp(json_text(session, "kind"), "restore");
	json_object_put(session);
	return found;
}

/* Only a recover, or the next operation, undoes what a killed process has left. */
static void tell_deserted(struct supervisor *supervisor)
{
	char path[PATH_MAX];
	int lock;

	if (supervisor->waits)
		return;
	lock = lock_file(rooted(path, sizeof(path), "/run/lparkit/cluster.lock"),
			 LOCK_EX | LOCK_NB);
	if (lock < 0)
		return;
	supervisor->waits = is_restored(supervisor->name);
	close(lock);
	if (supervisor->waits)
		err("LPAR %s: it was being restored, and nobody is at it any more: run 'lparctl cluster recover' on this host",
		    supervisor->name);
}

static int find(const char *name, struct process *process)
{
	struct lpar lpar;
	int ret = lpar_get(name, &lpar);

	if (!ret)
		ret = guest_find_process(&lpar, process);
	lpar_free(&lpar);
	return ret;
}

/* irqbalance brings interrupts back, as does a driver that is bound anew: each time, or once. */
static void call_off_interrupts(struct supervisor *supervisor, const struct lpar *lpar)
{
	int irq = irqs_strayed(lpar->name, lpar->cpus);

	if (irq >= 0 && !supervisor->strays)
		err("LPAR %s: interrupt %d may come to its CPUs again; it is moved off, but keep irqbalance off them",
		    lpar->name, irq);
	if (irq >= 0)
		irqs_move(lpar->name);
	supervisor->strays = irq >= 0;
}

/* One that stands as its disk was full tries again at every look, in case there is space now. */
static void try_again(struct supervisor *supervisor, const struct lpar *lpar)
{
	struct json_object *status = status_get(lpar);
	bool stands = !strcmp(json_text(status, "status"), GUEST_IO_ERROR);
	char *text = status_text(status);

	if (stands && !supervisor->stands)
		err("LPAR %s: its guest stands: %s", supervisor->name, text);
	if (!stands && supervisor->stands)
		say("%s: guest is %s", supervisor->name, text);
	supervisor->stands = stands;
	free(text);
	json_object_put(status);
	if (stands)
		guest_try_again(lpar);
}

static void look(struct supervisor *supervisor)
{
	struct lpar lpar;

	if (lpar_get(supervisor->name, &lpar))
		return;
	call_off_interrupts(supervisor, &lpar);
	try_again(supervisor, &lpar);
	lpar_free(&lpar);
}

static bool has_file(const char *name, const char *file)
{
	char path[PATH_MAX];
	struct stat st;

	/* Not what it leads to: some are where a user may write. */
	return !lstat(run_path(path, sizeof(path), name, file), &st);
}

/* Of one that an lparctl has started which gave QEMU no directory, it is beside the others. */
static bool has_pidfile(const char *name)
{
	return has_file(name, has_file(name, "qemu") ? "qemu/alive" : "qemu.pid");
}

int guest_note_watched(const char *name)
{
	char path[PATH_MAX];
	int fd = open(run_path(path, sizeof(path), name, "watched"), O_WRONLY | O_CREAT | O_CLOEXEC,
		      0600);
	int ret = fd < 0 ? -errno : 0;

	if (ret)
		err("LPAR %s: %s: %s", name, path, strerror(-ret));
	else
		close(fd);
	return ret;
}

static void forget_watched(const char *name)
{
	char path[PATH_MAX];

	unlink(run_path(path, sizeof(path), name, "watched"));
}

/*
 * One without QEMU has ended of itself: QEMU takes its pidfile away, and a QEMU that was killed
 * does not. What it had was not given back. Whoever asks has the lock.
 */
bool guest_ended_itself(const struct lpar *lpar)
{
	return lpar_is_fenced(lpar) && has_file(lpar->name, "lpar.conf") &&
	       !has_pidfile(lpar->name);
}

/* The same, and its supervisor was killed before. */
bool guest_ended_unseen(const struct lpar *lpar)
{
	return has_file(lpar->name, "watched") && guest_ended_itself(lpar);
}

/* Until it has ended, or we are to end. */
static void watch(struct supervisor *supervisor, const struct process *process)
{
	struct pollfd pfd = { .fd = process_open(process), .events = POLLIN };
	int status = 0, ended = pfd.fd == -ESRCH;

	guest_note_watched(supervisor->name);
	while (!ended && !interrupted()) {
		/* Where it has no descriptor it is looked for now and then. */
		ended = poll(&pfd, 1, LOOK_MS) == 1 || !process_lives(process);
		if (!ended && !interrupted())
			look(supervisor);
	}
	if (pfd.fd >= 0)
		close(pfd.fd);
	if (ended && process->pid == supervisor->child) {
		waitpid(supervisor->child, &status, 0);
		supervisor->child = 0;
	}
	supervisor->failed = status;
	supervisor->waits = false;
	supervisor->stands = false;
	supervisor->strays = false;
}

/* QEMU takes its pidfile away when it ends of itself, whoever has started it. */
static int give_back(const struct supervisor *supervisor, const struct lpar *lpar)
{
	bool failed = supervisor->failed || has_pidfile(lpar->name);
	const char *how;

	if (failed) {
		err("LPAR %s: QEMU has failed, or was killed", lpar->name);
		guest_show_log(lpar->name);
	} else {
		say("%s: guest has powered down", lpar->name);
	}
	return guest_stop(lpar, 0, failed ? GUEST_LOST : GUEST_STOPPED, &how) || failed
		       ? EXIT_FAILED
		       : EXIT_OK;
}

/* Unless there is a guest again; *code is the exit code then. */
static bool give_back_locked(const struct supervisor *supervisor, int *code)
{
	struct process process;
	struct lpar lpar;
	int lock = lpar_try_lock(supervisor->name);
	bool over = lock >= 0;

	if (!over)
		return false;
	/* One that was deleted has been given back. */
	if (!lpar_get(supervisor->name, &lpar)) {
		over = guest_find_process(&lpar, &process);
		if (over)
			*code = give_back(supervisor, &lpar);
	}
	lpar_free(&lpar);
	close(lock);
	return over;
}

/* There is no guest. Is there to be one, or is somebody at it? */
static bool finish(struct supervisor *supervisor, int *code)
{
	bool restored = is_restored(supervisor->name);
	struct process process;

	*code = EXIT_OK;
	/* In this order: a restore is over when its guest is there. */
	if (!find(supervisor->name, &process))
		return false;
	if (restored) {
		tell_deserted(supervisor);
		return false;
	}
	/* Somebody's stop has done all. The lock is left to who starts it next. */
	if (!has_file(supervisor->name, "lpar.conf"))
		return true;
	return give_back_locked(supervisor, code);
}

/*
 * Until the LPAR has no guest any more. The child is the QEMU that this process has started,
 * or 0 when it was another one. Signals are to be caught already. Returns an exit code.
 */
int guest_supervise(const char *name, pid_t child)
{
	struct supervisor supervisor = { .name = name, .child = child };
	struct process process;
	int code = EXIT_OK;

	tell_systemd("READY=1");
	while (!interrupted()) {
		if (!find(name, &process))
			watch(&supervisor, &process);
		else if (finish(&supervisor, &code))
			return code;
		else
			sleep_ms(WAIT_MS);
	}
	forget_watched(name);
	say("%s: guest runs on, and is watched no more", name);
	return EXIT_OK;
}
