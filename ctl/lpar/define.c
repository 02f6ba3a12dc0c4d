// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl define: an LPAR is described by how much it is to have, and gets it from the pool.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lpar/lpar.h"

#define MOST_THREADS 8 /* of a core */

struct want {
	uint64_t cpus;
	uint64_t memory;
	int64_t node; /* -1: any one */
	bool check;
	struct lpar_config config;
};

/*
 * Whole cores of exactly so many CPUs: large cores first, as then small ones fill what is left;
 * of equal ones the first.
 */
static bool pick_cpus(const struct pool_node *node, uint64_t n, struct cpus *picked)
{
	unsigned int cpu, size;
	struct cpus core;

	memset(picked, 0, sizeof(*picked));
	for (size = n < MOST_THREADS ? n : MOST_THREADS; n && size; size--)
		for (cpu = 0; cpu < CPUS_MAX && size <= n; cpu++) {
			if (cpus_has(picked, cpu) || !pool_core(node, cpu, &core) ||
			    cpus_count(&core) != size)
				continue;
			cpus_or(picked, picked, &core);
			n -= size;
		}
	return !n;
}

/* Whether it leaves less of its node than another one: large nodes stay for large LPARs. */
static bool is_closer(const struct pool_node *a, const struct pool_node *b)
{
	unsigned int cpus_a = cpus_count(&a->free), cpus_b = cpus_count(&b->free);

	return cpus_a != cpus_b ? cpus_a < cpus_b : a->left < b->left;
}

static const struct pool_node *pick_node(const struct pool *pool, const struct want *want,
					 struct cpus *cpus)
{
	const struct pool_node *best = NULL, *node;
	struct cpus picked;

	for (node = pool->node; node < pool->node + pool->n; node++) {
		if ((want->node >= 0 && node->node != want->node) || node->left < want->memory ||
		    (best && !is_closer(node, best)) || !pick_cpus(node, want->cpus, &picked))
			continue;
		best = node;
		*cpus = picked;
	}
	return best;
}

/* What there is instead. */
static int no_room(const struct pool *pool, const struct want *want)
{
	const struct pool_node *node;
	char size[32], list[LPAR_CPULIST_MAX + 1];
	bool known = want->node < 0;

	for (node = pool->node; node < pool->node + pool->n; node++)
		known = known || node->node == want->node;
	if (!known) {
		err("node %d is not in the pool: see 'lparctl pool show'", (int)want->node);
		return EXIT_CHECK;
	}
	err("LPAR %s: no node has whole cores of %llu CPUs and %s free: ask for less, or see 'lparctl pool show'",
	    want->config.name, (unsigned long long)want->cpus,
	    format_size(size, sizeof(size), want->memory));
	for (node = pool->node; node < pool->node + pool->n; node++)
		if (want->node < 0 || node->node == want->node)
			err("node %u: CPUs %s and %s are free", node->node,
			    cpus_empty(&node->free) ? "-"
						    : cpus_format(list, sizeof(list), &node->free),
			    format_size(size, sizeof(size), node->left));
	return EXIT_CHECK;
}

static int set_chosen(struct lpar_config *config, const char *name, const char *value)
{
	const char *why = config_add(config, name, value);

	if (why)
		err("LPAR %s: %s '%s' %s", config->name, name, value, why);
	return why ? EXIT_FAILED : EXIT_OK;
}

static int choose(struct want *want, const struct pool_node *node, const struct cpus *cpus)
{
	char list[CPUS_LIST_BYTES], size[32], number[16];
	int ret;

	cpus_format(list, sizeof(list), cpus);
	format_size(size, sizeof(size), want->memory);
	snprintf(number, sizeof(number), "%u", node->node);
	say("%s: CPUs %s and %s of node %s", want->config.name, list, size, number);
	ret = set_chosen(&want->config, "cpus", list);
	if (ret == EXIT_OK)
		ret = set_chosen(&want->config, "memory", size);
	if (ret == EXIT_OK)
		ret = set_chosen(&want->config, "node", number);
	return ret;
}

static int choose_from_pool(struct want *want)
{
	const struct pool_node *node;
	struct cpus cpus;
	struct pool pool;
	int ret = EXIT_CHECK;

	if (!pool_load(&pool)) {
		node = pick_node(&pool, want, &cpus);
		ret = node ? choose(want, node, &cpus) : no_room(&pool, want);
	}
	pool_free(&pool);
	return ret;
}

/* An LPAR that the kernel knows and no file describes has resources of its own. */
static bool is_known(const char *name)
{
	struct lpar lpar = { 0 };
	bool known;

	if (*options.root || !nl_available(&nl_lpar))
		return false;
	known = !lpar_get(name, &lpar);
	lpar_free(&lpar);
	if (known)
		err("LPAR %s exists without a description: 'lparctl delete %s', or choose another name",
		    name, name);
	return known;
}

/* Nobody else takes what was chosen before it is written. */
static int choose_and_write(struct want *want)
{
	int lock = want->check ? -1 : site_lock();
	int ret = EXIT_OK;

	if (lock < 0 && !want->check)
		return EXIT_FAILED;
	if (!site_takes(want->config.name) || is_known(want->config.name))
		ret = EXIT_CHECK;
	if (ret == EXIT_OK)
		ret = choose_from_pool(want);
	if (ret == EXIT_OK)
		ret = check_comers_aloud(&want->config, 1);
	if (ret == EXIT_OK && !want->check)
		ret = site_write(&want->config, 1);
	if (lock >= 0)
		close(lock);
	return ret;
}

/* Without the blanks around it: a file that has them says the same. To be freed. */
static char *strip(const char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	return xprintf("%.*s", (int)len, text);
}

/* KEY=VALUE */
static int add_line(struct lpar_config *config, const char *line)
{
	static const char *const chosen[] = { "cpus", "memory", "node" };
	const char *value = strchr(line, '='), *why;
	char name[32], *stripped;
	int ret;

	if (!value || value - line >= (int)sizeof(name))
		return usage("'%s' is not KEY=VALUE, a line of the file", line);
	snprintf(name, sizeof(name), "%.*s", (int)(value - line), line);
	if (find_word(chosen, ARRAY_SIZE(chosen), name) >= 0)
		return usage("%s is chosen: say --%s", name, name);
	if (strchr(value, '\n'))
		return usage("the value of %s is more than one line", name);
	stripped = strip(value + 1);
	why = config_add(config, name, stripped);
	ret = why ? usage("%s '%s' %s", name, stripped, why) : EXIT_OK;
	free(stripped);
	return ret;
}

/* --OPTION VALUE, or false if it is another word. */
static bool take_option(struct want *want, struct args *args, int *ret)
{
	const char *value = NULL;
	uint64_t node;

	if (next_option(args, "--cpus", &value)) {
		if (!value || parse_uint(value, CPUS_MAX, &want->cpus) || !want->cpus)
			*ret = usage("--cpus takes a number of CPUs");
	} else if (next_option(args, "--memory", &value)) {
		if (!value || parse_size(value, &want->memory) || !want->memory)
			*ret = usage("--memory takes a size such as 8G");
	} else if (next_option(args, "--node", &value)) {
		if (!value || parse_uint(value, CPUS_MAX - 1, &node))
			*ret = usage("--node takes the number of a NUMA node");
		else
			want->node = node;
	} else if (next_flag(args, "--check")) {
		want->check = true;
	} else {
		return false;
	}
	return true;
}

static int take_words(struct want *want, struct args *args)
{
	int ret = EXIT_OK;

	while (args->argc && ret == EXIT_OK)
		if (!take_option(want, args, &ret))
			ret = add_line(&want->config, next_arg(args));
	if (ret == EXIT_OK && (!want->cpus || !want->memory))
		ret = usage("--cpus N and --memory SIZE are needed");
	return ret;
}

/* define NAME --cpus N --memory SIZE [--node N] [--check] [KEY=VALUE]... */
int define_verb(struct args *args)
{
	const char *name = next_arg(args);
	struct want want = { .node = -1 };
	int ret;

	if (!name || !name_is_valid(name))
		return usage("define NAME: " NAME_RULE);
	config_init(&want.config, name);
	want.config.file = xstrdup("from the pool");
	ret = take_words(&want, args);
	if (ret == EXIT_OK)
		ret = choose_and_write(&want);
	config_free(&want.config);
	return ret;
}
