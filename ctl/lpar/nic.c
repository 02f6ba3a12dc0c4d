// SPDX-License-Identifier: GPL-2.0
/*
 * NICs of guests: net= of a description, and MAC addresses for those that have none.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lpar/lpar.h"

#define MACHINE_ID_CHARS 32
#define MAC_LOCAL 2 /* nobody has bought it */
#define MAC_GROUP 1 /* it is nobody's own */

static bool mac_parse(const char *text, uint8_t *mac)
{
	static const char pattern[] = "xx:xx:xx:xx:xx:xx";
	uint8_t any = 0;
	size_t i;

	for (i = 0; pattern[i]; i++)
		if (pattern[i] == 'x' ? !isxdigit((unsigned char)text[i]) : text[i] != ':')
			return false;
	if (text[i])
		return false;
	for (i = 0; i < MAC_BYTES; i++) {
		mac[i] = strtoul(text + 3 * i, NULL, 16);
		any |= mac[i];
	}
	return any && !(mac[0] & MAC_GROUP);
}

const char *mac_format(char *buf, const uint8_t *mac)
{
	snprintf(buf, MAC_CHARS + 1, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return buf;
}

/* What the kernel takes for the name of a netdev, and QEMU for one word. */
static bool netdev_is_valid(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isgraph((unsigned char)name[i]) || name[i] == '/' || name[i] == ':')
			return false;
	return len && len < IFNAMSIZ && strncmp(name, ".", len) && strncmp(name, "..", len);
}

/* NETDEV[,mac=MAC]; returns NULL, or what is wrong with it. */
static const char *nic_parse(const char *value, struct nic *nic)
{
	size_t len = strcspn(value, ",");

	memset(nic, 0, sizeof(*nic));
	if (!netdev_is_valid(value, len))
		return "is not the name of a netdev, and maybe ,mac=MAC";
	memcpy(nic->netdev, value, len);
	if (!value[len])
		return NULL;
	nic->has_mac = !strncmp(value + len, ",mac=", 5) && mac_parse(value + len + 5, nic->mac);
	return nic->has_mac ? NULL : "has no ,mac=MAC such as 02:12:34:56:78:9a behind its netdev";
}

/* One more net=; an empty one empties the list. Returns NULL, or what is wrong with it. */
const char *nic_add(struct guest_config *guest, const char *value)
{
	const char *why;
	struct nic nic;
	size_t i;

	if (!*value) {
		guest->n_nics = 0;
		return NULL;
	}
	why = nic_parse(value, &nic);
	for (i = 0; !why && i < guest->n_nics; i++) {
		if (!strcmp(guest->nic[i].netdev, nic.netdev))
			why = "is there twice";
		else if (nic.has_mac && guest->nic[i].has_mac &&
			 !memcmp(guest->nic[i].mac, nic.mac, MAC_BYTES))
			why = "has the MAC of another one";
	}
	if (why)
		return why;
	guest->nic = xrealloc(guest->nic, (guest->n_nics + 1) * sizeof(*guest->nic));
	guest->nic[guest->n_nics++] = nic;
	return NULL;
}

static int read_machine_id(char *id, size_t size)
{
	char path[PATH_MAX];

	if (!read_text(rooted(path, sizeof(path), "/etc/machine-id"), id, size) &&
	    strspn(id, "0123456789abcdef") == MACHINE_ID_CHARS && !id[MACHINE_ID_CHARS])
		return 0;
	err("%s does not name this machine, and a MAC address would not be unique: give mac= with net=, or run 'systemd-machine-id-setup'",
	    path);
	return -ENOENT;
}

/* The same whenever this machine makes one for that LPAR's netdev, and for no other one. */
static void derive(struct nic *nic, const char *name, const char *machine)
{
	char *text = xprintf("lparkit:%s:%s:%s", machine, name, nic->netdev);
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (!EVP_Digest(text, strlen(text), sum, NULL, EVP_sha256(), NULL))
		abort();
	memcpy(nic->mac, sum, MAC_BYTES);
	nic->mac[0] = (nic->mac[0] & ~MAC_GROUP) | MAC_LOCAL;
	nic->has_mac = true;
	free(text);
}

/* Whatever has no MAC address gets one. */
int nics_complete(struct lpar_config *config)
{
	char machine[MACHINE_ID_CHARS + 2] = "";
	struct nic *nic = config->guest.nic;
	size_t i;

	for (i = 0; i < config->guest.n_nics; i++) {
		if (nic[i].has_mac)
			continue;
		if (!*machine && read_machine_id(machine, sizeof(machine)))
			return -ENOENT;
		derive(&nic[i], config->name, machine);
	}
	return 0;
}
