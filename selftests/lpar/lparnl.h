/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The netlink family of lpar.ko for test programs, straight to the kernel:
 * lparctl does more than the module (interrupts, vCPUs) and would hide what
 * the module itself does.
 */
#ifndef SELFTESTS_LPARNL_H
#define SELFTESTS_LPARNL_H

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../../include/uapi/lparkit/lpar.h"

#define LPARNL_BYTES 65536

struct lparnl {
	struct mnl_socket *sock;
	uint16_t family;
	uint32_t events; /* multicast group */
	unsigned int seq;
	char error[512]; /* the kernel's words on the last refusal */
	char buffer[LPARNL_BYTES];
};

static inline void lparnl_start(struct lparnl *nl, uint16_t type, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(nl->buffer);
	struct genlmsghdr *genl;

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	header->nlmsg_seq = ++nl->seq;
	genl = mnl_nlmsg_put_extra_header(header, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = LPAR_FAMILY_VERSION;
}

static inline struct nlmsghdr *lparnl_message(struct lparnl *nl)
{
	return (struct nlmsghdr *)nl->buffer;
}

static inline bool lparnl_send(struct lparnl *nl)
{
	struct nlmsghdr *header = lparnl_message(nl);

	return mnl_socket_sendto(nl->sock, header, header->nlmsg_len) >= 0;
}

static inline int lparnl_error_attr(const struct nlattr *attr, void *data)
{
	struct lparnl *nl = data;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
		snprintf(nl->error, sizeof(nl->error), "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

/* Keeps the text of an acknowledgement; returns its errno, negative. */
static inline int lparnl_take_ack(struct lparnl *nl, const struct nlmsghdr *header)
{
	const struct nlmsgerr *ack = mnl_nlmsg_get_payload(header);
	size_t offset = sizeof(*ack);

	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(&ack->msg);
	if (header->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(header, offset, lparnl_error_attr, nl);
	return ack->error;
}

/* The end of a dump has an errno too, negative. */
static inline int lparnl_take_done(const struct nlmsghdr *header)
{
	if (mnl_nlmsg_get_payload_len(header) < sizeof(int))
		return 0;
	return *(const int *)mnl_nlmsg_get_payload(header);
}

/* Hands replies to the last message to @take until its end; 0 or -errno. */
static inline int lparnl_receive(struct lparnl *nl, mnl_cb_t take, void *data)
{
	nl->error[0] = '\0';
	for (;;) {
		static char reply[LPARNL_BYTES];
		ssize_t bytes = mnl_socket_recvfrom(nl->sock, reply, sizeof(reply));
		struct nlmsghdr *header = (struct nlmsghdr *)reply;
		int left = bytes;

		if (bytes < 0)
			return -errno;
		for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
			if (header->nlmsg_seq != nl->seq)
				continue;
			if (header->nlmsg_type == NLMSG_ERROR)
				return lparnl_take_ack(nl, header);
			if (header->nlmsg_type == NLMSG_DONE)
				return lparnl_take_done(header);
			if (take)
				take(header, data);
		}
	}
}

static inline int lparnl_call(struct lparnl *nl, mnl_cb_t take, void *data)
{
	if (!lparnl_send(nl))
		return -errno;
	return lparnl_receive(nl, take, data);
}

static inline int lparnl_take_group(const struct nlattr *attr, void *data)
{
	struct lparnl *nl = data;
	const struct nlattr *member;

	mnl_attr_for_each_nested(member,
				 attr) if (mnl_attr_get_type(member) == CTRL_ATTR_MCAST_GRP_ID)
		nl->events = mnl_attr_get_u32(member);
	return MNL_CB_OK;
}

static inline int lparnl_take_family(const struct nlmsghdr *header, void *data)
{
	struct lparnl *nl = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, header, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			nl->family = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_parse_nested(attr, lparnl_take_group, nl);
	}
	return MNL_CB_OK;
}

/* Asks generic netlink itself; 0 or -errno. */
static inline int lparnl_find_family(struct lparnl *nl, const char *family)
{
	lparnl_start(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(lparnl_message(nl), CTRL_ATTR_FAMILY_NAME, family);
	return lparnl_call(nl, lparnl_take_family, nl);
}

/* Ends the program if the family is not there. */
static inline void lparnl_open_family(struct lparnl *nl, const char *family)
{
	int on = 1;
	int error;

	nl->sock = mnl_socket_open(NETLINK_GENERIC);
	if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID)) {
		perror("netlink socket");
		exit(1);
	}
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl->sock, NETLINK_CAP_ACK, &on, sizeof(on));
	error = lparnl_find_family(nl, family);
	if (error) {
		fprintf(stderr, "family %s: %s\n", family, strerror(-error));
		exit(1);
	}
}

static inline void lparnl_open(struct lparnl *nl)
{
	lparnl_open_family(nl, LPAR_FAMILY_NAME);
}

/* Its number; 0:0, which is no device, if it is none. "" empties the list. */
static inline void lparnl_put_disk(struct lparnl *nl, const char *path)
{
	struct nlattr *nest = mnl_attr_nest_start(lparnl_message(nl), LPAR_A_DISK);
	struct stat st = { .st_rdev = 0 };

	if (*path) {
		if (stat(path, &st) || !S_ISBLK(st.st_mode))
			st.st_rdev = 0;
		mnl_attr_put_strz(lparnl_message(nl), LPAR_A_DISK_PATH, path);
		mnl_attr_put_u32(lparnl_message(nl), LPAR_A_DISK_MAJOR, major(st.st_rdev));
		mnl_attr_put_u32(lparnl_message(nl), LPAR_A_DISK_MINOR, minor(st.st_rdev));
	}
	mnl_attr_nest_end(lparnl_message(nl), nest);
}

/* One command that needs nothing but a name; 0 or -errno. */
static inline int lparnl_do(struct lparnl *nl, uint8_t cmd, const char *name)
{
	lparnl_start(nl, nl->family, cmd, 0);
	mnl_attr_put_strz(lparnl_message(nl), LPAR_A_NAME, name);
	return lparnl_call(nl, NULL, NULL);
}

#endif /* SELFTESTS_LPARNL_H */
