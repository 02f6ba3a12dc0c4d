// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl metrics: LPARs, their guests and the pool, as Prometheus' node_exporter takes them
 * from a file (its textfile collector).
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lpar/lpar.h"

/* What there is to be told of. */
struct sample {
	struct lpars lpars;
	struct json_object **guest; /* of each LPAR */
	struct pool pool;
	bool has_lpars; /* the kernel has told of them */
	bool has_pool;
};

/* A number of an LPAR. */
struct lpar_metric {
	const char *name;
	const char *type;
	const char *help;
	uint64_t (*get)(const struct lpar *lpar);
};

static uint64_t lpar_cpus(const struct lpar *lpar)
{
	struct cpus cpus;

	return cpus_parse(lpar->cpus, &cpus) ? 0 : cpus_count(&cpus);
}

static uint64_t lpar_memory(const struct lpar *lpar)
{
	return lpar->memory;
}

static uint64_t lpar_memory_small(const struct lpar *lpar)
{
	return lpar->memory_small;
}

static uint64_t lpar_memory_bad(const struct lpar *lpar)
{
	return lpar->memory_bad;
}

static uint64_t lpar_members(const struct lpar *lpar)
{
	return lpar->members;
}

static uint64_t lpar_violations(const struct lpar *lpar)
{
	return lpar->violations;
}

static uint64_t lpar_strays(const struct lpar *lpar)
{
	return lpar->strays;
}

static uint64_t lpar_gate_closed(const struct lpar *lpar)
{
	return lpar->gate == LPAR_GATE_CLOSED;
}

/* clang-format off */
static const struct lpar_metric lpar_metrics[] = {
	{ "lparkit_lpar_cpus", "gauge", "CPUs of the LPAR.", lpar_cpus },
	{ "lparkit_lpar_memory_bytes", "gauge", "Memory of the LPAR.", lpar_memory },
	{ "lparkit_lpar_memory_small_bytes", "gauge", "Part of it in pages of 4 KiB.",
	  lpar_memory_small },
	{ "lparkit_lpar_memory_bad_bytes", "gauge", "Part of it with hardware errors.",
	  lpar_memory_bad },
	{ "lparkit_lpar_members", "gauge", "Processes that are members.", lpar_members },
	{ "lparkit_lpar_violations_total", "counter", "Times that others ran on its CPUs.",
	  lpar_violations },
	{ "lparkit_lpar_strays_total", "counter", "Times that a member was off its CPUs.",
	  lpar_strays },
	{ "lparkit_lpar_gate_closed", "gauge", "1 while its vCPUs are stopped by its gate.",
	  lpar_gate_closed },
};
/* clang-format on */

static void head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Quotes, backslashes and line ends mean something else in a label. */
static void label(FILE *to, const char *key, const char *value)
{
	fprintf(to, "%s=\"", key);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", to);
		else if (*value == '"' || *value == '\\')
			fprintf(to, "\\%c", *value);
		else
			fputc(*value, to);
	}
	fputc('"', to);
}

static void lpar_numbers(FILE *to, const struct sample *sample, const struct lpar_metric *metric)
{
	size_t i;

	head(to, metric->name, metric->type, metric->help);
	for (i = 0; i < sample->lpars.n; i++) {
		fprintf(to, "%s{", metric->name);
		label(to, "lpar", sample->lpars.lpar[i].name);
		fprintf(to, "} %" PRIu64 "\n", metric->get(&sample->lpars.lpar[i]));
	}
}

/* One series for what it is: who waits for another one sees that this one has gone. */
static void lpar_word(FILE *to, const char *name, const char *lpar, const char *key,
		      const char *value)
{
	fprintf(to, "%s{", name);
	label(to, "lpar", lpar);
	fputc(',', to);
	label(to, key, value);
	fputs("} 1\n", to);
}

static void lpar_words(FILE *to, const struct sample *sample)
{
	const struct lpar *lpar = sample->lpars.lpar;
	size_t i;

	head(to, "lparkit_lpar_state", "gauge", "1 for the state that the LPAR is in.");
	for (i = 0; i < sample->lpars.n; i++)
		lpar_word(to, "lparkit_lpar_state", lpar[i].name, "state",
			  state_name(lpar[i].state));
	head(to, "lparkit_guest_status", "gauge", "1 for what QEMU says of the LPAR's guest.");
	for (i = 0; i < sample->lpars.n; i++)
		if (sample->guest[i])
			lpar_word(to, "lparkit_guest_status", lpar[i].name, "status",
				  json_text(sample->guest[i], "status"));
}

static uint64_t pool_cpus(const struct pool_node *node)
{
	return cpus_count(&node->cpus);
}

static uint64_t pool_free_cpus(const struct pool_node *node)
{
	return cpus_count(&node->free);
}

static uint64_t pool_memory(const struct pool_node *node)
{
	return node->memory;
}

static uint64_t pool_free_memory(const struct pool_node *node)
{
	return node->left;
}

static void pool_numbers(FILE *to, const struct pool *pool, const char *name, const char *help,
			 uint64_t (*get)(const struct pool_node *node))
{
	size_t i;

	head(to, name, "gauge", help);
	for (i = 0; i < pool->n; i++)
		fprintf(to, "%s{node=\"%u\"} %" PRIu64 "\n", name, pool->node[i].node,
			get(&pool->node[i]));
}

/* What cannot be told is missing, and that it is missing is told. */
static void print_sample(FILE *to, const struct sample *sample)
{
	size_t i;

	head(to, "lparkit_up", "gauge", "1 if this part of the host could be looked at.");
	fprintf(to, "lparkit_up{part=\"lpar\"} %d\n", sample->has_lpars);
	fprintf(to, "lparkit_up{part=\"pool\"} %d\n", sample->has_pool);
	for (i = 0; i < ARRAY_SIZE(lpar_metrics) && sample->has_lpars; i++)
		lpar_numbers(to, sample, &lpar_metrics[i]);
	if (sample->has_lpars)
		lpar_words(to, sample);
	if (!sample->has_pool)
		return;
	pool_numbers(to, &sample->pool, "lparkit_pool_cpus", "CPUs that LPARs may have.",
		     pool_cpus);
	pool_numbers(to, &sample->pool, "lparkit_pool_free_cpus", "Those that no LPAR has.",
		     pool_free_cpus);
	pool_numbers(to, &sample->pool, "lparkit_pool_memory_bytes", "Memory that LPARs may have.",
		     pool_memory);
	pool_numbers(to, &sample->pool, "lparkit_pool_free_memory_bytes",
		     "Memory that no LPAR has.", pool_free_memory);
}

static void take_sample(struct sample *sample)
{
	int ret = nl_check(&nl_lpar);

	if (!ret) {
		ret = lpars_get(NULL, &sample->lpars);
		if (ret)
			nl_fail("metrics", ret);
	}
	sample->has_lpars = !ret;
	sample->guest = status_get_all(&sample->lpars);
	sample->has_pool = !pool_load(&sample->pool);
}

static void free_sample(struct sample *sample)
{
	size_t i;

	for (i = 0; i < sample->lpars.n; i++)
		json_object_put(sample->guest[i]);
	free(sample->guest);
	lpars_free(&sample->lpars);
	pool_free(&sample->pool);
}

/* Whoever reads the file finds the old one, or the new one. */
static int write_file(const char *path, const struct sample *sample)
{
	FILE *file = begin_file(path, 0666);
	int ret = file ? 0 : -errno;

	if (file) {
		print_sample(file, sample);
		ret = replace_file(file, path, 0);
	}
	if (ret)
		err("%s: %s", path, strerror(-ret));
	return ret;
}

/* metrics [--file PATH] */
int metrics_verb(struct args *args)
{
	struct sample sample = { 0 };
	const char *path = NULL;
	int ret = 0;

	if (next_option(args, "--file", &path) && !path)
		return usage("--file needs a path");
	if (args->argc)
		return usage("'%s' is unknown to metrics", args->argv[0]);
	take_sample(&sample);
	if (path)
		ret = write_file(path, &sample);
	else
		print_sample(stdout, &sample);
	free_sample(&sample);
	return ret ? EXIT_FAILED : EXIT_OK;
}
