/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a minikvm shares with whoever watches it: one page of counters, in a
 * file that anybody may map. The guest itself writes "guest", so that a look
 * at the page says whether a guest instruction was executed since the last.
 */
#ifndef SELFTESTS_MINIKVM_H
#define SELFTESTS_MINIKVM_H

#include <stdint.h>

#define MINIKVM_VCPUS_MAX 63

struct minikvm_vcpu {
	volatile uint64_t guest;   /* turns of the guest's loop, written by the guest */
	volatile uint64_t entries; /* calls of KVM_RUN */
	volatile uint64_t eintr;   /* of these, ended by a signal */
	volatile uint64_t paused;  /* 1: out of KVM_RUN, waits for "resume" */
	uint64_t reserved[4];
};

struct minikvm_shared {
	volatile uint64_t nr_vcpus;
	volatile uint64_t ticks; /* a thread that is no vCPU, one each millisecond */
	uint64_t reserved[6];
	struct minikvm_vcpu vcpu[MINIKVM_VCPUS_MAX];
};

_Static_assert(sizeof(struct minikvm_vcpu) == 64, "one cache line, no false sharing");
_Static_assert(sizeof(struct minikvm_shared) == 4096, "one page of guest memory");

#endif /* SELFTESTS_MINIKVM_H */
