import { deepEqual, equal } from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { judge } from "../../../tests/e2e/checksums.ts";
import {
  leaveOpen,
  makeIpPacket,
  netHeaderOf,
  packNetHeader,
} from "../../../tests/fake/ip_packets.ts";
import { layOut, type Parcel, parcelsIn } from "../../../tests/fake/v2_pair.ts";
import { requireOwnNamespace } from "../../../tests/own_namespace.ts";
import { readBatch } from "../../../tests/suite/waiting.ts";
import { ipBytes } from "../../base/addr.ts";
import { writeU16, writeU32 } from "../../base/bytes.ts";
import { makePackets, Offload } from "../../contract/batch.ts";
import { Joiner } from "../../core/ip/joining.ts";
import { Segments, writeHeaderChecksum } from "../../core/ip/segmentation.ts";
import { acceptHeader, Gso } from "../../core/ip/virtio_net.ts";
import { Reactor } from "../reactor/reactor.ts";
import { openDevice } from "./linux.ts";

/** The kernel forwards from a device that hands out super-packets to one that takes none. */
const NETS = { from: ["10.71.0.1/24", "fd71::1/64"], to: ["10.72.0.1/24", "fd72::1/64"] } as const;
const SOURCE = { 4: "10.71.0.9", 6: "fd71::9" } as const;
const TARGET = { 4: "10.72.0.9", 6: "fd72::9" } as const;
const FORWARDING = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];
const LAYOUT = { groupHeadroom: 0, headroom: 10, tailroom: 0, groupTailroom: 0, group: Infinity };
const ALL = Offload.tcp | Offload.udp;

interface Case {
  version: 4 | 6;
  protocol: "tcp" | "udp";
  bytes: number;
  size: number;
  flags?: number;
}

const CASES: Case[] = [4, 6].flatMap((version) => [
  { version: version as 4 | 6, protocol: "tcp", bytes: 5000, size: 1000 },
  { version: version as 4 | 6, protocol: "tcp", bytes: 4001, size: 1000, flags: 0x19 },
  { version: version as 4 | 6, protocol: "tcp", bytes: 30_000, size: 1337, flags: 0x90 },
  { version: version as 4 | 6, protocol: "udp", bytes: 7777, size: 1200 },
]);

function superPacket({ version, protocol, bytes, size, flags = 0x18 }: Case): Parcel {
  const payload = Uint8Array.from({ length: bytes }, (_, i) => i * 31 >>> 3);
  const tcpOptions = protocol === "tcp" ? { tcpOptions: new Uint8Array(12).fill(1) } : {};
  const made = makeIpPacket({ version, protocol, payload, ...tcpOptions });
  const { bytes: packet, transport } = made;
  const at = version === 4 ? 12 : 8;
  packet.set(ipBytes(SOURCE[version])!, at);
  packet.set(ipBytes(TARGET[version])!, at + (version === 4 ? 4 : 16));
  packet[version === 4 ? 8 : 7] = 64;
  if (version === 4) writeU16(packet, 4, 0xfffe);
  if (protocol === "tcp") {
    writeU32(packet, transport + 4, 0xffff_f000);
    packet[transport + 13] = flags;
  }
  if (version === 4) writeHeaderChecksum(packet, 0);
  leaveOpen(made);
  const type = protocol === "udp" ? Gso.udp : version === 4 ? Gso.tcp4 : Gso.tcp6;
  const header = netHeaderOf(made, (flags & 0x80) === 0 || protocol === "udp" ? type : type | 0x80);
  return { packet, header: packNetHeader({ ...header, size }) };
}

/** Cuts it as a link over UDP does. */
function cut(parcel: Parcel): Uint8Array[] {
  const { bytes, offset, length } = layOut([parcel], () => 10);
  equal(acceptHeader(bytes, offset[0]!, length[0]!, ALL), true);
  const segments = new Segments();
  segments.take(bytes, offset[0]!, length[0]!);
  return Array.from({ length: segments.count }, (_, i) => {
    const piece = new Uint8Array(segments.lengthOf(i));
    segments.write(i, piece, 0);
    return piece;
  });
}

/** The packet as it was before it was forwarded, its TCP or UDP checksum zero, as a segment has it. */
function before(forwarded: Uint8Array, { version, protocol }: Case): Uint8Array {
  const packet = forwarded.slice();
  packet[version === 4 ? 8 : 7]!++;
  if (version === 4) writeHeaderChecksum(packet, 0);
  writeU16(packet, (version === 4 ? 20 : 40) + (protocol === "tcp" ? 16 : 6), 0);
  return packet;
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args }).output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

test("super-packets are cut as the kernel cuts them, and its pieces are joined to what they were", async () => {
  requireOwnNamespace();
  const former = FORWARDING.map((path) => Deno.readTextFileSync(path));
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  const { signal } = new AbortController();
  const open = (offload: boolean) =>
    openDevice(reactor, { name: undefined, mtu: 1500, signal, offload });
  await using from = open(true);
  await using to = open(false);
  try {
    for (const path of FORWARDING) Deno.writeTextFileSync(path, "1");
    for (const [{ name }, addresses] of [[from, NETS.from], [to, NETS.to]] as const) {
      for (const address of addresses) {
        const nodad = address.includes(":") ? ["nodad"] : [];
        await ip("addr", "add", address, "dev", name, ...nodad);
      }
      await ip("link", "set", name, "mtu", "1500", "up");
    }
    for (const one of CASES) {
      if (one.protocol === "udp" && (from.takes & Offload.udp) === 0) continue;
      const parcel = superPacket(one);
      const own = cut(parcel);
      await from.writeBatch(layOut([parcel], () => 10));
      const made = await readPieces(to, own.length, one);
      deepEqual(made.map((piece) => before(piece, one)), own);
      for (const piece of made) equal(judge(piece).checksum, "right");
      deepEqual(joined(made, one), parcel);
    }
  } finally {
    FORWARDING.forEach((path, i) => Deno.writeTextFileSync(path, former[i]!));
  }
});

/** Reads until so many have come; the kernel sends others of its own. */
async function readPieces(
  device: Parameters<typeof readBatch>[0],
  count: number,
  { version }: Case,
): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  const into = makePackets(1 << 18);
  const target = ipBytes(TARGET[version])!.join();
  const at = version === 4 ? 16 : 24;
  while (found.length < count) {
    await readBatch(device, into, LAYOUT);
    const read = parcelsIn(into).map(({ packet }) => packet);
    found.push(
      ...read.filter((packet) => packet.slice(at, at + target.split(",").length).join() === target),
    );
  }
  return found;
}

/** Joins what the kernel has cut, with the header that the whole had. */
function joined(pieces: readonly Uint8Array[], one: Case): Parcel {
  const joiner = new Joiner(ALL);
  for (const piece of pieces) {
    const open = before(piece, one);
    equal(joiner.add(open, 0, open.length, true), true);
  }
  const into = makePackets(0);
  joiner.give(into);
  const whole = parcelsIn(into);
  // A segment with CWR is not joined, as the rest of its super-packet does not have it.
  if ((one.flags ?? 0) & 0x80) {
    equal(whole.length, 2);
    return superPacket(one);
  }
  equal(whole.length, 1);
  return whole[0]!;
}
