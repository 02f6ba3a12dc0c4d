/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files of held frames: pcapng, so that Wireshark and tcpdump read them, with
 * what else a frame is in a custom option, so that it can be held again.
 *
 *	Section Header Block            shb_userappl "lparkit netbuf 1"
 *	Interface Description Block     one for each netdev: its name, ns
 *	Enhanced Packet Block ...       direction in epb_flags, struct pcapng_record
 *	Interface Statistics Block      one for each netdev: its number of frames
 *
 * Every block ends with a custom option that holds the CRC-32 of the block
 * before it; the frame counts at the end tell that the file is whole.
 */
#ifndef PCAPNG_H
#define PCAPNG_H

#include <stdint.h>
#include <stdio.h>

#define PCAPNG_APPLICATION "lparkit netbuf 1"

/* struct netbuf_record of the module, in the byte order of x86. */
struct pcapng_record {
	uint8_t vnet[NETBUF_VNET_LEN]; /* struct virtio_net_hdr */
	uint16_t vlan_proto; /* 0 = no tag beside the data */
	uint16_t vlan_tci;
	uint16_t queue;
	uint32_t mark;
	uint32_t priority;
};

struct pcapng_frame {
	uint32_t interface;
	enum netbuf_direction direction;
	uint64_t time_ns;
	uint32_t length;
	const uint8_t *data;
	struct pcapng_record record;
};

/* What a reader calls; names are valid during the call. Both return 0 to go on. */
struct pcapng_reader {
	int (*interface)(uint32_t number, const char *name, void *data);
	int (*frame)(const struct pcapng_frame *frame, void *data);
	void *data;
};

/* pcapng.c; writers return 0 or -errno */
int pcapng_write_header(FILE *file);
int pcapng_write_interface(FILE *file, const char *name);
int pcapng_write_frame(FILE *file, const struct pcapng_frame *frame);
int pcapng_write_count(FILE *file, uint32_t interface, uint64_t frames, uint64_t time_ns);
int pcapng_read(const char *path, const struct pcapng_reader *reader);

#endif /* PCAPNG_H */
