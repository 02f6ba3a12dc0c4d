// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: requests, dumps, events, and the text that the kernel gives
 * with an error.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>

#include "lib/lib.h"

/* What is sent in several requests goes in parts of this size. */
#define PART_BYTES 65536
/* One LPAR with thousands of members fits. */
#define REPLY_BYTES 65536
/* Of every family of ours. */
#define GROUP "events"
/* Events pile up while a slow reader of monitor's output is blocked. */
#define EVENT_QUEUE_BYTES (1 << 20)

static struct {
	struct mnl_socket *sock;
	unsigned int seq;
	char request[NL_REQUEST_BYTES];
	char text[512]; /* extack of the last error */
} nl;

static char reply_buf[REPLY_BYTES];

struct attr_table {
	const struct nlattr **tb;
	size_t n;
};

static int keep_attr(const struct nlattr *attr, void *data)
{
	const struct attr_table *table = data;

	if (mnl_attr_get_type(attr) < table->n)
		table->tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* The attributes of a nest by their type; unknown ones are of a newer kernel. */
int nl_parse(const struct nlattr **tb, size_t n, const struct nlattr *nest)
{
	struct attr_table table = { tb, n };

	memset(tb, 0, n * sizeof(*tb));
	return mnl_attr_parse_nested(nest, keep_attr, &table) < 0 ? -EINVAL : 0;
}

/* The attributes of a message of any family by their type; valid until the next call. */
const struct nlattr **nl_attrs(const struct nlmsghdr *nlh)
{
	static const struct nlattr *tb[NL_ATTRS_MAX + 1];
	struct attr_table table = { tb, ARRAY_SIZE(tb) };

	memset(tb, 0, sizeof(tb));
	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), keep_attr, &table);
	return tb;
}

static int find_extack(const struct nlattr *attr, void *data)
{
	(void)data;
	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		snprintf(nl.text, sizeof(nl.text), "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

/* An acknowledgement, or an error with the kernel's words. */
static int on_error(const struct nlmsghdr *nlh, void *data)
{
	const struct nlmsgerr *msg = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*msg);

	(void)data;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += msg->msg.nlmsg_len - sizeof(msg->msg);
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(nlh, MNL_ALIGN(skip), find_extack, NULL);
	errno = -msg->error;
	return msg->error ? MNL_CB_ERROR : MNL_CB_STOP;
}

/* The end of a dump may carry an error too. */
static int on_done(const struct nlmsghdr *nlh, void *data)
{
	(void)data;
	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int)) {
		int error = *(const int *)mnl_nlmsg_get_payload(nlh);

		if (error < 0) {
			errno = -error;
			return MNL_CB_ERROR;
		}
	}
	return MNL_CB_STOP;
}

static mnl_cb_t control[NLMSG_MIN_TYPE] = {
	[NLMSG_ERROR] = on_error,
	[NLMSG_DONE] = on_done,
};

/* What is still to come of an answer of which nobody wants more. */
struct answer {
	mnl_cb_t reply; /* NULL: nobody wants any of it */
	void *data;
	int error;
};

/* All is read, or the next request would be given the rest of it for its own. */
static int on_reply(const struct nlmsghdr *nlh, void *data)
{
	struct answer *answer = data;
	int ret = answer->reply ? answer->reply(nlh, answer->data) : MNL_CB_OK;

	if (ret < 0)
		answer->error = -errno;
	if (ret <= MNL_CB_STOP)
		answer->reply = NULL;
	return MNL_CB_OK;
}

/*
 * Send one request and hand each answer to reply() until the last, or until it has enough. The
 * error is reply()'s, if it has one.
 */
static int transact(struct nlmsghdr *nlh, mnl_cb_t reply, void *data)
{
	struct answer answer = { reply, data, 0 };
	unsigned int port = mnl_socket_get_portid(nl.sock);
	ssize_t len;
	int ret;

	nl.text[0] = 0;
	nlh->nlmsg_seq = ++nl.seq;
	if (mnl_socket_sendto(nl.sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(nl.sock, reply_buf, sizeof(reply_buf));
		if (len < 0)
			return -errno;
		ret = mnl_cb_run2(reply_buf, len, nl.seq, port, on_reply, &answer, control,
				  ARRAY_SIZE(control));
	} while (ret > MNL_CB_STOP);
	if (answer.error)
		return answer.error;
	return ret < 0 ? -errno : 0;
}

static struct nlmsghdr *start_message(uint16_t type, uint8_t cmd, uint8_t version, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl.request);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

/* Every family has one group, of the same name. */
static void find_group(struct nl_family *family, const struct nlattr *groups)
{
	const struct nlattr *tb[CTRL_ATTR_MCAST_GRP_MAX + 1];
	const struct nlattr *group;

	mnl_attr_for_each_nested(group, groups) {
		if (nl_parse(tb, ARRAY_SIZE(tb), group))
			continue;
		if (tb[CTRL_ATTR_MCAST_GRP_NAME] && tb[CTRL_ATTR_MCAST_GRP_ID] &&
		    !strcmp(mnl_attr_get_str(tb[CTRL_ATTR_MCAST_GRP_NAME]), GROUP))
			family->events = mnl_attr_get_u32(tb[CTRL_ATTR_MCAST_GRP_ID]);
	}
}

static int on_family(const struct nlmsghdr *nlh, void *data)
{
	struct nl_family *family = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			family->id = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			find_group(family, attr);
	}
	return MNL_CB_OK;
}

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	int on = 1;

	if (!sock)
		return NULL;
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(sock);
		return NULL;
	}
	mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(sock, NETLINK_CAP_ACK, &on, sizeof(on));
	return sock;
}

/* Open the socket and look the family up, once. */
static int resolve(struct nl_family *family)
{
	struct nlmsghdr *nlh;

	if (family->id)
		return 0;
	if (!nl.sock)
		nl.sock = open_socket();
	if (!nl.sock)
		return -errno;
	nlh = start_message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, NLM_F_ACK);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, family->name);
	return transact(nlh, on_family, family);
}

bool nl_available(struct nl_family *family)
{
	return !resolve(family);
}

static bool is_loaded(const struct nl_family *family)
{
	char path[PATH_MAX];

	return !access(rooted(path, sizeof(path), "/sys/module/%s", family->name), F_OK);
}

/* The same, and says why it is not. */
int nl_check(struct nl_family *family)
{
	int ret = resolve(family);

	/* Which of both cannot be told: who may look at init's namespaces is not for all of us. */
	if (ret == -ENOENT && is_loaded(family))
		err("the kernel module %s does not listen here: either this is not the host's network namespace (run lparctl by 'nsenter --net=/proc/1/ns/net'), or it is just being loaded or removed (try again)",
		    family->name);
	else if (ret == -ENOENT)
		err("the kernel module %s is not loaded: run 'modprobe %s'", family->name,
		    family->name);
	else if (ret)
		err("netlink family %s: %s", family->name, nl_text(ret));
	return ret;
}

/* Nothing works without the family, so that a missing one ends the program. */
static void need_family(struct nl_family *family)
{
	if (nl_check(family))
		exit(EXIT_FAILED);
}

/*
 * Begin a request to a family; flags are NLM_F_ACK or NLM_F_DUMP. There is one
 * buffer: a request must be sent before the next one is begun.
 */
struct nlmsghdr *nl_begin(struct nl_family *family, uint8_t cmd, uint16_t flags)
{
	need_family(family);
	return start_message(family->id, cmd, family->version, flags);
}

/* Room that a request which is one of several has left, in bytes. */
size_t nl_room(const struct nlmsghdr *nlh)
{
	return PART_BYTES - nlh->nlmsg_len;
}

/* What the kernel has to say about a request that it has accepted; "" = nothing. */
const char *nl_warning(void)
{
	return nl.text;
}

/* Send a request; reply, which may be NULL, gets each answer. */
int nl_send(struct nlmsghdr *nlh, mnl_cb_t reply, void *data)
{
	return transact(nlh, reply, data);
}

/* A request that is not sent: why, for nl_text(). */
void nl_refuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(nl.text, sizeof(nl.text), fmt, ap);
	va_end(ap);
}

/* What the kernel said about the last request, or else what the error means. */
const char *nl_text(int error)
{
	if (nl.text[0])
		return nl.text;
	if (error == -EPERM)
		return "only root may do this (CAP_NET_ADMIN and CAP_SYS_ADMIN are needed)";
	return strerror(-error);
}

/* Report the last request; what is "LPAR lp1" or "cut 3". */
int nl_fail(const char *what, int error)
{
	err("%s: %s", what, nl_text(error));
	return error == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_FAILED;
}

static struct mnl_socket *subscribe(uint32_t group)
{
	struct mnl_socket *sock = open_socket();
	int bytes = EVENT_QUEUE_BYTES;

	if (!sock ||
	    mnl_socket_setsockopt(sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
		err("cannot listen to events: %s", strerror(errno));
		exit(EXIT_FAILED);
	}
	/* Without the privilege the default has to do. */
	setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return sock;
}

/* A socket that gets every event from now on. */
struct mnl_socket *nl_subscribe(struct nl_family *family)
{
	need_family(family);
	return subscribe(family->events);
}

/* A socket that is told of each family that comes, see nl_has_come(), and may join others. */
struct mnl_socket *nl_subscribe_comers(void)
{
	/* The group of the controller has its number. */
	return subscribe(GENL_ID_CTRL);
}

/* Does it say that a module with that family was loaded? */
bool nl_has_come(const struct nlmsghdr *nlh, const char *name)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (nlh->nlmsg_type != GENL_ID_CTRL || genl->cmd != CTRL_CMD_NEWFAMILY)
		return false;
	attr = nl_attrs(nlh)[CTRL_ATTR_FAMILY_NAME];
	return attr && !strcmp(mnl_attr_get_str(attr), name);
}

/* Its events come, too, from now on; -ENOENT: there is no such family. */
int nl_join(struct mnl_socket *sock, struct nl_family *family)
{
	int ret;

	/* It may be another one than before. */
	family->id = 0;
	ret = resolve(family);
	if (!ret && mnl_socket_setsockopt(sock, NETLINK_ADD_MEMBERSHIP, &family->events,
					  sizeof(family->events)) < 0)
		ret = -errno;
	return ret;
}

/*
 * Wait for events and hand them to event(), which may return MNL_CB_STOP.
 * -ETIMEDOUT when none came, -ENOBUFS when some were lost, 1 when event() is
 * done. A negative time-out waits for ever.
 */
int nl_receive(struct mnl_socket *sock, int timeout_ms, mnl_cb_t event, void *data)
{
	struct pollfd pfd = { .fd = mnl_socket_get_fd(sock), .events = POLLIN };
	ssize_t len;
	int ret;

	ret = poll(&pfd, 1, timeout_ms);
	if (ret <= 0)
		return ret ? -errno : -ETIMEDOUT;
	len = mnl_socket_recvfrom(sock, reply_buf, sizeof(reply_buf));
	if (len < 0)
		return -errno;
	/* No check of sequence and port: events answer no request. */
	ret = mnl_cb_run(reply_buf, len, 0, 0, event, data);
	if (ret < 0)
		return -errno;
	return ret == MNL_CB_STOP;
}

/* Takes the next word if it is this setting; *ret is the exit code. */
static bool put_setting(struct nlmsghdr *nlh, struct args *args, const struct setting *setting,
			int *ret)
{
	const char *value = "", *wanted;

	if (setting->is_flag ? !next_flag(args, setting->name)
			     : !next_option(args, setting->name, &value))
		return false;
	wanted = value ? setting->put(nlh, value) : "a value";
	*ret = wanted ? usage("%s needs %s", setting->name, wanted) : EXIT_OK;
	return true;
}

/* Puts all words of the command line into a request; settings end with a NULL name. */
int put_settings(struct nlmsghdr *nlh, struct args *args, const struct setting *settings,
		 const char *object)
{
	const struct setting *setting;
	int ret = EXIT_OK;

	while (!ret && args->argc) {
		for (setting = settings; setting->name; setting++)
			if (put_setting(nlh, args, setting, &ret))
				break;
		if (!setting->name)
			ret = usage("'%s' is unknown to %s", next_arg(args), object);
	}
	return ret;
}
