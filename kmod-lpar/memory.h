/* SPDX-License-Identifier: GPL-2.0 */
/* What memory.c, hold.c and piece.c share. */
#ifndef _KMOD_LPAR_MEMORY_H
#define _KMOD_LPAR_MEMORY_H

#include <linux/mmu_notifier.h>
#include "lpar.h"

/**
 * struct lpar_piece - 2 MiB of an LPAR's memory
 * @folio: one folio of PMD size, or NULL
 * @small: LPAR_PIECE_PAGES folios of one page instead, or NULL
 * @used: was handed out since it was last zeroed
 * @bad: has a hardware error, or is not whole for want of memory to replace it
 */
struct lpar_piece {
	struct folio *folio;
	struct folio **small;
	bool used;
	bool bad;
};

/**
 * struct lpar_hold - an address space that has the memory open
 * @memory: what it holds; the open files keep it
 * @mm: the address space; holds a reference to the structure, so that no other
 *	address space can be taken for this one, but not to what is mapped
 * @pid: its process
 * @notifier: tells of the end of the address space
 * @opens: open files; under memory->lock
 * @gone: it holds the memory no more; no fault may map anything by its files
 *
 * Its files may outlive it in other processes. They are of no use there, and
 * do not keep the memory from the next holder.
 */
struct lpar_hold {
	struct lpar_memory *memory;
	struct mm_struct *mm;
	struct pid *pid;
	struct mmu_notifier notifier;
	unsigned int opens;
	bool gone;
};

/**
 * struct lpar_memory - the memory of an active LPAR
 * @ref: each open file holds one, and @users together
 * @users: who wants the pieces: the LPAR, the holder, and the work that zeroes after one
 * @node_in_all: in memories, under memories_mutex
 * @inode: all mappings are its own, whichever device node was opened; has the size
 * @lpar: holds a reference
 * @node: NUMA node, or NUMA_NO_NODE
 * @large_only: no piece may be made of small pages
 * @nr_pieces: number of @pieces
 * @nr_begun: how many of them are promised no more: are taken, or being taken
 * @nr_taken: how many of them have been taken
 * @fragmented: no compaction for further pieces
 * @small_bytes: how much is in 4 KiB pages
 * @lock: guards @hold, @shut, @dirty, @again
 * @hold: who may map it, or NULL
 * @shut: the LPAR is being deactivated: nobody opens it
 * @grants: who may map it beside @hold, by its files
 * @tell: held while @dirty becomes false and listeners hear of that, and while they hear of
 *	who holds it next
 * @clean: woken when @dirty becomes false or @shut true
 * @dirty: a former holder's contents are still there
 * @again: a page had a hardware error meanwhile
 * @free: it has no users: free the pieces once they are zeroed
 * @scrub: zeroes and frees
 * @nr_pinned: how many pieces the last look could not zero or free, as they are in use
 * @nr_left: the same, and those that it has not come to
 * @pieces_lock: held while a piece is zeroed, freed, retired or replaced
 * @nr_bad: how many pieces are bad; under @pieces_lock
 * @pieces: what it is made of
 */
struct lpar_memory {
	struct kref ref;
	struct kref users;
	struct list_head node_in_all;
	struct inode *inode;
	struct lpar *lpar;
	int node;
	bool large_only;
	unsigned long nr_pieces;
	atomic_long_t nr_begun;
	atomic_long_t nr_taken;
	bool fragmented;
	atomic64_t small_bytes;
	struct mutex lock;	/* the holder */
	struct lpar_hold *hold;
	bool shut;
	struct lpar_grants grants;
	struct mutex tell;	/* events of holders */
	wait_queue_head_t clean;
	bool dirty;
	bool again;
	bool free;
	struct delayed_work scrub;
	unsigned long nr_pinned;
	unsigned long nr_left;
	struct mutex pieces_lock;	/* changes of pieces */
	unsigned long nr_bad;
	struct lpar_piece pieces[];
};

/* memory.c */
void lpar_memory_scrub(struct lpar_memory *memory, unsigned long delay);

/* piece.c */
int lpar_piece_alloc(struct lpar_memory *memory, struct lpar_piece *piece);
bool lpar_piece_scrub(struct lpar_memory *memory, struct lpar_piece *piece, bool free);
struct page *lpar_piece_page_rcu(const struct lpar_piece *piece, unsigned int nr);
bool lpar_piece_fail(struct lpar_memory *memory, struct lpar_piece *piece, unsigned long pfn);

#endif /* _KMOD_LPAR_MEMORY_H */
