import assert from "node:assert/strict";
import fc from "fast-check";
import { type Cidr, parseCidr, parseIp } from "../../../base/addr.ts";
import { concat, fromHex } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import {
  MOST_NAME_SERVERS,
  MOST_ROUTES,
  packNameServers,
  packRoutes,
  readNameServers,
  readRoutes,
} from "./pushed.ts";

fc.configureGlobal({ seed: 4 });

const protocol = { name: "TtunError", kind: "protocol" };
const ip = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);
const route = fc.tuple(ip, fc.nat(128)).map(([bytes, prefix]): Cidr => ({
  family: bytes.length === 4 ? 4 : 6,
  bytes,
  prefix: Math.min(prefix, bytes.length * 8),
}));

Deno.test("routes and name servers as the page has them", () => {
  const routes = ["10.20.0.0/16", "fd20::/64"].map(parseCidr);
  const routesHex = "040a14000010" + "06fd20000000000000000000000000000040";
  assert.deepEqual(packRoutes(routes), fromHex(routesHex));
  assert.deepEqual(readRoutes(fromHex(routesHex)), routes);
  const servers = ["10.1.1.1", "fc11::1"].map((text) => parseIp(text)!);
  const serversHex = "040a010101" + "06fc110000000000000000000000000001";
  assert.deepEqual(packNameServers(servers), fromHex(serversHex));
  assert.deepEqual(readNameServers(fromHex(serversHex)), servers);
});

Deno.test("what was packed is read again, as many as there may be and no more", () => {
  fc.assert(fc.property(fc.array(route, { maxLength: MOST_ROUTES }), (routes) => {
    assert.deepEqual(readRoutes(packRoutes(routes)), routes);
  }));
  fc.assert(fc.property(fc.array(ip, { maxLength: MOST_NAME_SERVERS }), (servers) => {
    assert.deepEqual(readNameServers(packNameServers(servers)), servers);
  }));
  const one = packRoutes([parseCidr("10.0.0.0/8")]);
  assert.throws(() => readRoutes(concat(...Array(MOST_ROUTES + 1).fill(one))), protocol);
  const server = packNameServers([parseIp("10.0.0.1")!]);
  assert.throws(
    () => readNameServers(concat(...Array(MOST_NAME_SERVERS + 1).fill(server))),
    protocol,
  );
});

Deno.test("any bytes are read or refused, and nothing of them is kept", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (value) => {
    for (const read of [readRoutes, readNameServers]) {
      try {
        const found = read(value.slice());
        assert.equal(found.length > 0, value.length > 0);
      } catch (error) {
        assert(error instanceof ProtocolError || (error as Error).name === "TtunError");
      }
    }
  }));
  const value = packRoutes([parseCidr("10.0.0.0/8")]);
  const found = readRoutes(value);
  value.fill(0xee);
  assert.deepEqual(found, [parseCidr("10.0.0.0/8")]);
});

Deno.test("what is cut, of another family, or has a longer prefix is refused", () => {
  for (const hex of ["04", "040a140000", "050a14000010", "040a14000021", "06fd20"]) {
    assert.throws(() => readRoutes(fromHex(hex)), protocol, hex);
  }
  for (const hex of ["04", "040a1400", "000a140000"]) {
    assert.throws(() => readNameServers(fromHex(hex)), protocol, hex);
  }
});
