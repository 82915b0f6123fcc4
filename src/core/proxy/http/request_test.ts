import assert from "node:assert/strict";
import { fromLatin1 } from "../../../base/latin1.ts";
import { crlf, headText } from "../../http/http1/http1_fixture.ts";
import { parseRequestHead } from "../../http/http1/head.ts";
import { readRequest } from "./request.ts";
import { formatTarget } from "../../../base/target.ts";

const read = (text: string) => readRequest(parseRequestHead(headText(crlf(text))));

/** The target, and the head for it with line ends as `\n`. */
function passed(text: string): [string, string | null] {
  const { target, head } = read(text);
  const told = head === null ? null : fromLatin1(head).replaceAll("\r\n", "\n");
  return [formatTarget(target), told];
}

function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof Error && "status" in error) return `${error.status} ${error.message}`;
    throw error;
  }
  return "none";
}

Deno.test("an absolute address becomes origin-form, with the target's own Host", () => {
  const cases: [string, string, string, string][] = [
    ["http://Example.com/a/b?c=d", "example.com:80", "/a/b?c=d", "example.com"],
    ["http://example.com", "example.com:80", "/", "example.com"],
    ["http://example.com?q", "example.com:80", "/?q", "example.com"],
    ["HTTP://example.com:80/", "example.com:80", "/", "example.com"],
    ["http://example.com:8080//x", "example.com:8080", "//x", "example.com:8080"],
    ["http://example.com:/", "example.com:80", "/", "example.com"],
    ["http://[2001:DB8::1]/", "[2001:db8::1]:80", "/", "[2001:db8::1]"],
    ["http://[::1]:81/", "[::1]:81", "/", "[::1]:81"],
    ["http://1.2.3.4/@a:b", "1.2.3.4:80", "/@a:b", "1.2.3.4"],
    ["http://a/http://b/", "a:80", "/http://b/", "a"],
    ["http://a/b?c#d", "a:80", "/b?c", "a"],
    ["http://a#", "a:80", "/", "a"],
    ["http://a/#!/x@y", "a:80", "/", "a"],
    ["http://::1:8086/x", "[::1]:8086", "/x", "[::1]:8086"],
    ["http://2001:DB8::5", "[2001:db8::5]:80", "/", "[2001:db8::5]"],
  ];
  for (const [address, target, path, host] of cases) {
    assert.deepEqual(passed(`GET ${address} HTTP/1.1\nHost: other\nAccept: x\n\n`), [
      target,
      `GET ${path} HTTP/1.1\nHost: ${host}\nAccept: x\n\n`,
    ]);
  }
});

Deno.test("user and password of the address become Authorization, where there is none", () => {
  const basic = `Basic ${btoa("user:p ss")}`;
  const address = "http://user:p%20ss@a.example:81/x@y?z@";
  const first = "GET /x@y?z@ HTTP/1.1\nHost: a.example:81\n";
  assert.deepEqual(passed(`GET ${address} HTTP/1.1\nA: b\n\n`), [
    "a.example:81",
    `${first}Authorization: ${basic}\nA: b\n\n`,
  ]);
  assert.equal(
    passed(`GET ${address} HTTP/1.1\nauthorization: Bearer x\n\n`)[1],
    `${first}authorization: Bearer x\n\n`,
  );
  assert.equal(passed("GET http://@a/ HTTP/1.1\n\n")[1], "GET / HTTP/1.1\nHost: a\n\n");
  assert.deepEqual(passed("GET http://u:p@[::1]:8086/ HTTP/1.1\n\n"), [
    "[::1]:8086",
    `GET / HTTP/1.1\nHost: [::1]:8086\nAuthorization: Basic ${btoa("u:p")}\n\n`,
  ]);
  assert.equal(passed("GET http://u:p@::1:8086/ HTTP/1.1\nHost: [::1]:8086\n\n")[0], "[::1]:8086");
});

Deno.test("a password in an address that is refused is in no words", () => {
  for (const host of ["", "a:b", "a b", "[::1", "1.2.3", "x@y", "a:0"]) {
    const words = refusal(`GET http://user:secret@${host}/ HTTP/1.1\n\n`);
    assert.match(words, /^400 /, host);
    assert.ok(!words.includes("secret") && !words.includes("user:"), words);
  }
});

Deno.test("any method goes through; OPTIONS of a whole server is for `*`", () => {
  for (const method of ["GET", "PATCH", "PROPFIND", "M-SEARCH", "get", "CONNECTX"]) {
    assert.equal(passed(`${method} http://a/ HTTP/1.1\n\n`)[1]!.split(" ")[0], method);
  }
  assert.match(passed("OPTIONS http://a HTTP/1.1\n\n")[1]!, /^OPTIONS \* HTTP/);
  assert.match(passed("OPTIONS http://a/ HTTP/1.1\n\n")[1]!, /^OPTIONS \/ HTTP/);
  assert.match(passed("OPTIONS http://a?q HTTP/1.1\n\n")[1]!, /^OPTIONS \/\?q HTTP/);
});

Deno.test("what is for the next hop stays here, also what Connection names", () => {
  const text = "POST http://a/ HTTP/1.1\nhost: b\nProxy-Connection: keep-alive\nKeep-Alive: 5\n" +
    "Connection: X-Mine , x-other\nX-mine: 1\nTE: trailers\nTrailer: Expires\nA: 1\n" +
    "Proxy-Authorization: Basic eA==\nProxy-Authenticate: x\nUpgrade: websocket\nX-Other: 2\n" +
    "Connection:\nVia: 1.0 b\nA: 2\nExpect: 100-continue\nTransfer-Encoding: chunked\n\n";
  assert.equal(
    passed(text)[1],
    "POST / HTTP/1.1\nHost: a\nTrailer: Expires\nA: 1\nVia: 1.0 b\nA: 2\n" +
      "Expect: 100-continue\nTransfer-Encoding: chunked\n\n",
  );
});

Deno.test("Connection takes away no field that says where the body ends", () => {
  for (const field of ["Content-Length: 5", "Transfer-Encoding: chunked"]) {
    const name = field.split(":")[0]!.toLowerCase();
    const head = passed(`POST http://a/ HTTP/1.1\nConnection: ${name}, host\n${field}\n\n`)[1];
    assert.equal(head, `POST / HTTP/1.1\nHost: a\n${field}\n\n`);
  }
});

Deno.test("who keeps the connection is told from HTTP's version and Connection", () => {
  const last = "GET / HTTP/1.1\nHost: a\nConnection: close\n\n";
  assert.equal(passed("GET http://a/ HTTP/1.1\nConnection: Close\n\n")[1], last);
  assert.ok(!read("GET http://a/ HTTP/1.1\nConnection: x, close\n\n").isPersistent);
  assert.ok(read("GET http://a/ HTTP/1.1\nConnection: keep-alive\n\n").isPersistent);
  for (const fields of ["", "Connection: keep-alive\n"]) {
    const text = `GET http://a/ HTTP/1.0\n${fields}\n`;
    assert.ok(!read(text).isPersistent);
    assert.equal(passed(text)[1], "GET / HTTP/1.0\nHost: a\nConnection: close\n\n");
  }
});

Deno.test("Upgrade goes on where it is meant, and h2c never", () => {
  const ask = (fields: string, minor = 1) =>
    passed(`GET http://a/ HTTP/1.${minor}\n${fields}\n`)[1];
  assert.equal(
    ask("Connection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: x\n"),
    "GET / HTTP/1.1\nHost: a\nSec-WebSocket-Key: x\nUpgrade: websocket\nConnection: Upgrade\n\n",
  );
  assert.equal(
    ask("Connection: upgrade, close\nUpgrade: a/1\nUpgrade: B\n"),
    "GET / HTTP/1.1\nHost: a\nUpgrade: a/1, B\nConnection: Upgrade, close\n\n",
  );
  const none = "GET / HTTP/1.1\nHost: a\n\n";
  assert.equal(ask("Upgrade: websocket\n"), none);
  assert.equal(ask("Connection: upgrade\n"), none);
  const h2c = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: x\n";
  assert.equal(ask(h2c), none);
  assert.equal(
    ask("Connection: upgrade\nUpgrade: websocket\n", 0),
    "GET / HTTP/1.0\nHost: a\nConnection: close\n\n",
  );
});

Deno.test("only what is safe, and has neither body nor upgrade, may be sent twice", () => {
  const may = (text: string) => read(text).isRepeatable;
  for (const method of ["GET", "HEAD", "OPTIONS", "TRACE"]) {
    assert.ok(may(`${method} http://a/ HTTP/1.1\n\n`));
    assert.ok(may(`${method} http://a/ HTTP/1.1\nContent-Length: 0\n\n`));
    assert.ok(!may(`${method} http://a/ HTTP/1.1\nContent-Length: 1\n\n`));
    assert.ok(!may(`${method} http://a/ HTTP/1.1\nConnection: upgrade\nUpgrade: x\n\n`));
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "get"]) {
    assert.ok(!may(`${method} http://a/ HTTP/1.1\n\n`));
  }
});

Deno.test("CONNECT has a host and a port, the last colon before the port", () => {
  const cases: [string, string][] = [
    ["Example.com:443", "example.com:443"],
    ["[::1]:22", "[::1]:22"],
    ["::1:443", "[::1]:443"],
    ["2001:DB8::1:443", "[2001:db8::1]:443"],
    ["1:2:3:4:5:6:7:8:9", "[1:2:3:4:5:6:7:8]:9"],
    ["2001:db8::1:2:3", "[2001:db8::1:2]:3"],
    [":::80", "[::]:80"],
  ];
  for (const [given, target] of cases) {
    assert.deepEqual(passed(`CONNECT ${given} HTTP/1.1\nHost: [::9]:9\n\n`), [target, null]);
  }
  for (
    const target of [
      ...["example.com", "example.com:", "/", "http://a/", "a:0", "a:99999", "u@a:1", "u:p@a:1"],
      ...["::1", "[::1]", "::1:", "2001:db8::443", "::1:0", "::1:abcd", "fe80::1%eth0:443"],
      ...["u:p@::1:443", "a:b:1", "[1.2.3.4]:80", "1:2:3:4:5:6:7:8"],
    ]
  ) {
    assert.match(refusal(`CONNECT ${target} HTTP/1.1\n\n`), /^400 Cannot connect: /, target);
  }
});

Deno.test("CONNECT has no body, whatever a Content-Length says; what has two readings is refused", () => {
  for (const length of [0, 1, 5000]) {
    const { framing } = read(`CONNECT a:1 HTTP/1.1\nContent-Length: ${length}\n\n`);
    assert.deepEqual(framing, { kind: "none" });
  }
  const chunked = "Transfer-Encoding: chunked";
  assert.match(refusal(`CONNECT a:1 HTTP/1.1\n${chunked}\n\n`), /^400 .*no body/);
  for (const fields of ["Content-Length: 1, 1", `Content-Length: 1\n${chunked}`]) {
    assert.match(refusal(`CONNECT a:1 HTTP/1.1\n${fields}\n\n`), /^400 /);
  }
});

Deno.test("whoever takes the proxy for a web server is told nothing of it", () => {
  for (const target of ["/", "*", "/http://a/", "a:80", "example.com/x", "http:/a", "//a/"]) {
    assert.equal(refusal(`GET ${target} HTTP/1.1\nHost: a\n\n`), "400 Bad Request");
  }
  assert.match(refusal("GET https://a/ HTTP/1.1\n\n"), /^501 .*CONNECT/);
  assert.match(refusal("GET ftp://a/ HTTP/1.1\n\n"), /^501 .*CONNECT/);
  assert.match(refusal("GET ws://a/ HTTP/1.1\n\n"), /^501 .*CONNECT/);
});

Deno.test("an address that could mean two places is refused", () => {
  for (
    const address of [
      "http://",
      "http:///path",
      "http://?q",
      "http://:80/",
      "http://a@b@c/",
      "http://a\\@b/",
      "http://a\\b/",
      "http://a%2fb/",
      "http://a#@b/",
      "http://[::1/",
      "http://[fe80::1%25eth0]/",
      "http://a:b/",
      "http://a:80:80/",
      "http://2130706433/",
      "http://0x7f.1/",
      "http://\xe4.de/",
    ]
  ) {
    assert.match(refusal(`GET ${address} HTTP/1.1\nHost: a\n\n`), /^400 /, address);
  }
  assert.match(refusal("GET http://a/ HTTP/1.1\nHost: a\nHost: a\n\n"), /^400 .*Host/);
});

Deno.test("Max-Forwards is counted for TRACE and OPTIONS, and for nothing else", () => {
  for (const method of ["TRACE", "OPTIONS"]) {
    assert.match(
      passed(`${method} http://a/ HTTP/1.1\nMax-Forwards: 10\n\n`)[1]!,
      /Max-Forwards: 9\n/,
    );
    assert.match(
      passed(`${method} http://a/ HTTP/1.1\nMax-Forwards: x\n\n`)[1]!,
      /Max-Forwards: x\n/,
    );
    assert.match(
      refusal(`${method} http://a/ HTTP/1.1\nmax-forwards: 0\n\n`),
      /^501 .*Max-Forwards/,
    );
  }
  assert.match(passed("GET http://a/ HTTP/1.1\nMax-Forwards: 0\n\n")[1]!, /Max-Forwards: 0\n/);
});
