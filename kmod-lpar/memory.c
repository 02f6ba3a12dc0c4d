// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of an LPAR: reserved from one NUMA node when the LPAR becomes
 * active, in pieces of 2 MiB, zeroed before it is handed out and before it
 * goes back. It consists of ordinary pages with a struct page each, so that
 * O_DIRECT, vhost and VFIO can pin it; they are on no LRU list and in no page
 * cache, so that the kernel neither swaps, shares nor merges them.
 *
 * A piece is one folio of PMD size, which the fault handler of the kernel
 * maps as a whole. When the node is too fragmented a piece is made of 4 KiB
 * folios instead; how much is, is told in memory_small.
 *
 * One address space at a time holds the memory. When it lets go, what others have
 * mapped by a grant is unmapped and the pieces that it could touch are zeroed in the
 * background, those still pinned by a device or by direct I/O last; the next holder
 * waits for that.
 *
 * A page with a hardware error is taken from its holder, who gets SIGBUS when it
 * touches the page. When the memory is nobody's again the piece is retired: it is
 * neither zeroed nor ever freed, and another takes its place.
 */
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/path.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "lpar.h"

/* How often pieces that are still pinned are looked at again. */
#define PINNED_RETRY		(HZ / 10)
/* How often the reserve of the host is looked at while memory is taken, in pieces. */
#define RESERVE_PIECES		256

/**
 * struct piece - 2 MiB of an LPAR's memory
 * @folio: one folio of PMD size, or NULL
 * @small: LPAR_PIECE_PAGES folios of one page instead, or NULL
 * @used: was handed out since it was last zeroed
 * @bad: has a hardware error, or is not whole for want of memory to replace it
 */
struct piece {
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
 * @path: of the first file that it opened; all its mappings are that inode's
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
	struct path path;
	struct mmu_notifier notifier;
	unsigned int opens;
	bool gone;
};

/**
 * struct lpar_memory - the memory of an active LPAR
 * @ref: each open file holds one, and @users together
 * @users: who wants the pieces: the LPAR, the holder, and the work that zeroes after one
 * @node_in_all: in memories, under memories_mutex
 * @lpar: holds a reference
 * @node: NUMA node, or NUMA_NO_NODE
 * @large_only: no piece may be made of small pages
 * @nr_pieces: number of @pieces
 * @nr_taken: how many of them have been taken
 * @fragmented: no compaction for further pieces
 * @small_bytes: how much is in 4 KiB pages
 * @lock: guards @hold, @left, @dirty, @again
 * @hold: who may map it, or NULL
 * @left: whose mappings those by grants of a former holder are, or empty; the inode
 *	alone would not keep its file system, which may end with the holder
 * @grants: who may map it beside @hold, by its files
 * @clean: woken when @dirty becomes false
 * @dirty: a former holder's contents are still there
 * @again: a page had a hardware error meanwhile
 * @free: it has no users: free the pieces once they are zeroed
 * @scrub: zeroes and frees
 * @pieces_lock: held while a piece is zeroed, freed, retired or replaced
 * @nr_bad: how many pieces are bad; under @pieces_lock
 * @pieces: what it is made of
 */
struct lpar_memory {
	struct kref ref;
	struct kref users;
	struct list_head node_in_all;
	struct lpar *lpar;
	int node;
	bool large_only;
	unsigned long nr_pieces;
	atomic_long_t nr_taken;
	bool fragmented;
	atomic64_t small_bytes;
	struct mutex lock;	/* the holder */
	struct lpar_hold *hold;
	struct path left;
	struct lpar_grants grants;
	wait_queue_head_t clean;
	bool dirty;
	bool again;
	bool free;
	struct delayed_work scrub;
	struct mutex pieces_lock;	/* changes of pieces */
	unsigned long nr_bad;
	struct piece pieces[];
};

/* All memory that there is, also of LPARs that are active no more. */
static DEFINE_MUTEX(memories_mutex);	/* the list, for a moment */
static LIST_HEAD(memories);

/**
 * lpar_memory_size() - size in bytes
 * @memory: memory
 *
 * Return: bytes.
 */
u64 lpar_memory_size(const struct lpar_memory *memory)
{
	return (u64)memory->nr_pieces * LPAR_PIECE_SIZE;
}

/**
 * lpar_memory_small() - how much of it is in 4 KiB pages
 * @memory: memory
 *
 * Return: bytes.
 */
u64 lpar_memory_small(const struct lpar_memory *memory)
{
	return atomic64_read(&memory->small_bytes);
}

/**
 * lpar_memory_bad() - how much of it is in pieces with a hardware error
 * @memory: memory
 *
 * Return: bytes.
 */
u64 lpar_memory_bad(const struct lpar_memory *memory)
{
	return (u64)READ_ONCE(memory->nr_bad) * LPAR_PIECE_SIZE;
}

/* A folio for page @pgoff of the memory and those that follow; the allocator zeroes it once. */
static struct folio *alloc_folio(const struct lpar_memory *memory, pgoff_t pgoff,
				 unsigned int order, gfp_t how)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_ZERO | how;
	struct folio *folio;

	if (memory->node == NUMA_NO_NODE)
		folio = __folio_alloc_node(gfp, order, numa_mem_id());
	else
		folio = __folio_alloc_node(gfp | __GFP_THISNODE, order, memory->node);
	/* finish_fault() compares it with the size before it maps by PMD. */
	if (folio)
		folio->index = pgoff;
	return folio;
}

static void zero_folio(struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++) {
		clear_highpage(folio_page(folio, i));
		cond_resched();
	}
}

/* What is missing of a piece of small pages. */
static int fill_small(struct lpar_memory *memory, struct piece *piece)
{
	pgoff_t pgoff = (piece - memory->pieces) * LPAR_PIECE_PAGES;
	unsigned int i;

	for (i = 0; i < LPAR_PIECE_PAGES; i++) {
		if (piece->small[i])
			continue;
		piece->small[i] = alloc_folio(memory, pgoff + i, 0, __GFP_RETRY_MAYFAIL);
		if (!piece->small[i])
			return -ENOMEM;
	}
	return 0;
}

static int alloc_small(struct lpar_memory *memory, struct piece *piece)
{
	piece->small = kvcalloc(LPAR_PIECE_PAGES, sizeof(*piece->small), GFP_KERNEL);
	if (!piece->small)
		return -ENOMEM;
	atomic64_add(LPAR_PIECE_SIZE, &memory->small_bytes);
	return fill_small(memory, piece);
}

/*
 * Where compaction has failed once it is not tried for every further piece, as that
 * would take minutes on a large host.
 */
static int alloc_piece(struct lpar_memory *memory, struct piece *piece)
{
	pgoff_t pgoff = (piece - memory->pieces) * LPAR_PIECE_PAGES;

	piece->folio = alloc_folio(memory, pgoff, LPAR_PIECE_ORDER, __GFP_NORETRY);
	if (!piece->folio && !READ_ONCE(memory->fragmented))
		piece->folio = alloc_folio(memory, pgoff, LPAR_PIECE_ORDER, __GFP_RETRY_MAYFAIL);
	if (piece->folio)
		return 0;
	if (memory->large_only)
		return -ENOMEM;
	WRITE_ONCE(memory->fragmented, true);
	return alloc_small(memory, piece);
}

/* Nobody but us has a reference: no mapping, no pin, no direct I/O under way. */
static bool is_ours_alone(const struct folio *folio)
{
	return folio_ref_count(folio) == 1;
}

static bool is_poisoned(struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++)
		if (PageHWPoison(folio_page(folio, i)))
			return true;
	return false;
}

static void note_bad(struct lpar_memory *memory, struct piece *piece, bool bad)
{
	lockdep_assert_held(&memory->pieces_lock);
	if (piece->bad == bad)
		return;
	piece->bad = bad;
	WRITE_ONCE(memory->nr_bad, memory->nr_bad + (bad ? 1 : -1));
}

static bool scrub_folio(struct lpar_memory *memory, struct piece *piece, struct folio **slot,
			bool free)
{
	struct folio *folio = *slot;

	if (!folio)
		return true;
	/* Nobody may ever get it: it keeps our reference, whoever else refers to it. */
	if (is_poisoned(folio)) {
		note_bad(memory, piece, true);
		*slot = NULL;
		return true;
	}
	if (!is_ours_alone(folio))
		return false;
	if (piece->used)
		zero_folio(folio);
	if (free) {
		folio_put(folio);
		*slot = NULL;
	}
	return true;
}

/* Makes a piece whole again that has lost pages to hardware errors. */
static void mend_piece(struct lpar_memory *memory, struct piece *piece)
{
	int err = piece->small ? fill_small(memory, piece) :
		  piece->folio ? 0 : alloc_piece(memory, piece);

	if (!err)
		note_bad(memory, piece, false);
}

/* False when a part of the piece is still in use by somebody. */
static bool scrub_piece(struct lpar_memory *memory, struct piece *piece, bool free)
{
	bool done = true;
	unsigned int i;

	if (piece->folio || !piece->small) {
		done = scrub_folio(memory, piece, &piece->folio, free);
	} else {
		for (i = 0; i < LPAR_PIECE_PAGES; i++)
			done &= scrub_folio(memory, piece, &piece->small[i], free);
	}
	if (!done)
		return false;
	piece->used = false;
	if (free) {
		kvfree(piece->small);
		piece->small = NULL;
	} else if (piece->bad) {
		mend_piece(memory, piece);
	}
	return true;
}

/* False, too, if this must go on elsewhere: the CPU has become an LPAR's. */
static bool scrub_pieces(struct lpar_memory *memory, bool free)
{
	bool done = true;
	unsigned long i;

	for (i = 0; i < memory->nr_pieces; i++) {
		struct piece *piece = &memory->pieces[i];

		if (!piece->used && !piece->bad && !free)
			continue;
		if (lpar_cpu_is_fenced(raw_smp_processor_id()))
			return false;
		mutex_lock(&memory->pieces_lock);
		done &= scrub_piece(memory, piece, free);
		mutex_unlock(&memory->pieces_lock);
	}
	return done;
}

/* The pieces are gone already. */
static void destroy(struct kref *ref)
{
	struct lpar_memory *memory = container_of(ref, struct lpar_memory, ref);

	mutex_lock(&memories_mutex);
	list_del(&memory->node_in_all);
	mutex_unlock(&memories_mutex);
	lpar_grants_drop(&memory->grants);
	lpar_put(memory->lpar);
	kvfree(memory);
	module_put(THIS_MODULE);
}

static struct inode *inode_of(const struct path *path)
{
	return d_inode(path->dentry);
}

/* Out of all page tables, and KVM's; the holder may fault it in again. */
static void unmap_range(const struct path *path, loff_t start, loff_t bytes)
{
	if (path->dentry)
		unmap_mapping_range(inode_of(path)->i_mapping, start, bytes, 1);
}

/*
 * Nothing may stay mapped by a file of a holder that is gone. A fault that has not seen it
 * gone has a reference to its page when this returns, which is a mapping the next time; see
 * lpar_memory_page().
 */
static void unmap_left(struct lpar_memory *memory)
{
	unmap_range(&memory->left, 0, 0);
	synchronize_rcu();
}

/* Who keeps a file keeps what the file needs, and none of the pieces. */
static void free_pieces(struct kref *users)
{
	struct lpar_memory *memory = container_of(users, struct lpar_memory, users);

	WRITE_ONCE(memory->free, true);
	if (scrub_pieces(memory, true))
		lpar_memory_put(memory);
	else
		lpar_work_near(memory->node, &memory->scrub, PINNED_RETRY);
}

static void scrub(struct work_struct *work)
{
	struct lpar_memory *memory = container_of(to_delayed_work(work), struct lpar_memory, scrub);
	bool free = READ_ONCE(memory->free);
	u64 bad = lpar_memory_bad(memory);
	struct path left = { };
	bool done, again;

	if (!free)
		unmap_left(memory);
	done = scrub_pieces(memory, free);
	if (!free && bad != lpar_memory_bad(memory))
		lpar_judge_all();
	if (!done) {
		lpar_work_near(memory->node, &memory->scrub, PINNED_RETRY);
		return;
	}
	if (free) {
		lpar_memory_put(memory);
		return;
	}
	mutex_lock(&memory->lock);
	again = memory->again;
	memory->again = false;
	memory->dirty = again;
	if (!again)
		swap(left, memory->left);
	mutex_unlock(&memory->lock);
	if (again) {
		lpar_work_near(memory->node, &memory->scrub, 0);
		return;
	}
	path_put(&left);
	wake_up_all(&memory->clean);
	lpar_event_send(LPAR_EVENT_MEMORY_RELEASED, memory->lpar, NULL);
	lpar_event_poll(memory->lpar, NULL, "holder");
	lpar_memory_leave(memory);
}

/**
 * lpar_memory_ref() - take a reference
 * @memory: memory that the caller knows to be alive
 */
void lpar_memory_ref(struct lpar_memory *memory)
{
	kref_get(&memory->ref);
}

/**
 * lpar_memory_put() - drop a reference
 * @memory: memory
 *
 * Context: may sleep.
 */
void lpar_memory_put(struct lpar_memory *memory)
{
	kref_put(&memory->ref, destroy);
}

/**
 * lpar_memory_leave() - the LPAR is active no more
 * @memory: from lpar_memory_alloc(); when it has no holder either its pieces are zeroed and
 *	freed, what is pinned later
 *
 * Context: may sleep.
 */
void lpar_memory_leave(struct lpar_memory *memory)
{
	kref_put(&memory->users, free_pieces);
}

static struct lpar_memory *new_memory(struct lpar *lpar, unsigned long nr_pieces)
{
	struct lpar_memory *memory;

	memory = kvzalloc(struct_size(memory, pieces, nr_pieces), GFP_KERNEL);
	if (!memory)
		return NULL;
	kref_init(&memory->ref);
	kref_init(&memory->users);
	mutex_init(&memory->lock);
	mutex_init(&memory->pieces_lock);
	lpar_grants_init(&memory->grants);
	init_waitqueue_head(&memory->clean);
	INIT_DELAYED_WORK(&memory->scrub, scrub);
	memory->nr_pieces = nr_pieces;
	memory->node = lpar->config.node == LPAR_NODE_ANY ? NUMA_NO_NODE : lpar->config.node;
	memory->large_only = lpar->config.pages == LPAR_PAGES_LARGE;
	memory->lpar = lpar;
	lpar_ref(lpar);
	__module_get(THIS_MODULE);
	mutex_lock(&memories_mutex);
	list_add(&memory->node_in_all, &memories);
	mutex_unlock(&memories_mutex);
	return memory;
}

/* In several threads at a time. */
static int take_piece(void *data, unsigned long i)
{
	struct lpar_memory *memory = data;
	const struct lpar_config *config = &memory->lpar->config;
	int err = i && i % RESERVE_PIECES == 0 ? lpar_reserve_keeps(config) : 0;

	err = err ?: alloc_piece(memory, &memory->pieces[i]);
	if (err)
		return err;
	atomic_long_inc(&memory->nr_taken);
	lpar_reserve_settle(config, LPAR_PIECE_SIZE);
	return 0;
}

/* Takes all pieces; those that it has got are freed with the memory. */
static int alloc_pieces(struct lpar_memory *memory, struct lpar_report *report)
{
	int node = memory->node == NUMA_NO_NODE ? numa_mem_id() : memory->node;
	int err = lpar_crew_run(memory->lpar, node, memory->nr_pieces, take_piece, memory);
	unsigned long left = memory->nr_pieces - atomic_long_read(&memory->nr_taken);

	lpar_reserve_settle(&memory->lpar->config, left * LPAR_PIECE_SIZE);
	WRITE_ONCE(memory->fragmented, true);	/* no compaction for the sake of one piece */
	if (err && err != -EINTR)
		lpar_problem(report, err,
			     "only %lu of %lu MiB could be reserved on the node%s; take less or another node",
			     atomic_long_read(&memory->nr_taken) * LPAR_PIECE_SIZE >> 20,
			     memory->nr_pieces * LPAR_PIECE_SIZE >> 20,
			     memory->large_only ? " in pages of 2 MiB" : "");
	return err;
}

/**
 * lpar_memory_alloc() - reserve the memory of an LPAR
 * @lpar: its config says how much and where
 * @report: for the refusal
 *
 * Context: may sleep, for long; a fatal signal ends it.
 * Return: zeroed memory, or ERR_PTR of -ENOMEM, -EINTR and nothing is taken.
 */
struct lpar_memory *lpar_memory_alloc(struct lpar *lpar, struct lpar_report *report)
{
	const struct lpar_config *config = &lpar->config;
	struct lpar_memory *memory;
	int err = lpar_reserve_promise(config, report);

	if (err)
		return ERR_PTR(err);
	memory = new_memory(lpar, config->memory_bytes / LPAR_PIECE_SIZE);
	if (!memory) {
		lpar_reserve_settle(config, config->memory_bytes);
		return ERR_PTR(-ENOMEM);
	}
	err = alloc_pieces(memory, report);
	if (err) {
		lpar_memory_leave(memory);
		return ERR_PTR(err);
	}
	if (lpar_memory_small(memory))
		pr_warn("lpar: %s: %llu of %llu MiB are in 4 KiB pages, as memory is fragmented: expect more TLB misses\n",
			lpar->name, lpar_memory_small(memory) >> 20,
			lpar_memory_size(memory) >> 20);
	return memory;
}

/* An address space that nobody runs in will never map, read or write anything again. */
static bool is_alive(const struct lpar_hold *hold)
{
	return atomic_read(&hold->mm->mm_users);
}

/**
 * lpar_memory_holder() - who has the memory open?
 * @memory: memory
 *
 * Context: may sleep.
 * Return: process id in the initial pid namespace, 0 = nobody.
 */
pid_t lpar_memory_holder(struct lpar_memory *memory)
{
	pid_t pid = 0;

	mutex_lock(&memory->lock);
	if (memory->hold && is_alive(memory->hold))
		pid = pid_nr(memory->hold->pid);
	mutex_unlock(&memory->lock);
	return pid;
}

/* Nobody holds the memory any more: zero what the last holder could touch, in its use. */
static void let_go(struct lpar_memory *memory)
{
	struct lpar_hold *hold = memory->hold;

	lockdep_assert_held(&memory->lock);
	WRITE_ONCE(hold->gone, true);
	memory->hold = NULL;
	memory->left = hold->path;
	path_get(&memory->left);
	memory->dirty = true;
	lpar_work_near(memory->node, &memory->scrub, 0);
}

/* The address space is about to be taken apart, whoever has its files. */
static void holder_exits(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct lpar_hold *hold = container_of(notifier, struct lpar_hold, notifier);
	struct lpar_memory *memory = hold->memory;

	mutex_lock(&memory->lock);
	if (memory->hold == hold)
		let_go(memory);
	mutex_unlock(&memory->lock);
}

static const struct mmu_notifier_ops hold_ops = {
	.release = holder_exits,
};

static struct lpar_hold *new_hold(struct lpar_memory *memory, const struct path *path)
{
	struct lpar_hold *hold = kzalloc(sizeof(*hold), GFP_KERNEL);
	int err;

	if (!hold)
		return ERR_PTR(-ENOMEM);
	hold->memory = memory;
	hold->mm = current->mm;
	hold->notifier.ops = &hold_ops;
	err = mmu_notifier_register(&hold->notifier, hold->mm);
	if (err) {
		kfree(hold);
		return ERR_PTR(err == -EINTR ? -ERESTARTSYS : err);
	}
	mmgrab(hold->mm);
	hold->pid = get_pid(task_tgid(current));
	hold->path = *path;
	path_get(&hold->path);	/* the caller has it open */
	return hold;
}

/* Not under memory->lock, which holder_exits() takes. */
static void free_hold(struct lpar_hold *hold)
{
	mmu_notifier_unregister(&hold->notifier, hold->mm);
	mmdrop(hold->mm);
	put_pid(hold->pid);
	path_put(&hold->path);
	kfree(hold);
}

/*
 * Under @lock: what the process has already, or @fresh, which is NULL as long as nobody
 * knows that it is needed. -EAGAIN: wait for @clean.
 */
static struct lpar_hold *try_hold(struct lpar_memory *memory, struct lpar_hold *fresh)
{
	struct lpar_hold *hold = memory->hold;

	if (hold && hold->mm != current->mm) {
		if (is_alive(hold))
			return ERR_PTR(-EBUSY);
		let_go(memory);
		hold = NULL;
	}
	if (memory->dirty)
		return ERR_PTR(-EAGAIN);
	if (!hold && fresh) {
		if (!kref_get_unless_zero(&memory->users))
			return ERR_PTR(-ENXIO);
		hold = fresh;
		memory->hold = hold;
	}
	if (hold)
		hold->opens++;
	return hold;
}

/* As try_hold(), when no former holder's contents are there. */
static struct lpar_hold *await_hold(struct lpar_memory *memory, struct lpar_hold *fresh)
{
	struct lpar_hold *hold;

	for (;;) {
		mutex_lock(&memory->lock);
		hold = try_hold(memory, fresh);
		mutex_unlock(&memory->lock);
		if (hold != ERR_PTR(-EAGAIN))
			return hold;
		if (wait_event_interruptible(memory->clean, !READ_ONCE(memory->dirty)))
			return ERR_PTR(-ERESTARTSYS);
	}
}

/**
 * lpar_memory_hold() - the current process opens the memory
 * @memory: memory, referenced
 * @path: of the file that it opens
 *
 * Waits until a former holder's contents are gone.
 *
 * Context: may sleep.
 * Return: what lpar_memory_release() ends, or ERR_PTR of -EBUSY when another process
 * holds it, -ENXIO when it is being freed, -EINVAL, -ENOMEM, -ERESTARTSYS.
 */
struct lpar_hold *lpar_memory_hold(struct lpar_memory *memory, const struct path *path)
{
	struct lpar_event_info info = { .pid = task_tgid_nr(current), .cpu = -1 };
	struct lpar_hold *hold, *fresh;

	if (!current->mm)
		return ERR_PTR(-EINVAL);	/* a kernel thread */
	/* To make a hold takes all locks of the address space: not for who is refused. */
	hold = await_hold(memory, NULL);
	if (hold)
		return hold;
	fresh = new_hold(memory, path);
	if (IS_ERR(fresh))
		return fresh;
	hold = await_hold(memory, fresh);
	if (hold != fresh) {
		free_hold(fresh);
		return hold;
	}
	info.comm = current->comm;
	lpar_event_send(LPAR_EVENT_MEMORY_HELD, memory->lpar, &info);
	lpar_event_poll(memory->lpar, NULL, "holder");
	return hold;
}

/**
 * lpar_memory_release() - a file of the memory is closed
 * @hold: of its opener; the memory is zeroed in the background after its last close
 *
 * Context: may sleep.
 */
void lpar_memory_release(struct lpar_hold *hold)
{
	struct lpar_memory *memory = hold->memory;
	bool last;

	mutex_lock(&memory->lock);
	last = !--hold->opens;
	if (last && memory->hold == hold)
		let_go(memory);
	mutex_unlock(&memory->lock);
	if (last)
		free_hold(hold);
}

/**
 * lpar_memory_of() - the memory of an open file
 * @hold: of the file
 *
 * Return: memory, which the file keeps.
 */
struct lpar_memory *lpar_memory_of(const struct lpar_hold *hold)
{
	return hold->memory;
}

/**
 * lpar_memory_inode() - whose mappings a holder's are
 * @hold: of the file
 *
 * A device node may have several inodes. So that what is mapped can be found again,
 * the mappings of all files of a holder are one inode's.
 *
 * Return: inode, which the file keeps.
 */
struct inode *lpar_memory_inode(const struct lpar_hold *hold)
{
	return inode_of(&hold->path);
}

/**
 * lpar_memory_grants() - who may map it beside its holder
 * @memory: memory
 *
 * Return: grants, which live as long as the memory.
 */
struct lpar_grants *lpar_memory_grants(struct lpar_memory *memory)
{
	return &memory->grants;
}

/**
 * lpar_memory_may_map() - may the current process map the memory by a file?
 * @hold: of the file, which may have been passed on
 * @grant: becomes its grant, with a reference, or NULL if it needs none
 *
 * Context: may sleep.
 * Return: true if the opener of the file holds the memory yet, and this is the opener
 * or has a grant.
 */
bool lpar_memory_may_map(const struct lpar_hold *hold, struct lpar_grant **grant)
{
	struct lpar_memory *memory = hold->memory;
	bool may;

	*grant = NULL;
	mutex_lock(&memory->lock);
	may = memory->hold == hold;
	if (may && hold->mm != current->mm) {
		*grant = lpar_grant_get(&memory->grants, current->mm);
		may = *grant;
	}
	mutex_unlock(&memory->lock);
	return may;
}

/**
 * lpar_memory_is_heir() - has an address space only been left a mapping?
 * @hold: of the file
 * @grant: of the mapping, or NULL for the holder's
 * @mm: address space
 *
 * By a fork, as madvise() can undo VM_DONTCOPY.
 *
 * Return: true if the mapping was made in another.
 */
bool lpar_memory_is_heir(const struct lpar_hold *hold, const struct lpar_grant *grant,
			 const struct mm_struct *mm)
{
	return mm != (grant ? lpar_grant_mm(grant) : hold->mm);
}

/* Only under RCU, as the pieces may be on their way to the host. */
static struct page *find_page(const struct piece *piece, unsigned int nr)
{
	struct folio *folio = READ_ONCE(piece->folio);
	struct folio **small = READ_ONCE(piece->small);

	if (folio)
		return folio_page(folio, nr);
	if (small)
		folio = READ_ONCE(small[nr]);
	return folio ? folio_page(folio, 0) : NULL;
}

static bool may_fault(const struct lpar_hold *hold, const struct lpar_grant *grant,
		      const struct mm_struct *mm)
{
	return !READ_ONCE(hold->gone) && !lpar_grant_has_ended(grant) &&
	       !lpar_memory_is_heir(hold, grant, mm);
}

/**
 * lpar_memory_page() - a page of the memory, to be mapped
 * @hold: of the file
 * @grant: of the mapping, or NULL for the holder's
 * @mm: where it will be mapped
 * @pgoff: which
 *
 * Whoever ends @hold waits until RCU's readers are gone, and then looks at the references of
 * the pages. Before that nobody has one who is refused, which would hold up the next holder.
 *
 * Context: any.
 * Return: the page with a reference, or NULL beyond the end, when it may not be mapped
 * any more, or when it was lost to a hardware error and there was none to replace it.
 */
struct page *lpar_memory_page(const struct lpar_hold *hold, const struct lpar_grant *grant,
			      const struct mm_struct *mm, pgoff_t pgoff)
{
	struct lpar_memory *memory = hold->memory;
	unsigned long nr = pgoff / LPAR_PIECE_PAGES;
	struct page *page = NULL;
	struct piece *piece;

	if (nr >= memory->nr_pieces)
		return NULL;
	piece = &memory->pieces[nr];
	rcu_read_lock();
	if (may_fault(hold, grant, mm))
		page = find_page(piece, pgoff % LPAR_PIECE_PAGES);
	if (page) {
		WRITE_ONCE(piece->used, true);
		get_page(page);
	}
	rcu_read_unlock();
	return page;
}

static bool has_pfn(struct folio *folio, unsigned long pfn)
{
	return folio && pfn >= folio_pfn(folio) && pfn - folio_pfn(folio) < folio_nr_pages(folio);
}

/* The folio of @piece with this page, or NULL. */
static struct folio *find_folio(const struct piece *piece, unsigned long pfn)
{
	unsigned int i;

	if (has_pfn(piece->folio, pfn))
		return piece->folio;
	for (i = 0; piece->small && i < LPAR_PIECE_PAGES; i++)
		if (has_pfn(piece->small[i], pfn))
			return piece->small[i];
	return NULL;
}

/*
 * Under its lock, which a fault holds while it maps: from now on no fault maps the
 * folio as a whole, which finish_fault() does only up to the end of the file.
 */
static void map_by_page(const struct lpar_memory *memory, struct folio *folio)
{
	if (!folio_test_large(folio))
		return;
	folio_lock(folio);
	folio_set_has_hwpoisoned(folio);
	folio->index = memory->nr_pieces * LPAR_PIECE_PAGES;
	folio_unlock(folio);
}

/* If there is no holder, the piece is replaced before there is one. */
static void unmap_piece(struct lpar_memory *memory, unsigned long nr)
{
	struct path path = { };

	mutex_lock(&memory->lock);
	if (memory->hold) {
		path = memory->hold->path;
		path_get(&path);
	} else if (memory->dirty) {
		memory->again = true;	/* the piece may have been passed */
	} else if (kref_get_unless_zero(&memory->users)) {
		memory->dirty = true;
		lpar_work_near(memory->node, &memory->scrub, 0);
	}
	mutex_unlock(&memory->lock);
	unmap_range(&path, (loff_t)nr * LPAR_PIECE_SIZE, LPAR_PIECE_SIZE);
	path_put(&path);
}

/* Also what a holder has left, so that it is gone when this returns. */
static void unmap_all(struct lpar_memory *memory)
{
	struct path path;

	mutex_lock(&memory->lock);
	path = memory->hold ? memory->hold->path : memory->left;
	path_get(&path);
	mutex_unlock(&memory->lock);
	unmap_range(&path, 0, 0);
	path_put(&path);
}

/**
 * lpar_memory_revoke() - a process may map the memory no more
 * @memory: memory, referenced
 * @nr: process id, in the caller's pid namespace, as it had the grant
 * @report: for the refusal
 *
 * It loses what it has mapped at once, and after that at most what faults that were under
 * way have mapped.
 *
 * Context: may sleep, see lpar_grant_settle(); a fatal signal ends it.
 * Return: 0 and nothing is mapped by the grant, -ESRCH, or -EINTR: to be repeated.
 */
int lpar_memory_revoke(struct lpar_memory *memory, pid_t nr, struct lpar_report *report)
{
	struct lpar_grant *grant = lpar_grant_end(&memory->grants, nr);
	int err;

	if (!grant)
		return lpar_problem(report, -ESRCH, "process %d has no grant of this LPAR", nr);
	do {
		unmap_all(memory);
		err = lpar_grant_settle(grant);
		if (err) {
			lpar_grant_put(grant);
			return err;
		}
		unmap_all(memory);
		lpar_grant_forget(&memory->grants, grant);
		grant = lpar_grant_end(&memory->grants, nr);	/* another of that number */
	} while (grant);
	return 0;
}

/* True if the page is of this memory. */
static bool fail_page(struct lpar_memory *memory, unsigned long pfn)
{
	struct folio *folio = NULL;
	unsigned long i;

	mutex_lock(&memory->pieces_lock);
	for (i = 0; i < memory->nr_pieces; i++) {
		folio = find_folio(&memory->pieces[i], pfn);
		if (!folio)
			continue;
		note_bad(memory, &memory->pieces[i], true);
		map_by_page(memory, folio);
		break;
	}
	mutex_unlock(&memory->pieces_lock);
	if (folio)
		unmap_piece(memory, i);
	return folio;
}

/* One memory after the other, with a reference; @memory's goes, NULL begins. */
static struct lpar_memory *next_memory(struct lpar_memory *memory)
{
	struct lpar_memory *next = memory;

	mutex_lock(&memories_mutex);
	next = list_prepare_entry(next, &memories, node_in_all);
	list_for_each_entry_continue(next, &memories, node_in_all)
		if (kref_get_unless_zero(&next->ref))
			break;
	if (list_entry_is_head(next, &memories, node_in_all))
		next = NULL;
	mutex_unlock(&memories_mutex);
	if (memory)
		lpar_memory_put(memory);
	return next;
}

/**
 * lpar_memory_fail_page() - a page has a hardware error
 * @pfn: page, marked by the kernel; may be of any memory
 *
 * Context: may sleep.
 * Return: the LPAR whose memory it is, with a reference, or NULL.
 */
struct lpar *lpar_memory_fail_page(unsigned long pfn)
{
	struct lpar_memory *memory = NULL;
	struct lpar *lpar = NULL;

	while (!lpar && (memory = next_memory(memory))) {
		if (!fail_page(memory, pfn))
			continue;
		lpar = memory->lpar;
		lpar_ref(lpar);
	}
	if (memory)
		lpar_memory_put(memory);
	return lpar;
}
