// SPDX-License-Identifier: GPL-2.0
/*
 * dirtyguest: a guest that dirties its memory, and the dirty log as a witness.
 *
 *	dirtyguest run --socket PATH [--vcpus N] [--readers N] [--pattern PATTERN]
 *		       [--mib N] [--mem FILE] [--round-ms N] [--irqchip] [--ring]
 *	dirtyguest ctl PATH COMMAND
 *
 * Each vCPU writes one word in a page after another: its own part of the memory
 * in sequence (seq, and burst, which stands still for 200 ms after each 64
 * pages), pages of all memory at random, or most of them in a hot spot of a
 * sixteenth of it. Readers read all of it in sequence. Each round takes
 * KVM's dirty log of the memory, counts it, and so protects the pages anew.
 *
 * With --ring there is a dirty ring in the place of the log, of which nothing is
 * taken, and KVM tells each vCPU the time stolen from it, in the first of its pages.
 *
 * Commands: log-on, log-off; stop (all vCPUs have left the guest when it
 * returns), go; count (time in ns, pages ever found in the log, turns of each
 * vCPU); kick (a signal to each vCPU; the ns until all have left KVM_RUN);
 * interrupt (each vCPU, one after another, with --irqchip; the most ns that it took
 * one to handle it); storm (interrupts for all from now on); tids; quit. Vcpus stand
 * until the first go.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "die.h"

#define VCPUS_MAX 16
#define PAGE 4096UL

/* The guest's physical memory: code and blocks are in a slot that is never logged. */
#define CODE_GPA 0x1000
#define BLOCKS_GPA 0x2000
#define GDT_GPA 0x3000
#define IDT_GPA 0x3100
#define STACKS_GPA 0x4000
#define STACK_BYTES 256
#define LOW_BYTES 0x5000
#define MEM_GPA 0x1000000
#define HLT 0xf4
#define LOST_MAX 3

/* Of the interrupts that a guest gets. */
#define VECTOR 0x40
#define CODE_SELECTOR 8
#define INTERRUPT_PAUSE_US 100000
#define STORM_PAUSE_US 5000
#define INTERRUPT_LATE_NS 10000000000ULL

/* As large as KVM has it: nobody takes pages out of it. */
#define RING_BYTES (65536 * sizeof(struct kvm_dirty_gfn))
#define MSR_STEAL_TIME 0x4b564d03

#define BURST_PAGES 64
#define BURST_PAUSE_MS 200

enum pattern { SEQ, READ, RANDOM, HOT, BURST };

/* What a vCPU does; its address is in %ebp. The guest's code knows the offsets. */
struct block {
	uint32_t first_page;
	uint32_t pages;
	uint32_t pattern;
	uint32_t state;
	volatile uint32_t stop;
	uint32_t burst; /* pages between two pauses; 0 = no pauses */
	uint32_t pause_cycles;
	uint32_t burst_left;
	volatile uint64_t turns;
	volatile uint32_t interrupts;
	uint32_t reserved[5];
};

_Static_assert(sizeof(struct block) == 64, "a cache line each");

/* clang-format off */
__asm__(
	".pushsection .rodata\n"
	".code32\n"
	".globl guest_code, guest_code_end\n"
	"guest_code:\n"
	"	cmpl $0, 16(%ebp)\n"		/* stop? */
	"	jne 8f\n"
	"	mov 12(%ebp), %eax\n"
	"	cmpl $2, 8(%ebp)\n"		/* RANDOM, HOT */
	"	jae 2f\n"
	"	inc %eax\n"
	"	cmp 4(%ebp), %eax\n"
	"	jb 1f\n"
	"	xor %eax, %eax\n"
	"1:	mov %eax, 12(%ebp)\n"
	"	jmp 4f\n"
	"2:	imul $1664525, %eax\n"
	"	add $1013904223, %eax\n"
	"	mov %eax, 12(%ebp)\n"
	"	mov 4(%ebp), %ecx\n"
	"	cmpl $3, 8(%ebp)\n"		/* HOT: one in eight goes anywhere */
	"	jne 3f\n"
	"	test $0x700, %eax\n"
	"	jz 3f\n"
	"	shr $4, %ecx\n"
	"3:	mul %ecx\n"
	"	mov %edx, %eax\n"
	"4:	add 0(%ebp), %eax\n"
	"	shl $12, %eax\n"
	"	cmpl $1, 8(%ebp)\n"		/* READ */
	"	je 5f\n"
	"	mov %eax, (%eax)\n"
	"	jmp 6f\n"
	"5:	mov (%eax), %ecx\n"
	"6:	addl $1, 32(%ebp)\n"
	"	adcl $0, 36(%ebp)\n"
	"	cmpl $0, 20(%ebp)\n"
	"	je guest_code\n"
	"	decl 28(%ebp)\n"
	"	jnz guest_code\n"
	"	mov 20(%ebp), %eax\n"
	"	mov %eax, 28(%ebp)\n"
	"	rdtsc\n"
	"	mov %eax, %esi\n"
	"7:	pause\n"
	"	cmpl $0, 16(%ebp)\n"
	"	jne 8f\n"
	"	rdtsc\n"
	"	sub %esi, %eax\n"
	"	cmp 24(%ebp), %eax\n"
	"	jb 7b\n"
	"	jmp guest_code\n"
	"8:	out %al, $0x10\n"
	"	jmp guest_code\n"
	".globl guest_interrupt\n"
	"guest_interrupt:\n"
	"	addl $1, 40(%ebp)\n"
	"	movl $0, 0xfee000b0\n"		/* end of interrupt */
	"	iret\n"
	"guest_code_end:\n"
	".code64\n"
	".popsection\n");
/* clang-format on */

extern const uint8_t guest_code[], guest_interrupt[], guest_code_end[];

struct vcpu {
	pthread_t thread;
	pid_t tid;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	volatile unsigned int left; /* how often it came out of KVM_RUN */
	unsigned int lost;	    /* and how often where no exit was asked for */
};

static struct {
	int kvm_fd;
	int vm_fd;
	size_t run_bytes;
	uint8_t *low;
	uint8_t *mem;
	size_t mem_bytes;
	struct block *blocks;
	enum pattern pattern;
	struct vcpu vcpus[VCPUS_MAX];
	unsigned int nr_vcpus;
	unsigned int nr_readers;
	unsigned int round_ms;
	bool irqchip;
	bool ring;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	bool going;
	unsigned int nr_standing;
	bool logging;
	uint64_t *bitmap;
	uint64_t logged_pages;
} vm = {
	.nr_vcpus = 1,
	.mem_bytes = 64UL << 20,
	.round_ms = 100,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

static __thread struct vcpu *this_vcpu;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* As QEMU does: immediate_exit catches a signal that comes just before KVM_RUN. */
static void on_kick(int signal)
{
	(void)signal;
	if (this_vcpu)
		this_vcpu->run->immediate_exit = 1;
}

/* --- the VM --- */

static void set_slot(unsigned int slot, uint64_t gpa, void *memory, size_t bytes, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)memory,
	};

	if (ioctl(vm.vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		die("memory slot %u", slot);
}

static uint8_t *map(const char *path, size_t bytes)
{
	int fd = path ? open(path, O_RDWR) : -1;
	void *memory;

	if (path && fd < 0)
		die("open %s", path);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	if (fd >= 0)
		close(fd);
	/*
	 * What khugepaged puts together is unmapped, and who reads it next dirties
	 * it: pages that no limit covers.
	 */
	if (!path && madvise(memory, bytes, MADV_NOHUGEPAGE))
		die("madvise");
	/* So that the first write of the guest is no matter of the host's memory. */
	memset(memory, 1, bytes);
	return memory;
}

static void set_logging(bool on)
{
	pthread_mutex_lock(&vm.lock);
	vm.logging = on;
	set_slot(1, MEM_GPA, vm.mem, vm.mem_bytes, on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
	pthread_mutex_unlock(&vm.lock);
}

/* Flat code, and one interrupt. */
static void fill_tables(void)
{
	const uint64_t code = 0x00cf9b000000ffffULL;
	uint32_t handler = CODE_GPA + (guest_interrupt - guest_code);
	uint64_t gate = (handler & 0xffff) | CODE_SELECTOR << 16 | 0x8e0000000000ULL |
			(uint64_t)(handler >> 16) << 48;

	memcpy(vm.low + GDT_GPA + CODE_SELECTOR, &code, sizeof(code));
	memcpy(vm.low + IDT_GPA + VECTOR * sizeof(gate), &gate, sizeof(gate));
}

static void enable_ring(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { RING_BYTES } };

	if (ioctl(vm.vm_fd, KVM_ENABLE_CAP, &cap))
		die("enable the dirty ring");
}

static void create_vm(const char *mem)
{
	vm.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.kvm_fd < 0)
		die("open /dev/kvm");
	vm.vm_fd = ioctl(vm.kvm_fd, KVM_CREATE_VM, 0);
	if (vm.vm_fd < 0)
		die("create a VM");
	/* Intel needs the address, AMD ignores it. */
	ioctl(vm.vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000);
	if (vm.irqchip && ioctl(vm.vm_fd, KVM_CREATE_IRQCHIP, 0))
		die("create the interrupt controllers");
	if (vm.ring)
		enable_ring();
	vm.run_bytes = ioctl(vm.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm.low = map(NULL, LOW_BYTES);
	vm.mem = map(mem, vm.mem_bytes);
	vm.bitmap = calloc(vm.mem_bytes / PAGE / 64, sizeof(*vm.bitmap));
	set_slot(0, 0, vm.low, LOW_BYTES, 0);
	set_slot(1, MEM_GPA, vm.mem, vm.mem_bytes, 0);
	memset(vm.low, HLT, BLOCKS_GPA);
	memcpy(vm.low + CODE_GPA, guest_code, guest_code_end - guest_code);
	fill_tables();
	vm.blocks = (struct block *)(vm.low + BLOCKS_GPA);
	memset(vm.blocks, 0, PAGE);
}

/* --- vCPUs --- */

static void fill_block(const struct vcpu *vcpu)
{
	struct block *block = &vm.blocks[vcpu->index];
	uint32_t pages = vm.mem_bytes / PAGE;
	unsigned int writers = vm.nr_vcpus - vm.nr_readers;
	bool reads = vcpu->index >= writers;
	bool apart = !reads && (vm.pattern == SEQ || vm.pattern == BURST);

	block->pattern = reads ? READ : vm.pattern == BURST ? SEQ : vm.pattern;
	block->pages = apart ? pages / writers : pages;
	block->first_page = MEM_GPA / PAGE + (apart ? vcpu->index * block->pages : 0);
	block->state = reads || apart ? 0 : 12345 * (vcpu->index + 1);
	block->stop = 1;
	if (vm.pattern == BURST && !reads) {
		block->burst = BURST_PAGES;
		block->burst_left = BURST_PAGES;
		block->pause_cycles = BURST_PAUSE_MS * ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	}
}

/* 32 bits, flat, without paging. */
static void set_registers(const struct vcpu *vcpu)
{
	struct kvm_segment segment = {
		.limit = 0xffffffff,
		.selector = 8,
		.type = 3, /* data, written and accessed */
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_regs regs = {
		.rip = CODE_GPA,
		.rbp = BLOCKS_GPA + vcpu->index * sizeof(struct block),
		.rsp = STACKS_GPA + (vcpu->index + 1) * STACK_BYTES,
		.rflags = 2 | (vm.irqchip ? 0x200 : 0),
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		die("get segment registers");
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment;
	segment.type = 11; /* code, read and accessed */
	sregs.cs = segment;
	sregs.gdt = (struct kvm_dtable){ .base = GDT_GPA, .limit = 15 };
	sregs.idt = (struct kvm_dtable){ .base = IDT_GPA, .limit = (VECTOR + 1) * 8 - 1 };
	sregs.cr0 |= 1;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		die("set registers");
}

/* KVM writes there each time that the vCPU was scheduled. */
static void enable_steal_time(const struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1 };

	msrs.entry.index = MSR_STEAL_TIME;
	msrs.entry.data = (vm.blocks[vcpu->index].first_page * (uint64_t)PAGE) | 1;
	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) != 1)
		die("set the place of stolen time");
}

/* Without a BIOS to do it: all run, and their interrupt controllers are on. */
static void enable_interrupts(const struct vcpu *vcpu)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_lapic_state lapic;
	uint32_t spurious = 0x1ff;

	if (ioctl(vcpu->fd, KVM_SET_MP_STATE, &state) || ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic))
		die("get the interrupt controller");
	memcpy(lapic.regs + 0xf0, &spurious, sizeof(spurious));
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic))
		die("set the interrupt controller");
}

/* Until the next go. */
static void stand(void)
{
	pthread_mutex_lock(&vm.lock);
	vm.nr_standing++;
	pthread_cond_broadcast(&vm.changed);
	while (!vm.going)
		pthread_cond_wait(&vm.changed, &vm.lock);
	vm.nr_standing--;
	pthread_mutex_unlock(&vm.lock);
}

/*
 * QEMU's emulation of SVM loses the rip of a guest now and then, with and without a
 * throttle; it mostly comes down on a hlt then. All that a vCPU has to know is in its block.
 */
static void start_over(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	if (++vcpu->lost > LOST_MAX)
		die("vCPU %u left with exit reason %u", vcpu->index, vcpu->run->exit_reason);
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		die("get registers");
	fprintf(stderr, "dirtyguest: vCPU %u was lost at %#llx, exit reason %u, and starts over\n",
		vcpu->index, regs.rip, vcpu->run->exit_reason);
	set_registers(vcpu);
}

static void run_once(struct vcpu *vcpu)
{
	int ret = ioctl(vcpu->fd, KVM_RUN, 0);

	vcpu->left++;
	if (!ret && vcpu->run->exit_reason == KVM_EXIT_IO)
		stand();
	else if (!ret)
		start_over(vcpu);
	else if (errno != EINTR)
		die("vCPU %u: KVM_RUN", vcpu->index);
	else
		vcpu->run->immediate_exit = 0;
}

static void *vcpu_main(void *argument)
{
	struct vcpu *vcpu = argument;

	vcpu->tid = gettid();
	vcpu->fd = ioctl(vm.vm_fd, KVM_CREATE_VCPU, vcpu->index);
	if (vcpu->fd < 0)
		die("create vCPU %u", vcpu->index);
	vcpu->run = mmap(NULL, vm.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("map vCPU %u", vcpu->index);
	fill_block(vcpu);
	set_registers(vcpu);
	if (vm.irqchip)
		enable_interrupts(vcpu);
	if (vm.ring)
		enable_steal_time(vcpu);
	__atomic_store_n(&this_vcpu, vcpu, __ATOMIC_SEQ_CST);
	for (;;)
		run_once(vcpu);
	return NULL;
}

static void wait_standing(void)
{
	while (vm.nr_standing < vm.nr_vcpus)
		pthread_cond_wait(&vm.changed, &vm.lock);
}

static void create_vcpus(void)
{
	for (unsigned int i = 0; i < vm.nr_vcpus; i++) {
		vm.vcpus[i].index = i;
		errno = pthread_create(&vm.vcpus[i].thread, NULL, vcpu_main, &vm.vcpus[i]);
		if (errno)
			die("create the thread of vCPU %u", i);
	}
	pthread_mutex_lock(&vm.lock);
	wait_standing();
	pthread_mutex_unlock(&vm.lock);
}

static void set_stop(uint32_t stop)
{
	for (unsigned int i = 0; i < vm.nr_vcpus; i++)
		vm.blocks[i].stop = stop;
}

static void go(void)
{
	pthread_mutex_lock(&vm.lock);
	set_stop(0);
	vm.going = true;
	pthread_cond_broadcast(&vm.changed);
	pthread_mutex_unlock(&vm.lock);
}

static void stop(void)
{
	pthread_mutex_lock(&vm.lock);
	vm.going = false;
	set_stop(1);
	wait_standing();
	pthread_mutex_unlock(&vm.lock);
}

static uint64_t kick(void)
{
	unsigned int before[VCPUS_MAX];
	uint64_t start_ns = now_ns();

	for (unsigned int i = 0; i < vm.nr_vcpus; i++) {
		before[i] = vm.vcpus[i].left;
		pthread_kill(vm.vcpus[i].thread, SIGUSR1);
	}
	for (unsigned int i = 0; i < vm.nr_vcpus; i++)
		while (vm.vcpus[i].left == before[i])
			usleep(1000);
	return now_ns() - start_ns;
}

static void send_interrupt(unsigned int i)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000 | i << 12, .data = VECTOR };

	if (ioctl(vm.vm_fd, KVM_SIGNAL_MSI, &msi) < 0)
		die("interrupt vCPU %u", i);
}

static uint64_t interrupt_one(unsigned int i)
{
	uint32_t before = vm.blocks[i].interrupts;
	uint64_t start_ns = now_ns();

	send_interrupt(i);
	while (vm.blocks[i].interrupts == before && now_ns() - start_ns < INTERRUPT_LATE_NS)
		usleep(500);
	return now_ns() - start_ns;
}

/* With pauses, so that what they make the guest dirty is soon paid for. */
static uint64_t interrupt(void)
{
	uint64_t ns, most_ns = 0;

	for (unsigned int i = 0; i < vm.nr_vcpus; i++) {
		ns = interrupt_one(i);
		if (ns > most_ns)
			most_ns = ns;
		usleep(INTERRUPT_PAUSE_US);
	}
	return most_ns;
}

static void *storm_main(void *unused)
{
	(void)unused;
	for (;;) {
		for (unsigned int i = 0; i < vm.nr_vcpus; i++)
			send_interrupt(i);
		usleep(STORM_PAUSE_US);
	}
	return NULL;
}

static void storm(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, storm_main, NULL);
	if (errno)
		die("create the thread that interrupts");
}

/* --- the witness --- */

/* Takes the log, which write-protects what was in it; with the lock held. */
static void take_log(void)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = vm.bitmap };

	if (!vm.logging || vm.ring)
		return;
	if (ioctl(vm.vm_fd, KVM_GET_DIRTY_LOG, &log))
		die("get the dirty log");
	for (size_t i = 0; i < vm.mem_bytes / PAGE / 64; i++)
		vm.logged_pages += __builtin_popcountll(vm.bitmap[i]);
}

static void *log_main(void *unused)
{
	(void)unused;
	for (;;) {
		usleep(vm.round_ms * 1000);
		pthread_mutex_lock(&vm.lock);
		take_log();
		pthread_mutex_unlock(&vm.lock);
	}
	return NULL;
}

static void count(FILE *reply)
{
	pthread_mutex_lock(&vm.lock);
	take_log();
	fprintf(reply, "%llu %llu", (unsigned long long)now_ns(),
		(unsigned long long)vm.logged_pages);
	pthread_mutex_unlock(&vm.lock);
	for (unsigned int i = 0; i < vm.nr_vcpus; i++)
		fprintf(reply, " %llu", (unsigned long long)vm.blocks[i].turns);
	fputc('\n', reply);
}

/* --- commands --- */

static void print_tids(FILE *reply)
{
	for (unsigned int i = 0; i < vm.nr_vcpus; i++)
		fprintf(reply, "%s%d", i ? " " : "", vm.vcpus[i].tid);
	fputc('\n', reply);
}

static void do_command(const char *command, FILE *reply)
{
	if (!strcmp(command, "log-on"))
		set_logging(true);
	else if (!strcmp(command, "log-off"))
		set_logging(false);
	else if (!strcmp(command, "go"))
		go();
	else if (!strcmp(command, "stop"))
		stop();
	else if (!strcmp(command, "count"))
		count(reply);
	else if (!strcmp(command, "kick"))
		fprintf(reply, "%llu\n", (unsigned long long)kick());
	else if (!strcmp(command, "interrupt") && vm.irqchip)
		fprintf(reply, "%llu\n", (unsigned long long)interrupt());
	else if (!strcmp(command, "storm") && vm.irqchip)
		storm();
	else if (!strcmp(command, "tids"))
		print_tids(reply);
	else if (!strcmp(command, "quit"))
		exit(0);
	else
		fprintf(reply, "unknown command %s\n", command);
}

static enum pattern parse_pattern(const char *name)
{
	static const char *const names[] = {
		[SEQ] = "seq", [READ] = "read",	  [RANDOM] = "random",
		[HOT] = "hot", [BURST] = "burst",
	};

	for (unsigned int i = 0; i <= BURST; i++)
		if (!strcmp(names[i], name))
			return i;
	errno = EINVAL;
	die("pattern %s", name);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "vcpus", required_argument, NULL, 'n' },
		{ "readers", required_argument, NULL, 'r' },
		{ "pattern", required_argument, NULL, 'p' },
		{ "mib", required_argument, NULL, 'b' },
		{ "mem", required_argument, NULL, 'm' },
		{ "round-ms", required_argument, NULL, 'i' },
		{ "irqchip", no_argument, NULL, 'q' },
		{ "ring", no_argument, NULL, 'd' },
		{},
	};
	struct sigaction action = { .sa_handler = on_kick }; /* without SA_RESTART */
	const char *mem = NULL, *socket_path = NULL;
	pthread_t log_thread;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			socket_path = optarg;
			break;
		case 'n':
			vm.nr_vcpus = atoi(optarg);
			break;
		case 'r':
			vm.nr_readers = atoi(optarg);
			break;
		case 'p':
			vm.pattern = parse_pattern(optarg);
			break;
		case 'b':
			vm.mem_bytes = strtoul(optarg, NULL, 10) << 20;
			break;
		case 'm':
			mem = optarg;
			break;
		case 'i':
			vm.round_ms = atoi(optarg);
			break;
		case 'q':
			vm.irqchip = true;
			break;
		case 'd':
			vm.ring = true;
			break;
		default:
			return 2;
		}
	}
	if (!socket_path || !vm.nr_vcpus || vm.nr_vcpus > VCPUS_MAX ||
	    vm.nr_readers > vm.nr_vcpus || !vm.mem_bytes)
		return 2;
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	create_vm(mem);
	create_vcpus();
	if (pthread_create(&log_thread, NULL, log_main, NULL))
		die("create the thread that takes the log");
	serve_commands(socket_path, do_command);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "ctl"))
		return send_command(argv[2], argv[3]);
	if (argc > 1 && !strcmp(argv[1], "run"))
		return run(argc - 1, argv + 1);
	fputs("usage: dirtyguest run --socket PATH [--vcpus N] [--readers N] [--pattern PATTERN]\n"
	      "                      [--mib N] [--mem FILE] [--round-ms N] [--irqchip] [--ring]\n"
	      "       dirtyguest ctl PATH log-on|log-off|go|stop|count|kick|interrupt|storm|"
	      "tids|quit\n",
	      stderr);
	return 2;
}
