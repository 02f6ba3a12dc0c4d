// SPDX-License-Identifier: GPL-2.0
/*
 * throttle msi: the interrupts of a PCI device come late, so that its driver
 * asks less of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/genetlink.h>

#include "throttle/throttle.h"

#define HOLD_WATCHDOG_MS 10000

/* PCI function as in sysfs: "0000:" may be left out. */
static const char *full_address(char *buf, size_t size, const char *word)
{
	const char *colon = strchr(word, ':');
	bool has_domain = colon && strchr(colon + 1, ':');

	snprintf(buf, size, "%s%s", has_domain ? "" : "0000:", word);
	return buf;
}

/* A request about a device; to be sent by nl_send(). */
struct nlmsghdr *throttle_msi_request(enum dt_cmd cmd, const char *address)
{
	struct nlmsghdr *nlh = nl_begin(&nl_throttle, cmd, NLM_F_ACK);

	mnl_attr_put_strz(nlh, DT_A_ADDRESS, address);
	return nlh;
}

/* --- show --- */

static struct json_object *decode_vector(const struct nlattr *nest)
{
	static const struct {
		const char *name;
		uint16_t type;
	} numbers[] = {
		{ "interrupts", DT_A_VECTOR_INTERRUPTS },
		{ "delayed", DT_A_VECTOR_DELAYED },
		{ "merged", DT_A_VECTOR_MERGED },
		{ "delayed_us", DT_A_VECTOR_DELAYED_US },
	};
	const struct nlattr *tb[DT_A_VECTOR_MAX + 1];
	struct json_object *json = json_object_new_object();
	size_t i;

	if (nl_parse(tb, ARRAY_SIZE(tb), nest))
		return json;
	if (tb[DT_A_VECTOR_INDEX])
		json_put_u64(json, "index", mnl_attr_get_u32(tb[DT_A_VECTOR_INDEX]));
	if (tb[DT_A_VECTOR_IRQ])
		json_put_u64(json, "irq", mnl_attr_get_u32(tb[DT_A_VECTOR_IRQ]));
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (tb[numbers[i].type])
			json_put_u64(json, numbers[i].name, mnl_attr_get_u64(tb[numbers[i].type]));
	return json;
}

static int on_device(const struct nlmsghdr *nlh, void *data)
{
	struct json_object *device = throttle_decode(nlh);
	struct json_object *vectors = json_object_new_array();
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == DT_A_VECTOR)
			json_object_array_add(vectors, decode_vector(attr));
	json_object_object_add(device, "vectors", vectors);
	json_object_array_add(data, device);
	return MNL_CB_OK;
}

/* A device, to be put; -ENOENT when it is none. Nothing is printed. */
int throttle_msi_get(const char *address, struct json_object **device)
{
	struct json_object *devices = json_object_new_array();
	int ret = nl_send(throttle_msi_request(DT_CMD_MSI_GET, address), on_device, devices);

	if (!ret && !json_count(devices))
		ret = -EBADMSG;
	if (!ret)
		*device = json_object_get(json_at(devices, 0));
	json_object_put(devices);
	return ret;
}

/* Time for which an interrupt waited that did, on average. */
static const char *format_average(char *buf, size_t size, struct json_object *json)
{
	int64_t delayed = json_number(json, "delayed");

	if (delayed)
		format_time(buf, size, json_number(json, "delayed_us") * 1000 / delayed);
	else
		snprintf(buf, size, "-");
	return buf;
}

static const char *format_pace(char *buf, size_t size, struct json_object *device)
{
	if (json_number(device, "delay_us"))
		format_time(buf, size, json_number(device, "delay_us") * 1000);
	else if (json_number(device, "rate"))
		snprintf(buf, size, "%" PRId64 "/s", json_number(device, "rate"));
	else
		snprintf(buf, size, "-");
	return buf;
}

static void print_devices(struct json_object *devices)
{
	static const char *const head[] = { "DEVICE",  "STATE",	 "DELAY",   "VECTORS", "INTERRUPTS",
					    "DELAYED", "MERGED", "AVERAGE", "REASON" };
	char pace[32], average[32], vectors[16];
	struct json_object *device;
	size_t i;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(devices); i++) {
		device = json_at(devices, i);
		snprintf(vectors, sizeof(vectors), "%zu",
			 json_count(json_object_object_get(device, "vectors")));
		table_row(
			(const char *const[]){
				json_text(device, "address"), json_text(device, "state"),
				format_pace(pace, sizeof(pace), device), vectors,
				json_text(device, "interrupts"), json_text(device, "delayed"),
				json_text(device, "merged"),
				format_average(average, sizeof(average), device),
				*json_text(device, "reason") ? json_text(device, "reason") : "-" },
			ARRAY_SIZE(head));
	}
	table_print();
}

static void print_vectors(struct json_object *device)
{
	static const char *const head[] = { "VECTOR",  "IRQ",	 "INTERRUPTS",
					    "DELAYED", "MERGED", "AVERAGE" };
	struct json_object *vectors = json_object_object_get(device, "vectors"), *vector;
	char average[32];
	size_t i;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(vectors); i++) {
		vector = json_at(vectors, i);
		table_row((const char *const[]){ json_text(vector, "index"),
						 json_text(vector, "irq"),
						 json_text(vector, "interrupts"),
						 json_text(vector, "delayed"),
						 json_text(vector, "merged"),
						 format_average(average, sizeof(average), vector) },
			  ARRAY_SIZE(head));
	}
	table_print();
}

/* One device with its vectors, or all. */
static int show(const char *address)
{
	struct json_object *devices = json_object_new_array(), *device;
	int ret;

	if (address) {
		ret = throttle_msi_get(address, &device);
		if (!ret)
			json_object_array_add(devices, device);
	} else {
		ret = nl_send(nl_begin(&nl_throttle, DT_CMD_MSI_GET, NLM_F_DUMP), on_device,
			      devices);
	}
	if (!ret && options.json) {
		json_print(devices);
		return EXIT_OK;
	}
	if (!ret)
		print_devices(devices);
	if (!ret && address)
		print_vectors(json_at(devices, 0));
	json_object_put(devices);
	return ret ? nl_fail(address ? address : "throttle msi", ret) : EXIT_OK;
}

/* --- set --- */

/* What the command line wants. */
struct wanted {
	bool off;
	bool force;
	bool has_delay;
	uint32_t delay_us;
	uint32_t rate;
	bool has_watchdog;
	uint32_t watchdog_ms;
	uint64_t limit; /* bytes per second, by a loop of our own */
	const char *counter; /* a file that counts the bytes */
};

static int parse_delay(struct wanted *wanted, const char *value)
{
	uint64_t ns;

	if (!value || parse_time(value, &ns) || ns / 1000 > DIRTYTHROTTLE_DELAY_MAX_US)
		return usage("--delay needs a time such as 100us, 50ms at most");
	wanted->has_delay = true;
	wanted->delay_us = ns / 1000;
	return EXIT_OK;
}

static int parse_rate(struct wanted *wanted, const char *value)
{
	uint64_t rate;

	if (!value || parse_uint(value, DIRTYTHROTTLE_RATE_MAX, &rate) ||
	    rate < DIRTYTHROTTLE_RATE_MIN)
		return usage("--rate needs interrupts per second, 20 to 1000000");
	wanted->rate = rate;
	return EXIT_OK;
}

static int parse_watchdog(struct wanted *wanted, const char *value)
{
	if (throttle_parse_watchdog(value, &wanted->watchdog_ms))
		return usage("--watchdog needs a time such as 10s, or 0 for none");
	wanted->has_watchdog = true;
	return EXIT_OK;
}

static int parse(struct args *args, struct wanted *wanted)
{
	const char *value;
	int ret = EXIT_OK;

	while (!ret && args->argc) {
		if (next_flag(args, "off")) {
			wanted->off = true;
		} else if (next_flag(args, "--force")) {
			wanted->force = true;
		} else if (next_option(args, "--delay", &value)) {
			ret = parse_delay(wanted, value);
		} else if (next_option(args, "--rate", &value)) {
			ret = parse_rate(wanted, value);
		} else if (next_option(args, "--watchdog", &value)) {
			ret = parse_watchdog(wanted, value);
		} else if (next_option(args, "--limit", &value)) {
			if (!value || parse_size(value, &wanted->limit) || !wanted->limit)
				return usage("--limit needs bytes per second such as 20M");
		} else if (next_option(args, "--counter", &wanted->counter)) {
			if (!wanted->counter)
				return usage("--counter needs a file");
		} else {
			return usage("'%s' is unknown to throttle msi", next_arg(args));
		}
	}
	if (!ret && !!wanted->limit != !!wanted->counter)
		return usage(
			"--limit and --counter belong together: somebody has to count the bytes");
	if (!ret && wanted->has_delay + !!wanted->rate + !!wanted->limit + wanted->off > 1)
		return usage("one of --delay, --rate, --limit and off");
	if (!ret && wanted->off && (wanted->force || wanted->has_watchdog))
		return usage("off takes no options");
	return ret;
}

static int set(const char *address, const struct wanted *wanted)
{
	struct nlmsghdr *nlh = throttle_msi_request(DT_CMD_MSI_SET, address);
	int ret;

	if (wanted->has_delay)
		mnl_attr_put_u32(nlh, DT_A_DELAY_US, wanted->delay_us);
	if (wanted->rate)
		mnl_attr_put_u32(nlh, DT_A_RATE, wanted->rate);
	if (wanted->has_watchdog)
		mnl_attr_put_u32(nlh, DT_A_TIMEOUT_MS, wanted->watchdog_ms);
	if (wanted->force)
		mnl_attr_put_u32(nlh, DT_A_FORCE, 1);
	ret = nl_send(nlh, NULL, NULL);
	return ret ? nl_fail(address, ret) : EXIT_OK;
}

/* msi [ADDRESS [--delay TIME | --rate N | --limit BYTES --counter FILE | off] [OPTION]...] */
int throttle_msi_verb(struct args *args)
{
	const char *word = next_arg(args);
	struct wanted wanted = { 0 };
	char address[64];
	int ret;

	if (!word)
		return show(NULL);
	if (*word == '-')
		return usage("the address of a PCI device is missing; see 'lspci -D'");
	full_address(address, sizeof(address), word);
	if (!args->argc)
		return show(address);
	ret = parse(args, &wanted);
	if (ret)
		return ret;
	if (wanted.limit)
		return throttle_hold(address, wanted.limit, wanted.counter, wanted.force,
				     wanted.has_watchdog ? wanted.watchdog_ms : HOLD_WATCHDOG_MS);
	if (!wanted.off)
		return set(address, &wanted);
	ret = nl_send(throttle_msi_request(DT_CMD_MSI_OFF, address), NULL, NULL);
	return ret ? nl_fail(address, ret) : EXIT_OK;
}
