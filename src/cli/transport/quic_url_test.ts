import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { withAuthority } from "./authority.ts";
import { formatEndpoint, parseListen, parseServer } from "./endpoint.ts";

const NOTHING = { ca: null, cert: null, name: null };

Deno.test("a server by QUIC, whose certificate is known by an authority or by itself", () => {
  const rows: [string, object, object][] = [
    ["quic://example.net", { host: "example.net", port: 20203 }, {}],
    ["QUIC://[::1]:7/?ca=/etc/a%26b.pem", { host: "::1", port: 7 }, { ca: "/etc/a&b.pem" }],
    ["quic://h:7?name=a.test&cert=MIIB-A-_", { host: "h", port: 7 }, {
      name: "a.test",
      cert: "MIIB-A-_",
    }],
  ];
  for (const [text, at, quic] of rows) {
    const expected = { scheme: "quic", at: { ...at, quic: { ...NOTHING, ...quic } } };
    assert.deepEqual(parseServer(text), expected);
  }
  const shown = formatEndpoint(parseServer("quic://h:7?name=a.test&ca=b&cert=MIIB"));
  assert.equal(shown, "quic://h:7?ca=b&name=a.test");
});

Deno.test("a listener by QUIC makes a certificate, or has one in two files", () => {
  const own = parseListen("quic://:7");
  assert.deepEqual(own.at, { host: "", port: 7, quic: { cert: null, key: null } });
  assert.equal(formatEndpoint(own), "quic://:7");
  for (const text of ["quic://", "quic://:20203"]) {
    assert.deepEqual(parseListen(text).at, {
      host: "",
      port: 20203,
      quic: { cert: null, key: null },
    });
  }
  const given = parseListen("quic://192.0.2.1?cert=a&key=b");
  assert.deepEqual(given.at, { host: "192.0.2.1", port: 20203, quic: { cert: "a", key: "b" } });
  assert.deepEqual(parseListen(formatEndpoint(given)), given);
});

Deno.test("what cannot be meant is refused, with what to write", () => {
  const refused: [(text: string) => unknown, string, RegExp][] = [
    [parseServer, "quic:h", /write quic:\/\/HOST\[:PORT\]/],
    [parseServer, "quic://h:0", /nothing listens on port 0/],
    [parseServer, "quic://h?cert=a b", /in base64url, as the server has printed it/],
    [parseServer, "quic://h?key=a", /write quic/],
    [parseListen, "quic://:7?cert=a", /two PEM files that belong together/],
    [parseListen, "quic://:7?ca=a", /write quic/],
  ];
  for (const [parse, text, words] of refused) {
    assert.throws(() => parse(text), (error) => {
      assert.ok(error instanceof TtunError, text);
      assert.match(error.message, words);
      return error.kind === "usage";
    });
  }
});

Deno.test("--ca stands where the URL has ca=, for certificates alone, and not beside another", () => {
  const given = (text: string) =>
    withAuthority({ server: parseServer(text), ca: "a.pem" }).server.at;
  const { quic } = given("quic://h?name=b") as unknown as { quic: object };
  assert.deepEqual(quic, { ...NOTHING, ca: "a.pem", name: "b" });
  const { tls } = given("tls://h") as unknown as { tls: { ca: string } };
  assert.equal(tls.ca, "a.pem");
  for (const text of ["h:7", "unix:///a", "quic://h?ca=b", `tls://h?pin=${"ab".repeat(32)}`]) {
    assert.throws(() => given(text), /Cannot use --ca/);
  }
  const server = parseServer("h:7");
  assert.equal(withAuthority({ server }).server, server);
});
