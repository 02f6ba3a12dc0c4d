// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's side of netlink, played for one lparctl: a library to be preloaded, so
 * that what lparctl does with real QEMUs can be tested where no module is loaded.
 *
 * It knows what lparctl asks of lpar.ko and netbuf.ko for guests without disks: LPARs,
 * members, gates, cuts and buffers, which are files in $PLAYED_KERNEL, and so are the same
 * for all processes of a host. Gates stop nothing here, no cut is exact, and a buffer that
 * holds has one frame in it: what they do is tested with the modules. $PLAYED_KERNEL/log
 * tells in which order they were asked for. Disks that LPARs have are told of if there is
 * $PLAYED_KERNEL/claims. Whoever asks for the N-th of them is killed when
 * it is done, if $PLAYED_KERNEL/killer has the number N.
 *
 * Who listens to events is told of a violation after the other, without end, by a process with
 * the name that is in $PLAYED_KERNEL/intruder; of nothing if it is not there. With
 * $PLAYED_KERNEL/comer lpar.ko is loaded only when somebody listens already, who is told, or,
 * if that is "lost", whose queue is full just then; the first two violations are over then.
 *
 * $PLAYED_KERNEL/msi has the delay, rate, watchdog and force of the one PCI device.
 *
 * No process can be started while there is $PLAYED_KERNEL/no-fork, and none that lparctl kills
 * goes while there is $PLAYED_KERNEL/unkillable: it waits for a disk, as it were.
 *
 * An execd that lparctl starts on its own host is $PLAYED_EXECD, if there is one: what is
 * between the two can be cut as it can to another host.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include <lparkit/dirtythrottle.h>
#include <lparkit/fcnpiv.h>
#include <lparkit/lpar.h>
#include <lparkit/netbuf.h>

#define FAMILY_LPAR 0x20
#define FAMILY_NETBUF 0x21
#define FAMILY_THROTTLE 0x22
#define FAMILY_FC 0x23
#define PORT 1
#define ANSWER_BYTES 65536
#define TEXT_BYTES 4096

struct mnl_socket {
	char answer[ANSWER_BYTES];
	size_t len, read;
	int events; /* what can be read for ever, of one that listens; else -1 */
};

/* The attributes of a request, and where the answer goes. */
struct request {
	struct mnl_socket *socket;
	const struct nlmsghdr *nlh;
	const struct nlattr *tb[LPAR_A_MAX + 1];
	const char *name;
};

/* ---- files ---- */

static const char *path_of(const char *object, const char *file)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s%s%s", getenv("PLAYED_KERNEL"), object, *file ? "/" : "",
		 file);
	return path;
}

static void put(const char *object, const char *file, const char *mode, const char *text)
{
	FILE *stream = fopen(path_of(object, file), mode);

	if (!stream)
		return;
	fputs(text, stream);
	fclose(stream);
}

static void put_number(const char *object, const char *file, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	put(object, file, "w", text);
}

static const char *get(const char *object, const char *file)
{
	static char text[TEXT_BYTES];
	FILE *stream = fopen(path_of(object, file), "r");
	size_t len = stream ? fread(text, 1, sizeof(text) - 1, stream) : 0;

	text[len] = 0;
	if (stream)
		fclose(stream);
	return text;
}

static uint64_t get_number(const char *object, const char *file)
{
	return strtoull(get(object, file), NULL, 10);
}

static bool exists(const char *object)
{
	return !access(path_of(object, ""), F_OK);
}

static bool noted; /* by the request that is being answered */

static void note(const char *what, const char *name)
{
	char line[128];

	noted = true;
	snprintf(line, sizeof(line), "%s %s\n", what, name);
	put("log", "", "a", line);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* ---- messages ---- */

static struct nlmsghdr *begin(struct request *request, uint16_t type, uint16_t flags)
{
	struct mnl_socket *socket = request->socket;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(socket->answer + socket->len);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = request->nlh->nlmsg_seq;
	nlh->nlmsg_pid = PORT;
	return nlh;
}

static void end(struct request *request, const struct nlmsghdr *nlh)
{
	request->socket->len += MNL_ALIGN(nlh->nlmsg_len);
}

static struct nlmsghdr *begin_answer(struct request *request)
{
	const struct genlmsghdr *asked = mnl_nlmsg_get_payload(request->nlh);
	bool dump = request->nlh->nlmsg_flags & NLM_F_DUMP;
	struct nlmsghdr *nlh = begin(request, request->nlh->nlmsg_type, dump ? NLM_F_MULTI : 0);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	*genl = *asked;
	return nlh;
}

/* Once, and nobody after that. */
static void kill_asker(bool asked)
{
	uint64_t left = get_number("killer", "");

	if (!asked || !left)
		return;
	if (left > 1) {
		put_number("killer", "", left - 1);
		return;
	}
	unlink(path_of("killer", ""));
	raise(SIGKILL);
}

/* The last message of an answer. */
static void finish(struct request *request, int error)
{
	bool dump = request->nlh->nlmsg_flags & NLM_F_DUMP;
	struct nlmsghdr *nlh =
		begin(request, dump ? NLMSG_DONE : NLMSG_ERROR, dump ? NLM_F_MULTI : NLM_F_CAPPED);
	struct nlmsgerr *msg;

	if (dump) {
		*(int *)mnl_nlmsg_put_extra_header(nlh, sizeof(int)) = error;
	} else {
		msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
		msg->error = error;
		msg->msg = *request->nlh;
	}
	end(request, nlh);
}

static int keep(const struct nlattr *attr, void *data)
{
	const struct nlattr **tb = data;

	if (mnl_attr_get_type(attr) <= LPAR_A_MAX)
		tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* ---- LPARs ---- */

/* A process that has ended is no member; nor is one that nobody has waited for. */
static bool lives(pid_t pid)
{
	char path[64], state = 'Z';
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = fopen(path, "r");
	if (!stat)
		return false;
	if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(stat);
	return state != 'Z';
}

static void put_members(struct nlmsghdr *nlh, const char *name)
{
	char *text = strdup(get(name, "members")), *rest = text, *line;
	unsigned int n = 0;

	while ((line = strsep(&rest, "\n"))) {
		if (!atoi(line) || !lives(atoi(line)))
			continue;
		mnl_attr_put_u32(nlh, LPAR_A_MEMBER, atoi(line));
		n++;
	}
	mnl_attr_put_u32(nlh, LPAR_A_MEMBERS, n);
	free(text);
}

/* Their paths, a line each. What has them is not to be saved: they are no volumes. */
static void put_disks(struct nlmsghdr *nlh, const char *name)
{
	char *text = strdup(exists("claims") ? get(name, "disks") : ""), *rest = text, *line;
	struct nlattr *nest;

	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		nest = mnl_attr_nest_start(nlh, LPAR_A_DISK);
		mnl_attr_put_strz(nlh, LPAR_A_DISK_PATH, line);
		mnl_attr_nest_end(nlh, nest);
	}
	free(text);
}

static void describe(struct request *request, const char *name)
{
	struct nlmsghdr *nlh = begin_answer(request);

	mnl_attr_put_strz(nlh, LPAR_A_NAME, name);
	mnl_attr_put_strz(nlh, LPAR_A_CPUS, get(name, "cpus"));
	mnl_attr_put_u32(nlh, LPAR_A_STATE, get_number(name, "state"));
	mnl_attr_put_u64(nlh, LPAR_A_MEMORY, get_number(name, "memory"));
	mnl_attr_put_u32(nlh, LPAR_A_OWNER_UID, get_number(name, "owner-uid"));
	mnl_attr_put_u32(nlh, LPAR_A_OWNER_GID, get_number(name, "owner-gid"));
	if (*get(name, "node"))
		mnl_attr_put_u32(nlh, LPAR_A_NODE, get_number(name, "node"));
	mnl_attr_put_u32(nlh, LPAR_A_GATE, get_number(name, "gate"));
	mnl_attr_put_u32(nlh, LPAR_A_GATE_TIMEOUT_MS, LPAR_GATE_TIMEOUT_DEFAULT_MS);
	put_members(nlh, name);
	put_disks(nlh, name);
	end(request, nlh);
}

/* Buffers are directories "net NETDEV". */
static int is_lpar(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && entry->d_name[0] != '.' && !strchr(entry->d_name, ' ');
}

static int describe_all(struct request *request)
{
	struct dirent **entry;
	int i, n = scandir(getenv("PLAYED_KERNEL"), &entry, is_lpar, alphasort);

	for (i = 0; i < n; i++) {
		describe(request, entry[i]->d_name);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return 0;
}

static int set_owner(struct request *request)
{
	if (request->tb[LPAR_A_OWNER_UID])
		put_number(request->name, "owner-uid",
			   mnl_attr_get_u32(request->tb[LPAR_A_OWNER_UID]));
	if (request->tb[LPAR_A_OWNER_GID])
		put_number(request->name, "owner-gid",
			   mnl_attr_get_u32(request->tb[LPAR_A_OWNER_GID]));
	return 0;
}

/* An empty one alone says that there is none. */
static void set_disks(struct request *request)
{
	const struct nlattr *attr, *path;

	if (request->tb[LPAR_A_DISK])
		put(request->name, "disks", "w", "");
	mnl_attr_for_each(attr, request->nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) != LPAR_A_DISK)
			continue;
		mnl_attr_for_each_nested(path, attr)
		{
			if (mnl_attr_get_type(path) != LPAR_A_DISK_PATH)
				continue;
			put(request->name, "disks", "a", mnl_attr_get_str(path));
			put(request->name, "disks", "a", "\n");
		}
	}
}

static int set(struct request *request)
{
	set_disks(request);
	if (request->tb[LPAR_A_CPUS])
		put(request->name, "cpus", "w", mnl_attr_get_str(request->tb[LPAR_A_CPUS]));
	if (request->tb[LPAR_A_MEMORY])
		put_number(request->name, "memory", mnl_attr_get_u64(request->tb[LPAR_A_MEMORY]));
	if (request->tb[LPAR_A_NODE])
		put_number(request->name, "node", mnl_attr_get_u32(request->tb[LPAR_A_NODE]));
	return set_owner(request);
}

static int create(struct request *request)
{
	if (mkdir(path_of(request->name, ""), 0755))
		return -errno;
	return set(request);
}

static int delete (struct request *request)
{
	static const char *const files[] = { "cpus",	"memory", "node",      "state",	   "gate",
					     "members", "disks",  "owner-uid", "owner-gid" };
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(path_of(request->name, files[i]));
	return rmdir(path_of(request->name, "")) ? -errno : 0;
}

static int add_member(struct request *request)
{
	char line[32];

	snprintf(line, sizeof(line), "%u\n", mnl_attr_get_u32(request->tb[LPAR_A_MEMBER]));
	put(request->name, "members", "a", line);
	return 0;
}

static int set_gate(const char *name, uint32_t gate)
{
	note(gate == LPAR_GATE_OPEN ? "open" : "close", name);
	put_number(name, "gate", gate);
	return 0;
}

static int set_state(const char *name, uint32_t state)
{
	put_number(name, "state", state);
	/* Who has ended is none any more, and his number is another's by and by. */
	if (state == LPAR_STATE_DEFINED)
		put(name, "members", "w", "");
	return 0;
}

static int lpar_command(struct request *request, uint8_t cmd)
{
	if (cmd == LPAR_CMD_CREATE)
		return create(request);
	if (!request->name || !exists(request->name))
		return -ENOENT;
	switch (cmd) {
	case LPAR_CMD_GET:
		describe(request, request->name);
		return 0;
	case LPAR_CMD_DELETE:
		return delete (request);
	case LPAR_CMD_SET:
		return set(request);
	case LPAR_CMD_ACTIVATE:
		return set_state(request->name, LPAR_STATE_ACTIVE);
	case LPAR_CMD_DEACTIVATE:
		return set_state(request->name, LPAR_STATE_DEFINED);
	case LPAR_CMD_MEMBER_ADD:
		return add_member(request);
	case LPAR_CMD_GATE_CLOSE:
		return set_gate(request->name, LPAR_GATE_CLOSED);
	case LPAR_CMD_GATE_OPEN:
		return set_gate(request->name, LPAR_GATE_OPEN);
	default:
		return 0;
	}
}

/* ---- buffers ---- */

/* All that take part in the cuts of an LPAR. */
static void set_buffers(const char *lpar, uint32_t state)
{
	struct dirent **entry;
	int i, n = scandir(getenv("PLAYED_KERNEL"), &entry, NULL, alphasort);

	for (i = 0; i < n; i++) {
		const char *name = entry[i]->d_name;

		if (!strncmp(name, "net ", 4) && !strcmp(get(name, "lpar"), lpar)) {
			note(state == NETBUF_STATE_HOLD ? "hold" : "drain", name + 4);
			put_number(name, "state", state);
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
}

static void put_queue(struct nlmsghdr *nlh, const char *buffer, uint32_t direction)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NETBUF_A_QUEUE);
	bool holds = get_number(buffer, "state") == NETBUF_STATE_HOLD;

	mnl_attr_put_u32(nlh, NETBUF_A_QUEUE_DIRECTION, direction);
	mnl_attr_put_u32(nlh, NETBUF_A_QUEUE_FRAMES, holds && direction == NETBUF_EGRESS);
	if (direction == NETBUF_EGRESS)
		mnl_attr_put_u64(nlh, NETBUF_A_QUEUE_DROPPED_LIMIT, get_number(buffer, "lost"));
	mnl_attr_nest_end(nlh, nest);
}

static int describe_buffer(struct request *request, const char *buffer)
{
	struct nlmsghdr *nlh = begin_answer(request);

	mnl_attr_put_strz(nlh, NETBUF_A_IFNAME, buffer + 4);
	mnl_attr_put_u32(nlh, NETBUF_A_STATE, get_number(buffer, "state"));
	mnl_attr_put_strz(nlh, NETBUF_A_LPAR, get(buffer, "lpar"));
	put_queue(nlh, buffer, NETBUF_INGRESS);
	put_queue(nlh, buffer, NETBUF_EGRESS);
	end(request, nlh);
	return 0;
}

static int attach_buffer(struct request *request, const char *buffer)
{
	if (mkdir(path_of(buffer, ""), 0755))
		return -errno;
	note("attach", buffer + 4);
	if (request->tb[NETBUF_A_LPAR])
		put(buffer, "lpar", "w", mnl_attr_get_str(request->tb[NETBUF_A_LPAR]));
	return 0;
}

static int detach_buffer(const char *buffer)
{
	static const char *const files[] = { "lpar", "state", "lost" };
	size_t i;

	if (get_number(buffer, "state"))
		return -EBUSY;
	note("detach", buffer + 4);
	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(path_of(buffer, files[i]));
	return rmdir(path_of(buffer, "")) ? -errno : 0;
}

static int configure_buffer(struct request *request, const char *buffer)
{
	if (request->tb[NETBUF_A_LPAR])
		put(buffer, "lpar", "w", mnl_attr_get_str(request->tb[NETBUF_A_LPAR]));
	return 0;
}

/* Nobody has to be waited for: what drains has drained. */
static int set_buffer(struct request *request, const char *buffer)
{
	uint32_t state = mnl_attr_get_u32(request->tb[NETBUF_A_STATE]);

	note(state == NETBUF_STATE_HOLD ? "hold" : "drain", buffer + 4);
	put_number(buffer, "state",
		   state == NETBUF_STATE_HOLD ? NETBUF_STATE_HOLD : NETBUF_STATE_PASS);
	return 0;
}

/* A frame from its own name, if it holds. */
static int save_buffer(struct request *request, const char *buffer)
{
	char frame[64] = { 0 };
	struct nlmsghdr *nlh;
	struct nlattr *nest;

	if (get_number(buffer, "state") != NETBUF_STATE_HOLD)
		return 0;
	snprintf(frame, sizeof(frame), "%s", buffer);
	nlh = begin_answer(request);
	nest = mnl_attr_nest_start(nlh, NETBUF_A_FRAME);
	mnl_attr_put_u32(nlh, NETBUF_A_FRAME_DIRECTION, NETBUF_EGRESS);
	mnl_attr_put_u32(nlh, NETBUF_A_FRAME_LENGTH, sizeof(frame));
	mnl_attr_put(nlh, NETBUF_A_FRAME_DATA, sizeof(frame), frame);
	mnl_attr_nest_end(nlh, nest);
	end(request, nlh);
	return 0;
}

static int netbuf_command(struct request *request, uint8_t cmd)
{
	char buffer[NETBUF_IFNAME_MAX + 5] = "";

	if (request->tb[NETBUF_A_IFNAME])
		snprintf(buffer, sizeof(buffer), "net %s",
			 mnl_attr_get_str(request->tb[NETBUF_A_IFNAME]));
	if (cmd == NETBUF_CMD_COMMIT)
		return 0;
	if (cmd == NETBUF_CMD_ATTACH)
		return attach_buffer(request, buffer);
	if (!exists(buffer))
		return -ENOENT;
	switch (cmd) {
	case NETBUF_CMD_GET:
		return describe_buffer(request, buffer);
	case NETBUF_CMD_DETACH:
		return detach_buffer(buffer);
	case NETBUF_CMD_STATE_SET:
		return set_buffer(request, buffer);
	case NETBUF_CMD_SET:
		return configure_buffer(request, buffer);
	case NETBUF_CMD_SAVE:
		return save_buffer(request, buffer);
	case NETBUF_CMD_LOAD:
		note("load", buffer + 4);
		return 0;
	case NETBUF_CMD_FLUSH:
		note("flush", buffer + 4);
		return 0;
	default:
		return 0;
	}
}

/* ---- cuts ---- */

/* A cut is a file: its action, deadline and state, then the names of its LPARs. */
struct cut {
	char file[32];
	unsigned int action, state;
	uint64_t deadline_ns;
	char *lpars;
};

static int load_cut(struct cut *cut, uint32_t id)
{
	static char text[TEXT_BYTES];
	int skip = 0;

	snprintf(cut->file, sizeof(cut->file), "cut.%u", id);
	snprintf(text, sizeof(text), "%s", get(cut->file, ""));
	cut->lpars = text;
	if (sscanf(text, "%u %" SCNu64 " %u %n", &cut->action, &cut->deadline_ns, &cut->state,
		   &skip) != 3)
		return -ENOENT;
	cut->lpars += skip;
	return 0;
}

static void store_cut(const struct cut *cut)
{
	char text[TEXT_BYTES + 64];

	snprintf(text, sizeof(text), "%u %" PRIu64 " %u %s", cut->action, cut->deadline_ns,
		 cut->state, cut->lpars);
	put(cut->file, "", "w", text);
}

static bool is_among(const char *names, const char *name)
{
	size_t len = strlen(name);
	const char *at;

	for (at = names; (at = strstr(at, name)); at += len)
		if ((at == names || at[-1] == ' ') && at[len] == ' ')
			return true;
	return false;
}

/* An LPAR takes part in one cut at a time. */
static bool is_armed(const char *name)
{
	struct cut cut;
	uint32_t id;

	for (id = 1; !load_cut(&cut, id); id++)
		if (cut.state == LPAR_CUT_ARMED && now_ns() < cut.deadline_ns &&
		    is_among(cut.lpars, name))
			return true;
	return false;
}

/* "late" hosts are too slow for so many cuts that open. */
static void be_late(const struct cut *cut)
{
	uint64_t late = get_number("late", "");

	if (!late || cut->action != LPAR_CUT_OPEN)
		return;
	put_number("late", "", late - 1);
	while (now_ns() < cut->deadline_ns)
		usleep(1000);
}

static int arm(struct request *request)
{
	static char names[TEXT_BYTES];
	struct cut cut = { .state = LPAR_CUT_ARMED, .lpars = names };
	const struct nlattr *attr;
	struct nlmsghdr *nlh;
	uint32_t id = 1;
	size_t len = 0;

	names[0] = 0;
	mnl_attr_for_each(attr, request->nlh,
			  sizeof(struct genlmsghdr)) if (mnl_attr_get_type(attr) == LPAR_A_CUT_LPAR)
	{
		if (is_armed(mnl_attr_get_str(attr)))
			return -EBUSY;
		len += snprintf(names + len, sizeof(names) - len, "%s ", mnl_attr_get_str(attr));
	}
	do {
		snprintf(cut.file, sizeof(cut.file), "cut.%u", id++);
	} while (exists(cut.file));
	cut.action = mnl_attr_get_u32(request->tb[LPAR_A_CUT_ACTION]);
	cut.deadline_ns = mnl_attr_get_u64(request->tb[LPAR_A_CUT_DEADLINE_NS]);
	be_late(&cut);
	if (cut.deadline_ns && cut.deadline_ns <= now_ns())
		return -ETIME;
	store_cut(&cut);
	note("arm", names);
	nlh = begin_answer(request);
	mnl_attr_put_u32(nlh, LPAR_A_CUT_ID, id - 1);
	mnl_attr_put_u64(nlh, LPAR_A_CUT_DEADLINE_NS, cut.deadline_ns);
	end(request, nlh);
	return 0;
}

static void put_point(struct nlmsghdr *nlh, const char *name, uint64_t deadline_ns)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, LPAR_A_CUT_POINT);

	mnl_attr_put_strz(nlh, LPAR_A_POINT_KIND, "gate");
	mnl_attr_put_strz(nlh, LPAR_A_POINT_NAME, name);
	mnl_attr_put_u64(nlh, LPAR_A_POINT_FIRED_NS, deadline_ns);
	mnl_attr_nest_end(nlh, nest);
}

static void fire(const char *name, unsigned int action)
{
	if (action == LPAR_CUT_CLOSE)
		set_buffers(name, NETBUF_STATE_HOLD);
	set_gate(name, action == LPAR_CUT_CLOSE ? LPAR_GATE_CLOSED : LPAR_GATE_OPEN);
	if (action == LPAR_CUT_OPEN)
		set_buffers(name, NETBUF_STATE_PASS);
}

static int show_cut(struct request *request, uint32_t id)
{
	char *names, *rest, *name;
	struct nlmsghdr *nlh;
	struct cut cut;
	bool fires;

	if (load_cut(&cut, id))
		return -ENOENT;
	fires = cut.state == LPAR_CUT_ARMED && now_ns() >= cut.deadline_ns;
	if (fires) {
		cut.state = LPAR_CUT_FIRED;
		store_cut(&cut);
	}
	nlh = begin_answer(request);
	mnl_attr_put_u32(nlh, LPAR_A_CUT_ID, id);
	mnl_attr_put_u32(nlh, LPAR_A_CUT_ACTION, cut.action);
	mnl_attr_put_u32(nlh, LPAR_A_CUT_STATE, cut.state);
	mnl_attr_put_u64(nlh, LPAR_A_CUT_DEADLINE_NS, cut.deadline_ns);
	names = rest = strdup(cut.lpars);
	while ((name = strsep(&rest, " "))) {
		if (*name && fires)
			fire(name, cut.action);
		if (*name)
			mnl_attr_put_strz(nlh, LPAR_A_CUT_LPAR, name);
		if (*name)
			put_point(nlh, name, cut.deadline_ns);
	}
	free(names);
	end(request, nlh);
	return 0;
}

static int show_cuts(struct request *request)
{
	uint32_t id;

	if (request->tb[LPAR_A_CUT_ID])
		return show_cut(request, mnl_attr_get_u32(request->tb[LPAR_A_CUT_ID]));
	for (id = 1; !show_cut(request, id); id++)
		;
	return 0;
}

static int cancel(struct request *request)
{
	struct cut cut;

	if (load_cut(&cut, mnl_attr_get_u32(request->tb[LPAR_A_CUT_ID])))
		return -ENOENT;
	if (cut.state != LPAR_CUT_ARMED)
		return -EALREADY;
	cut.state = LPAR_CUT_CANCELLED;
	store_cut(&cut);
	return 0;
}

/* ---- throttles ---- */

static const uint16_t msi_settings[] = {
	DT_A_DELAY_US,
	DT_A_RATE,
	DT_A_TIMEOUT_MS,
	DT_A_FORCE,
};

#define N_MSI_SETTINGS (sizeof(msi_settings) / sizeof(*msi_settings))

/* A delay ends a rate, and the reverse, unless the request has both. */
static int set_msi(struct request *request, const unsigned int *before)
{
	bool paces = request->tb[DT_A_DELAY_US] || request->tb[DT_A_RATE];
	char text[64];
	size_t i, len = 0;

	for (i = 0; i < N_MSI_SETTINGS; i++) {
		const struct nlattr *attr = request->tb[msi_settings[i]];
		unsigned int value = attr ? mnl_attr_get_u32(attr) : before[i];

		if (!attr && paces && i < 2)
			value = 0;
		len += snprintf(text + len, sizeof(text) - len, "%u ", value);
	}
	put("msi", "", "w", text);
	return 0;
}

static int msi_command(struct request *request, uint8_t cmd)
{
	unsigned int now[N_MSI_SETTINGS] = { 0 };
	struct nlmsghdr *nlh;
	size_t i;

	sscanf(get("msi", ""), "%u %u %u %u", &now[0], &now[1], &now[2], &now[3]);
	if (cmd == DT_CMD_MSI_SET)
		return set_msi(request, now);
	if (!exists("msi"))
		return -ENOENT;
	if (cmd == DT_CMD_MSI_OFF) {
		unlink(path_of("msi", ""));
		return 0;
	}
	nlh = begin_answer(request);
	mnl_attr_put_strz(nlh, DT_A_ADDRESS, mnl_attr_get_str(request->tb[DT_A_ADDRESS]));
	for (i = 0; i < N_MSI_SETTINGS; i++)
		mnl_attr_put_u32(nlh, msi_settings[i], now[i]);
	end(request, nlh);
	return 0;
}

/* Of one guest at most. */
static int throttle_command(struct request *request, uint8_t cmd)
{
	if (cmd == DT_CMD_MSI_GET || cmd == DT_CMD_MSI_SET || cmd == DT_CMD_MSI_OFF)
		return msi_command(request, cmd);
	if (cmd == DT_CMD_GET) {
		if (!exists("throttled"))
			return -ENOENT;
		end(request, begin_answer(request));
	}
	if (cmd == DT_CMD_ATTACH && request->tb[DT_A_PID] &&
	    !lives(mnl_attr_get_u32(request->tb[DT_A_PID])))
		return -ESRCH;
	if (cmd == DT_CMD_ATTACH)
		put_number("throttled", "", 1);
	if (cmd == DT_CMD_DETACH)
		unlink(path_of("throttled", ""));
	if (cmd == DT_CMD_ATTACH || cmd == DT_CMD_DETACH)
		note(cmd == DT_CMD_ATTACH ? "throttle" : "unthrottle", "");
	return 0;
}

/* ---- Fibre Channel ---- */

#include "played_fc.h"

/* ---- families ---- */

static int find_family(struct request *request)
{
	static const char *const names[] = { "lpar", "netbuf", "dirtythrottle", "fcnpiv" };
	const char *name = mnl_attr_get_str(request->tb[CTRL_ATTR_FAMILY_NAME]);
	struct nlmsghdr *nlh;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], name))
			break;
	if (i == sizeof(names) / sizeof(*names) || (!i && exists("comer")))
		return -ENOENT;
	nlh = begin_answer(request);
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, FAMILY_LPAR + i);
	end(request, nlh);
	return 0;
}

static int act(struct request *request)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(request->nlh);

	if (request->nlh->nlmsg_type == GENL_ID_CTRL)
		return find_family(request);
	if (request->nlh->nlmsg_type == FAMILY_NETBUF)
		return netbuf_command(request, genl->cmd);
	if (request->nlh->nlmsg_type == FAMILY_THROTTLE)
		return throttle_command(request, genl->cmd);
	if (request->nlh->nlmsg_type == FAMILY_FC)
		return fc_command(request, genl->cmd);
	if (request->nlh->nlmsg_type != FAMILY_LPAR)
		return -ENOENT;
	if (request->tb[LPAR_A_NAME])
		request->name = mnl_attr_get_str(request->tb[LPAR_A_NAME]);
	switch (genl->cmd) {
	case LPAR_CMD_CUT_ARM:
		return arm(request);
	case LPAR_CMD_CUT_GET:
		return show_cuts(request);
	case LPAR_CMD_CUT_CANCEL:
		return cancel(request);
	default:
		return request->nlh->nlmsg_flags & NLM_F_DUMP ? describe_all(request)
							      : lpar_command(request, genl->cmd);
	}
}

/* ---- in place of libc's ---- */

int execv(const char *path, char *const argv[])
{
	char *between[] = { getenv("PLAYED_EXECD"), NULL };
	size_t n = 0;

	while (argv[n])
		n++;
	/* It is lparctl that starts itself, and no program in between that does. */
	if (!n || !between[0] || strcmp(path, "/proc/self/exe") || strcmp(argv[n - 1], "execd"))
		return execve(path, argv, environ);
	return execve(between[0], between, environ);
}

pid_t fork(void)
{
	pid_t (*real)(void) = dlsym(RTLD_NEXT, "fork");

	if (!exists("no-fork"))
		return real();
	errno = EAGAIN;
	return -1;
}

int kill(pid_t pid, int signal)
{
	int (*real)(pid_t, int) = dlsym(RTLD_NEXT, "kill");

	return signal == SIGKILL && exists("unkillable") ? 0 : real(pid, signal);
}

/* A thread that is made past the sanitizer is not known to it, and what only that has is a leak. */
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
		   void *data)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
		dlsym(RTLD_NEXT, "pthread_create");

	if (!exists("no-thread") || strcmp(program_invocation_short_name, "lparctl"))
		return real(thread, attr, start, data);
	return EAGAIN;
}
#endif

/* ---- in place of libmnl's ---- */

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
	struct mnl_socket *socket = calloc(1, sizeof(*socket));

	(void)bus;
	(void)flags;
	if (socket)
		socket->events = -1;
	return socket;
}

int mnl_socket_bind(struct mnl_socket *socket, unsigned int groups, pid_t pid)
{
	(void)socket;
	(void)groups;
	(void)pid;
	return 0;
}

int mnl_socket_setsockopt(const struct mnl_socket *socket, int type, void *buf, socklen_t len)
{
	(void)buf;
	(void)len;
	if (type == NETLINK_ADD_MEMBERSHIP && exists("intruder"))
		((struct mnl_socket *)socket)->events = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	return 0;
}

/* Of interest to who waits for events. */
int mnl_socket_get_fd(const struct mnl_socket *socket)
{
	return socket->events;
}

unsigned int mnl_socket_get_portid(const struct mnl_socket *socket)
{
	(void)socket;
	return PORT;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *socket, const void *buf, size_t len)
{
	struct request request = { .socket = (struct mnl_socket *)socket, .nlh = buf };

	/* What nobody has read of the answer before comes first. */
	if (request.socket->read == request.socket->len)
		request.socket->read = request.socket->len = 0;
	mnl_attr_parse(buf, sizeof(struct genlmsghdr), keep, request.tb);
	noted = false;
	finish(&request, act(&request));
	kill_asker(noted);
	return len;
}

static uint64_t seq; /* of the last violation */

static void put_event(struct mnl_socket *socket, const struct nlmsghdr *nlh)
{
	socket->read = 0;
	socket->len = nlh->nlmsg_len;
}

/* Returns false if nobody hears of it, as the queue is full. */
static bool put_comer(struct mnl_socket *socket)
{
	bool lost = !strcmp(get("comer", ""), "lost\n");
	struct nlmsghdr *nlh;
	struct genlmsghdr *genl;

	unlink(path_of("comer", ""));
	seq = 2;
	if (lost)
		return false;
	nlh = mnl_nlmsg_put_header(socket->answer);
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	nlh->nlmsg_type = GENL_ID_CTRL;
	genl->cmd = CTRL_CMD_NEWFAMILY;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, "lpar");
	put_event(socket, nlh);
	return true;
}

static void put_violation(struct mnl_socket *socket)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(socket->answer);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	nlh->nlmsg_type = FAMILY_LPAR;
	genl->cmd = LPAR_CMD_EVENT;
	mnl_attr_put_u32(nlh, LPAR_A_EVENT, LPAR_EVENT_VIOLATION);
	mnl_attr_put_u64(nlh, LPAR_A_EVENT_SEQ, ++seq);
	mnl_attr_put_u64(nlh, LPAR_A_EVENT_TIME_NS, now_ns());
	mnl_attr_put_strz(nlh, LPAR_A_NAME, "g");
	mnl_attr_put_strz(nlh, LPAR_A_COMM, get("intruder", ""));
	put_event(socket, nlh);
}

/* Each message comes by itself, as the end of a dump does. */
ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *buf, size_t size)
{
	struct mnl_socket *from = (struct mnl_socket *)socket;
	const struct nlmsghdr *nlh;
	size_t len;

	if (from->events >= 0 && exists("comer")) {
		if (!put_comer(from)) {
			errno = ENOBUFS;
			return -1;
		}
	} else if (from->events >= 0) {
		put_violation(from);
	}
	if (from->read == from->len)
		return 0;
	nlh = (const struct nlmsghdr *)(from->answer + from->read);
	len = nlh->nlmsg_len < size ? nlh->nlmsg_len : size;
	memcpy(buf, nlh, len);
	from->read += MNL_ALIGN(nlh->nlmsg_len);
	if (from->read > from->len)
		from->read = from->len;
	return len;
}

int mnl_socket_close(struct mnl_socket *socket)
{
	if (socket->events >= 0)
		close(socket->events);
	free(socket);
	return 0;
}
