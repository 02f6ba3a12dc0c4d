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

#include "cluster/move_check.h"
#include "cluster/move_source.h"
#include "throttle/throttle.h"

/* Between looks at QEMU, which are few while it copies, and at whether it is given up. */
#define POLL_MS 10
#define HALT_POLL_MS 2
#define LISTEN_ROUNDS 10
#define SHOW_NS (500 * (uint64_t)NSEC_PER_MSEC)
#define WATCHDOG_MS 10000
/* So many passes without coming nearer to the end are slow. */
#define SLOW_PASSES 10
/* A guest that stands goes on here after DOWNTIME_TIMES of what it may, but not before that. */
#define STAND_LEAST_MS 30000
/* A request with so much in it has room in a pipe. */
#define CHUNK_BYTES (24 << 10)
#define CONFIG_MOST_BYTES (32 << 10)

enum { STAGE_COPY = 6, STAGE_PASSES = 7, STAGE_STOP = 8, STAGE_REST = 9 };

/* What the operator wants of a copy. */
struct wanted {
	uint64_t downtime_ms;
	bool patient; /* also when it is slow */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
};

/* --- before anything is touched --- */

/* Those of its LPAR, which both hosts have to see. */
static int note_disks(struct guest *guest, const struct lpar *lpar, const char *storage,
		      struct json_object *told)
{
	struct json_object *noted;
	size_t i;
	int ret;

	if (lpar->n_disks && !strcmp(storage, "none")) {
		err("guest %s has disk %s: --storage none is for guests without", guest->name,
		    lpar->disk[0]);
		return -EOPNOTSUPP;
	}
	for (i = 0; i < lpar->n_disks; i++)
		json_object_array_add(guest->disks, json_object_new_string(lpar->disk[i]));
	ret = disks_note(lpar, &noted);
	json_object_object_add(told, "disks", noted);
	return ret;
}

static int check_lpar(struct guest *guest, const char *storage, struct json_object *told)
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
	} else {
		ret = note_disks(guest, &lpar, storage, told);
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

static int note_cpu(struct guest *guest, struct json_object *told)
{
	struct json_object *cpu;
	int ret = guest_failed(guest, "its CPU", cpu_note(guest, &cpu));

	json_object_object_add(told, "cpu", cpu);
	return ret;
}

static void tell(const struct guest *guest, struct json_object *told, const char *config)
{
	char here[HOST_ID_CHARS + 1];

	json_put(told, "id", guest->session->id);
	json_put(told, "host_id", host_id(here, sizeof(here)));
	json_put_u64(told, "memory", guest->memory);
	json_put(told, "qemu", guest->qemu);
	json_put(told, "machine", guest->machine);
	json_put(told, "config", config);
	json_put_flag(told, "ran", guest->ran);
	json_object_object_add(told, "warnings", json_object_get(guest->warnings));
}

/* leave: {name, storage} -> what the other host needs to know; nothing is touched */
int leave_begin(struct session *session, struct json_object *request, struct json_object **result)
{
	int ret = session_open(session, SESSION_LEAVE, json_text(request, "name"));
	struct guest *guest;
	char *config = NULL;

	if (ret)
		return ret;
	*result = json_object_new_object();
	guest = session_add(session, session->name);
	/* A copy of which nobody has said that it lives here goes nowhere. */
	ret = move_check_none(guest->name);
	if (!ret)
		ret = check_lpar(guest, json_text(request, "storage"), *result);
	if (!ret)
		ret = guest_lock(guest);
	if (!ret)
		ret = guest_find(guest);
	if (!ret)
		ret = guest_claim(guest);
	if (!ret)
		ret = guest_find_netdevs(guest);
	if (!ret)
		ret = guest_failed(guest, "no monitor", guest_connect(guest));
	if (!ret)
		ret = guest_failed(guest, "cannot be moved", guest_inspect(guest));
	if (!ret)
		ret = note_cpu(guest, *result);
	if (!ret)
		config = read_config(guest);
	if (!ret && !config)
		ret = -EIO;
	if (!ret)
		tell(guest, *result, config);
	free(config);
	return ret;
}

/* --- copying --- */

int leave_query(struct guest *guest, struct progress *progress)
{
	struct json_object *info, *ram;
	int ret = guest_call(guest, "query-migrate", NULL, -1, &info);

	if (ret)
		return guest_failed(guest, "copying", ret);
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

bool leave_is(const struct progress *progress, const char *status)
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

/* QEMU stands still before the disks are let go, until it is told to go on. */
int leave_set_pause(struct guest *guest, bool on)
{
	return guest_set_capability(guest, "pause-before-switchover", on);
}

/* Where it goes to is on record before a byte does. */
static int record_leave(struct session *session, struct json_object *request)
{
	struct json_object *record =
		move_new_record(session, json_text(request, "to"), json_text(request, "host_id"));
	int ret;

	json_put(record, "decision", "");
	json_put_s64(record, "caller", json_number(request, "caller"));
	json_put_u64(record, "caller_start", json_number(request, "caller_start"));
	setenv(SESSION_VARIABLE, session->id, 1);
	ret = move_store_guest(session, record);
	json_object_put(record);
	return ret;
}

/* What is about to be done to it is known to whoever undoes that. */
static int note_guest(struct session *session)
{
	struct json_object *record;
	int ret = move_load(session->name, &record);

	if (!ret && !record)
		ret = -ENOENT;
	if (!ret)
		ret = move_store_guest(session, record);
	json_object_put(record);
	return ret ? ret : session_store(session);
}

static int begin_copy(struct session *session, struct json_object *request,
		      const struct wanted *wanted)
{
	struct guest *guest = move_guest(session);
	struct json_object *uri = json_object_new_object();
	int64_t bandwidth = json_number(request, "bandwidth");
	char *text = xprintf("tcp:%s:%u", json_text(request, "address"),
			     (unsigned int)json_number(request, "port"));
	int ret = leave_set_pause(guest, true);

	json_put(uri, "uri", text);
	free(text);
	if (!ret)
		ret = guest_set_bandwidth(guest, bandwidth ? bandwidth : INT64_MAX);
	if (!ret)
		ret = guest_set_downtime(guest, wanted->downtime_ms);
	if (ret) {
		json_object_put(uri);
		return guest_failed(guest, "copying", ret);
	}
	guest->migrates = true;
	return guest_failed(guest, "copying", guest_call(guest, "migrate", uri, -1, NULL));
}

/* One that an operator has throttled is his to let go. */
static bool is_throttled(const struct guest *guest)
{
	struct json_object *target;

	if (throttle_get(guest->pid, &target))
		return false;
	json_object_put(target);
	return true;
}

static int try_throttle(struct session *session, uint64_t limit)
{
	struct guest *guest = move_guest(session);
	int ret;

	if (!nl_available(&nl_throttle))
		return -EOPNOTSUPP;
	if (is_throttled(guest))
		return -EEXIST;
	guest->throttled = true;
	ret = note_guest(session);
	if (!ret)
		ret = throttle_engage(guest->pid, limit, 0, WATCHDOG_MS);
	guest->throttled = !ret;
	return ret;
}

static int engage(struct session *session, struct json_object *request)
{
	uint64_t limit = json_number(request, "limit");
	int ret;

	if (!strcmp(json_text(request, "throttle"), "off"))
		return 0;
	ret = try_throttle(session, limit);
	/* Without, it may still end; but who has asked for a limit has one. */
	if (!limit || !ret)
		return 0;
	err("guest %s: cannot be throttled: %s", session->name,
	    ret == -EOPNOTSUPP ? "dirtythrottle is not loaded"
	    : ret == -EEXIST   ? "it is already, by somebody else"
			       : nl_text(ret));
	return ret;
}

/* Is it over but for the guest's stop, or for good? */
static int look(const struct guest *guest, const struct progress *progress,
		const struct wanted *wanted)
{
	if (leave_is(progress, "failed") || leave_is(progress, "cancelled") ||
	    leave_is(progress, "none")) {
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

/*
 * Whether it is to run again, at either end. Its user may pause it, or let it go on, while it is
 * copied, and what has crashed is not woken; QEMU's own stop, before ours, tells nothing.
 */
static int note_ran(struct guest *guest)
{
	struct json_object *info;
	int ret =
		guest_failed(guest, "copying", guest_call(guest, "query-status", NULL, -1, &info));
	const char *status;

	if (ret)
		return ret;
	status = json_text(info, "status");
	if (!strcmp(status, "running")) {
		guest->ran = true;
	} else if (!strcmp(status, "paused") || !strcmp(status, "prelaunch")) {
		guest->ran = false;
	} else if (strcmp(status, "finish-migrate")) {
		err("guest %s: its state is '%.32s' by now", guest->name, status);
		ret = -EBUSY;
	}
	json_object_put(info);
	return ret;
}

/* Until so little is left that the guest stands no longer than it may. */
static int copy(struct session *session, const struct wanted *wanted, struct progress *progress)
{
	struct guest *guest = move_guest(session);
	uint64_t shown_ns = 0, passes = 0, now;
	unsigned int rounds = 0;
	int ret;

	for (;;) {
		ret = note_ran(guest);
		if (!ret)
			ret = leave_query(guest, progress);
		if (!ret && leave_is(progress, "pre-switchover"))
			return 0;
		/* What a pass has to send is known as it begins; later it dirties more. */
		if (!ret && progress->passes > passes && progress->passes > 1 &&
		    estimate_ms(progress) <= wanted->downtime_ms)
			return 0;
		passes = progress->passes;
		if (!ret)
			ret = look(guest, progress, wanted);
		if (!ret)
			ret = move_listen(session, &rounds, LISTEN_ROUNDS);
		if (ret)
			return ret;
		now = now_ns(CLOCK_MONOTONIC);
		if (now > shown_ns + SHOW_NS) {
			shown_ns = now;
			if (guest->throttled)
				throttle_beat(guest->pid, passes > 1 ? progress->rate : 0);
			show(guest, passes > 1 ? STAGE_PASSES : STAGE_COPY, "copying memory",
			     progress);
		}
		sleep_ms(POLL_MS);
	}
}

/*
 * copy: {to, host_id, address, port, downtime_ms, bandwidth, throttle, limit, patient,
 * timeout_ns, caller, caller_start} -> {passes, remaining, transfer_rate}
 */
int leave_copy(struct session *session, struct json_object *request, struct json_object **result)
{
	struct guest *guest = move_guest(session);
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
		ret = note_guest(session);
	if (!ret)
		ret = engage(session, request);
	/* A small guest is copied, and stopped by QEMU, before copy() looks. */
	if (!ret)
		ret = note_ran(guest);
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

/* While it stands: a link that is lost must not keep it so. */
static int wait_for(struct session *session, struct json_object *request, const char *status,
		    struct progress *progress)
{
	struct guest *guest = move_guest(session);
	uint64_t most_ms = DOWNTIME_TIMES * json_number(request, "downtime_ms");
	const struct wanted wanted = {
		.patient = true,
		.deadline_ns =
			now_ns(CLOCK_MONOTONIC) +
			(most_ms > STAND_LEAST_MS ? most_ms : STAND_LEAST_MS) * NSEC_PER_MSEC,
	};
	unsigned int rounds = 1;
	int ret = leave_query(guest, progress);

	while (!ret && !leave_is(progress, status)) {
		ret = look(guest, progress, &wanted);
		if (!ret)
			ret = move_listen(session, &rounds, LISTEN_ROUNDS);
		sleep_ms(HALT_POLL_MS);
		if (!ret)
			ret = leave_query(guest, progress);
	}
	return ret;
}

/* An operator's gate stays closed; ours is known to whoever undoes this. */
static int close_gate(struct session *session)
{
	struct guest *guest = move_guest(session);
	int ret;

	if (guest_is_frozen(guest->name)) {
		err("LPAR %s is frozen by now: run 'lparctl thaw %s' first", guest->name,
		    guest->name);
		return -EBUSY;
	}
	guest->closed = true;
	ret = note_guest(session);
	if (!ret)
		ret = guest_hold(guest);
	if (ret)
		return ret;
	ret = gate_close(guest->name, GATE_GRACE_MS);
	return ret ? lpar_fail(guest->name, ret) : 0;
}

/* halt: {downtime_ms}: nothing comes in or goes out, no vCPU executes, and QEMU stops the guest */
int leave_stop(struct session *session, struct json_object *request, struct json_object **result)
{
	struct guest *guest = move_guest(session);
	struct progress progress = { .status = "" };
	int ret;

	(void)result;
	if (session->kind != SESSION_LEAVE)
		return -EPROTO;
	ret = note_ran(guest);
	if (!ret)
		ret = close_gate(session);
	/* QEMU does not judge how long it takes, we do. */
	if (!ret)
		ret = guest_failed(guest, "stopping", guest_set_downtime(guest, DOWNTIME_MOST_MS));
	if (!ret)
		ret = wait_for(session, request, "pre-switchover", &progress);
	if (!ret)
		show(guest, STAGE_STOP, "stopped", &progress);
	return ret;
}

static int go_over(struct guest *guest)
{
	struct json_object *arguments = json_object_new_object();

	json_put(arguments, "state", "pre-switchover");
	return guest_failed(guest, "the rest",
			    guest_call(guest, "migrate-continue", arguments, -1, NULL));
}

/* finish: {downtime_ms}: the rest of its memory, devices -> {sent, downtime_ms, frames, ran} */
int leave_finish(struct session *session, struct json_object *request, struct json_object **result)
{
	struct guest *guest = move_guest(session);
	struct progress progress = { .status = "" };
	char **names = xalloc((guest->n_netdevs + 1) * sizeof(*names));
	uint64_t *frames = xalloc((guest->n_netdevs + 1) * sizeof(*frames)), all = 0;
	char *path = leave_frames_path(guest);
	size_t i;
	int ret = session->kind == SESSION_LEAVE ? go_over(guest) : -EPROTO;

	if (!ret)
		ret = wait_for(session, request, "completed", &progress);
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
		json_put_flag(*result, "has_frames", guest->n_netdevs);
		json_put_flag(*result, "ran", guest->ran);
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
	char *path = leave_frames_path(move_guest(session));
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
		json_put_flag(*result, "over", len < CHUNK_BYTES);
	}
	free(path);
	return ret;
}
