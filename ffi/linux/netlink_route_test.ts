import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { formatCidr, formatIp, parseCidr, parseIp } from "../../src/base/addr.ts";
import { concat, fromHex, toHex } from "../../src/base/bytes.ts";
import { attribute, packMessage, unpackMessages } from "./netlink_message.ts";
import { readChange } from "./netlink_monitor.ts";
import { readLink } from "./netlink_link.ts";
import { packLookup, packRoute, readRoute } from "./netlink_route.ts";

/** Bodies laid out as in linux/rtnetlink.h: a default route, a host route, a multipath route. */
const VIA = "02000000fe03000100000000" + "08000500c0000201" + "0800040002000000";
const HOST_V6 = "0a800000fe74000100000000" + "1400010020010db8000000000000000000000001" +
  "08000600" + "01000000" + "14000500fd510000000000000000000000000001" + "0800040002000000";
const MULTIPATH = "02000000fe03000000000000" + "24000900" +
  "1000010002000000" + "08000500c0000201" + // dead: its link is down
  "1000000003000000" + "08000500c0000301";

Deno.test("route: gateway, link, metric and protocol of IPv4 and IPv6 routes", () => {
  const v4 = readRoute(fromHex(VIA));
  deepEqual(
    [formatCidr(v4.to), v4.index, formatIp(v4.gateway!), v4.metric, v4.protocol, v4.isUnicast],
    ["0.0.0.0/0", 2, "192.0.2.1", 0, 3, true],
  );
  const v6 = readRoute(fromHex(HOST_V6));
  deepEqual(
    [formatCidr(v6.to), v6.index, formatIp(v6.gateway!), v6.metric, v6.protocol],
    ["2001:db8::1/128", 2, "fd51::1", 1, 116],
  );
});

Deno.test("route: of several ways the first that is alive", () => {
  const { index, gateway, isDead } = readRoute(fromHex(MULTIPATH));
  deepEqual([index, formatIp(gateway!), isDead], [3, "192.0.3.1", false]);
});

Deno.test("route: what is packed is read again", () => {
  const routes = [
    { to: parseCidr("192.0.2.1"), gateway: parseIp("10.0.0.1")!, source: parseIp("10.0.0.2")! },
    { to: parseCidr("2001:db8::1"), gateway: parseIp("fe80::1")!, metric: 1, protocol: 116 },
    { to: parseCidr("10.0.0.0/8"), onLink: false },
    { to: parseCidr("192.0.2.1"), gateway: parseIp("10.9.0.1")!, onLink: true },
  ];
  for (const route of routes) {
    const found = readRoute(packRoute({ index: 7, ...route }));
    deepEqual({ ...found, ...route, index: 7 }, found);
  }
});

Deno.test("route: the question for a way is that of `ip route get`", () => {
  equal(
    toHex(packLookup(parseIp("192.0.2.1")!, {})),
    "022000000000000000000000" + "08000100c0000201",
  );
  equal(
    toHex(packLookup(parseIp("2001:db8::1")!, { match: true })),
    "0a8000000000000000200000" + "1400010020010db8000000000000000000000001",
  );
  equal(
    toHex(packLookup(parseIp("192.0.2.1")!, { from: parseIp("10.0.0.2")! })),
    "022020000000000000000000" + "08000100c0000201" + "080002000a000002",
  );
});

const change = (type: number, body: string) => {
  const [message] = unpackMessages(packMessage(type, 0, 0, fromHex(body)));
  return readChange(message!);
};

Deno.test("monitor: links, addresses and routes that come and go", () => {
  const link = "0000feff0700000091000100ffffffff";
  deepEqual(change(16, link), { what: "link", index: 7, gone: false });
  deepEqual(change(17, link), { what: "link", index: 7, gone: true });
  const address = "021e800007000000" + "080001000a010101";
  deepEqual(change(20, address), { what: "address", index: 7, gone: false });
  deepEqual(change(21, address), { what: "address", index: 7, gone: true });
  deepEqual(change(24, VIA), {
    what: "route",
    index: 2,
    gone: false,
    to: { family: 4, bytes: new Uint8Array(4), prefix: 0 },
  });
  equal(change(25, VIA)?.gone, true);
});

Deno.test("monitor: a route that leads nowhere takes the place of others, and is told", () => {
  for (const kind of ["06", "07", "08", "09"]) {
    const body = "02100000fe030000".slice(0, 14) + kind + "00000000" + "080001000a4d0000";
    const { to } = change(24, body)!;
    equal(to && formatCidr(to), "10.77.0.0/16");
    const { isRefusal, isUnicast, isLocal, tos } = readRoute(fromHex(body));
    deepEqual([isRefusal, isUnicast, isLocal, tos], [true, false, false, 0]);
  }
  equal(readRoute(fromHex(VIA)).isRefusal, false);
});

Deno.test("monitor: other tables, kinds and messages are none of these", () => {
  equal(change(24, VIA.replace("fe0300", "ff0300")), null); // the table of local addresses
  equal(change(24, VIA.replace("fe030001", "fe030003")), null); // a broadcast address
  equal(change(28, VIA), null); // a neighbour
  for (const type of [16, 20, 24]) equal(change(type, "020000"), null);
});

Deno.test("monitor: any bytes whatever are read to an end", () => {
  const body = fc.uint8Array({ maxLength: 200 });
  fc.assert(fc.property(fc.integer({ min: 14, max: 30 }), body, (type, bytes) => {
    readChange({ type, flags: 0, sequence: 0, body: bytes });
    if (bytes.length >= 12) readRoute(bytes);
  }));
});

Deno.test("monitor: attributes of any length are read to an end, whatever they are", () => {
  const head = "0000feff0700000091000100ffffffff";
  for (let type = 1; type < 64; type++) {
    for (let size = 0; size < 6; size++) {
      const padded = (4 + size + 3) & ~3;
      const bytes = new Uint8Array(padded);
      bytes[0] = 4 + size;
      bytes[2] = type;
      const body = head + toHex(bytes);
      deepEqual(change(16, body), { what: "link", index: 7, gone: false });
      equal(readLink(fromHex(body)).index, 7);
    }
  }
});

const octets = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => new Uint8Array(bytes));
const anyRoute = fc.constantFrom(4, 16).chain((size) =>
  fc.record({
    index: fc.nat(0xffff_ffff),
    to: fc.record({
      family: fc.constant<4 | 6>(size === 4 ? 4 : 6),
      bytes: octets(size),
      prefix: fc.nat(8 * size),
    }),
    gateway: fc.option(octets(size), { nil: undefined }),
    via: fc.option(octets(20 - size + 2), { nil: undefined }),
    source: fc.option(octets(size), { nil: undefined }),
    metric: fc.nat(0xffff_ffff),
    protocol: fc.nat(255),
    onLink: fc.boolean(),
  })
);

Deno.test("route: any route that is packed is read again, and cut it is a route without what is cut", () => {
  fc.assert(
    fc.property(anyRoute, (route) => {
      const body = packRoute(route);
      const found = readRoute(body);
      deepEqual({ ...found, ...route }, found);
      deepEqual(
        [found.table, found.tos, found.isUnicast, found.isRefusal, found.isLocal, found.isDead],
        [254, 0, true, false, false, false],
      );
      for (let size = 12; size < body.length; size++) {
        const cut = readRoute(body.subarray(0, size));
        const { gateway, via, source, to } = cut;
        deepEqual(gateway ?? route.gateway, route.gateway);
        deepEqual(via ?? route.via, route.via);
        deepEqual(source ?? route.source, route.source);
        deepEqual(
          to.bytes,
          size < 16 + to.bytes.length ? new Uint8Array(to.bytes.length) : route.to.bytes,
        );
        equal(cut.metric, 0, "the metric is the last attribute");
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("route: a link or a metric of less than four bytes is none", () => {
  const head = fromHex("02000000fe03000100000000");
  for (let size = 0; size <= 5; size++) {
    const value = new Uint8Array(size).fill(1);
    const found = readRoute(concat(head, attribute(4, value), attribute(6, value)));
    const wanted = size < 4 ? 0 : 0x0101_0101;
    deepEqual([found.index, found.metric], [wanted, wanted], `${size} bytes`);
  }
});

Deno.test("route: of any next hops the first that is alive, else the first, of those that are whole", () => {
  const hop = fc.record({
    flags: fc.nat(7),
    index: fc.nat(0x7fff_ffff),
    gateway: fc.option(octets(4), { nil: undefined }),
  });
  const head = fromHex("02000000fe03000100000000");
  fc.assert(
    fc.property(fc.array(hop, { minLength: 1, maxLength: 4 }), fc.nat(7), (hops, missing) => {
      const parts = hops.map(({ flags, index, gateway }) => {
        const attributes = gateway === undefined ? new Uint8Array() : attribute(5, gateway);
        const bytes = concat(new Uint8Array(8), attributes);
        const header = new DataView(bytes.buffer);
        header.setUint16(0, bytes.length, true);
        header.setUint8(2, flags);
        header.setInt32(4, index, true);
        return bytes;
      });
      const list = concat(...parts);
      // Without its last byte or bytes the last hop is not one.
      const whole = missing === 0 ? hops : hops.slice(0, -1);
      const body = concat(head, attribute(9, list.subarray(0, list.length - missing)));
      const wanted = whole.find(({ flags }) => (flags & 1) === 0) ?? whole[0] ??
        { flags: 0, index: 0, gateway: undefined };
      const { index, gateway, isDead, onLink } = readRoute(body);
      deepEqual(
        { index, gateway, isDead, onLink },
        {
          index: wanted.index,
          gateway: wanted.gateway,
          isDead: (wanted.flags & 1) !== 0,
          onLink: (wanted.flags & 4) !== 0,
        },
      );
    }),
    { numRuns: 300 },
  );
});

Deno.test("route: a refusal is on no link, has its table, and the scope in which gateways are looked up", () => {
  const to = parseCidr("10.0.0.0/8");
  equal(
    toHex(packRoute({ index: 0, refusal: "throw", table: 29_812, to, protocol: 116 })),
    "020800000074fd0900000000" + "080001000a000000" + "08000f0074740000",
  );
  const found = readRoute(packRoute({ index: 0, refusal: "unreachable", table: 29_812, to }));
  deepEqual([found.refusal, found.table, found.isUnicast], ["unreachable", 29_812, false]);
});
