import assert from "node:assert/strict";
import { formatEndpoint, parseListen, parseServer } from "./endpoint.ts";

const PIN = "ab".repeat(32);
const MANY = Array.from({ length: 17 }, (_, i) => `name${i}`).join();

Deno.test("a server by TLS: its certificate is verified by the system's authorities, or as said", () => {
  const rows: [string, object][] = [
    ["tls://example.net", { host: "example.net", port: 443, tls: {} }],
    ["tls://[::1]:7?ca=/etc/ca.pem", { host: "::1", port: 7, tls: { ca: "/etc/ca.pem" } }],
    ["TLS://h:7/?name=example.net&ca=a", {
      host: "h",
      port: 7,
      tls: { ca: "a", name: "example.net" },
    }],
    ["tls://h:7?ca=a%26b%25c=d e", { host: "h", port: 7, tls: { ca: "a&b%c=d e" } }],
    [`tls://h:7?pin=${PIN}`, { host: "h", port: 7, tls: { pin: PIN } }],
    [`tls://h:7?pin=${PIN.toUpperCase()}`, { host: "h", port: 7, tls: { pin: PIN } }],
    [`tls://h:7?pin=${"AB:".repeat(31)}AB`, { host: "h", port: 7, tls: { pin: PIN } }],
    ["tls://h:7?alpn=h2,http/1.1", { host: "h", port: 7, tls: { alpn: ["h2", "http/1.1"] } }],
    ["tls://h:7?alpn=a%2525&ca=b", { host: "h", port: 7, tls: { alpn: ["a%25"], ca: "b" } }],
    [`tls://h:7?pin=${PIN}&alpn=x`, { host: "h", port: 7, tls: { pin: PIN, alpn: ["x"] } }],
  ];
  for (const [text, { tls, ...at }] of rows as [string, { tls: object }][]) {
    const expected = { ...at, tls: { ca: null, name: null, pin: null, alpn: [], ...tls } };
    const endpoint = parseServer(text);
    assert.deepEqual(endpoint, { scheme: "tls", at: expected }, text);
    assert.deepEqual(parseServer(formatEndpoint(endpoint)), endpoint);
  }
});

Deno.test("a listener by TLS has two files, and may have names of protocols", () => {
  const endpoint = parseListen("tls://:8443?cert=/etc/c.pem&key=/etc/k.pem");
  const tls = { cert: "/etc/c.pem", key: "/etc/k.pem", alpn: [] };
  assert.deepEqual(endpoint, { scheme: "tls", at: { host: "", port: 8443, tls } });
  assert.equal(formatEndpoint(endpoint), "tls://:8443?cert=/etc/c.pem&key=/etc/k.pem");
  const named = parseListen("tls://:8443?cert=/etc/c.pem&alpn=ttun,h2&key=/etc/k.pem");
  const at = { host: "", port: 8443, tls: { ...tls, alpn: ["ttun", "h2"] } };
  assert.deepEqual(named, { scheme: "tls", at });
  assert.deepEqual(parseListen(formatEndpoint(named)), named);
});

Deno.test("what cannot be meant is refused, with what to write", () => {
  const refused: [(text: string) => unknown, string, RegExp][] = [
    [parseListen, "tls://:7", /the certificate is missing: two PEM files, \?cert=FILE&key=FILE/],
    [parseListen, "tls://:7?cert=a", /the certificate is missing/],
    [parseListen, "tls://:7?ca=a", /write tls:\/\/\[HOST\]:PORT\?cert=FILE&key=FILE/],
    [parseServer, "tls://h?cert=a", /write tls:\/\/HOST\[:PORT\]\[\?ca=FILE\]/],
    [parseServer, "tls://h?ca=", /write tls/],
    [parseServer, "tls://h?ca=a&ca=b", /ca= stands there twice/],
    [parseServer, "tls://h?pin=abc", /64 hexadecimal digits/],
    [parseServer, `tls://h?pin=${PIN}&ca=a`, /with pin= nothing else/],
    [parseServer, "tls://h:0", /nothing listens on port 0/],
    [parseServer, "tls:h", /write tls:\/\/HOST/],
    [parseServer, "tls://h?ca=%zz", /a % stands for itself as %25/],
    [parseServer, "tls://h?ca=a%00", /zero byte/],
    [parseServer, "tls://h?alpn=a,,b", /alpn= has names of 1 to 255/],
    [parseServer, "tls://h?alpn=a b", /alpn= has names of 1 to 255/],
    [parseServer, "tls://h?alpn=%C3%A4", /alpn= has names of 1 to 255/],
    [parseServer, `tls://h?alpn=${"a".repeat(256)}`, /alpn= has names of 1 to 255/],
    [parseServer, "tls://h?alpn=a,b,a", /alpn= has one name twice/],
    [parseServer, `tls://h?alpn=${MANY}`, /alpn= has more than 16 names/],
    [parseListen, "tls://:7?cert=a&key=b&alpn=", /write tls/],
    [parseListen, "tls://:7?cert=a&key=b&alpn=a%00", /zero byte/],
    [parseServer, "tls://", /host/],
  ];
  for (const [parse, text, message] of refused) {
    assert.throws(() => parse(text), { kind: "usage", message }, text);
  }
});
