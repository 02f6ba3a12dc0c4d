/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fcnpiv.ko: what its files share. Prototypes are grouped by the file that
 * holds them; the page Documentation/fcnpiv.md has the whole.
 */
#ifndef _KMOD_FCNPIV_H
#define _KMOD_FCNPIV_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <uapi/lparkit/fcnpiv.h>

struct device;
struct file;
struct genl_family;
struct Scsi_Host;
struct scsi_device;
struct scsi_sense_hdr;

#define FCN_PORTS	2

/* While an operation is under way its ports are looked at this often. */
#define FCN_TICK_MS	100

/* Pause before what has failed is tried again: doubled up to the second. */
#define FCN_BACKOFF_FIRST_MS	1000
#define FCN_BACKOFF_LAST_MS	8000

/* What a whole reply takes: 180 bytes a path of both ports, 130 a LUN that is expected. */
#define FCN_REPLY_SIZE	(64 << 10)

/* luns.c */

#define FCN_DISK_NAME_MAX	31

/* Partitions of a disk, and the disk itself, which is number 0: as the kernel has it. */
#define FCN_PARTS_MAX	256

/**
 * struct fcn_lun - a LUN, or one path to it
 * @id: name by VPD page 0x83; "" = it has none
 * @sectors: size in 512 bytes
 * @block_size: logical, in bytes
 * @number: as the port numbers it
 * @devt: of its disk; 0 = there is none yet
 * @disk: name of that
 * @openers: how often that is open
 * @runs: commands get through
 */
struct fcn_lun {
	char id[FCNPIV_LUN_ID_MAX + 1];
	u64 sectors;
	u32 block_size;
	u64 number;
	dev_t devt;
	char disk[FCN_DISK_NAME_MAX + 1];
	unsigned int openers;
	bool runs;
};

/**
 * struct fcn_luns - LUNs that are seen or expected
 * @count: valid entries of @lun
 * @overflow: there are more than fit
 * @lun: FCNPIV_PATHS_MAX entries
 */
struct fcn_luns {
	unsigned int count;
	bool overflow;
	struct fcn_lun *lun;
};

int fcn_luns_init(struct fcn_luns *luns);
void fcn_luns_free(struct fcn_luns *luns);
struct fcn_lun *fcn_luns_add(struct fcn_luns *luns);
const struct fcn_lun *fcn_luns_find(const struct fcn_luns *luns, const char *id);
void fcn_luns_copy(struct fcn_luns *to, const struct fcn_luns *from);
bool fcn_luns_are_sound(const struct fcn_luns *seen, char *why);
bool fcn_luns_match(const struct fcn_luns *seen, const struct fcn_luns *expected, char *why);

/* machine.c */

enum fcn_deadline {
	FCN_DEADLINE_LOGIN,
	FCN_DEADLINE_STORAGE,
	FCN_DEADLINE_MOVE,
	FCN_DEADLINE_LOGOUT,
	FCN_DEADLINE_GRACE,
	FCN_DEADLINES,
	FCN_DEADLINE_NONE = FCN_DEADLINES,
};

/* What may take long, and is done without a lock by a worker of its own. */
enum fcn_job {
	FCN_JOB_NONE,
	FCN_JOB_LOGIN,		/* make the port, or make it anew */
	FCN_JOB_LOGOUT,		/* delete it */
	FCN_JOB_PROBE,		/* does each disk answer, does nobody reserve it? */
	FCN_JOB_HOLD,		/* claim its disks, make them read-only */
	FCN_JOB_FREE,		/* the reverse */
};

/**
 * struct fcn_order - what the machine wants to have done
 * @job: what; FCN_JOB_NONE = nothing
 * @port: to which port
 */
struct fcn_order {
	enum fcn_job job;
	enum fcn_port port;
};

/**
 * struct fcn_port_view - a port as it is now
 * @state: of its login
 * @host: number of its SCSI host, -1 = there is none
 * @targets: remote ports that are online
 * @busy: commands under way
 * @matches: it sees just the expected LUNs, and all run
 * @held: all of its disks are claimed by this module
 * @open: a disk of it that is open, or ""
 * @why: why it is not active, or does not match
 */
struct fcn_port_view {
	enum fcn_port_state state;
	int host;
	unsigned int targets;
	unsigned int busy;
	bool matches;
	bool held;
	char open[FCN_DISK_NAME_MAX + 1];
	char why[FCNPIV_REASON_MAX + 1];
};

/**
 * struct fcn_view - all that the machine knows of the world
 * @port: by enum fcn_port
 * @nr_expected: expected LUNs
 * @nr_seen: paths to LUNs through the original
 * @has_claims: some disk is claimed by this module
 */
struct fcn_view {
	struct fcn_port_view port[FCN_PORTS];
	unsigned int nr_expected;
	unsigned int nr_seen;
	bool has_claims;
};

/**
 * struct fcn_machine - where an identity is in its operation
 * @operation: under way, or the last one
 * @port: of a login or logout
 * @was_there: that port was logged in, or coming, before
 * @step: of it
 * @state: of the step
 * @result: of the last operation
 * @goes_back: the operation is being undone
 * @switched: the LPAR lives at the destination
 * @has_token: of the source: the original may be logged in elsewhere
 * @is_away: it lives on another host: it went there, or has not come from there
 * @abort: going back is asked for
 * @confirmed: bits of enum fcn_confirm, in this step
 * @gone_by: how the last logout of the original was confirmed
 * @deadline_ms: how long steps may take
 * @deadline: when this step's is over, 0 = never
 * @overdue: it is over, and there was no way back
 * @job: the last order
 * @job_runs: it is being carried out
 * @job_done: it has been, in this step
 * @job_error: its result, 0 or a negative errno
 * @retry_at: not before this
 * @backoff_ms: pause before the next try
 * @job_why: why it failed
 * @obstacle: what this step waits for
 * @cause: why the operation goes back
 *
 * Times are milliseconds of a clock that only goes forward.
 */
struct fcn_machine {
	enum fcn_operation operation;
	enum fcn_port port;
	bool was_there;
	enum fcn_step step;
	enum fcn_state state;
	enum fcn_result result;
	bool goes_back;
	bool switched;
	bool has_token;
	bool is_away;
	bool abort;
	unsigned long confirmed;
	enum fcn_gone_by gone_by;
	u32 deadline_ms[FCN_DEADLINES];
	u64 deadline;
	bool overdue;
	enum fcn_job job;
	bool job_runs;
	bool job_done;
	int job_error;
	u64 retry_at;
	u32 backoff_ms;
	char job_why[FCNPIV_REASON_MAX + 1];
	char obstacle[FCNPIV_REASON_MAX + 1];
	char cause[FCNPIV_REASON_MAX + 1];
};

/**
 * struct fcn_start - an operation that is asked for
 * @operation: which
 * @port: of a login or logout
 * @has_token: the source's token is there
 * @force: the other host is dead or fenced; disks may be open
 */
struct fcn_start {
	enum fcn_operation operation;
	enum fcn_port port;
	bool has_token;
	bool force;
};

void fcn_machine_init(struct fcn_machine *machine);
bool fcn_machine_is_idle(const struct fcn_machine *machine);
bool fcn_machine_may_go_back(const struct fcn_machine *machine);
void fcn_machine_begin(struct fcn_machine *machine, enum fcn_operation operation,
		       enum fcn_port port, bool was_there, u64 now_ms);
struct fcn_order fcn_machine_advance(struct fcn_machine *machine, const struct fcn_view *view,
				     u64 now_ms);
void fcn_machine_job_done(struct fcn_machine *machine, int error, const char *why, u64 now_ms);
const char *fcn_machine_reason(const struct fcn_machine *machine);
const char *fcn_step_name(enum fcn_step step);
const char *fcn_port_name(enum fcn_port port);

/* request.c */

int fcn_machine_start(struct fcn_machine *machine, const struct fcn_start *start,
		      const struct fcn_view *view, u64 now_ms, char *why);
int fcn_machine_abort(struct fcn_machine *machine, char *why);
int fcn_machine_confirm(struct fcn_machine *machine, enum fcn_confirm confirm, char *why);

/* token.c */

/**
 * struct fcn_token - says that the original has left the source
 * @byte: its WWPN, big endian, and 8 random bytes
 */
struct fcn_token {
	u8 byte[FCNPIV_TOKEN_SIZE];
};

/**
 * struct fcn_used - what became of the last token that was given to this host
 * @token: it; at first a random one of no name, that no other identity has
 * @has_come: the LPAR lives here, or has lived here, by it
 */
struct fcn_used {
	struct fcn_token token;
	bool has_come;
};

void fcn_token_make(struct fcn_token *token, u64 wwpn);
bool fcn_token_is_for(const struct fcn_token *token, u64 wwpn);
bool fcn_token_is_same(const struct fcn_token *token, const struct fcn_token *other);
void fcn_token_receipt(const struct fcn_token *token, struct fcn_token *receipt);
void fcn_used_init(struct fcn_used *used);
void fcn_used_take(struct fcn_used *used, const struct fcn_token *token);
int fcn_used_revoke(struct fcn_used *used, const struct fcn_token *token,
		    const struct fcn_token *last, char *why);

/* identity.c */

/**
 * struct fcn_names - world wide names of an identity
 * @node: WWNN of both ports
 * @port: WWPN, by enum fcn_port
 * @parent: WWPN of the fc_host
 */
struct fcn_names {
	u64 node;
	u64 port[FCN_PORTS];
	u64 parent;
};

/**
 * struct fcn_claim - a disk that nobody else may use
 * @devt: disk
 * @file: our exclusive opening of it
 * @was_read_only: it, and its partitions, by number: which were so before
 */
struct fcn_claim {
	dev_t devt;
	struct file *file;
	DECLARE_BITMAP(was_read_only, FCN_PARTS_MAX);
};

/**
 * struct fcn_target - a disk that is to be claimed
 * @devt: disk
 * @name: of it
 */
struct fcn_target {
	dev_t devt;
	char name[FCN_DISK_NAME_MAX + 1];
};

/**
 * struct fcn_work - what the worker works on
 * @order: what it does
 * @work: item of fcn_wq
 * @names: of the identity when it was ordered
 * @targets: of a HOLD: disks that are to be claimed
 * @nr_targets: their number
 * @claims: claimed disks
 * @nr_claims: their number
 * @why: reason for its failure
 *
 * Of the worker while machine.job_runs, else under the identity's op.
 */
struct fcn_work {
	struct fcn_order order;
	struct work_struct work;
	struct fcn_names names;
	struct fcn_target *targets;
	unsigned int nr_targets;
	struct fcn_claim *claims;
	unsigned int nr_claims;
	char why[FCNPIV_REASON_MAX + 1];
};

/**
 * struct fcn_identity - the Fibre Channel identity of an LPAR
 * @ref: of the registry, and netlink's operations
 * @list: in fcn_list, under fcn_mutex
 * @lpar: name of the LPAR
 * @op: guards all below; never held over a login
 * @gone: deleted
 * @names: world wide names
 * @host_hint: number of the parent's SCSI host when it was last seen
 * @given: LUNs that the operator says it has; none = not said
 * @expected: LUNs that its ports have to see in this operation
 * @seen: by enum fcn_port, when it was last looked
 * @view: what was seen then
 * @machine: operation under way
 * @token: of the source, or given to the destination
 * @used: the last one given to the destination, and whether the LPAR came by it
 * @has_receipt: of the destination: the original has left it again
 * @pinned: an operation is under way and holds the module
 * @tick: looks, and drives the machine
 * @work: long jobs
 * @dev: /sys/class/fcnpiv/LPAR
 */
struct fcn_identity {
	struct kref ref;
	struct list_head list;
	char lpar[FCNPIV_LPAR_MAX + 1];
	struct mutex op;	/* guards all below */
	bool gone;
	struct fcn_names names;
	unsigned int host_hint;
	struct fcn_luns given;
	struct fcn_luns expected;
	struct fcn_luns seen[FCN_PORTS];
	struct fcn_view view;
	struct fcn_machine machine;
	struct fcn_token token;
	struct fcn_used used;
	bool has_receipt;
	bool pinned;
	struct delayed_work tick;
	struct fcn_work work;
	struct device *dev;
};

/**
 * struct fcn_request - what START brings along
 * @start: operation
 * @token: of the source, or zeroes
 * @expected: LUNs, or NULL
 */
struct fcn_request {
	struct fcn_start start;
	struct fcn_token token;
	const struct fcn_luns *expected;
};

extern struct mutex fcn_mutex;
extern struct list_head fcn_list;
struct fcn_identity *fcn_identity_get(const char *lpar, struct netlink_ext_ack *extack);
void fcn_identity_put(struct fcn_identity *identity);
int fcn_identity_define(const char *lpar, const struct fcn_names *names, bool away,
			const u32 *deadline_ms, const struct fcn_luns *expected,
			struct netlink_ext_ack *extack);
int fcn_identity_set(struct fcn_identity *identity, u64 parent, const u32 *deadline_ms,
		     const struct fcn_luns *expected, struct netlink_ext_ack *extack);
int fcn_identity_delete(const char *lpar, struct netlink_ext_ack *extack);
void fcn_identity_delete_all(void);
void fcn_identity_look(struct fcn_identity *identity);
int fcn_identity_start(struct fcn_identity *identity, const struct fcn_request *request,
		       struct netlink_ext_ack *extack);
int fcn_identity_confirm(struct fcn_identity *identity, enum fcn_confirm confirm,
			 const struct fcn_token *receipt, bool force,
			 struct netlink_ext_ack *extack);
int fcn_identity_revoke(struct fcn_identity *identity, const struct fcn_token *token,
			const struct fcn_token *last, struct netlink_ext_ack *extack);
int fcn_identity_abort(struct fcn_identity *identity, struct netlink_ext_ack *extack);
void fcn_identity_job_done(struct fcn_identity *identity, int error);
u64 fcn_now_ms(void);

/* reason.c */
__printf(3, 4) int fcn_fail(char *why, int err, const char *fmt, ...);
__printf(3, 4) int fcn_refuse(struct netlink_ext_ack *extack, int err, const char *fmt, ...);

/* vport.c */
bool fcn_vport_is_host(struct Scsi_Host *shost, u64 wwpn);
struct Scsi_Host *fcn_vport_parent_get(u64 wwpn, unsigned int *hint);
struct Scsi_Host *fcn_vport_host_get(const struct fcn_names *names, enum fcn_port port);
void fcn_vport_look(const struct fcn_names *names, enum fcn_port port, unsigned int *hint,
		    struct fcn_port_view *view, struct fcn_luns *luns);
bool fcn_vport_is_taken(u64 wwpn);
int fcn_vport_login(const struct fcn_names *names, enum fcn_port port, char *why);
int fcn_vport_logout(const struct fcn_names *names, enum fcn_port port, char *why);

/* disk.c */
unsigned int fcn_disk_look(struct Scsi_Host *shost, struct fcn_luns *luns);
int fcn_disk_probe(const struct fcn_names *names, enum fcn_port port, char *why);
int fcn_disk_claim(struct fcn_work *work);
void fcn_disk_free(struct fcn_work *work, bool writable);
bool fcn_disk_is_open(struct Scsi_Host *shost);
bool fcn_disk_is_claimed(const struct fcn_work *work, dev_t devt);
void fcn_disk_calm(struct Scsi_Host *shost);
void fcn_disk_uncalm(struct Scsi_Host *shost);

/* reservation.c */
int fcn_reservation_check(struct scsi_device *sdev, const struct fcn_names *names, char *why);
int fcn_reservation_find(const u8 *data, size_t len, const u64 *wwpn, unsigned int nr);

/* work.c */
extern struct workqueue_struct *fcn_wq;
void fcn_work_run(struct work_struct *work);

/* event.c */
void fcn_event_send(enum fcn_event event, const struct fcn_identity *identity);
void fcn_event_exit(void);

/* netlink.c */
extern struct genl_family fcn_genl_family;
int fcn_netlink_put_progress(struct sk_buff *skb, const struct fcn_machine *machine);
int fcn_netlink_init(void);
void fcn_netlink_exit(void);

/* sysfs.c */
int fcn_sysfs_add(struct fcn_identity *identity);
void fcn_sysfs_del(struct fcn_identity *identity);
void fcn_sysfs_notify(struct fcn_identity *identity);
int fcn_sysfs_init(void);
void fcn_sysfs_exit(void);

#endif /* _KMOD_FCNPIV_H */
