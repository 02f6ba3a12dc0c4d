// SPDX-License-Identifier: GPL-2.0
/*
 * Pieces of 2 MiB, of which memory is made: how they are taken from the host, zeroed, given
 * back, and retired.
 */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "memory.h"

/* A folio for page @pgoff of the memory and those that follow; the allocator zeroes it once. */
static struct folio *alloc_folio(const struct lpar_memory *memory, pgoff_t pgoff,
				 unsigned int order, gfp_t how)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_ZERO | how;
	struct folio *folio;

	if (memory->node == NUMA_NO_NODE)
		folio = __folio_alloc_node(gfp, order, lpar_reserve_node());
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
static int fill_small(struct lpar_memory *memory, struct lpar_piece *piece)
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

static int alloc_small(struct lpar_memory *memory, struct lpar_piece *piece)
{
	piece->small = kvcalloc(LPAR_PIECE_PAGES, sizeof(*piece->small), GFP_KERNEL);
	if (!piece->small)
		return -ENOMEM;
	atomic64_add(LPAR_PIECE_SIZE, &memory->small_bytes);
	return fill_small(memory, piece);
}

/**
 * lpar_piece_alloc() - take a piece from the host, zeroed
 * @memory: of which it is a part
 * @piece: empty
 *
 * Where compaction has failed once it is not tried for every further piece, as that
 * would take minutes on a large host.
 *
 * Context: may sleep; several at a time.
 * Return: 0, or -ENOMEM and what was taken is in the piece.
 */
int lpar_piece_alloc(struct lpar_memory *memory, struct lpar_piece *piece)
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

static void note_bad(struct lpar_memory *memory, struct lpar_piece *piece, bool bad)
{
	lockdep_assert_held(&memory->pieces_lock);
	if (piece->bad == bad)
		return;
	piece->bad = bad;
	WRITE_ONCE(memory->nr_bad, memory->nr_bad + (bad ? 1 : -1));
}

static bool scrub_folio(struct lpar_memory *memory, struct lpar_piece *piece, struct folio **slot,
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
static void mend_piece(struct lpar_memory *memory, struct lpar_piece *piece)
{
	int err = piece->small ? fill_small(memory, piece) :
		  piece->folio ? 0 : lpar_piece_alloc(memory, piece);

	if (!err)
		note_bad(memory, piece, false);
}

/**
 * lpar_piece_scrub() - zero a piece and make it whole, or give it back to the host
 * @memory: of which it is a part
 * @piece: nobody maps it any more
 * @free: give it back
 *
 * Context: may sleep; memory->pieces_lock is held.
 * Return: false when a part of it is still in use by somebody.
 */
bool lpar_piece_scrub(struct lpar_memory *memory, struct lpar_piece *piece, bool free)
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

/**
 * lpar_piece_page_rcu() - a page of a piece
 * @piece: may be on its way to the host
 * @nr: which
 *
 * Context: any, under RCU.
 * Return: the page, or NULL if there is none now.
 */
struct page *lpar_piece_page_rcu(const struct lpar_piece *piece, unsigned int nr)
{
	struct folio *folio = READ_ONCE(piece->folio);
	struct folio **small = READ_ONCE(piece->small);

	if (folio)
		return folio_page(folio, nr);
	if (small)
		folio = READ_ONCE(small[nr]);
	return folio ? folio_page(folio, 0) : NULL;
}

static bool has_pfn(struct folio *folio, unsigned long pfn)
{
	return folio && pfn >= folio_pfn(folio) && pfn - folio_pfn(folio) < folio_nr_pages(folio);
}

/* The folio of @piece with this page, or NULL. */
static struct folio *find_folio(const struct lpar_piece *piece, unsigned long pfn)
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

/**
 * lpar_piece_fail() - a page has a hardware error
 * @memory: of which it is a part
 * @piece: may have the page
 * @pfn: page, marked by the kernel
 *
 * Context: may sleep; memory->pieces_lock is held.
 * Return: true if the page is of this piece, which is bad then.
 */
bool lpar_piece_fail(struct lpar_memory *memory, struct lpar_piece *piece, unsigned long pfn)
{
	struct folio *folio = find_folio(piece, pfn);

	if (!folio)
		return false;
	note_bad(memory, piece, true);
	map_by_page(memory, folio);
	return true;
}
