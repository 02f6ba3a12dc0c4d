// SPDX-License-Identifier: GPL-2.0
/*
 * PCI functions whose interrupts are delayed. Which vectors they have, and who
 * drives them, is looked at four times a second: drivers, VFIO's users among
 * them, change both at will.
 */
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <asm/irq_remapping.h>
#include "dirtythrottle.h"
#include "msi.h"

/* No interrupt for so long, where they may be posted: they are. */
#define SILENCE_NS	(2 * NSEC_PER_SEC)

static DEFINE_MUTEX(dt_msi_mutex);
static LIST_HEAD(devices);

static struct dt_device *find(const char *address)
{
	struct dt_device *device;

	lockdep_assert_held(&dt_msi_mutex);
	list_for_each_entry(device, &devices, node)
		if (!strcmp(pci_name(device->pdev), address))
			return device;
	return NULL;
}

/* VFIO's drivers for particular devices have its name in theirs. */
static bool is_vfio(const struct device_driver *driver)
{
	return strstr(driver->name, "vfio-pci") || strstr(driver->name, "vfio_pci");
}

/* Why its vectors must be left alone, or NULL. */
static const char *find_obstacle(struct dt_device *device)
{
	const struct device_driver *driver = device->pdev->dev.driver;

	device_lock_assert(&device->pdev->dev);
	device->is_vfio = driver && is_vfio(driver);
	if (!driver)
		return "no driver is bound to it";
	if (!device->is_vfio && !device->settings.force)
		return "its driver is not VFIO's; --force delays its interrupts all the same";
	return NULL;
}

static void meet(struct dt_device *device, unsigned int irq, unsigned int index)
{
	struct dt_vector *vector = dt_vector_of(irq);

	if (vector)
		vector->used = true;
	else if (dt_vector_take(device, irq, index))
		device->nr_refused++;
}

/* Each vector that is in use; none comes or goes meanwhile. */
static void meet_all(struct dt_device *device)
{
	struct device *dev = &device->pdev->dev;
	struct msi_desc *desc;
	unsigned int i;

	device_lock_assert(dev);
	/* The driver core frees it, under the device's lock, with the driver. */
	if (!dev->msi.data)
		return;
	__msi_lock_descs(dev);
	msi_for_each_desc(desc, dev, MSI_DESC_ASSOCIATED)
		for (i = 0; i < desc->nvec_used; i++)
			meet(device, desc->irq + i, desc->msi_index + i);
	__msi_unlock_descs(dev);
}

/* Lets go of vectors, all or those that are not used; then @old are to be freed. */
static void let_go(struct dt_device *device, bool all, struct list_head *old)
{
	struct dt_vector *vector, *next;

	list_for_each_entry_safe(vector, next, &device->vectors, node) {
		if (!all && vector->used)
			continue;
		dt_vector_restore(vector);
		dt_vector_read(vector, &device->past);
		dt_vector_forget(vector, old);
	}
}

/* Takes the vectors that there are, and lets go of those that were freed. */
static void update(struct dt_device *device, struct list_head *old)
{
	struct dt_vector *vector;

	list_for_each_entry(vector, &device->vectors, node)
		vector->used = false;
	device->nr_refused = 0;
	meet_all(device);
	let_go(device, false, old);
}

/* Why none of its interrupts is delayed, or NULL. The caller holds the device's lock. */
static const char *look(struct dt_device *device, struct list_head *old)
{
	const char *obstacle = find_obstacle(device);

	if (obstacle)
		let_go(device, true, old);
	else
		update(device, old);
	if (obstacle || !list_empty(&device->vectors))
		return obstacle;
	return device->nr_refused ? "the kernel does not let its interrupts wait" :
				    "it uses no MSI vector";
}

/**
 * dt_device_sum() - the counters of all vectors, also of those that are gone
 * @device: device
 * @sum: to be filled
 *
 * Context: called back by dt_device_visit().
 */
void dt_device_sum(const struct dt_device *device, struct dt_msi_counters *sum)
{
	const struct dt_vector *vector;

	*sum = device->past;
	list_for_each_entry(vector, &device->vectors, node)
		dt_vector_read(vector, sum);
}

static bool has_posted_vector(const struct dt_device *device)
{
	const struct dt_vector *vector;

	list_for_each_entry(vector, &device->vectors, node)
		if (dt_vector_is_posted(vector))
			return true;
	return false;
}

/* Intel's remapping does not tell which interrupts it posts. */
static bool is_bypassed(const struct dt_device *device, u64 now_ns)
{
	if (has_posted_vector(device))
		return true;
	return device->is_vfio && irq_remapping_cap(IRQ_POSTING_CAP) &&
	       now_ns - device->heard_ns > SILENCE_NS;
}

static void announce(struct dt_device *device, enum dt_state state, const char *reason)
{
	if (state == device->state && reason == device->reason)
		return;
	device->state = state;
	device->reason = reason;
	dt_event_send_device(DT_EVENT_STATE, device);
}

static void judge(struct dt_device *device, const char *obstacle)
{
	struct dt_msi_counters sum;
	u64 now_ns = ktime_get_ns();
	bool polled;

	lockdep_assert_held(&dt_msi_mutex);
	dt_device_sum(device, &sum);
	if (sum.interrupts != device->seen.interrupts)
		device->heard_ns = now_ns;
	polled = dt_pace_is_polled(&device->seen, &sum);
	device->seen = sum;
	if (obstacle)
		announce(device, DT_STATE_BLOCKED, obstacle);
	else if (is_bypassed(device, now_ns))
		announce(device, DT_STATE_BYPASSED,
			 "its interrupts go straight to the guest, or there are none; avic=0 of kvm_amd or enable_apicv=0 of kvm_intel brings them here");
	else if (polled)
		announce(device, DT_STATE_POLLED,
			 "it goes on without its interrupts: it is polled, or has more to do than fits into one delay");
	else if (!device->pace.delay_ns && !device->pace.gap_ns)
		announce(device, DT_STATE_ARMED, NULL);
	else
		announce(device, DT_STATE_THROTTLING, NULL);
}

static void free_device(struct dt_device *device)
{
	pci_dev_put(device->pdev);
	kfree(device);
}

/*
 * Its vectors are let go; what waits is delivered. Without the device's lock: a
 * driver that is being unbound may hold that for as long as somebody uses it.
 */
static void retire(struct dt_device *device, enum dt_event event)
{
	LIST_HEAD(old);

	lockdep_assert_held(&dt_msi_mutex);
	let_go(device, true, &old);
	dt_vector_free_all(&old);
	device->gone = true;
	list_del(&device->node);
	dt_event_send_device(event, device);
}

/* Not while a driver is being bound or unbound, which may take for ever: at a later tick then. */
static void look_again(struct dt_device *device)
{
	const char *obstacle;
	LIST_HEAD(old);

	if (!device_trylock(&device->pdev->dev))
		return;
	obstacle = look(device, &old);
	device_unlock(&device->pdev->dev);
	judge(device, obstacle);
	dt_vector_free_all(&old);
}

static void tick(struct work_struct *work)
{
	struct dt_device *device = container_of(to_delayed_work(work), struct dt_device, tick);
	bool over = false;

	mutex_lock(&dt_msi_mutex);
	/* Who switched it off waits for this to end, and frees it. */
	if (!device->gone) {
		over = true;
		if (!device_is_registered(&device->pdev->dev))
			retire(device, DT_EVENT_EXITED);
		else if (dt_settings_is_silent(device->settings.timeout_ms, device->beat_ns))
			retire(device, DT_EVENT_TIMEOUT);
		else
			over = false;
		if (!over) {
			look_again(device);
			queue_delayed_work(dt_wq, &device->tick, msecs_to_jiffies(DT_TICK_MS));
		}
	}
	mutex_unlock(&dt_msi_mutex);
	if (over)
		free_device(device);
}

static struct dt_device *new_device(struct pci_dev *pdev)
{
	struct dt_device *device = kzalloc(sizeof(*device), GFP_KERNEL);

	if (!device)
		return NULL;
	device->pdev = pci_dev_get(pdev);
	INIT_LIST_HEAD(&device->vectors);
	INIT_DELAYED_WORK(&device->tick, tick);
	device->heard_ns = ktime_get_ns();
	return device;
}

/* In force at once. */
static void enforce(struct dt_device *device, const struct dt_msi_settings *settings)
{
	struct dt_pace pace = dt_pace_of(settings);

	device->settings = *settings;
	device->beat_ns = ktime_get_ns();
	WRITE_ONCE(device->pace.delay_ns, pace.delay_ns);
	WRITE_ONCE(device->pace.gap_ns, pace.gap_ns);
}

/* Refused if its driver is of the wrong kind; vectors may come later. */
static struct dt_device *add_device(struct pci_dev *pdev, const struct dt_msi_settings *settings,
				    struct netlink_ext_ack *extack)
{
	struct dt_device *device = new_device(pdev);
	const char *obstacle;

	if (!device)
		return ERR_PTR(-ENOMEM);
	device->settings = *settings;
	if (!device_trylock(&pdev->dev)) {
		dt_say(extack, "a driver is just being bound to it or unbound; try again");
		free_device(device);
		return ERR_PTR(-EAGAIN);
	}
	obstacle = find_obstacle(device);
	device_unlock(&pdev->dev);
	if (obstacle) {
		dt_say(extack, obstacle);
		free_device(device);
		return ERR_PTR(-EBUSY);
	}
	list_add_tail(&device->node, &devices);
	dt_event_send_device(DT_EVENT_ATTACHED, device);
	queue_delayed_work(dt_wq, &device->tick, msecs_to_jiffies(DT_TICK_MS));
	return device;
}

static int change_device(struct pci_dev *pdev,
			 void (*change)(struct dt_msi_settings *settings, const void *data),
			 const void *data, struct netlink_ext_ack *extack)
{
	struct dt_device *device = find(pci_name(pdev));
	struct dt_msi_settings settings = {};
	int err;

	/* It went, and another is in its place; the next tick sees that. */
	if (device && device->pdev != pdev) {
		dt_say(extack, "the device has just been replaced; try again");
		return -EAGAIN;
	}
	if (device)
		settings = device->settings;
	change(&settings, data);
	err = dt_msi_settings_check(&settings, extack);
	if (err)
		return err;
	if (!device)
		device = add_device(pdev, &settings, extack);
	if (IS_ERR(device))
		return PTR_ERR(device);
	enforce(device, &settings);
	look_again(device);
	return 0;
}

/**
 * dt_device_set() - delay a device's interrupts, or change how
 * @address: of the PCI function, as in sysfs
 * @change: changes its settings, of which all are 0 in the beginning
 * @data: for @change
 * @extack: for the refusal
 *
 * Context: may sleep.
 * Return: 0, -ENODEV, -EINVAL, -EBUSY when its driver forbids it, -EAGAIN,
 * -ENOMEM.
 */
int dt_device_set(const char *address,
		  void (*change)(struct dt_msi_settings *settings, const void *data),
		  const void *data, struct netlink_ext_ack *extack)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, address);
	int err;

	if (!dev) {
		dt_say(extack, "there is no such PCI device; see 'lspci -D'");
		return -ENODEV;
	}
	mutex_lock(&dt_msi_mutex);
	err = change_device(to_pci_dev(dev), change, data, extack);
	mutex_unlock(&dt_msi_mutex);
	put_device(dev);
	return err;
}

/* Retired, but not by its tick, which may be about to run. */
static void end_device(struct dt_device *device)
{
	cancel_delayed_work_sync(&device->tick);
	free_device(device);
}

/**
 * dt_device_off() - delay its interrupts no longer
 * @address: of the PCI function
 * @extack: for the refusal
 *
 * Context: may sleep. What waited is delivered on return.
 * Return: 0 or -ENOENT.
 */
int dt_device_off(const char *address, struct netlink_ext_ack *extack)
{
	struct dt_device *device;

	mutex_lock(&dt_msi_mutex);
	device = find(address);
	if (device)
		retire(device, DT_EVENT_DETACHED);
	mutex_unlock(&dt_msi_mutex);
	if (!device) {
		dt_say(extack, "its interrupts are not throttled");
		return -ENOENT;
	}
	end_device(device);
	return 0;
}

/**
 * dt_device_off_all() - at module exit
 *
 * Context: may sleep. A tick may still be about to free its device: the queue
 * of works has to be empty before the module goes.
 */
void dt_device_off_all(void)
{
	struct dt_device *device;

	for (;;) {
		mutex_lock(&dt_msi_mutex);
		device = list_first_entry_or_null(&devices, struct dt_device, node);
		if (device)
			retire(device, DT_EVENT_DETACHED);
		mutex_unlock(&dt_msi_mutex);
		if (!device)
			return;
		end_device(device);
	}
}

/**
 * dt_device_visit() - visit a device, or all
 * @address: of the PCI function, or NULL for all
 * @visit: called back; not 0 ends it
 * @data: for @visit
 *
 * Context: may sleep.
 * Return: 0, what @visit returned, or -ENOENT.
 */
int dt_device_visit(const char *address, int (*visit)(struct dt_device *device, void *data),
		    void *data)
{
	struct dt_device *device;
	int err = address ? -ENOENT : 0;

	mutex_lock(&dt_msi_mutex);
	list_for_each_entry(device, &devices, node) {
		if (address && strcmp(pci_name(device->pdev), address))
			continue;
		err = visit(device, data);
		if (err)
			break;
	}
	mutex_unlock(&dt_msi_mutex);
	return err;
}
