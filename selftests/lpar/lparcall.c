// SPDX-License-Identifier: GPL-2.0
/*
 * lparcall: one command to lpar.ko, and nothing beside it.
 *
 *	lparcall [--user UID] COMMAND [NAME] [KEY VALUE]...
 *	lparcall --meanwhile SHELL COMMAND [NAME] [KEY VALUE]...
 *	lparcall --stay SECONDS COMMAND [NAME] [KEY VALUE]...
 *	lparcall --fail-each UNDO COMMAND [NAME] [KEY VALUE]...
 *	lparcall --fail NTH COMMAND [NAME] [KEY VALUE]...
 *	lparcall monitor COUNT SECONDS
 *	lparcall [--user UID] flood SECONDS	asks as often as it can, and reads no answer
 *	lparcall answers NAME FILE	says "asks", and asks while FILE is there; then how often,
 *			and how many ms the slowest answer took: on the LPAR, and on the family
 *	lparcall deaf COMMAND [NAME] [KEY VALUE]...	has no room for the reply, nor reads it
 *	lparcall -			reads commands, one a line, until one is refused
 *
 * Prints the reply as "key=value" words, one line for each message. A refusal
 * is printed as "ERRNO: the kernel's words" and ends with status 1.
 *
 * With --meanwhile SHELL is run after the first message of the reply, before it reads on.
 *
 * With --stay it keeps its socket for so long after the command has succeeded, and
 * says "stays".
 *
 * With --fail-each the command is given again and again: each time another of its
 * allocations fails, until it needs no more than have failed. Then it has to
 * succeed. UNDO, a command in one word or "", follows each try.
 *
 * With --fail only the NTH of its allocations fails. Status 3: there are not so many.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "failnth.h"
#include "lparnl.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* More allocations than this in one command would be a loop of our own. */
#define NTH_MAX 500
#define WORDS_MAX 16
#define PATIENCE_MS 10000

enum type {
	TYPE_STRING,
	TYPE_U32,
	TYPE_U64,
	TYPE_S32,
	TYPE_S64,
	TYPE_FLAG,
	TYPE_NEST,
	TYPE_ENUM,
	TYPE_DISK,
	TYPE_PIN,
};

struct key {
	const char *name;
	enum type type;
	const struct key *members; /* of a nest */
	const char *const *values; /* of an enum */
};

static const char *const states[] = { "defined", "active", "migrating", "saved", "degraded", NULL };
static const char *const pages[] = { "any", "large", NULL };
static const char *const gates[] = { "open", "armed", "closed", NULL };
static const char *const cut_actions[] = { "close", "open", NULL };
static const char *const cut_states[] = { "armed", "fired", "cancelled", NULL };
static const char *const events[] = {
	[LPAR_EVENT_CREATED] = "created",
	[LPAR_EVENT_DELETED] = "deleted",
	[LPAR_EVENT_CHANGED] = "changed",
	[LPAR_EVENT_STATE] = "state",
	[LPAR_EVENT_STAGE] = "stage",
	[LPAR_EVENT_MEMBER_ADDED] = "member-added",
	[LPAR_EVENT_MEMBER_REMOVED] = "member-removed",
	[LPAR_EVENT_VIOLATION] = "violation",
	[LPAR_EVENT_GATE_CLOSED] = "gate-closed",
	[LPAR_EVENT_GATE_OPENED] = "gate-opened",
	[LPAR_EVENT_GATE_TIMEOUT] = "gate-timeout",
	[LPAR_EVENT_MEMORY_HELD] = "memory-held",
	[LPAR_EVENT_MEMORY_RELEASED] = "memory-released",
	[LPAR_EVENT_CUT_ARMED] = "cut-armed",
	[LPAR_EVENT_CUT_FIRED] = "cut-fired",
	[LPAR_EVENT_CUT_CANCELLED] = "cut-cancelled",
	[LPAR_EVENT_MEMORY_FAILED] = "memory-failed",
	[LPAR_EVENT_STRAYED] = "strayed",
	[LPAR_EVENT_IRQ_STRAYED] = "irq-strayed",
	[LPAR_EVENT_IRQ_STRAYED + 1] = NULL,
};

static const struct key stage_keys[LPAR_A_STAGE_MAX + 2] = {
	[LPAR_A_STAGE_NUMBER] = { "number", TYPE_U32 },
	[LPAR_A_STAGE_TEXT] = { "text", TYPE_STRING },
	[LPAR_A_STAGE_PROGRESS] = { "progress", TYPE_U32 },
	[LPAR_A_STAGE_TRANSFER_RATE] = { "transfer_rate", TYPE_U64 },
	[LPAR_A_STAGE_DIRTY_BYTES] = { "dirty_bytes", TYPE_U64 },
};

static const struct key point_keys[LPAR_A_POINT_MAX + 2] = {
	[LPAR_A_POINT_KIND] = { "kind", TYPE_STRING },
	[LPAR_A_POINT_NAME] = { "point", TYPE_STRING },
	[LPAR_A_POINT_FIRED_NS] = { "fired_ns", TYPE_U64 },
	[LPAR_A_POINT_LATENCY_NS] = { "latency_ns", TYPE_S64 },
	[LPAR_A_POINT_DONE_NS] = { "done_ns", TYPE_U64 },
	[LPAR_A_POINT_COUNT] = { "count", TYPE_U32 },
	[LPAR_A_POINT_ERROR] = { "error", TYPE_S32 },
};

static const struct key keys[LPAR_A_MAX + 2] = {
	[LPAR_A_NAME] = { "name", TYPE_STRING },
	[LPAR_A_STATE] = { "state", TYPE_ENUM, .values = states },
	[LPAR_A_REASON] = { "reason", TYPE_STRING },
	[LPAR_A_CPUS] = { "cpus", TYPE_STRING },
	[LPAR_A_MEMORY] = { "memory", TYPE_U64 },
	[LPAR_A_MEMORY_SMALL] = { "memory_small", TYPE_U64 },
	[LPAR_A_MEMORY_BAD] = { "memory_bad", TYPE_U64 },
	[LPAR_A_MEMORY_LEFT] = { "memory_left", TYPE_U64 },
	[LPAR_A_STRAYS] = { "strays", TYPE_U64 },
	[LPAR_A_NODE] = { "node", TYPE_S32 },
	[LPAR_A_PAGES] = { "pages", TYPE_ENUM, .values = pages },
	[LPAR_A_OWNER_UID] = { "owner_uid", TYPE_U32 },
	[LPAR_A_OWNER_GID] = { "owner_gid", TYPE_U32 },
	[LPAR_A_DISK] = { "disk", TYPE_DISK },
	[LPAR_A_MEMBER] = { "member", TYPE_U32 },
	[LPAR_A_MEMBERS] = { "members", TYPE_U32 },
	[LPAR_A_HOLDER] = { "holder", TYPE_U32 },
	[LPAR_A_VIOLATIONS] = { "violations", TYPE_U64 },
	[LPAR_A_GATE] = { "gate", TYPE_ENUM, .values = gates },
	[LPAR_A_GATE_TIMEOUT_MS] = { "gate_timeout_ms", TYPE_U32 },
	[LPAR_A_GATE_VCPUS] = { "gate_vcpus", TYPE_U32 },
	[LPAR_A_GATE_HELD] = { "gate_held", TYPE_U32 },
	[LPAR_A_GATE_STOP_NS] = { "gate_stop_ns", TYPE_U64 },
	[LPAR_A_STAGE] = { "stage", TYPE_NEST, .members = stage_keys },
	[LPAR_A_PROBLEM] = { "problem", TYPE_STRING },
	[LPAR_A_FORCE] = { "force", TYPE_FLAG },
	[LPAR_A_TRANSIENT] = { "transient", TYPE_FLAG },
	[LPAR_A_PIN] = { "pin", TYPE_PIN },
	[LPAR_A_GRANT] = { "grant", TYPE_U32 },
	[LPAR_A_EVENT] = { "event", TYPE_ENUM, .values = events },
	[LPAR_A_EVENT_SEQ] = { "seq", TYPE_U64 },
	[LPAR_A_EVENT_TIME_NS] = { "time_ns", TYPE_U64 },
	[LPAR_A_PID] = { "pid", TYPE_U32 },
	[LPAR_A_COMM] = { "comm", TYPE_STRING },
	[LPAR_A_CPU] = { "cpu", TYPE_U32 },
	[LPAR_A_IRQ] = { "irq", TYPE_U32 },
	[LPAR_A_CUT_ID] = { "cut", TYPE_U32 },
	[LPAR_A_CUT_ACTION] = { "action", TYPE_ENUM, .values = cut_actions },
	[LPAR_A_CUT_STATE] = { "cut_state", TYPE_ENUM, .values = cut_states },
	[LPAR_A_CUT_DEADLINE_NS] = { "deadline_ns", TYPE_U64 },
	[LPAR_A_CUT_LPAR] = { "lpar", TYPE_STRING },
	[LPAR_A_CUT_POINT] = { "point", TYPE_NEST, .members = point_keys },
	[LPAR_A_CUT_SKEW_NS] = { "skew_ns", TYPE_U64 },
};

static const struct command {
	const char *name;
	uint8_t cmd;
	uint16_t flags;
	bool named; /* the first word after it is the LPAR's name */
} commands[] = {
	{ "create", LPAR_CMD_CREATE, 0, true },
	{ "delete", LPAR_CMD_DELETE, 0, true },
	{ "set", LPAR_CMD_SET, 0, true },
	{ "get", LPAR_CMD_GET, 0, true },
	{ "list", LPAR_CMD_GET, NLM_F_DUMP, false },
	{ "check", LPAR_CMD_CHECK, 0, true },
	{ "activate", LPAR_CMD_ACTIVATE, 0, true },
	{ "deactivate", LPAR_CMD_DEACTIVATE, 0, true },
	{ "member-add", LPAR_CMD_MEMBER_ADD, 0, true },
	{ "member-del", LPAR_CMD_MEMBER_DEL, 0, true },
	{ "gate-close", LPAR_CMD_GATE_CLOSE, 0, true },
	{ "gate-open", LPAR_CMD_GATE_OPEN, 0, true },
	{ "stage", LPAR_CMD_STAGE_SET, 0, true },
	{ "pin", LPAR_CMD_PIN, 0, true },
	{ "grant", LPAR_CMD_GRANT, 0, true },
	{ "revoke", LPAR_CMD_REVOKE, 0, true },
	{ "irqs-watch", LPAR_CMD_IRQS_WATCH, 0, true },
	{ "cut", LPAR_CMD_CUT_ARM, 0, false },
	{ "cut-cancel", LPAR_CMD_CUT_CANCEL, 0, false },
	{ "cut-get", LPAR_CMD_CUT_GET, NLM_F_DUMP, false },
	{ "cut-list", LPAR_CMD_CUT_GET, NLM_F_DUMP, false },
};

static struct lparnl nl;

static void __attribute__((noreturn)) usage(const char *word)
{
	fprintf(stderr, "lparcall: what is \"%s\"? See the top of lparcall.c.\n", word);
	exit(2);
}

/* The number of the key in its table, 0 if it is not there. */
static unsigned int find_key(const struct key *table, unsigned int max, const char *name)
{
	for (unsigned int i = 1; i <= max; i++)
		if (table[i].name && !strcmp(table[i].name, name))
			return i;
	return 0;
}

static uint32_t enum_value(const struct key *key, const char *word)
{
	for (uint32_t i = 0; key->values[i]; i++)
		if (!strcmp(key->values[i], word))
			return i;
	return strtoul(word, NULL, 0);
}

/* Accepts K, M, G after a number of bytes. */
static uint64_t number(const char *word)
{
	char *end;
	uint64_t value = strtoull(word, &end, 0);

	switch (*end) {
	case 'G':
		value <<= 10;
		/* fall through */
	case 'M':
		value <<= 10;
		/* fall through */
	case 'K':
		value <<= 10;
		end++;
	}
	if (*end || end == word)
		usage(word);
	return value;
}

/* VCPU:PID:CPU */
static void put_pin(const char *word)
{
	struct nlattr *nest = mnl_attr_nest_start(lparnl_message(&nl), LPAR_A_PIN);
	unsigned int vcpu, pid, cpu;

	if (sscanf(word, "%u:%u:%u", &vcpu, &pid, &cpu) != 3)
		usage(word);
	mnl_attr_put_u32(lparnl_message(&nl), LPAR_A_PIN_VCPU, vcpu);
	mnl_attr_put_u32(lparnl_message(&nl), LPAR_A_PIN_PID, pid);
	mnl_attr_put_u32(lparnl_message(&nl), LPAR_A_PIN_CPU, cpu);
	mnl_attr_nest_end(lparnl_message(&nl), nest);
}

static void put_value(unsigned int attr, const struct key *key, const char *word)
{
	struct nlmsghdr *message = lparnl_message(&nl);

	switch (key->type) {
	case TYPE_STRING:
		mnl_attr_put_strz(message, attr, word);
		break;
	case TYPE_ENUM:
		mnl_attr_put_u32(message, attr, enum_value(key, word));
		break;
	case TYPE_U32:
		mnl_attr_put_u32(message, attr, strtoul(word, NULL, 0));
		break;
	case TYPE_S32:
		mnl_attr_put_u32(message, attr, strtol(word, NULL, 0));
		break;
	case TYPE_U64:
	case TYPE_S64:
		mnl_attr_put_u64(message, attr, number(word));
		break;
	case TYPE_DISK:
		lparnl_put_disk(&nl, word);
		break;
	case TYPE_PIN:
		put_pin(word);
		break;
	default:
		usage(key->name);
	}
}

/* "force" and "transient" stand alone. The keys of a stage are left to put_stage(). */
static void put_words(char **words)
{
	for (; *words; words++) {
		unsigned int attr = find_key(keys, LPAR_A_MAX, *words);

		if (attr && keys[attr].type == TYPE_FLAG) {
			mnl_attr_put(lparnl_message(&nl), attr, 0, NULL);
			continue;
		}
		if (!words[1] || (!attr && !find_key(stage_keys, LPAR_A_STAGE_MAX, *words)))
			usage(*words);
		words++;
		if (attr)
			put_value(attr, &keys[attr], *words);
	}
}

static void put_stage(char **words)
{
	struct nlattr *stage = NULL;

	for (; *words; words++) {
		unsigned int attr = find_key(stage_keys, LPAR_A_STAGE_MAX, *words);

		if (!attr)
			continue;
		if (!stage)
			stage = mnl_attr_nest_start(lparnl_message(&nl), LPAR_A_STAGE);
		put_value(attr, &stage_keys[attr], *++words);
	}
	if (stage)
		mnl_attr_nest_end(lparnl_message(&nl), stage);
}

static void print_pin(const struct nlattr *nest)
{
	uint32_t value[LPAR_A_PIN_MAX + 1] = { 0 };
	const struct nlattr *member;

	mnl_attr_for_each_nested(member, nest) if (mnl_attr_get_type(member) <= LPAR_A_PIN_MAX)
		value[mnl_attr_get_type(member)] = mnl_attr_get_u32(member);
	printf(" pin=%u:%u:%u", value[LPAR_A_PIN_VCPU], value[LPAR_A_PIN_PID],
	       value[LPAR_A_PIN_CPU]);
}

static void print_attr(const struct nlattr *attr, const struct key *table, unsigned int max)
{
	unsigned int type = mnl_attr_get_type(attr);
	const struct key *key = type <= max ? &table[type] : NULL;
	const struct nlattr *member;
	uint32_t value;

	if (!key || !key->name)
		return;
	switch (key->type) {
	case TYPE_STRING:
		printf(" %s=\"%s\"", key->name, mnl_attr_get_str(attr));
		break;
	case TYPE_ENUM:
		value = mnl_attr_get_u32(attr);
		printf(" %s=%s", key->name, key->values[value]);
		break;
	case TYPE_U32:
		printf(" %s=%u", key->name, mnl_attr_get_u32(attr));
		break;
	case TYPE_S32:
		printf(" %s=%d", key->name, (int)mnl_attr_get_u32(attr));
		break;
	case TYPE_U64:
		printf(" %s=%llu", key->name, (unsigned long long)mnl_attr_get_u64(attr));
		break;
	case TYPE_S64:
		printf(" %s=%lld", key->name, (long long)mnl_attr_get_u64(attr));
		break;
	case TYPE_FLAG:
		printf(" %s", key->name);
		break;
	case TYPE_DISK:
		mnl_attr_for_each_nested(member,
					 attr) if (mnl_attr_get_type(member) == LPAR_A_DISK_PATH)
			printf(" %s=\"%s\"", key->name, mnl_attr_get_str(member));
		break;
	case TYPE_PIN:
		print_pin(attr);
		break;
	case TYPE_NEST:
		mnl_attr_for_each_nested(member, attr) print_attr(
			member, key->members,
			key->members == stage_keys ? LPAR_A_STAGE_MAX : LPAR_A_POINT_MAX);
		break;
	}
}

/* What is done while a reply is being read, or NULL. */
static const char *meanwhile;

static void do_meanwhile(void)
{
	const char *command = meanwhile;

	meanwhile = NULL;
	if (command && system(command)) {
		fprintf(stderr, "%s: failed\n", command);
		exit(2);
	}
}

static int print_message(const struct nlmsghdr *header, void *unused)
{
	const struct nlattr *attr;

	(void)unused;
	do_meanwhile();
	putchar('.');
	mnl_attr_for_each(attr, header, sizeof(struct genlmsghdr))
		print_attr(attr, keys, LPAR_A_MAX);
	putchar('\n');
	return MNL_CB_OK;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Prints @count events; status 1 if they have not come after @seconds. */
static int monitor(int count, int seconds)
{
	int64_t end_ms = now_ms() + seconds * 1000LL;
	struct pollfd pollfd = { .fd = mnl_socket_get_fd(nl.sock), .events = POLLIN };
	int bytes = 8 << 20;

	/* A cut of hundreds of LPARs has as many events at once. */
	setsockopt(pollfd.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (mnl_socket_setsockopt(nl.sock, NETLINK_ADD_MEMBERSHIP, &nl.events, sizeof(nl.events))) {
		perror("join events");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("listening");
	while (count > 0) {
		int64_t left_ms = end_ms - now_ms();
		struct nlmsghdr *header = lparnl_message(&nl);
		int left;

		if (left_ms <= 0 || poll(&pollfd, 1, left_ms) <= 0)
			return 1;
		left = mnl_socket_recvfrom(nl.sock, nl.buffer, sizeof(nl.buffer));
		if (left < 0) {
			perror("events");
			return 1;
		}
		for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
			if (header->nlmsg_type != nl.family)
				continue;
			print_message(header, NULL);
			count--;
		}
	}
	return 0;
}

static void report_refusal(int error)
{
	fprintf(stderr, "%s: %s\n", strerrorname_np(-error), nl.error);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	usage(name);
}

/* A command and its arguments; to be sent by lparnl_call(). */
static void prepare(char **words)
{
	const struct command *command = find_command(*words++);

	lparnl_start(&nl, nl.family, command->cmd, command->flags);
	if (command->named && *words)
		mnl_attr_put_strz(lparnl_message(&nl), LPAR_A_NAME, *words++);
	put_words(words);
	put_stage(words);
}

static int call(char **words)
{
	int error;

	prepare(words);
	error = lparnl_call(&nl, print_message, NULL);
	if (error)
		report_refusal(error);
	return !!error;
}

/* Its words are separated by one space. */
static char **split(char *text)
{
	static char *words[WORDS_MAX + 1];
	size_t n = 0;

	for (text = strtok(text, " "); text && n < WORDS_MAX; text = strtok(NULL, " "))
		words[n++] = text;
	return words;
}

/* Each time as much as a message may have. */
static int flood(unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	size_t length, bytes;

	lparnl_start(&nl, nl.family, LPAR_CMD_GET, 0);
	length = lparnl_message(&nl)->nlmsg_len;
	for (bytes = length; bytes + length <= LPARNL_BYTES; bytes += length)
		memcpy(nl.buffer + bytes, nl.buffer, length);
	while (time(NULL) < end)
		mnl_socket_sendto(nl.sock, nl.buffer, bytes);
	return 0;
}

/* 0, or an errno, negative; *slowest grows if the answer took longer. */
static int ask(bool family, const char *name, int64_t *slowest)
{
	int64_t began_ms = now_ms(), took_ms;
	int error;

	if (family)
		error = lparnl_find_family(&nl, LPAR_FAMILY_NAME);
	else
		error = lparnl_do(&nl, LPAR_CMD_GET, name);
	took_ms = now_ms() - began_ms;
	if (took_ms > *slowest)
		*slowest = took_ms;
	return error;
}

static int answers(const char *name, const char *path)
{
	int64_t slowest_ms[2] = { 0, 0 };
	int count = 0;

	puts("asks");
	fflush(stdout);
	for (bool family = false; !access(path, F_OK); family = !family) {
		int error = ask(family, name, &slowest_ms[family]);

		if (error) {
			report_refusal(error);
			return 1;
		}
		count++;
	}
	printf("%d %lld %lld\n", count, (long long)slowest_ms[0], (long long)slowest_ms[1]);
	return 0;
}

/* Asks until there is no room for one more answer. Its commands are carried out all the same. */
static int call_deaf(char **words)
{
	int fd = mnl_socket_get_fd(nl.sock), least = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	for (int i = 0; i < 64; i++) {
		prepare((char *[]){ "get", "a", NULL });
		lparnl_send(&nl);
	}
	prepare(words);
	return !lparnl_send(&nl);
}

static int call_lines(void)
{
	char line[1024];
	int status = 0;

	while (!status && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		status = call(split(line));
	}
	return status;
}

/* One try; *spared: it has not come to the @nth allocation. */
static int fail_one(int countdown, int nth, char **words, bool *spared)
{
	int error;

	prepare(words);
	set_countdown(countdown, nth);
	error = lparnl_call(&nl, NULL, NULL);
	*spared = countdown_left(countdown) > 0;
	set_countdown(countdown, 0);
	return error;
}

/* Busy with the last one, which ends by itself, as a cut does. */
static int fail_one_soon(int countdown, int nth, char **words, bool *spared)
{
	int64_t end_ms = now_ms() + PATIENCE_MS;
	int error;

	do
		error = fail_one(countdown, nth, words, spared);
	while (*spared && error == -EBUSY && now_ms() < end_ms);
	return error;
}

static int fail_each(char *undo_text, char **words)
{
	char **undo = split(undo_text);
	int countdown = open_countdown();
	bool spared = false;
	int nth, error;

	for (nth = 1; nth < NTH_MAX && !spared; nth++) {
		error = fail_one_soon(countdown, nth, words, &spared);
		if (spared && error)
			report_refusal(error);
		if (*undo) {
			prepare(undo);
			lparnl_call(&nl, NULL, NULL);
		}
	}
	printf("# %d allocations\n", nth - 2);
	return !spared || error || nth == 2;
}

static int fail_once(int nth, char **words)
{
	bool spared;
	int error = fail_one(open_countdown(), nth, words, &spared);

	if (error)
		report_refusal(error);
	return error ? 1 : spared ? 3 : 0;
}

static void become(uid_t uid)
{
	if (setgroups(0, NULL) || setgid(uid) || setuid(uid)) {
		perror("setuid");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	char **words = argv + 1, *undo = NULL;
	unsigned int stay_s = 0;
	int status, nth = 0;

	for (; argc > 2 && words[0] && words[1] && !strncmp(*words, "--", 2); words += 2) {
		if (!strcmp(*words, "--user"))
			become(atoi(words[1]));
		else if (!strcmp(*words, "--meanwhile"))
			meanwhile = words[1];
		else if (!strcmp(*words, "--stay"))
			stay_s = atoi(words[1]);
		else if (!strcmp(*words, "--fail-each"))
			undo = words[1];
		else if (!strcmp(*words, "--fail"))
			nth = atoi(words[1]);
		else
			usage(*words);
	}
	if (!*words)
		usage("");
	lparnl_open(&nl);
	if (!strcmp(*words, "monitor") && words[1] && words[2])
		return monitor(atoi(words[1]), atoi(words[2]));
	if (!strcmp(*words, "flood") && words[1])
		return flood(atoi(words[1]));
	if (!strcmp(*words, "answers") && words[1] && words[2])
		return answers(words[1], words[2]);
	if (!strcmp(*words, "deaf") && words[1])
		return call_deaf(words + 1);
	if (!strcmp(*words, "-"))
		return call_lines();
	if (nth)
		return fail_once(nth, words);
	status = undo ? fail_each(undo, words) : call(words);
	if (!status && stay_s) {
		puts("stays");
		fflush(stdout);
		sleep(stay_s);
	}
	return status;
}
