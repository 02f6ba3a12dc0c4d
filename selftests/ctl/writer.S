/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that fits into a boot sector: it writes its disk from the second 32 KiB to the end
 * of 4 MiB, each 32 KiB beginning with the number of its first sector. On the serial line it
 * says W when it begins, + for each write, E when one fails, and D when all is written.
 */
	.code16
	.set	sectors, 64
	.set	all, 8192
	.set	buffer, 0x8000
	.set	serial, 0x3f8
start:
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	$0x7c00, %sp
	mov	$'W', %al
	call	say
next:
	mov	0x7c00 + lba - start, %eax
	mov	%eax, buffer
	mov	$0x4300, %ax
	mov	$0x7c00 + packet - start, %si
	int	$0x13
	jc	failed
	mov	$'+', %al
	call	say
	addl	$sectors, 0x7c00 + lba - start
	cmpl	$all, 0x7c00 + lba - start
	jb	next
	mov	$'D', %al
	jmp	last
failed:
	mov	$'E', %al
last:
	call	say
stand:
	hlt
	jmp	stand
say:
	push	%dx
	mov	$serial, %dx
	out	%al, %dx
	pop	%dx
	ret
packet:
	.byte	16, 0
	.word	sectors, buffer, 0
lba:
	.long	sectors, 0
	.org	510
	.word	0xaa55
