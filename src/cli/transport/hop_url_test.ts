import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { formatEndpoint, hopOf, hostOf, parseListen, parseServer } from "./endpoint.ts";

const ALL = { first: 1024, last: 65_535 };

function refusal(parse: typeof parseServer, text: string): string {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof TtunError);
    assert.equal(error.kind, "usage");
    return error.message;
  }
  assert.fail(`${text} was not refused`);
}

Deno.test("a host whose ports hop is a host and a range", () => {
  const range = { first: 20_000, last: 20_003 };
  for (const parse of [parseServer, parseListen]) {
    const read = (text: string) => hopOf(parse(text));
    assert.deepEqual(read("hop://example.net"), { host: "example.net", range: ALL });
    assert.deepEqual(read("HOP://example.net/"), { host: "example.net", range: ALL });
    assert.deepEqual(read("hop://192.0.2.1?range=20000-20003"), { host: "192.0.2.1", range });
    assert.deepEqual(read("hop://[fd00::1]/?range=20000-20003"), { host: "fd00::1", range });
    assert.equal(hostOf(parse("hop://[fd00::1]")), "fd00::1");
  }
  assert.deepEqual(hopOf(parseListen("hop://")), { host: "", range: ALL });
  assert.deepEqual(hopOf(parseListen("hop://*?range=20000-20003")), { host: "", range });
  assert.equal(hopOf(parseServer("example.net")), null);
});

Deno.test("other forms of a hop URL are refused with the right one", () => {
  for (const parse of [parseServer, parseListen]) {
    for (const url of ["hop://example.net:7", "hop://[fd00::1]:7", "hop://example.net:"]) {
      assert.match(refusal(parse, url), /leave the port away/);
    }
    assert.match(refusal(parse, "hop://a?ports=1-2"), /range=FIRST-LAST alone/);
    assert.match(refusal(parse, "hop://a?range=1-2&range=1-2"), /Cannot read port range/);
    assert.match(refusal(parse, "hop://a?range=9-2"), /the smaller port first/);
    assert.match(refusal(parse, "hop:example"), /write hop:\/\/HOST/);
    assert.match(refusal(parse, "hop://a/b"), /write hop:\/\/HOST/);
  }
  assert.match(refusal(parseServer, "hop://?range=1-2"), /the host is missing/);
});

Deno.test("a hop URL that is formatted is read as the same", () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  const host = fc.oneof(fc.ipV4(), fc.ipV6().map((ip) => `[${ip}]`), fc.domain());
  fc.assert(fc.property(host, port, port, (host, a, b) => {
    const url = `hop://${host}?range=${Math.min(a, b)}-${Math.max(a, b)}`;
    for (const parse of [parseServer, parseListen]) {
      assert.equal(formatEndpoint(parse(url)), url);
    }
  }));
});

Deno.test("no hop URL breaks the reader", () => {
  fc.assert(fc.property(fc.string(), (rest) => {
    for (const parse of [parseServer, parseListen]) {
      try {
        parse(`hop:${rest}`);
      } catch (error) {
        assert.ok(error instanceof TtunError && error.kind === "usage");
      }
    }
  }));
});
