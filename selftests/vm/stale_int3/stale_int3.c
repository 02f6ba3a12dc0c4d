// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps a host VM alive when its emulator stumbles over code that changes.
 *
 * The kernel patches itself while other CPUs run: int3 first, then the rest of
 * the instruction, then its first byte (arch/x86/kernel/alternative.c). QEMU's
 * TCG may run a translation that has the int3 yet when the last byte is long in
 * place. Nobody knows the breakpoint then and the kernel dies with "Oops: int3".
 * Until Linux 6.2, kprobe_int3_handler() executed the instruction again if there
 * was no int3 any more; this does the same for later kernels.
 */
#include <linux/kdebug.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/ptrace.h>
#include <asm/text-patching.h>

static int retry(struct notifier_block *nb, unsigned long event, void *data)
{
	struct pt_regs *regs = ((struct die_args *)data)->regs;
	const u8 *insn = (const u8 *)regs->ip - INT3_INSN_SIZE;

	if (event != DIE_INT3 || user_mode(regs) || READ_ONCE(*insn) == INT3_INSN_OPCODE)
		return NOTIFY_DONE;
	regs->ip = (unsigned long)insn;
	return NOTIFY_STOP;
}

static struct notifier_block notifier = { .notifier_call = retry, .priority = INT_MAX };

static int __init stale_int3_init(void)
{
	return register_die_notifier(&notifier);
}

static void __exit stale_int3_exit(void)
{
	unregister_die_notifier(&notifier);
}

module_init(stale_int3_init);
module_exit(stale_int3_exit);

MODULE_DESCRIPTION("Retries instructions that the emulator took for breakpoints");
MODULE_AUTHOR("The lparkit authors");
MODULE_LICENSE("GPL");
