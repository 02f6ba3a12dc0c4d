/* SPDX-License-Identifier: GPL-2.0 */
/*
 * LPARs: what they are, what the kernel says of them, and their cuts.
 */
#ifndef LPAR_H
#define LPAR_H

#include "../../include/uapi/lparkit/lpar.h"
#include "lib/lib.h"

/* Which keys of struct lpar_config were given. */
enum {
	KEY_CPUS = 1 << 0,
	KEY_MEMORY = 1 << 1,
	KEY_NODE = 1 << 2,
	KEY_OWNER_UID = 1 << 3,
	KEY_OWNER_GID = 1 << 4,
	KEY_DISK = 1 << 5,
	KEY_GATE_TIMEOUT = 1 << 6,
	KEY_PAGES = 1 << 7,
	KEY_ALL = (1 << 8) - 1,
};

/* vcpu-pin= */
struct pin_config {
	bool none;
	char *cpus; /* the i-th for vCPU i; NULL = those of the LPAR, if they suffice */
};

/* disk-error=: what stops the guest */
enum disk_error {
	DISK_ERROR_FULL, /* writes for which there is no space */
	DISK_ERROR_STOP, /* all that fails */
	DISK_ERROR_REPORT, /* nothing: it is told */
};

/* activation=: at boot */
enum activation {
	ACTIVATION_IF_RUNNING, /* when it ran before */
	ACTIVATION_ALWAYS,
	ACTIVATION_NEVER,
};

#define MAC_BYTES 6
#define MAC_CHARS 17

/* net= */
struct nic {
	char netdev[16];
	uint8_t mac[MAC_BYTES];
	bool has_mac; /* that is given, or made */
};

enum wwn { WWN_NODE, WWN_ORIGINAL, WWN_MAINTENANCE, WWN_NAMES };

#define FC_PARENT_ANY UINT64_MAX /* one that has room */

/* wwnn=, wwpn=, wwpn-maintenance=, fc-parent= */
struct fc_config {
	uint64_t parent; /* port name of the adapter; 0 = there are no virtual ports */
	uint64_t wwn[WWN_NAMES]; /* all of them, or 0: those that the registry gives */
};

/* How QEMU is to be started; section [guest] of the INI file. */
struct guest_config {
	char *kernel;
	char *initrd;
	char *append;
	char *binary;
	char *cpu;
	char *machine;
	char *accel;
	enum disk_error disk_error;
	char *user; /* that QEMU runs as; NULL: root */
	uint32_t uid; /* of that user */
	uint32_t gid;
	bool console; /* its first serial port is for "lparctl console" */
	bool agent; /* it has a channel for its agent, qemu-ga */
	unsigned int vcpus; /* 0 = one for each CPU of the LPAR */
	struct pin_config pin;
	struct nic *nic;
	size_t n_nics;
	struct fc_config fc;
	enum activation activation;
	char **after; /* LPARs that are started before it at boot */
	size_t n_after;
	uint64_t delay_ns; /* since then */
	char **args; /* more arguments, already split */
	size_t n_args;
};

/* A key of an INI file, as it is written there. */
struct config_line {
	const char *section;
	const char *name;
	char *value;
};

/* What an INI file or a command line says about an LPAR. */
struct lpar_config {
	char name[LPAR_NAME_MAX + 1];
	char *file; /* NULL when it comes from the command line */
	unsigned int given; /* mask of KEY_… */
	char cpus[LPAR_CPULIST_MAX + 1];
	uint64_t memory;
	int32_t node;
	uint32_t pages;
	uint32_t owner_uid;
	uint32_t owner_gid;
	uint32_t gate_timeout_ms;
	char *disk[LPAR_DISKS_MAX];
	size_t n_disks;
	struct guest_config guest;
	struct config_line *line; /* of the file and its drop-ins, those that count in the end */
	size_t n_lines;
};

/* All descriptions of this host. */
struct site {
	struct lpar_config *config;
	size_t n;
};

/*
 * Is given the keys of sections that describe no LPAR, and may say which one is described from
 * there on. Returns NULL, or what is wrong.
 */
typedef const char *(*config_other)(void *data, const char *section, const char *name,
				    const char *value, struct lpar_config **config);

struct stage {
	uint32_t number;
	uint32_t progress;
	uint64_t transfer_rate;
	uint64_t dirty_bytes;
	char text[LPAR_STAGE_TEXT_MAX + 1];
};

/* A vCPU thread that has a CPU of its own. */
struct pin {
	uint32_t vcpu;
	uint32_t pid;
	uint32_t cpu;
};

/* An LPAR as the kernel describes it. */
struct lpar {
	char name[LPAR_NAME_MAX + 1];
	char reason[256]; /* empty when there is none */
	char cpus[LPAR_CPULIST_MAX + 1];
	uint32_t state;
	uint64_t memory;
	uint64_t memory_small;
	uint64_t memory_bad;
	uint64_t memory_left;
	int32_t node;
	uint32_t pages;
	uint32_t owner_uid;
	uint32_t owner_gid;
	char *disk[LPAR_DISKS_MAX];
	size_t n_disks;
	uint32_t *member;
	size_t n_members; /* of @member */
	uint32_t members; /* that there are */
	uint32_t *grant; /* who may map its memory beside the holder */
	size_t n_grants;
	uint32_t holder; /* 0 = none */
	uint64_t violations;
	uint64_t strays;
	uint32_t gate;
	uint32_t gate_timeout_ms;
	uint32_t gate_vcpus;
	uint32_t gate_held;
	uint64_t gate_stop_ns;
	struct stage stage;
	struct pin *pin;
	size_t n_pins;
};

struct lpars {
	struct lpar *lpar;
	size_t n;
};

_Static_assert((int)LPAR_A_MAX <= NL_ATTRS_MAX, "nl_attrs() has room");
extern struct nl_family nl_lpar;

/* What an operation that starts and ends guests is known by, in the environment of what it runs */
#define SESSION_VARIABLE "LPARKIT_SESSION"

/* paths.c: where an LPAR and its guest are found */
#define NAME_RULE "1-31 of a-z 0-9 . _ -, and no - first; not cluster.lock nor cluster.session"
bool name_is_valid(const char *name);
const char *run_path(char *buf, size_t size, const char *name, const char *file);
const char *run_monitor(char *buf, size_t size, const char *name);
const char *move_path(char *buf, size_t size, const char *name);
const char *lpar_memory_path(char *buf, size_t size, const char *name);
int run_make(const char *name);
pid_t lpar_guest_pid(const struct lpar *lpar);
int lpar_lock(const char *name);
int lpar_try_lock(const char *name);

/* record.c: what the kernel says about an LPAR */
int lpar_get(const char *name, struct lpar *lpar);
int lpar_for_each(int (*visit)(const struct lpar *lpar, void *data), void *data);
int lpars_get(const char *name, struct lpars *lpars);
void lpars_free(struct lpars *lpars);
int lpar_fail(const char *name, int error);
void lpar_free(struct lpar *lpar);
bool lpar_is_fenced(const struct lpar *lpar);
bool lpar_has_member(const struct lpar *lpar, pid_t pid);
void stage_decode(struct stage *stage, const struct nlattr *nest);
struct json_object *stage_json(const struct stage *stage);
struct json_object *lpar_json(const struct lpar *lpar);
int lpar_define_as(struct json_object *before);
struct nlmsghdr *nl_request(enum lpar_cmd cmd, const char *name);
int nl_dump(enum lpar_cmd cmd, mnl_cb_t reply, void *data);
int nl_simple(enum lpar_cmd cmd, const char *name);
int stage_set(const char *name, const struct stage *stage, int state, bool transient);

/* running.c: which of them run, on record, whatever becomes of their host */
int running_load(const char *name, struct json_object **record);
int running_store(const char *name, struct json_object *record);
int running_note(const char *name, const char *file, bool incoming);
int running_arrived(const char *name);
int running_keep(const char *name);
bool running_is_kept(const char *name);
bool running_is_noted(const char *name);
int running_forget(const char *name);
int running_claim(const char *name);
bool running_is_claimed(const char *name);
int running_for_each(int (*visit)(const char *name, void *data), void *data);

/* names.c: of the ABI's numbers */
const char *state_name(uint32_t state);
const char *pages_name(uint32_t pages);
int pages_number(const char *name);
const char *gate_name(uint32_t gate);
const char *cut_action_name(uint32_t action);
const char *cut_state_name(uint32_t state);
int state_number(const char *name);
int cut_action_number(const char *name);

/* config.c: INI files */
void config_init(struct lpar_config *config, const char *name);
int config_set(struct lpar_config *config, const char *key, const char *value, const char **why);
const char *config_add(struct lpar_config *config, const char *name, const char *value);
int config_copy(const char *from, const char *to);
int config_load(struct lpar_config *config, const char *file, const char *name);
int config_complete(struct lpar_config *config);
int config_read(FILE *stream, const char *file, config_other other, void *data);
const char *config_path(char *buf, size_t size, const char *name);
bool config_exists(const char *name);
int config_refuse_drop_ins(const char *name);
void config_free(struct lpar_config *config);
int config_apply(enum lpar_cmd cmd, const struct lpar_config *config, unsigned int keys);

/* activation.c: keys of what is started at boot, and when */
const char *activation_name(enum activation activation);
const char *activation_set(struct lpar_config *config, const char *value);
const char *activation_add_after(struct lpar_config *config, const char *value);
const char *activation_set_delay(struct lpar_config *config, const char *value);
void activation_free(struct guest_config *guest);
bool activation_follows(const struct lpar_config *config, const char *name);

/* site.c: all of them */
int site_load(struct site *site);
void site_free(struct site *site);
const struct lpar_config *site_find(const struct site *site, const char *name);
int site_lock(void);
int site_try_lock(void);
bool site_takes(const char *name);
int site_write(const struct lpar_config *config, size_t n); /* exit code */
void site_take_back(const struct lpar_config *config, size_t n);

/* nodes.c: what this host has of CPUs and memory */
#define PIECE_BYTES (2ULL << 20) /* LPAR memory comes in pieces of this size */
int nodes_online(struct cpus *nodes);
int cpus_online(struct cpus *cpus);
void say_isolated(const char *name, const char *list);
int node_cpus(unsigned int node, struct cpus *cpus);
int core_cpus(unsigned int cpu, struct cpus *cpus);
bool node_memory(int node, uint64_t *bytes);
bool host_memory(uint64_t *bytes);
uint64_t memory_for_lpars(uint64_t has);

/* pool.c: what LPARs may have of it, and what is left */
struct pool_node {
	unsigned int node;
	struct cpus cpus; /* of whole cores that are online */
	struct cpus free;
	uint64_t memory;
	uint64_t used; /* by LPARs of this node */
	uint64_t left; /* for one of this node; less than the rest if others are of any */
};

struct pool {
	struct pool_node *node;
	size_t n;
	uint64_t any; /* used by LPARs of any node */
};

int pool_load(struct pool *pool);
void pool_free(struct pool *pool);
bool pool_core(const struct pool_node *node, unsigned int cpu, struct cpus *core);
int pool_show_verb(struct args *args);

/* schedule.c */
int schedule_verb(struct args *args);

/* metrics.c */
int metrics_verb(struct args *args);

/* define.c */
int define_verb(struct args *args);

/* nic.c */
const char *mac_format(char *buf, const uint8_t *mac);
const char *nic_add(struct guest_config *guest, const char *value);
int nics_complete(struct lpar_config *config);

/* wwn.c: world wide names, and who has been given which */
const char *wwn_set(struct fc_config *fc, enum wwn which, const char *value);
const char *fc_parent_set(struct fc_config *fc, const char *value);
int wwns_check(const struct lpar_config *config);
uint64_t wwn_shared(const struct fc_config *a, const struct fc_config *b);
bool wwn_is_here(uint64_t wwn);
void wwns_write(FILE *to, const struct lpar_config *config);
int wwns_give(const char *lpar, bool new, uint64_t *wwn);
int wwns_complete(struct lpar_config *config);
int wwns_claim(const struct lpar_config *config);
bool wwns_were_given(const struct lpar_config *config, char *owner, size_t size);

/* status.c: the guest, as QEMU tells of it */
#define GUEST_IO_ERROR "io-error"
struct json_object *status_ask(struct qmp *qmp, const struct lpar *lpar);
int disk_number(struct json_object *block);
struct json_object *status_get(const struct lpar *lpar);
struct json_object **status_get_all(const struct lpars *lpars);
char *status_text(struct json_object *guest);

/* check.c */
bool same_disk(const char *a, const char *b);
int check_verb(struct args *args);
int check_comers(struct lpar_config *config, size_t n, struct json_object *json);
int check_comers_aloud(struct lpar_config *config, size_t n); /* exit code */

/* export.c, import.c: descriptions on their way to other hosts */
#define EXPORT_VERSION 1
int export_verb(struct args *args);
int import_verb(struct args *args);
int config_write(FILE *to, const struct lpar_config *config);
int config_record(const struct lpar_config *config, const char *file);
int export_load(struct site *site, struct args *args); /* exit code */
char *export_one(struct lpar_config *config);
int comers_add(struct site *comers, FILE *stream, const char *file);
int comers_check(struct site *comers, struct json_object *json); /* exit code */

/* lpar.c, run.c: verbs of the object lpar */
int lpar_create_verb(struct args *args);
int lpar_set_verb(struct args *args);
int lpar_delete_verb(struct args *args);
int lpar_list_verb(struct args *args);
int lpar_show_verb(struct args *args);
int lpar_activate_verb(struct args *args);
int lpar_deactivate_verb(struct args *args);
int deactivate(const char *name, bool force);
int gate_close(const char *name, uint32_t timeout_ms);
int freeze_verb(struct args *args);
int thaw_verb(struct args *args);
int member_verb(struct args *args);
int grant_verb(struct args *args);
int revoke_verb(struct args *args);
int stage_verb(struct args *args);

/* cut.c, event.c: the other objects, events */
int cut_list_verb(struct args *args);
int cut_show_verb(struct args *args);
int cut_cancel_verb(struct args *args);
int cut_arm_verb(struct args *args);
int cut_arm(int action, uint64_t *deadline_ns, const char *const *lpars, size_t n, uint32_t *id);
struct json_object *cut_get(uint32_t id, int *error);
struct json_object *cut_find(const char *lpar, uint64_t deadline_ns);
void cut_cancel_of(const char *lpar, uint64_t deadline_ns);
extern const struct event_source lpar_events;

/* oom.c: what the OOM killer thinks of an LPAR's memory */
int oom_discount(uint64_t memory);
int oom_read(pid_t pid, char *buf, size_t size);

/* irq.c: interrupts leave the LPAR's CPUs, and come back */
void irqs_move(const char *name);
int irqs_strayed(const char *name, const char *cpus);
void irqs_restore(const char *name, const char *cpus);

#endif /* LPAR_H */
