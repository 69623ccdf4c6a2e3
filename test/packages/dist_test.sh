#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# dist_test.sh - the tarball, and its programs, are the same from any folder, at any time; installed files
. "$(dirname "$0")/lib.sh"

# FOLDER UMASK: a clone there, and its tarball
tarball()
{
	(umask "$2" && git -c safe.directory='*' clone -q "$TOP" "$1" && make -s -C "$1" dist)
}

ok "a tarball" tarball one 022 || finish
TZ=Pacific/Auckland
export TZ
ok "another one, by another umask and time zone" tarball a/folder/elsewhere 077
tar=$(basename one/build/dist/*.tar.gz)
name=${tar%.tar.gz}
ok "are the same bytes" cmp "one/build/dist/$tar" "a/folder/elsewhere/build/dist/$tar"
ok "and its bill of materials" cmp "one/build/dist/$name.spdx" "a/folder/elsewhere/build/dist/$name.spdx"
is "which has its checksum" \
	"$(sed -n 's/^PackageChecksum: SHA256: //p' "one/build/dist/$name.spdx")  one/build/dist/$tar" \
	"$(sha256sum "one/build/dist/$tar")"

# SPDX 2.3: clauses 6 and 7 for the fields of document and package, 11 for relationships: each part has one with the
# program
cat > spdx.py <<'END'
import re, sys

text = open(sys.argv[1]).read()
document, *packages = text.split("\n\nRelationship: ")[0].split("\n\nPackageName: ")
assert re.fullmatch(r"(?:SPDXVersion: SPDX-2\.3|DataLicense: CC0-1\.0|SPDXID: SPDXRef-DOCUMENT|DocumentName: [^\n]+|"
                    r"DocumentNamespace: https://[^#\s]+|Creator: (?:Tool|Organization|Person): [^\n]+|"
                    r"Created: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\n)+", document), document
ids = ["SPDXRef-DOCUMENT"]
for p in packages:
    fields = dict(line.split(": ", 1) for line in ("PackageName: " + p).splitlines())
    for f in "SPDXID", "PackageDownloadLocation", "PackageSupplier", "PackageLicenseConcluded", "PackageCopyrightText":
        assert fields[f], f
    assert fields.get("PackageVersion") != "NOASSERTION"
    assert fields["FilesAnalyzed"] == "false" and "PackageVerificationCode" not in fields
    assert re.fullmatch("SPDXRef-[A-Za-z0-9.-]+", fields["SPDXID"]) and fields["SPDXID"] not in ids
    assert re.fullmatch(r"[^/\s]+", fields.get("PackageFileName", "-"))
    ids.append(fields["SPDXID"])
related = re.findall(r"^Relationship: (\S+) [A-Z_]+ (\S+)$", text, re.M)
assert {i for r in related for i in r} == set(ids)
assert all("SPDXRef-passt" in r for r in related)
END
ok "has the fields that it takes" python3 spdx.py "one/build/dist/$name.spdx"
is "top of the tarball, less sources" "$(tar -tf "one/build/dist/$tar" | cut -d / -f 2 |
	grep -v '\.[ch]$' | sort -u | tr '\n' ' ')" \
	" .ci .clang-format .editorconfig .gitattributes .gitignore .reuse LICENSES Makefile README.md VERSION contrib doc test try "

# FOLDER UMASK: Debian's source there, modes and all
source()
{
	(umask "$2" && make -s -C "$1" deb-source) &&
		(cd "$1/build/deb/$name" && find . -printf '%m %p\n' | sort > "$WORK/source.$2")
}
ok "Debian's source" source one 022
ok "Debian's source, by another umask" source a/folder/elsewhere 077
ok "has the same modes" cmp source.022 source.077

mkdir outside
tar -C outside -xzf "one/build/dist/$tar"
ok "make dist fails outside of git" sh -c '! make -C "$1" dist' sh "outside/$name"
ok "so does make deb, for the reason" sh -c '! make -s -C "$1" deb 2> "$2" && grep -q "^make deb: no debian/" "$2"' \
	sh "outside/$name" "$WORK/reason"
is "and leaves no tarball" "$(ls "outside/$name/build/dist")" ""

# FOLDER TIME: built and installed there; variables of the environment with names of the Makefile's own stay out
build()
{
	export DEFINE=-no DEFINES=-no FUZZING=-no KERNEL=6.1.0-13-amd64 MAIN=no.c SANITIZE=-no SMALL=-no
	mkdir -p "$1" && tar -C "$1" -xzf "one/build/dist/$tar" || return 1
	find "$1" -exec touch -d "$2" {} + || return 1
	make -C "$1/$name" -j2 WERROR=1 && make -C "$1/$name" install prefix=/opt DESTDIR="$WORK/$1/root" \
		apparmordir=/etc/apparmor.d
}

ok "builds, outside of git" build x "2027-01-02 03:04:05"
ok "builds in a folder of any name" build "any body's" "2030-12-31 23:59:59"
ok "what is installed is the same bytes" diff -r x/root "any body's/root"
for p in passt pasta pesto; do
	is "$p --version" "$("x/root/opt/bin/$p" --version | head -n 1)" "$p ${name#passt-}"
done
is "pasta and pesto are hard links of passt" \
	"$(cd x/root/opt/bin && stat -c %h%F passt pasta pesto | uniq)" "3regular file"
is "pages of the manual" "$(ls x/root/opt/share/man/man1 | tr '\n' ' ')" "passt.1 pasta.1 pesto.1 qrap.1 "
is "modes" "$(find x/root -type f -printf '%m %P\n' | sed 's|\([a-z]*/[a-z.]*\)/.*|\1|' | sort -u |
	tr '\n' ' ')" "644 etc/apparmor.d 644 opt/share 755 opt/bin "
is "profiles of these programs" \
	"$(sed -n 's/^profile [a-z]* \([^ {]*\).*/\1/p' x/root/etc/apparmor.d/usr.* | tr '\n' ' ')" \
	"/opt/bin/passt /opt/bin/pasta /opt/bin/pesto "
ok "make uninstall" make -C "x/$name" uninstall prefix=/opt DESTDIR="$WORK/x/root" \
	apparmordir=/etc/apparmor.d
is "leaves no file" "$(find x/root ! -type d)" ""

# PREFIX FOLDER: installed and removed by a user's shell that leaves the ~; FOLDER is below its home
home()
{
	HOME=$WORK/home
	export HOME
	make -s -C "$name" install "prefix=$1" "apparmordir=$WORK/home/profiles" &&
		[ "$("home/$2/bin/pasta" --version | head -n 1)" = "pasta ${name#passt-}" ] &&
		grep -xF "profile passt $WORK/home/$2/bin/passt{,.avx2} flags=(attach_disconnected) {" \
			home/profiles/usr.bin.passt &&
		make -s -C "$name" uninstall "prefix=$1" "apparmordir=$WORK/home/profiles"
}

mkdir home
tar -xzf "one/build/dist/$tar"
ok "below a home, and gone" home "~/.local" .local
mine='.local of | & \ mine'
ok "below a folder with a blank and signs, and gone" home "$WORK/home/$mine" "$mine"
is "nothing is left of both" "$(find home "$name" \( -path '*.local*' -o -path 'home/*' \) ! -type d)" ""
finish
