/** ICMP echo (RFC 792, RFC 4443) over a raw socket, for machines without the `ping` program. */
import { parseIp } from "../../src/base/addr.ts";
import { readU16, writeU16 } from "../../src/base/bytes.ts";
import type { Libc } from "../../ffi/linux/libc.ts";
import { packSockaddr } from "../fake/sockaddr.ts";
import { check } from "../../ffi/native.ts";

const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const REQUEST = { 4: 8, 6: 128 } as const;
const REPLY = { 4: 0, 6: 129 } as const;
const IDENTIFIER = 0x7474;

/** The round-trip time in milliseconds, or null when no answer came within a second. */
export function ping(libc: Libc, host: string, sequence: number): number | null {
  const family = parseIp(host)?.length === 4 ? 4 : 6;
  const { family: af, bytes: address } = packSockaddr({ host, port: 0 });
  const protocol = family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
  const fd = check("socket", libc.socket(af, SOCK_RAW | SOCK_NONBLOCK, protocol));
  try {
    check("connect", libc.connect(fd, address, address.length));
    const request = echoRequest(family, sequence);
    const began = performance.now();
    check("send", libc.send(fd, request, 0));
    const answer = new Uint8Array(256);
    while (performance.now() - began < 1000) { // polls: a wait would be most of what is measured
      const got = libc.recv(fd, answer, 0);
      // An IPv4 raw socket shows the IP header, an IPv6 one does not.
      const at = family === 4 ? (answer[0]! & 0x0f) * 4 : 0;
      if (got >= at + 8 && answer[at] === REPLY[family] && readU16(answer, at + 6) === sequence) {
        return performance.now() - began;
      }
    }
    return null;
  } finally {
    libc.close(fd);
  }
}

function echoRequest(family: 4 | 6, sequence: number): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(64);
  packet[0] = REQUEST[family];
  writeU16(packet, 4, IDENTIFIER);
  writeU16(packet, 6, sequence);
  if (family === 4) writeU16(packet, 2, checksum(packet)); // the kernel does IPv6's
  return packet;
}

/** RFC 1071, for an even number of bytes. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += readU16(bytes, at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
