// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel says about an LPAR, decoded and as JSON.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/genetlink.h>

#include "lpar/lpar.h"

struct nl_family nl_lpar = { .name = LPAR_FAMILY_NAME, .version = LPAR_FAMILY_VERSION };

/* Begin a request to lpar.ko; name may be NULL. */
struct nlmsghdr *nl_request(enum lpar_cmd cmd, const char *name)
{
	struct nlmsghdr *nlh = nl_begin(&nl_lpar, cmd, NLM_F_ACK);

	if (name)
		mnl_attr_put_strz(nlh, LPAR_A_NAME, name);
	return nlh;
}

int nl_simple(enum lpar_cmd cmd, const char *name)
{
	return nl_send(nl_request(cmd, name), NULL, NULL);
}

int nl_dump(enum lpar_cmd cmd, mnl_cb_t reply, void *data)
{
	return nl_send(nl_begin(&nl_lpar, cmd, NLM_F_DUMP), reply, data);
}

static void get_text(char *buf, size_t size, const struct nlattr *attr)
{
	if (attr && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		snprintf(buf, size, "%s", mnl_attr_get_str(attr));
}

static void get_u32(uint32_t *value, const struct nlattr *attr)
{
	if (attr && !mnl_attr_validate(attr, MNL_TYPE_U32))
		*value = mnl_attr_get_u32(attr);
}

static void get_u64(uint64_t *value, const struct nlattr *attr)
{
	if (attr && !mnl_attr_validate(attr, MNL_TYPE_U64))
		*value = mnl_attr_get_u64(attr);
}

void stage_decode(struct stage *stage, const struct nlattr *nest)
{
	const struct nlattr *tb[LPAR_A_STAGE_MAX + 1];

	if (nl_parse(tb, ARRAY_SIZE(tb), nest))
		return;
	get_u32(&stage->number, tb[LPAR_A_STAGE_NUMBER]);
	get_text(stage->text, sizeof(stage->text), tb[LPAR_A_STAGE_TEXT]);
	get_u32(&stage->progress, tb[LPAR_A_STAGE_PROGRESS]);
	get_u64(&stage->transfer_rate, tb[LPAR_A_STAGE_TRANSFER_RATE]);
	get_u64(&stage->dirty_bytes, tb[LPAR_A_STAGE_DIRTY_BYTES]);
}

static void add_pid(uint32_t **pids, size_t *n, const struct nlattr *attr)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32))
		return;
	*pids = xrealloc(*pids, (*n + 1) * sizeof(**pids));
	(*pids)[(*n)++] = mnl_attr_get_u32(attr);
}

static void add_disk(struct lpar *lpar, const struct nlattr *nest)
{
	const struct nlattr *tb[LPAR_A_DISK_MAX + 1];
	char path[LPAR_PATH_MAX + 1] = "";

	if (lpar->n_disks == LPAR_DISKS_MAX || nl_parse(tb, ARRAY_SIZE(tb), nest))
		return;
	get_text(path, sizeof(path), tb[LPAR_A_DISK_PATH]);
	lpar->disk[lpar->n_disks++] = xstrdup(path);
}

static void add_pin(struct lpar *lpar, const struct nlattr *nest)
{
	const struct nlattr *tb[LPAR_A_PIN_MAX + 1];
	struct pin *pin;

	if (nl_parse(tb, ARRAY_SIZE(tb), nest))
		return;
	lpar->pin = xrealloc(lpar->pin, (lpar->n_pins + 1) * sizeof(*lpar->pin));
	pin = &lpar->pin[lpar->n_pins++];
	memset(pin, 0, sizeof(*pin));
	get_u32(&pin->vcpu, tb[LPAR_A_PIN_VCPU]);
	get_u32(&pin->pid, tb[LPAR_A_PIN_PID]);
	get_u32(&pin->cpu, tb[LPAR_A_PIN_CPU]);
}

/* Attributes that may come more than once. */
static void decode_lists(struct lpar *lpar, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == LPAR_A_MEMBER)
			add_pid(&lpar->member, &lpar->n_members, attr);
		else if (mnl_attr_get_type(attr) == LPAR_A_GRANT)
			add_pid(&lpar->grant, &lpar->n_grants, attr);
		else if (mnl_attr_get_type(attr) == LPAR_A_DISK)
			add_disk(lpar, attr);
		else if (mnl_attr_get_type(attr) == LPAR_A_PIN)
			add_pin(lpar, attr);
	}
}

static void decode(struct lpar *lpar, const struct nlmsghdr *nlh)
{
	const struct nlattr **tb = nl_attrs(nlh);

	memset(lpar, 0, sizeof(*lpar));
	lpar->node = LPAR_NODE_ANY;
	get_text(lpar->name, sizeof(lpar->name), tb[LPAR_A_NAME]);
	get_text(lpar->reason, sizeof(lpar->reason), tb[LPAR_A_REASON]);
	get_text(lpar->cpus, sizeof(lpar->cpus), tb[LPAR_A_CPUS]);
	get_u32(&lpar->state, tb[LPAR_A_STATE]);
	get_u64(&lpar->memory, tb[LPAR_A_MEMORY]);
	get_u64(&lpar->memory_small, tb[LPAR_A_MEMORY_SMALL]);
	get_u64(&lpar->memory_bad, tb[LPAR_A_MEMORY_BAD]);
	get_u64(&lpar->memory_left, tb[LPAR_A_MEMORY_LEFT]);
	get_u32((uint32_t *)&lpar->node, tb[LPAR_A_NODE]);
	get_u32(&lpar->pages, tb[LPAR_A_PAGES]);
	get_u32(&lpar->owner_uid, tb[LPAR_A_OWNER_UID]);
	get_u32(&lpar->owner_gid, tb[LPAR_A_OWNER_GID]);
	get_u32(&lpar->holder, tb[LPAR_A_HOLDER]);
	get_u32(&lpar->members, tb[LPAR_A_MEMBERS]);
	get_u64(&lpar->violations, tb[LPAR_A_VIOLATIONS]);
	get_u64(&lpar->strays, tb[LPAR_A_STRAYS]);
	get_u32(&lpar->gate, tb[LPAR_A_GATE]);
	get_u32(&lpar->gate_timeout_ms, tb[LPAR_A_GATE_TIMEOUT_MS]);
	get_u32(&lpar->gate_vcpus, tb[LPAR_A_GATE_VCPUS]);
	get_u32(&lpar->gate_held, tb[LPAR_A_GATE_HELD]);
	get_u64(&lpar->gate_stop_ns, tb[LPAR_A_GATE_STOP_NS]);
	if (tb[LPAR_A_STAGE])
		stage_decode(&lpar->stage, tb[LPAR_A_STAGE]);
	decode_lists(lpar, nlh);
}

static int on_lpar(const struct nlmsghdr *nlh, void *data)
{
	lpar_free(data);
	decode(data, nlh);
	return MNL_CB_OK;
}

/* Describe one LPAR; the caller frees it with lpar_free(), also after an error. */
int lpar_get(const char *name, struct lpar *lpar)
{
	memset(lpar, 0, sizeof(*lpar));
	return nl_send(nl_request(LPAR_CMD_GET, name), on_lpar, lpar);
}

struct visit {
	int (*visit)(const struct lpar *lpar, void *data);
	void *data;
};

static int on_each(const struct nlmsghdr *nlh, void *data)
{
	const struct visit *each = data;
	struct lpar lpar;
	int ret;

	decode(&lpar, nlh);
	ret = each->visit(&lpar, each->data);
	lpar_free(&lpar);
	errno = -ret;
	return ret ? MNL_CB_ERROR : MNL_CB_OK;
}

/* Visit all LPARs; visit() must not send requests of its own. */
int lpar_for_each(int (*visit)(const struct lpar *lpar, void *data), void *data)
{
	struct visit each = { visit, data };

	return nl_dump(LPAR_CMD_GET, on_each, &each);
}

static int on_one_more(const struct nlmsghdr *nlh, void *data)
{
	struct lpars *lpars = data;

	lpars->lpar = xrealloc(lpars->lpar, (lpars->n + 1) * sizeof(*lpars->lpar));
	decode(&lpars->lpar[lpars->n++], nlh);
	return MNL_CB_OK;
}

/* One more, or with NULL all; the caller frees them with lpars_free(), also after an error. */
int lpars_get(const char *name, struct lpars *lpars)
{
	return name ? nl_send(nl_request(LPAR_CMD_GET, name), on_one_more, lpars)
		    : nl_dump(LPAR_CMD_GET, on_one_more, lpars);
}

void lpars_free(struct lpars *lpars)
{
	while (lpars->n)
		lpar_free(&lpars->lpar[--lpars->n]);
	free(lpars->lpar);
	lpars->lpar = NULL;
}

/* Report the last request about an LPAR; exit code. */
int lpar_fail(const char *name, int error)
{
	char what[64];

	/* The kernel's words may begin with the name already. */
	snprintf(what, sizeof(what), "LPAR \"%s\"", name);
	if (!strncmp(nl_text(error), what, strlen(what))) {
		err("%s", nl_text(error));
		return EXIT_FAILED;
	}
	snprintf(what, sizeof(what), "LPAR %s", name);
	return nl_fail(what, error);
}

void lpar_free(struct lpar *lpar)
{
	while (lpar->n_disks)
		free(lpar->disk[--lpar->n_disks]);
	free(lpar->member);
	lpar->member = NULL;
	lpar->n_members = 0;
	free(lpar->grant);
	lpar->grant = NULL;
	lpar->n_grants = 0;
	free(lpar->pin);
	lpar->pin = NULL;
	lpar->n_pins = 0;
}

/* Are its resources kept from others? */
bool lpar_is_fenced(const struct lpar *lpar)
{
	return lpar->state != LPAR_STATE_DEFINED;
}

bool lpar_has_member(const struct lpar *lpar, pid_t pid)
{
	size_t i;

	for (i = 0; i < lpar->n_members; i++)
		if (lpar->member[i] == (uint32_t)pid)
			return true;
	return false;
}

/*
 * How far a long operation is; -1 leaves the LPAR's state. A transient one ends with this
 * process, whatever becomes of that.
 */
int stage_set(const char *name, const struct stage *stage, int state, bool transient)
{
	struct nlmsghdr *nlh = nl_request(LPAR_CMD_STAGE_SET, name);
	struct nlattr *nest = mnl_attr_nest_start(nlh, LPAR_A_STAGE);

	mnl_attr_put_u32(nlh, LPAR_A_STAGE_NUMBER, stage->number);
	mnl_attr_put_strz(nlh, LPAR_A_STAGE_TEXT, stage->text);
	mnl_attr_put_u32(nlh, LPAR_A_STAGE_PROGRESS, stage->progress);
	mnl_attr_put_u64(nlh, LPAR_A_STAGE_TRANSFER_RATE, stage->transfer_rate);
	mnl_attr_put_u64(nlh, LPAR_A_STAGE_DIRTY_BYTES, stage->dirty_bytes);
	mnl_attr_nest_end(nlh, nest);
	if (state >= 0)
		mnl_attr_put_u32(nlh, LPAR_A_STATE, state);
	if (transient)
		mnl_attr_put(nlh, LPAR_A_TRANSIENT, 0, NULL);
	return nl_send(nlh, NULL, NULL);
}

struct json_object *stage_json(const struct stage *stage)
{
	struct json_object *json = json_object_new_object();

	json_put_u64(json, "number", stage->number);
	json_put(json, "text", stage->text);
	json_put_u64(json, "progress", stage->progress);
	json_put_u64(json, "transfer_rate", stage->transfer_rate);
	json_put_u64(json, "dirty_bytes", stage->dirty_bytes);
	return json;
}

static struct json_object *disks_json(const struct lpar *lpar)
{
	struct json_object *json = json_object_new_array();
	size_t i;

	for (i = 0; i < lpar->n_disks; i++)
		json_object_array_add(json, json_object_new_string(lpar->disk[i]));
	return json;
}

static struct json_object *pids_json(const uint32_t *pids, size_t n)
{
	struct json_object *json = json_object_new_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_object_array_add(json, json_object_new_int64(pids[i]));
	return json;
}

static struct json_object *pins_json(const struct lpar *lpar)
{
	struct json_object *json = json_object_new_array();
	size_t i;

	for (i = 0; i < lpar->n_pins; i++) {
		struct json_object *pin = json_object_new_object();

		json_put_u64(pin, "vcpu", lpar->pin[i].vcpu);
		json_put_u64(pin, "pid", lpar->pin[i].pid);
		json_put_u64(pin, "cpu", lpar->pin[i].cpu);
		json_object_array_add(json, pin);
	}
	return json;
}

/* The keys are the names of the files in sysfs, where there is such a file. */
struct json_object *lpar_json(const struct lpar *lpar)
{
	struct json_object *json = json_object_new_object();

	json_put(json, "name", lpar->name);
	json_put(json, "state", state_name(lpar->state));
	json_put(json, "reason", lpar->reason);
	json_put(json, "cpus", lpar->cpus);
	json_put_u64(json, "memory", lpar->memory);
	json_put_u64(json, "memory_small", lpar->memory_small);
	json_put_u64(json, "memory_bad", lpar->memory_bad);
	json_put_u64(json, "memory_left", lpar->memory_left);
	json_put_s64(json, "node", lpar->node);
	json_put(json, "pages", pages_name(lpar->pages));
	json_put_u64(json, "owner_uid", lpar->owner_uid);
	json_put_u64(json, "owner_gid", lpar->owner_gid);
	json_object_object_add(json, "disks", disks_json(lpar));
	json_object_object_add(json, "members", pids_json(lpar->member, lpar->n_members));
	json_object_object_add(json, "holder",
			       lpar->holder ? json_object_new_int64(lpar->holder) : NULL);
	json_object_object_add(json, "grants", pids_json(lpar->grant, lpar->n_grants));
	json_put_u64(json, "violations", lpar->violations);
	json_put_u64(json, "strays", lpar->strays);
	json_put(json, "gate", gate_name(lpar->gate));
	json_put_u64(json, "gate_timeout_ms", lpar->gate_timeout_ms);
	json_put_u64(json, "gate_vcpus", lpar->gate_vcpus);
	json_put_u64(json, "gate_held", lpar->gate_held);
	json_put_u64(json, "gate_stop_ns", lpar->gate_stop_ns);
	json_object_object_add(json, "stage", stage_json(&lpar->stage));
	json_object_object_add(json, "pins", pins_json(lpar));
	return json;
}

/* One that is not active is defined as lpar_json() has told of it, by whatever that was. */
int lpar_define_as(struct json_object *before)
{
	struct json_object *disks = json_object_object_get(before, "disks");
	struct lpar_config config = {
		.memory = json_number(before, "memory"),
		.node = json_number(before, "node"),
		.pages = pages_number(json_text(before, "pages")),
		.owner_uid = json_number(before, "owner_uid"),
		.owner_gid = json_number(before, "owner_gid"),
		.gate_timeout_ms = json_number(before, "gate_timeout_ms"),
	};

	snprintf(config.name, sizeof(config.name), "%s", json_text(before, "name"));
	snprintf(config.cpus, sizeof(config.cpus), "%s", json_text(before, "cpus"));
	for (; config.n_disks < json_count(disks) && config.n_disks < LPAR_DISKS_MAX;
	     config.n_disks++)
		config.disk[config.n_disks] = (char *)json_text_at(disks, config.n_disks);
	return config_apply(LPAR_CMD_SET, &config, KEY_ALL);
}
