/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A boot sector that loads Linux from the disk, by the BIOS, as a boot loader does: KERNEL
 * and INITRD are sectors of the disk, SETUP the sectors of the kernel's real-mode part,
 * KERNEL_PIECES and INITRD_PIECES what follows, in pieces of 64 sectors, INITRD_BYTES the
 * exact size. What is copied where is the x86 boot protocol (Documentation/arch/x86/boot.rst).
 * Assembled with --32: addresses are offsets into this sector.
 */
	.set	INITRD_AT, 0x7000000
	.set	BUFFER, 0x2000		/* segment */
	.set	REAL, 0x9000		/* segment of the real-mode part */
	.set	LINE_AT, 0xe000		/* in it */

	.code16
	.text
	ljmp	$0x7c0, $begin
begin:
	cld
	xor	%ax, %ax
	mov	%ax, %ss
	mov	$0x7c00, %sp
	push	%cs
	pop	%ds
	push	%cs
	pop	%es
	mov	%dl, drive

	movl	$KERNEL, sector
	movw	$SETUP, count
	movw	$REAL, segment
	call	read
	movl	$KERNEL + SETUP, sector
	movw	$KERNEL_PIECES, pieces
	movl	$0x100000, %ebx
	call	load
	movl	$INITRD, sector
	movw	$INITRD_PIECES, pieces
	movl	$INITRD_AT, %ebx
	call	load

	mov	$REAL, %ax
	mov	%ax, %es
	movb	$0xff, %es:0x210	/* type_of_loader */
	orb	$0x80, %es:0x211	/* loadflags: the heap may be used */
	movl	$INITRD_AT, %es:0x218
	movl	$INITRD_BYTES, %es:0x21c
	movw	$LINE_AT - 0x200, %es:0x224
	movl	$REAL * 16 + LINE_AT, %es:0x228
	mov	$line, %si
	mov	$LINE_AT, %di
	mov	$line_end - line, %cx
	rep movsb
	cli
	mov	%ax, %ds
	mov	%ax, %fs
	mov	%ax, %gs
	mov	%ax, %ss
	mov	$LINE_AT, %sp
	ljmp	$REAL + 0x20, $0

/* Pieces of the disk to %ebx, above 1 MiB. */
load:
	movw	$64, count
	movw	$BUFFER, segment
1:
	call	read
	movl	%ebx, %eax
	movw	%ax, target + 2
	shrl	$16, %eax
	movb	%al, target + 4
	movb	%ah, target + 7
	mov	$table, %si
	mov	$64 * 256, %cx
	mov	$0x87, %ah
	int	$0x15
	jc	failed
	addl	$64, sector
	addl	$64 * 512, %ebx
	decw	pieces
	jnz	1b
	ret

read:
	mov	$packet, %si
	mov	drive, %dl
	mov	$0x42, %ah
	int	$0x13
	jc	failed
	ret

failed:
	hlt
	jmp	failed

drive:
	.byte	0
pieces:
	.word	0
packet:
	.byte	16, 0
count:
	.word	0
	.word	0
segment:
	.word	0
sector:
	.long	0, 0
/* Of "move extended memory": the descriptors of what is copied are the third and fourth. */
table:
	.zero	16
	.word	0xffff, 0
	.byte	BUFFER >> 12, 0x93, 0, 0
target:
	.word	0xffff, 0
	.byte	0, 0x93, 0, 0
	.zero	16
line:
	.asciz	"console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check cryptomgr.notests"
line_end:
	.org	510
	.word	0xaa55
