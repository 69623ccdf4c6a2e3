/* SPDX-License-Identifier: GPL-2.0-or-later */
/* packet_frames.h - frames for the tests of the parser: one table of what must be read, one of what must be dropped
 *
 * A comment decodes the line behind it. Transport checksums are 0xbeef: nobody verifies them (see packet.c).
 */
#define ETH4	"9a5555555555 021122334455 0800"	/* from the guest to us, IPv4 */
#define ETH6	"9a5555555555 021122334455 86dd"	/* the same, IPv6 */

static const struct good {
	const char	*name, *hex;
	const char	*src, *dst;
	uint16_t	sport, dport;
	uint8_t		proto, ttl;
	size_t		len;		/* payload */
	bool		fragment;
	struct {
		uint32_t id, off;
		bool	 more;
	} frag;
} good[] = {
	{ "ARP request",
	  /* Ethernet, ARP */
	  "ffffffffffff 021122334455 0806"
	  /* who has 10.0.2.2, tell 10.0.2.15 */
	  "0001 0800 06 04 0001 021122334455 0a00020f 000000000000 0a000202",
	  NULL, NULL, 0, 0, 0, 0, 28, false, { 0 } },
	{ "TCP SYN over IPv4",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 60 bytes */
	  "45 00 003c 1234 4000 40 06 5a78 0a00020f c0000201"
	  /* TCP 40000 > 80, SYN, MSS 1460, SACK permitted, timestamp, window scale 10 */
	  "9c40 0050 01020304 0a0b0c0d a0 02 faf0 beef 0000"
	  "020405b40402080a00000001000000000103030a",
	  "10.0.2.15", "192.0.2.1", 40000, 80, IPPROTO_TCP, 64, 0, false, { 0 } },
	{ "TCP data over IPv4",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 50 bytes */
	  "45 00 0032 1234 4000 40 06 5a82 0a00020f c0000201"
	  /* TCP 40000 > 80, ACK PSH */
	  "9c40 0050 01020304 0a0b0c0d 50 18 faf0 beef 0000"
	  /* 10 bytes */
	  "4142434445464748494a",
	  "10.0.2.15", "192.0.2.1", 40000, 80, IPPROTO_TCP, 64, 10, false, { 0 } },
	{ "TCP with 40 bytes of options over IPv4",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 83 bytes */
	  "45 00 0053 1234 4000 40 06 5a61 0a00020f c0000201"
	  /* TCP 40000 > 80, ACK, timestamp, padding */
	  "9c40 0050 01020304 0a0b0c0d f0 10 faf0 beef 0000"
	  "0101080a000000010000000201010101010101010101010101010101010101010101010101010101"
	  /* 3 bytes */
	  "414243",
	  "10.0.2.15", "192.0.2.1", 40000, 80, IPPROTO_TCP, 64, 3, false, { 0 } },
	{ "UDP over IPv4",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 33 bytes */
	  "45 00 0021 1234 4000 40 11 5a88 0a00020f c0000201"
	  /* UDP 40000 > 53, length 13 */
	  "9c40 0035 000d beef"
	  /* 5 bytes */
	  "4142434445",
	  "10.0.2.15", "192.0.2.1", 40000, 53, IPPROTO_UDP, 64, 5, false, { 0 } },
	{ "empty UDP over IPv4",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 5a8d 0a00020f c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef",
	  "10.0.2.15", "192.0.2.1", 40000, 53, IPPROTO_UDP, 64, 0, false, { 0 } },
	{ "UDP length below that of the IP payload over IPv4",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 37 bytes */
	  "45 00 0025 1234 4000 40 11 5a84 0a00020f c0000201"
	  /* UDP 40000 > 53, length 13 */
	  "9c40 0035 000d beef"
	  /* 9 bytes */
	  "414243444546474849",
	  "10.0.2.15", "192.0.2.1", 40000, 53, IPPROTO_UDP, 64, 5, false, { 0 } },
	{ "L2-01 UDP over IPv4, padded to 64 bytes",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 30 bytes */
	  "45 00 001e 1234 4000 40 11 5a8b 0a00020f c0000201"
	  /* UDP 40000 > 53, length 10 */
	  "9c40 0035 000a beef"
	  /* 2 bytes */
	  "4142"
	  /* padding */
	  "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
	  "10.0.2.15", "192.0.2.1", 40000, 53, IPPROTO_UDP, 64, 2, false, { 0 } },
	{ "echo request over IPv4",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 1, 36 bytes */
	  "45 00 0024 1234 4000 40 01 5a95 0a00020f c0000201"
	  /* echo request, id 7, seq 9 */
	  "08 00 beef 0007 0009"
	  /* 8 bytes */
	  "4142434445464748",
	  "10.0.2.15", "192.0.2.1", 0, 0, IPPROTO_ICMP, 64, 8, false, { 0 } },
	{ "multicast DNS over IPv4",
	  ETH4
	  /* 10.0.2.15 > 224.0.0.251, protocol 17, 32 bytes */
	  "45 00 0020 1234 4000 40 11 3b8f 0a00020f e00000fb"
	  /* UDP 5353 > 5353, length 12 */
	  "14e9 14e9 000c beef"
	  /* 4 bytes */
	  "41424344",
	  "10.0.2.15", "224.0.0.251", 5353, 5353, IPPROTO_UDP, 64, 4, false, { 0 } },
	{ "TCP SYN over IPv6",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 6, 40 bytes behind */
	  "60000000 0028 06 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* TCP 40000 > 80, SYN, MSS 1460, SACK permitted, timestamp, window scale 10 */
	  "9c40 0050 01020304 0a0b0c0d a0 02 faf0 beef 0000"
	  "020405b40402080a00000001000000000103030a",
	  "2001:db8::15", "2001:db8:1::1", 40000, 80, IPPROTO_TCP, 64, 0, false, { 0 } },
	{ "TCP data over IPv6",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 6, 30 bytes behind */
	  "60000000 001e 06 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* TCP 40000 > 80, ACK PSH */
	  "9c40 0050 01020304 0a0b0c0d 50 18 faf0 beef 0000"
	  /* 10 bytes */
	  "4142434445464748494a",
	  "2001:db8::15", "2001:db8:1::1", 40000, 80, IPPROTO_TCP, 64, 10, false, { 0 } },
	{ "TCP with 40 bytes of options over IPv6",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 6, 63 bytes behind */
	  "60000000 003f 06 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* TCP 40000 > 80, ACK, timestamp, padding */
	  "9c40 0050 01020304 0a0b0c0d f0 10 faf0 beef 0000"
	  "0101080a000000010000000201010101010101010101010101010101010101010101010101010101"
	  /* 3 bytes */
	  "414243",
	  "2001:db8::15", "2001:db8:1::1", 40000, 80, IPPROTO_TCP, 64, 3, false, { 0 } },
	{ "UDP over IPv6",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 13 bytes behind */
	  "60000000 000d 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 13 */
	  "9c40 0035 000d beef"
	  /* 5 bytes */
	  "4142434445",
	  "2001:db8::15", "2001:db8:1::1", 40000, 53, IPPROTO_UDP, 64, 5, false, { 0 } },
	{ "empty UDP over IPv6",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef",
	  "2001:db8::15", "2001:db8:1::1", 40000, 53, IPPROTO_UDP, 64, 0, false, { 0 } },
	{ "UDP length below that of the IP payload over IPv6",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 17 bytes behind */
	  "60000000 0011 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 13 */
	  "9c40 0035 000d beef"
	  /* 9 bytes */
	  "414243444546474849",
	  "2001:db8::15", "2001:db8:1::1", 40000, 53, IPPROTO_UDP, 64, 5, false, { 0 } },
	{ "L2-01 UDP over IPv6, padded to 64 bytes",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 10 bytes behind */
	  "60000000 000a 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 10 */
	  "9c40 0035 000a beef"
	  /* 2 bytes */
	  "4142"
	  /* padding */
	  "eeeeeeee",
	  "2001:db8::15", "2001:db8:1::1", 40000, 53, IPPROTO_UDP, 64, 2, false, { 0 } },
	{ "echo request over IPv6",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 58, 16 bytes behind */
	  "60000000 0010 3a 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* echo request, id 7, seq 9 */
	  "80 00 beef 0007 0009"
	  /* 8 bytes */
	  "4142434445464748",
	  "2001:db8::15", "2001:db8:1::1", 0, 0, IPPROTO_ICMPV6, 64, 8, false, { 0 } },
	{ "multicast DNS over IPv6",
	  ETH6
	  /* 2001:db8::15 > ff02::fb, next header 17, 12 bytes behind */
	  "60000000 000c 11 40 20010db8000000000000000000000015"
	  "ff0200000000000000000000000000fb"
	  /* UDP 5353 > 5353, length 12 */
	  "14e9 14e9 000c beef"
	  /* 4 bytes */
	  "41424344",
	  "2001:db8::15", "ff02::fb", 5353, 5353, IPPROTO_UDP, 64, 4, false, { 0 } },
	{ "IPv4 with options",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 86 bytes, router alert, 36 no-operations */
	  "4f 00 0056 1234 4000 40 06 aa47 0a00020f c0000201"
	  "94040000010101010101010101010101010101010101010101010101010101010101010101010101"
	  /* TCP 40000 > 80, ACK */
	  "9c40 0050 01020304 0a0b0c0d 50 10 faf0 beef 0000"
	  /* 6 bytes */
	  "414243444546",
	  "10.0.2.15", "192.0.2.1", 40000, 80, IPPROTO_TCP, 64, 6, false, { 0 } },
	{ "DHCP without an address",
	  ETH4
	  /* 0.0.0.0 > 255.255.255.255, protocol 17, 34 bytes */
	  "45 00 0022 1234 4000 40 11 2898 00000000 ffffffff"
	  /* UDP 68 > 67, length 14 */
	  "0044 0043 000e beef"
	  /* 6 bytes */
	  "414243444546",
	  "0.0.0.0", "255.255.255.255", 68, 67, IPPROTO_UDP, 64, 6, false, { 0 } },
	{ "first IPv4 fragment",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 36 bytes, more fragments */
	  "45 00 0024 1234 2000 40 11 7a85 0a00020f c0000201"
	  /* UDP 40000 > 53, length 1000 */
	  "9c40 0035 03e8 beef"
	  /* 8 bytes */
	  "4142434445464748",
	  "10.0.2.15", "192.0.2.1", 0, 0, IPPROTO_UDP, 64, 16, true, { 0x1234, 0, true } },
	{ "last IPv4 fragment",
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 27 bytes, offset 24 */
	  "45 00 001b 1234 0003 40 11 9a8b 0a00020f c0000201"
	  /* 7 bytes */
	  "41424344454647",
	  "10.0.2.15", "192.0.2.1", 0, 0, IPPROTO_UDP, 64, 7, true, { 0x1234, 24, false } },
	{ "duplicate address detection",
	  ETH6
	  /* :: > ff02::1:ff00:15, next header 58, 24 bytes behind */
	  "60000000 0018 3a ff 00000000000000000000000000000000"
	  "ff0200000000000000000001ff000015"
	  /* neighbour solicitation, who has fe80::15 */
	  "87 00 beef 00000000 fe800000000000000000000000000015",
	  "::", "ff02::1:ff00:15", 0, 0, IPPROTO_ICMPV6, 255, 16, false, { 0 } },
	{ "L2-12 hop-by-hop options",
	  ETH6
	  /* fe80::15 > ff02::16, next header 0, 16 bytes behind */
	  "60000000 0010 00 01 fe800000000000000000000000000015"
	  "ff020000000000000000000000000016"
	  /* hop-by-hop: router alert; next: ICMPv6 */
	  "3a 00 05020000 0100"
	  /* MLDv2 report */
	  "8f 00 beef 00000000",
	  "fe80::15", "ff02::16", 0, 0, IPPROTO_ICMPV6, 1, 0, false, { 0 } },
	{ "L2-12 every extension header",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 0, 77 bytes behind */
	  "60000000 004d 00 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* hop-by-hop: padding; next: destination options */
	  "3c 00 010400000000"
	  /* destination options: padding, 16 bytes; next: routing */
	  "2b 01 010c000000000000000000000000"
	  /* routing, no segments left; next: fragment */
	  "2c 00 04 00 00000000"
	  /* fragment: the only one; next: destination options */
	  "3c 00 0000 01020304"
	  /* destination options: padding; next: TCP */
	  "06 00 010400000000"
	  /* TCP 40000 > 80, ACK */
	  "9c40 0050 01020304 0a0b0c0d 50 10 faf0 beef 0000"
	  /* 9 bytes */
	  "414243444546474849",
	  "2001:db8::15", "2001:db8:1::1", 40000, 80, IPPROTO_TCP, 64, 9, false, { 0 } },
	{ "L2-12 eight headers, 256 bytes",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 60, 267 bytes behind */
	  "60000000 010b 3c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: UDP */
	  "11 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* UDP 40000 > 53, length 11 */
	  "9c40 0035 000b beef"
	  /* 3 bytes */
	  "414243",
	  "2001:db8::15", "2001:db8:1::1", 40000, 53, IPPROTO_UDP, 64, 3, false, { 0 } },
	{ "L2-12 five headers, 160 bytes",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 60, 171 bytes behind */
	  "60000000 00ab 3c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: the same */
	  "3c 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* destination options, 32 bytes; next: UDP */
	  "11 03 011c00000000000000000000000000000000000000000000000000000000"
	  /* UDP 40000 > 53, length 11 */
	  "9c40 0035 000b beef"
	  /* 3 bytes */
	  "414243",
	  "2001:db8::15", "2001:db8:1::1", 40000, 53, IPPROTO_UDP, 64, 3, false, { 0 } },
	{ "L2-12 atomic fragment",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 44, 20 bytes behind */
	  "60000000 0014 2c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* fragment: offset 0, none behind; next: UDP */
	  "11 00 0000 01020304"
	  /* UDP 40000 > 53, length 12 */
	  "9c40 0035 000c beef"
	  /* 4 bytes */
	  "41424344",
	  "2001:db8::15", "2001:db8:1::1", 40000, 53, IPPROTO_UDP, 64, 4, false, { 0 } },
	{ "L2-12 first IPv6 fragment",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 0, 40 bytes behind */
	  "60000000 0028 00 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* hop-by-hop: padding; next: destination options */
	  "3c 00 010400000000"
	  /* destination options: padding; next: fragment */
	  "2c 00 010400000000"
	  /* fragment: offset 0, more; next: UDP */
	  "11 00 0001 01020304"
	  /* UDP 40000 > 53, length 1000 */
	  "9c40 0035 03e8 beef"
	  /* 8 bytes */
	  "4142434445464748",
	  "2001:db8::15", "2001:db8:1::1", 0, 0, IPPROTO_UDP, 64, 16, true, { 0x01020304, 0, true } },
	{ "last IPv6 fragment",
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 44, 13 bytes behind */
	  "60000000 000d 2c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* fragment: offset 24; next: UDP */
	  "11 00 0018 01020304"
	  /* 5 bytes */
	  "4142434445",
	  "2001:db8::15", "2001:db8:1::1", 0, 0, IPPROTO_UDP, 64, 5, true, { 0x01020304, 24, false } },
};

static const struct bad {
	const char	*name;
	enum drop	why;
	const char	*hex;
} bad[] = {
	{ "nothing", DROP_FRAME,
	  "" },
	{ "half an Ethernet header", DROP_FRAME,
	  /* Ethernet, cut */
	  "9a5555555555 02" },
	{ "13 bytes", DROP_FRAME,
	  /* Ethernet, cut */
	  "9a5555555555 021122334455 08" },
	{ "IPv4 header cut", DROP_FRAME,
	  ETH4
	  /* IPv4, 19 bytes */
	  "4500001c1234400040110000 0a00020f c00002" },
	{ "IPv6 header cut", DROP_FRAME,
	  ETH6
	  /* IPv6, 39 bytes */
	  "60000000 0000 3b 40 20010db8000000000000000000000015 20010db80001000000000000000000" },
	{ "VLAN", DROP_ETHERTYPE,
	  /* Ethernet, VLAN */
	  "9a5555555555 021122334455 8100"
	  /* tag 1, IPv4 */
	  "0001 0800"
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 5a8d 0a00020f c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "IEEE 802.3 length", DROP_ETHERTYPE,
	  /* Ethernet, 0x0026 */
	  "9a5555555555 021122334455 0026"
	  /* LLC, spanning tree */
	  "4242 030000000000000000000000000000000000000000000000000000000000000000000000" },
	{ "IPv4 version", DROP_IP_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes */
	  "65 00 001c 1234 4000 40 11 3a8d 0a00020f c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "IPv4 header length below 20", DROP_IP_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes */
	  "44 00 001c 1234 4000 40 11 5b8d 0a00020f c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "IPv4 header length above total length", DROP_IP_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes */
	  "4f 00 001c 1234 4000 40 11 508d 0a00020f c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-01 IPv4 total length above the frame", DROP_IP_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 29 bytes */
	  "45 00 001d 1234 4000 40 11 5a8c 0a00020f c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "IPv4 total length below header", DROP_IP_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 19 bytes */
	  "45 00 0013 1234 4000 40 11 5a96 0a00020f c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "IPv4 total length 0", DROP_IP_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 0 bytes */
	  "45 00 0000 1234 4000 40 11 5aa9 0a00020f c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "IPv6 version", DROP_IP_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 8 bytes behind */
	  "40000000 0008 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-01 IPv6 payload length above the frame", DROP_IP_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 9 bytes behind */
	  "60000000 0009 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "IPv4 header checksum", DROP_IP_CSUM,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes, wrong checksum */
	  "45 00 001c 1234 4000 40 11 5b8d 0a00020f c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-12 hop-by-hop options in second place", DROP_IP_EXT,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 60, 24 bytes behind */
	  "60000000 0018 3c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* destination options; next: hop-by-hop */
	  "00 00 010400000000"
	  /* hop-by-hop; next: UDP */
	  "11 00 010400000000"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-12 segments left", DROP_IP_EXT,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 43, 16 bytes behind */
	  "60000000 0010 2b 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* routing, one segment left; next: UDP */
	  "11 00 04 01 00000000"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-12 extension header beyond the packet", DROP_IP_EXT,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 60, 8 bytes behind */
	  "60000000 0008 3c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* destination options, 16 bytes; next: UDP */
	  "11 01 010400000000" },
	{ "L2-12 extension header cut", DROP_IP_EXT,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 60, 4 bytes behind */
	  "60000000 0004 3c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* destination options, 4 bytes of them */
	  "11 00 0104" },
	{ "L2-12 extension header announced, nothing there", DROP_IP_EXT,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 60, 0 bytes behind */
	  "60000000 0000 3c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001" },
	{ "L2-12 nine headers", DROP_IP_EXT,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 60, 80 bytes behind */
	  "60000000 0050 3c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* destination options; next: the same */
	  "3c 00 010400000000"
	  /* destination options; next: the same */
	  "3c 00 010400000000"
	  /* destination options; next: the same */
	  "3c 00 010400000000"
	  /* destination options; next: the same */
	  "3c 00 010400000000"
	  /* destination options; next: the same */
	  "3c 00 010400000000"
	  /* destination options; next: the same */
	  "3c 00 010400000000"
	  /* destination options; next: the same */
	  "3c 00 010400000000"
	  /* destination options; next: the same */
	  "3c 00 010400000000"
	  /* destination options; next: UDP */
	  "11 00 010400000000"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-12 264 bytes of headers", DROP_IP_EXT,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 60, 270 bytes behind */
	  "60000000 010e 3c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* destination options, 264 bytes; next: UDP */
	  "11 20"
	  "01ff0000000000000000000000000000000000000000000000000000000000000000000000000000"
	  "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
	  "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
	  "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
	  "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
	  "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
	  "00000000000000000000000000000000000100 00"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-12 two fragment headers", DROP_IP_EXT,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 44, 32 bytes behind */
	  "60000000 0020 2c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* fragment: the only one; next: fragment */
	  "2c 00 0000 01020304"
	  /* fragment: offset 0, more; next: UDP */
	  "11 00 0001 01020305"
	  /* UDP 40000 > 53, length 16 */
	  "9c40 0035 0010 beef"
	  /* 8 bytes */
	  "4142434445464748" },
	{ "L2-12 two atomic fragment headers", DROP_IP_EXT,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 44, 24 bytes behind */
	  "60000000 0018 2c 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* fragment: the only one; next: fragment */
	  "2c 00 0000 01020304"
	  /* the same again; next: UDP */
	  "11 00 0000 01020305"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "TCP header cut over IPv4", DROP_L4_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 39 bytes */
	  "45 00 0027 1234 4000 40 06 5a8d 0a00020f c0000201"
	  /* TCP, 19 bytes */
	  "9c40 0050 01020304 0a0b0c0d 50 10 faf0 beef 00" },
	{ "TCP data offset below 20 over IPv4", DROP_L4_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 48 bytes */
	  "45 00 0030 1234 4000 40 06 5a84 0a00020f c0000201"
	  /* TCP 40000 > 80, header of 16 bytes */
	  "9c40 0050 01020304 0a0b0c0d 40 10 faf0 beef 0000"
	  /* 8 bytes */
	  "4142434445464748" },
	{ "TCP data offset above the segment over IPv4", DROP_L4_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 43 bytes */
	  "45 00 002b 1234 4000 40 06 5a89 0a00020f c0000201"
	  /* TCP 40000 > 80, header of 24 bytes */
	  "9c40 0050 01020304 0a0b0c0d 60 10 faf0 beef 0000"
	  /* 3 bytes */
	  "414243" },
	{ "UDP header cut over IPv4", DROP_L4_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 27 bytes */
	  "45 00 001b 1234 4000 40 11 5a8e 0a00020f c0000201"
	  /* UDP, 7 bytes */
	  "9c40 0035 0008 be" },
	{ "UDP length below 8 over IPv4", DROP_L4_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 5a8d 0a00020f c0000201"
	  /* UDP 40000 > 53, length 7 */
	  "9c40 0035 0007 beef" },
	{ "UDP length above the packet over IPv4", DROP_L4_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 5a8d 0a00020f c0000201"
	  /* UDP 40000 > 53, length 9 */
	  "9c40 0035 0009 beef"
	  /* padding */
	  "ee" },
	{ "ICMP header cut over IPv4", DROP_L4_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 1, 27 bytes */
	  "45 00 001b 1234 4000 40 01 5a9e 0a00020f c0000201"
	  /* 7 bytes */
	  "0800 beef 0007 00" },
	{ "L4 header missing over IPv4", DROP_L4_HEADER,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 20 bytes */
	  "45 00 0014 1234 4000 40 06 5aa0 0a00020f c0000201" },
	{ "SCTP over IPv4", DROP_PROTO,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 132, 32 bytes */
	  "45 00 0020 1234 4000 40 84 5a16 0a00020f c0000201"
	  /* SCTP */
	  "9c40 0050 00000000 00000000" },
	{ "other ICMP over IPv4", DROP_PROTO,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 58, 28 bytes */
	  "45 00 001c 1234 4000 40 3a 5a64 0a00020f c0000201"
	  /* echo request */
	  "0800 beef 0007 0009" },
	{ "TCP-34 SYN to port 0 over IPv4", DROP_PORT_ZERO,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 40 bytes */
	  "45 00 0028 1234 4000 40 06 5a8c 0a00020f c0000201"
	  /* TCP 40000 > 0, SYN */
	  "9c40 0000 01020304 0a0b0c0d 50 02 faf0 beef 0000" },
	{ "TCP-34 SYN from port 0 over IPv4", DROP_PORT_ZERO,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 6, 40 bytes */
	  "45 00 0028 1234 4000 40 06 5a8c 0a00020f c0000201"
	  /* TCP 0 > 80, SYN */
	  "0000 0050 01020304 0a0b0c0d 50 02 faf0 beef 0000" },
	{ "TCP-34 UDP to port 0 over IPv4", DROP_PORT_ZERO,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 5a8d 0a00020f c0000201"
	  /* UDP 40000 > 0, length 8 */
	  "9c40 0000 0008 beef" },
	{ "TCP-34 UDP from port 0 over IPv4", DROP_PORT_ZERO,
	  ETH4
	  /* 10.0.2.15 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 5a8d 0a00020f c0000201"
	  /* UDP 0 > 53, length 8 */
	  "0000 0035 0008 beef" },
	{ "TCP header cut over IPv6", DROP_L4_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 6, 19 bytes behind */
	  "60000000 0013 06 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* TCP, 19 bytes */
	  "9c40 0050 01020304 0a0b0c0d 50 10 faf0 beef 00" },
	{ "TCP data offset below 20 over IPv6", DROP_L4_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 6, 28 bytes behind */
	  "60000000 001c 06 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* TCP 40000 > 80, header of 16 bytes */
	  "9c40 0050 01020304 0a0b0c0d 40 10 faf0 beef 0000"
	  /* 8 bytes */
	  "4142434445464748" },
	{ "TCP data offset above the segment over IPv6", DROP_L4_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 6, 23 bytes behind */
	  "60000000 0017 06 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* TCP 40000 > 80, header of 24 bytes */
	  "9c40 0050 01020304 0a0b0c0d 60 10 faf0 beef 0000"
	  /* 3 bytes */
	  "414243" },
	{ "UDP header cut over IPv6", DROP_L4_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 7 bytes behind */
	  "60000000 0007 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP, 7 bytes */
	  "9c40 0035 0008 be" },
	{ "UDP length below 8 over IPv6", DROP_L4_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 7 */
	  "9c40 0035 0007 beef" },
	{ "UDP length above the packet over IPv6", DROP_L4_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 9 */
	  "9c40 0035 0009 beef"
	  /* padding */
	  "ee" },
	{ "ICMP header cut over IPv6", DROP_L4_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 58, 7 bytes behind */
	  "60000000 0007 3a 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* 7 bytes */
	  "0800 beef 0007 00" },
	{ "L4 header missing over IPv6", DROP_L4_HEADER,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 6, 0 bytes behind */
	  "60000000 0000 06 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001" },
	{ "SCTP over IPv6", DROP_PROTO,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 132, 12 bytes behind */
	  "60000000 000c 84 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* SCTP */
	  "9c40 0050 00000000 00000000" },
	{ "other ICMP over IPv6", DROP_PROTO,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 1, 8 bytes behind */
	  "60000000 0008 01 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* echo request */
	  "0800 beef 0007 0009" },
	{ "TCP-34 SYN to port 0 over IPv6", DROP_PORT_ZERO,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 6, 20 bytes behind */
	  "60000000 0014 06 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* TCP 40000 > 0, SYN */
	  "9c40 0000 01020304 0a0b0c0d 50 02 faf0 beef 0000" },
	{ "TCP-34 SYN from port 0 over IPv6", DROP_PORT_ZERO,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 6, 20 bytes behind */
	  "60000000 0014 06 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* TCP 0 > 80, SYN */
	  "0000 0050 01020304 0a0b0c0d 50 02 faf0 beef 0000" },
	{ "TCP-34 UDP to port 0 over IPv6", DROP_PORT_ZERO,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 0, length 8 */
	  "9c40 0000 0008 beef" },
	{ "TCP-34 UDP from port 0 over IPv6", DROP_PORT_ZERO,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* UDP 0 > 53, length 8 */
	  "0000 0035 0008 beef" },
	{ "L2-12 no next header", DROP_PROTO,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 59, 0 bytes behind */
	  "60000000 0000 3b 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001" },
	{ "L2-12 no next header behind others", DROP_PROTO,
	  ETH6
	  /* 2001:db8::15 > 2001:db8:1::1, next header 0, 8 bytes behind */
	  "60000000 0008 00 40 20010db8000000000000000000000015"
	  "20010db8000100000000000000000001"
	  /* hop-by-hop: padding; next: none */
	  "3b 00 010400000000" },
	{ "L2-13 to 127.0.0.1", DROP_ADDR,
	  ETH4
	  /* 10.0.2.15 > 127.0.0.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 9d8d 0a00020f 7f000001"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-13 from 127.255.255.254", DROP_ADDR,
	  ETH4
	  /* 127.255.255.254 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 e69d 7ffffffe c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-13 to ::1", DROP_ADDR,
	  ETH6
	  /* 2001:db8::15 > ::1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 20010db8000000000000000000000015"
	  "00000000000000000000000000000001"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-13 from ::1", DROP_ADDR,
	  ETH6
	  /* ::1 > 2001:db8:1::1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 00000000000000000000000000000001"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-13 to ::ffff:127.0.0.1", DROP_ADDR,
	  ETH6
	  /* 2001:db8::15 > ::ffff:127.0.0.1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 20010db8000000000000000000000015"
	  "00000000000000000000ffff7f000001"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-13 from ::ffff:127.0.0.1", DROP_ADDR,
	  ETH6
	  /* ::ffff:127.0.0.1 > 2001:db8:1::1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 00000000000000000000ffff7f000001"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "L2-13 fragment to 127.0.0.1", DROP_ADDR,
	  ETH4
	  /* 10.0.2.15 > 127.0.0.1, protocol 17, 28 bytes, offset 8, more */
	  "45 00 001c 1234 2001 40 11 bd8c 0a00020f 7f000001"
	  /* 8 bytes */
	  "4142434445464748" },
	{ "mapped IPv4 address in IPv6", DROP_ADDR,
	  ETH6
	  /* 2001:db8::15 > ::ffff:192.0.2.1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 20010db8000000000000000000000015"
	  "00000000000000000000ffffc0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "TCP without a source", DROP_ADDR,
	  ETH4
	  /* 0.0.0.0 > 192.0.2.1, protocol 6, 40 bytes */
	  "45 00 0028 1234 4000 40 06 669b 00000000 c0000201"
	  /* TCP 40000 > 80, SYN */
	  "9c40 0050 01020304 0a0b0c0d 50 02 faf0 beef 0000" },
	{ "UDP without a source, not broadcast", DROP_ADDR,
	  ETH4
	  /* 0.0.0.0 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 669c 00000000 c0000201"
	  /* UDP 68 > 67, length 8 */
	  "0044 0043 0008 beef" },
	{ "UDP without a source, not DHCP", DROP_ADDR,
	  ETH4
	  /* 0.0.0.0 > 255.255.255.255, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 289e 00000000 ffffffff"
	  /* UDP 68 > 68, length 8 */
	  "0044 0044 0008 beef" },
	{ "fragment without a source", DROP_ADDR,
	  ETH4
	  /* 0.0.0.0 > 255.255.255.255, protocol 17, 28 bytes, more */
	  "45 00 001c 1234 2000 40 11 489e 00000000 ffffffff"
	  /* UDP 68 > 67, length 8 */
	  "0044 0043 0008 beef" },
	{ "UDP from ::", DROP_ADDR,
	  ETH6
	  /* :: > ff02::1:2, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 00000000000000000000000000000000"
	  "ff020000000000000000000000010002"
	  /* UDP 546 > 547, length 8 */
	  "0222 0223 0008 beef" },
	{ "ICMPv6 from :: to one host", DROP_ADDR,
	  ETH6
	  /* :: > 2001:db8:1::1, next header 58, 8 bytes behind */
	  "60000000 0008 3a 40 00000000000000000000000000000000"
	  "20010db8000100000000000000000001"
	  /* echo request */
	  "8000 beef 0007 0009" },
	{ "to 0.0.0.0", DROP_ADDR,
	  ETH4
	  /* 10.0.2.15 > 0.0.0.0, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 1c8f 0a00020f 00000000"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "to ::", DROP_ADDR,
	  ETH6
	  /* 2001:db8::15 > ::, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 20010db8000000000000000000000015"
	  "00000000000000000000000000000000"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "from IPv4 multicast", DROP_ADDR,
	  ETH4
	  /* 224.0.0.1 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 869a e0000001 c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "from IPv4 broadcast", DROP_ADDR,
	  ETH4
	  /* 255.255.255.255 > 192.0.2.1, protocol 17, 28 bytes */
	  "45 00 001c 1234 4000 40 11 669c ffffffff c0000201"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "from IPv6 multicast", DROP_ADDR,
	  ETH6
	  /* ff02::1 > 2001:db8:1::1, next header 17, 8 bytes behind */
	  "60000000 0008 11 40 ff020000000000000000000000000001"
	  "20010db8000100000000000000000001"
	  /* UDP 40000 > 53, length 8 */
	  "9c40 0035 0008 beef" },
	{ "TCP to IPv4 multicast", DROP_ADDR,
	  ETH4
	  /* 10.0.2.15 > 239.1.2.3, protocol 6, 40 bytes */
	  "45 00 0028 1234 4000 40 06 2b89 0a00020f ef010203"
	  /* TCP 40000 > 80, SYN */
	  "9c40 0050 01020304 0a0b0c0d 50 02 faf0 beef 0000" },
	{ "TCP to IPv4 broadcast", DROP_ADDR,
	  ETH4
	  /* 10.0.2.15 > 255.255.255.255, protocol 6, 40 bytes */
	  "45 00 0028 1234 4000 40 06 1c8e 0a00020f ffffffff"
	  /* TCP 40000 > 80, SYN */
	  "9c40 0050 01020304 0a0b0c0d 50 02 faf0 beef 0000" },
	{ "TCP to IPv6 multicast", DROP_ADDR,
	  ETH6
	  /* 2001:db8::15 > ff0e::1, next header 6, 20 bytes behind */
	  "60000000 0014 06 40 20010db8000000000000000000000015"
	  "ff0e0000000000000000000000000001"
	  /* TCP 40000 > 80, SYN */
	  "9c40 0050 01020304 0a0b0c0d 50 02 faf0 beef 0000" },
};
