// SPDX-License-Identifier: GPL-2.0
/*
 * One operation on the guests of this host, and how it is undone. What that
 * needs is kept in /run/lparkit/cluster.session, so that another process can
 * do it when this one is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "cluster/cluster.h"

/* For all netdevs of all guests to send on what they hold. */
#define DRAIN_TIMEOUT_NS (20 * NSEC_PER_SEC)
#define LOCK_TIMEOUT_NS (30 * (uint64_t)NSEC_PER_SEC)
/* For guests to be started by children that nobody waits for, as their process was killed. */
#define START_NS (10 * (uint64_t)NSEC_PER_SEC)

static const char *const kind_names[] = {
	[SESSION_NONE] = "none",   [SESSION_SAVE] = "save",   [SESSION_RESTORE] = "restore",
	[SESSION_LEAVE] = "leave", [SESSION_ENTER] = "enter",
};

static int lock_fd = -1;

static const char *session_path(char *buf, size_t size)
{
	return rooted(buf, size, "/run/lparkit/cluster.session");
}

/* A file of the directory that is being written or read. */
char *session_file(const struct session *session, const char *file)
{
	bool part = session->kind == SESSION_SAVE && !session->written;

	return xprintf("%s%s%s%s", session->dir, part ? ".part" : "", *file ? "/" : "", file);
}

/* One operation at a time on a host; one that is being undone ends soon. */
static int lock(void)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + LOCK_TIMEOUT_NS;
	char path[PATH_MAX];
	int ret;

	if (lock_fd >= 0)
		return 0;
	ret = make_dir(rooted(path, sizeof(path), "/run/lparkit"), 0755);
	if (ret) {
		err("%s: %s", path, strerror(-ret));
		return ret;
	}
	rooted(path, sizeof(path), "/run/lparkit/cluster.lock");
	while ((lock_fd = lock_file(path, LOCK_EX | LOCK_NB)) == -EWOULDBLOCK &&
	       now_ns(CLOCK_MONOTONIC) < deadline_ns)
		sleep_ms(100);
	if (lock_fd >= 0)
		return 0;
	if (lock_fd == -EWOULDBLOCK)
		err("another lparctl cluster is at work on this host");
	else
		err("%s: %s", path, strerror(-lock_fd));
	ret = lock_fd;
	lock_fd = -1;
	return ret;
}

/* Another process of ours takes it from here. */
void session_unlock(void)
{
	if (lock_fd >= 0)
		close(lock_fd);
	lock_fd = -1;
}

/* By a child that may outlive the operation: it keeps nobody from a lock, or a monitor. */
void session_forsake(struct session *session)
{
	size_t i;

	session_unlock();
	for (i = 0; i < session->n_guests; i++) {
		guest_disconnect(&session->guest[i]);
		/* Unlocked, it would be the parent's no more. */
		if (session->guest[i].lock >= 0)
			close(session->guest[i].lock);
		session->guest[i].lock = -1;
	}
}

/* --- the record of a session --- */

/* All that another process needs to know of it. */
struct json_object *guest_record(const struct guest *guest)
{
	struct json_object *json = json_object_new_object();
	struct json_object *all = json_object_new_array(), *ours = json_object_new_array();
	char boot[BOOT_ID_CHARS + 1];
	size_t i;

	json_put(json, "name", guest->name);
	json_put(json, "qmp", guest->monitor ? guest->monitor : "");
	json_put_s64(json, "pid", guest->process.pid);
	json_put_u64(json, "start", guest->process.start);
	json_put(json, "boot", boot_id(boot, sizeof(boot)));
	json_put_flag(json, "ran", guest->ran);
	json_put_flag(json, "stays_frozen", guest->stays_frozen);
	json_put_flag(json, "done", guest->done);
	json_put_flag(json, "closed", guest->closed);
	json_put_flag(json, "throttled", guest->throttled);
	json_put_flag(json, "pauses", guest->pauses);
	json_put_s64(json, "bandwidth", guest->bandwidth);
	json_put_s64(json, "downtime_ms", guest->downtime_ms);
	for (i = 0; i < guest->n_netdevs; i++)
		json_object_array_add(guest->netdev[i].ours ? ours : all,
				      json_object_new_string(guest->netdev[i].name));
	json_object_object_add(json, "attached", ours);
	json_object_object_add(json, "found", all);
	json_object_object_add(json, "volumes", guest_volumes(guest));
	return json;
}

/* Before each step that undo must know of. */
int session_store(const struct session *session)
{
	struct json_object *json = json_object_new_object();
	struct json_object *guests = json_object_new_array();
	char path[PATH_MAX];
	size_t i;
	int ret;

	json_put(json, "kind", kind_names[session->kind]);
	json_put(json, "id", session->id);
	json_put(json, "name", session->name);
	json_put(json, "dir", session->dir ? session->dir : "");
	json_put_u64(json, "deadline_ns", session->deadline_ns);
	json_put_flag(json, "gated", session->gated);
	json_put_flag(json, "halting", session->halting);
	json_put_flag(json, "writing", session->writing);
	json_put_flag(json, "apart", session->apart);
	json_put_flag(json, "taken", session->taken);
	json_put_flag(json, "written", session->written);
	json_put_flag(json, "kept", session->kept);
	for (i = 0; i < session->n_guests; i++)
		json_object_array_add(guests, guest_record(&session->guest[i]));
	json_object_object_add(json, "guests", guests);
	json_object_object_add(json, "others", json_object_get(session->others));
	ret = saved_store(session_path(path, sizeof(path)), json);
	json_object_put(json);
	return ret;
}

/* Is a guest of this name one of its? */
bool session_has(const struct session *session, const char *name)
{
	size_t i;

	for (i = 0; i < session->n_guests; i++)
		if (!strcmp(session->guest[i].name, name))
			return true;
	return false;
}

/* Valid until the next one is added. */
struct guest *session_add(struct session *session, const char *name)
{
	size_t n = session->n_guests;
	struct guest *guest;

	session->guest = xrealloc(session->guest, (n + 1) * sizeof(*session->guest));
	guest = &session->guest[n];
	memset(guest, 0, sizeof(*guest));
	guest->session = session;
	guest->lock = -1;
	guest->disks = json_object_new_array();
	guest->warnings = json_object_new_array();
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	session->n_guests++;
	return guest;
}

/* And back. */
void session_add_recorded(struct session *session, struct json_object *json)
{
	struct json_object *ours = json_object_object_get(json, "attached");
	struct json_object *found = json_object_object_get(json, "found");
	struct json_object *volumes = json_object_object_get(json, "volumes");
	struct guest *guest = session_add(session, json_text(json, "name"));
	char boot[BOOT_ID_CHARS + 1];
	size_t i;

	if (*json_text(json, "qmp"))
		guest->monitor = xstrdup(json_text(json, "qmp"));
	guest->process.pid = json_number(json, "pid");
	guest->process.start = json_number(json, "start");
	/* After a reboot that may be anybody. */
	if (*json_text(json, "boot") &&
	    strcmp(json_text(json, "boot"), boot_id(boot, sizeof(boot))))
		guest->process.pid = 0;
	guest->stays_frozen = json_flag(json, "stays_frozen");
	guest->done = json_flag(json, "done");
	guest->closed = json_flag(json, "closed");
	guest->throttled = json_flag(json, "throttled");
	guest->ran = json_flag(json, "ran");
	guest->pauses = json_flag(json, "pauses");
	guest->bandwidth = json_number(json, "bandwidth");
	guest->downtime_ms = json_number(json, "downtime_ms");
	for (i = 0; i < json_count(ours); i++)
		guest_add_netdev(guest, json_text_at(ours, i), true);
	for (i = 0; !guest->done && i < json_count(found); i++)
		guest_add_netdev(guest, json_text_at(found, i), false);
	for (i = 0; i < json_count(volumes); i++)
		guest_add_volume(guest, json_text_at(volumes, i));
}

static enum session_kind kind_of(const char *name)
{
	int kind = find_word(kind_names, ARRAY_SIZE(kind_names), name);

	return kind < 0 ? SESSION_NONE : (enum session_kind)kind;
}

static void set_name(struct session *session, const char *name)
{
	snprintf(session->name, sizeof(session->name), "%s", name);
	session->state = xprintf("cluster-%s", name);
}

/* What a killed process has left. */
static void session_restore(struct session *session, struct json_object *json)
{
	struct json_object *guests = json_object_object_get(json, "guests");
	size_t i;

	session->kind = kind_of(json_text(json, "kind"));
	snprintf(session->id, sizeof(session->id), "%s", json_text(json, "id"));
	set_name(session, json_text(json, "name"));
	session->dir = xstrdup(json_text(json, "dir"));
	session->deadline_ns = json_number(json, "deadline_ns");
	session->gated = json_flag(json, "gated");
	session->halting = json_flag(json, "halting");
	session->writing = json_flag(json, "writing");
	session->apart = json_flag(json, "apart");
	session->prepared = true; /* or it would be on no record */
	session->taken = json_flag(json, "taken");
	session->written = json_flag(json, "written");
	session->kept = json_flag(json, "kept");
	session->others = json_object_get(json_object_object_get(json, "others"));
	for (i = 0; i < json_count(guests); i++)
		session_add_recorded(session, json_at(guests, i));
	for (i = 0; i < session->n_guests; i++) {
		guest_look(&session->guest[i]);
		if (!session->guest[i].done)
			guest_find_netdevs(&session->guest[i]);
	}
}

/* --- beginning, undoing, ending --- */

struct find {
	struct session *session;
	struct json_object *names;
	struct json_object *monitors;
	int ret;
};

/* Who runs outside of its LPAR can be neither stopped at the instant nor held. */
static int check_outside(const char *name)
{
	struct process process;

	if (guest_find_noted(name, &process))
		return 0;
	err("guest %s: its QEMU, pid %d, runs outside of its LPAR: 'lparctl stop %s' ends it", name,
	    process.pid, name);
	return -EBUSY;
}

static int find_one(const struct lpar *lpar, void *data)
{
	struct find *find = data;
	const char *monitor = json_text(find->monitors, lpar->name);
	struct guest *guest;

	if (json_count(find->names) && !json_is_among(find->names, lpar->name))
		return 0;
	if (!lpar_guest_pid(lpar) && !*monitor) {
		find->ret = find->ret ? find->ret : check_outside(lpar->name);
		if (lpar->n_members)
			json_object_array_add(find->session->left_out,
					      json_object_new_string(lpar->name));
		return 0;
	}
	guest = session_add(find->session, lpar->name);
	if (!lpar_guest_pid(lpar))
		guest->monitor = xstrdup(monitor);
	return 0;
}

/* Guests that run and are in the array of names; all when that is empty. */
int session_find_guests(struct session *session, struct json_object *names,
			struct json_object *monitors)
{
	struct find find = { session, names, monitors, 0 };
	size_t i;
	int ret;

	session->left_out = json_object_new_array();
	ret = lpar_for_each(find_one, &find);
	if (ret)
		return nl_fail("list", ret);
	ret = find.ret;
	for (i = 0; !ret && i < session->n_guests; i++) {
		struct guest *guest = &session->guest[i];

		ret = guest_find(guest);
		if (ret && guest->monitor)
			err("guest %s: whoever listens at %s is no member of its LPAR", guest->name,
			    guest->monitor);
		if (!ret)
			ret = guest_claim(guest);
		if (!ret)
			ret = guest_lock(guest);
		if (!ret)
			ret = guest_find_netdevs(guest);
		if (!ret)
			ret = guest_find_volumes(guest);
	}
	return ret;
}

static void free_guests(struct session *session)
{
	size_t i, j;

	for (i = 0; i < session->n_guests; i++) {
		struct guest *guest = &session->guest[i];

		guest_disconnect(guest);
		guest_unlock(guest);
		for (j = 0; j < guest->n_volumes; j++)
			free(guest->volume[j]);
		free(guest->volume);
		free(guest->netdev);
		free(guest->monitor);
		json_object_put(guest->disks);
		json_object_put(guest->warnings);
	}
	free(session->guest);
	session->guest = NULL;
	session->n_guests = 0;
}

static void clear_session(struct session *session)
{
	free_guests(session);
	free(session->state);
	session->state = NULL;
	free(session->dir);
	session->dir = NULL;
	json_object_put(session->left_out);
	session->left_out = NULL;
	json_object_put(session->others);
	session->others = NULL;
	session->kind = SESSION_NONE;
	session->has_frames = session->gated = session->halting = session->writing = false;
	session->starts = session->apart = session->prepared = session->taken = false;
	session->written = session->kept = false;
	session->unwanted[0] = 0;
	session->cut = 0;
	session->deadline_ns = 0;
	/* Who has it passes for the owner of what is on record under that id. */
	unsetenv(SESSION_VARIABLE);
}

/* Nothing is left to be undone. What is on record may be another's if there is no session. */
void session_end(struct session *session)
{
	char path[PATH_MAX];

	if (session->kind != SESSION_NONE) {
		session_stage(session, 0, "", 0);
		unlink(session_path(path, sizeof(path)));
	}
	clear_session(session);
}

static void new_id(struct session *session)
{
	uint64_t number = now_ns(CLOCK_REALTIME);

	getrandom(&number, sizeof(number), GRND_NONBLOCK);
	snprintf(session->id, sizeof(session->id), "%0*" PRIx64, SESSION_ID_CHARS, number);
}

/* An operation of that name, unless there is one. */
int session_open(struct session *session, enum session_kind kind, const char *name)
{
	int ret;

	if (session->kind != SESSION_NONE) {
		err("an operation is under way already");
		return -EBUSY;
	}
	if (!name_is_valid(name)) {
		err("not a valid name");
		return -EINVAL;
	}
	ret = session_recover(session);
	if (ret)
		return ret;
	session->kind = kind;
	new_id(session);
	session->cancelled = false;
	set_name(session, name);
	return 0;
}

/* A request has "name", "dir" and "host". */
int session_begin(struct session *session, enum session_kind kind, struct json_object *request)
{
	const char *name = json_text(request, "name"), *host = json_text(request, "host");
	int ret;

	if (!*host || strchr(host, '/') || *host == '.' || *json_text(request, "dir") != '/') {
		err("not a valid host or directory");
		return -EINVAL;
	}
	ret = session_open(session, kind, name);
	if (ret)
		return ret;
	session->dir = xprintf("%s/%s/%s", json_text(request, "dir"), name, host);
	return 0;
}

/* What was saved so far. */
static int remove_saved(const struct session *session)
{
	char *path;
	int ret;

	if (!session->prepared)
		return 0;
	path = session_file(session, "");
	ret = remove_dir(path);
	free(path);
	if (session->written) {
		path = xprintf("%s.part", session->dir);
		ret = remove_dir(path) || ret ? -EIO : 0;
		free(path);
	}
	return ret;
}

/* Of guests that were paused, and are there. */
static void close_gates_of_paused(struct session *session)
{
	size_t i;

	/* Should one not close, its guest is told to go on and to stand again all the same. */
	for (i = 0; i < session->n_guests; i++) {
		const struct guest *guest = &session->guest[i];

		/* Our time-out would take the place of its user's. */
		if (guest->pid && !guest->ran && !guest->done && !guest->stays_frozen)
			gate_close(guest->name, GATE_GRACE_MS);
	}
}

void session_open_gates(struct session *session, bool of_paused)
{
	size_t i;

	for (i = 0; i < session->n_guests; i++)
		if (session->guest[i].pid && session->guest[i].ran != of_paused)
			nl_simple(LPAR_CMD_GATE_OPEN, session->guest[i].name);
}

/* Once it goes on that is on record, whatever becomes of the others. */
static void let_go(struct guest *guest)
{
	bool is_ours = guest->pid;

	if (guest->done)
		return;
	/* The gate of one that is gone may be another's by now. */
	if (!is_ours && !guest_find(guest)) {
		guest->pid = 0;
		return;
	}
	if (!guest->stays_frozen)
		nl_simple(LPAR_CMD_GATE_OPEN, guest->name);
	guest_drain(guest);
	if (guest->session->apart)
		guest_rejoin_cuts(guest);
	guest->done = !guest->ret;
	session_store(guest->session);
}

/* Whoever was paused stays so; a guest whose QEMU is stuck keeps no other one standing. */
int session_go_on(struct session *session)
{
	size_t i;
	int ret;

	/* One that another lparctl has got hold of is told of as the others go on. */
	for (i = 0; i < session->n_guests; i++)
		if (session->guest[i].pid && !session->guest[i].done)
			guest_lock(&session->guest[i]);
	close_gates_of_paused(session);
	session->done = let_go;
	ret = session_each(session, guest_go_on, 0, "cannot go on");
	session->done = NULL;
	return ret;
}

/*
 * Gates open at the instant, whatever a QEMU does that has no time: frames wait until it has
 * answered that its guest runs. session->apart is on record by now.
 */
int session_keep_frames(struct session *session)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < session->n_guests; i++)
		ret = guest_leave_cuts(&session->guest[i]);
	return ret;
}

/*
 * Frames that we have held go on, those of all guests at once; then buffers go that were not
 * there before.
 */
void session_detach(struct session *session)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + DRAIN_TIMEOUT_NS;
	bool held = session->gated || session->kind == SESSION_RESTORE;
	size_t i;

	for (i = 0; held && i < session->n_guests; i++)
		if (!session->guest[i].done)
			guest_drain(&session->guest[i]);
	for (i = 0; held && i < session->n_guests; i++)
		while (!guest_is_drained(&session->guest[i]) &&
		       now_ns(CLOCK_MONOTONIC) < deadline_ns)
			sleep_ms(5);
	for (i = 0; i < session->n_guests; i++) {
		if (session->apart && !session->guest[i].done)
			guest_rejoin_cuts(&session->guest[i]);
		guest_detach(&session->guest[i]);
	}
}

/* They are as they were, unless that has failed for some. */
static int note_guests_done(struct session *session, int failure)
{
	int ret;

	if (!failure)
		session->gated = session->halting = session->writing = false;
	ret = session_store(session);
	return failure ? failure : ret;
}

/* Disks come last: who waits for them in vain has guests that run. */
static int undo_save(struct session *session)
{
	bool gated = session->gated, unwanted = !strcmp(session->unwanted, session->name);
	/* A guest that is deaf from the start has nothing to be told. */
	int ret = gated ? session_go_on(session) : 0, more = 0;

	session_detach(session);
	if (unwanted)
		session->kept = false; /* on record as well: a store may be silent just now */
	if (gated || unwanted)
		ret = note_guests_done(session, ret);
	if (session->deadline_ns)
		more = disks_forget_cut(session);
	if (!session->kept) {
		if (!more)
			more = disks_forget(session);
		if (remove_saved(session))
			more = more ? more : -EIO;
	}
	return ret ? ret : more;
}

/* The guests end; nobody is there any more for the frames that are held. */
int session_end_guests(struct session *session)
{
	size_t i;
	int ret;

	/* The caller is not listened to any more: this is to be finished. */
	session->idle = NULL;
	ret = session_each(session, guest_end, 0, "cannot be stopped");
	for (i = 0; i < session->n_guests; i++)
		guest_flush(&session->guest[i]);
	session_detach(session);
	return ret;
}

/* Guests may have ended since. Threads must not do this: there is one netlink socket. */
void session_look(struct session *session)
{
	size_t i;

	for (i = 0; i < session->n_guests; i++)
		guest_look(&session->guest[i]);
}

/* One that fires now would close what is to be opened. */
static void cancel_cut(const struct session *session)
{
	size_t i;

	for (i = 0; session->gated && i < session->n_guests; i++)
		cut_cancel_of(session->guest[i].name, session->deadline_ns);
}

/*
 * Before the cut has closed any gate, one that is closed is so by its user, who may have frozen the
 * guest when all had been looked at.
 */
static void note_frozen_before(struct session *session)
{
	size_t i;

	if (session->kind != SESSION_SAVE || !session->gated || session->halting ||
	    now_ns(CLOCK_REALTIME) >= session->deadline_ns)
		return;
	for (i = 0; i < session->n_guests; i++)
		session->guest[i].stays_frozen = guest_is_frozen(session->guest[i].name);
}

static int await_start(struct guest *guest, uint64_t deadline_ns)
{
	int lock;

	while ((lock = lpar_try_lock(guest->name)) == -EWOULDBLOCK &&
	       now_ns(CLOCK_MONOTONIC) < deadline_ns)
		sleep_ms(50);
	if (lock == -EWOULDBLOCK) {
		err("LPAR %s: it is being started still: run 'lparctl cluster recover' on this host later",
		    guest->name);
		return -EBUSY;
	}
	if (lock >= 0)
		close(lock);
	guest_look(guest);
	guest_find_netdevs(guest);
	return 0;
}

/* Whom nobody has waited for may be there only later, and then on no record. */
static int await_starts(struct session *session)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + START_NS;
	size_t i;
	int ret = 0, late;

	for (i = 0; i < session->n_guests; i++) {
		if (session->guest[i].process.start || !name_is_valid(session->guest[i].name))
			continue;
		late = await_start(&session->guest[i], deadline_ns);
		ret = ret ? ret : late;
	}
	return ret;
}

/* Who has come ends, whomever else we still wait for. */
static int undo_restore(struct session *session)
{
	int late = session->starts ? await_starts(session) : 0;
	int ret = session_end_guests(session);

	return ret ? ret : late;
}

/*
 * Everything is as it was before. What cannot be undone now, such as the stop of a
 * guest that does not answer, stays on record for another try.
 */
int session_undo(struct session *session)
{
	char path[PATH_MAX];
	int ret = 0;

	/* The caller is not listened to any more: this is to be finished. */
	session->idle = NULL;
	session->cancelled = false;
	session_look(session);
	cancel_cut(session);
	note_frozen_before(session);
	if (session->kind == SESSION_SAVE)
		ret = undo_save(session);
	else if (session->kind == SESSION_RESTORE)
		ret = undo_restore(session);
	else if (session->kind == SESSION_LEAVE)
		ret = leave_undo(session);
	else if (session->kind == SESSION_ENTER)
		ret = enter_undo(session);
	/* What is undone by now is not to be undone once more: it may be somebody else's then. */
	if (ret && !access(session_path(path, sizeof(path)), F_OK))
		session_store(session);
	if (ret)
		clear_session(session);
	else
		session_end(session);
	return ret;
}

/*
 * The same, and for what has stayed on record because it could not be undone; but only who has
 * been let in by hello may touch that.
 */
int session_abort(struct session *session)
{
	if (session->kind != SESSION_NONE)
		return session_undo(session);
	return lock_fd < 0 ? 0 : session_recover(session);
}

/* The guests are saved and wanted no more. */
int session_discard(struct session *session)
{
	int ret;

	session_look(session);
	ret = session_end_guests(session);
	session_end(session);
	return ret;
}

/* Undo what a killed process has left behind on this host, if anything. */
int session_recover(struct session *session)
{
	struct json_object *json;
	char path[PATH_MAX];
	int ret = lock();

	if (ret)
		return ret;
	session_path(path, sizeof(path));
	if (access(path, F_OK))
		return 0;
	json = json_object_from_file(path);
	if (kind_of(json_text(json, "kind")) == SESSION_NONE) {
		json_object_put(json);
		err("%s: damaged: look at 'lparctl list' and 'lparctl netbuf show', then remove it",
		    path);
		return -EBADMSG;
	}
	session_restore(session, json);
	json_object_put(json);
	if (session->kind == SESSION_RESTORE || session->kind == SESSION_ENTER)
		ret = await_starts(session);
	if (!ret)
		return session_undo(session);
	clear_session(session);
	return ret;
}
