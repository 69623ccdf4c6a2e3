#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# selinux_test.sh - the modules for SELinux are built, linked with Debian's policy, and called by other policies. Then a
# kernel enforces them, user-mode Linux, while the programs run in it: whatever it refuses them is a failure. UNUSED=1
# names the rules that were not needed there.
. "$(dirname "$0")/lib.sh"
DEB_BUILD_OPTIONS=
here=$TOP/test/packages/selinux
tools=$TOP/build/test/tools

ok "programs and tools" make -s -C "$TOP" all build/test/tools/vm/initrd build/test/tools/xstate.so \
	build/test/tools/far build/test/tools/guest build/test/tools/guest_vhost || finish
packages=make,selinux-policy-dev,selinux-policy-default,policycoreutils,semodule-utils,python3,busybox,iproute2
ok "a chroot with the policy" chroot_make bookworm $packages selinux || finish

# CAPS_STARTUP: in the host's user namespace, and in another one
caps=$(sed -n '/define CAPS_STARTUP/,/^$/p' "$TOP/isolate.c" | grep -o 'CAP(CAP_[A-Z_]*' | tr '[:upper:]' '[:lower:]' |
	sed 's/^cap(cap_//' | sort)
for class in capability cap_userns; do
	is "capabilities are those of isolate.c: $class" \
		"$(sed -n "s/^allow pass.* self:$class {\(.*\)};/\1/p; s/^allow pasta_t self:$class {\(.*\)};/\1/p" \
			"$TOP"/contrib/selinux/*.te | tr ' ' '\n' | grep . | sort)" "$caps"
done

cp -r "$TOP/contrib/selinux" .
cp "$here/callers.te" selinux
ok "modules are built" chroot_run sh -ec "cd /mnt/selinux
	make -f /usr/share/selinux/devel/Makefile passt.pp pasta.pp callers.pp > log 2>&1 || { cat log; exit 1; }
	! grep -Eiv '^(Compiling|Creating|rm) ' log" || finish

# The guest's root: programs and what they need, and the policy. libc's locales, perl and so on stay out.
cat > root.sh <<'END'
set -e
cd /mnt/selinux
semodule -n -s default -i passt.pp pasta.pp
cp /etc/selinux/default/policy/policy.* ../policy
if [ -n "$1" ]; then
	for m in passt pasta; do
		/usr/libexec/selinux/hll/pp $m.pp > $m.cil
	done
	../unused passt.cil pasta.cil
	semodule -n -s default -i callers.pp audit_passt.cil audit_pasta.cil
else
	semodule -n -s default -i callers.pp
fi

mkdir /mnt/root.guest
cd /mnt/root.guest
mkdir -p etc usr/bin usr/sbin
ln -s usr/bin bin
ln -s usr/sbin sbin
ln -s usr/lib lib
ln -s usr/lib64 lib64
for f in bash busybox cat chcon chmod chown cp cut dmesg env grep id ip ln ls mkdir mv rm runcon script sed setpriv \
	sh sleep sort stat tail timeout tr true unshare nsenter; do
	cp /usr/bin/$f usr/bin
done
cp /usr/sbin/load_policy /usr/sbin/setfiles /usr/sbin/restorecon usr/sbin
cp /mnt/programs/* usr/bin
for f in $(ldd usr/bin/* usr/sbin/* 2>/dev/null | grep -o '/lib[^ ]*' | sort -u); do
	mkdir -p "usr/$(dirname "$f")"
	cp -L "$f" "usr$f"
done
cp -a /etc/selinux /etc/passwd /etc/group etc
echo user:x:1000:1000::/home/user:/bin/sh >> etc/passwd
echo user:x:1000: >> etc/group
tar -cf /mnt/host/root.tar .
END
mkdir programs host
cp "$TOP/passt" "$TOP/pasta" "$TOP/pesto" "$tools/far" "$tools/guest" "$tools/guest_vhost" programs
cp "$here/unused" .
ok "modules are linked with Debian's policy" chroot_run sh /mnt/root.sh "${UNUSED:-}" || finish

cp "$here/boot" "$here/guest" host
for m in tun veth; do
	cp "$(find /usr/lib/uml/modules -name $m.ko | head -n 1)" host
done
cp "$here/boot" host/1
LD_PRELOAD=$tools/xstate.so TMPDIR=$WORK linux.uml mem=1000M "uml_dir=$WORK/" "initrd=$tools/vm/initrd" con=null \
	con0=null,fd:1 root=/dev/ram0 panic=-1 "host=$WORK/host" audit=1 audit_backlog_limit=8192 log_buf_len=4M \
	< /dev/null > console 2>&1 &
uml=$!
i=0
until [ -e host/end ] || [ $i -gt 1200 ]; do
	sleep 1
	i=$((i + 1))
done
kill -9 -- "$uml" 2> /dev/null
wait $uml
ok "the guest ran" [ -s host/end ] || { tail -n 20 console host/lines | sed 's/^/# /'; finish; }

# VERDICT: its lines; fails
reason()
{
	V=$1 awk '/^(not )?ok / { on = $0 == ENVIRON["V"] } on' host/lines
	return 1
}

grep '^\(not \)\?ok ' host/lines > verdicts
ok "all of its steps" [ "$(wc -l < verdicts)" -gt 70 ]
while read -r verdict; do
	case $verdict in
	ok\ *)	ok "guest: ${verdict#ok }" true ;;
	*)	ok "guest: ${verdict#not ok }" reason "$verdict" ;;
	esac
done < verdicts
sed '/refusals from here on/q' host/end > before
[ -z "${UNUSED:-}" ] || ./unused -c console selinux/passt.cil selinux/pasta.cil | sed 's/^/# unused: /'
ok "nothing else was refused" sh -c '! grep "avc:.*scontext=[^ ]*:\(passt\|pasta\)_t:" before'
finish
