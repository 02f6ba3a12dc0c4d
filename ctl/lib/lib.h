/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all rooms of lparctl share: it knows no object, and calls nothing above it.
 * Prototypes are grouped by the file that holds them.
 *
 * Functions that return int return 0 or a negative errno unless their comment
 * says "exit code". Whoever finds an error first prints it, once, with err().
 */
#ifndef LIB_H
#define LIB_H

#include <glob.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <json-c/json.h>
#include <libmnl/libmnl.h>

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

/* As many as the largest NR_CPUS of Debian's kernels. */
#define CPUS_MAX 8192

#define CPUS_LIST_BYTES (CPUS_MAX * 5) /* any set of them as text */

struct cpus {
	uint64_t word[CPUS_MAX / 64];
};

/* err.c: what is said to people */
void err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void err_capture(bool on);
const char *err_captured(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int usage(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* exit code */
/* args.c: the words of the command line */
const char *next_arg(struct args *args);
bool next_option(struct args *args, const char *option, const char **value);
bool next_flag(struct args *args, const char *flag);

/* text.c: words to values and back */
int parse_uint(const char *text, uint64_t max, uint64_t *value);
int parse_size(const char *text, uint64_t *bytes);
int parse_time(const char *text, uint64_t *ns);
int parse_instant(const char *text, uint64_t *ns);
int find_word(const char *const *words, size_t n, const char *word);
int split_words(const char *text, char ***words, size_t *n_words);
const char *format_size(char *buf, size_t size, uint64_t bytes);
const char *format_time(char *buf, size_t size, int64_t ns);
const char *format_instant(char *buf, size_t size, uint64_t ns);
uint64_t now_ns(clockid_t clock);
int poll_ms(uint64_t ns);
uint64_t left_ns(uint64_t deadline_ns);
void sleep_ms(unsigned int ms);
void *xalloc(size_t size);
void *xrealloc(void *memory, size_t size);
char *xstrdup(const char *text);
char *xprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* wwn.c: world wide names, and other bytes, as text */
#define WWN_CHARS 23
int parse_hex(const char *text, uint8_t *bytes, size_t n);
int wwn_parse(const char *text, uint64_t *wwn);
const char *wwn_format(char *buf, size_t size, uint64_t wwn);

/* files.c: small files, and directories */
const char *rooted(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int read_text(const char *path, char *buf, size_t size);
int write_text(const char *path, const char *text);
int find_files(const char *pattern, glob_t *files);
int make_dir(const char *path, mode_t mode);
int lock_file(const char *path, int operation);
FILE *create_file(const char *path);
FILE *begin_file(const char *path, mode_t mode);
int replace_file(FILE *file, const char *path, int ret);
int close_synced(FILE *file, int ret);
int sync_parent(const char *path);
int store_text(const char *path, const char *text);
int remove_synced(const char *path);
int rename_synced(const char *path, const char *to);

/* host.c: commands on other hosts */
bool host_is_valid(const char *host);
char **host_words(const char *via, const char *host, const char *const *command);
void host_words_free(char **words);

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
#define NL_ATTRS_MAX 127 /* room for the attributes of each family */

struct nl_family {
	const char *name;
	uint8_t version;
	uint16_t id; /* 0 = not looked up yet */
	uint32_t events; /* multicast group */
};

bool nl_available(struct nl_family *family);
int nl_check(struct nl_family *family);
struct nlmsghdr *nl_begin(struct nl_family *family, uint8_t cmd, uint16_t flags);
/* Holds the largest request, a cut of thousands of long names; a socket sends as much. */
#define NL_REQUEST_BYTES (192 << 10)
size_t nl_room(const struct nlmsghdr *nlh);
const char *nl_warning(void);
int nl_send(struct nlmsghdr *nlh, mnl_cb_t reply, void *data);
const char *nl_text(int error);
void nl_refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int nl_fail(const char *what, int error); /* exit code */
int nl_parse(const struct nlattr **tb, size_t n, const struct nlattr *nest);
const struct nlattr **nl_attrs(const struct nlmsghdr *nlh);
struct mnl_socket *nl_subscribe(struct nl_family *family);
struct mnl_socket *nl_subscribe_comers(void);
bool nl_has_come(const struct nlmsghdr *nlh, const char *name);
int nl_join(struct mnl_socket *sock, struct nl_family *family);
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
int watch_verb(struct watch *watch, struct args *args, const char *object); /* exit code */

/* The events of a family, for whoever shows those of all. */
struct event_source {
	const char *object; /* as the command line calls it */
	struct nl_family *family;
	uint16_t seq;
	struct json_object *(*decode)(const struct nlmsghdr *nlh); /* to be put; "event" is in it */
	const char *const *events; /* their names */
	size_t n_events;
};

/* interrupt.c: signals that ask a command to end */
void interrupt_catch(int flags);
void pipe_catch(void);
void pipe_end(void);
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
int process_await(pid_t child, int *status, uint64_t timeout_ns);
#define BOOT_ID_CHARS 36
const char *boot_id(char *buf, size_t size);
bool process_has_variable(pid_t pid, const char *name, const char *value);

/* command.c: other programs */
void tell_systemd(const char *text);
bool host_goes_down(void);
int command_output(char *const words[], char *buf, size_t size, unsigned int timeout_ms);
int command_answer(char *const words[], const char *input, char *buf, size_t size,
		   unsigned int timeout_ms);

/* output.c: tables and JSON */
void table_row(const char *const *cell, size_t n);
void table_print(void);
void json_put(struct json_object *object, const char *key, const char *value);
void json_put_u64(struct json_object *object, const char *key, uint64_t value);
void json_put_s64(struct json_object *object, const char *key, int64_t value);
void json_put_flag(struct json_object *object, const char *key, bool value);
void json_add(struct json_object *array, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
char *make_printable(char *text, const char *kept);
char *json_printable(struct json_object *value);
void json_print(struct json_object *json);

/* qmp.c: QEMU's monitor, and the agent in a guest */
struct qmp;

struct qmp_reply {
	const char *event; /* by which QEMU says when a command took effect, NULL = none */
	uint64_t event_ns; /* CLOCK_REALTIME of it, 0 = it did not come */
	struct json_object *result;
	char why[160];
};

int qmp_open(const char *path, unsigned int timeout_ms, struct qmp **opened);
int qmp_open_agent(const char *path, unsigned int timeout_ms, struct qmp **opened);
void qmp_close(struct qmp *qmp);
pid_t qmp_peer(const struct qmp *qmp);
pid_t qmp_listener(const char *path, unsigned int timeout_ms);
int qmp_call(struct qmp *qmp, const char *command, struct json_object *arguments, int pass,
	     struct qmp_reply *reply, unsigned int timeout_ms);
int qmp_command(struct qmp *qmp, const char *command, unsigned int timeout_ms);

/* virsh.c: QEMU's monitor, by way of libvirt */
int virsh_call(const char *domain, const char *command, struct qmp_reply *reply,
	       unsigned int timeout_ms);
pid_t virsh_pid(const char *domain);

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

static inline bool json_is_among(struct json_object *array, const char *text)
{
	size_t i;

	for (i = 0; i < json_count(array); i++)
		if (!strcmp(json_text_at(array, i), text))
			return true;
	return false;
}

static inline bool json_flag(struct json_object *json, const char *key)
{
	return json_object_get_boolean(json_object_object_get(json, key));
}

static inline int64_t json_number(struct json_object *json, const char *key)
{
	return json_object_get_int64(json_object_object_get(json, key));
}

#endif /* LIB_H */
