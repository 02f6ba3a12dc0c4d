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
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "memory.h"

/* How often pieces that are still pinned are looked at again. */
#define PINNED_RETRY		(HZ / 10)
/* So few are not worth a thread each time. */
#define FEW_PIECES		64
/* How often the reserve of the host is looked at while memory is taken, in pieces. */
#define RESERVE_PIECES		256
/* Of the file system, which nobody can mount. */
#define LPAR_FS_MAGIC		0x6c706172	/* "lpar" */

/* All memory that there is, also of LPARs that are active no more. */
static DEFINE_MUTEX(memories_mutex);	/* the list, for a moment */
static LIST_HEAD(memories);

static int init_fs(struct fs_context *fc)
{
	return init_pseudo(fc, LPAR_FS_MAGIC) ? 0 : -ENOMEM;
}

/*
 * Each memory has an inode of its own, whose mappings its are: what the LPAR had before, or has
 * next, is another's, though it is opened by the same device node.
 */
static struct file_system_type memory_fs = {
	.name = "lpar",
	.owner = THIS_MODULE,
	.init_fs_context = init_fs,
	.kill_sb = kill_anon_super,
};

static struct vfsmount *memory_mount;
static int nr_mounts;

/* finish_fault() maps nothing in large pieces beyond the size of the inode. */
static struct inode *make_inode(u64 bytes)
{
	struct inode *inode;
	int err = simple_pin_fs(&memory_fs, &memory_mount, &nr_mounts);

	if (err)
		return ERR_PTR(err);
	inode = alloc_anon_inode(memory_mount->mnt_sb);
	if (IS_ERR(inode))
		simple_release_fs(&memory_mount, &nr_mounts);
	else
		i_size_write(inode, bytes);
	return inode;
}

static void drop_inode(struct inode *inode)
{
	iput(inode);
	simple_release_fs(&memory_mount, &nr_mounts);
}

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
 * lpar_memory_mapping() - where everything that is mapped of it is found
 * @memory: memory
 *
 * Return: address space, which lives as long as the memory.
 */
struct address_space *lpar_memory_mapping(const struct lpar_memory *memory)
{
	return memory->inode->i_mapping;
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

/**
 * lpar_memory_left() - how much of it a former holder still keeps from the next
 * @memory: memory
 *
 * What is pinned cannot be zeroed, and until it is, whoever opens the memory waits.
 *
 * Return: bytes.
 */
u64 lpar_memory_left(const struct lpar_memory *memory)
{
	return (u64)READ_ONCE(memory->nr_pinned) * LPAR_PIECE_SIZE;
}

/**
 * lpar_memory_scrub() - zero the pieces, or free them if there is no user any more
 * @memory: memory with a reference, of @users or the last, for the work
 * @delay: in jiffies
 *
 * Context: any.
 */
void lpar_memory_scrub(struct lpar_memory *memory, unsigned long delay)
{
	lpar_work_near(memory->node, &memory->scrub, delay);
}

/*
 * Neither an LPAR nor a holder wants it: the only use is that of the work, which waits for what
 * is pinned. No other comes, as the memory is shut by then.
 */
static bool is_abandoned(const struct lpar_memory *memory)
{
	return READ_ONCE(memory->free) || kref_read(&memory->users) == 1;
}

/* Leaves what is pinned, and the rest if the CPU has become an LPAR's. */
static void scrub_pieces(void *data)
{
	struct lpar_memory *memory = data;
	bool free = is_abandoned(memory);
	unsigned long i, pinned = 0, rest = 0;

	for (i = 0; i < memory->nr_pieces; i++) {
		struct lpar_piece *piece = &memory->pieces[i];

		if (free ? !piece->folio && !piece->small : !piece->used && !piece->bad)
			continue;
		if (lpar_cpu_is_fenced(raw_smp_processor_id())) {
			rest = memory->nr_pieces - i;
			break;
		}
		mutex_lock(&memory->pieces_lock);
		pinned += !lpar_piece_scrub(memory, piece, free);
		mutex_unlock(&memory->pieces_lock);
		cond_resched();
	}
	WRITE_ONCE(memory->nr_pinned, pinned);
	memory->nr_left = pinned + rest;
}

/* The pieces are gone already. */
static void destroy(struct kref *ref)
{
	struct lpar_memory *memory = container_of(ref, struct lpar_memory, ref);

	mutex_lock(&memories_mutex);
	list_del(&memory->node_in_all);
	mutex_unlock(&memories_mutex);
	lpar_grants_drop(&memory->grants);
	drop_inode(memory->inode);
	lpar_put(memory->lpar);
	kvfree(memory);
	module_put(THIS_MODULE);
}

/* Out of all page tables, and KVM's; the holder may fault it in again. */
static void unmap_all(struct lpar_memory *memory)
{
	unmap_mapping_range(memory->inode->i_mapping, 0, 0, 1);
}

/*
 * Nothing may stay mapped by a file of a holder that is gone. A fault that has not seen it
 * gone has a reference to its page when this returns, which is a mapping the next time; see
 * lpar_memory_page().
 */
static void unmap_left(struct lpar_memory *memory)
{
	unmap_all(memory);
	synchronize_rcu();
}

/* Who keeps a file keeps what the file needs, and none of the pieces. */
static void free_pieces(struct kref *users)
{
	struct lpar_memory *memory = container_of(users, struct lpar_memory, users);

	WRITE_ONCE(memory->free, true);
	scrub_pieces(memory);
	if (memory->nr_left)
		lpar_memory_scrub(memory, PINNED_RETRY);
	else
		lpar_memory_put(memory);
}

/* Or has the name other memory by now, of which its listeners would believe what they hear? */
static bool is_known(const struct lpar_memory *memory)
{
	const struct lpar *lpar = memory->lpar;
	bool known;

	mutex_lock(&lpar_mutex);
	known = lpar->memory == memory || (!lpar->memory && !lpar->dead);
	mutex_unlock(&lpar_mutex);
	return known;
}

static void tell_released(struct lpar_memory *memory)
{
	struct lpar *lpar = memory->lpar;

	if (!is_known(memory))
		return;
	lpar_event_send(LPAR_EVENT_MEMORY_RELEASED, lpar, NULL);
	lpar_event_poll(lpar, LPAR_FILE_HOLDER);
}

/* All is zeroed. False if a page had a hardware error meanwhile: it is not over. */
static bool declare_clean(struct lpar_memory *memory)
{
	bool again;

	mutex_lock(&memory->tell);
	mutex_lock(&memory->lock);
	again = memory->again;
	memory->again = false;
	memory->dirty = again;
	mutex_unlock(&memory->lock);
	if (!again) {
		wake_up_all(&memory->clean);
		tell_released(memory);
	}
	mutex_unlock(&memory->tell);
	return !again;
}

static void scrub(struct work_struct *work)
{
	struct lpar_memory *memory = container_of(to_delayed_work(work), struct lpar_memory, scrub);
	bool free = READ_ONCE(memory->free);
	u64 bad = lpar_memory_bad(memory);

	if (!free)
		unmap_left(memory);
	if (memory->nr_left && memory->nr_left <= FEW_PIECES)
		scrub_pieces(memory);
	else
		lpar_crew_lend(memory->node, scrub_pieces, memory);
	if (!free && bad != lpar_memory_bad(memory))
		lpar_judge_all();
	if (memory->nr_left) {
		lpar_memory_scrub(memory, PINNED_RETRY);
		return;
	}
	if (free) {
		lpar_memory_put(memory);
		return;
	}
	if (declare_clean(memory))
		lpar_memory_leave(memory);
	else
		lpar_memory_scrub(memory, 0);
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
	memory->inode = make_inode((u64)nr_pieces * LPAR_PIECE_SIZE);
	if (IS_ERR(memory->inode)) {
		kvfree(memory);
		return NULL;
	}
	kref_init(&memory->ref);
	kref_init(&memory->users);
	mutex_init(&memory->tell);
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

	if (err)
		return err;
	/* While it is zeroed it is missing already: others must not count it twice. */
	atomic_long_inc(&memory->nr_begun);
	lpar_reserve_settle(config, LPAR_PIECE_SIZE);
	err = lpar_piece_alloc(memory, &memory->pieces[i]);
	if (!err)
		atomic_long_inc(&memory->nr_taken);
	return err;
}

/* Takes all pieces; those that it has got are freed with the memory. */
static int alloc_pieces(struct lpar_memory *memory, struct lpar_report *report)
{
	int node = memory->node == NUMA_NO_NODE ? numa_mem_id() : memory->node;
	int err = lpar_crew_run(memory->lpar, node, memory->nr_pieces, take_piece, memory);
	unsigned long left = memory->nr_pieces - atomic_long_read(&memory->nr_begun);

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
	struct lpar_piece *piece;

	if (nr >= memory->nr_pieces)
		return NULL;
	piece = &memory->pieces[nr];
	rcu_read_lock();
	if (may_fault(hold, grant, mm))
		page = lpar_piece_page_rcu(piece, pgoff % LPAR_PIECE_PAGES);
	if (page) {
		WRITE_ONCE(piece->used, true);
		get_page(page);
	}
	rcu_read_unlock();
	return page;
}

/* If there is no holder, the piece is replaced before there is one. */
static void unmap_piece(struct lpar_memory *memory, unsigned long nr)
{
	mutex_lock(&memory->lock);
	if (memory->dirty) {
		memory->again = true;	/* the piece may have been passed */
	} else if (!memory->hold && kref_get_unless_zero(&memory->users)) {
		memory->dirty = true;
		lpar_memory_scrub(memory, 0);
	}
	mutex_unlock(&memory->lock);
	unmap_mapping_range(memory->inode->i_mapping, (loff_t)nr * LPAR_PIECE_SIZE,
			    LPAR_PIECE_SIZE, 1);
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
	unsigned long i;
	bool ours = false;

	mutex_lock(&memory->pieces_lock);
	for (i = 0; i < memory->nr_pieces; i++) {
		ours = lpar_piece_fail(memory, &memory->pieces[i], pfn);
		if (ours)
			break;
	}
	mutex_unlock(&memory->pieces_lock);
	if (ours)
		unmap_piece(memory, i);
	return ours;
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
 * @former: becomes true if the LPAR has had the memory before, and has other by now or is gone
 *
 * Context: may sleep.
 * Return: the LPAR whose memory it is, with a reference, or NULL.
 */
struct lpar *lpar_memory_fail_page(unsigned long pfn, bool *former)
{
	struct lpar_memory *memory = NULL;
	struct lpar *lpar = NULL;

	while (!lpar && (memory = next_memory(memory))) {
		if (!fail_page(memory, pfn))
			continue;
		*former = !is_known(memory);
		lpar = memory->lpar;
		lpar_ref(lpar);
	}
	if (memory)
		lpar_memory_put(memory);
	return lpar;
}
