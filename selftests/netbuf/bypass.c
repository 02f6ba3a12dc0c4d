// SPDX-License-Identifier: GPL-2.0
/*
 * What frames go past the hooks of a netdev, until it is killed:
 *
 *	bypass native IFNAME	an XDP program in the driver, which lets all pass
 *	bypass generic IFNAME	the same in the stack
 *	bypass socket IFNAME	an AF_XDP socket that could send
 *
 * Prints "ready" when it is there.
 */
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK 4096
#define CHUNKS 4

static int die(const char *what)
{
	perror(what);
	return 1;
}

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int attach_program(int ifindex, uint32_t mode)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)pass,
		.insn_cnt = sizeof(pass) / sizeof(*pass),
		.license = (uintptr_t) "GPL",
	};
	union bpf_attr link = { 0 };
	int program = bpf(BPF_PROG_LOAD, &load);

	if (program < 0)
		return die("program");
	link.link_create.prog_fd = program;
	link.link_create.target_ifindex = ifindex;
	link.link_create.attach_type = BPF_XDP;
	link.link_create.flags = mode;
	return bpf(BPF_LINK_CREATE, &link) < 0 ? die("link") : 0;
}

static int bind_socket(int ifindex)
{
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_ifindex = ifindex,
		.sxdp_flags = XDP_COPY,
	};
	struct xdp_umem_reg umem = { .len = CHUNKS * CHUNK, .chunk_size = CHUNK };
	static const int rings[] = { XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_TX_RING };
	int fd = socket(AF_XDP, SOCK_RAW, 0), size = CHUNKS;
	void *memory;

	memory = mmap(NULL, umem.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	umem.addr = (uintptr_t)memory;
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)))
		return die("memory");
	for (size_t i = 0; i < sizeof(rings) / sizeof(*rings); i++)
		if (setsockopt(fd, SOL_XDP, rings[i], &size, sizeof(size)))
			return die("ring");
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) ? die("bind") : 0;
}

int main(int argc, char **argv)
{
	int ifindex = argc == 3 ? if_nametoindex(argv[2]) : 0, ret = 2;

	if (ifindex && !strcmp(argv[1], "native"))
		ret = attach_program(ifindex, XDP_FLAGS_DRV_MODE);
	else if (ifindex && !strcmp(argv[1], "generic"))
		ret = attach_program(ifindex, XDP_FLAGS_SKB_MODE);
	else if (ifindex && !strcmp(argv[1], "socket"))
		ret = bind_socket(ifindex);
	if (ret == 2)
		fputs("usage: bypass native|generic|socket IFNAME\n", stderr);
	if (ret)
		return ret;
	puts("ready");
	fflush(stdout);
	return pause();
}
