/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that fits into a boot sector, and never stops writing: 32 KiB after 32 KiB, 64 of
 * them round and round behind the first, each beginning with how many there were before it.
 * On the serial line it says E, and stands, when one fails.
 */
	.code16
	.set	sectors, 64
	.set	buffer, 0x8000
	.set	serial, 0x3f8
start:
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	$0x7c00, %sp
next:
	mov	0x7c00 + count - start, %eax
	mov	%eax, buffer
	and	$63, %eax
	inc	%eax
	shl	$6, %eax
	mov	%eax, 0x7c00 + lba - start
	mov	$0x4300, %ax
	mov	$0x7c00 + packet - start, %si
	int	$0x13
	jc	failed
	incl	0x7c00 + count - start
	jmp	next
failed:
	mov	$serial, %dx
	mov	$'E', %al
	out	%al, %dx
stand:
	hlt
	jmp	stand
count:
	.long	0
packet:
	.byte	16, 0
	.word	sectors, buffer, 0
lba:
	.long	0, 0
	.org	510
	.word	0xaa55
