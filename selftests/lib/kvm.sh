# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

# load_kvm: the machine's; a host VM's is AMD's.
load_kvm() {
	if grep -qw vmx /proc/cpuinfo; then
		modprobe kvm_intel
	else
		modprobe kvm_amd
	fi
}
