import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { formatIp, parseIp } from "../../src/base/addr.ts";
import { fromHex, toHex } from "../../src/base/bytes.ts";
import { packSockaddr } from "../../tests/fake/sockaddr.ts";
import { AF_INET, AF_INET6, SOCKADDR_ROOM, unpackSockaddr, writeSockaddr } from "./sockaddr.ts";

const KNOWN = [
  // family in host byte order, port in network byte order, address, 8 zero bytes
  ["127.0.0.1", 80, AF_INET, "0200" + "0050" + "7f000001" + "0000000000000000"],
  ["192.0.2.255", 65535, AF_INET, "0200" + "ffff" + "c00002ff" + "0000000000000000"],
  // family, port, flow, address, scope
  ["::1", 20203, AF_INET6, "0a004eeb00000000" + "00000000000000000000000000000001" + "00000000"],
  ["fc11::2", 0, AF_INET6, "0a00000000000000" + "fc110000000000000000000000000002" + "00000000"],
] as const;

for (const [host, port, family, hex] of KNOWN) {
  Deno.test(`sockaddr: ${host} and port ${port} are the kernel's bytes, and back`, () => {
    const packed = packSockaddr({ host, port });
    equal(packed.family, family);
    equal(toHex(packed.bytes), hex);
    deepEqual(unpackSockaddr(packed.bytes), { host, port });
  });
}

Deno.test("sockaddr: an IPv4 peer of a dual-stack socket is IPv4, what only looks so is not", () => {
  const of = (address: string) =>
    unpackSockaddr(fromHex(`0a00005000000000${address}00000000`)).host;
  equal(of("00000000000000000000ffffc0000201"), "192.0.2.1");
  equal(of("00000000000000000000fffec0000201"), "::fffe:c000:201");
  equal(of("00000000000000000001ffffc0000201"), "::1:ffff:c000:201");
  equal(of("000000000000000000000000c0000201"), "::c000:201");
});

Deno.test("sockaddr: what follows the address in the buffer does not count", () => {
  const room = new Uint8Array(SOCKADDR_ROOM).fill(0xee);
  room.set(packSockaddr({ host: "10.1.1.2", port: 9 }).bytes.subarray(0, 8));
  deepEqual(unpackSockaddr(room), { host: "10.1.1.2", port: 9 });
});

Deno.test("sockaddr: a name is no address", () => {
  throws(() => packSockaddr({ host: "example.com", port: 1 }), { kind: "internal" });
  throws(() => packSockaddr({ host: "", port: 1 }), { kind: "internal" });
});

Deno.test("sockaddr: every address and port comes back", () => {
  const ip = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(fc.property(ip, fc.nat(65535), (bytes, port) => {
    const host = formatIp(bytes);
    const back = unpackSockaddr(packSockaddr({ host, port }).bytes);
    equal(back.port, port);
    deepEqual(parseIp(back.host), new Uint8Array(bytes));
  }));
});

const INTERFACES = {
  interfaceIndex: (zone: string) => ({ eth0: 7 })[zone] ?? Number(zone),
  interfaceName: (index: number) => index === 7 ? "eth0" : String(index),
};

Deno.test("sockaddr: a zone is the scope of a link-local address, and no other", () => {
  const linkLocal = "0a004eeb00000000" + "fe800000000000000000000000000001";
  const room = new Uint8Array(SOCKADDR_ROOM).fill(0xee);
  const at = { host: "fe80::1%eth0", port: 20203 };
  deepEqual(writeSockaddr(at, room, INTERFACES), { family: AF_INET6, size: 28 });
  equal(toHex(room), `${linkLocal}07000000`);
  deepEqual(unpackSockaddr(room, INTERFACES), at);
  deepEqual(unpackSockaddr(room), { host: "fe80::1%7", port: 20203 });
  deepEqual(unpackSockaddr(fromHex(`${linkLocal}00000000`), INTERFACES).host, "fe80::1");
  const global = `0a004eeb00000000${"20010db8000000000000000000000001"}07000000`;
  deepEqual(unpackSockaddr(fromHex(global), INTERFACES).host, "2001:db8::1");
  throws(() => packSockaddr(at), { kind: "internal" }); // no interfaces given
  throws(() => packSockaddr({ host: "name%eth0", port: 1 }), { kind: "internal" });
});
