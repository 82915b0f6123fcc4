import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { parseToxListen, parseToxServer } from "./tox_url.ts";

const ID = "56A1ADE4B65B86BCD51CC73E2CD4E542179F47959FE3E0E21B4B0ACDADE51855D34D34D37CB5";
const NOTHING = { dir: undefined, nodes: undefined, udpPorts: undefined, relayPort: undefined };

Deno.test("a server is a Tox ID or a name, with settings behind a question mark", () => {
  const { end, settings } = parseToxServer(`${ID}?nodes=/etc/a%26b.json&udp=4000-4010&dir=/d`);
  assert("bytes" in end && end.bytes.length === 38);
  assert.deepEqual(settings, {
    dir: "/d",
    nodes: "/etc/a&b.json",
    udpPorts: { first: 4000, last: 4010 },
    relayPort: undefined,
  });
  assert.deepEqual(parseToxServer("home"), { end: { name: "home" }, settings: NOTHING });
});

Deno.test("a listener has settings alone, or none", () => {
  assert.deepEqual(parseToxListen(""), NOTHING);
  assert.deepEqual(parseToxListen("?relay=443&dir=/d"), { ...NOTHING, relayPort: 443, dir: "/d" });
});

Deno.test("other forms are refused with the right one", () => {
  for (const rest of ["", "?nodes=a", `${ID}?`, `${ID}?x=1`, `${ID}?relay=1`, `${ID}?nodes=`]) {
    assert.throws(() => parseToxServer(rest), { kind: "usage", message: /write tox:TOX_ID/ }, rest);
  }
  for (const rest of [ID, "?", "?relay=0", "?relay=65536", "?dir=%zz", "?dir=a%00"]) {
    assert.throws(() => parseToxListen(rest), { kind: "usage", message: /write tox: alone/ }, rest);
  }
  assert.throws(() => parseToxServer(ID.slice(2)), { kind: "usage" });
  assert.throws(() => parseToxServer(`${ID}?udp=9-2`), { kind: "usage" });
});

Deno.test("no text breaks the reader otherwise", () => {
  const text = fc.oneof(fc.string(), fc.string().map((rest) => `${ID}?${rest}`));
  fc.assert(fc.property(text, fc.constantFrom(parseToxServer, parseToxListen), (text, parse) => {
    try {
      parse(text);
    } catch (error) {
      assert(error instanceof TtunError && error.kind === "usage", String(error));
    }
  }));
});
