// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/class/fcnpiv/LPAR: one value per file; see
 * Documentation/ABI/testing/sysfs-class-fcnpiv. Nothing here takes fcn_mutex,
 * since DELETE waits, with it, for those who are in here.
 */
#include <linux/device.h>
#include <linux/sysfs.h>
#include "fcnpiv.h"

static const char *const operation_names[] = {
	[FCN_OPERATION_NONE] = "none",
	[FCN_OPERATION_LOGIN] = "login",
	[FCN_OPERATION_LOGOUT] = "logout",
	[FCN_OPERATION_SOURCE] = "source",
	[FCN_OPERATION_DESTINATION] = "destination",
};

static const char *const state_names[] = {
	[FCN_STATE_IDLE] = "idle",
	[FCN_STATE_BUSY] = "busy",
	[FCN_STATE_WAITING] = "waiting",
	[FCN_STATE_STUCK] = "stuck",
};

static const char *const result_names[] = {
	[FCN_RESULT_NONE] = "none",
	[FCN_RESULT_DONE] = "done",
	[FCN_RESULT_BACK] = "back",
};

static const char *const port_state_names[] = {
	[FCN_PORT_STATE_ABSENT] = "absent",
	[FCN_PORT_STATE_COMING] = "coming",
	[FCN_PORT_STATE_ACTIVE] = "active",
	[FCN_PORT_STATE_REFUSED] = "refused",
	[FCN_PORT_STATE_NO_NPIV] = "no-npiv",
	[FCN_PORT_STATE_LEAVING] = "leaving",
	[FCN_PORT_STATE_ELSEWHERE] = "elsewhere",
};

/* A file that prints something of the identity, with its op held. */
#define FCN_ATTR(_name, _format, _value) \
	static ssize_t _name##_show(struct device *dev, struct device_attribute *attr, char *buf) \
	{ \
		struct fcn_identity *identity = dev_get_drvdata(dev); \
		ssize_t len; \
	\
		mutex_lock(&identity->op); \
		len = sysfs_emit(buf, _format "\n", _value); \
		mutex_unlock(&identity->op); \
		return len; \
	} \
	static DEVICE_ATTR_RO(_name)

FCN_ATTR(state, "%s", state_names[identity->machine.state]);
FCN_ATTR(operation, "%s", operation_names[identity->machine.operation]);
FCN_ATTR(step, "%s", fcn_step_name(identity->machine.step));
FCN_ATTR(result, "%s", result_names[identity->machine.result]);
FCN_ATTR(reason, "%s", fcn_machine_reason(&identity->machine));
FCN_ATTR(goes_back, "%d", identity->machine.goes_back);
FCN_ATTR(away, "%d", identity->machine.is_away);
FCN_ATTR(wwnn, "0x%016llx", identity->names.node);
FCN_ATTR(wwpn_original, "0x%016llx", identity->names.port[FCN_PORT_ORIGINAL]);
FCN_ATTR(wwpn_maintenance, "0x%016llx", identity->names.port[FCN_PORT_MAINTENANCE]);
FCN_ATTR(parent, "0x%016llx", identity->names.parent);
FCN_ATTR(login_ms, "%u", identity->machine.deadline_ms[FCN_DEADLINE_LOGIN]);
FCN_ATTR(storage_ms, "%u", identity->machine.deadline_ms[FCN_DEADLINE_STORAGE]);
FCN_ATTR(move_ms, "%u", identity->machine.deadline_ms[FCN_DEADLINE_MOVE]);
FCN_ATTR(logout_ms, "%u", identity->machine.deadline_ms[FCN_DEADLINE_LOGOUT]);
FCN_ATTR(grace_ms, "%u", identity->machine.deadline_ms[FCN_DEADLINE_GRACE]);

static const char *port_state(struct fcn_identity *identity, enum fcn_port port)
{
	fcn_identity_look(identity);
	return port_state_names[identity->view.port[port].state];
}

FCN_ATTR(original, "%s", port_state(identity, FCN_PORT_ORIGINAL));
FCN_ATTR(maintenance, "%s", port_state(identity, FCN_PORT_MAINTENANCE));

static struct attribute *fcn_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_operation.attr,
	&dev_attr_step.attr,
	&dev_attr_result.attr,
	&dev_attr_reason.attr,
	&dev_attr_goes_back.attr,
	&dev_attr_away.attr,
	&dev_attr_original.attr,
	&dev_attr_maintenance.attr,
	&dev_attr_wwnn.attr,
	&dev_attr_wwpn_original.attr,
	&dev_attr_wwpn_maintenance.attr,
	&dev_attr_parent.attr,
	&dev_attr_login_ms.attr,
	&dev_attr_storage_ms.attr,
	&dev_attr_move_ms.attr,
	&dev_attr_logout_ms.attr,
	&dev_attr_grace_ms.attr,
	NULL,
};
ATTRIBUTE_GROUPS(fcn);

static struct class fcn_class = {
	.name = "fcnpiv",
};

/**
 * fcn_sysfs_add() - make /sys/class/fcnpiv/LPAR
 * @identity: identity
 *
 * Context: may sleep, under fcn_mutex.
 * Return: 0 or a negative errno.
 */
int fcn_sysfs_add(struct fcn_identity *identity)
{
	struct device *dev = device_create_with_groups(&fcn_class, NULL, 0, identity, fcn_groups,
						       "%s", identity->lpar);

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	identity->dev = dev;
	return 0;
}

/**
 * fcn_sysfs_del() - remove it
 * @identity: identity, gone
 *
 * Context: may sleep, under fcn_mutex; waits for those who read the files, so the
 * caller must not hold op.
 */
void fcn_sysfs_del(struct fcn_identity *identity)
{
	device_unregister(identity->dev);
}

/**
 * fcn_sysfs_notify() - wake those that poll
 * @identity: identity with an operation under way, so that it is not deleted
 *
 * Context: process.
 */
void fcn_sysfs_notify(struct fcn_identity *identity)
{
	static const char *const files[] = {
		"state", "operation", "step", "result", "reason", "goes_back",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		sysfs_notify(&identity->dev->kobj, NULL, files[i]);
}

/**
 * fcn_sysfs_init() - make /sys/class/fcnpiv
 *
 * Return: 0 or a negative errno.
 */
int fcn_sysfs_init(void)
{
	return class_register(&fcn_class);
}

/**
 * fcn_sysfs_exit() - remove it
 */
void fcn_sysfs_exit(void)
{
	class_unregister(&fcn_class);
}
