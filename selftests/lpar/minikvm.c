// SPDX-License-Identifier: GPL-2.0
/*
 * minikvm: the smallest user of KVM that gate and fences can be tested with.
 *
 *	minikvm run --counters FILE --socket PATH [--vcpus N] [--mem FILE]
 *		    [--hlt [--wake-ms N]] [--no-ticks] [--flicker] [--crowd N]
 *	minikvm ctl PATH COMMAND
 *
 * Each vCPU is a real-mode loop that increments a 64-bit counter of its own in
 * the shared page (see minikvm.h) and a 32-bit one in the guest's RAM, which is
 * the file --mem, such as /dev/lpar/NAME, or a memfd. A spinning vCPU never
 * leaves KVM_RUN by itself: only a signal takes it out, and it enters again.
 * With --hlt each turn waits in HLT for an NMI, from "wake" or each N ms. A thread
 * beside the vCPUs ticks each millisecond, but with --no-ticks. With --flicker the vCPUs
 * call KVM_RUN on a descriptor that another thread opens and closes all the time. With --crowd
 * so many further threads call it on the first vCPU, and wait in it for their turn.
 *
 * Commands: kick (a signal to each vCPU thread), pause (all leave KVM_RUN and
 * sleep in a futex), resume, addcpu, wake, ram (sum of the counters in RAM),
 * pids (thread ids of the vCPUs), quit.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "commands.h"
#include "die.h"
#include "minikvm.h"

/* The guest's physical memory. */
#define CODE_GPA 0x1000
#define NMI_GPA 0x1100
#define STACK_GPA 0x4000       /* 256 bytes for each vCPU */
#define RAM_COUNTER_GPA 0x8000 /* 64 bytes for each vCPU */
#define RAM_BYTES (2UL << 20)
#define SHARED_GPA 0x10000000

#define NMI_VECTOR_GPA (2 * 4) /* real mode: offset, segment */
#define MSI_NMI (4 << 8)

/* From here on, where nobody who opens a file gets one that is closed just now. */
#define FLICKER_FD 200

#define CROWD_STACK_BYTES (64 << 10)

struct vcpu {
	pthread_t thread;
	pid_t tid;
	unsigned int index;
	int fd;
	int run_fd; /* the same, or one that flickers */
	struct kvm_run *run;
};

static struct {
	int kvm_fd;
	int vm_fd;
	size_t run_bytes;
	bool hlt;
	bool flicker;
	unsigned int wake_ms;
	uint8_t *ram;
	struct minikvm_shared *shared;
	struct vcpu vcpus[MINIKVM_VCPUS_MAX];
	unsigned int nr_vcpus;

	pthread_mutex_t lock; /* guards "pause" */
	pthread_cond_t resume;
	bool pause;
} vm = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.resume = PTHREAD_COND_INITIALIZER,
};

static __thread struct vcpu *this_vcpu;

/* As QEMU does: immediate_exit catches a signal that comes just before KVM_RUN. */
static void on_kick(int signal)
{
	(void)signal;
	if (this_vcpu)
		this_vcpu->run->immediate_exit = 1;
}

static void load_guest(void)
{
	static const uint8_t hlt[] = { 0xf4 };
	static const uint8_t count[] = {
		0x66, 0x83, 0x06, 0x00, 0x00, 0x01, /* add dword [0], 1 */
		0x66, 0x83, 0x16, 0x04, 0x00, 0x00, /* adc dword [4], 0 */
		0x26, 0x66, 0xff, 0x06, 0x00, 0x00, /* inc dword es:[0] */
	};
	static const uint8_t nmi_vector[] = { NMI_GPA & 0xff, NMI_GPA >> 8, 0, 0 };
	static const uint8_t iret[] = { 0xcf };
	uint8_t *code = vm.ram + CODE_GPA;
	size_t bytes = 0;

	if (vm.hlt) {
		memcpy(code, hlt, sizeof(hlt));
		bytes += sizeof(hlt);
	}
	memcpy(code + bytes, count, sizeof(count));
	bytes += sizeof(count);
	code[bytes] = 0xeb; /* jmp to the start */
	code[bytes + 1] = -(int)(bytes + 2);
	memcpy(vm.ram + NMI_VECTOR_GPA, nmi_vector, sizeof(nmi_vector));
	memcpy(vm.ram + NMI_GPA, iret, sizeof(iret));
}

static void *map_file(const char *path, int flags, size_t bytes)
{
	int fd = path ? open(path, O_RDWR | flags, 0600) : memfd_create("minikvm", 0);
	void *memory;

	if (fd < 0)
		die("open %s", path ? path : "memfd");
	if ((!path || flags) && ftruncate(fd, bytes))
		die("ftruncate %s", path ? path : "memfd");
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die("mmap %s", path ? path : "memfd");
	close(fd);
	return memory;
}

static void add_slot(unsigned int slot, uint64_t gpa, void *memory, size_t bytes)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)memory,
	};

	if (ioctl(vm.vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		die("memory slot %u", slot);
}

static void create_vm(const char *mem, const char *counters)
{
	vm.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.kvm_fd < 0)
		die("open /dev/kvm");
	vm.vm_fd = ioctl(vm.kvm_fd, KVM_CREATE_VM, 0);
	if (vm.vm_fd < 0)
		die("create a VM");
	/* Intel needs the address, AMD ignores it. */
	ioctl(vm.vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000);
	/* Only with an irqchip in the kernel a halted vCPU waits within KVM_RUN. */
	if (vm.hlt && ioctl(vm.vm_fd, KVM_CREATE_IRQCHIP))
		die("create an irqchip");
	vm.run_bytes = ioctl(vm.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm.ram = map_file(mem, 0, RAM_BYTES);
	vm.shared = map_file(counters, O_CREAT | O_TRUNC, sizeof(*vm.shared));
	add_slot(0, 0, vm.ram, RAM_BYTES);
	add_slot(1, SHARED_GPA, vm.shared, sizeof(*vm.shared));
	load_guest();
}

/* A new vCPU gets interrupts only after its APIC was written: that is when KVM looks. */
static void enable_interrupts(struct vcpu *vcpu)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_lapic_state lapic;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic) || ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic) ||
	    ioctl(vcpu->fd, KVM_SET_MP_STATE, &runnable))
		die("make vCPU %u runnable", vcpu->index);
}

static void set_registers(struct vcpu *vcpu)
{
	struct kvm_regs regs = {
		.rip = CODE_GPA,
		.rsp = STACK_GPA + 256 * (vcpu->index + 1),
		.rflags = 2,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		die("get segment registers");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.ds.base = SHARED_GPA +
			((uint8_t *)&vm.shared->vcpu[vcpu->index].guest - (uint8_t *)vm.shared);
	sregs.es.base = RAM_COUNTER_GPA + 64 * vcpu->index;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		die("set registers");
}

static void create_vcpu(struct vcpu *vcpu)
{
	vcpu->tid = gettid();
	vcpu->fd = ioctl(vm.vm_fd, KVM_CREATE_VCPU, vcpu->index);
	if (vcpu->fd < 0)
		die("create vCPU %u", vcpu->index);
	vcpu->run = mmap(NULL, vm.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("map vCPU %u", vcpu->index);
	vcpu->run_fd = vm.flicker ? fcntl(vcpu->fd, F_DUPFD, FLICKER_FD) : vcpu->fd;
	if (vcpu->run_fd < 0)
		die("dup of vCPU %u", vcpu->index);
	set_registers(vcpu);
	if (vm.hlt)
		enable_interrupts(vcpu);
}

static void wait_while_paused(struct minikvm_vcpu *seen)
{
	pthread_mutex_lock(&vm.lock);
	while (vm.pause) {
		seen->paused = 1;
		pthread_cond_wait(&vm.resume, &vm.lock);
	}
	seen->paused = 0;
	pthread_mutex_unlock(&vm.lock);
}

static void *vcpu_main(void *argument)
{
	struct vcpu *vcpu = argument;
	struct minikvm_vcpu *seen = &vm.shared->vcpu[vcpu->index];
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	pthread_setname_np(pthread_self(), name);
	create_vcpu(vcpu);
	__atomic_store_n(&this_vcpu, vcpu, __ATOMIC_SEQ_CST);
	vm.shared->nr_vcpus++;
	for (;;) {
		wait_while_paused(seen);
		seen->entries++;
		if (!ioctl(vcpu->run_fd, KVM_RUN, 0))
			die("vCPU %u left with exit reason %u", vcpu->index,
			    vcpu->run->exit_reason);
		if (vm.flicker && errno == EBADF)
			continue;
		if (errno != EINTR)
			die("vCPU %u: KVM_RUN", vcpu->index);
		seen->eintr++;
		vcpu->run->immediate_exit = 0;
	}
	return NULL;
}

/* Returns when the new vCPU is about to enter KVM_RUN. */
static void add_vcpu(void)
{
	struct vcpu *vcpu = &vm.vcpus[vm.nr_vcpus];
	uint64_t nr_before = vm.shared->nr_vcpus;

	if (vm.nr_vcpus == MINIKVM_VCPUS_MAX) {
		errno = ENOSPC;
		die("add a vCPU");
	}
	vcpu->index = vm.nr_vcpus++;
	errno = pthread_create(&vcpu->thread, NULL, vcpu_main, vcpu);
	if (errno)
		die("create the thread of vCPU %u", vcpu->index);
	while (vm.shared->nr_vcpus == nr_before)
		usleep(100);
}

static void wake_all(void)
{
	for (unsigned int i = 0; i < vm.nr_vcpus; i++) {
		struct kvm_msi nmi = {
			.address_lo = 0xfee00000 | i << 12,
			.data = MSI_NMI,
		};

		if (ioctl(vm.vm_fd, KVM_SIGNAL_MSI, &nmi) < 0)
			die("NMI to vCPU %u", i);
	}
}

static void kick_all(void)
{
	for (unsigned int i = 0; i < vm.nr_vcpus; i++)
		pthread_kill(vm.vcpus[i].thread, SIGUSR1);
}

static void pause_all(void)
{
	pthread_mutex_lock(&vm.lock);
	vm.pause = true;
	pthread_mutex_unlock(&vm.lock);
	kick_all();
	for (unsigned int i = 0; i < vm.nr_vcpus; i++)
		while (!vm.shared->vcpu[i].paused)
			usleep(100);
}

static void resume_all(void)
{
	pthread_mutex_lock(&vm.lock);
	vm.pause = false;
	pthread_cond_broadcast(&vm.resume);
	pthread_mutex_unlock(&vm.lock);
}

/* A thread of the member that is no vCPU: the gate must never hold it. */
static void *ticker_main(void *unused)
{
	unsigned int ms = 0;

	(void)unused;
	for (;;) {
		usleep(1000);
		vm.shared->ticks++;
		if (vm.wake_ms && ++ms % vm.wake_ms == 0)
			wake_all();
	}
	return NULL;
}

static void *flicker_main(void *unused)
{
	(void)unused;
	for (;;) {
		for (unsigned int i = 0; i < vm.nr_vcpus; i++) {
			struct vcpu *vcpu = &vm.vcpus[i];

			close(vcpu->run_fd);
			if (dup2(vcpu->fd, vcpu->run_fd) < 0)
				die("dup2 of vCPU %u", i);
		}
	}
	return NULL;
}

/* Whoever has the turn spins, and begins anew when something takes it out. */
static void *crowd_main(void *unused)
{
	(void)unused;
	for (;;)
		ioctl(vm.vcpus[0].fd, KVM_RUN, 0);
	return NULL;
}

static void gather_crowd(unsigned int threads)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, CROWD_STACK_BYTES);
	while (threads--) {
		errno = pthread_create(&thread, &small, crowd_main, NULL);
		if (errno)
			die("create a thread of the crowd");
	}
}

static void print_ram(FILE *reply)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < vm.nr_vcpus; i++)
		sum += *(volatile uint32_t *)(vm.ram + RAM_COUNTER_GPA + 64 * i);
	fprintf(reply, "%llu\n", (unsigned long long)sum);
}

static void print_pids(FILE *reply)
{
	for (unsigned int i = 0; i < vm.nr_vcpus; i++)
		fprintf(reply, "%s%d", i ? " " : "", vm.vcpus[i].tid);
	fputc('\n', reply);
}

static void do_command(const char *command, FILE *reply)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} acts[] = {
		{ "kick", kick_all },	{ "pause", pause_all }, { "resume", resume_all },
		{ "addcpu", add_vcpu }, { "wake", wake_all },
	};

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strcmp(command, acts[i].name))
			continue;
		acts[i].act();
		fputs("ok\n", reply);
		return;
	}
	if (!strcmp(command, "ram"))
		print_ram(reply);
	else if (!strcmp(command, "pids"))
		print_pids(reply);
	else if (!strcmp(command, "quit"))
		exit(0);
	else
		fprintf(reply, "unknown command %s\n", command);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "vcpus", required_argument, NULL, 'n' },
		{ "mem", required_argument, NULL, 'm' },
		{ "counters", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "hlt", no_argument, NULL, 'h' },
		{ "wake-ms", required_argument, NULL, 'w' },
		{ "no-ticks", no_argument, NULL, 't' },
		{ "flicker", no_argument, NULL, 'f' },
		{ "crowd", required_argument, NULL, 'r' },
		{},
	};
	const char *mem = NULL, *counters = NULL, *socket_path = NULL;
	struct sigaction kick = { .sa_handler = on_kick }; /* without SA_RESTART */
	unsigned int nr_vcpus = 1, crowd = 0;
	bool ticks = true;
	pthread_t ticker, flicker;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			nr_vcpus = atoi(optarg);
			break;
		case 'm':
			mem = optarg;
			break;
		case 'c':
			counters = optarg;
			break;
		case 's':
			socket_path = optarg;
			break;
		case 'h':
			vm.hlt = true;
			break;
		case 'w':
			vm.wake_ms = atoi(optarg);
			break;
		case 't':
			ticks = false;
			break;
		case 'f':
			vm.flicker = true;
			break;
		case 'r':
			crowd = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (!counters || !socket_path) {
		fputs("minikvm: run needs --counters and --socket\n", stderr);
		return 2;
	}
	sigaction(SIGUSR1, &kick, NULL);
	signal(SIGPIPE, SIG_IGN);
	create_vm(mem, counters);
	for (unsigned int i = 0; i < nr_vcpus; i++)
		add_vcpu();
	if (ticks && pthread_create(&ticker, NULL, ticker_main, NULL))
		die("create the ticker");
	if (vm.flicker && pthread_create(&flicker, NULL, flicker_main, NULL))
		die("create what flickers");
	gather_crowd(crowd);
	serve_commands(socket_path, do_command);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "ctl"))
		return send_command(argv[2], argv[3]);
	if (argc > 1 && !strcmp(argv[1], "run"))
		return run(argc - 1, argv + 1);
	fputs("usage: minikvm run --counters FILE --socket PATH [--vcpus N] [--mem FILE]\n"
	      "                   [--hlt [--wake-ms N]] [--no-ticks] [--flicker]\n"
	      "                   [--crowd N]\n"
	      "       minikvm ctl PATH kick|pause|resume|addcpu|wake|ram|pids|quit\n",
	      stderr);
	return 2;
}
