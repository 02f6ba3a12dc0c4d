// SPDX-License-Identifier: GPL-2.0
/*
 * A disk of another host: as much of the NBD protocol as it takes before the kernel's
 * client has the connection, and the kernel's client.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "relocate/relocate.h"

/* https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, "Newstyle negotiation" */
#define GREETING "NBDMAGICIHAVEOPT"
#define GREETING_BYTES 16
#define OPTION_MAGIC 0x49484156454F5054ULL
#define OPTION_EXPORT_NAME 1
#define FLAG_FIXED_NEWSTYLE 1
#define FLAG_NO_ZEROES 2
#define ZEROES_BYTES 124

#define BLOCK_BYTES 512

static struct nl_family family = { .name = NBD_GENL_FAMILY_NAME, .version = NBD_GENL_VERSION };

/* --- the protocol --- */

static int wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd poll_fd = { fd, events, 0 };
	int ret = poll(&poll_fd, 1, poll_ms(left_ns(deadline_ns)));

	if (ret < 0)
		return -errno;
	return ret ? 0 : -ETIMEDOUT;
}

static int receive(int fd, void *data, size_t len, uint64_t deadline_ns)
{
	char *at = data;
	ssize_t got;
	int ret = 0;

	while (len && !ret) {
		ret = wait_for(fd, POLLIN, deadline_ns);
		if (ret)
			break;
		got = recv(fd, at, len, MSG_DONTWAIT);
		if (got > 0) {
			at += got;
			len -= got;
		} else if (!got) {
			ret = -ECONNRESET;
		} else if (errno != EAGAIN && errno != EINTR) {
			ret = -errno;
		}
	}
	return ret;
}

/* A few bytes, to one who has asked for them: they have room. */
static int transmit(int fd, const void *data, size_t len)
{
	ssize_t sent = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0)
		return -errno;
	return (size_t)sent == len ? 0 : -EIO;
}

/*
 * Up to the point where reads may be sent: the export without a name. Sets the size of the
 * disk and what its server can do. -EPROTO: that is no NBD server.
 */
int nbd_negotiate(int fd, uint64_t deadline_ns, struct nbd *nbd)
{
	struct {
		char magic[GREETING_BYTES];
		uint16_t flags;
	} __attribute__((packed)) greeting;
	struct {
		uint32_t flags;
		uint64_t magic;
		uint32_t option;
		uint32_t length;
	} __attribute__((packed)) wish = { 0, htobe64(OPTION_MAGIC), htobe32(OPTION_EXPORT_NAME) };
	struct {
		uint64_t bytes;
		uint16_t flags;
	} __attribute__((packed)) disk;
	char zeroes[ZEROES_BYTES];
	uint16_t flags;
	int ret = receive(fd, &greeting, sizeof(greeting), deadline_ns);

	if (ret)
		return ret;
	if (memcmp(greeting.magic, GREETING, GREETING_BYTES))
		return -EPROTO;
	flags = be16toh(greeting.flags) & (FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES);
	wish.flags = htobe32(flags);
	ret = transmit(fd, &wish, sizeof(wish));
	ret = ret ? ret : receive(fd, &disk, sizeof(disk), deadline_ns);
	if (!ret && !(flags & FLAG_NO_ZEROES))
		ret = receive(fd, zeroes, sizeof(zeroes), deadline_ns);
	if (ret)
		return ret;
	nbd->bytes = be64toh(disk.bytes) / BLOCK_BYTES * BLOCK_BYTES;
	nbd->flags = be16toh(disk.flags) | NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY;
	return nbd->bytes && nbd->bytes <= INT64_MAX ? 0 : -EPROTO;
}

/* Before the kernel has the connection, and one at a time. */
int nbd_read(int fd, uint64_t deadline_ns, uint64_t from, void *data, uint32_t len)
{
	struct nbd_request request = { .magic = htobe32(NBD_REQUEST_MAGIC),
				       .type = htobe32(NBD_CMD_READ),
				       .from = htobe64(from),
				       .len = htobe32(len) };
	struct nbd_reply reply;
	int ret = transmit(fd, &request, sizeof(request));

	ret = ret ? ret : receive(fd, &reply, sizeof(reply), deadline_ns);
	if (ret)
		return ret;
	if (be32toh(reply.magic) != NBD_REPLY_MAGIC)
		return -EPROTO;
	return reply.error ? -EIO : receive(fd, data, len, deadline_ns);
}

/* --- the kernel's client --- */

/* Is there one? It says why not. */
int nbd_check(void)
{
	return nl_check(&family);
}

static int on_connected(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr **attrs = nl_attrs(nlh);
	struct nbd *nbd = data;

	if (attrs[NBD_ATTR_INDEX])
		nbd->index = mnl_attr_get_u32(attrs[NBD_ATTR_INDEX]);
	return MNL_CB_OK;
}

static void put_socket(struct nlmsghdr *nlh, int fd)
{
	struct nlattr *list = mnl_attr_nest_start(nlh, NBD_ATTR_SOCKETS);
	struct nlattr *item = mnl_attr_nest_start(nlh, NBD_SOCK_ITEM);

	mnl_attr_put_u32(nlh, NBD_SOCK_FD, fd);
	mnl_attr_nest_end(nlh, item);
	mnl_attr_nest_end(nlh, list);
}

/* The device's number, "MAJOR:MINOR", as tables have it. */
static int find_number(struct nbd *nbd)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/nbd%d/dev", nbd->index);
	return read_text(path, nbd->number, sizeof(nbd->number));
}

/*
 * The kernel goes on with the connection, as a disk of its own that is gone with it. It waits
 * for an answer as long as that takes, and does not wait for another connection: see
 * relocate_from.c. Sets the disk's index and number.
 */
int nbd_attach(int fd, const char *owner, struct nbd *nbd)
{
	struct nlmsghdr *nlh = nl_begin(&family, NBD_CMD_CONNECT, NLM_F_ACK);
	int ret;

	nbd->index = -1;
	mnl_attr_put_u64(nlh, NBD_ATTR_SIZE_BYTES, nbd->bytes);
	mnl_attr_put_u64(nlh, NBD_ATTR_BLOCK_SIZE_BYTES, BLOCK_BYTES);
	mnl_attr_put_u64(nlh, NBD_ATTR_SERVER_FLAGS, nbd->flags);
	mnl_attr_put_u64(nlh, NBD_ATTR_CLIENT_FLAGS, NBD_CFLAG_DESTROY_ON_DISCONNECT);
	mnl_attr_put_strz(nlh, NBD_ATTR_BACKEND_IDENTIFIER, owner);
	put_socket(nlh, fd);
	ret = nl_send(nlh, on_connected, nbd);
	if (!ret && nbd->index < 0)
		ret = -EBADMSG;
	if (ret)
		return ret;
	ret = find_number(nbd);
	if (ret)
		nbd_detach(nbd->index);
	return ret;
}

/* What is under way there ends with an error. */
void nbd_detach(int index)
{
	struct nlmsghdr *nlh = nl_begin(&family, NBD_CMD_DISCONNECT, NLM_F_ACK);

	mnl_attr_put_u32(nlh, NBD_ATTR_INDEX, index);
	nl_send(nlh, NULL, NULL);
}

/* Index of the nbd device with that number if it is @owner's; otherwise -1. */
int nbd_index_of(const char *number, const char *owner)
{
	char path[96], text[256];
	const char *name;
	int index;

	snprintf(path, sizeof(path), "/sys/dev/block/%s/backend", number);
	if (read_text(path, text, sizeof(text)) || strcmp(text, owner))
		return -1;
	snprintf(path, sizeof(path), "/sys/dev/block/%s/uevent", number);
	if (read_text(path, text, sizeof(text)))
		return -1;
	name = strstr(text, "DEVNAME=nbd");
	return name && sscanf(name, "DEVNAME=nbd%d", &index) == 1 ? index : -1;
}
