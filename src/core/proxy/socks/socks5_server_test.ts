import assert from "node:assert/strict";
import { toHex, utf8 } from "../../../base/bytes.ts";
import { FAILURES } from "../failure.ts";
import { type CheckPassword, Socks5Server } from "./socks5_server.ts";
import { bytesOf, feedPieces } from "./socks_fixture.ts";

const internal = { name: "TtunError", kind: "internal" };
const user: CheckPassword = (name, password) =>
  toHex(name) === toHex(utf8("user")) && toHex(password) === toHex(utf8("pass"));

const OPEN = { auth: null };
const LOCKED = { auth: user };
const ANY = { auth: null, anyMethod: true };

/** Answers of a server to these bytes, given whole and then one by one: both must be equal. */
function say(o: ConstructorParameters<typeof Socks5Server>[0], text: string): string[] {
  const bytes = bytesOf(text);
  const whole = feedPieces(new Socks5Server(o), [bytes]);
  const single = feedPieces(new Socks5Server(o), [...bytes].map((byte) => new Uint8Array([byte])));
  assert.deepEqual(single, whole, text);
  return whole;
}

Deno.test("a client without a password is served: IPv4, name, IPv6", () => {
  const cases: [string, string][] = [
    ["01 c0000207 01bb", "192.0.2.7:443"],
    ['03 0b "Example.com" 0050', "example.com:80"],
    ['03 09 "127.0.0.1" 0050', "127.0.0.1:80"],
    ['03 03 "::1" 0050', "[::1]:80"],
    ['03 05 "[::1]" 0050', "[::1]:80"],
    ["04 20010db8000000000000000000000001 ffff", "[2001:db8::1]:65535"],
  ];
  for (const [address, target] of cases) {
    assert.deepEqual(say(OPEN, `05 01 00 05 01 00 ${address}`), ["send 0500", `connect ${target}`]);
  }
});

Deno.test("the reserved byte is not looked at", () => {
  assert.deepEqual(say(OPEN, "05 01 00 05 01 77 01 01020304 0001"), [
    "send 0500",
    "connect 1.2.3.4:1",
  ]);
});

Deno.test("what is sent behind the request is for the target", () => {
  assert.deepEqual(say(OPEN, '05 01 00 05 01 00 01 01020304 0050 "GET / HTTP/1.1"'), [
    "send 0500",
    "connect 1.2.3.4:80",
    "rest GET / HTTP/1.1",
  ]);
});

Deno.test("a greeting may list up to 255 methods, the right one anywhere", () => {
  const others = "aa".repeat(254);
  for (const methods of [`00${others}`, `${others}00`]) {
    assert.deepEqual(say(OPEN, `05 ff ${methods}`), ["send 0500"]);
  }
  assert.deepEqual(say(LOCKED, `05 ff ${others}02`), ["send 0502"]);
});

Deno.test("without a method in common the client is told so", () => {
  assert.deepEqual(say(OPEN, "05 01 02"), ["send 05ff", "end"]);
  assert.deepEqual(say(OPEN, `05 ff ${"aa".repeat(255)}`), ["send 05ff", "end"]);
  assert.deepEqual(say(OPEN, "05 00"), ["send 05ff", "end"]);
  assert.deepEqual(say(LOCKED, "05 01 00"), ["send 05ff", "end"]);
});

Deno.test("any greeting but an empty one will do where that is wanted", () => {
  assert.deepEqual(say(ANY, "05 01 02 05 01 00 01 01020304 0050"), [
    "send 0500",
    "connect 1.2.3.4:80",
  ]);
  assert.deepEqual(say(ANY, "05 00"), ["send 05ff", "end"]);
  assert.deepEqual(say({ auth: user, anyMethod: true }, "05 01 00"), ["send 05ff", "end"]);
});

Deno.test("with a password only who knows it is served (RFC 1929)", () => {
  const request = "05 01 00 01 01020304 0050";
  assert.deepEqual(say(LOCKED, `05 02 00 02 01 04 "user" 04 "pass" ${request} "x"`), [
    "send 0502",
    "send 0100",
    "connect 1.2.3.4:80",
    "rest x",
  ]);
  for (
    const wrong of [
      '01 04 "user" 04 "pasS"',
      '01 05 "userp" 03 "ass"',
      "01 00 00",
      '01 00 04 "pass"',
      '02 04 "user" 04 "pass"',
      '05 04 "user" 04 "pass"',
      `01 ff "${"u".repeat(255)}" ff "${"p".repeat(255)}"`,
    ]
  ) {
    assert.deepEqual(say(LOCKED, `05 01 02 ${wrong} ${request}`), [
      "send 0502",
      "send 0101",
      "end",
    ]);
  }
});

Deno.test("a password is not kept", () => {
  let seen: Uint8Array | null = null;
  const server = new Socks5Server({
    auth: (_, password) => {
      seen = password;
      return true;
    },
  });
  server.feed(bytesOf('05 01 02 01 04 "user" 04 "pass"'));
  assert.deepEqual(seen, new Uint8Array(4));
});

Deno.test("user and password may be of any bytes and any length", () => {
  for (
    const [name, password] of [["", ""], ["a", ""], ["\x00\xff", "\x80"], [
      "u".repeat(255),
      "p".repeat(255),
    ]] as const
  ) {
    const seen: number[] = [];
    const auth: CheckPassword = (a, b) => seen.push(a.length, b.length) > 0;
    const size = (text: string) => text.length.toString(16).padStart(2, "0");
    assert.deepEqual(
      say({ auth }, `05 01 02 01 ${size(name)} "${name}" ${size(password)} "${password}"`),
      ["send 0502", "send 0100"],
    );
    assert.deepEqual(seen.slice(0, 2), [name.length, password.length]);
  }
});

Deno.test("an association for datagrams is served where there is one, and may be refused", () => {
  const request = "05 01 00 05 03 00 01 00000000 0000";
  assert.deepEqual(say({ auth: null, hasUdp: true }, request), ["send 0500", "associate"]);
  assert.deepEqual(say({ auth: null, hasUdp: true }, "05 01 00 05 02 00 01 00000000 0000"), [
    "send 0500",
    "send 05070001000000000000",
    "end",
  ]);
  const machine = new Socks5Server({ auth: null, hasUdp: true });
  machine.feed(bytesOf(request));
  assert.equal(toHex(machine.notSupported()), "05070001000000000000");
  assert.throws(() => machine.accepted(), internal);
});

Deno.test("other commands, types and versions are refused with their codes", () => {
  const refused = (code: string) => ["send 0500", `send 05${code}0001000000000000`, "end"];
  const cases: [string, string][] = [
    ["05 02 00 01 01020304 0050", "07"],
    ["05 03 00 01 00000000 0000", "07"],
    ["05 00 00 01 01020304 0050", "07"],
    ["05 01 00 00", "08"],
    ["05 01 00 02", "08"],
    ["05 03 00 ff", "08"],
    ["05 01 00 03 00 0050", "01"],
    ['05 01 00 03 03 "a b" 0050', "01"],
    ["05 01 00 03 03 61 00 62 0050", "01"],
    ['05 01 00 03 09 "[1.2.3.4]" 0050', "01"],
    ['05 01 00 03 0b "[fe80::1%1]" 0050', "01"],
    ['05 01 00 03 08 "[::1]:80" 0050', "01"],
    ['05 01 00 03 09 "fe80::1%1" 0050', "01"],
    ["05 01 00 01 01020304 0000", "01"],
  ];
  for (const [request, code] of cases) {
    assert.deepEqual(say(OPEN, `05 01 00 ${request}`), refused(code), request);
  }
  assert.deepEqual(say(OPEN, "04 01 0050 01020304 00"), ["end"]);
  assert.deepEqual(say(OPEN, "05 01 00 04 01 00 01 01020304 0050"), ["send 0500", "end"]);
});

function connecting(): Socks5Server {
  const server = new Socks5Server(OPEN);
  server.feed(bytesOf("05 01 00 05 01 00 01 01020304 0050"));
  return server;
}

Deno.test("the reply tells this end's address where it is known", () => {
  const accepted = (bound: Parameters<Socks5Server["accepted"]>[0]) =>
    toHex(connecting().accepted(bound));
  assert.equal(toHex(connecting().accepted()), "05000001000000000000");
  assert.equal(accepted({ host: "192.0.2.1", port: 0x1234 }), "05000001c00002011234");
  assert.equal(accepted({ host: "::1", port: 1 }), `05000004${"0".repeat(31)}10001`);
  assert.equal(accepted({ host: "name", port: 1 }), "05000001000000000000");
});

Deno.test("the reply tells why not, always with ten bytes", () => {
  for (const failure of FAILURES) {
    assert.match(toHex(connecting().failed(failure)), /^050[1-6]0001000000000000$/);
  }
  assert.equal(toHex(connecting().failed("refused")), "05050001000000000000");
});

Deno.test("a driver that asks for a thing out of turn is told of its fault", () => {
  assert.throws(() => new Socks5Server(OPEN).accepted(), internal);
  const server = connecting();
  assert.throws(() => server.feed(new Uint8Array(1)), internal);
  server.accepted();
  assert.throws(() => server.accepted(), internal);
  assert.throws(() => server.failed("general"), internal);
  assert.throws(() => server.feed(new Uint8Array(1)), internal);
});
