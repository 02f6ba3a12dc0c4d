// SPDX-License-Identifier: GPL-2.0
/*
 * The pool: what LPARs may have of this host, by NUMA node, and what of it no LPAR has.
 *
 *	/etc/lparkit/pool.conf
 *	[node0]
 *	cpus=2-15
 *	memory=48G
 *
 * Without the file it is all that the host can do without.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lpar/lpar.h"

static struct pool_node *find_node(struct pool *pool, unsigned int node)
{
	size_t i;

	for (i = 0; i < pool->n; i++)
		if (pool->node[i].node == node)
			return &pool->node[i];
	return NULL;
}

/* With all that a node of the host has for LPARs. */
static const char *add_node(struct pool *pool, unsigned int number)
{
	struct pool_node *node;
	uint64_t bytes;

	pool->node = xrealloc(pool->node, (pool->n + 1) * sizeof(*pool->node));
	node = &pool->node[pool->n];
	memset(node, 0, sizeof(*node));
	node->node = number;
	if (node_cpus(number, &node->cpus) || !node_memory(number, &bytes))
		return "is no NUMA node of this host";
	node->memory = memory_for_lpars(bytes);
	pool->n++;
	return NULL;
}

static const char *set_node_cpus(struct pool_node *node, const char *value)
{
	struct cpus cpus, has;

	if (cpus_parse(value, &cpus))
		return "is not a list of CPUs such as 2-3,6-7";
	if (node_cpus(node->node, &has) || !cpus_subset(&cpus, &has))
		return "are not all CPUs of this node";
	node->cpus = cpus;
	return NULL;
}

static const char *set_node_memory(struct pool_node *node, const char *value)
{
	uint64_t bytes, has;

	if (parse_size(value, &bytes))
		return "is not a size such as 512M or 1G";
	if (!node_memory(node->node, &has) || bytes > memory_for_lpars(has))
		return "is more than this node has for LPARs";
	node->memory = bytes - bytes % PIECE_BYTES;
	return NULL;
}

static const char *on_pool(void *data, const char *section, const char *name, const char *value,
			   struct lpar_config **config)
{
	struct pool *pool = data;
	struct pool_node *node;
	const char *why = NULL;
	uint64_t number;

	*config = NULL;
	if (strncmp(section, "node", 4) || parse_uint(section + 4, CPUS_MAX - 1, &number))
		return "is in no section such as [node0]";
	if (!find_node(pool, number))
		why = add_node(pool, number);
	if (why)
		return "is of no NUMA node of this host";
	node = find_node(pool, number);
	if (!strcmp(name, "cpus"))
		return set_node_cpus(node, value);
	if (!strcmp(name, "memory"))
		return set_node_memory(node, value);
	return "belongs to no key that a pool has: cpus, memory";
}

static int add_all_nodes(struct pool *pool)
{
	struct cpus nodes;
	unsigned int node;
	int ret = nodes_online(&nodes);

	for (node = 0; !ret && node < CPUS_MAX; node++)
		if (cpus_has(&nodes, node) && add_node(pool, node))
			ret = -ENODEV;
	if (ret)
		err("what NUMA nodes this host has cannot be read in /sys: %s", strerror(-ret));
	return ret;
}

static int read_nodes(struct pool *pool)
{
	char path[PATH_MAX];
	FILE *file = fopen(rooted(path, sizeof(path), "/etc/lparkit/pool.conf"), "re");
	int ret;

	if (!file && errno == ENOENT)
		return add_all_nodes(pool);
	if (!file) {
		ret = -errno;
		err("%s: %s", path, strerror(-ret));
		return ret;
	}
	ret = config_read(file, path, on_pool, pool);
	fclose(file);
	return ret;
}

/* The core of a CPU, if all of it is free. */
bool pool_core(const struct pool_node *node, unsigned int cpu, struct cpus *core)
{
	return cpus_has(&node->free, cpu) && !core_cpus(cpu, core) &&
	       cpus_subset(core, &node->free);
}

/* The host keeps its first core. What is no whole core cannot be given to an LPAR. */
static void keep_cores(struct pool_node *node, const struct cpus *online)
{
	struct cpus core, whole = { 0 };
	unsigned int cpu;

	cpus_and(&node->free, &node->cpus, online);
	for (cpu = 0; cpu < CPUS_MAX; cpu++)
		if (pool_core(node, cpu, &core) && !cpus_has(&core, 0))
			cpus_or(&whole, &whole, &core);
	node->cpus = whole;
	node->free = whole;
}

static int keep_all_cores(struct pool *pool)
{
	struct cpus online;
	int ret = cpus_online(&online);
	size_t i;

	if (ret)
		err("which CPUs are online cannot be read in /sys: %s", strerror(-ret));
	for (i = 0; i < pool->n && !ret; i++)
		keep_cores(&pool->node[i], &online);
	return ret;
}

static void take_cpus(struct pool *pool, const char *list)
{
	struct cpus cpus;
	size_t i;

	if (cpus_parse(list, &cpus))
		return;
	for (i = 0; i < pool->n; i++)
		cpus_andnot(&pool->node[i].free, &pool->node[i].free, &cpus);
}

static void add_up(uint64_t *sum, uint64_t bytes)
{
	if (__builtin_add_overflow(*sum, bytes, sum))
		*sum = UINT64_MAX;
}

static void take_memory(struct pool *pool, int32_t number, uint64_t bytes)
{
	struct pool_node *node = find_node(pool, number);

	if (number == LPAR_NODE_ANY)
		add_up(&pool->any, bytes);
	else if (node)
		add_up(&node->used, bytes);
}

/* One may have been made by hand, or before its file was changed: then it has both. */
static void take_lpar(struct pool *pool, const struct lpar *lpar, const struct site *site)
{
	const struct lpar_config *config = site_find(site, lpar->name);
	uint64_t counted = config && config->node == lpar->node ? config->memory : 0;

	take_cpus(pool, lpar->cpus);
	if (lpar->memory > counted)
		take_memory(pool, lpar->node, lpar->memory - counted);
}

/* Another root is another host: this kernel knows nothing of it. */
static int take_lpars(struct pool *pool, const struct site *site)
{
	struct lpars lpars = { 0 };
	int ret = 0;
	size_t i;

	if (*options.root || !nl_available(&nl_lpar))
		return 0;
	ret = lpars_get(NULL, &lpars);
	if (ret)
		nl_fail("list", ret);
	for (i = 0; i < lpars.n; i++)
		take_lpar(pool, &lpars.lpar[i], site);
	lpars_free(&lpars);
	return ret;
}

static int take_used(struct pool *pool)
{
	struct site site;
	int ret = site_load(&site);
	size_t i;

	for (i = 0; i < site.n && !ret; i++) {
		take_cpus(pool, site.config[i].cpus);
		take_memory(pool, site.config[i].node, site.config[i].memory);
	}
	if (!ret)
		ret = take_lpars(pool, &site);
	site_free(&site);
	return ret;
}

static uint64_t rest(uint64_t has, uint64_t used)
{
	return has > used ? has - used : 0;
}

/* LPARs of any node take what they get: all of them together must still fit. */
static void count_left(struct pool *pool)
{
	uint64_t has = 0, used = pool->any, all;
	size_t i;

	for (i = 0; i < pool->n; i++) {
		add_up(&has, pool->node[i].memory);
		add_up(&used, pool->node[i].used);
	}
	all = rest(has, used);
	for (i = 0; i < pool->n; i++) {
		pool->node[i].left = rest(pool->node[i].memory, pool->node[i].used);
		if (pool->node[i].left > all)
			pool->node[i].left = all;
	}
}

/* What LPARs may have, and what neither a description nor the kernel gives to one. */
int pool_load(struct pool *pool)
{
	int ret;

	memset(pool, 0, sizeof(*pool));
	ret = read_nodes(pool);
	if (!ret)
		ret = keep_all_cores(pool);
	if (!ret)
		ret = take_used(pool);
	if (!ret)
		count_left(pool);
	return ret;
}

void pool_free(struct pool *pool)
{
	free(pool->node);
}

static void print_row(const struct pool_node *node)
{
	char number[16], cpus[CPUS_LIST_BYTES], free_cpus[CPUS_LIST_BYTES];
	char count[16], memory[32], left[32];
	const char *cell[] = {
		number,
		cpus_format(cpus, sizeof(cpus), &node->cpus),
		count,
		cpus_format(free_cpus, sizeof(free_cpus), &node->free),
		format_size(memory, sizeof(memory), node->memory),
		format_size(left, sizeof(left), node->left),
	};

	snprintf(number, sizeof(number), "%u", node->node);
	snprintf(count, sizeof(count), "%u", cpus_count(&node->free));
	table_row(cell, ARRAY_SIZE(cell));
}

static void print_table(const struct pool *pool)
{
	static const char *const head[] = { "NODE", "CPUS", "FREE", "WHICH", "MEMORY", "FREE" };
	size_t i;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < pool->n; i++)
		print_row(&pool->node[i]);
	table_print();
}

static struct json_object *node_json(const struct pool_node *node)
{
	struct json_object *json = json_object_new_object();
	char list[CPUS_LIST_BYTES];

	json_put_u64(json, "node", node->node);
	json_put(json, "cpus", cpus_format(list, sizeof(list), &node->cpus));
	json_put_u64(json, "n_free_cpus", cpus_count(&node->free));
	json_put(json, "free_cpus", cpus_format(list, sizeof(list), &node->free));
	json_put_u64(json, "memory", node->memory);
	json_put_u64(json, "free_memory", node->left);
	return json;
}

static void print_json(const struct pool *pool)
{
	struct json_object *array = json_object_new_array();
	size_t i;

	for (i = 0; i < pool->n; i++)
		json_object_array_add(array, node_json(&pool->node[i]));
	json_print(array);
}

/* pool show */
int pool_show_verb(struct args *args)
{
	struct pool pool;
	int ret;

	if (args->argc)
		return usage("'%s' is not expected", args->argv[0]);
	ret = pool_load(&pool);
	if (!ret && options.json)
		print_json(&pool);
	else if (!ret)
		print_table(&pool);
	pool_free(&pool);
	return ret ? EXIT_FAILED : EXIT_OK;
}
