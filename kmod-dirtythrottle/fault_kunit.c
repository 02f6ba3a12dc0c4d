// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of fault.c: what the processors' codes mean. */
#include <kunit/test.h>
#include "dirtythrottle.h"

/* AMD: present, write, user; and by the page walk, or for the final address. */
#define SVM_READ	(BIT_ULL(0) | BIT_ULL(2) | BIT_ULL(32))
#define SVM_WRITE	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2) | BIT_ULL(32))
#define SVM_NEW		(BIT_ULL(2) | BIT_ULL(32))
#define SVM_WALK	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2) | BIT_ULL(33))

/* Intel: read, write, readable, linear address valid, final address. */
#define VMX_READ	(BIT_ULL(0) | BIT_ULL(5) | BIT_ULL(7) | BIT_ULL(8))
#define VMX_NEW		(BIT_ULL(0) | BIT_ULL(7) | BIT_ULL(8))
#define VMX_WRITE	(BIT_ULL(1) | BIT_ULL(3) | BIT_ULL(7) | BIT_ULL(8))
#define VMX_WALK	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(3) | BIT_ULL(7))
/* Without a linear address, as for processor tracing, it is no walk. */
#define VMX_NO_LINEAR	(BIT_ULL(1) | BIT_ULL(3))

/* A page fault, with shadow paging. */
#define SHADOW_WRITE	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2))

static void expect_kind(struct kunit *test, u64 error_code, bool is_svm, enum dt_fault kind)
{
	KUNIT_EXPECT_EQ(test, (int)dt_fault_kind(error_code, is_svm), (int)kind);
}

static void amd(struct kunit *test)
{
	expect_kind(test, SVM_READ, true, DT_FAULT_OTHER);
	expect_kind(test, SVM_NEW, true, DT_FAULT_READ);
	expect_kind(test, SVM_WRITE, true, DT_FAULT_WRITE);
	expect_kind(test, SVM_WALK, true, DT_FAULT_WALK);
	expect_kind(test, SHADOW_WRITE, true, DT_FAULT_WRITE);
}

static void intel(struct kunit *test)
{
	expect_kind(test, VMX_READ, false, DT_FAULT_OTHER);
	expect_kind(test, VMX_NEW, false, DT_FAULT_READ);
	expect_kind(test, VMX_WRITE, false, DT_FAULT_WRITE);
	expect_kind(test, VMX_WALK, false, DT_FAULT_WALK);
	expect_kind(test, VMX_NO_LINEAR, false, DT_FAULT_WRITE);
	expect_kind(test, SHADOW_WRITE, false, DT_FAULT_WRITE);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(amd),
	KUNIT_CASE(intel),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "dt-fault",
	.test_cases = fault_cases,
};

kunit_test_suites(&fault_suite);
