// SPDX-License-Identifier: GPL-2.0
/*
 * The reserve: how much memory an activation leaves to the host, on each node.
 *
 * LPAR memory cannot be reclaimed, nor does killing its holder free any of it. What a
 * node keeps is in proportion to its size, as the host's own needs are: page tables,
 * struct pages, slabs, network buffers.
 *
 * To take memory may take minutes, and nobody waits for that: what is still to be taken is
 * promised, so that no two activations count on the same, and taken off piece by piece.
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include "lpar.h"

/* A node keeps this part of itself, and so much at least. */
#define RESERVE_SHARE		32
#define RESERVE_MIN_BYTES	(64ULL << 20)

static DEFINE_SPINLOCK(promise_lock);
/* What activations are still to take, by node; the last is of those that may take any. */
static u64 promises[MAX_NUMNODES + 1];
static u64 all_promises;

static u64 reserve_of(u64 bytes)
{
	return max(bytes / RESERVE_SHARE, RESERVE_MIN_BYTES);
}

/* A zone that GFP_KERNEL is given from; there is also what is kept for pages that can be moved. */
static bool is_kernels(struct zone *zone)
{
	return populated_zone(zone) && zone_idx(zone) <= gfp_zone(GFP_KERNEL);
}

static u64 node_reserve(int node)
{
	struct zone *zones = NODE_DATA(node)->node_zones;
	unsigned long pages = 0;
	int nr;

	for (nr = 0; nr < MAX_NR_ZONES; nr++)
		if (is_kernels(&zones[nr]))
			pages += zones[nr].present_pages;
	return pages ? reserve_of((u64)pages << PAGE_SHIFT) : 0;
}

/*
 * What a node can give without need to swap, much as si_mem_available() has it for the
 * host and all zones: free pages above the watermarks, and half of the page cache.
 */
static u64 node_available(int node)
{
	struct zone *zones = NODE_DATA(node)->node_zones;
	long pages = 0, cache = 0, low = 0;
	int nr;

	for (nr = 0; nr < MAX_NR_ZONES; nr++) {
		struct zone *zone = &zones[nr];

		if (!is_kernels(zone))
			continue;
		low += low_wmark_pages(zone);
		pages += (long)zone_page_state(zone, NR_FREE_PAGES) -
			 (long)zone_page_state(zone, NR_FREE_CMA_PAGES) -
			 (long)high_wmark_pages(zone);
		cache += zone_page_state(zone, NR_ZONE_ACTIVE_FILE) +
			 zone_page_state(zone, NR_ZONE_INACTIVE_FILE);
	}
	pages += cache - min(cache / 2, low);
	return (u64)max(pages, 0L) << PAGE_SHIFT;
}

static u64 host_reserve(void)
{
	u64 bytes = 0;
	int node;

	for_each_node_state(node, N_MEMORY)
		bytes += node_reserve(node);
	return bytes;
}

static u64 host_available(void)
{
	u64 bytes = 0;
	int node;

	for_each_node_state(node, N_MEMORY)
		bytes += node_available(node);
	return bytes;
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

static u64 *promises_of(int node)
{
	return &promises[node == LPAR_NODE_ANY ? MAX_NUMNODES : node];
}

/* What a node can give besides what is promised of it alone, and keep its reserve. */
static u64 node_room(int node)
{
	u64 kept = READ_ONCE(promises[node]) + node_reserve(node);
	u64 available = node_available(node);

	return available - min(available, kept);
}

/* Of what is promised of any node: the part for which the others have no room. */
static u64 rest_of_any(int node)
{
	u64 rest = READ_ONCE(promises[MAX_NUMNODES]);
	int other;

	for_each_node_state(other, N_MEMORY)
		if (other != node)
			rest -= min(rest, node_room(other));
	return rest;
}

static u64 promised(int node)
{
	if (node == LPAR_NODE_ANY)
		return READ_ONCE(all_promises);
	return READ_ONCE(promises[node]) + rest_of_any(node);
}

/**
 * lpar_reserve_node() - of which node is the next piece of memory that may be of any?
 *
 * A near one, if that has room besides what is promised of it alone.
 *
 * Context: any. Others take memory meanwhile: a preference, no more.
 * Return: node.
 */
int lpar_reserve_node(void)
{
	int node, best = numa_mem_id();
	u64 room, most = node_room(best);

	if (most >= LPAR_PIECE_SIZE)
		return best;
	for_each_node_state(node, N_MEMORY) {
		room = node_room(node);
		if (room > most) {
			most = room;
			best = node;
		}
	}
	return best;
}

/* Can @bytes be taken besides what is promised? */
static int check(const struct lpar_config *config, u64 bytes, struct lpar_report *report)
{
	bool any = config->node == LPAR_NODE_ANY;
	u64 available, reserve;

	available = any ? host_available() : node_available(config->node);
	available -= min(available, promised(config->node));
	reserve = any ? host_reserve() : node_reserve(config->node);
	if (bytes + reserve <= available)
		return 0;
	if (any)
		return lpar_problem(report, -ENOMEM,
				    "the host has %llu MiB available, %llu MiB are wanted and %llu MiB must stay; free some or take less",
				    available >> 20, bytes >> 20, reserve >> 20);
	return lpar_problem(report, -ENOMEM,
			    "node %d has %llu MiB available, %llu MiB are wanted and %llu MiB must stay; free some, take less or another node",
			    config->node, available >> 20, bytes >> 20, reserve >> 20);
}

/**
 * lpar_reserve_check() - can so much be taken, and the host keep its reserve?
 * @config: node
 * @bytes: wanted
 * @report: for the refusal
 *
 * Context: any. With LPAR_NODE_ANY the host is looked at as a whole.
 * Return: 0 or -ENOMEM.
 */
int lpar_reserve_check(const struct lpar_config *config, u64 bytes, struct lpar_report *report)
{
	return bytes ? check(config, bytes, report) : 0;
}

/**
 * lpar_reserve_promise() - nobody else counts on so much from now on
 * @config: node and size
 * @report: for the refusal
 *
 * Context: any.
 * Return: 0, or -ENOMEM and nothing is promised.
 */
int lpar_reserve_promise(const struct lpar_config *config, struct lpar_report *report)
{
	int err;

	spin_lock(&promise_lock);
	err = lpar_reserve_check(config, config->memory_bytes, report);
	if (!err) {
		*promises_of(config->node) += config->memory_bytes;
		all_promises += config->memory_bytes;
	}
	spin_unlock(&promise_lock);
	return err;
}

/**
 * lpar_reserve_keeps() - does the host keep its reserve if all that is promised is taken?
 * @config: node
 *
 * Others take memory meanwhile.
 *
 * Context: any.
 * Return: 0 or -ENOMEM.
 */
int lpar_reserve_keeps(const struct lpar_config *config)
{
	return check(config, 0, NULL);
}

/**
 * lpar_reserve_settle() - so much of what was promised is taken, or given up
 * @config: node
 * @bytes: not more than was promised
 *
 * Context: any.
 */
void lpar_reserve_settle(const struct lpar_config *config, u64 bytes)
{
	spin_lock(&promise_lock);
	*promises_of(config->node) -= bytes;
	all_promises -= bytes;
	spin_unlock(&promise_lock);
}
