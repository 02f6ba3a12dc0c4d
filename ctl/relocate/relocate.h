/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks that follow their guests.
 */
#ifndef RELOCATE_H
#define RELOCATE_H

#include "lib/lib.h"

/* A source that cannot be reached for so long is given up. */
#define FROM_PATIENCE_NS (3600 * (uint64_t)NSEC_PER_SEC)

/* A disk of another host, and the kernel's device for it. */
struct nbd {
	uint64_t bytes; /* 0 before the first connection */
	uint64_t flags; /* NBD_FLAG_ */
	int index;
	char number[32]; /* "MAJOR:MINOR" */
};

struct from {
	const char *volume;
	const char *place; /* HOST:DEV */
	const char *via; /* command that runs another on a host; NULL = ssh */
	uint64_t patience_ns; /* 0 = without end */
	char host[256];
	const char *disk;
	char owner[160]; /* of the nbd device */
	pid_t pid; /* of ssh; 0 = it has ended */
	struct nbd nbd;
	unsigned char sample[32];
};

/* relocate.c: volumes */
int relocate_start_verb(struct args *args);
int relocate_status_verb(struct args *args);
int relocate_pause_verb(struct args *args);
int relocate_resume_verb(struct args *args);
int relocate_rate_verb(struct args *args);
int relocate_source_verb(struct args *args);
int relocate_finish_verb(struct args *args);
int relocate_abort_verb(struct args *args);
char *relocate_table_word(const char *volume, unsigned int n);
int relocate_is_complete(const char *volume, bool *complete);
int relocate_give_source(const char *volume, const char *number);

/* relocate_from.c: a source that is a disk of another host */
bool from_option(struct from *from, struct args *args, int *ret);
int from_open(struct from *from, const char *volume, const char *place);
int from_keep(struct from *from);
void from_close(struct from *from);
int relocate_connect_verb(struct args *args);

/* nbd.c: the protocol, and the kernel's client */
int nbd_check(void);
int nbd_negotiate(int fd, uint64_t deadline_ns, struct nbd *nbd);
int nbd_read(int fd, uint64_t deadline_ns, uint64_t from, void *data, uint32_t len);
int nbd_attach(int fd, const char *owner, struct nbd *nbd);
void nbd_detach(int index);
int nbd_index_of(const char *number, const char *owner);

/* Of a disk or of a file system, in sectors. */
struct range {
	uint64_t start;
	uint64_t count;
	uint64_t weight;
};

struct ranges {
	struct range *range;
	size_t n;
	size_t size;
};

/* relocate_order.c: what comes first */
void add_range(struct ranges *ranges, uint64_t start, uint64_t count, uint64_t weight);
int relocate_order_verb(struct args *args);
int relocate_send_verb(struct args *args);

/* relocate_xfs.c: what an XFS has free */
bool xfs_find_free(const char *path, uint64_t sectors, struct ranges *free_ranges, uint64_t *end,
		   bool *clean);

#endif /* RELOCATE_H */
