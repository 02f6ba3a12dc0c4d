// SPDX-License-Identifier: GPL-2.0
/*
 * A driver in user space, through VFIO, of QEMU's device "edu": it has it raise
 * an MSI and waits for the eventfd.
 *
 *	msiwait GROUP ADDRESS COUNT [ROUNDS]
 *	msiwait GROUP ADDRESS poll SECONDS
 *
 * prints how long each took, in microseconds. ROUNDS times the interrupt is set up
 * anew. With "poll" it looks at a register of the device instead of waiting, and so
 * has it raise one every tenth of a millisecond.
 * See QEMU's docs/specs/edu.rst and the kernel's Documentation/driver-api/vfio.rst.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "die.h"

#define EDU_RAISE 0x60
#define EDU_ACK 0x64
#define EDU_STATUS 0x24
#define BAR_SIZE 0x1000
/* Longer than any delay. */
#define PATIENCE_MS 2000

struct edu {
	int device;
	volatile uint32_t *bar;
	int event;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static int open_device(const char *group_name, const char *address)
{
	int container = open("/dev/vfio/vfio", O_RDWR), group, device;
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%s", group_name);
	group = open(path, O_RDWR);
	if (container < 0 || group < 0)
		die("cannot open /dev/vfio/vfio or %s", path);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU))
		die("no IOMMU for the group");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (device < 0)
		die("cannot get %s", address);
	return device;
}

static uint64_t region_offset(int device, unsigned int index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("no region %u", index);
	return info.offset;
}

/* An MSI is a write of the device's. */
static void allow_dma(int device)
{
	uint64_t config = region_offset(device, VFIO_PCI_CONFIG_REGION_INDEX);
	uint16_t command;

	if (pread(device, &command, sizeof(command), config + PCI_COMMAND) != sizeof(command))
		die("cannot read the command register");
	command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	if (pwrite(device, &command, sizeof(command), config + PCI_COMMAND) != sizeof(command))
		die("cannot write the command register");
}

/* MSI to @event, or off with -1. */
static void set_msi(int device, int event)
{
	uint32_t request[sizeof(struct vfio_irq_set) / sizeof(uint32_t) + 1];
	struct vfio_irq_set *set = (struct vfio_irq_set *)request;
	int nr = event >= 0;

	memset(request, 0, sizeof(request));
	set->argsz = sizeof(*set) + nr * sizeof(event);
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER |
		     (nr ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = VFIO_PCI_MSI_IRQ_INDEX;
	set->count = nr;
	memcpy(set->data, &event, nr * sizeof(event));
	if (ioctl(device, VFIO_DEVICE_SET_IRQS, set))
		die("cannot set up MSI");
}

static void raise_and_wait(struct edu *edu)
{
	struct pollfd wait = { .fd = edu->event, .events = POLLIN };
	uint64_t start = now_us(), count;

	edu->bar[EDU_RAISE / 4] = 1;
	if (poll(&wait, 1, PATIENCE_MS) != 1)
		die("an interrupt was lost");
	printf("%llu\n", (unsigned long long)(now_us() - start));
	if (read(edu->event, &count, sizeof(count)) != sizeof(count))
		die("cannot read the eventfd");
	if (edu->bar[EDU_STATUS / 4] != 1)
		die("the device knows of no interrupt");
	edu->bar[EDU_ACK / 4] = 1;
}

static void wait_anew(struct edu *edu, int count, int rounds)
{
	int i;

	while (rounds--) {
		set_msi(edu->device, edu->event);
		/* Who throttles it sees the new vector within a quarter of a second. */
		usleep(500000);
		for (i = 0; i < count; i++)
			raise_and_wait(edu);
		fflush(stdout);
		set_msi(edu->device, -1);
	}
}

static void poll_only(struct edu *edu, int seconds)
{
	uint64_t end = now_us() + seconds * 1000000ull;

	set_msi(edu->device, edu->event);
	while (now_us() < end) {
		edu->bar[EDU_RAISE / 4] = 1;
		while (edu->bar[EDU_STATUS / 4] != 1)
			;
		edu->bar[EDU_ACK / 4] = 1;
		usleep(100);
	}
	set_msi(edu->device, -1);
}

int main(int argc, char **argv)
{
	int last = argc > 4 ? atoi(argv[4]) : 1;
	struct edu edu;

	if (argc < 4)
		die("usage: msiwait GROUP ADDRESS COUNT [ROUNDS] | GROUP ADDRESS poll SECONDS");
	edu.device = open_device(argv[1], argv[2]);
	edu.bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, edu.device,
		       region_offset(edu.device, VFIO_PCI_BAR0_REGION_INDEX));
	edu.event = eventfd(0, 0);
	if (edu.bar == MAP_FAILED || edu.event < 0)
		die("cannot map the device");
	allow_dma(edu.device);
	if (!strcmp(argv[3], "poll"))
		poll_only(&edu, last);
	else
		wait_anew(&edu, atoi(argv[3]), last);
	return 0;
}
