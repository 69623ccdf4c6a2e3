#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TCP through a link of 100 ms with loss
RTT=100 BYTES=1500000
. "${0%/*}/wan.bash"
