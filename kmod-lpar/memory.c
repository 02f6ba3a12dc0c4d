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
 * One address space at a time holds the memory. When it lets go, the pieces
 * that it could touch are zeroed in the background, those still pinned by a
 * device or by direct I/O last; the next holder waits for that.
 */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "lpar.h"

/* How often pieces that are still pinned are looked at again. */
#define PINNED_RETRY		(HZ / 10)
/* What activation leaves to the host at least. */
#define HOST_RESERVE_BYTES	(64UL << 20)

/**
 * struct piece - 2 MiB of an LPAR's memory
 * @folio: one folio of PMD size, or NULL
 * @small: LPAR_PIECE_PAGES folios of one page instead, or NULL
 * @used: was handed out since it was last zeroed
 */
struct piece {
	struct folio *folio;
	struct folio **small;
	bool used;
};

/**
 * struct lpar_hold - an address space that has the memory open
 * @memory: what it holds; the open files keep it
 * @mm: the address space; holds a reference to the structure, so that no other
 *	address space can be taken for this one, but not to what is mapped
 * @pid: its process
 * @opens: open files; under memory->lock
 *
 * Its files may outlive it in other processes. They are of no use there, and
 * do not keep the memory from the next holder.
 */
struct lpar_hold {
	struct lpar_memory *memory;
	struct mm_struct *mm;
	struct pid *pid;
	unsigned int opens;
};

/**
 * struct lpar_memory - the memory of an active LPAR
 * @ref: the LPAR and each open file hold one
 * @lpar: holds a reference
 * @node: NUMA node, or NUMA_NO_NODE
 * @nr_pieces: number of @pieces
 * @small_bytes: how much is in 4 KiB pages
 * @lock: guards @hold, @dirty
 * @hold: who may map it, or NULL
 * @clean: woken when @dirty becomes false
 * @dirty: a former holder's contents are still there
 * @free: the LPAR is gone: free the pieces once they are zeroed
 * @scrub: zeroes and frees
 * @pieces: what it is made of
 */
struct lpar_memory {
	struct kref ref;
	struct lpar *lpar;
	int node;
	unsigned long nr_pieces;
	u64 small_bytes;
	struct mutex lock;	/* the holder */
	struct lpar_hold *hold;
	wait_queue_head_t clean;
	bool dirty;
	bool free;
	struct delayed_work scrub;
	struct piece pieces[];
};

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
	return memory->small_bytes;
}

static int check_node(const struct lpar_config *config, struct lpar_report *report)
{
	u64 has;

	if (config->node == LPAR_NODE_ANY)
		return 0;
	if (config->node < 0 || config->node >= MAX_NUMNODES || !node_online(config->node))
		return lpar_problem(report, -EINVAL, "no NUMA node %d; see lscpu", config->node);
	has = (u64)node_present_pages(config->node) << PAGE_SHIFT;
	if (config->memory_bytes > has)
		return lpar_problem(report, -ENOMEM,
				    "node %d has %llu MiB in all, %llu MiB are wanted; take less or another node",
				    config->node, has >> 20, config->memory_bytes >> 20);
	return 0;
}

/**
 * lpar_memory_check() - is the wanted memory of a kind that there can be?
 * @config: size and node
 * @report: for what is wrong
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int lpar_memory_check(const struct lpar_config *config, struct lpar_report *report)
{
	u64 has = (u64)totalram_pages() << PAGE_SHIFT;

	if (config->memory_bytes % LPAR_PIECE_SIZE)
		return lpar_problem(report, -EINVAL,
				    "memory must be a multiple of %lu MiB", LPAR_PIECE_SIZE >> 20);
	if (config->memory_bytes > has)
		return lpar_problem(report, -ENOMEM,
				    "the host has %llu MiB in all, %llu MiB are wanted; take less",
				    has >> 20, config->memory_bytes >> 20);
	return check_node(config, report);
}

/**
 * lpar_memory_check_free() - could the memory be reserved now?
 * @config: size and node
 * @report: for what is wrong
 *
 * Return: 0 or -ENOMEM.
 */
int lpar_memory_check_free(const struct lpar_config *config, struct lpar_report *report)
{
	u64 available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;

	if (!config->memory_bytes || config->memory_bytes + HOST_RESERVE_BYTES <= available)
		return 0;
	return lpar_problem(report, -ENOMEM,
			    "the host has %llu MiB available, %llu MiB are wanted and %lu MiB must stay; free some or take less",
			    available >> 20, config->memory_bytes >> 20,
			    HOST_RESERVE_BYTES >> 20);
}

/* A folio for page @pgoff of the memory and those that follow; not zeroed. */
static struct folio *alloc_folio(const struct lpar_memory *memory, pgoff_t pgoff,
				 unsigned int order, gfp_t how)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | how;
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

static int alloc_small(struct lpar_memory *memory, struct piece *piece)
{
	pgoff_t pgoff = (piece - memory->pieces) * LPAR_PIECE_PAGES;
	unsigned int i;

	piece->small = kvcalloc(LPAR_PIECE_PAGES, sizeof(*piece->small), GFP_KERNEL);
	if (!piece->small)
		return -ENOMEM;
	for (i = 0; i < LPAR_PIECE_PAGES; i++) {
		piece->small[i] = alloc_folio(memory, pgoff + i, 0, __GFP_RETRY_MAYFAIL);
		if (!piece->small[i])
			return -ENOMEM;
		zero_folio(piece->small[i]);
	}
	memory->small_bytes += LPAR_PIECE_SIZE;
	return 0;
}

/*
 * @fragmented: compaction has failed once; it is not tried for every further
 * piece, as that would take minutes on a large host.
 */
static int alloc_piece(struct lpar_memory *memory, struct piece *piece, bool *fragmented)
{
	pgoff_t pgoff = (piece - memory->pieces) * LPAR_PIECE_PAGES;

	piece->folio = alloc_folio(memory, pgoff, LPAR_PIECE_ORDER, __GFP_NORETRY);
	if (!piece->folio && !*fragmented)
		piece->folio = alloc_folio(memory, pgoff, LPAR_PIECE_ORDER, __GFP_RETRY_MAYFAIL);
	if (piece->folio) {
		zero_folio(piece->folio);
		return 0;
	}
	*fragmented = true;
	return alloc_small(memory, piece);
}

/* Nobody but us has a reference: no mapping, no pin, no direct I/O under way. */
static bool is_ours_alone(const struct folio *folio)
{
	return folio_ref_count(folio) == 1;
}

static bool scrub_folio(struct folio **slot, bool used, bool free)
{
	struct folio *folio = *slot;

	if (!folio)
		return true;
	if (!is_ours_alone(folio))
		return false;
	if (used)
		zero_folio(folio);
	if (free) {
		folio_put(folio);
		*slot = NULL;
	}
	return true;
}

/* False when a part of the piece is still in use by somebody. */
static bool scrub_piece(struct piece *piece, bool free)
{
	bool done = true;
	unsigned int i;

	if (piece->folio || !piece->small) {
		done = scrub_folio(&piece->folio, piece->used, free);
	} else {
		for (i = 0; i < LPAR_PIECE_PAGES; i++)
			done &= scrub_folio(&piece->small[i], piece->used, free);
	}
	if (!done)
		return false;
	piece->used = false;
	if (free) {
		kvfree(piece->small);
		piece->small = NULL;
	}
	return true;
}

static bool scrub_pieces(struct lpar_memory *memory, bool free)
{
	bool done = true;
	unsigned long i;

	for (i = 0; i < memory->nr_pieces; i++)
		if (memory->pieces[i].used || free)
			done &= scrub_piece(&memory->pieces[i], free);
	return done;
}

static void destroy(struct lpar_memory *memory)
{
	lpar_put(memory->lpar);
	kvfree(memory);
	module_put(THIS_MODULE);
}

static void scrub(struct work_struct *work)
{
	struct lpar_memory *memory = container_of(to_delayed_work(work), struct lpar_memory, scrub);
	bool free = READ_ONCE(memory->free);

	if (!scrub_pieces(memory, free)) {
		queue_delayed_work(lpar_wq, &memory->scrub, PINNED_RETRY);
		return;
	}
	if (free) {
		destroy(memory);
		return;
	}
	mutex_lock(&memory->lock);
	memory->dirty = false;
	mutex_unlock(&memory->lock);
	wake_up_all(&memory->clean);
	lpar_event_send(LPAR_EVENT_MEMORY_RELEASED, memory->lpar, NULL);
	lpar_event_poll(memory->lpar, NULL, "holder");
	lpar_memory_put(memory);
}

static void free_memory(struct kref *ref)
{
	struct lpar_memory *memory = container_of(ref, struct lpar_memory, ref);

	WRITE_ONCE(memory->free, true);
	if (scrub_pieces(memory, true))
		destroy(memory);
	else
		queue_delayed_work(lpar_wq, &memory->scrub, PINNED_RETRY);
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
 * @memory: with the last one it is zeroed and freed, what is pinned later
 *
 * Context: may sleep.
 */
void lpar_memory_put(struct lpar_memory *memory)
{
	kref_put(&memory->ref, free_memory);
}

static struct lpar_memory *new_memory(struct lpar *lpar, unsigned long nr_pieces)
{
	struct lpar_memory *memory;

	memory = kvzalloc(struct_size(memory, pieces, nr_pieces), GFP_KERNEL);
	if (!memory)
		return NULL;
	kref_init(&memory->ref);
	mutex_init(&memory->lock);
	init_waitqueue_head(&memory->clean);
	INIT_DELAYED_WORK(&memory->scrub, scrub);
	memory->nr_pieces = nr_pieces;
	memory->node = lpar->config.node == LPAR_NODE_ANY ? NUMA_NO_NODE : lpar->config.node;
	memory->lpar = lpar;
	lpar_ref(lpar);
	__module_get(THIS_MODULE);
	return memory;
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
	unsigned long nr_pieces = lpar->config.memory_bytes / LPAR_PIECE_SIZE;
	struct lpar_memory *memory;
	bool fragmented = false;
	unsigned long i;
	int err = lpar_memory_check_free(&lpar->config, report);

	if (err)
		return ERR_PTR(err);
	memory = new_memory(lpar, nr_pieces);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < nr_pieces && !err; i++) {
		err = fatal_signal_pending(current) ? -EINTR :
		      alloc_piece(memory, &memory->pieces[i], &fragmented);
		cond_resched();
	}
	if (err == -ENOMEM)
		lpar_problem(report, err,
			     "only %lu of %lu MiB could be reserved on the node; take less or another node",
			     (i - 1) * LPAR_PIECE_SIZE >> 20, nr_pieces * LPAR_PIECE_SIZE >> 20);
	if (err) {
		lpar_memory_put(memory);
		return ERR_PTR(err);
	}
	if (memory->small_bytes)
		pr_warn("lpar: %s: %llu of %llu MiB are in 4 KiB pages, as memory is fragmented: expect more TLB misses\n",
			lpar->name, memory->small_bytes >> 20, lpar_memory_size(memory) >> 20);
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

static struct lpar_hold *new_hold(struct lpar_memory *memory)
{
	struct lpar_hold *hold = kzalloc(sizeof(*hold), GFP_KERNEL);

	if (!hold)
		return NULL;
	hold->memory = memory;
	hold->mm = current->mm;
	mmgrab(hold->mm);
	hold->pid = get_pid(task_tgid(current));
	return hold;
}

static void free_hold(struct lpar_hold *hold)
{
	mmdrop(hold->mm);
	put_pid(hold->pid);
	kfree(hold);
}

/* Nobody holds the memory any more: zero what the last holder could touch. */
static void let_go(struct lpar_memory *memory)
{
	lockdep_assert_held(&memory->lock);
	memory->hold = NULL;
	memory->dirty = true;
	lpar_memory_ref(memory);	/* the work's */
	queue_delayed_work(lpar_wq, &memory->scrub, 0);
}

/* Under @lock: @hold, or what the process has already. -EAGAIN: wait for @clean. */
static struct lpar_hold *try_hold(struct lpar_memory *memory, struct lpar_hold *hold)
{
	struct lpar_hold *present = memory->hold;

	if (present && present->mm == hold->mm)
		hold = present;
	else if (present && is_alive(present))
		return ERR_PTR(-EBUSY);
	else if (present)
		let_go(memory);
	if (memory->dirty)
		return ERR_PTR(-EAGAIN);
	memory->hold = hold;
	hold->opens++;
	return hold;
}

/**
 * lpar_memory_hold() - the current process opens the memory
 * @memory: memory, referenced
 *
 * Waits until a former holder's contents are gone.
 *
 * Context: may sleep.
 * Return: what lpar_memory_release() ends, or ERR_PTR of -EBUSY when another process
 * holds it, -EINVAL, -ENOMEM, -ERESTARTSYS.
 */
struct lpar_hold *lpar_memory_hold(struct lpar_memory *memory)
{
	struct lpar_event_info info = { .pid = task_tgid_nr(current), .cpu = -1 };
	struct lpar_hold *hold, *fresh;

	if (!current->mm)
		return ERR_PTR(-EINVAL);	/* a kernel thread */
	fresh = new_hold(memory);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	info.comm = current->comm;
	for (;;) {
		mutex_lock(&memory->lock);
		hold = try_hold(memory, fresh);
		mutex_unlock(&memory->lock);
		if (hold != ERR_PTR(-EAGAIN))
			break;
		if (wait_event_interruptible(memory->clean, !READ_ONCE(memory->dirty))) {
			hold = ERR_PTR(-ERESTARTSYS);
			break;
		}
	}
	if (hold == fresh) {
		lpar_event_send(LPAR_EVENT_MEMORY_HELD, memory->lpar, &info);
		lpar_event_poll(memory->lpar, NULL, "holder");
	} else {
		free_hold(fresh);
	}
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
 * lpar_memory_may_map() - may the current process map the memory by a file?
 * @hold: of the file, which may have been passed on
 *
 * Context: may sleep.
 * Return: true if it opened the file and holds the memory yet.
 */
bool lpar_memory_may_map(const struct lpar_hold *hold)
{
	struct lpar_memory *memory = hold->memory;
	bool may;

	mutex_lock(&memory->lock);
	may = memory->hold == hold && hold->mm == current->mm;
	mutex_unlock(&memory->lock);
	return may;
}

/**
 * lpar_memory_page() - a page of the memory
 * @memory: held by the caller
 * @pgoff: which
 *
 * Context: any.
 * Return: the page with a reference, or NULL beyond the end.
 */
struct page *lpar_memory_page(struct lpar_memory *memory, pgoff_t pgoff)
{
	unsigned long nr = pgoff / LPAR_PIECE_PAGES;
	struct piece *piece;
	struct page *page;

	if (nr >= memory->nr_pieces)
		return NULL;
	piece = &memory->pieces[nr];
	WRITE_ONCE(piece->used, true);
	if (piece->folio)
		page = folio_page(piece->folio, pgoff % LPAR_PIECE_PAGES);
	else
		page = folio_page(piece->small[pgoff % LPAR_PIECE_PAGES], 0);
	get_page(page);
	return page;
}
