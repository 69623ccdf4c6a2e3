#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhost-user: a hostile front end or driver loses its own packets or its connection, and that is all
LINK=vhost
. "${0%/*}/lib.sh"

topology
passt_start || { fail "passt starts"; done_testing; }
tap_of python3 "$SYS/vhost_hostile.py" "$PASTAPID" "$SOCKET"
done_testing
