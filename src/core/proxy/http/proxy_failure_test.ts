import assert from "node:assert/strict";
import { constantTimeEqual, utf8 } from "../../../base/bytes.ts";
import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import { FAILURES, httpFailure, proxyStatus } from "../failure.ts";
import { BASIC_CHALLENGE } from "./auth.ts";
import { Talk } from "./http_fixture.ts";
import { REQUEST_LIMITS, RESPONSE_LIMITS } from "../../http/http1/head.ts";
import { HttpProxy } from "./proxy.ts";
import type { CheckPassword } from "../socks/socks5_server.ts";

const GET = "GET http://a/x HTTP/1.1\nHost: a\n\n";
const CLOSED = "end client (clean)";

/** The proxy's own answer among lines: its status, fields and words. */
function ownAnswer(lines: readonly string[]): { status: string; fields: string; words: string } {
  const text = lines.find((line) => line.startsWith("client: "))!.slice("client: ".length);
  const [head, words] = text.split("\n\n");
  const [first, ...fields] = head!.split("\n");
  const length = fields.find((field) => field.startsWith("Content-Length: "))!.split(" ")[1];
  assert.ok(words === "" || Number(length) === words!.length, `${length} ${words}`);
  return { status: first!, fields: fields.join("\n"), words: words! };
}

Deno.test("a target that cannot be reached is told in words; the connection goes on", () => {
  const talk = new Talk();
  for (const failure of FAILURES) {
    assert.deepEqual(talk.client(GET), ["connect a:80"]);
    const lines = talk.connectFailed(failure);
    assert.equal(lines.length, 1);
    const { status, fields, words } = ownAnswer(lines);
    assert.match(status, /^HTTP\/1\.1 (403 Forbidden|50[234] [A-Z][a-z A-Z]+)$/);
    assert.match(fields, /Proxy-Status: proxy; error=/);
    assert.ok(words.includes("a:80"));
    assert.equal(words.includes("--allow"), failure === "denied");
  }
  const head = new Talk();
  head.client("HEAD http://a/ HTTP/1.1\n\n");
  assert.equal(ownAnswer(head.connectFailed("refused")).words, "");
});

Deno.test("it ends where another request, or a body, may be on the way", () => {
  const post = "POST http://a/ HTTP/1.1\nContent-Length: 2\n\n";
  for (
    const text of [
      GET + GET,
      post,
      `${post}a`,
      `${post}ab`,
      "CONNECT a:443 HTTP/1.1\n\n",
      "GET http://a/ HTTP/1.0\n\n",
      "GET http://a/ HTTP/1.1\nConnection: close\n\n",
    ]
  ) {
    const talk = new Talk();
    talk.client(text);
    const lines = talk.connectFailed("timeout");
    const minor = text.includes("HTTP/1.0") ? 0 : 1;
    assert.match(ownAnswer(lines).status, new RegExp(`^HTTP/1.${minor} 504`));
    assert.match(ownAnswer(lines).fields, /Connection: close$/);
    assert.equal(lines.at(-1), CLOSED, text);
  }
  const ended = new Talk();
  ended.client(GET);
  ended.clientEnded();
  assert.equal(ended.connectFailed("name").at(-1), CLOSED);
});

Deno.test("a request that cannot be read is answered, and is the last", () => {
  const cases: [string, number][] = [
    ["GET / HTTP/1.1\nHost: a\n\n", 400],
    ["GET https://a/ HTTP/1.1\n\n", 501],
    ["CONNECT a HTTP/1.1\n\n", 400],
    ["GARBAGE\n\n", 400],
    ["PRI * HTTP/2.0\n\nSM\n\n", 400],
    ["GET http://a/ HTTP/2.0\n\n", 505],
    ["GET http://a/ HTTP/1.1\nA : b\n\n", 400],
    ["POST http://a/ HTTP/1.1\nContent-Length: 1\nTransfer-Encoding: chunked\n\n", 400],
    [`GET http://a/${"x".repeat(REQUEST_LIMITS.bytes)}`, 414],
    [`GET http://a/ HTTP/1.1\n${"A: b\n".repeat(257)}`, 431],
  ];
  for (const [text, status] of cases) {
    const talk = new Talk();
    const lines = talk.client(text);
    assert.ok(ownAnswer(lines).status.startsWith(`HTTP/1.1 ${status} `), text.slice(0, 40));
    assert.equal(lines.at(-1), CLOSED);
    assert.ok(talk.proxy.isOver);
  }
});

Deno.test("a bad request behind good ones is answered in its turn", () => {
  const talk = new Talk();
  talk.client(`${GET}GET / HTTP/1.1\n\n`);
  talk.connected();
  const lines = talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  assert.match(
    lines[0]!,
    /^client: HTTP\/1\.1 200 OK\nContent-Length: 0\n\nHTTP\/1\.1 400 Bad Request\n/,
  );
  assert.deepEqual(lines.slice(1), ["close target", CLOSED]);
});

Deno.test("a body that cannot be read is answered as long as nothing else was", () => {
  const post = "POST http://a/ HTTP/1.1\nTransfer-Encoding: chunked\n\n";
  const talk = new Talk();
  talk.client(post);
  talk.connected();
  const lines = talk.client("xyz\n");
  assert.match(ownAnswer(lines).status, / 400 /);
  assert.deepEqual(lines.slice(1), ["close target", CLOSED]);
  const late = new Talk();
  late.client(post);
  late.connected();
  late.target("HTTP/1.1 200 OK\nContent-Length: 5\n\n");
  assert.deepEqual(late.client("xyz\n"), ["close target", "end client (reset)"]);
});

Deno.test("a target that ends before it answers is told in words", () => {
  const cases = [["clean", "", 502], ["reset", "HTTP/1.1 20", 502], ["timeout", "", 504]] as const;
  for (const [how, part, status] of cases) {
    const talk = new Talk();
    talk.client(GET);
    talk.connected();
    if (part !== "") talk.target(part);
    const lines = talk.targetEnded(how);
    assert.equal(lines[0], "close target");
    assert.ok(ownAnswer(lines).status.startsWith(`HTTP/1.1 ${status} `));
    assert.equal(lines.length, 2, "the client may ask again");
    assert.deepEqual(talk.client(GET), ["connect a:80"]);
  }
});

Deno.test("a target that ends in its response ends the client's connection without grace", () => {
  const cases: [string, "clean" | "reset" | "timeout"][] = [
    ["Content-Length: 5\n\nhell", "clean"],
    ["Content-Length: 5\n\nhell", "reset"],
    ["Content-Length: 5\n\nhell", "timeout"],
    ["Transfer-Encoding: chunked\n\n5\nhello\n0\n", "clean"],
    ["\nuntil close", "reset"],
    ["\nuntil close", "timeout"],
  ];
  for (const [answer, how] of cases) {
    const talk = new Talk();
    talk.client(GET);
    talk.connected();
    talk.target(`HTTP/1.1 200 OK\n${answer}`);
    assert.deepEqual(talk.targetEnded(how), ["close target", "end client (reset)"], answer);
  }
});

Deno.test("a target that does not speak HTTP is told in words", () => {
  const answers = [
    "SSH-2.0-OpenSSH\n\n",
    "HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\n",
    "HTTP/1.1 200 OK\nContent-Length: x\n\n",
    "HTTP/1.1 200 OK\nTransfer-Encoding: chunked, gzip\n\n",
    "HTTP/1.1 101 Go\nConnection: upgrade\nUpgrade: websocket\n\n",
    `HTTP/1.1 200 OK\nA: ${"x".repeat(RESPONSE_LIMITS.bytes)}`,
  ];
  for (const answer of answers) {
    const talk = new Talk();
    talk.client(GET);
    talk.connected();
    const lines = talk.target(answer);
    assert.equal(lines[0], "close target");
    assert.match(ownAnswer(lines).status, / 502 /);
    assert.ok(ownAnswer(lines).words.startsWith("a:80 does not answer as HTTP does."));
    assert.deepEqual(talk.client(GET), ["connect a:80"]);
  }
  const old = new Talk();
  old.client("GET http://a/ HTTP/1.0\n\n");
  old.connected();
  assert.match(
    ownAnswer(old.target("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n")).status,
    / 502 /,
  );
});

Deno.test("a chunked response that cannot be read ends the client's connection without grace", () => {
  const talk = new Talk();
  talk.client(GET);
  talk.connected();
  assert.deepEqual(talk.target("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nxyz"), [
    "client: HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n",
    "close target",
    "end client (reset)",
  ]);
});

Deno.test("what a target says unasked is nobody's answer", () => {
  const poison = "HTTP/1.1 200 OK\nContent-Length: 6\n\npoison";
  const behind = new Talk();
  behind.client(GET + GET);
  behind.connected();
  assert.deepEqual(behind.target(`HTTP/1.1 200 OK\nContent-Length: 0\n\n${poison}`), [
    "client: HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "close target",
    "connect a:80",
  ]);
  const idle = new Talk();
  idle.client(GET);
  idle.connected();
  idle.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  assert.deepEqual(idle.target(poison), ["close target"]);
  assert.deepEqual(idle.target(poison), [], "late bytes of it");
  assert.deepEqual(idle.client(GET), ["connect a:80"]);
  assert.deepEqual(idle.target(poison), [], "and while another is connected to");
});

Deno.test("a kept connection that turns out to be closed is replaced where that does no harm", () => {
  const kept = () => {
    const talk = new Talk();
    talk.client(GET);
    talk.connected();
    talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
    return talk;
  };
  for (const how of ["clean", "reset"] as const) {
    const talk = kept();
    talk.client("GET http://a/2 HTTP/1.1\n\n");
    assert.deepEqual(talk.targetEnded(how), ["close target", "connect a:80"]);
    assert.deepEqual(talk.connected(), ["target: GET /2 HTTP/1.1\nHost: a\n\n"]);
    assert.match(ownAnswer(talk.targetEnded(how)).status, / 502 /, "but only once");
  }
  const begun = kept();
  begun.client(GET);
  begun.target("H");
  assert.match(ownAnswer(begun.targetEnded("reset")).status, / 502 /);
  const interim = kept();
  interim.client(GET);
  interim.target("HTTP/1.1 103 x\n\n");
  assert.match(ownAnswer(interim.targetEnded("reset")).status, / 502 /);
});

const auth: CheckPassword = (user, password) =>
  constantTimeEqual(user, utf8("u")) && constantTimeEqual(password, utf8("p"));
const SHOWN = `Proxy-Authorization: Basic ${btoa("u:p")}\n`;

Deno.test("a proxy with a password asks for it before anything else, and passes it to nobody", () => {
  const talk = new Talk(auth);
  for (const text of [GET, "CONNECT a:1 HTTP/1.1\n\n", "GET ftp://a/ HTTP/1.1\n\n"]) {
    const lines = talk.client(text);
    assert.equal(ownAnswer(lines).status, "HTTP/1.1 407 Proxy Authentication Required");
    assert.match(
      ownAnswer(lines).fields,
      /\nProxy-Authenticate: Basic realm="proxy", charset="UTF-8"$/,
    );
    assert.equal(lines.length, 1, "the client may ask again on this connection");
  }
  assert.deepEqual(talk.client(`GET http://a/ HTTP/1.1\n${SHOWN}\n`), ["connect a:80"]);
  assert.deepEqual(talk.connected(), ["target: GET / HTTP/1.1\nHost: a\n\n"]);
  talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  assert.match(ownAnswer(talk.client(GET)).status, / 407 /, "each request must show it");
  assert.deepEqual(talk.client(`CONNECT a:1 HTTP/1.1\n${SHOWN}\n`), [
    "close target",
    "connect a:1",
  ]);
});

Deno.test("a request without the password that may have more behind it is the last", () => {
  for (
    const text of [
      GET + GET,
      "POST http://a/ HTTP/1.1\nContent-Length: 5\n\n",
      "POST http://a/ HTTP/1.1\nTransfer-Encoding: chunked\n\n",
      "GET http://a/ HTTP/1.0\nConnection: keep-alive\n\n",
      "GET http://a/ HTTP/1.1\nConnection: close\n\n",
    ]
  ) {
    const lines = new Talk(auth).client(text);
    assert.match(ownAnswer(lines).status, / 407 /);
    assert.equal(lines.at(-1), CLOSED);
  }
});

Deno.test("what no client of a proxy sends gets the same answer as from any server, with --auth too", () => {
  const long = "x".repeat(70_000);
  for (const auth of [null, () => false]) {
    for (
      const [request, status] of [
        ["GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", "400 Bad Request"],
        ["POST /http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"],
        ["OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"],
        ["GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 Bad Request"],
        ["GET / HTTP/9.9\r\n\r\n", "400 Bad Request"],
        ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 Bad Request"],
        [`GET /${long} HTTP/1.1\r\n\r\n`, "414 URI Too Long"],
        [`GET / HTTP/1.1\r\nA: ${long}\r\n\r\n`, "431 Request Header Fields Too Large"],
      ] as const
    ) {
      const proxy = new HttpProxy({ auth });
      const actions = proxy.fromClient(toLatin1(request));
      const [answer] = actions;
      assert.equal(answer?.kind, "toClient");
      const words = `${status.slice(4)}\n`;
      assert.equal(
        answer?.kind === "toClient" && fromLatin1(answer.bytes),
        `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
          `Content-Length: ${words.length}\r\nConnection: close\r\n\r\n${words}`,
      );
      assert.deepEqual(actions.at(-1), { kind: "endClient", how: "clean" });
    }
  }
});

Deno.test("no answer of the proxy's own has the name of the program in it", () => {
  for (const failure of FAILURES) {
    const { words } = httpFailure(failure, { host: "a.example", port: 80 });
    assert.doesNotMatch(words + proxyStatus("x").value + BASIC_CHALLENGE.value, /ttun/i);
  }
});
