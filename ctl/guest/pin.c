// SPDX-License-Identifier: GPL-2.0
/*
 * Each vCPU of a guest on a CPU of its own, where there are enough. QEMU says which
 * threads they are; the kernel module keeps them there, and the other threads
 * of the LPAR on what is left.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/guest.h"

#define QMP_TIMEOUT_MS 20000
#define PIN_BYTES 64 /* more than a nest of three numbers */

/* CPUs in an order: of the list, the i-th is vCPU i's. */
struct order {
	uint32_t *cpu;
	size_t n;
};

static void append_all(struct order *order, const struct cpus *cpus)
{
	uint32_t cpu;

	order->cpu = xalloc(CPUS_MAX * sizeof(*order->cpu));
	order->n = 0;
	for (cpu = 0; cpu < CPUS_MAX; cpu++)
		if (cpus_has(cpus, cpu))
			order->cpu[order->n++] = cpu;
}

/* The vCPUs of the guest; -errno, and the reason is printed. */
static int query(const char *name, struct json_object **vcpus)
{
	struct qmp_reply reply = { 0 };
	char path[PATH_MAX];
	struct qmp *qmp;
	int ret;

	ret = qmp_open(run_monitor(path, sizeof(path), name), QMP_TIMEOUT_MS, &qmp);
	if (!ret)
		ret = qmp_call(qmp, "query-cpus-fast", NULL, -1, &reply, QMP_TIMEOUT_MS);
	qmp_close(qmp);
	if (!ret && !json_object_is_type(reply.result, json_type_array))
		ret = -EBADMSG;
	if (ret) {
		err("LPAR %s: QEMU does not tell its vCPUs: %s", name,
		    *reply.why ? reply.why : strerror(-ret));
		json_object_put(reply.result);
		return ret;
	}
	*vcpus = reply.result;
	return 0;
}

static uint32_t thread_of(struct json_object *vcpus, size_t i)
{
	return json_number(json_object_array_get_idx(vcpus, i), "thread-id");
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* One thread may emulate several vCPUs. */
static bool has_thread_each(struct json_object *vcpus)
{
	size_t n = json_count(vcpus), i;
	uint32_t *thread = xalloc((n + 1) * sizeof(*thread));
	bool each = n;

	for (i = 0; i < n; i++)
		thread[i] = thread_of(vcpus, i);
	qsort(thread, n, sizeof(*thread), by_number);
	for (i = 1; i < n; i++)
		each = each && thread[i] != thread[i - 1];
	free(thread);
	return each;
}

static int send_pins(const char *name, struct json_object *vcpus, const struct order *order)
{
	struct nlmsghdr *nlh = nl_request(LPAR_CMD_PIN, name);
	size_t i;

	for (i = 0; vcpus && i < json_count(vcpus); i++) {
		struct json_object *vcpu = json_object_array_get_idx(vcpus, i);
		struct nlattr *nest;

		if (nlh->nlmsg_len > NL_REQUEST_BYTES - PIN_BYTES) {
			nl_refuse("too many vCPUs for one request");
			return -E2BIG;
		}
		nest = mnl_attr_nest_start(nlh, LPAR_A_PIN);
		mnl_attr_put_u32(nlh, LPAR_A_PIN_VCPU, json_number(vcpu, "cpu-index"));
		mnl_attr_put_u32(nlh, LPAR_A_PIN_PID, thread_of(vcpus, i));
		mnl_attr_put_u32(nlh, LPAR_A_PIN_CPU, order->cpu[i]);
		mnl_attr_nest_end(nlh, nest);
	}
	return nl_send(nlh, NULL, NULL);
}

/* NULL, or why the vCPUs cannot have a CPU each. */
static const char *find_order(const struct lpar *lpar, const struct pin_config *config,
			      struct json_object *vcpus, struct order *order)
{
	const char *list = config->cpus ? config->cpus : lpar->cpus;
	struct cpus cpus;

	cpus_parse(list, &cpus);
	append_all(order, &cpus);
	/* First: QEMU may tell of any number of them. */
	if (json_count(vcpus) > order->n)
		return "there are more of them than CPUs";
	if (!has_thread_each(vcpus))
		return "QEMU has no thread for each";
	return NULL;
}

static int pin_vcpus(const struct lpar *lpar, const struct pin_config *config,
		     struct json_object *vcpus)
{
	struct order order;
	const char *why = find_order(lpar, config, vcpus, &order);
	int ret = EXIT_OK;

	if (why && config->cpus) {
		err("LPAR %s: vcpu-pin=%s: %s", lpar->name, config->cpus, why);
		ret = EXIT_FAILED;
	} else if (why) {
		say("%s: vCPUs share CPUs %s: %s", lpar->name, lpar->cpus, why);
		ret = send_pins(lpar->name, NULL, NULL);
		ret = ret ? lpar_fail(lpar->name, ret) : EXIT_OK;
	} else {
		ret = send_pins(lpar->name, vcpus, &order);
		if (!ret)
			say("%s: %zu vCPUs have a CPU each", lpar->name, json_count(vcpus));
		ret = ret ? lpar_fail(lpar->name, ret) : EXIT_OK;
	}
	free(order.cpu);
	return ret;
}

/* An LPAR without CPUs has nothing to pin to; exit code. */
int pin_guest(const struct lpar *lpar, const struct pin_config *config)
{
	struct json_object *vcpus;
	int ret;

	if (!*lpar->cpus)
		return EXIT_OK;
	if (config->none) {
		ret = send_pins(lpar->name, NULL, NULL);
		return ret ? lpar_fail(lpar->name, ret) : EXIT_OK;
	}
	if (query(lpar->name, &vcpus))
		return EXIT_FAILED;
	ret = pin_vcpus(lpar, config, vcpus);
	json_object_put(vcpus);
	return ret;
}

/* As the description says with which the guest was started. */
static int pin_again(const struct lpar *lpar, void *data)
{
	struct lpar_config config = { 0 };
	char path[PATH_MAX];
	int ret = EXIT_FAILED;

	(void)data;
	run_path(path, sizeof(path), lpar->name, "lpar.conf");
	if (guest_runs(lpar) && !config_load(&config, path, lpar->name))
		ret = pin_guest(lpar, &config.guest.pin);
	config_free(&config);
	return ret;
}

/* pin NAME: once more, when the guest has got more vCPUs */
int pin_verb(struct args *args)
{
	const char *name = next_arg(args);

	if (!name || args->argc)
		return usage("pin NAME");
	return guest_locked(name, pin_again, NULL);
}
