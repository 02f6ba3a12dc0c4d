// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink family "lpar": commands. What they tell of LPARs is in netlink_get.c,
 * cuts are in netlink_cut.c. The specification is Documentation/netlink/specs/lpar.yaml.
 */
#include <linux/capability.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include "lpar.h"
#include "netlink.h"

static const struct nla_policy stage_policy[LPAR_A_STAGE_MAX + 1] = {
	[LPAR_A_STAGE_NUMBER]		= { .type = NLA_U32 },
	[LPAR_A_STAGE_TEXT]		= { .type = NLA_NUL_STRING, .len = LPAR_STAGE_TEXT_MAX },
	[LPAR_A_STAGE_PROGRESS]		= NLA_POLICY_MAX(NLA_U32, 100),
	[LPAR_A_STAGE_TRANSFER_RATE]	= { .type = NLA_U64 },
	[LPAR_A_STAGE_DIRTY_BYTES]	= { .type = NLA_U64 },
};

static struct netlink_range_validation minor_range = { .max = LPAR_DISK_MINOR_MAX };

static const struct nla_policy disk_policy[LPAR_A_DISK_MAX + 1] = {
	[LPAR_A_DISK_PATH]		= { .type = NLA_NUL_STRING, .len = LPAR_PATH_MAX },
	[LPAR_A_DISK_MAJOR]		= NLA_POLICY_MAX(NLA_U32, LPAR_DISK_MAJOR_MAX),
	[LPAR_A_DISK_MINOR]		= NLA_POLICY_FULL_RANGE(NLA_U32, &minor_range),
};

static const struct nla_policy pin_policy[LPAR_A_PIN_MAX + 1] = {
	[LPAR_A_PIN_VCPU]		= { .type = NLA_U32 },
	[LPAR_A_PIN_PID]		= NLA_POLICY_MIN(NLA_U32, 1),
	[LPAR_A_PIN_CPU]		= { .type = NLA_U32 },
};

/* Attributes of requests; what only replies carry is refused. */
static const struct nla_policy lpar_policy[LPAR_A_MAX + 1] = {
	[LPAR_A_NAME]		= { .type = NLA_NUL_STRING, .len = LPAR_NAME_MAX },
	[LPAR_A_STATE]		= NLA_POLICY_MAX(NLA_U32, LPAR_STATE_DEGRADED),
	[LPAR_A_CPUS]		= { .type = NLA_NUL_STRING, .len = LPAR_CPULIST_MAX },
	[LPAR_A_MEMORY]		= { .type = NLA_U64 },
	[LPAR_A_NODE]		= NLA_POLICY_MIN(NLA_S32, LPAR_NODE_ANY),
	[LPAR_A_PAGES]		= NLA_POLICY_MAX(NLA_U32, LPAR_PAGES_LARGE),
	[LPAR_A_OWNER_UID]	= { .type = NLA_U32 },
	[LPAR_A_OWNER_GID]	= { .type = NLA_U32 },
	[LPAR_A_DISK]		= NLA_POLICY_NESTED(disk_policy),
	[LPAR_A_MEMBER]		= NLA_POLICY_MIN(NLA_U32, 1),
	[LPAR_A_GATE_TIMEOUT_MS] = { .type = NLA_U32 },
	[LPAR_A_STAGE]		= NLA_POLICY_NESTED(stage_policy),
	[LPAR_A_FORCE]		= { .type = NLA_FLAG },
	[LPAR_A_TRANSIENT]	= { .type = NLA_FLAG },
	[LPAR_A_PIN]		= NLA_POLICY_NESTED(pin_policy),
	[LPAR_A_GRANT]		= NLA_POLICY_MIN(NLA_U32, 1),
	[LPAR_A_CUT_ID]		= { .type = NLA_U32 },
	[LPAR_A_CUT_ACTION]	= NLA_POLICY_MAX(NLA_U32, LPAR_CUT_OPEN),
	[LPAR_A_CUT_DEADLINE_NS] = { .type = NLA_U64 },
	[LPAR_A_CUT_LPAR]	= { .type = NLA_NUL_STRING, .len = LPAR_NAME_MAX },
};

static const char *get_name(struct genl_info *info, struct lpar_report *report)
{
	if (!info->attrs[LPAR_A_NAME]) {
		lpar_problem(report, -EINVAL, "the name of an LPAR is missing");
		return NULL;
	}
	return nla_data(info->attrs[LPAR_A_NAME]);
}

/* The LPAR that a request names, locked. */
static struct lpar *lock_named(struct genl_info *info, struct lpar_report *report)
{
	const char *name = get_name(info, report);

	return name ? lpar_lock(name, report) : ERR_PTR(-EINVAL);
}

static int parse_cpus(struct cpumask *cpus, const struct nlattr *attr, struct lpar_report *report)
{
	int err = cpulist_parse(nla_data(attr), cpus);

	if (err || !cpumask_subset(cpus, cpu_possible_mask))
		return lpar_problem(report, -EINVAL,
				    "\"%s\" is no list of this host's CPUs; write it as 2-3,6-7",
				    (char *)nla_data(attr));
	/* A pattern such as 1-999:1/2 may stand for more than a reply, or a page, has room for. */
	if (snprintf(NULL, 0, "%*pbl", cpumask_pr_args(cpus)) > LPAR_CPULIST_MAX)
		return lpar_problem(report, -E2BIG,
				    "the list of CPUs has more than %d characters; take CPUs that are neighbours",
				    LPAR_CPULIST_MAX);
	return 0;
}

/*
 * Generic netlink has validated nested attributes too, and said what is wrong with one.
 * Here extack must not point to an attribute: netlink is past this message.
 */
static int parse_disk(struct list_head *disks, const struct nlattr *attr,
		      struct lpar_report *report)
{
	struct nlattr *attrs[LPAR_A_DISK_MAX + 1];
	int err = nla_parse_nested(attrs, LPAR_A_DISK_MAX, attr, disk_policy, NULL);

	if (err)
		return err;
	if (!attrs[LPAR_A_DISK_PATH] || !attrs[LPAR_A_DISK_MAJOR] || !attrs[LPAR_A_DISK_MINOR])
		return lpar_problem(report, -EINVAL,
				    "a disk needs a path, and the major and minor number of its device");
	return lpar_disk_add(disks, MKDEV(nla_get_u32(attrs[LPAR_A_DISK_MAJOR]),
					  nla_get_u32(attrs[LPAR_A_DISK_MINOR])),
			     nla_data(attrs[LPAR_A_DISK_PATH]), report);
}

/* An empty DISK stands for an empty list. */
static int parse_disks(struct list_head *disks, struct genl_info *info,
		       struct lpar_report *report)
{
	const struct nlattr *attr;
	unsigned int n = 0;
	int rem, err;

	lpar_disk_free_all(disks);
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != LPAR_A_DISK || !nla_len(attr))
			continue;
		if (++n > LPAR_DISKS_MAX)
			return lpar_problem(report, -E2BIG, "an LPAR has %d disks at most",
					    LPAR_DISKS_MAX);
		err = parse_disk(disks, attr, report);
		if (err)
			return err;
	}
	return 0;
}

/* Changes @config by what the request has. */
static int parse_config(struct lpar_config *config, struct genl_info *info,
			struct lpar_report *report)
{
	struct nlattr **attrs = info->attrs;
	int err = 0;

	if (attrs[LPAR_A_CPUS])
		err = parse_cpus(&config->cpus, attrs[LPAR_A_CPUS], report);
	if (!err && attrs[LPAR_A_DISK])
		err = parse_disks(&config->disks, info, report);
	if (attrs[LPAR_A_MEMORY])
		config->memory_bytes = nla_get_u64(attrs[LPAR_A_MEMORY]);
	if (attrs[LPAR_A_NODE])
		config->node = nla_get_s32(attrs[LPAR_A_NODE]);
	if (attrs[LPAR_A_PAGES])
		config->pages = nla_get_u32(attrs[LPAR_A_PAGES]);
	if (attrs[LPAR_A_OWNER_UID])
		config->uid = make_kuid(&init_user_ns, nla_get_u32(attrs[LPAR_A_OWNER_UID]));
	if (attrs[LPAR_A_OWNER_GID])
		config->gid = make_kgid(&init_user_ns, nla_get_u32(attrs[LPAR_A_OWNER_GID]));
	if (!err && (!uid_valid(config->uid) || !gid_valid(config->gid)))
		err = lpar_problem(report, -EINVAL, "the owner is not a valid user or group id");
	return err;
}

static int set_timeout(struct lpar *lpar, struct genl_info *info, struct lpar_report *report)
{
	const struct nlattr *attr = info->attrs[LPAR_A_GATE_TIMEOUT_MS];

	return attr ? lpar_set_gate_timeout(lpar, nla_get_u32(attr), report) : 0;
}

static int check_timeout(struct genl_info *info, u32 *timeout_ms, struct lpar_report *report)
{
	const struct nlattr *attr = info->attrs[LPAR_A_GATE_TIMEOUT_MS];

	if (!attr)
		return 0;
	*timeout_ms = nla_get_u32(attr);
	return lpar_gate_timeout_check(*timeout_ms, report);
}

static int create_run(struct genl_info *info, struct lpar_report *report)
{
	const char *name = get_name(info, report);
	struct lpar_config *config;
	int err;

	if (!name)
		return -EINVAL;
	config = kmalloc(sizeof(*config), GFP_KERNEL);
	if (!config)
		return -ENOMEM;
	lpar_config_init(config);
	err = check_timeout(info, &config->gate_timeout_ms, report);
	err = err ?: parse_config(config, info, report);
	err = err ?: lpar_create(name, config, report);
	lpar_disk_free_all(&config->disks);
	kfree(config);
	return err;
}

static int delete_run(struct genl_info *info, struct lpar_report *report)
{
	const char *name = get_name(info, report);

	return name ? lpar_delete(name, report) : -EINVAL;
}

static bool changes_resources(struct genl_info *info)
{
	return info->attrs[LPAR_A_CPUS] || info->attrs[LPAR_A_MEMORY] ||
	       info->attrs[LPAR_A_NODE] || info->attrs[LPAR_A_PAGES] ||
	       info->attrs[LPAR_A_OWNER_UID] || info->attrs[LPAR_A_OWNER_GID] ||
	       info->attrs[LPAR_A_DISK];
}

/* The present configuration as a start; disks are copied too. */
static int copy_config(struct lpar_config *config, const struct lpar_config *from)
{
	const struct lpar_disk *disk;
	struct lpar_disk *copy;

	*config = *from;
	INIT_LIST_HEAD(&config->disks);
	list_for_each_entry(disk, &from->disks, node) {
		copy = kmemdup(disk, sizeof(*disk), GFP_KERNEL);
		if (!copy)
			return -ENOMEM;
		copy->claim = NULL;
		list_add_tail(&copy->node, &config->disks);
	}
	return 0;
}

static int change_resources(struct lpar *lpar, struct genl_info *info, struct lpar_report *report)
{
	struct lpar_config *config = kmalloc(sizeof(*config), GFP_KERNEL);
	int err;

	if (!config)
		return -ENOMEM;
	err = copy_config(config, &lpar->config);
	err = err ?: parse_config(config, info, report);
	err = err ?: lpar_configure(lpar, config, report);
	lpar_disk_free_all(&config->disks);
	kfree(config);
	return err;
}

static int set_run(struct genl_info *info, struct lpar_report *report)
{
	struct lpar *lpar = lock_named(info, report);
	u32 timeout_ms = 0;
	int err;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	err = check_timeout(info, &timeout_ms, report);
	if (!err && changes_resources(info))
		err = change_resources(lpar, info, report);
	err = err ?: set_timeout(lpar, info, report);
	lpar_unlock(lpar);
	return err;
}

static int check_run(struct genl_info *info, struct lpar_report *report)
{
	struct lpar *lpar = lock_named(info, report);
	void *header = NULL;
	int err;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	report->skb = genlmsg_new(LPAR_REPLY_SIZE, GFP_KERNEL);
	if (report->skb)
		header = genlmsg_put_reply(report->skb, info, &lpar_genl_family, 0,
					   LPAR_CMD_CHECK);
	err = header ? lpar_check(lpar, report) : -ENOMEM;
	lpar_unlock(lpar);
	if (err) {
		nlmsg_free(report->skb);
		return err;
	}
	genlmsg_end(report->skb, header);
	return genlmsg_reply(report->skb, info);
}

static int activate_run(struct genl_info *info, struct lpar_report *report)
{
	struct lpar *lpar = lock_named(info, report);
	int err;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	err = lpar_activate(lpar, report);
	lpar_unlock(lpar);
	return err;
}

static int deactivate_run(struct genl_info *info, struct lpar_report *report)
{
	struct lpar *lpar = lock_named(info, report);
	int err;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	err = lpar_deactivate(lpar, info->attrs[LPAR_A_FORCE], report);
	lpar_unlock(lpar);
	return err;
}

/* Applies @change to each MEMBER; stops at the first that fails. */
static int change_members(struct genl_info *info, struct lpar_report *report,
			  int (*change)(struct lpar *lpar, pid_t nr, struct lpar_report *report))
{
	struct lpar *lpar = lock_named(info, report);
	const struct nlattr *attr;
	int rem, err = 0;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	if (!info->attrs[LPAR_A_MEMBER])
		err = lpar_problem(report, -EINVAL, "the process id of a member is missing");
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		if (!err && nla_type(attr) == LPAR_A_MEMBER)
			err = change(lpar, nla_get_u32(attr), report);
	lpar_unlock(lpar);
	return err;
}

static int member_add_run(struct genl_info *info, struct lpar_report *report)
{
	return change_members(info, report, lpar_member_add);
}

static int member_del_run(struct genl_info *info, struct lpar_report *report)
{
	return change_members(info, report, lpar_member_del);
}

/*
 * Applies @change to each GRANT; stops at the first that fails. Not as an operation on the
 * LPAR: who is revoked may make it wait.
 */
static int change_grants(struct genl_info *info, struct lpar_report *report,
			 int (*change)(struct lpar_memory *memory, pid_t nr,
				       struct lpar_report *report))
{
	struct lpar *lpar = lock_named(info, report);
	struct lpar_memory *memory;
	const struct nlattr *attr;
	int rem, err = 0;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	memory = lpar->memory;
	if (memory)
		lpar_memory_ref(memory);
	else
		err = lpar_problem(report, -EINVAL,
				   "LPAR \"%s\" has no memory; activate one that has some first",
				   lpar->name);
	lpar_unlock(lpar);
	if (!memory)
		return err;
	if (!info->attrs[LPAR_A_GRANT])
		err = lpar_problem(report, -EINVAL, "the id of a process is missing");
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		if (!err && nla_type(attr) == LPAR_A_GRANT)
			err = change(memory, nla_get_u32(attr), report);
	lpar_memory_put(memory);
	return err;
}

static int add_grant(struct lpar_memory *memory, pid_t nr, struct lpar_report *report)
{
	return lpar_grant_add(lpar_memory_grants(memory), nr, report);
}

static int grant_run(struct genl_info *info, struct lpar_report *report)
{
	return change_grants(info, report, add_grant);
}

static int revoke_run(struct genl_info *info, struct lpar_report *report)
{
	return change_grants(info, report, lpar_memory_revoke);
}

static int gate_close_run(struct genl_info *info, struct lpar_report *report)
{
	struct lpar *lpar = lock_named(info, report);
	u32 timeout_ms = 0;
	int err;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	err = check_timeout(info, &timeout_ms, report);
	err = err ?: lpar_gate_close(lpar, timeout_ms, report);
	lpar_unlock(lpar);
	return err;
}

static int gate_open_run(struct genl_info *info, struct lpar_report *report)
{
	struct lpar *lpar = lock_named(info, report);

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	lpar_gate_open(lpar);
	lpar_unlock(lpar);
	return 0;
}

static void parse_stage(struct lpar_stage *stage, struct nlattr *const *attrs)
{
	if (attrs[LPAR_A_STAGE_NUMBER])
		stage->number = nla_get_u32(attrs[LPAR_A_STAGE_NUMBER]);
	if (attrs[LPAR_A_STAGE_TEXT])
		nla_strscpy(stage->text, attrs[LPAR_A_STAGE_TEXT], sizeof(stage->text));
	if (attrs[LPAR_A_STAGE_PROGRESS])
		stage->progress = nla_get_u32(attrs[LPAR_A_STAGE_PROGRESS]);
	if (attrs[LPAR_A_STAGE_TRANSFER_RATE])
		stage->transfer_rate = nla_get_u64(attrs[LPAR_A_STAGE_TRANSFER_RATE]);
	if (attrs[LPAR_A_STAGE_DIRTY_BYTES])
		stage->dirty_bytes = nla_get_u64(attrs[LPAR_A_STAGE_DIRTY_BYTES]);
}

static int stage_set_run(struct genl_info *info, struct lpar_report *report)
{
	struct nlattr *attrs[LPAR_A_STAGE_MAX + 1];
	enum lpar_state state;
	struct lpar_stage stage;
	struct lpar *lpar;
	int err;

	if (!info->attrs[LPAR_A_STAGE])
		return lpar_problem(report, -EINVAL, "the stage is missing");
	err = nla_parse_nested(attrs, LPAR_A_STAGE_MAX, info->attrs[LPAR_A_STAGE], stage_policy,
			       NULL);
	if (err)
		return err;
	lpar = lock_named(info, report);
	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	stage = lpar->stage;
	parse_stage(&stage, attrs);
	if (info->attrs[LPAR_A_STATE])
		state = nla_get_u32(info->attrs[LPAR_A_STATE]);
	err = lpar_set_stage(lpar, &stage, info->attrs[LPAR_A_STATE] ? &state : NULL, report);
	if (!err)
		lpar_stage_bind(lpar, info->attrs[LPAR_A_TRANSIENT] ? info->snd_portid : 0);
	lpar_unlock(lpar);
	return err;
}

static int parse_pin(struct list_head *pins, const struct nlattr *attr,
		     struct lpar_report *report)
{
	struct nlattr *attrs[LPAR_A_PIN_MAX + 1];
	struct lpar_pin *pin;
	int err = nla_parse_nested(attrs, LPAR_A_PIN_MAX, attr, pin_policy, NULL);

	if (err)
		return err;
	if (!attrs[LPAR_A_PIN_VCPU] || !attrs[LPAR_A_PIN_PID] || !attrs[LPAR_A_PIN_CPU])
		return lpar_problem(report, -EINVAL,
				    "a pin needs the number of a vCPU, its thread and a CPU");
	pin = kzalloc(sizeof(*pin), GFP_KERNEL);
	if (!pin)
		return -ENOMEM;
	pin->vcpu = nla_get_u32(attrs[LPAR_A_PIN_VCPU]);
	pin->cpu = nla_get_u32(attrs[LPAR_A_PIN_CPU]);
	pin->pid = find_get_pid(nla_get_u32(attrs[LPAR_A_PIN_PID]));
	list_add_tail(&pin->node, pins);
	if (!pin->pid)
		return lpar_problem(report, -ESRCH, "no thread %u",
				    nla_get_u32(attrs[LPAR_A_PIN_PID]));
	return 0;
}

/* One to one: no CPU, thread or vCPU is in two of them. */
static int check_pins(const struct list_head *pins, struct lpar_report *report)
{
	const struct lpar_pin *pin, *other;

	list_for_each_entry(pin, pins, node) {
		other = pin;
		list_for_each_entry_continue(other, pins, node) {
			if (other->cpu == pin->cpu)
				return lpar_problem(report, -EINVAL,
						    "CPU %u is given to vCPU %u and to vCPU %u",
						    pin->cpu, pin->vcpu, other->vcpu);
			if (other->pid == pin->pid || other->vcpu == pin->vcpu)
				return lpar_problem(report, -EINVAL,
						    "vCPU %u, or its thread, is given CPU %u and CPU %u",
						    pin->vcpu, pin->cpu, other->cpu);
		}
	}
	return 0;
}

static int pin_run(struct genl_info *info, struct lpar_report *report)
{
	struct lpar *lpar = lock_named(info, report);
	const struct nlattr *attr;
	unsigned int n = 0;
	LIST_HEAD(pins);
	int rem, err = 0;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (err || nla_type(attr) != LPAR_A_PIN)
			continue;
		if (++n > LPAR_PINS_MAX)
			err = lpar_problem(report, -E2BIG, "an LPAR has %d pinned threads at most",
					   LPAR_PINS_MAX);
		err = err ?: parse_pin(&pins, attr, report);
	}
	err = err ?: check_pins(&pins, report);
	err = err ?: lpar_fence_pin(lpar, &pins, report);
	lpar_pin_free_all(&pins);
	lpar_unlock(lpar);
	return err;
}

static int irqs_watch_run(struct genl_info *info, struct lpar_report *report)
{
	struct lpar *lpar = lock_named(info, report);
	int err;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	err = lpar_irq_watch(lpar, report);
	lpar_unlock(lpar);
	return err;
}

static lpar_request_run *const runs[] = {
	[LPAR_CMD_CREATE]	= create_run,
	[LPAR_CMD_DELETE]	= delete_run,
	[LPAR_CMD_SET]		= set_run,
	[LPAR_CMD_CHECK]	= check_run,
	[LPAR_CMD_ACTIVATE]	= activate_run,
	[LPAR_CMD_DEACTIVATE]	= deactivate_run,
	[LPAR_CMD_MEMBER_ADD]	= member_add_run,
	[LPAR_CMD_MEMBER_DEL]	= member_del_run,
	[LPAR_CMD_GATE_CLOSE]	= gate_close_run,
	[LPAR_CMD_GATE_OPEN]	= gate_open_run,
	[LPAR_CMD_STAGE_SET]	= stage_set_run,
	[LPAR_CMD_CUT_ARM]	= lpar_cut_arm_run,
	[LPAR_CMD_CUT_CANCEL]	= lpar_cut_cancel_run,
	[LPAR_CMD_PIN]		= pin_run,
	[LPAR_CMD_GRANT]	= grant_run,
	[LPAR_CMD_REVOKE]	= revoke_run,
	[LPAR_CMD_IRQS_WATCH]	= irqs_watch_run,
};

/*
 * Whoever may change something. GENL_ADMIN_PERM has checked CAP_NET_ADMIN; fences and
 * guest memory are the host administrator's business as well.
 */
static int change_doit(struct sk_buff *skb, struct genl_info *info)
{
	if (!netlink_capable(skb, CAP_SYS_ADMIN)) {
		NL_SET_ERR_MSG(info->extack, "CAP_SYS_ADMIN is needed; run as root");
		return -EPERM;
	}
	return lpar_request_defer(skb, info, runs[info->genlhdr->cmd]);
}

static const struct genl_ops lpar_ops[] = {
	{ .cmd = LPAR_CMD_GET, .doit = lpar_get_doit, .start = lpar_netlink_dump_start,
	  .dumpit = lpar_get_dumpit },
	{ .cmd = LPAR_CMD_CREATE, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_DELETE, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_SET, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_CHECK, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_ACTIVATE, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_DEACTIVATE, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_MEMBER_ADD, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_MEMBER_DEL, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_GATE_CLOSE, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_GATE_OPEN, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_STAGE_SET, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_CUT_ARM, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_CUT_CANCEL, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_PIN, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_GRANT, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_REVOKE, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_IRQS_WATCH, .doit = change_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = LPAR_CMD_CUT_GET, .start = lpar_cut_dump_start, .dumpit = lpar_cut_dump,
	  .done = lpar_cut_dump_done },
};

static const struct genl_multicast_group lpar_groups[] = {
	{ .name = LPAR_MCGRP_EVENTS },
};

struct genl_family lpar_genl_family = {
	.name		= LPAR_FAMILY_NAME,
	.version	= LPAR_FAMILY_VERSION,
	.maxattr	= LPAR_A_MAX,
	.policy		= lpar_policy,
	.module		= THIS_MODULE,
	/* Dumps lock what they read themselves; request.c is about the rest. */
	.parallel_ops	= true,
	.ops		= lpar_ops,
	.n_ops		= ARRAY_SIZE(lpar_ops),
	.resv_start_op	= LPAR_CMD_UNSPEC,
	.mcgrps		= lpar_groups,
	.n_mcgrps	= ARRAY_SIZE(lpar_groups),
};

/**
 * lpar_netlink_init() - make the family known
 *
 * Return: 0 or a negative errno.
 */
int lpar_netlink_init(void)
{
	return genl_register_family(&lpar_genl_family);
}

/**
 * lpar_netlink_exit() - withdraw it; no operation runs on return
 */
void lpar_netlink_exit(void)
{
	genl_unregister_family(&lpar_genl_family);
}
