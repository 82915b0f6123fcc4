import { deepEqual, equal, ok } from "node:assert/strict";
import { isComplete, Offload, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { isIpPacket } from "./header.ts";
import { makeSamples, sampleAddresses } from "./sample_packets.ts";
import { acceptHeader, gsoNeeds } from "./virtio_net.ts";

const WITH_HEADERS = {
  ...{ from: 1, to: 2, mtu: 1280 },
  headroom: VIRTIO_NET_HEADER,
  offload: Offload.tcp | Offload.udp,
};
const PLAIN = { ...WITH_HEADERS, headroom: 0, offload: Offload.none };

Deno.test("sample packets: a peer takes each of them, of both families", () => {
  const { headroom } = WITH_HEADERS;
  const { ping, bursts } = makeSamples(WITH_HEADERS);
  const families = new Set<number>();
  const needs = new Set<number>();
  for (const bytes of [ping, ...bursts.flat()]) {
    const length = bytes.length - headroom;
    ok(isIpPacket(bytes, headroom, length));
    families.add(bytes[headroom]! >>> 4);
    needs.add(gsoNeeds(bytes, headroom));
    if (isComplete(bytes, headroom)) ok(length <= PLAIN.mtu);
    else ok(acceptHeader(bytes.slice(), headroom, length, Offload.tcp | Offload.udp));
  }
  deepEqual([...families].sort(), [4, 6]);
  deepEqual([...needs].sort(), [Offload.none, Offload.tcp]);
});

Deno.test("sample packets: a device without headers has none", () => {
  const { ping, bursts } = makeSamples(PLAIN);
  for (const bytes of [ping, ...bursts.flat()]) {
    ok(isIpPacket(bytes, 0, bytes.length));
    ok(bytes.length <= PLAIN.mtu);
  }
});

Deno.test("sample packets: none leaves work to an end that takes none", () => {
  const { headroom } = WITH_HEADERS;
  const { bursts } = makeSamples({ ...WITH_HEADERS, offload: Offload.none });
  for (const bytes of bursts.flat()) ok(isComplete(bytes, headroom));
});

Deno.test("sample packets: a burst waits in a socket's queue as a whole", () => {
  const { bursts } = makeSamples(WITH_HEADERS);
  for (const burst of bursts) ok(burst.length <= 10); // net.unix.max_dgram_qlen
});

Deno.test("sample packets: the addresses of an end are those of its packets", () => {
  deepEqual(sampleAddresses(1), ["198.18.0.1/32", "2001:2::1/128"]);
  const { ping } = makeSamples(PLAIN);
  deepEqual([...ping.subarray(12, 20)], [198, 18, 0, 1, 198, 18, 0, 2]);
  equal(ping[0], 0x45);
});
