# SPDX-License-Identifier: GPL-2.0-or-later
#
# make [SAN=1] [WERROR=1] [CC=clang] [V=1]	the program; SAN=1 with sanitizers, in build/san
# make check				unit, contract and simulated tests, fuzz corpora: seconds
# make check-sys			the program between network namespaces
# make test				both, after installing their packages
# make soak T=3600			traffic and changes without a pause, T seconds; results in build/soak
# make test-packages			tarball and packages by distributions' tools: minutes; as root
# make test-clients			Podman, libvirt, qemu and others with our package, in chroots; as root
# make bench [PEERS=...] [BENCH_ARGS=...]	beside other binaries and the limits: half an hour; doc/performance.md
# make dist				build/dist/passt-VERSION.tar.gz, the same bytes for a commit; .spdx, its parts
# make deb				Debian's package, in build/deb
# make install, uninstall		below prefix=/usr/local, or below DESTDIR; apparmordir=/etc/apparmor.d: profiles
# make doc				manual pages in HTML, in build/doc, by mandoc
# make lint, fuzz T=60, demo, static, clean

CC	?= cc
PROVE	?= prove
T	?= 60
JOBS	?= $(shell echo $$(($$(nproc) + 1)))

prefix	?= /usr/local
bindir	?= $(prefix)/bin
datadir	?= $(prefix)/share
mandir	?= $(datadir)/man
docdir	?= $(datadir)/doc/passt
bashcompdir ?= $(datadir)/bash-completion/completions
zshcompdir ?= $(datadir)/zsh/site-functions
fishcompdir ?= $(datadir)/fish/vendor_completions.d
# None by default: AppArmor's own folder is /etc/apparmor.d, wherever the programs are
apparmordir ?=
APPARMOR := $(if $(apparmordir),$(patsubst contrib/apparmor/%,%,$(wildcard contrib/apparmor/usr.* \
	   contrib/apparmor/abstractions/*)))

# YYYYMMDD.COMMIT: callers compare the day. "git archive" writes both into the file VERSION. Without it and without git,
# the day is this file's. The length of %h is set: by default, it depends on the repository's size.
GIT	:= TZ=UTC0 git -c safe.directory='*' -c core.abbrev=7
VERSION	:= $(shell grep -sv Format VERSION | tr -d -)
VERSION	:= $(or $(VERSION),$(shell $(GIT) log -1 --date=format-local:%Y%m%d --format=%cd.%h 2>/dev/null),\
	$(shell date -ur Makefile +%Y%m%d).unknown)

# The simulator with several guests: "make GUESTS=3 sim"
B	:= build$(if $(SAN),/san)$(if $(GUESTS),/guests)
OUT	:= $(if $(filter build,$(B)),,$(B)/)

CFLAGS	?= -O2 -g
# Those that something below sets, or a command line: not the environment's
DEFINE	:=
DEFINES	:=
FUZZING	:=
KERNEL	:=
MAIN	:=
SANITIZE :=
SMALL	:=
WARN	:= -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	   -Wno-unknown-warning-option -Wno-pedantic-ms-format $(if $(WERROR),-Werror)
ifdef GUESTS
# Built for each check, and never measured
CFLAGS	:= -O1
DEFINES	:= -DGUEST_MAX=$(GUESTS)
endif
ifdef SAN
SANITIZE := -DSANITIZED -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN	:= -fPIE
else
HARDEN	:= -fPIE -fno-asynchronous-unwind-tables -fstack-protector-strong -fstack-clash-protection \
	   $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif
STATIC	= -static-pie $(OBJ)
# Debian's musl-gcc lacks the kernel's headers: the machine's, without glibc's beside them. It doesn't know -static-pie:
# it would link the shared library.
ifeq ($(notdir $(firstword $(CC))),musl-gcc)
MACHINE	:= $(shell gcc -print-multiarch)
$(shell mkdir -p $(B)/kernel; for d in linux asm-generic $(MACHINE)/asm; do \
	ln -sfn /usr/include/$$d $(B)/kernel/$${d##*/}; done)
KERNEL	:= -idirafter $(B)/kernel
MUSL	:= /usr/lib/$(MACHINE:gnu=musl)
STATIC	= -static -nostartfiles -Wl,-pie,--no-dynamic-linker $(MUSL)/rcrt1.o $(MUSL)/crti.o $(OBJ) $(MUSL)/crtn.o
endif
# One word of the shell, whatever is in it
quote	= '$(subst ','\'',$(1))'
# With V=1, commands alone, for programs that read them in a log
Q	:= $(if $(V),,@)
say	= @$(if $(V),:,echo "$(1)")
# Not on the way of a packet: small, not fast
COLD	:= accept answer arp ask attach auto bpf check conf conf_lan conf_ports control control_call counters \
	   dhcp dhcpv6 dns egress flow_file flow_log follow follow_filter follow_resolv frag fwd hello hint \
	   icmp isolate json lan_group lease log names ndp neigh_filter net netlink netlink_own netlink_route \
	   ns ns_net ns_setter opener opt passt pcap pesto pesto_ask pesto_guest pesto_view pmtu policy_text \
	   qrap reach reclaim resolve resolve_lan resolve_stream rules sock_filter summary tcp_hold udp_relay unix \
	   vhost vhost_msg
$(COLD:%=$(B)/%.o): SMALL = $(patsubst -O2,-Os,$(filter -O2,$(CFLAGS)))
# CPPFLAGS and CFLAGS have the last word. The same bytes from any folder: the build ID covers paths in debug information
FLAGS	= -std=gnu11 -D_GNU_SOURCE= $(DEFINES) $(WARN) $(HARDEN) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) $(FUZZING) \
	  $(call quote,-ffile-prefix-map=$(CURDIR)=.) $(KERNEL)
# Relocations in 1 kB instead of 25, where the linker and libc (glibc 2.36) have such
RELR	:= $(shell echo 'int main(void) { _Static_assert(__GLIBC_PREREQ(2, 36), ""); }' | \
	   $(CC) $(CPPFLAGS) $(CFLAGS) -include features.h -pie -fPIE -x c \
	   -Wl,--fatal-warnings,-z,pack-relative-relocs $(LDFLAGS) -o /dev/null - 2>/dev/null && \
	   echo ,-z,pack-relative-relocs)
LINK	= $(CC) $(FLAGS) -Wl,-z,relro,-z,now,-z,noexecstack$(RELR) $(LDFLAGS)

SRC	:= $(filter-out qrap.c,$(wildcard *.c))
OBJ	:= $(SRC:%.c=$(B)/%.o)
QRAP	:= $(if $(wildcard qrap.c),$(OUT)qrap)
UNIT	:= $(patsubst %.c,$(B)/%,$(wildcard test/unit/*_test.c test/contract/*_test.c test/sim/*_test.c \
	   doc/platform/*.c))
FUZZ	:= $(patsubst %.c,$(B)/%,$(wildcard test/fuzz/fuzz_*.c))
TOOLS	:= $(addprefix $(B)/test/tools/,xfer wan guest guest_vhost far tracer failing)
BENCH	:= $(patsubst %.c,$(B)/%,$(wildcard test/bench/*.c))

COMPLETION := $(foreach p,passt pasta pesto,$(B)/completion/$p.bash $(B)/completion/$p.zsh $(B)/completion/$p.fish)

all: $(OUT)passt $(OUT)pasta $(OUT)pesto $(QRAP) $(COMPLETION)

$(OUT)passt: $(OBJ)
	$(call say,ld $@)
	$(Q)$(LINK) -pie -o $@ $(OBJ)

$(OUT)pasta $(OUT)pesto: $(OUT)passt
	ln -sf passt $@

$(OUT)qrap: $(B)/qrap.o $(B)/json.o $(B)/util.o
	$(call say,ld $@)
	$(Q)$(LINK) -pie -o $@ $^

# By the tables of options
$(COMPLETION): contrib/completion.awk conf.c pesto.c
	@mkdir -p $(@D)
	$(Q)awk -v program=$(basename $(@F)) -v shell=$(subst .,,$(suffix $@)) -f contrib/completion.awk \
		$(if $(filter pesto.%,$(@F)),pesto.c,conf.c) > $@

static: $(OUT)passt.static
$(OUT)passt.static: $(OBJ)
	$(call say,ld $@)
	$(Q)$(LINK) -o $@ $(STATIC)

$(B)/%.o: %.c $(B)/flags
	$(call say,cc $@); mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(SMALL) $(DEFINE) -MMD -MP -c -o $@ $<

# Only these depend on the version, so that a commit doesn't rebuild the rest
$(B)/opt.o $(B)/qrap.o: DEFINE = -DVERSION='"$(VERSION)"'
$(B)/opt.o $(B)/qrap.o: $(B)/version

# Objects with texts in them
$(B)/control_call.o $(B)/test/fuzz/fuzz_control.o: $(wildcard doc/*.varlink)

# Files that change with a setting
$(B)/flags: SETTING = $(CC) $(FLAGS) $(COLD)
$(B)/version: SETTING = $(VERSION)
$(B)/flags $(B)/version: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(call quote,$(SETTING)) | cmp -s - $@ || printf '%s\n' $(call quote,$(SETTING)) > $@

# An archive: a function defined in a test replaces the program's. Other objects are on lines "/* LINK: test/sim/b.o */" of the
# test, linker options on "/* LDFLAGS: ... */".
LIB	:= $(B)/passt.a
# The simulator needs the data path only
UNUSED	:= $(if $(GUESTS),auto conf% control% flow_file follow% isolate ns% opt pesto summary)
$(LIB): $(filter-out $(B)/passt.o $(UNUSED:%=$(B)/%.o),$(OBJ))
	$(call say,ar $@); rm -f $@
	$(Q)$(AR) rcsT $@ $^

needs	= $(addprefix $(B)/,$(shell sed -n 's|^/\* LINK: \(.*\) \*/$$|\1|p' $(1)))
options	= $(shell sed -n 's|^/\* LDFLAGS: \(.*\) \*/$$|\1|p' $(1))

# main() of fuzz targets is libFuzzer's, or replay.c's
FUZZ_MAIN = test/fuzz/replay.c
$(FUZZ): MAIN = $(FUZZ_MAIN)

.SECONDEXPANSION:
$(UNIT) $(FUZZ) $(TOOLS) $(BENCH): $(B)/%: $(B)/%.o $$(call needs,$$*.c) $(LIB)
	$(call say,ld $@)
	$(Q)$(LINK) -o $@ $< $(MAIN) $(call needs,$*.c) $(LIB) $(call options,$*.c)

sim: $(B)/test/sim/sim_test

SEVERAL	:= $(B)/guests/test/sim/sim_test
$(SEVERAL): FORCE
	$(Q)$(MAKE) --no-print-directory GUESTS=3 sim

# The long ones first, and in parts, which end together
SIM	:= $(B)/test/sim/sim_test
CHECK	= $(SIM:%=%@1of4) $(SIM:%=%@2of4) $(SIM:%=%@3of4) $(SIM:%=%@4of4) $(SEVERAL:%=%@1of2) $(SEVERAL:%=%@2of2) \
	  $(filter %/udp_test %/splice_test %/qrap_test %/fwd_rules_test,$(UNIT))
check: $(UNIT) $(FUZZ) $(SEVERAL)
	$(PROVE) -j$(JOBS) -e test/tools/run $(CHECK) $(filter-out $(SIM) $(CHECK),$(UNIT)) $(FUZZ)

XSTATE	:= $(B)/test/tools/xstate.so
$(XSTATE): test/tools/xstate.c
	$(call say,cc $@); mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=c11 -Wall -Wextra -O2 -shared -fPIC -o $@ $<

# qemu's initramfs; without a kernel, only its tests fail
VM	:= $(B)/test/tools/vm/initrd
$(VM): test/vm/initrd test/vm/init test/vm/dhcp $(B)/test/tools/far
	$(call say,initrd $@)
	-$(Q)test/vm/initrd $(@D) $(B)/test/tools/far

check-sys: all $(TOOLS) $(XSTATE) $(VM) $(B)/test/bench/rr $(B)/test/bench/udp
	PASTA=$(call quote,$(CURDIR)/$(OUT)pasta) TOOLS=$(call quote,$(CURDIR)/$(B)/test/tools) test/sys/run

test:
	test/tools/deps.sh
	@rc=0; $(MAKE) check || rc=1; $(MAKE) check-sys || rc=1; exit $$rc

soak: all $(TOOLS)
	@mkdir -p $(B)/soak
	SECONDS_SOAK=$(T) TAP_DIR=$(call quote,$(CURDIR)/$(B)/soak) ONLY=root JOBS=4 \
		PASTA=$(call quote,$(CURDIR)/$(OUT)pasta) TOOLS=$(call quote,$(CURDIR)/$(B)/test/tools) \
		test/sys/run soak_mixed soak_flaps
	@grep -hE '^(#|not ok)' $(B)/soak/*soak_*.tap

# Packages, as distributions make them: minutes. Its tools are in chroots; doc/testing.md
test-packages: all
	test/tools/deps.sh mmdebstrap:mmdebstrap musl-gcc:musl-tools qemu-aarch64-static:qemu-user-static \
		i686-linux-gnu-gcc:gcc-i686-linux-gnu,libc6-dev-i386-cross \
		aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu,libc6-dev-arm64-cross
	$(PROVE) -v test/packages/*_test.sh

# Programs that start passt or pasta, in chroots; doc/clients.md. SUITE=sid is for another one than Debian's trixie
CLIENTS	?= $(filter-out %.sh,$(wildcard test/clients/*))
test-clients:
	test/tools/deps.sh mmdebstrap:mmdebstrap dh:debhelper dh_apparmor:dh-apparmor
	@rc=0; for c in $(CLIENTS); do $$c || rc=1; done; exit $$rc

# New useful inputs go to build/fuzz/corpus. The simulated world is not what is to be covered: with its branches, most
# of the time would be spent on counting. Neither is it what is checked, but for what reads and writes the program's
# memory.
# Values that are compared lead to parsers of messages, not through the whole data path.
ifdef FUZZING
WORLD	:= $(addprefix $(B)/test/sim/,check.o company.o hellos.o run.o script.o steps.o wire.o world.o)
$(WORLD): private SANITIZE =
$(WORLD) $(addprefix $(B)/test/sim/,dgrams.o kernel.o tap_sim.o): private override FUZZING =
MESSAGES := arp ndp dhcp dhcpv6 dns hello policy_text vhost vhost_msg
$(filter-out $(MESSAGES:%=$(B)/%.o),$(OBJ)) $(B)/test/sim/pools.o \
$(addprefix $(B)/test/fuzz/fuzz_,input.o resolve.o hold.o): \
	private override FUZZING = -fsanitize-coverage=inline-8bit-counters,indirect-calls,pc-table
endif
fuzz:
	$(MAKE) B=build/fuzz CC=clang SAN=1 FUZZING=-fsanitize=fuzzer-no-link FUZZ_MAIN=-fsanitize=fuzzer \
		CFLAGS="-O3 -g -mllvm -inline-threshold=800 -fsanitize-trap=undefined \
		-fsanitize-address-use-after-return=never -Wno-unused-command-line-argument" fuzz-run
# Runs of the data path are short, and have thousands of edges each: to weigh these takes as long as the run. Leaks are
# looked for in the end.
INPUT	= -entropic=0 -max_len=250 -detect_leaks=0
fuzz-run: $(FUZZ)
	@for f in $(FUZZ:$(B)/test/fuzz/fuzz_%=%); do \
		mkdir -p $(B)/corpus/$$f; \
		echo "fuzz $$f, $(T) s"; \
		options=; [ $$f != input ] || options="$(INPUT)"; \
		ASAN_OPTIONS=malloc_context_size=0:quarantine_size_mb=8 $(B)/test/fuzz/fuzz_$$f $$options \
			-max_total_time=$(T) -print_final_stats=1 -artifact_prefix=$(B)/$$f- \
			$(B)/corpus/$$f $$(ls -d test/fuzz/corpus/$$f 2>/dev/null) > $(B)/$$f.log 2>&1 || \
			{ tail -n 60 $(B)/$$f.log; exit 1; }; \
		grep -e ^Done $(B)/$$f.log; \
	done

lint: $(OBJ) $(if $(QRAP),$(B)/qrap.o)
	@export B=$(B) CC="$(CC)"; rc=0; for f in test/lint/*; do \
		if [ -f $$f ] && [ -x $$f ]; then if $$f; then echo "ok $$f"; else echo "not ok $$f"; rc=1; fi; fi; \
	done; exit $$rc

# Links to others' pages lead to Debian's: qemu's are there, too
PAGES	:= $(patsubst doc/%.1,build/doc/%.1.html,$(wildcard doc/*.1))
OTHERS	:= https://manpages.debian.org
doc:
	@mkdir -p build/doc
	@set -e; for f in doc/*.1; do \
		mandoc -T html -O toc,man=$(OTHERS)/%N.%S $$f > build/$$f.html; \
		sed -i -E 's|$(OTHERS)/(passt\|pasta\|pesto\|qrap)\.1|\1.1.html|' build/$$f.html; \
	done
	@ls $(PAGES)

demo: all
	PASTA=$(call quote,$(CURDIR)/$(OUT)pasta) test/demo.sh

bench: all $(TOOLS) $(BENCH)
	test/bench/bench run --program $(call quote,$(CURDIR)/$(OUT)pasta) --build $(call quote,$(CURDIR)/$(B)) \
		--peers "$(PEERS)" $(BENCH_ARGS)

version:
	@echo $(VERSION)

# The last commit, with its time; gzip without one
DIST	:= passt-$(VERSION)
dist:
	@mkdir -p build/dist
	$(GIT) -c tar.umask=022 archive --output=build/dist/$(DIST).tar --prefix=$(DIST)/ HEAD || \
		{ rm -f build/dist/$(DIST).tar; exit 1; }
	gzip -9fn build/dist/$(DIST).tar
	contrib/sbom.sh build/dist/$(DIST).tar.gz > build/dist/$(DIST).spdx
	@echo build/dist/$(DIST).tar.gz

# Debian's source package, in the folder TO: the changelog's last version becomes the commit's. "make deb" builds it
# there. The tarball has no debian/, as Debian wants it.
TO	?= build/deb
deb-source: $(if $(wildcard debian),dist,no-debian)
	@rm -rf $(TO)/$(DIST); mkdir -p $(TO)
	cp build/dist/$(DIST).tar.gz $(TO)/passt_$(VERSION).orig.tar.gz
	tar -C $(TO) -xzf build/dist/$(DIST).tar.gz
	cp -r debian $(TO)/$(DIST)/
	chmod -R u=rwX,go=rX $(TO)/$(DIST)/debian
	date=$$($(GIT) log -1 --format=%cD) && \
	sed -i -e '1s/(.*)/($(VERSION)-1)/' -e "0,/^ -- /s/\(^ -- .*>  \).*/\1$$date/" $(TO)/$(DIST)/debian/changelog
no-debian:
	@echo "make deb: no debian/ here, as in a tarball: it takes a clone of the repository" >&2; exit 1
deb: deb-source
	cd $(TO)/$(DIST) && dpkg-buildpackage -us -uc
	@ls $(TO)/*.deb

# Hard links: AppArmor resolves symbolic links before it chooses a profile, and pasta's is not passt's. For SELinux, whose
# labels are of files and not of names, they have to be copies: LN="cp --remove-destination"
LN	= ln -f
INSTALL_DATA = install -D -m 644
# A file below DESTDIR; some shells leave the ~ of "prefix=~/.local" as it is
home	= $(patsubst ~/%,$(HOME)/%,$(1))
to	= $(call quote,$(call home,$(DESTDIR)$(1)))
# In the replacement of s|||
replace	= $(subst |,\|,$(subst &,\&,$(subst \,\\,$(1))))
install: all
	install -D $(OUT)passt $(call to,$(bindir)/passt)
	$(LN) $(call to,$(bindir)/passt) $(call to,$(bindir)/pasta)
	$(LN) $(call to,$(bindir)/passt) $(call to,$(bindir)/pesto)
	$(if $(QRAP),install -D $(QRAP) $(call to,$(bindir)/qrap))
	@set -e; for f in doc/*.1; do $(INSTALL_DATA) $$f $(call to,$(mandir)/man1)/$${f#doc/}; done
	@set -e; for f in README.md doc/*.md doc/*.svg doc/*.varlink; do \
		$(INSTALL_DATA) $$f $(call to,$(docdir))/$$f; \
	done
	@set -e; for p in passt pasta pesto; do \
		$(INSTALL_DATA) $(B)/completion/$$p.bash $(call to,$(bashcompdir))/$$p; \
		$(INSTALL_DATA) $(B)/completion/$$p.zsh $(call to,$(zshcompdir))/_$$p; \
		$(INSTALL_DATA) $(B)/completion/$$p.fish $(call to,$(fishcompdir))/$$p.fish; \
	done
	@set -e; for f in $(APPARMOR); do \
		$(INSTALL_DATA) contrib/apparmor/$$f $(call to,$(apparmordir))/$$f; \
		sed -i $(call quote,s|/usr/bin/|$(call replace,$(call home,$(bindir)))/|) \
			$(call to,$(apparmordir))/$$f; \
	done

uninstall:
	rm -f $(foreach p,passt pasta pesto qrap,$(call to,$(bindir)/$p)) $(foreach p,passt pasta pesto, \
		$(call to,$(bashcompdir)/$p) $(call to,$(zshcompdir)/_$p) $(call to,$(fishcompdir)/$p.fish))
	rm -f $(foreach f,$(notdir $(wildcard doc/*.1)),$(call to,$(mandir)/man1/$f)) \
		$(foreach f,$(APPARMOR),$(call to,$(apparmordir)/$f))
	rm -f $(foreach f,README.md $(wildcard doc/*.md doc/*.svg doc/*.varlink),$(call to,$(docdir)/$f))
	-@rmdir $(call to,$(docdir)/doc) $(call to,$(docdir)) 2>/dev/null

# Modules for SELinux, by the makefile of the policy's headers (selinux-policy-devel, or Debian's selinux-policy-dev)
SELINUX_MAKEFILE ?= /usr/share/selinux/devel/Makefile
selinux:
	@mkdir -p build/selinux
	cp contrib/selinux/* build/selinux
	$(MAKE) -C build/selinux -f $(SELINUX_MAKEFILE) passt.pp pasta.pp

clean:
	rm -rf build passt pasta pesto qrap passt.static

FORCE:
.PHONY: all static sim check check-sys test soak test-packages fuzz fuzz-run lint doc demo bench dist
.PHONY: test-clients version selinux
.PHONY: deb-source no-debian deb install uninstall clean FORCE
.DELETE_ON_ERROR:

-include $(OBJ:.o=.d) $(wildcard $(B)/test/*/*.d $(B)/doc/platform/*.d)
