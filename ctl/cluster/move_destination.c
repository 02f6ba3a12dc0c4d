// SPDX-License-Identifier: GPL-2.0
/*
 * The host that a guest comes to: its LPAR is made ready and its QEMU waits, its frames are
 * held. Once all of it is there and that is on record, it neither runs nor goes before the
 * source has said which of the two. Documentation/migrate.md has the order of the requests.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/move_check.h"

#define POLL_MS 2
#define LISTEN_ROUNDS 20
/* For QEMU to have read the last of a stream that the source has sent. */
#define ARRIVE_NS (30 * (uint64_t)NSEC_PER_SEC)
#define PART_MOST_BYTES (64 << 10)

enum { STAGE_RESERVE = 2, STAGE_READY = 10 };

/* Beside the record. */
static char *beside(const char *name, const char *suffix)
{
	char path[PATH_MAX];

	move_path(path, sizeof(path), name);
	*strrchr(path, '.') = 0;
	return xprintf("%s.%s", path, suffix);
}

static char *brought_config(const char *name)
{
	return beside(name, "lpar");
}

static char *frames_path(const char *name)
{
	return beside(name, "pcapng");
}

/* --- reserving --- */

static int check_request(struct json_object *request)
{
	const char *id = json_text(request, "id");

	if (strlen(id) == SESSION_ID_CHARS && strspn(id, "0123456789abcdef") == strlen(id))
		return 0;
	err("not a valid id");
	return -EINVAL;
}

/* No other guest is to give way; an LPAR that is defined will be as it is now. */
static int check_free(const char *name, struct json_object **before)
{
	struct lpar lpar;
	int ret = move_check_none(name);

	if (ret)
		return ret;
	if (!lpar_get(name, &lpar))
		*before = lpar_json(&lpar);
	if (*before && (lpar.n_members || lpar_is_fenced(&lpar))) {
		err("LPAR %s is active here already", name);
		ret = -EBUSY;
	}
	lpar_free(&lpar);
	/* They would change what it is started with next. */
	if (!ret && !config_exists(name))
		ret = config_refuse_drop_ins(name);
	return ret;
}

/* Which resources it has here is for this host to say, if it does. */
static int check_config(const char *path, struct json_object *request)
{
	struct lpar_config config;
	int ret = config_load(&config, path, json_text(request, "name"));

	if (ret)
		return ret;
	if (config.memory != (uint64_t)json_number(request, "memory")) {
		err("LPAR %s: its description has another size of memory than the guest",
		    json_text(request, "name"));
		ret = -EINVAL;
	} else if (config.guest.fc.parent) {
		err("LPAR %s: fc-parent=: it would be logged in on two hosts",
		    json_text(request, "name"));
		ret = -EOPNOTSUPP;
	}
	if (!ret)
		ret = disks_compare(&config, json_object_object_get(request, "disks"));
	if (!ret)
		ret = move_check_qemu(&config, request);
	config_free(&config);
	return ret;
}

static int write_config(struct json_object *request)
{
	char *path = brought_config(json_text(request, "name"));
	int ret = saved_write(path, json_text(request, "config"));

	if (ret)
		err("%s: %s", path, strerror(-ret));
	else
		ret = check_config(path, request);
	free(path);
	return ret;
}

/* That something of it may be here is on record before there is. */
static int record_enter(struct session *session, struct json_object *request,
			struct json_object *before)
{
	struct json_object *record =
		move_new_record(session, json_text(request, "from"), json_text(request, "host_id"));
	int ret;

	json_put_flag(record, "prepared", false);
	json_put_flag(record, "defined", before);
	json_object_object_add(record, "before", json_object_get(before));
	ret = move_store_guest(session, record);
	json_object_put(record);
	return ret ? ret : session_store(session);
}

static int start_guest(struct guest *guest)
{
	char *file = brought_config(guest->name);
	int ret = guest_start_incoming(guest, file);

	free(file);
	return ret;
}

/* Its frames are held before anything can come. */
static int take_hold(struct session *session)
{
	struct guest *guest = move_guest(session);
	int ret = guest_take_incoming(guest);

	if (!ret) {
		session->gated = true;
		ret = session_store(session);
	}
	return ret ? ret : guest_hold(guest);
}

/* Whatever it was told to be: the same machine, with the same CPU. */
static int check_machine(struct guest *guest, struct json_object *request)
{
	int ret = guest_failed(guest, "no version", guest_note_versions(guest));

	if (!ret)
		ret = cpu_compare(guest, json_object_object_get(request, "cpu"));
	if (ret)
		return ret;
	if (!strcmp(guest->machine, json_text(request, "machine")))
		return 0;
	err("guest %s: its machine is %s here, and %.64s at the source", guest->name,
	    guest->machine, json_text(request, "machine"));
	return -EPROTO;
}

/* Disks are not opened for good before the guest is told to go on. */
static int set_late(struct guest *guest)
{
	return guest_set_capability(guest, "late-block-activate", true);
}

/* Any port that is free: which one QEMU tells. */
static int listen_for_stream(struct guest *guest, const char *address, unsigned int *port)
{
	struct json_object *uri = json_object_new_object(), *info, *sockets;
	char *text = xprintf("tcp:%s:0", address);
	int ret;

	json_put(uri, "uri", text);
	free(text);
	ret = guest_call(guest, "migrate-incoming", uri, -1, NULL);
	if (!ret)
		ret = guest_call(guest, "query-migrate", NULL, -1, &info);
	if (ret)
		return guest_failed(guest, "cannot listen", ret);
	sockets = json_object_object_get(info, "socket-address");
	*port = json_number(json_at(sockets, 0), "port");
	json_object_put(info);
	if (*port)
		return 0;
	err("guest %s: QEMU tells no port", guest->name);
	return -EPROTO;
}

/*
 * enter: {name, id, from, host_id, address, config, memory, qemu, machine, cpu, disks, ran} ->
 * {port, host_id, warnings}: all that the guest needs here is its own, and its QEMU waits
 */
int enter_begin(struct session *session, struct json_object *request, struct json_object **result)
{
	const char *name = json_text(request, "name");
	struct json_object *before = NULL;
	struct guest *guest;
	unsigned int port = 0;
	char here[HOST_ID_CHARS + 1];
	int ret = session_open(session, SESSION_ENTER, name);

	if (ret)
		return ret;
	ret = check_request(request);
	if (!ret)
		ret = check_free(name, &before);
	if (ret) {
		json_object_put(before);
		/* What is there already is not ours to undo. */
		session_end(session);
		return ret;
	}
	snprintf(session->id, sizeof(session->id), "%s", json_text(request, "id"));
	setenv(SESSION_VARIABLE, session->id, 1);
	guest = session_add(session, name);
	guest->ran = json_flag(request, "ran");
	ret = record_enter(session, request, before);
	json_object_put(before);
	if (!ret)
		ret = write_config(request);
	if (!ret)
		ret = session_each(session, start_guest, STAGE_RESERVE, "reserving");
	if (!ret)
		ret = take_hold(session);
	if (!ret)
		ret = guest_failed(guest, "no monitor", guest_connect(guest));
	if (!ret)
		ret = check_machine(guest, request);
	if (!ret)
		ret = guest_failed(guest, "cannot listen", set_late(guest));
	if (!ret)
		ret = listen_for_stream(guest, json_text(request, "address"), &port);
	if (ret)
		return ret;
	*result = json_object_new_object();
	json_put_u64(*result, "port", port);
	json_put(*result, "host_id", host_id(here, sizeof(here)));
	json_object_object_add(*result, "warnings", json_object_get(guest->warnings));
	return 0;
}

/* --- arriving --- */

static int write_part(const char *path, const char *text, uint64_t offset, size_t bytes)
{
	unsigned char data[PART_MOST_BYTES];
	size_t len = strlen(text);
	int fd, ret = 0;

	if (len / 4 * 3 > sizeof(data) || len % 4 || bytes > len / 4 * 3 ||
	    EVP_DecodeBlock(data, (const unsigned char *)text, len) < 0)
		return -EBADMSG;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (offset ? 0 : O_TRUNC), 0600);
	if (fd < 0)
		return -errno;
	errno = EIO;
	if (pwrite(fd, data, bytes, offset) != (ssize_t)bytes)
		ret = -errno;
	close(fd);
	return ret;
}

/* take: {offset, bytes, data}: a part of the file of held frames */
int enter_frames(struct session *session, struct json_object *request, struct json_object **result)
{
	char *path = frames_path(session->name);
	int ret = session->kind == SESSION_ENTER ? 0 : -EPROTO;

	(void)result;
	if (!ret)
		ret = write_part(path, json_text(request, "data"), json_number(request, "offset"),
				 json_number(request, "bytes"));
	if (ret)
		err("%s: %s", path, strerror(-ret));
	free(path);
	return ret;
}

/* Until all is there, as QEMU sees it. */
static int wait_arrived(struct session *session)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + ARRIVE_NS;
	struct guest *guest = move_guest(session);
	unsigned int rounds = 1;
	struct json_object *info;
	bool busy, completed;
	int ret;

	for (;;) {
		ret = guest_failed(guest, "arriving",
				   guest_call(guest, "query-migrate", NULL, -1, &info));
		if (ret)
			return ret;
		completed = !strcmp(json_text(info, "status"), "completed");
		busy = migration_is_busy(info);
		json_object_put(info);
		if (completed)
			return 0;
		if (!busy || now_ns(CLOCK_MONOTONIC) > deadline_ns) {
			err("guest %s: it has not arrived", guest->name);
			return busy ? -ETIMEDOUT : -EIO;
		}
		ret = move_listen(session, &rounds, LISTEN_ROUNDS);
		if (ret)
			return ret;
		sleep_ms(POLL_MS);
	}
}

/* prepare: {has_frames, ran} -> {prepared}: it is whole, and from now on the source decides */
int enter_prepare(struct session *session, struct json_object *request, struct json_object **result)
{
	char *path = frames_path(session->name);
	struct json_object *record = NULL;
	int ret = session->kind == SESSION_ENTER ? wait_arrived(session) : -EPROTO;

	if (!ret && json_flag(request, "has_frames"))
		ret = netbuf_load(path) ? -EIO : 0;
	unlink(path);
	free(path);
	if (!ret)
		ret = move_load(session->name, &record);
	if (!ret && !record)
		ret = -ENOENT;
	if (!ret) {
		move_guest(session)->ran = json_flag(request, "ran");
		json_put_flag(record, "prepared", true);
		ret = move_store_guest(session, record);
	}
	json_object_put(record);
	if (ret)
		return ret;
	/* An answer to another request would not say that. */
	*result = json_object_new_object();
	json_put_flag(*result, "prepared", true);
	return 0;
}

/* --- the decision is known --- */

/* It is started here from now on, with what it was started with. */
static int keep_config(const char *name)
{
	char *from = brought_config(name), to[PATH_MAX];
	int ret = 0;

	if (!access(from, F_OK) && !config_exists(name)) {
		ret = make_dir(rooted(to, sizeof(to), "/etc/lparkit"), 0755);
		if (ret)
			err("%s: %s", to, strerror(-ret));
		/* Whole, or not there: one that is there is kept, and then the one that was brought goes. */
		else if (config_copy(from, config_path(to, sizeof(to), name)))
			ret = -EIO;
	}
	if (!ret)
		unlink(from);
	free(from);
	return ret;
}

/* Bridges learn where it is by QEMU's own frames, too; one that has no NIC needs none. */
static void announce(struct guest *guest)
{
	struct json_object *arguments = json_object_new_object();

	json_put_u64(arguments, "initial", 50);
	json_put_u64(arguments, "max", 550);
	json_put_u64(arguments, "rounds", 5);
	json_put_u64(arguments, "step", 100);
	guest_call(guest, "announce-self", arguments, -1, NULL);
}

/* run: {name, id}: the guest lives here. As often as it is told. */
int enter_run(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *record;
	int ret = move_adopt(session, SESSION_ENTER, request, &record);
	struct guest *guest;
	bool resumed;

	if (!ret && !json_flag(record, "prepared")) {
		err("guest %s is not whole here", session->name);
		ret = -EBUSY;
	}
	json_object_put(record);
	if (ret)
		return ret;
	guest = move_guest(session);
	ret = guest_failed(guest, "cannot run", guest_connect(guest));
	if (!ret && guest->ran)
		ret = guest_failed(guest, "cannot run",
				   guest_halt(guest, "cont", "RESUME", &resumed));
	if (ret)
		return ret;
	guest_drain(guest);
	if (guest->ran)
		announce(guest);
	*result = json_object_new_object();
	json_put_u64(*result, "resumed_ns", guest->halted_ns);
	/* A full disk is no reason for it to stand on both hosts; until then its move is on record. */
	ret = running_arrived(guest->name);
	if (!ret)
		ret = keep_config(session->name);
	session_detach(session);
	if (!ret)
		ret = move_forget(session->name);
	if (!ret)
		session_end(session);
	return ret;
}

/* By whatever it was defined; whoever has it active has defined it since. */
static int define_as_before(const char *name, struct json_object *record)
{
	struct json_object *before = json_object_object_get(record, "before");
	struct lpar lpar;
	bool is_free;
	int ret;

	if (!json_flag(record, "defined")) {
		nl_simple(LPAR_CMD_DELETE, name);
		return 0;
	}
	is_free = !lpar_get(name, &lpar) && !lpar_is_fenced(&lpar);
	lpar_free(&lpar);
	ret = before && is_free ? lpar_define_as(before) : 0;
	if (ret)
		lpar_fail(name, ret);
	return ret;
}

/* The LPAR is as it was, and nothing of the guest is left. */
static int give_back(struct session *session, struct json_object *record)
{
	char *config = brought_config(session->name), *frames = frames_path(session->name);
	int ret;

	ret = session->n_guests ? move_end_guest(session) : 0;
	if (!ret)
		ret = define_as_before(session->name, record);
	if (!ret) {
		unlink(config);
		unlink(frames);
		ret = move_forget(session->name);
	}
	free(frames);
	free(config);
	return ret;
}

/* Who has let it run may have been killed before that was off the record. */
static int check_stands(struct session *session)
{
	struct json_object *info;
	struct guest *guest;
	char path[PATH_MAX];
	bool runs;
	int ret;

	if (!session->n_guests || !move_guest(session)->pid)
		return 0;
	guest = move_guest(session);
	ret = guest_connect(guest);
	if (!ret)
		ret = guest_call(guest, "query-status", NULL, -1, &info);
	if (ret)
		return guest_failed(guest, "does it run?", ret);
	runs = !strcmp(json_text(info, "status"), "running");
	json_object_put(info);
	if (!runs)
		return 0;
	err("guest %s runs here, and so it lives here: only its record is left to remove, %s",
	    guest->name, move_path(path, sizeof(path), guest->name));
	return -EBUSY;
}

/*
 * Nobody but the source may say that what is whole here is of no use; or an operator who knows
 * that the source is gone.
 */
static int check_source(struct session *session, struct json_object *record,
			struct json_object *request)
{
	const char *source = json_text(record, "peer_id");

	if (json_flag(request, "source_gone"))
		return check_stands(session);
	if (!json_flag(record, "prepared") || !strcmp(source, json_text(request, "host_id")))
		return 0;
	err("LPAR %s: the host that was asked is not the one that its guest came from, %s: name that by --to; if it is gone for good, or was installed anew, run 'lparctl migrate recover %s --abandon --source-gone' here",
	    session->name, json_text(record, "peer"), session->name);
	return -EPERM;
}

/* After a crash of this host there is no guest to end, whose stop would do this. */
static int end_record(const char *name, bool lived)
{
	if (lived)
		return running_arrived(name);
	return move_runs_here(name) ? 0 : running_forget(name);
}

/*
 * abandon: {name, id, host_id, keeps_config, source_gone}: the guest lives at the source, which
 * has said so; or here, but its QEMU is gone, and only what describes it is left; or the source
 * is gone, as an operator says, who gives this copy up
 */
int enter_abandon(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *record;
	int ret = move_adopt(session, SESSION_ENTER, request, &record);

	(void)result;
	if (!ret)
		ret = check_source(session, record, request);
	if (!ret && json_flag(request, "keeps_config"))
		ret = keep_config(session->name);
	if (!ret)
		ret = end_record(session->name, json_flag(request, "keeps_config"));
	if (!ret)
		ret = give_back(session, record);
	json_object_put(record);
	if (!ret)
		session_end(session);
	return ret;
}

/* Nobody is there to ask: what is whole is kept, anything less goes. */
int enter_undo(struct session *session)
{
	struct json_object *record;
	int ret = move_load(session->name, &record);

	setenv(SESSION_VARIABLE, session->id, 1);
	/* One of another migration is not ours. */
	if (!ret && !strcmp(json_text(record, "id"), session->id) && !json_flag(record, "prepared"))
		ret = give_back(session, record);
	json_object_put(record);
	return ret;
}
