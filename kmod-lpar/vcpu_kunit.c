// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of vcpu.c: which system call runs a vCPU. */
#include <kunit/test.h>
#include <linux/kvm.h>
#include <asm/unistd.h>
#include "lpar.h"

static void kvm_run_is_recognised(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, lpar_vcpu_is_kvm_run(__NR_ioctl, KVM_RUN, false));
	/* The kernel takes the low 32 bits of the command. */
	KUNIT_EXPECT_TRUE(test, lpar_vcpu_is_kvm_run(__NR_ioctl, KVM_RUN | 1UL << 40, false));
	KUNIT_EXPECT_TRUE(test, lpar_vcpu_is_kvm_run(54, KVM_RUN, true));
	/* x32 */
	KUNIT_EXPECT_TRUE(test, lpar_vcpu_is_kvm_run(0x40000000 + 514, KVM_RUN, false));
}

static void others_are_not(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, lpar_vcpu_is_kvm_run(__NR_ioctl, KVM_GET_REGS, false));
	KUNIT_EXPECT_FALSE(test, lpar_vcpu_is_kvm_run(__NR_read, KVM_RUN, false));
	/* setsockopt(2) has the number of 32-bit ioctl(2), which has that of writev(2). */
	KUNIT_EXPECT_FALSE(test, lpar_vcpu_is_kvm_run(54, KVM_RUN, false));
	KUNIT_EXPECT_FALSE(test, lpar_vcpu_is_kvm_run(__NR_ioctl, KVM_RUN, true));
	KUNIT_EXPECT_FALSE(test, lpar_vcpu_is_kvm_run(514, KVM_RUN, false));
	KUNIT_EXPECT_FALSE(test, lpar_vcpu_is_kvm_run(0x40000000 + 514, KVM_RUN, true));
	/* An interrupt in user space leaves -1. */
	KUNIT_EXPECT_FALSE(test, lpar_vcpu_is_kvm_run(-1, KVM_RUN, false));
}

static struct kunit_case vcpu_cases[] = {
	KUNIT_CASE(kvm_run_is_recognised),
	KUNIT_CASE(others_are_not),
	{}
};

static struct kunit_suite vcpu_suite = {
	.name = "lpar_vcpu",
	.test_cases = vcpu_cases,
};

kunit_test_suite(vcpu_suite);
