// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps a host VM alive when its emulator stumbles over code that changes.
 *
 * The kernel patches itself while other CPUs run: int3 first, then the rest of
 * the instruction, then its first byte (arch/x86/kernel/alternative.c). QEMU's
 * TCG may run a translation that has the int3 yet when the last byte is long in
 * place, and until QEMU 8.1 it may keep that translation for ever: it reads the
 * code before it locks the page. Nobody knows the breakpoint then, and the kernel
 * dies with "Oops: int3".
 *
 * So this does what the instruction in memory says. To execute it again (as
 * kprobe_int3_handler() did until Linux 6.2) would not end with a kept translation.
 */
#include <linux/kdebug.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/ptrace.h>
#include <linux/string.h>
#include <asm/text-patching.h>

static const u8 nop2[] = { 0x66, 0x90 };
static const u8 nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

/* False if it is none of what the kernel patches in. */
static bool emulate(struct pt_regs *regs, const u8 *insn)
{
	unsigned long ip = (unsigned long)insn;
	s32 rel32;

	memcpy(&rel32, insn + 1, sizeof(rel32));
	switch (insn[0]) {
	case JMP32_INSN_OPCODE:
		int3_emulate_jmp(regs, ip + JMP32_INSN_SIZE + rel32);
		return true;
	case JMP8_INSN_OPCODE:
		int3_emulate_jmp(regs, ip + JMP8_INSN_SIZE + (s8)insn[1]);
		return true;
	case CALL_INSN_OPCODE:
		int3_emulate_push(regs, ip + CALL_INSN_SIZE);
		int3_emulate_jmp(regs, ip + CALL_INSN_SIZE + rel32);
		return true;
	case RET_INSN_OPCODE:
		int3_emulate_ret(regs);
		return true;
	}
	if (!memcmp(insn, nop5, sizeof(nop5)))
		int3_emulate_jmp(regs, ip + sizeof(nop5));
	else if (!memcmp(insn, nop2, sizeof(nop2)))
		int3_emulate_jmp(regs, ip + sizeof(nop2));
	else
		return false;
	return true;
}

static int on_int3(struct notifier_block *nb, unsigned long event, void *data)
{
	struct pt_regs *regs = ((struct die_args *)data)->regs;
	const u8 *insn = (const u8 *)regs->ip - INT3_INSN_SIZE;

	if (event != DIE_INT3 || user_mode(regs) || READ_ONCE(*insn) == INT3_INSN_OPCODE)
		return NOTIFY_DONE;
	if (!emulate(regs, insn))
		regs->ip = (unsigned long)insn; /* again */
	return NOTIFY_STOP;
}

static struct notifier_block notifier = { .notifier_call = on_int3, .priority = INT_MAX };

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

MODULE_DESCRIPTION("Does what instructions say that the emulator took for breakpoints");
MODULE_AUTHOR("The lparkit authors");
MODULE_LICENSE("GPL");
