import assert from "node:assert/strict";
import fc from "fast-check";
import { fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { packSocksDatagram, readSocksDatagram } from "./socks5_datagram.ts";

const read = (hex: string) => {
  const found = readSocksDatagram(fromHex(hex));
  return found === null ? null : [found.target.host, found.target.port, toHex(found.bytes)];
};

Deno.test("datagrams of SOCKS5 are read with addresses of each kind", () => {
  assert.deepEqual(read("00000001c00002350035abcd"), ["192.0.2.53", 53, "abcd"]);
  assert.deepEqual(read("00000003016101bb"), ["a", 443, ""]);
  assert.deepEqual(read("000000" + "0420010db8" + "00".repeat(11) + "01" + "0035" + "ff"), [
    "2001:db8::1",
    53,
    "ff",
  ]);
});

Deno.test("fragments, and what cannot be sent on, are dropped", () => {
  const refused = {
    fragment: "00000101c00002350035abcd",
    "last fragment": "00008101c00002350035abcd",
    reserved: "00010001c00002350035abcd",
    "port 0": "00000001c00002350000abcd",
    "unknown kind of address": "00000002c00002350035abcd",
    "no name": "000000030000350000",
    "cut address": "00000001c000023500",
    empty: "",
    short: "000000",
  };
  for (const [name, hex] of Object.entries(refused)) assert.equal(read(hex), null, name);
});

Deno.test("what comes back says where it came from", () => {
  assert.equal(
    toHex(packSocksDatagram({ host: "192.0.2.53", port: 53 }, utf8("a"))),
    "00000001c0000235003561",
  );
  const host = fc.oneof(fc.ipV4(), fc.ipV6().filter((ip) => !ip.includes(".")));
  const port = fc.integer({ min: 1, max: 65_535 });
  fc.assert(fc.property(host, port, fc.uint8Array(), (host, port, bytes) => {
    const found = readSocksDatagram(packSocksDatagram({ host, port }, bytes))!;
    assert.equal(found.target.port, port);
    assert.deepEqual([...found.bytes], [...bytes]);
  }));
});

Deno.test("any bytes are dropped or read", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const found = readSocksDatagram(Uint8Array.of(0, 0, 0, ...bytes));
      assert(found === null || found.bytes.length < bytes.length);
    }),
    { numRuns: 3000 },
  );
});
