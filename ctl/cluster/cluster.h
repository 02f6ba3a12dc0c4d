/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Saving and restoring clusters: what its files share. The page
 * Documentation/cluster.md has the whole.
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include <limits.h>
#include <stdatomic.h>

#include <openssl/evp.h>

#include "guest/guest.h"
#include "net/netbuf.h"
#include "snap/snap.h"

#define CLUSTER_DIR "/var/lib/lparkit/cluster"
#define CLUSTER_VERSION 1 /* of what is saved */
#define CLUSTER_PROTOCOL 3 /* between the caller and execd */
#define CLUSTER_HOSTS_MAX 64
#define DIGEST_CHARS 64 /* SHA-256 in hex */

/* --- the caller's side --- */

struct channel {
	const char *host;
	pid_t pid;
	int to; /* its standard input */
	int from; /* its standard output */
	bool local; /* on this host, without a command between us */
	bool dead;
	unsigned int pending; /* requests without an answer */
	char *line; /* what was read of the next answer */
	size_t len;
	struct json_object *answer; /* the last one, if it was a result; else NULL */
	char *error; /* or if it was an error, or the host was lost; else NULL */
	bool absent; /* an error: what was asked for is not there */
	bool damaged; /* an error: some of it is gone, or is not what it was */
	int64_t offset_ns; /* its clock minus ours */
	int64_t error_ns; /* bound of that */
	int64_t best_trip_ns, worst_trip_ns; /* of the clocks' round trips */
};

struct channels {
	const char *prefix; /* command that runs another on a host; NULL = ssh */
	const char *here; /* the name that is this host's, whatever the command; NULL = none */
	struct channel *channel;
	size_t n; /* that were opened */
	uint64_t timeout_ns; /* of each step */
	uint64_t beat_ns; /* CLOCK_MONOTONIC at which hosts are to hear of us */
	bool deaf; /* there is no way back: whoever interrupts is not heard */
	bool no_return; /* nor is a host that is lost once it has answered */
	void (*progress)(struct channel *channel, struct json_object *progress);
};

/* channel.c */
int channels_open(struct channels *channels, const char *const *hosts, size_t n);
void channels_name(struct channels *channels, const char *const *hosts, size_t n);
int channel_open(struct channels *channels, struct channel *channel);
void channels_close(struct channels *channels);
void channel_send(struct channel *channel, struct json_object *request);
int channels_gather(struct channels *channels, const char *op);
int channels_ask(struct channels *channels, const char *op, struct json_object *request);
int channels_insist(struct channels *channels, const char *op);
int channels_compare_clocks(struct channels *channels, uint64_t limit_ns);
int64_t channels_worst_trip(const struct channels *channels);
int channels_abort(struct channels *channels, const char *unwanted);
void channels_catch_signals(void);

struct cluster {
	const char *name;
	char *hosts; /* as given; cut at its commas */
	const char *host[CLUSTER_HOSTS_MAX];
	size_t n_hosts;
	const char *dir;
	struct json_object *lpars;
	struct json_object *monitors; /* QMP sockets, by LPAR, of guests that others have started */
	bool go_on; /* --continue */
	bool again; /* what is half deleted */
	bool replaces; /* the guests that run under the names of those that are saved */
	uint64_t max_skew_ns;
	uint64_t wait_ns; /* 0 = from the round trips */
	struct channels channels;
	struct json_object *manifest;
};

/* cluster.c */
int cluster_save_verb(struct args *args);
int cluster_restore_verb(struct args *args);
int cluster_verify_verb(struct args *args);
int cluster_delete_verb(struct args *args);
int cluster_show_verb(struct args *args);
int cluster_list_verb(struct args *args);
int cluster_recover_verb(struct args *args);

/* cluster_args.c */
enum {
	OPTION_NAME = 1 << 0, /* of the saved state: no option, but one of the words */
	OPTION_HOSTS = 1 << 1,
	OPTION_LPAR = 1 << 2,
	OPTION_VIA = 1 << 3,
	OPTION_DIR = 1 << 4,
	OPTION_TIMEOUT = 1 << 5,
	OPTION_MAX_SKEW = 1 << 6,
	OPTION_WAIT = 1 << 7,
	OPTION_CONTINUE = 1 << 8,
	OPTION_QMP = 1 << 9,
	/* What every verb needs that goes to the hosts of a saved state */
	OPTIONS_STATE = OPTION_NAME | OPTION_HOSTS | OPTION_VIA | OPTION_DIR | OPTION_TIMEOUT,
};

void cluster_init(struct cluster *cluster);
void cluster_free(struct cluster *cluster);
int cluster_parse(struct args *args, struct cluster *cluster, const char *verb,
		  unsigned int allowed);
int cluster_set_hosts(struct cluster *cluster, const char *value); /* exit code */

/* cluster.c */
char *cluster_manifest_path(const struct cluster *cluster);

/* cluster_chosen.c */
int cluster_check_words(const struct cluster *cluster); /* exit code */
int cluster_check_chosen(const struct cluster *cluster);

/* cluster_report.c */
void cluster_keep_answers(struct cluster *cluster, const char *key);
void cluster_put_skew(struct cluster *cluster, const char *step);
struct json_object *cluster_saved_guests(struct json_object *host);
void cluster_warn_lost(struct cluster *cluster);
void cluster_report(struct cluster *cluster, const char *step, const char *done);

/* distribute.c */
int distribute_verb(struct args *args);

/* --- the remote end --- */

struct netdev {
	char name[NETBUF_IFNAME_MAX + 1];
	bool ours; /* attached by this operation */
	uint64_t lost; /* frames that its buffer had lost before */
};

struct guest {
	struct session *session;
	char name[LPAR_NAME_MAX + 1];
	pid_t pid; /* of its QEMU as long as that is there; 0 = none that is ours to touch */
	bool ended; /* its QEMU has, by itself, and its LPAR is still to be given back */
	char *monitor; /* its QMP socket, when it was not started by lparctl; else NULL */
	struct process process; /* the QEMU that the operation is about, once that is known */
	int lock; /* of its LPAR: no other lparctl starts, stops or talks to it; -1 = not held */
	struct qmp *qmp; /* NULL = not connected */
	bool frozen; /* its gate was closed when it was found */
	bool stays_frozen; /* it is closed, and not by us */
	bool done; /* it goes on after an undo: what is done to it from then on others do */
	bool ran; /* it did before the operation, and will after it */
	bool migrates; /* our migration is under way */
	bool closed; /* its gate may be, by our migration */
	bool throttled; /* it may be, by our migration */
	bool pauses; /* QEMU does before the switch-over of a migration, as its user wants it */
	int64_t bandwidth; /* QEMU's limit for migrations, as it was */
	int64_t downtime_ms; /* and that of their downtime */
	char qemu[32]; /* version */
	char machine[64]; /* type: what an alias such as q35 meant */
	struct json_object *disks; /* paths, of its LPAR */
	struct json_object *warnings; /* what of it will not be as it was */
	uint64_t memory;
	struct netdev *netdev;
	size_t n_netdevs;
	char **volume; /* snapsync volumes, by their names in device mapper */
	size_t n_volumes;
	_Atomic uint64_t moved; /* bytes of its state that went to or came from the file */
	char digest[DIGEST_CHARS + 1];
	uint64_t size; /* bytes of its state */
	uint64_t halted_ns; /* CLOCK_REALTIME at which QEMU stopped it, or had it go on */
	uint64_t step_ns; /* that the last step took */
	int ret; /* of a step that runs in a thread */
	char why[512];
};

/* A cut that did not fire this long after its deadline never will. */
#define FIRE_GRACE_NS (5 * NSEC_PER_SEC)
/* Gates that wait for a cut stay closed that much longer, in case it does not come. */
#define GATE_GRACE_MS 60000
#define SESSION_ID_CHARS 16

/* A step that the caller is told of, and the guests' LPARs are not. */
#define STAGE_HIDDEN UINT_MAX

enum session_kind {
	SESSION_NONE,
	SESSION_SAVE,
	SESSION_RESTORE,
	SESSION_LEAVE, /* a migration, at its source */
	SESSION_ENTER, /* and at its destination */
};

struct session {
	enum session_kind kind;
	char name[LPAR_NAME_MAX + 1];
	char id[SESSION_ID_CHARS + 1]; /* no other one has it */
	char *state; /* name of what is taken of the volumes */
	char *dir; /* of this host, without ".part" */
	struct guest *guest;
	size_t n_guests;
	struct json_object *left_out; /* LPARs with members that no 'lparctl start' has started */
	struct json_object *others; /* volumes of no guest of ours, to be cleaned up as well */
	struct json_object *fired; /* the cut whose states of them are being forgotten */
	bool has_frames; /* there is a file of them: some guest has a netdev */
	bool gated; /* gates may be closed by us */
	bool halting; /* guests may stand by us: before that, who stands does so by others */
	bool writing; /* guests may migrate by us, with a limit of ours */
	bool starts; /* guests have been told to start: one may be there only later */
	bool apart; /* buffers take part in no cut, by us */
	bool prepared; /* there is a directory of ours: one that was left is another save's */
	bool taken; /* states of the volumes are */
	bool written; /* the directory has its name */
	bool kept; /* what is saved stays whatever comes to us */
	char unwanted[LPAR_NAME_MAX + 1]; /* but the caller says that the one of this name does not */
	uint32_t cut; /* armed, 0 = none */
	uint64_t deadline_ns;
	uint64_t act_ns; /* CLOCK_REALTIME at which guests are told to stop or to go on */
	uint64_t lead_ns; /* that long before the deadline they are told to go on */
	_Atomic bool cancelled;
	bool (*idle)(struct session *session); /* called while threads work; false = give up */
	void (*done)(struct guest *guest); /* called when a guest's thread has; NULL = nobody */
};

typedef int guest_step(struct guest *guest);

/* execd.c */
int execd_verb(struct args *args);
void execd_progress(struct json_object *progress);

/* session.c */
int session_begin(struct session *session, enum session_kind kind, struct json_object *request);
int session_find_guests(struct session *session, struct json_object *names,
			struct json_object *monitors);
void session_look(struct session *session);
void session_open_gates(struct session *session, bool of_paused);
bool session_has(const struct session *session, const char *name);
int session_keep_frames(struct session *session);
int session_sleep_until(struct session *session, uint64_t time_ns);
void session_detach(struct session *session);
struct guest *session_add(struct session *session, const char *name);
int session_store(const struct session *session);
int session_recover(struct session *session);
int session_undo(struct session *session);
int session_abort(struct session *session);
int session_discard(struct session *session);
void session_end(struct session *session);
char *session_file(const struct session *session, const char *file);

struct json_object *guest_record(const struct guest *guest);
void session_add_recorded(struct session *session, struct json_object *json);
int session_open(struct session *session, enum session_kind kind, const char *name);
void session_unlock(void);
void session_forsake(struct session *session);
int session_end_guests(struct session *session);
int session_go_on(struct session *session);

/* session_each.c: a step of all guests */
void session_stage(const struct session *session, unsigned int number, const char *text,
		   unsigned int progress);
int session_each(struct session *session, guest_step *step, unsigned int stage, const char *doing);

/* session_guest.c */
int guest_failed(struct guest *guest, const char *doing, int ret);
void guest_add_netdev(struct guest *guest, const char *name, bool ours);
void guest_add_volume(struct guest *guest, const char *name);
struct json_object *guest_netdevs(const struct guest *guest);
struct json_object *guest_volumes(const struct guest *guest);
int guest_find(struct guest *guest);
int guest_claim(struct guest *guest);
void guest_look(struct guest *guest);
int guest_lock(struct guest *guest);
void guest_unlock(struct guest *guest);
int guest_find_netdevs(struct guest *guest);
int guest_find_volumes(struct guest *guest);
int guest_attach(struct guest *guest);
bool guest_is_frozen(const char *name);
int guest_check_unused(const struct guest *guest);
int guest_hold(struct guest *guest);
void guest_drain(struct guest *guest);
void guest_let_frames_go(const struct guest *guest);
int guest_leave_cuts(const struct guest *guest);
void guest_rejoin_cuts(const struct guest *guest);
void guest_flush(struct guest *guest);
bool guest_is_drained(struct guest *guest);
uint64_t netdev_lost(struct json_object *buffer);
void guest_detach(struct guest *guest);
guest_step guest_give_back, guest_end;
int guest_run_lparctl(struct guest *guest, const char *const *words);
int guest_start_incoming(struct guest *guest, const char *file);
int guest_take_incoming(struct guest *guest);

/* session_run.c: its monitor, and whether it runs */
int guest_connect(struct guest *guest);
void guest_disconnect(struct guest *guest);
int guest_call(struct guest *guest, const char *command, struct json_object *arguments, int pass,
	       struct json_object **result);
int guest_halt(struct guest *guest, const char *command, const char *event, bool *changed);
int guest_set_bandwidth(struct guest *guest, int64_t bytes);
int guest_set_downtime(struct guest *guest, int64_t ms);
int guest_set_capability(struct guest *guest, const char *name, bool on);
bool migration_is_busy(struct json_object *info);
guest_step guest_settle, guest_go_on;

/* session_inspect.c: before it is stopped */
guest_step guest_inspect, guest_note_status, guest_note_versions;

/* session_disks.c: states of its volumes, and of those that are in their groups */
int disks_find_others(struct session *session);
int disks_check(struct session *session);
int disks_forget(struct session *session);
int disks_forget_cut(struct session *session);

/* session_child.c: work that waits for disks */
typedef int child_work(struct session *session);
void child_begins(const char *volume);
int child_run(struct session *session, child_work *work);

/* execd_save.c, execd_files.c, session_disks.c, execd_restore.c: requests; the result is to be put */
typedef int request_fn(struct session *session, struct json_object *request,
		       struct json_object **result);
request_fn save_begin, save_stop, save_write, save_disks, save_frames, save_commit, save_keep,
	save_discard;
request_fn restore_check, restore_load;
request_fn cut_arm_request, cut_resume_request;
int guest_copy_config(const struct guest *guest, const char *to);

/* move_source.c, move_release.c, move_destination.c: a migration, at both ends */
request_fn leave_begin, leave_copy, leave_stop, leave_finish, leave_frames, leave_decide,
	leave_release, leave_forget, leave_stay;
request_fn enter_begin, enter_frames, enter_prepare, enter_run, enter_abandon;
int leave_undo(struct session *session);
int enter_undo(struct session *session);

/* move_record.c: on which host a guest lives */
#define MOVE_AWAY "destination" /* the decision, once there is one */
/* A step in which a guest stands may take so many times --downtime. */
#define DOWNTIME_TIMES 10
#define DOWNTIME_MOST_MS 2000000 /* that QEMU takes */
#define HOST_ID_CHARS 32
const char *host_id(char *buf, size_t size);
int move_load(const char *name, struct json_object **record);
int move_check_none(const char *name);
bool move_is_away(struct json_object *record);
bool move_runs_here(const char *name);
struct json_object *move_new_record(const struct session *session, const char *peer,
				    const char *peer_id);
int move_store(const char *name, struct json_object *record);
int move_store_guest(const struct session *session, struct json_object *record);
int move_forget(const char *name);
int move_adopt(struct session *session, enum session_kind kind, struct json_object *request,
	       struct json_object **record);
int move_listen(struct session *session, unsigned int *rounds, unsigned int each);
int move_end_guest(struct session *session);
struct guest *move_guest(const struct session *session);
request_fn move_state;

/* move.c: the caller's side */
int migrate_start_verb(struct args *args);
int migrate_status_verb(struct args *args);
int migrate_cancel_verb(struct args *args);
int migrate_recover_verb(struct args *args);

/* execd_describe.c: descriptions that come */
request_fn describe_add, describe_check, describe_write, describe_keep;
void describe_undo(void);

/* migrate.c */
guest_step migrate_out, migrate_check, migrate_in;

/* saved.c */
#define STATE_SUFFIX ".state"
/* Of a file */
#define DAMAGED "%s is damaged: its digest is not the one that was saved"

void digest_end(EVP_MD_CTX *digest, char *hex);
int digest_file(const char *path, char *hex);
int remove_dir(const char *path);
int saved_write(const char *path, const char *text);
int saved_store(const char *path, struct json_object *json);
int saved_store_new(const char *path, struct json_object *json);
struct json_object *saved_load(const char *path);
struct json_object *saved_load_as(const char *path, const char *digest);
int saved_verify_rest(const struct session *session, struct json_object *description);
request_fn saved_delete;

#endif /* CLUSTER_H */
