import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { formatEndpoint, parseListen, parseServer } from "../transport/endpoint.ts";
import { parsePeerListen } from "./peer_url.ts";

const TICKET = "peer:AbVPosgBarE7gAABAgMEBQYHCAkKCwwNDg8CBMAAAgfUKAYgAQ24AAAAAAAAAAAAAAABAbs";

Deno.test("a ticket is a server's URL, of which logs have six characters", () => {
  const endpoint = parseServer(TICKET);
  assert.equal(endpoint.scheme, "peer");
  assert.equal(formatEndpoint(endpoint), "peer:AbVPos…");
  assert.throws(() => parseServer(`${TICKET}=`), (error) => {
    assert(error instanceof TtunError && error.kind === "usage");
    assert.match(error.message, /it has another form/);
    assert(!error.message.includes(TICKET.slice(10, 30)));
    return true;
  });
});

Deno.test("a listener that makes a ticket takes settings", () => {
  const none = { localPort: undefined, myIp: undefined, stun: undefined, ttl: 600 };
  assert.deepEqual(parsePeerListen(""), none);
  assert.deepEqual(
    parsePeerListen("?port=7000&my-ip=2001:db8::1&stun=stun.example.net&ttl=60"),
    {
      localPort: 7000,
      myIp: "2001:db8::1",
      stun: { host: "stun.example.net", port: 3478 },
      ttl: 60,
    },
  );
  assert.equal(parseListen("peer:?ttl=60").scheme, "peer");
  assert.equal(formatEndpoint(parseListen("peer:?ttl=60")), "peer:?ttl=60");
  for (const rest of ["x", "?", "?port=0", "?port=70000", "?ttl=4", "?my-ip=a", "?a=1", "?port"]) {
    assert.throws(() => parseListen(`peer:${rest}`), { kind: "usage" }, rest);
  }
});

Deno.test("no peer: URL breaks the readers", () => {
  fc.assert(fc.property(fc.string(), (rest) => {
    for (const parse of [parseServer, parseListen]) {
      try {
        parse(`peer:${rest}`);
      } catch (error) {
        assert(error instanceof TtunError && error.kind === "usage", String(error));
      }
    }
  }));
});
