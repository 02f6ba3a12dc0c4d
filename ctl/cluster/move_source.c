// SPDX-License-Identifier: GPL-2.0
/*
 * The host that a guest leaves: its memory is copied while it runs, then it stands, and what
 * is left goes over. Until the decision is on record all of that can be undone; after it
 * nothing here lets the guest run. Documentation/migrate.md has the order of the requests.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "throttle/throttle.h"

/* Between looks at QEMU, which are few while it copies, and at whether it is given up. */
#define POLL_MS 10
#define HALT_POLL_MS 2
#define LISTEN_ROUNDS 10
#define SHOW_NS (500 * (uint64_t)NSEC_PER_MSEC)
#define WATCHDOG_MS 10000
/* So many passes without coming nearer to the end are slow. */
#define SLOW_PASSES 10
/* For a guest that stands to be sent, in ms: as long as the operator waits. */
#define DOWNTIME_MOST_MS 2000000
/* A request with so much in it has room in a pipe. */
#define CHUNK_BYTES (24 << 10)
#define CONFIG_MOST_BYTES (32 << 10)

enum { STAGE_COPY = 6, STAGE_PASSES = 7, STAGE_STOP = 8, STAGE_REST = 9 };

/* One answer to query-migrate. */
struct progress {
	char status[24];
	uint64_t passes; /* begun */
	uint64_t total, remaining, sent; /* bytes */
	uint64_t rate; /* bytes per second that are transferred */
	uint64_t downtime_ms; /* the guest's stop, as QEMU saw it */
	char why[160];
};

/* What the operator wants of a copy. */
struct wanted {
	uint64_t downtime_ms;
	bool throttled;
	bool patient; /* also when it is slow */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
};

static struct guest *the_guest(const struct session *session)
{
	return &session->guest[0];
}

/* What a step in the guest's own words has failed of. */
static int failed(struct guest *guest, const char *doing, int ret)
{
	if (ret)
		err("guest %s: %s: %s", guest->name, doing,
		    *guest->why ? guest->why : strerror(-ret));
	return ret;
}

static char *frames_path(const struct guest *guest)
{
	char path[PATH_MAX];

	return xstrdup(run_path(path, sizeof(path), guest->name, "moved.pcapng"));
}

/* --- before anything is touched --- */

static int check_lpar(struct guest *guest)
{
	struct lpar lpar;
	int ret = lpar_get(guest->name, &lpar);

	if (ret) {
		lpar_fail(guest->name, ret);
	} else if (!lpar_guest_pid(&lpar)) {
		err("LPAR %s runs no guest that 'lparctl start' has started", guest->name);
		ret = -ENOENT;
	} else if (lpar.gate == LPAR_GATE_CLOSED) {
		err("LPAR %s is frozen: run 'lparctl thaw %s' first", guest->name, guest->name);
		ret = -EBUSY;
	} else if (lpar.n_disks) {
		err("guest %s has disk %s: guests with disks cannot be moved yet, whether by Fibre Channel, relocated or shared",
		    guest->name, lpar.disk[0]);
		ret = -EOPNOTSUPP;
	}
	lpar_free(&lpar);
	return ret;
}

/* The description that it was started with, for the other host; NULL, with a message. */
static char *read_config(const struct guest *guest)
{
	char path[PATH_MAX], *text = xalloc(CONFIG_MOST_BYTES);
	int ret;

	run_path(path, sizeof(path), guest->name, "moved.lpar");
	ret = guest_copy_config(guest, path);
	if (!ret)
		ret = read_text(path, text, CONFIG_MOST_BYTES);
	unlink(path);
	if (!ret && strlen(text) == CONFIG_MOST_BYTES - 1) {
		err("guest %s: its description is too long", guest->name);
		ret = -E2BIG;
	}
	if (!ret)
		return text;
	free(text);
	return NULL;
}

/* leave: {name} -> what the other host needs to know; nothing is touched */
int leave_begin(struct session *session, struct json_object *request, struct json_object **result)
{
	int ret = session_open(session, SESSION_LEAVE, json_text(request, "name"));
	struct guest *guest;
	char *config = NULL;

	if (ret)
		return ret;
	guest = session_add(session, session->name);
	ret = check_lpar(guest);
	if (!ret)
		ret = guest_lock(guest);
	if (!ret)
		ret = guest_find(guest);
	if (!ret)
		ret = guest_claim(guest);
	if (!ret)
		ret = guest_find_netdevs(guest);
	if (!ret)
		ret = failed(guest, "no monitor", guest_connect(guest));
	if (!ret)
		ret = failed(guest, "cannot be moved", guest_inspect(guest));
	if (!ret)
		config = read_config(guest);
	if (!ret && !config)
		ret = -EIO;
	if (ret)
		return ret;
	*result = json_object_new_object();
	json_put(*result, "id", session->id);
	json_put_u64(*result, "memory", guest->memory);
	json_put(*result, "qemu", guest->qemu);
	json_put(*result, "machine", guest->machine);
	json_put(*result, "config", config);
	json_object_object_add(*result, "ran", json_object_new_boolean(guest->ran));
	json_object_object_add(*result, "warnings", json_object_get(guest->warnings));
	free(config);
	return 0;
}

/* --- copying --- */

static int query(struct guest *guest, struct progress *progress)
{
	struct json_object *info, *ram;
	int ret = guest_call(guest, "query-migrate", NULL, -1, &info);

	if (ret)
		return failed(guest, "copying", ret);
	ram = json_object_object_get(info, "ram");
	memset(progress, 0, sizeof(*progress));
	snprintf(progress->status, sizeof(progress->status), "%s", json_text(info, "status"));
	snprintf(progress->why, sizeof(progress->why), "%s", json_text(info, "error-desc"));
	progress->passes = json_number(ram, "dirty-sync-count");
	progress->total = json_number(ram, "total");
	progress->remaining = json_number(ram, "remaining");
	progress->sent = json_number(ram, "transferred");
	progress->rate = json_object_get_double(json_object_object_get(ram, "mbps")) * 1e6 / 8;
	progress->downtime_ms = json_number(info, "downtime");
	json_object_put(info);
	return 0;
}

static bool is(const struct progress *progress, const char *status)
{
	return !strcmp(progress->status, status);
}

/* That long the guest would stand if it stood now. */
static uint64_t estimate_ms(const struct progress *progress)
{
	return progress->rate ? progress->remaining * 1000 / progress->rate : UINT64_MAX;
}

static void show(struct guest *guest, unsigned int number, const char *text,
		 const struct progress *progress)
{
	struct json_object *json = json_object_new_object();
	uint64_t done = progress->total - progress->remaining;
	struct stage stage = {
		.number = number,
		.progress = progress->total ? done * 100 / progress->total : 0,
		.transfer_rate = progress->rate,
		.dirty_bytes = progress->remaining,
	};

	snprintf(stage.text, sizeof(stage.text), "%s", text);
	stage_set(guest->name, &stage, LPAR_STATE_MIGRATING, true);
	json_put(json, "doing", text);
	json_put_u64(json, "stage", number);
	json_put_u64(json, "pass", progress->passes);
	json_put_u64(json, "transfer_rate", progress->rate);
	json_put_u64(json, "dirty_bytes", progress->remaining);
	execd_progress(json);
}

static int set_parameter(struct guest *guest, const char *key, int64_t value)
{
	struct json_object *parameters = json_object_new_object();

	json_put_s64(parameters, key, value);
	return guest_call(guest, "migrate-set-parameters", parameters, -1, NULL);
}

/* QEMU stands still before the disks are let go, until it is told to go on. */
static int set_pause(struct guest *guest, bool on)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *list = json_object_new_array(), *one = json_object_new_object();

	json_put(one, "capability", "pause-before-switchover");
	json_object_object_add(one, "state", json_object_new_boolean(on));
	json_object_array_add(list, one);
	json_object_object_add(arguments, "capabilities", list);
	return guest_call(guest, "migrate-set-capabilities", arguments, -1, NULL);
}

/* Where it goes to is on record before a byte does. */
static int record_leave(struct session *session, struct json_object *request)
{
	struct json_object *record = json_object_new_object();
	int ret;

	json_put(record, "role", "source");
	json_put(record, "id", session->id);
	json_put(record, "name", session->name);
	json_put(record, "peer", json_text(request, "to"));
	json_put(record, "decision", "");
	json_put_s64(record, "caller", json_number(request, "caller"));
	json_put_u64(record, "caller_start", json_number(request, "caller_start"));
	json_object_object_add(record, "guest", guest_record(the_guest(session)));
	setenv(SESSION_VARIABLE, session->id, 1);
	ret = move_store(session->name, record);
	json_object_put(record);
	return ret;
}

static int begin_copy(struct session *session, struct json_object *request,
		      const struct wanted *wanted)
{
	struct guest *guest = the_guest(session);
	struct json_object *uri = json_object_new_object();
	int64_t bandwidth = json_number(request, "bandwidth");
	char *text = xprintf("tcp:%s:%u", json_text(request, "address"),
			     (unsigned int)json_number(request, "port"));
	int ret = set_pause(guest, true);

	json_put(uri, "uri", text);
	free(text);
	if (!ret)
		ret = guest_set_bandwidth(guest, bandwidth ? bandwidth : INT64_MAX);
	if (!ret)
		ret = set_parameter(guest, "downtime-limit", wanted->downtime_ms);
	if (ret) {
		json_object_put(uri);
		return failed(guest, "copying", ret);
	}
	guest->migrates = true;
	return failed(guest, "copying", guest_call(guest, "migrate", uri, -1, NULL));
}

static int engage(const struct guest *guest, struct json_object *request, struct wanted *wanted)
{
	uint64_t limit = json_number(request, "limit");
	int ret;

	if (!strcmp(json_text(request, "throttle"), "off"))
		return 0;
	ret = nl_available(&nl_throttle) ? throttle_engage(guest->pid, limit, 0, WATCHDOG_MS)
					 : -EOPNOTSUPP;
	wanted->throttled = !ret;
	/* Without, it may still end; but who has asked for a limit has one. */
	if (!limit || !ret)
		return 0;
	err("guest %s: cannot be throttled: %s", guest->name,
	    ret == -EOPNOTSUPP ? "dirtythrottle is not loaded" : nl_text(ret));
	return ret;
}

/* Is it over but for the guest's stop, or for good? */
static int look(const struct guest *guest, const struct progress *progress,
		const struct wanted *wanted)
{
	if (is(progress, "failed") || is(progress, "cancelled") || is(progress, "none")) {
		err("guest %s: its copy has failed: %s", guest->name,
		    *progress->why ? progress->why : progress->status);
		return -EIO;
	}
	if (!wanted->patient && progress->passes > SLOW_PASSES) {
		err("guest %s dirties its memory faster than it is transferred: %" PRIu64
		    " passes, %" PRIu64
		    " MiB left: a lower --limit, more --bandwidth or --downtime may help",
		    guest->name, progress->passes, progress->remaining >> 20);
		return -EAGAIN;
	}
	if (now_ns(CLOCK_MONOTONIC) > wanted->deadline_ns) {
		err("guest %s: not copied in time: %" PRIu64 " passes, %" PRIu64 " MiB left",
		    guest->name, progress->passes, progress->remaining >> 20);
		return -ETIMEDOUT;
	}
	return 0;
}

/* Listening takes a while itself. */
static int listen_to_caller(struct session *session, unsigned int *rounds)
{
	if ((*rounds)++ % LISTEN_ROUNDS || session->idle(session))
		return 0;
	err("given up");
	return -ECANCELED;
}

/* Until so little is left that the guest stands no longer than it may. */
static int copy(struct session *session, const struct wanted *wanted, struct progress *progress)
{
	struct guest *guest = the_guest(session);
	uint64_t shown_ns = 0, passes = 0, now;
	unsigned int rounds = 0;
	int ret;

	for (;;) {
		ret = query(guest, progress);
		if (!ret && is(progress, "pre-switchover"))
			return 0;
		/* What a pass has to send is known as it begins; later it dirties more. */
		if (!ret && progress->passes > passes && progress->passes > 1 &&
		    estimate_ms(progress) <= wanted->downtime_ms)
			return 0;
		passes = progress->passes;
		if (!ret)
			ret = look(guest, progress, wanted);
		if (!ret)
			ret = listen_to_caller(session, &rounds);
		if (ret)
			return ret;
		now = now_ns(CLOCK_MONOTONIC);
		if (now > shown_ns + SHOW_NS) {
			shown_ns = now;
			if (wanted->throttled)
				throttle_beat(guest->pid, passes > 1 ? progress->rate : 0);
			show(guest, passes > 1 ? STAGE_PASSES : STAGE_COPY, "copying memory",
			     progress);
		}
		sleep_ms(POLL_MS);
	}
}

/*
 * copy: {to, address, port, downtime_ms, bandwidth, throttle, limit, patient, timeout_ns,
 * caller, caller_start} -> {passes, estimate_ms}
 */
int leave_copy(struct session *session, struct json_object *request, struct json_object **result)
{
	struct guest *guest = the_guest(session);
	struct wanted wanted = {
		.downtime_ms = json_number(request, "downtime_ms"),
		.patient = json_flag(request, "patient"),
		.deadline_ns = now_ns(CLOCK_MONOTONIC) + json_number(request, "timeout_ns"),
	};
	struct progress progress = { .status = "" };
	int ret;

	if (session->kind != SESSION_LEAVE)
		return -EPROTO;
	session->gated = session->writing = true;
	ret = record_leave(session, request);
	if (!ret)
		ret = session_store(session);
	if (!ret)
		ret = guest_attach(guest);
	/* Once more, with what is attached. */
	if (!ret)
		ret = record_leave(session, request);
	if (!ret)
		ret = engage(guest, request, &wanted);
	if (!ret)
		ret = begin_copy(session, request, &wanted);
	if (!ret)
		ret = copy(session, &wanted, &progress);
	if (ret)
		return ret;
	*result = json_object_new_object();
	json_put_u64(*result, "passes", progress.passes);
	json_put_u64(*result, "remaining", progress.remaining);
	json_put_u64(*result, "transfer_rate", progress.rate);
	return 0;
}

/* --- standing --- */

static void end_throttle(const struct guest *guest)
{
	if (guest->pid && nl_available(&nl_throttle))
		throttle_release(guest->pid);
}

/* An LPAR that is gone by now has none. */
static void end_stage(const struct guest *guest)
{
	const struct stage none = { .text = "" };

	stage_set(guest->name, &none, LPAR_STATE_ACTIVE, false);
}

static int wait_for(struct session *session, const char *status, struct progress *progress)
{
	struct guest *guest = the_guest(session);
	const struct wanted wanted = { .patient = true, .deadline_ns = UINT64_MAX };
	unsigned int rounds = 1;
	int ret = query(guest, progress);

	while (!ret && !is(progress, status)) {
		ret = look(guest, progress, &wanted);
		if (!ret)
			ret = listen_to_caller(session, &rounds);
		sleep_ms(HALT_POLL_MS);
		if (!ret)
			ret = query(guest, progress);
	}
	return ret;
}

/* halt: nothing comes in or goes out, no vCPU executes, and QEMU stops the guest */
int leave_stop(struct session *session, struct json_object *request, struct json_object **result)
{
	struct guest *guest = the_guest(session);
	struct progress progress = { .status = "" };
	int ret;

	(void)request;
	(void)result;
	if (session->kind != SESSION_LEAVE)
		return -EPROTO;
	ret = guest_hold(guest);
	if (!ret) {
		ret = gate_close(guest->name, GATE_GRACE_MS);
		if (ret)
			lpar_fail(guest->name, ret);
	}
	if (!ret)
		ret = failed(guest, "stopping",
			     set_parameter(guest, "downtime-limit", DOWNTIME_MOST_MS));
	if (!ret)
		ret = wait_for(session, "pre-switchover", &progress);
	if (!ret)
		show(guest, STAGE_STOP, "stopped", &progress);
	return ret;
}

static int go_over(struct guest *guest)
{
	struct json_object *arguments = json_object_new_object();

	json_put(arguments, "state", "pre-switchover");
	return failed(guest, "the rest",
		      guest_call(guest, "migrate-continue", arguments, -1, NULL));
}

/* finish: the rest of its memory and its devices -> {sent, downtime_ms, frames} */
int leave_finish(struct session *session, struct json_object *request, struct json_object **result)
{
	struct guest *guest = the_guest(session);
	struct progress progress = { .status = "" };
	char **names = xalloc((guest->n_netdevs + 1) * sizeof(*names));
	uint64_t *frames = xalloc((guest->n_netdevs + 1) * sizeof(*frames)), all = 0;
	char *path = frames_path(guest);
	size_t i;
	int ret = session->kind == SESSION_LEAVE ? go_over(guest) : -EPROTO;

	(void)request;
	if (!ret)
		ret = wait_for(session, "completed", &progress);
	for (i = 0; i < guest->n_netdevs; i++)
		names[i] = guest->netdev[i].name;
	if (!ret && guest->n_netdevs && netbuf_save(path, names, guest->n_netdevs, frames))
		ret = -EIO;
	for (i = 0; !ret && i < guest->n_netdevs; i++)
		all += frames[i];
	if (!ret) {
		show(guest, STAGE_REST, "all is sent", &progress);
		*result = json_object_new_object();
		json_put_u64(*result, "sent", progress.sent);
		json_put_u64(*result, "passes", progress.passes);
		json_put_u64(*result, "downtime_ms", progress.downtime_ms);
		json_put_u64(*result, "frames", all);
		json_object_object_add(*result, "has_frames",
				       json_object_new_boolean(guest->n_netdevs));
	}
	free(path);
	free(frames);
	free(names);
	return ret;
}

/* held: {offset} -> {data, over}: a part of the file of held frames */
int leave_frames(struct session *session, struct json_object *request, struct json_object **result)
{
	unsigned char data[CHUNK_BYTES], text[CHUNK_BYTES / 3 * 4 + 1];
	char *path = frames_path(the_guest(session));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : pread(fd, data, sizeof(data), json_number(request, "offset"));
	int ret = len < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (ret) {
		err("%s: %s", path, strerror(-ret));
	} else {
		text[EVP_EncodeBlock(text, data, len)] = 0;
		*result = json_object_new_object();
		json_put(*result, "data", (char *)text);
		json_put_u64(*result, "bytes", len);
		json_object_object_add(*result, "over", json_object_new_boolean(len < CHUNK_BYTES));
	}
	free(path);
	return ret;
}

/* --- the decision, and after it --- */

/* decide: {name, id}: the guest lives at the destination from now on, and never again here */
int leave_decide(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *record;
	int ret = move_adopt(session, SESSION_LEAVE, request, &record);

	(void)result;
	if (!ret) {
		json_put(record, "decision", MOVE_AWAY);
		ret = move_store(session->name, record);
	}
	json_object_put(record);
	return ret;
}

/* A description that stays would start the guest here once more. */
static int retire_config(const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];

	rooted(from, sizeof(from), "/etc/lparkit/%s.lpar", name);
	rooted(to, sizeof(to), "/etc/lparkit/%s.lpar.moved", name);
	if (!rename(from, to))
		return sync_parent(to);
	return errno == ENOENT ? 0 : -errno;
}

static void remove_frames(const struct guest *guest)
{
	char *path = frames_path(guest);

	unlink(path);
	free(path);
}

/* release: {name, id}: the destination has it; what it had here is given back */
int leave_release(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *record;
	int ret = move_adopt(session, SESSION_LEAVE, request, &record);

	(void)result;
	if (!ret && strcmp(json_text(record, "decision"), MOVE_AWAY)) {
		err("LPAR %s: it is not decided that its guest lives elsewhere", session->name);
		ret = -EBUSY;
	}
	json_object_put(record);
	if (!ret && session->n_guests) {
		remove_frames(the_guest(session));
		end_throttle(the_guest(session));
		end_stage(the_guest(session));
		ret = move_end_guest(session);
	}
	if (!ret)
		ret = retire_config(session->name);
	if (!ret)
		ret = move_forget(session->name);
	if (!ret)
		session_end(session);
	return ret;
}

/* forget: {name, id}: neither copy is there any more */
int leave_forget(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *record;
	int ret = move_adopt(session, SESSION_LEAVE, request, &record);

	(void)result;
	json_object_put(record);
	if (!ret && session->n_guests && the_guest(session)->pid) {
		err("guest %s is there, and may not be forgotten", session->name);
		ret = -EBUSY;
	}
	if (!ret)
		ret = move_forget(session->name);
	if (!ret)
		session_end(session);
	return ret;
}

/* --- undoing --- */

static void flush_netdevs(struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_netdevs; i++)
		nl_send(netbuf_request(NETBUF_CMD_FLUSH, guest->netdev[i].name), NULL, NULL);
	guest_drain(guest);
	guest_detach(guest);
}

/* Is it decided? Who cannot read that holds still. */
static int read_decision(const char *name, bool *away)
{
	struct json_object *record;
	int ret = move_load(name, &record);

	*away = !strcmp(json_text(record, "decision"), MOVE_AWAY);
	json_object_put(record);
	return ret;
}

static int put_parameters_back(struct guest *guest)
{
	int ret = set_pause(guest, false);

	return ret ? ret : set_parameter(guest, "downtime-limit", guest->downtime_ms);
}

/*
 * Before the decision the guest goes on here, and then there is no record of it that a
 * destination could find; after it, it stands, and "migrate recover" has the rest.
 */
int leave_undo(struct session *session)
{
	struct guest *guest = the_guest(session);
	bool away;
	int ret = read_decision(session->name, &away);

	if (ret)
		return ret;
	if (!session->gated || !session->n_guests || away)
		return 0;
	setenv(SESSION_VARIABLE, session->id, 1);
	end_throttle(guest);
	/* Its memory may be whole elsewhere, with these frames: "migrate recover" finds out. */
	if (!guest->pid) {
		flush_netdevs(guest);
		return 0;
	}
	/* The stop, too, of a guest whose stream has not ended is undone by its end. */
	ret = move_forget(session->name);
	if (ret)
		return ret;
	guest->migrates = true;
	ret = session_go_on(session);
	if (!ret)
		ret = failed(guest, "cannot go on", put_parameters_back(guest));
	remove_frames(guest);
	session_detach(session);
	end_stage(guest);
	return ret;
}
