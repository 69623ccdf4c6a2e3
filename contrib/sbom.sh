#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# sbom.sh TARBALL - bill of materials in SPDX 2.3: the tarball, and the parts its program is built of and runs with
#
# The same text for the same tarball: its time is that of its files.
set -eu
tar=$1
name=$(basename "$tar" .tar.gz)
version=${name#passt-}
sum=$(sha256sum "$tar" | cut -d ' ' -f 1)
created=$(TZ=UTC0 tar --full-time -tvzf "$tar" | awk 'NR == 1 { sub(/\..*/, "", $5); print $4 "T" $5 "Z" }')

authors="The authors of passt and pasta"

package() # ID NAME PURPOSE LICENSE SUPPLIER COPYRIGHT
{
	cat <<EOF

PackageName: $2
SPDXID: SPDXRef-$1
PackageSupplier: $5
PackageDownloadLocation: NOASSERTION
FilesAnalyzed: false
PackageLicenseConcluded: $4
PackageLicenseDeclared: $4
PackageCopyrightText: $6
PrimaryPackagePurpose: $3
EOF
}

cat <<EOF
SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: $name
DocumentNamespace: https://passt.invalid/spdx/$name-$sum
Creator: Tool: contrib/sbom.sh
Creator: Organization: $authors
Created: $created
EOF
package passt passt APPLICATION GPL-2.0-or-later "Organization: $authors" "<text>2026 $authors</text>"
cat <<EOF
PackageVersion: $version
PackageFileName: $(basename "$tar")
PackageChecksum: SHA256: $sum
ExternalRef: PACKAGE-MANAGER purl pkg:generic/passt@$version?checksum=sha256:$sum
EOF
package libc libc LIBRARY NOASSERTION NOASSERTION NOASSERTION
package linux-headers "Linux UAPI headers" SOURCE "GPL-2.0-only WITH Linux-syscall-note" NOASSERTION NOASSERTION
cat <<EOF

Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-passt
Relationship: SPDXRef-libc RUNTIME_DEPENDENCY_OF SPDXRef-passt
Relationship: SPDXRef-linux-headers BUILD_DEPENDENCY_OF SPDXRef-passt
EOF
