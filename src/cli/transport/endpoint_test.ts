import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import {
  addressOf,
  beginningsOf,
  formatEndpoint,
  formsOf,
  hostOf,
  mayNeedNames,
  parseListen,
  parseServer,
} from "./endpoint.ts";
import { neededByTransports } from "./needed_later.ts";
import { entryOf, type Scheme, TRANSPORTS } from "./table.ts";

const BOTH = [parseServer, parseListen];

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

Deno.test("an address without a scheme is TCP, as with tcp://", () => {
  for (const text of ["192.0.2.7:7", "example.net", "[fd00::1]:7", "::1", "localhost:7"]) {
    assert.deepEqual(parseServer(`tcp://${text}`), parseServer(text));
    assert.deepEqual(parseListen(`TCP://${text}`), parseListen(text));
  }
  assert.equal(formatEndpoint(parseServer("tcp://example.net")), "example.net:20203");
  assert.equal(formatEndpoint(parseListen("tcp://:7")), ":7");
  // Hosts may have the names of schemes.
  assert.deepEqual(parseServer("tcp:7"), { scheme: "tcp", at: { host: "tcp", port: 7 } });
  assert.deepEqual(parseServer("tcp://unix:7"), { scheme: "tcp", at: { host: "unix", port: 7 } });
});

Deno.test("a unix socket is named by its absolute path", () => {
  for (const parse of BOTH) {
    for (const text of ["unix:///run/a b", "unix:/run/a b", "UNIX:///run/a b"]) {
      const endpoint = parse(text);
      assert.deepEqual(endpoint, { scheme: "unix", at: "/run/a b" });
      assert.equal(formatEndpoint(endpoint), "unix:///run/a b");
    }
    assert.match(refusal(parse, "unix://run/ttun"), /must be absolute, as in unix:\/\/\//);
    assert.match(refusal(parse, "unix:7"), /tcp:\/\//);
    for (const text of ["unix:", "unix://", "unix:///", "unix:///run/", "unix:///a\0b"]) {
      refusal(parse, text);
    }
    assert.equal(parse(`unix:///${"x".repeat(106)}`).scheme, "unix");
    assert.match(refusal(parse, `unix:///${"x".repeat(107)}`), /at most 107 bytes/);
    assert.match(refusal(parse, `unix:///${"ü".repeat(54)}`), /at most 107 bytes/);
  }
});

Deno.test("a command is taken as it is, for a client alone", () => {
  for (const command of ["ssh host nc -U /run/x", " cat", "sh -c 'a; b'", "//x"]) {
    const endpoint = parseServer(`exec:${command}`);
    assert.deepEqual(endpoint, { scheme: "exec", at: command });
    assert.equal(formatEndpoint(endpoint), `exec:${command}`);
  }
  assert.match(refusal(parseListen, "exec:cat"), /-l takes no exec: URL/);
  for (const command of ["", "  ", "a\0b", "x".repeat(200_000)]) {
    const words = refusal(parseServer, `exec:${command}`);
    assert.ok(words.length < 200, "the command is not repeated");
  }
});

Deno.test("standard input and output are a server's, and have no name", () => {
  assert.deepEqual(parseListen("stdio:"), { scheme: "stdio", at: "" });
  assert.equal(formatEndpoint(parseListen("stdio:")), "stdio:");
  assert.match(refusal(parseListen, "stdio://x"), /write stdio: alone/);
  assert.match(refusal(parseServer, "stdio:"), /-s takes no stdio: URL/);
});

Deno.test("a friend over Tox is named by its ID alone, whatever is packed with it", () => {
  const id = "56A1ADE4B65B86BCD51CC73E2CD4E542179F47959FE3E0E21B4B0ACDADE51855D34D34D37CB5";
  const server = parseServer(`tox:${id}?nodes=/etc/nodes`);
  assert.deepEqual(server, { scheme: "tox", at: `${id}?nodes=/etc/nodes` });
  assert.deepEqual(parseListen("tox:"), { scheme: "tox", at: "" });
  const packed = { scheme: "tox", at: '{"name":"tox:ID","node":{"savedata":"secret"}}' } as const;
  assert.equal(formatEndpoint(packed), "tox:ID");
  // Nodes of the network have names, at a listener too.
  for (const end of [server, parseListen("tox:"), packed]) assert(mayNeedNames(end));
  assert.deepEqual([hostOf(server), addressOf(server)], [null, null]);
  assert.deepEqual(neededByTransports([parseServer("192.0.2.7"), server]), ["ffi"]);
  assert.deepEqual(neededByTransports([parseServer("192.0.2.7")]), []);
});

Deno.test("a name of a mesh is named without what is packed with it", () => {
  const server = parseServer("mesh://example.net/home?at=192.0.2.1&ca=/ca");
  assert.deepEqual(server, { scheme: "mesh", at: "//example.net/home?at=192.0.2.1&ca=/ca" });
  assert.equal(formatEndpoint(server), "mesh://example.net/home?at=192.0.2.1&ca=/ca");
  const packed = {
    scheme: "mesh",
    at: '{"name":"mesh://example.net/home","agent":{"seed":"secret"}}',
  } as const;
  assert.equal(formatEndpoint(packed), "mesh://example.net/home");
  for (const end of [server, packed]) assert(mayNeedNames(end));
  assert.match(refusal(parseListen, "mesh://example.net"), /write mesh:\/\/DOMAIN\/NAME/);
});

Deno.test("a link in the place of its file's name is refused, and not repeated", () => {
  assert.equal(
    refusal(parseServer, "link:ttun://sEcReT@h:1"),
    "Cannot read a link: leave link: away, a file's name goes there",
  );
});

Deno.test("a link without its slashes is refused, as it would not be hidden, and not repeated", () => {
  for (const link of ["ttun:sEcReT@h:1", "ttun:/sEcReT@h:1", "TTUN:sEcReT@h:1"]) {
    assert.equal(refusal(parseServer, link), "Cannot read the link: write ttun://KEY@HOST:PORT");
  }
});

Deno.test("an unknown scheme is refused with those that there are", () => {
  for (const scheme of ["http", "ws", "constructor", "__proto__"]) {
    const words = refusal(parseServer, `${scheme}://example.net`);
    assert.match(words, scheme === "__proto__" ? /slash/ : /write HOST:PORT or tcp:\/\/HOST/);
  }
  assert.match(refusal(parseListen, "http://example.net"), /-l takes no http: URL/);
});

Deno.test("help and completions have every transport of the table", () => {
  for (const end of ["server", "listen"] as const) {
    const forms = formsOf(end);
    const schemes = Object.keys(TRANSPORTS) as Scheme[];
    assert.equal(forms.length, schemes.filter((scheme) => entryOf(scheme)[end]).length);
    for (const [i, beginning] of beginningsOf(end).entries()) {
      assert.ok(forms[i]!.startsWith(beginning) && beginning.includes(":"), beginning);
    }
  }
});

Deno.test("whatever is written is refused with words or read, and what was read can be written", () => {
  const prefix = fc.constantFrom(
    "",
    "tcp://",
    "unix://",
    "unix:",
    "exec:",
    "stdio:",
    "hop://",
    "tls://",
    "tox:",
    "tox:home?",
    "tls://h?ca=",
    "tls://h?alpn=",
    "tls://:7?key=k&cert=",
    "quic://",
    "quic://h?ca=",
    "quic://:7?key=k&cert=",
    "x://",
  );
  const text = fc.tuple(prefix, fc.oneof(fc.string(), fc.webPath(), fc.domain(), fc.ipV6()))
    .map((parts) => parts.join(""));
  fc.assert(fc.property(text, fc.constantFrom(...BOTH), (text, parse) => {
    let endpoint;
    try {
      endpoint = parse(text);
    } catch (error) {
      assert.ok(error instanceof TtunError && error.kind === "usage", String(error));
      return;
    }
    assert.deepEqual(parse(formatEndpoint(endpoint)), endpoint);
    assert.deepEqual(structuredClone(endpoint), endpoint);
  }));
});
