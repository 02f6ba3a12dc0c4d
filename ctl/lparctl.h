/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of lparctl share. Prototypes are grouped by the file that
 * holds them.
 *
 * Functions that return int return 0 or a negative errno unless their comment
 * says "exit code". Whoever finds an error first prints it, once, with err().
 */
#ifndef LPARCTL_H
#define LPARCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include <json-c/json.h>
#include <libmnl/libmnl.h>

#include "../include/uapi/lparkit/lpar.h"
#include "../include/uapi/lparkit/netbuf.h"
#include "../include/uapi/lparkit/dirtythrottle.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_SEC 1000000000LL
#define NSEC_PER_USEC 1000LL
#define NSEC_PER_MSEC 1000000LL

enum exit_code {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_CHECK, /* a check found problems */
	EXIT_TIMEOUT,
	EXIT_ROLLED_BACK, /* failed, and everything done so far was undone */
};

struct options {
	bool json;
	bool pretty;
	const char *root; /* prefix of /etc, /proc, /run and /sys */
};

extern struct options options;

/* The rest of the command line; argv[0] is the next word. */
struct args {
	int argc;
	char **argv;
};

/* A verb or an object: one line in a table that ends with a NULL name. */
struct command {
	const char *name;
	int (*run)(struct args *args); /* exit code */
};

/* As many as the largest NR_CPUS of Debian's kernels. */
#define CPUS_MAX 8192

struct cpus {
	uint64_t word[CPUS_MAX / 64];
};

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

/* How QEMU is to be started; section [guest] of the INI file. */
struct guest_config {
	char *kernel;
	char *initrd;
	char *append;
	char *binary;
	char *cpu;
	char *machine;
	char *accel;
	unsigned int vcpus; /* 0 = one for each CPU of the LPAR */
	struct pin_config pin;
	char **args; /* more arguments, already split */
	size_t n_args;
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
};

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
	int32_t node;
	uint32_t pages;
	uint32_t owner_uid;
	uint32_t owner_gid;
	char *disk[LPAR_DISKS_MAX];
	size_t n_disks;
	uint32_t *member;
	size_t n_members;
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

/* main.c */
void err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void err_capture(bool on);
const char *err_captured(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int usage(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* exit code */
int run_command(const char *what, const struct command *table, struct args *args);
const char *next_arg(struct args *args);
bool next_option(struct args *args, const char *option, const char **value);
bool next_flag(struct args *args, const char *flag);
const char *rooted(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* help.c */
void help_print(FILE *to);
void help_print_object(const char *object);

/* text.c: words to values and back */
int parse_uint(const char *text, uint64_t max, uint64_t *value);
int parse_size(const char *text, uint64_t *bytes);
int parse_time(const char *text, uint64_t *ns);
int parse_instant(const char *text, uint64_t *ns);
int parse_owner(const char *text, struct lpar_config *config);
int split_words(const char *text, char ***words, size_t *n_words);
bool name_is_valid(const char *name);
const char *format_size(char *buf, size_t size, uint64_t bytes);
const char *format_time(char *buf, size_t size, int64_t ns);
const char *format_instant(char *buf, size_t size, uint64_t ns);
uint64_t now_ns(clockid_t clock);
int poll_ms(uint64_t ns);
void sleep_ms(unsigned int ms);
void *xalloc(size_t size);
void *xrealloc(void *memory, size_t size);
char *xstrdup(const char *text);
char *xprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int read_text(const char *path, char *buf, size_t size);
int write_text(const char *path, const char *text);
const char *run_path(char *buf, size_t size, const char *name, const char *file);
const char *run_monitor(char *buf, size_t size, const char *name);
const char *lpar_memory_path(char *buf, size_t size, const char *name);
int run_make(const char *name);

/* cpus.c: sets of CPUs */
int cpus_parse(const char *list, struct cpus *cpus);
const char *cpus_format(char *buf, size_t size, const struct cpus *cpus);
int cpus_read(const char *path, struct cpus *cpus);
bool cpus_has(const struct cpus *cpus, unsigned int cpu);
bool cpus_empty(const struct cpus *cpus);
unsigned int cpus_count(const struct cpus *cpus);
bool cpus_intersect(const struct cpus *a, const struct cpus *b);
bool cpus_subset(const struct cpus *a, const struct cpus *of);
void cpus_and(struct cpus *dst, const struct cpus *a, const struct cpus *b);
void cpus_or(struct cpus *dst, const struct cpus *a, const struct cpus *b);
void cpus_andnot(struct cpus *dst, const struct cpus *a, const struct cpus *b);

/* netlink.c */
struct nl_family {
	const char *name;
	uint8_t version;
	uint16_t id; /* 0 = not looked up yet */
	uint32_t events; /* multicast group */
};

extern struct nl_family nl_lpar, nl_netbuf, nl_throttle;
bool nl_available(struct nl_family *family);
int nl_check(struct nl_family *family);
struct nlmsghdr *nl_begin(struct nl_family *family, uint8_t cmd, uint16_t flags);
/* Holds the largest request, a cut of LPAR_CUT_LPARS_MAX long names; a socket sends as much. */
#define NL_REQUEST_BYTES (192 << 10)
size_t nl_room(const struct nlmsghdr *nlh);
const char *nl_warning(void);
struct nlmsghdr *nl_request(enum lpar_cmd cmd, const char *name);
int nl_send(struct nlmsghdr *nlh, mnl_cb_t reply, void *data);
int nl_dump(enum lpar_cmd cmd, mnl_cb_t reply, void *data);
int nl_simple(enum lpar_cmd cmd, const char *name);
const char *nl_text(int error);
void nl_refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int nl_fail(const char *what, int error); /* exit code */
int nl_parse(const struct nlattr **tb, size_t n, const struct nlattr *nest);
const struct nlattr **nl_attrs(const struct nlmsghdr *nlh);
struct mnl_socket *nl_subscribe(struct nl_family *family);
int nl_receive(struct mnl_socket *sock, int timeout_ms, mnl_cb_t event, void *data);

/* An option that is an attribute of a request. */
struct setting {
	const char *name;
	/* Puts a value into the request; returns NULL, or what is expected. */
	const char *(*put)(struct nlmsghdr *nlh, const char *value);
	bool is_flag; /* without a value */
};

int put_settings(struct nlmsghdr *nlh, struct args *args, const struct setting *settings,
		 const char *object); /* exit code */

/* watch.c: the events of a family, as they come */
struct watch {
	struct nl_family *family;
	uint16_t seq; /* attribute that has the number of an event */
	bool (*show)(const struct nlmsghdr *nlh, void *data); /* false: it is not wanted */
	void *data;
	uint64_t count; /* 0: without end */
	uint64_t timeout_ns; /* 0: none */
	uint64_t seen;
	uint64_t last_seq;
};

bool watch_option(struct watch *watch, struct args *args, int *ret);
int watch_events(struct watch *watch); /* exit code */

/* interrupt.c: signals that ask a command to end */
void interrupt_catch(int flags);
bool interrupted(void);
unsigned int interruptions(void);

/* process.c: lparctl's own processes, and those of guests */
struct process {
	pid_t pid;
	uint64_t start; /* clock ticks since the machine has booted; 0 = no process */
};

char **self_words(const char *const *words);
int process_find(pid_t pid, struct process *process);
bool process_lives(const struct process *process);
int process_open(const struct process *process);
bool process_has_variable(pid_t pid, const char *name, const char *value);

/* record.c: what the kernel says about an LPAR */
int lpar_get(const char *name, struct lpar *lpar);
int lpar_for_each(int (*visit)(const struct lpar *lpar, void *data), void *data);
int lpar_fail(const char *name, int error);
void lpar_free(struct lpar *lpar);
bool lpar_is_fenced(const struct lpar *lpar);
bool lpar_has_member(const struct lpar *lpar, pid_t pid);
void stage_decode(struct stage *stage, const struct nlattr *nest);
struct json_object *stage_json(const struct stage *stage);
struct json_object *lpar_json(const struct lpar *lpar);

/* output.c: names of numbers, tables and JSON */
const char *state_name(uint32_t state);
const char *pages_name(uint32_t pages);
int pages_number(const char *name);
const char *gate_name(uint32_t gate);
const char *cut_action_name(uint32_t action);
const char *cut_state_name(uint32_t state);
const char *event_name(uint32_t event);
int state_number(const char *name);
int event_number(const char *name);
int cut_action_number(const char *name);
void table_row(const char *const *cell, size_t n);
void table_print(void);
void json_put(struct json_object *object, const char *key, const char *value);
void json_put_u64(struct json_object *object, const char *key, uint64_t value);
void json_put_s64(struct json_object *object, const char *key, int64_t value);
char *json_printable(struct json_object *value);
void json_print(struct json_object *json);

/* config.c: INI files */
void config_init(struct lpar_config *config, const char *name);
int config_set(struct lpar_config *config, const char *key, const char *value, const char **why);
int config_copy(const char *from, const char *to);
int config_load(struct lpar_config *config, const char *file, const char *name);
bool config_exists(const char *name);
void config_free(struct lpar_config *config);
int config_apply(enum lpar_cmd cmd, const struct lpar_config *config, unsigned int keys);

/* check.c */
bool same_disk(const char *a, const char *b);
int check_verb(struct args *args);

/* lpar.c, run.c, guest.c: verbs of the object lpar */
int lpar_object(struct args *args);
int deactivate(const char *name, bool force);
pid_t lpar_guest_pid(const struct lpar *lpar);
int lpar_lock(const char *name);
int gate_close(const char *name, uint32_t timeout_ms);
int freeze_verb(struct args *args);
int thaw_verb(struct args *args);
int member_verb(struct args *args);
int stage_verb(struct args *args);
int start_verb(struct args *args);
int stop_verb(struct args *args);

/* cut.c, monitor.c: the other objects */
int cut_object(struct args *args);
int cut_arm(int action, uint64_t *deadline_ns, const char *const *lpars, size_t n, uint32_t *id);
struct json_object *cut_get(uint32_t id, int *error);
int cut_cancel(uint32_t id);
int monitor_object(struct args *args);

/* netbuf.c: frames of netdevs; netbuf_save.c, netbuf_load.c: to a file and back */
int netbuf_object(struct args *args);
int netbuf_fail(const char *name, int error); /* exit code */
struct nlmsghdr *netbuf_request(enum netbuf_cmd cmd, const char *name);
int netbuf_get(const char *name, struct json_object **buffer);
int netbuf_set_state(const char *name, enum netbuf_state state);
int netbuf_save(const char *path, char *const *names, int n, uint64_t *frames); /* exit code */
int netbuf_save_verb(struct args *args);
int netbuf_load(const char *path); /* exit code */
int netbuf_load_verb(struct args *args);

/*
 * throttle.c: how fast guests dirty their memory; throttle_follow.c: while one migrates;
 * throttle_msi.c: how late interrupts come; throttle_hold.c: so that a device is slow
 */
int throttle_object(struct args *args);
struct nlmsghdr *throttle_request(enum dt_cmd cmd, pid_t pid);
int throttle_get(pid_t pid, struct json_object **target);
pid_t throttle_pid(const char *word, const char **name);
int throttle_parse_watchdog(const char *value, uint32_t *ms);
struct json_object *throttle_decode(const struct nlmsghdr *nlh);
int throttle_follow_verb(struct args *args);
int throttle_msi_verb(struct args *args);
struct nlmsghdr *throttle_msi_request(enum dt_cmd cmd, const char *address);
int throttle_hold(const char *address, uint64_t limit, const char *counter, bool force,
		  uint32_t watchdog_ms); /* exit code */

/* snap.c, snap_check.c: states of snapsync volumes */
int snap_object(struct args *args);
int snap_volume_of(const char *disk, char *volume, size_t size);
int snap_message(const char *volume, const char *text, char **response);
int snap_change(const char *volume, const char *verb, const char *state);
int snap_has_state(const char *volume, const char *state);
void snap_delete_cut(const char *volume, uint64_t deadline_ns);
int snap_check_closed(const char *volume, unsigned int claims);
int snap_restore(const char *volume, const char *state);
const char *snap_reason(int error);
int snap_check(struct args *args);

/* qemu.c: the command line of QEMU */
char **qemu_command(const struct lpar_config *config, bool incoming);

/* qmp.c: QEMU's monitor */
struct qmp;

struct qmp_reply {
	const char *event; /* by which QEMU says when a command took effect, NULL = none */
	uint64_t event_ns; /* CLOCK_REALTIME of it, 0 = it did not come */
	struct json_object *result;
	char why[160];
};

int qmp_open(const char *path, unsigned int timeout_ms, struct qmp **opened);
void qmp_close(struct qmp *qmp);
pid_t qmp_peer(const struct qmp *qmp);
int qmp_call(struct qmp *qmp, const char *command, struct json_object *arguments, int pass,
	     struct qmp_reply *reply, unsigned int timeout_ms);
int qmp_command(struct qmp *qmp, const char *command, unsigned int timeout_ms);

/* pin.c: vCPUs on CPUs of their own */
int pin_guest(const struct lpar *lpar, const struct pin_config *config); /* exit code */
int pin_verb(struct args *args);
void pin_others(const struct lpar *lpar, struct cpus *others);

/* oom.c: what the OOM killer thinks of an LPAR's memory */
int oom_discount(uint64_t memory);
int oom_read(pid_t pid, char *buf, size_t size);

/* irq.c: interrupts leave the LPAR's CPUs, and come back */
void irqs_move(const char *name, const char *cpus);
int irqs_strayed(const char *name, const char *cpus);
void irqs_restore(const char *name, const char *cpus);

/* JSON that came from outside: missing keys are 0 and "". */
static inline const char *json_text(struct json_object *json, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(json, key));

	return text ? text : "";
}

/* What is no array has no elements. */
static inline size_t json_count(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static inline struct json_object *json_at(struct json_object *array, size_t i)
{
	return i < json_count(array) ? json_object_array_get_idx(array, i) : NULL;
}

static inline const char *json_text_at(struct json_object *array, size_t i)
{
	const char *text = json_object_get_string(json_at(array, i));

	return text ? text : "";
}

static inline bool json_flag(struct json_object *json, const char *key)
{
	return json_object_get_boolean(json_object_object_get(json, key));
}

static inline int64_t json_number(struct json_object *json, const char *key)
{
	return json_object_get_int64(json_object_object_get(json, key));
}

#endif /* LPARCTL_H */
