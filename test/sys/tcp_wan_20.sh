#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TCP through a link of 20 ms with loss
RTT=20 BYTES=5000000
. "${0%/*}/wan.bash"
