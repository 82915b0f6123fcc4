import assert from "node:assert/strict";
import { toHex } from "../../../base/bytes.ts";
import { FAILURES } from "../failure.ts";
import { Socks4Server } from "./socks4_server.ts";
import { bytesOf, feedPieces } from "./socks_fixture.ts";

const internal = { name: "TtunError", kind: "internal" };
const REFUSED = ["send 005b000000000000", "end"];

function say(text: string, needsAuth = false): string[] {
  const bytes = bytesOf(text);
  const whole = feedPieces(new Socks4Server({ needsAuth }), [bytes]);
  const single = feedPieces(
    new Socks4Server({ needsAuth }),
    [...bytes].map((byte) => new Uint8Array([byte])),
  );
  assert.deepEqual(single, whole, text);
  return whole;
}

Deno.test("an address is connected to, whoever the user is", () => {
  for (const user of ["", '"user"', "80ff", `"${"u".repeat(255)}"`]) {
    assert.deepEqual(say(`04 01 01bb c0000207 ${user} 00`), ["connect 192.0.2.7:443"]);
  }
});

Deno.test("a name stands behind the user (4a)", () => {
  assert.deepEqual(say('04 01 0050 00000001 "user" 00 "Example.com" 00'), [
    "connect example.com:80",
  ]);
  assert.deepEqual(say('04 01 0050 000000ff 00 "::1" 00'), ["connect [::1]:80"]);
  assert.deepEqual(say('04 01 0050 000000ff 00 "[::1]" 00'), ["connect [::1]:80"]);
  assert.deepEqual(say("04 01 0050 00000000 00"), ["connect 0.0.0.0:80"]);
  assert.deepEqual(say("04 01 0050 00000100 00"), ["connect 0.0.1.0:80"]);
});

Deno.test("what is sent behind the request is for the target", () => {
  assert.deepEqual(say('04 01 0050 01020304 00 "hello"'), ["connect 1.2.3.4:80", "rest hello"]);
  assert.deepEqual(say('04 01 0050 00000001 00 "a" 00 "hello"'), ["connect a:80", "rest hello"]);
});

Deno.test("texts are limited", () => {
  assert.deepEqual(say(`04 01 0050 01020304 "${"u".repeat(256)}"`), REFUSED);
  const label = "a".repeat(63);
  const longest = [label, label, label, label].join(".");
  assert.deepEqual(say(`04 01 0050 00000001 00 "${longest}" 00`), [`connect ${longest}:80`]);
  assert.deepEqual(say(`04 01 0050 00000001 00 "${longest}x"`), REFUSED);
});

Deno.test("what cannot be served is refused", () => {
  for (
    const request of [
      "04 02 0050 01020304 00",
      "04 00 0050 01020304 00",
      "04 01 0000 01020304 00",
      "04 01 0050 00000001 00 00",
      '04 01 0050 00000001 00 "a b" 00',
    ]
  ) {
    assert.deepEqual(say(request), REFUSED, request);
  }
  assert.deepEqual(say("05 01 0050 01020304 00"), ["end"]);
});

Deno.test("a port with a password is not for SOCKS4", () => {
  assert.deepEqual(say('04 01 0050 01020304 "user" 00', true), REFUSED);
  assert.deepEqual(say('04 01 0050 00000001 "user" 00 "a" 00', true), REFUSED);
});

function connecting(): Socks4Server {
  const server = new Socks4Server({ needsAuth: false });
  server.feed(bytesOf("04 01 0050 01020304 00"));
  return server;
}

Deno.test("the reply is granted or not", () => {
  assert.equal(toHex(connecting().accepted()), "005a000000000000");
  assert.equal(
    toHex(connecting().accepted({ host: "192.0.2.1", port: 0x1234 })),
    "005a1234c0000201",
  );
  assert.equal(toHex(connecting().accepted({ host: "::1", port: 1 })), "005a000000000000");
  for (const failure of FAILURES) {
    assert.equal(toHex(connecting().failed(failure)), "005b000000000000");
  }
});

Deno.test("a driver that asks for a thing out of turn is told of its fault", () => {
  assert.throws(() => new Socks4Server({ needsAuth: false }).accepted(), internal);
  const server = connecting();
  assert.throws(() => server.feed(new Uint8Array(1)), internal);
  server.failed("general");
  assert.throws(() => server.accepted(), internal);
  assert.throws(() => server.feed(new Uint8Array(1)), internal);
});
