/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that fits into a boot sector: on its serial line it says "ready", says again what it
 * is told, and powers down when that is a q.
 */
	.code16
	.set	serial, 0x3f8
	.set	status, 0x3fd
	.set	power, 0x604 /* where SeaBIOS has put q35's PM1a_CNT */
start:
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	$0x7c00, %sp
	mov	$0x7c00 + ready - start, %si
hello:
	lodsb
	test	%al, %al
	jz	listen
	call	say
	jmp	hello
	sti
	xor	%cx, %cx
listen:
	dec	%cx /* what comes at once is taken at once; then until the clock's next interrupt */
	jnz	look
	hlt
	mov	$1, %cx
look:
	mov	$status, %dx
	in	%dx, %al
	test	$1, %al
	jz	listen
	mov	$serial, %dx
	in	%dx, %al
	cmp	$'q', %al
	je	off
	call	say
	mov	$0x2000, %cx
	jmp	listen
off:
	mov	$power, %dx
	mov	$0x2000, %ax
	out	%ax, %dx
	hlt
	jmp	off
say:
	push	%ax
	mov	$status, %dx
full:
	in	%dx, %al
	test	$0x20, %al
	jz	full
	pop	%ax
	mov	$serial, %dx
	out	%al, %dx
	ret
ready:
	.asciz	"ready\r\n"
	.org	510
	.word	0xaa55
