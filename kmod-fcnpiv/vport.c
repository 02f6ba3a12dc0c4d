// SPDX-License-Identifier: GPL-2.0
/*
 * Virtual ports of scsi_transport_fc: find, make, delete.
 *
 * No pointer to a port is kept: root can delete it through sysfs at any time, and
 * unplugging the adapter deletes all. Each look finds it anew by its names.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <scsi/scsi_host.h>
#include <scsi/scsi_transport.h>
#include <scsi/scsi_transport_fc.h>
#include "fcnpiv.h"

/* The transport exports no list of hosts. Their numbers are small: an IDA's. */
#define FCN_HOSTS_MAX	1024

/**
 * fcn_vport_is_host() - is it the SCSI host of this Fibre Channel port?
 * @shost: SCSI host of any kind
 * @wwpn: port name
 *
 * Context: any.
 * Return: true if so.
 */
bool fcn_vport_is_host(struct Scsi_Host *shost, u64 wwpn)
{
	const struct scsi_transport_template *transport = shost->transportt;

	/*
	 * Only of such hosts is shost_data what scsi_transport_fc says it is. It comes
	 * after the host can be found.
	 */
	return shost->shost_data && transport && transport->host_attrs.ac.class &&
	       !strcmp(transport->host_attrs.ac.class->name, "fc_host") &&
	       fc_host_port_name(shost) == wwpn;
}

static struct Scsi_Host *get_host(unsigned int number, u64 wwpn)
{
	struct Scsi_Host *shost = scsi_host_lookup(number);

	if (!shost)
		return NULL;
	if (fcn_vport_is_host(shost, wwpn))
		return shost;
	scsi_host_put(shost);
	return NULL;
}

/**
 * fcn_vport_parent_get() - the fc_host of this name
 * @wwpn: its port name
 * @hint: number under which it was last found; updated
 *
 * Context: process.
 * Return: SCSI host, to be put soon, as its driver cannot go meanwhile; or NULL.
 */
struct Scsi_Host *fcn_vport_parent_get(u64 wwpn, unsigned int *hint)
{
	struct Scsi_Host *shost = get_host(*hint, wwpn);
	unsigned int i;

	for (i = 0; !shost && i < FCN_HOSTS_MAX; i++) {
		shost = get_host(i, wwpn);
		if (shost)
			*hint = i;
	}
	return shost;
}

/* By the name that the fabric goes by: whoever uses it with another WWNN is found, too. */
static struct fc_vport *find(struct Scsi_Host *parent, u64 wwpn)
{
	struct fc_vport *vport;

	lockdep_assert_held(parent->host_lock);
	list_for_each_entry(vport, &fc_host_vports(parent), peers)
		if (vport->port_name == wwpn)
			return vport;
	return NULL;
}

/**
 * struct found - what is known of a port that was found
 * @dev: referenced device of it; NULL while it is being made
 * @state: of its login
 * @flags: FC_VPORT_...
 */
struct found {
	struct device *dev;
	enum fc_vport_state state;
	u8 flags;
};

/* A port that is being made is freed without regard to references if that fails. */
static bool look_up(struct Scsi_Host *parent, u64 wwpn, struct found *found)
{
	struct fc_vport *vport;
	unsigned long flags;

	spin_lock_irqsave(parent->host_lock, flags);
	vport = find(parent, wwpn);
	if (vport) {
		found->state = vport->vport_state;
		found->flags = vport->flags;
		found->dev = vport->flags & FC_VPORT_CREATING ? NULL : get_device(&vport->dev);
	}
	spin_unlock_irqrestore(parent->host_lock, flags);
	return vport;
}

static int is_host(struct device *dev, const void *data)
{
	return scsi_is_host_device(dev);
}

/* The port's own SCSI host is the child of its device: every driver has to make it so. */
static struct Scsi_Host *get_own_host(struct device *vport_dev, u64 wwpn)
{
	struct device *dev = device_find_child(vport_dev, NULL, is_host);
	struct Scsi_Host *shost;

	if (!dev)
		return NULL;
	shost = scsi_host_get(dev_to_shost(dev));
	put_device(dev);
	if (!shost || fcn_vport_is_host(shost, wwpn))
		return shost;
	scsi_host_put(shost);
	return NULL;
}

/* Of a port, or NULL. */
static struct Scsi_Host *get_host_below(struct Scsi_Host *parent, u64 wwpn)
{
	struct found found = {};
	struct Scsi_Host *shost;

	if (!look_up(parent, wwpn, &found) || !found.dev)
		return NULL;
	shost = get_own_host(found.dev, wwpn);
	put_device(found.dev);
	return shost;
}

/**
 * fcn_vport_host_get() - the SCSI host of a port
 * @names: world wide names
 * @port: port
 *
 * Context: process.
 * Return: SCSI host, to be put; or NULL.
 */
struct Scsi_Host *fcn_vport_host_get(const struct fcn_names *names, enum fcn_port port)
{
	struct Scsi_Host *parent, *shost;
	unsigned int hint = 0;

	parent = fcn_vport_parent_get(names->parent, &hint);
	if (!parent)
		return NULL;
	shost = get_host_below(parent, names->port[port]);
	scsi_host_put(parent);
	return shost;
}

static void judge(const struct found *found, struct fcn_port_view *view)
{
	static const struct {
		enum fcn_port_state state;
		const char *why;
	} known[] = {
		[FC_VPORT_UNKNOWN] = { FCN_PORT_STATE_COMING, "the port is being set up" },
		[FC_VPORT_ACTIVE] = { FCN_PORT_STATE_ACTIVE, "" },
		[FC_VPORT_DISABLED] = { FCN_PORT_STATE_COMING, "the port is disabled in sysfs" },
		[FC_VPORT_LINKDOWN] = { FCN_PORT_STATE_COMING, "the link is down" },
		[FC_VPORT_INITIALIZING] = { FCN_PORT_STATE_COMING,
			"the fabric has not let the port in yet" },
		[FC_VPORT_NO_FABRIC_SUPP] = { FCN_PORT_STATE_NO_NPIV,
			"the fabric, or the switch's port, has NPIV off" },
		[FC_VPORT_NO_FABRIC_RSCS] = { FCN_PORT_STATE_REFUSED,
			"the switch has no room for another port" },
		[FC_VPORT_FABRIC_LOGOUT] = { FCN_PORT_STATE_REFUSED,
			"the fabric logged the port out" },
		[FC_VPORT_FABRIC_REJ_WWN] = { FCN_PORT_STATE_REFUSED,
			"the fabric rejects the name: it is logged in elsewhere, or not allowed" },
		[FC_VPORT_FAILED] = { FCN_PORT_STATE_REFUSED, "the adapter failed to log in" },
	};

	if (found->flags & (FC_VPORT_CREATING | FC_VPORT_DEL)) {
		view->state = FCN_PORT_STATE_LEAVING;
		strscpy(view->why, "the port is being made or deleted", sizeof(view->why));
		return;
	}
	if (found->state >= ARRAY_SIZE(known)) {
		view->state = FCN_PORT_STATE_COMING;
		scnprintf(view->why, sizeof(view->why), "the port is in state %d", found->state);
		return;
	}
	view->state = known[found->state].state;
	strscpy(view->why, known[found->state].why, sizeof(view->why));
}

static unsigned int count_targets(struct Scsi_Host *shost)
{
	struct fc_rport *rport;
	unsigned long flags;
	unsigned int n = 0;

	spin_lock_irqsave(shost->host_lock, flags);
	list_for_each_entry(rport, &fc_host_rports(shost), peers)
		if (rport->port_state == FC_PORTSTATE_ONLINE &&
		    rport->roles & FC_PORT_ROLE_FCP_TARGET)
			n++;
	spin_unlock_irqrestore(shost->host_lock, flags);
	return n;
}

static void look_at_storage(struct device *vport_dev, u64 wwpn, struct fcn_port_view *view,
			    struct fcn_luns *luns)
{
	struct Scsi_Host *shost = get_own_host(vport_dev, wwpn);

	if (!shost)
		return;
	view->host = shost->host_no;
	view->targets = count_targets(shost);
	view->busy = fcn_disk_look(shost, luns);
	scsi_host_put(shost);
}

/* A port that has just been deleted may be there for a moment without its parent. */
static void look_elsewhere(u64 wwpn, enum fcn_port port, struct fcn_port_view *view)
{
	unsigned int number = 0;
	struct Scsi_Host *shost = fcn_vport_parent_get(wwpn, &number);

	if (!shost) {
		scnprintf(view->why, sizeof(view->why), "the %s port is not logged in",
			  fcn_port_name(port));
		return;
	}
	view->state = FCN_PORT_STATE_ELSEWHERE;
	scnprintf(view->why, sizeof(view->why), "host%u, of another adapter, has the name %016llx",
		  number, wwpn);
	scsi_host_put(shost);
}

/**
 * fcn_vport_look() - how is a port, and what does it see?
 * @names: world wide names
 * @port: port
 * @hint: number of the parent's host; updated
 * @view: to be filled, but for @view->matches and @view->held
 * @luns: to be filled: all paths to disks
 *
 * Context: process; waits for nobody.
 */
void fcn_vport_look(const struct fcn_names *names, enum fcn_port port, unsigned int *hint,
		    struct fcn_port_view *view, struct fcn_luns *luns)
{
	struct Scsi_Host *parent = fcn_vport_parent_get(names->parent, hint);
	u64 wwpn = names->port[port];
	struct found found = {};

	memset(view, 0, sizeof(*view));
	view->state = FCN_PORT_STATE_ABSENT;
	view->host = -1;
	luns->count = 0;
	luns->overflow = false;
	if (parent && look_up(parent, wwpn, &found))
		judge(&found, view);
	else
		look_elsewhere(wwpn, port, view);
	if (!parent && view->state == FCN_PORT_STATE_ABSENT)
		scnprintf(view->why, sizeof(view->why), "there is no fc_host %016llx",
			  names->parent);
	if (found.dev) {
		look_at_storage(found.dev, wwpn, view, luns);
		put_device(found.dev);
	}
	if (parent)
		scsi_host_put(parent);
}

/**
 * fcn_vport_is_taken() - is this the name of an adapter of this host?
 * @wwpn: port name
 *
 * A virtual port of that name is none: it may be the LPAR's, logged in already.
 *
 * Context: process.
 * Return: true if so.
 */
bool fcn_vport_is_taken(u64 wwpn)
{
	unsigned int hint = 0;
	struct Scsi_Host *shost = fcn_vport_parent_get(wwpn, &hint);
	bool taken;

	if (!shost)
		return false;
	taken = strncmp(dev_name(shost->shost_gendev.parent), "vport-", 6);
	scsi_host_put(shost);
	return taken;
}

/*
 * The parent, and its driver with it: what is called into must not be unloaded.
 * A user of sysfs is kept safe by the file that he writes to. NULL: there is none.
 */
static struct Scsi_Host *pin_parent(u64 wwpn, char *why)
{
	unsigned int hint = 0;
	struct Scsi_Host *parent = fcn_vport_parent_get(wwpn, &hint);

	if (!parent)
		return NULL;
	if (parent->shost_state == SHOST_RUNNING && try_module_get(parent->hostt->module))
		return parent;
	scsi_host_put(parent);
	fcn_fail(why, -ENODEV, "the fc_host %016llx is being removed", wwpn);
	return ERR_PTR(-ENODEV);
}

static void unpin_parent(struct Scsi_Host *parent)
{
	struct module *driver = parent->hostt->module;

	scsi_host_put(parent);
	module_put(driver);
}

/* Marks the port as the transport's own files do, so that nobody else deletes it, too. */
static struct fc_vport *claim_for_delete(struct Scsi_Host *parent, u64 wwpn)
{
	struct fc_vport *vport;
	unsigned long flags;

	spin_lock_irqsave(parent->host_lock, flags);
	vport = find(parent, wwpn);
	if (vport && vport->flags & (FC_VPORT_CREATING | FC_VPORT_DEL))
		vport = ERR_PTR(-EBUSY);
	else if (vport)
		vport->flags |= FC_VPORT_DELETING;
	spin_unlock_irqrestore(parent->host_lock, flags);
	return vport;
}

/* Before the port is marked: the mark does not keep it over the removal of its parent. */
static struct Scsi_Host *calm(struct Scsi_Host *parent, u64 wwpn)
{
	struct Scsi_Host *shost = get_host_below(parent, wwpn);

	if (shost)
		fcn_disk_calm(shost);
	return shost;
}

static int delete_now(struct Scsi_Host *parent, u64 wwpn, char *why)
{
	struct fc_vport *vport = claim_for_delete(parent, wwpn);
	int err;

	if (!vport)
		return 0;
	if (IS_ERR(vport))
		return fcn_fail(why, -EBUSY, "the port is being made or deleted by somebody else");
	/* Some drivers return what is no errno. */
	err = fc_vport_terminate(vport);
	return err ? fcn_fail(why, -EIO, "the driver failed to delete the port (%d)", err) : 0;
}

static int delete_port(struct Scsi_Host *parent, u64 wwpn, char *why)
{
	struct Scsi_Host *shost = calm(parent, wwpn);
	int err = delete_now(parent, wwpn, why);

	if (!shost)
		return err;
	if (err)
		fcn_disk_uncalm(shost);
	scsi_host_put(shost);
	return err;
}

static int create_port(struct Scsi_Host *parent, u64 wwnn, u64 wwpn, char *why)
{
	struct fc_vport_identifiers ids = {
		.node_name = wwnn,
		.port_name = wwpn,
		.roles = FC_PORT_ROLE_FCP_INITIATOR,
		.vport_type = FC_PORTTYPE_NPIV,
	};
	unsigned int most = fc_host_max_npiv_vports(parent);

	if (!most)
		return fcn_fail(why, -EOPNOTSUPP, "host%u has no NPIV, or its link was never up",
				parent->host_no);
	if (fc_host_npiv_vports_inuse(parent) >= most)
		return fcn_fail(why, -ENOSPC, "all %u NPIV ports of host%u are in use", most,
				parent->host_no);
	if (fc_vport_create(parent, 0, &ids))
		return 0;
	return fcn_fail(why, -EIO, "the driver of host%u refused the port; see the kernel's log",
			parent->host_no);
}

static bool is_dead(const struct found *found)
{
	struct fcn_port_view view;

	judge(found, &view);
	return view.state == FCN_PORT_STATE_REFUSED || view.state == FCN_PORT_STATE_NO_NPIV;
}

static bool is_in_use(struct Scsi_Host *parent, u64 wwpn)
{
	struct Scsi_Host *shost = get_host_below(parent, wwpn);
	bool open;

	if (!shost)
		return false;
	open = fcn_disk_is_open(shost);
	scsi_host_put(shost);
	return open;
}

/* One that its driver calls failed may come back by itself: who has a disk of it open waits. */
static int delete_dead(struct Scsi_Host *parent, u64 wwpn, char *why)
{
	if (is_in_use(parent, wwpn))
		return fcn_fail(why, -EBUSY, "the port has failed, but a disk of it is open");
	return delete_port(parent, wwpn, why);
}

/**
 * fcn_vport_login() - make a port
 * @names: world wide names
 * @port: port
 * @why: FCNPIV_REASON_MAX + 1 bytes for the reason of a failure
 *
 * A port that is there and was not refused is left alone, whoever made it. One that
 * the fabric has refused stays so with some drivers: it is deleted unless a disk of
 * it is open, and made anew by the next call, when nothing of it is left.
 *
 * Context: process, without locks; may take minutes. The login itself is not
 * waited for: see fcn_vport_look().
 * Return: 0, -ENODEV, -EOPNOTSUPP, -ENOSPC, -EBUSY or -EIO.
 */
int fcn_vport_login(const struct fcn_names *names, enum fcn_port port, char *why)
{
	struct Scsi_Host *parent = pin_parent(names->parent, why);
	u64 wwpn = names->port[port];
	struct found found = {};
	bool is_there;
	int err = 0;

	if (!parent)
		return fcn_fail(why, -ENODEV, "there is no fc_host %016llx", names->parent);
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	is_there = look_up(parent, wwpn, &found);
	if (found.dev)
		put_device(found.dev);
	if (!is_there)
		err = create_port(parent, names->node, wwpn, why);
	else if (is_dead(&found))
		err = delete_dead(parent, wwpn, why);
	unpin_parent(parent);
	return err;
}

/**
 * fcn_vport_logout() - delete a port
 * @names: world wide names
 * @port: port
 * @why: FCNPIV_REASON_MAX + 1 bytes for the reason of a failure
 *
 * Afterwards this kernel sends nothing under that name. Whether the fabric knows
 * is another question: not every driver waits for its answer.
 *
 * Context: process, without locks; may take minutes.
 * Return: 0, also when there is none; -EBUSY, -ENODEV or -EIO.
 */
int fcn_vport_logout(const struct fcn_names *names, enum fcn_port port, char *why)
{
	struct Scsi_Host *parent = pin_parent(names->parent, why);
	int err;

	/* An adapter that is gone has taken its ports with it. */
	if (IS_ERR_OR_NULL(parent))
		return PTR_ERR_OR_ZERO(parent);
	err = delete_port(parent, names->port[port], why);
	unpin_parent(parent);
	return err;
}
