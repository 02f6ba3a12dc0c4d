// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/lpar/NAME: the memory of an LPAR as a character device, for QEMU's
 * memory-backend-file with share=on.
 *
 * The node exists as long as the LPAR, and is refused with ENXIO while the
 * LPAR is not active: were the node missing, QEMU would quietly create a
 * regular file in its place (system/physmem.c).
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include "lpar.h"

/**
 * struct lpar_memdev - the device node of an LPAR's memory
 * @dev: child of the LPAR's class device
 * @cdev: its operations; lives as long as @dev or an open file
 * @lpar: holds a reference
 */
struct lpar_memdev {
	struct device dev;
	struct cdev cdev;
	struct lpar *lpar;
};

static dev_t first_dev;
/*
 * A node may have been copied, into a container say, and the copy not go with it: a number comes
 * back last, or the copy would be another LPAR's, or another owner's.
 */
static DEFINE_XARRAY_ALLOC(minors);
static u32 next_minor;

static vm_fault_t memdev_fault(struct vm_fault *vmf)
{
	const struct vm_area_struct *vma = vmf->vma;

#ifdef CONFIG_PER_VMA_LOCK
	/* lpar_grant_settle() waits for who holds mmap_lock, and for nobody else. */
	if (WARN_ON_ONCE(vmf->flags & FAULT_FLAG_VMA_LOCK))
		return VM_FAULT_SIGBUS;
#endif
	/*
	 * finish_fault() maps a folio of PMD size by one PMD where it can. A page with
	 * a hardware error is refused by the kernel: SIGBUS with its address.
	 */
	vmf->page = lpar_memory_page(vma->vm_file->private_data, vma->vm_private_data, vma->vm_mm,
				     vmf->pgoff);
	return vmf->page ? 0 : VM_FAULT_SIGBUS;
}

/*
 * A mapping is split or moved, or left to a child. That can have no faults in it, and must not
 * have what is mapped either: fork copies page tables if there are, say, guard pages.
 */
static void memdev_vm_open(struct vm_area_struct *vma)
{
	if (lpar_memory_is_heir(vma->vm_file->private_data, vma->vm_private_data, vma->vm_mm))
		vm_flags_set(vma, VM_WIPEONFORK);
	lpar_grant_ref(vma->vm_private_data);
}

static void memdev_vm_close(struct vm_area_struct *vma)
{
	lpar_grant_put(vma->vm_private_data);
}

#ifdef CONFIG_NUMA
/*
 * NUMA balancing takes mappings away to see from which node they are used, and cannot
 * migrate these pages: a guest would take the faults for nothing. Only a policy
 * without MPOL_F_MOF keeps it off, as NULL stands for that of the task.
 */
static struct mempolicy in_place = {
	.refcnt = ATOMIC_INIT(1),
	.mode = MPOL_LOCAL,
};

static struct mempolicy *memdev_policy(GET_POLICY_PROTO)
{
	return &in_place;
}
#endif

static const struct vm_operations_struct memdev_vm_ops = {
	.open = memdev_vm_open,
	.close = memdev_vm_close,
	.fault = memdev_fault,
#ifdef CONFIG_NUMA
	.get_policy = memdev_policy,
#endif
};

static int memdev_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct lpar_hold *hold = file->private_data;
	const struct lpar_memory *memory = lpar_memory_of(hold);
	struct lpar_grant *grant;
	u64 end = ((u64)vma->vm_pgoff << PAGE_SHIFT) + (vma->vm_end - vma->vm_start);

	/* A private mapping would copy guest memory elsewhere on write. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (end > lpar_memory_size(memory))
		return -EINVAL;
	/* The descriptor may have been passed to another process. */
	if (!lpar_memory_may_map(hold, &grant))
		return -EBUSY;
	/* A child has no part in its parent's guest, a core dump neither. */
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = grant;
	vma->vm_ops = &memdev_vm_ops;
	return 0;
}

static loff_t memdev_llseek(struct file *file, loff_t offset, int whence)
{
	const struct lpar_memory *memory = lpar_memory_of(file->private_data);

	return fixed_size_llseek(file, offset, whence, lpar_memory_size(memory));
}

static int memdev_open(struct inode *inode, struct file *file)
{
	struct lpar_memdev *memdev = container_of(inode->i_cdev, struct lpar_memdev, cdev);
	struct lpar *lpar = memdev->lpar;
	struct lpar_memory *memory;
	struct lpar_hold *hold;

	mutex_lock(&lpar_mutex);
	/* A copy of a former owner's node finds its device as long as a file of that is open. */
	memory = READ_ONCE(lpar->memdev) == memdev ? lpar->memory : NULL;
	if (memory)
		lpar_memory_ref(memory);
	mutex_unlock(&lpar_mutex);
	if (!memory)
		return -ENXIO;
	hold = lpar_memory_hold(memory, !(file->f_flags & O_NONBLOCK));
	if (IS_ERR(hold)) {
		lpar_memory_put(memory);
		return PTR_ERR(hold);
	}
	file->f_mapping = lpar_memory_mapping(memory);
	file->private_data = hold;
	return 0;
}

static int memdev_release(struct inode *inode, struct file *file)
{
	struct lpar_hold *hold = file->private_data;
	struct lpar_memory *memory = lpar_memory_of(hold);

	lpar_memory_release(hold);
	lpar_memory_put(memory);
	return 0;
}

static const struct file_operations memdev_fops = {
	.owner = THIS_MODULE,
	.open = memdev_open,
	.release = memdev_release,
	.mmap = memdev_mmap,
	.llseek = memdev_llseek,
	.get_unmapped_area = thp_get_unmapped_area,
};

static struct lpar_memdev *to_memdev(const struct device *dev)
{
	return container_of(dev, struct lpar_memdev, dev);
}

static char *memdev_devnode(const struct device *dev, umode_t *mode, kuid_t *uid, kgid_t *gid)
{
	const struct lpar *lpar = to_memdev(dev)->lpar;

	if (mode)
		*mode = 0600;
	if (uid)
		*uid = lpar->config.uid;
	if (gid)
		*gid = lpar->config.gid;
	return kasprintf(GFP_KERNEL, "lpar/%s", lpar->name);
}

static const struct device_type memdev_type = {
	.name = "lpar_memory",
	.devnode = device_type_devnode(memdev_devnode),
};

static void memdev_free(struct device *dev)
{
	struct lpar_memdev *memdev = to_memdev(dev);

	xa_erase(&minors, MINOR(dev->devt));
	lpar_put(memdev->lpar);
	kfree(memdev);
}

/**
 * lpar_memdev_add() - make /dev/lpar/NAME, with the owner of the configuration
 * @lpar: LPAR that has its class device
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int lpar_memdev_add(struct lpar *lpar)
{
	struct lpar_memdev *memdev = kzalloc(sizeof(*memdev), GFP_KERNEL);
	u32 minor;
	int err;

	if (!memdev)
		return -ENOMEM;
	err = xa_alloc_cyclic(&minors, &minor, memdev, XA_LIMIT(0, MINORMASK), &next_minor,
			      GFP_KERNEL);
	if (err < 0) {
		kfree(memdev);
		return err;
	}
	device_initialize(&memdev->dev);
	lpar_ref(lpar);
	memdev->lpar = lpar;
	memdev->dev.devt = MKDEV(MAJOR(first_dev), minor);
	memdev->dev.parent = lpar->dev;
	memdev->dev.type = &memdev_type;
	memdev->dev.release = memdev_free;
	cdev_init(&memdev->cdev, &memdev_fops);
	memdev->cdev.owner = THIS_MODULE;
	err = dev_set_name(&memdev->dev, "mem");
	err = err ?: cdev_device_add(&memdev->cdev, &memdev->dev);
	if (err) {
		put_device(&memdev->dev);
		return err;
	}
	WRITE_ONCE(lpar->memdev, memdev);
	return 0;
}

/**
 * lpar_memdev_ensure() - make it, if it could not be made when its owner was changed
 * @lpar: LPAR
 *
 * Context: may sleep; lpar->op is held.
 * Return: 0 or a negative errno.
 */
int lpar_memdev_ensure(struct lpar *lpar)
{
	lockdep_assert_held(&lpar->op);
	return lpar->memdev ? 0 : lpar_memdev_add(lpar);
}

/**
 * lpar_memdev_del() - remove it
 * @lpar: LPAR that is not active
 *
 * A file that is still open keeps what it needs.
 *
 * Context: may sleep.
 */
void lpar_memdev_del(struct lpar *lpar)
{
	struct lpar_memdev *memdev = lpar->memdev;

	if (!memdev)
		return;
	WRITE_ONCE(lpar->memdev, NULL);
	cdev_device_del(&memdev->cdev, &memdev->dev);
	put_device(&memdev->dev);
}

/**
 * lpar_memdev_init() - reserve device numbers
 *
 * Return: 0 or a negative errno.
 */
int lpar_memdev_init(void)
{
	/* Copies of nodes may be older than the module. */
	next_minor = get_random_u32() & MINORMASK;
	return alloc_chrdev_region(&first_dev, 0, MINORMASK + 1, "lpar");
}

/**
 * lpar_memdev_exit() - give them back
 */
void lpar_memdev_exit(void)
{
	unregister_chrdev_region(first_dev, MINORMASK + 1);
}
