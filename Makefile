# SPDX-License-Identifier: GPL-2.0
# lparkit: `make help` tells what there is to do.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
BUILD ?= $(CURDIR)/build
DESTDIR ?=
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
NPROC := $(shell nproc)

# Of the tests: which kernels, which tests.  Empty means all.
KERNEL ?=
TEST ?=
# check-here, bench-here: do not ask, do not mind guests of others.
YES ?=
DISTURB ?=

export YES DISTURB

export LPARKIT_BUILD = $(BUILD)

VM := selftests/vm
RUN = $(VM)/run-tests $(foreach t,$(TEST),--test '$(t)')
ON = $(if $(KERNEL),--kernel $(KERNEL))
SHELL_KERNEL = $(or $(KERNEL),6.12)

all: modules ctl

# --- for this machine ---

modules:
	@test -e $(KDIR)/Makefile || { \
		echo "no kernel headers in $(KDIR)."; \
		echo "Install them (apt-get install linux-headers-$(KVER)), or say where: make KVER=... or KDIR=..."; \
		exit 1; } >&2
	KDIR=$(KDIR) $(VM)/modules.sh $(KVER) -j$(NPROC)

ctl:
	$(MAKE) -C ctl BUILD=$(BUILD)/ctl

install: modules ctl
	$(MAKE) -C $(KDIR) M=$(BUILD)/modules/$(KVER) INSTALL_MOD_DIR=extra \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(abspath $(DESTDIR))) modules_install
	$(if $(DESTDIR),,depmod -a $(KVER))
	$(MAKE) -C ctl BUILD=$(BUILD)/ctl install

uninstall:
	rm -f $(patsubst kmod-%,$(DESTDIR)/lib/modules/$(KVER)/extra/kmod-%/*.ko*,$(wildcard kmod-*))
	$(if $(DESTDIR),,depmod -a $(KVER))
	$(MAKE) -C ctl uninstall

# Registers the sources with DKMS and builds them for the running kernel.
dkms:
	@command -v dkms >/dev/null || { echo "no dkms: apt-get install dkms" >&2; exit 1; }
	dkms status lparkit/$(VERSION) | grep -q . && dkms remove lparkit/$(VERSION) --all || :
	rm -rf /usr/src/lparkit-$(VERSION)
	mkdir -p /usr/src/lparkit-$(VERSION)
	cp -a dkms.conf Kbuild include kmod-* /usr/src/lparkit-$(VERSION)/
	dkms install lparkit/$(VERSION) -k $(KVER)

# Debian packages, out of a copy of the sources.
deb:
	@command -v dh >/dev/null || { echo "no debhelper: apt-get build-dep $(CURDIR)" >&2; exit 1; }
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb
	rsync -a --exclude=.git --exclude-from=.gitignore ./ $(BUILD)/deb/lparkit
	cd $(BUILD)/deb/lparkit && dpkg-buildpackage -us -uc -b
	@ls $(BUILD)/deb/*.deb

# --- tests ---

check: programs
	$(RUN) $(ON) --speed full

# The fast selftests on one kernel; the debug kernel runs KUnit.
check-quick: programs
	$(RUN) --kernel $(or $(KERNEL),7.2),debug --speed quick

check-long: programs
	$(RUN) $(ON) --speed long

# On this machine itself, with the modules of its kernel. As root, or by sudo afterwards.
check-here: modules programs
	$(VM)/check-here $(foreach t,$(TEST),--test '$(t)')

bench-here: modules programs
	$(VM)/check-here --bench $(foreach t,$(TEST),--test '$(t)')

lint: programs
	$(VM)/run-tests --kernel host --test 'lint/*'

# Makes user space C what lint wants it to be.
format:
	clang-format -i $(wildcard ctl/*.[ch] ctl/*/*.[ch] selftests/*/*.[ch])

bench: programs
	$(VM)/run-tests --bench --kernel $(SHELL_KERNEL)

bench-%: programs
	$(VM)/run-tests --bench --kernel $(SHELL_KERNEL) --test 'bench/bench_$**' --test '$*/bench_*'

shell: programs
	$(VM)/kernels.sh fetch $(SHELL_KERNEL)
	$(VM)/modules.sh $(SHELL_KERNEL) -j$(NPROC)
	@echo "lpar.ko is in \$$LPARKIT_MODULES; leave the VM with exit, QEMU with ctrl-a x"
	$(VM)/hostvm --shell --kernel $(SHELL_KERNEL) --cpus 4 --threads 2 --mem 2048 \
		$(if $(SLOW),--slow $(SLOW)) $(if $(COUNT),--count)

demo: programs
	selftests/demo/demo.sh

# Each selftests/DIR/NAME.c is one program; NAME_preload.c is a library to be preloaded.
PRELOADS := $(patsubst %.c,$(BUILD)/%.so,$(wildcard selftests/*/*_preload.c))
PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(filter-out selftests/lib/% selftests/guest/% selftests/snapuser/% selftests/fcnuser/% selftests/fuzz/% selftests/fabric/% %_preload.c,$(wildcard selftests/*/*.c)))
# The FC switch and its tests are two that are made of the same files.
FABRIC_PROGRAMS := $(BUILD)/selftests/fabric/fcswd $(BUILD)/selftests/fabric/fabrictest
FABRIC := $(filter-out %/fcswd.c %/fabrictest.c,$(wildcard selftests/fabric/*.c))
HELPERS := $(wildcard selftests/lib/*.c)
TEST_CFLAGS := -O2 -g -Wall -Wextra -std=gnu11 -MMD -Iinclude/uapi -Iselftests/lib

programs: packages
	@$(MAKE) --no-print-directory kselftest $(FABRIC_PROGRAMS)
	@! test -x selftests/guest/build || { $(VM)/kernels.sh fetch 6.1 && selftests/guest/build; }

# Of these, what no host VM is needed for: selftests/Makefile builds it.
kselftest: ctl $(PROGRAMS) $(PRELOADS)
	@$(MAKE) --no-print-directory -C selftests/snapuser BUILD=$(BUILD)/selftests/snapuser
	@$(MAKE) --no-print-directory -C selftests/fcnuser BUILD=$(BUILD)/selftests/fcnuser

$(BUILD)/selftests/%: selftests/%.c $(HELPERS) Makefile
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -o $@ $< $(HELPERS) -lmnl -lpthread

$(BUILD)/selftests/%.so: selftests/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -shared -fPIC -o $@ $< -lmnl

$(BUILD)/selftests/fabric/%: selftests/fabric/%.c $(FABRIC) selftests/fabric/fabric.h Makefile
	@mkdir -p $(@D)
	$(CC) -O2 -g -Wall -Wextra -std=gnu11 -D_GNU_SOURCE -Iselftests/lib -o $@ $< $(FABRIC) -lz

-include $(PROGRAMS:=.d) $(PRELOADS:.so=.d)

# --- fuzzing, with clang: not as root, as what is read may say what is to be removed ---

FUZZ_SECONDS ?= 600
FUZZ_DIR := /dev/shm/lparkit-fuzz
FUZZERS := $(patsubst selftests/fuzz/%.c,%,$(wildcard selftests/fuzz/*.c))
FUZZ_CFLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_AS = $(if $(filter 0,$(shell id -u)),setpriv --reuid=nobody --regid=nogroup --clear-groups)

fuzz: $(FUZZERS:%=fuzz-%)

# Nobody may not be let in here: it has what it needs in a directory of its own.
fuzz-%: $(BUILD)/fuzz/%
	@mkdir -p $(FUZZ_DIR)/$*/corpus && chmod -R a+rwX $(FUZZ_DIR)
	@cp $< $(FUZZ_DIR)/$*/ && mkdir -p $(FUZZ_DIR)/$*/seeds
	@! test -d selftests/fuzz/seeds/$* || cp -rT selftests/fuzz/seeds/$* $(FUZZ_DIR)/$*/seeds
	cd $(FUZZ_DIR)/$* && ASAN_OPTIONS=quarantine_size_mb=32 $(FUZZ_AS) ./$* -max_total_time=$(FUZZ_SECONDS) -timeout=20 \
		-rss_limit_mb=1024 -print_final_stats=1 corpus seeds

$(BUILD)/fuzz/%: selftests/fuzz/%.c selftests/fuzz/fuzz.h selftests/ctl/kernel_preload.c fuzz-ctl
	clang $(FUZZ_CFLAGS) -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION -fsanitize=fuzzer -std=gnu11 \
		-D_GNU_SOURCE -Ictl -Iinclude/uapi \
		$(shell pkg-config --cflags json-c) -o $@ $< selftests/ctl/kernel_preload.c \
		$$(find $(BUILD)/fuzz/ctl -name '*.o' ! -name main.o) \
		-lmnl -ljson-c -linih -ldevmapper -lext2fs -lblkid -lpcap -lz -lcrypto -lpthread -lm

fuzz-ctl:
	$(MAKE) -C ctl BUILD=$(BUILD)/fuzz/ctl CC=clang \
		CFLAGS="$(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link" objects

packages:
	@$(VM)/packages.sh

clean:
	rm -rf $(BUILD)

help:
	@echo "make                 modules for the running kernel (or KVER=, KDIR=) and lparctl, in build/"
	@echo "make install         both, with man pages, completion and units (DESTDIR=)"
	@echo "make uninstall       the reverse"
	@echo "make dkms            rebuild the modules with every new kernel"
	@echo "make deb             Debian packages of both: build/deb/*.deb"
	@echo "make demo            see it work, in a VM"
	@echo "make check           the tests on all kernels (KERNEL=6.1,6.12,7.2,debug  TEST='lpar/*'  JOBS=2)"
	@echo "make check-quick     unit tests, and fast selftests on 7.2 (or KERNEL=)"
	@echo "make check-long      all tests, each on every kernel"
	@echo "make check-here      the tests that are safe on a real host, on this one (YES=1  TEST='lpar/*')"
	@echo "make -C selftests run_tests    as the kernel's (TARGETS=lpar; install INSTALL_PATH=)"
	@echo "make fuzz            libFuzzer on all that lparctl reads of others (or fuzz-manifest, ...; FUZZ_SECONDS=600)"
	@echo "make lint            checkpatch, sparse, W=1, clang-format, shellcheck, netlink specs"
	@echo "make format          clang-format -i"
	@echo "make bench           all benchmarks (or bench-lpar, ...; KERNEL=)"
	@echo "make bench-here      benchmarks on this host itself (YES=1  TEST=bench_lpar)"
	@echo "make shell           a shell in a VM (KERNEL=; SLOW=N or COUNT=1, see Documentation/testing.md)"
	@echo "make clean           delete build/; kernels stay in ~/.cache/lparkit"

.PHONY: all modules ctl install uninstall dkms deb check check-quick check-long check-here lint format \
	bench bench-here shell demo fuzz fuzz-ctl programs kselftest packages clean help
