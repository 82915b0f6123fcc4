import assert from "node:assert/strict";
import { utf8 } from "../../../base/bytes.ts";
import { fromLatin1 } from "../../../base/latin1.ts";
import { HttpProxy } from "./proxy.ts";
import { Talk, told } from "./http_fixture.ts";

const internal = { name: "TtunError", kind: "internal" };
const GET = "GET http://a/x HTTP/1.1\nHost: a\n\n";
const SENT = "GET /x HTTP/1.1\nHost: a\n\n";

Deno.test("a request goes to its target, the response to the client", () => {
  const talk = new Talk();
  assert.deepEqual(talk.client(GET), ["connect a:80"]);
  assert.deepEqual(talk.connected(), [`target: ${SENT}`]);
  assert.deepEqual(talk.target("HTTP/1.1 200 OK\nContent-Length: 5\n\nhe"), [
    "client: HTTP/1.1 200 OK\nContent-Length: 5\n\nhe",
  ]);
  assert.deepEqual(talk.target("llo"), ["client: llo"]);
  assert.ok(talk.proxy.wantsClient && talk.proxy.wantsTarget && !talk.proxy.isOver);
});

Deno.test("bodies go on as views of what was given", () => {
  const proxy = new HttpProxy({ auth: null });
  proxy.fromClient(utf8("POST http://a/ HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"));
  proxy.connected();
  const up = new Uint8Array(400);
  const [sent] = proxy.fromClient(up);
  assert.ok(sent?.kind === "toTarget" && sent.bytes.buffer === up.buffer);
  proxy.fromTarget(utf8("HTTP/1.1 200 OK\r\n\r\n"));
  const down = new Uint8Array(4000);
  const [got] = proxy.fromTarget(down);
  assert.ok(got?.kind === "toClient" && got.bytes.buffer === down.buffer);
});

Deno.test("the connection to a target is used again for the same host and port", () => {
  const talk = new Talk();
  talk.client(GET);
  talk.connected();
  talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  assert.deepEqual(talk.client("OPTIONS http://A:80/ HTTP/1.1\nContent-Length: 0\n\n"), [
    "target: OPTIONS / HTTP/1.1\nHost: a\nContent-Length: 0\n\n",
  ]);
  talk.target("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n0\n\n");
  for (const [other, target] of [["http://a:81/", "a:81"], ["http://b/", "b:80"]]) {
    assert.deepEqual(talk.client(`GET ${other} HTTP/1.1\n\n`), [
      "close target",
      `connect ${target}`,
    ]);
    talk.connected();
    talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  }
});

Deno.test("what must not come twice never goes over a connection that was used before", () => {
  for (
    const rest of [
      "POST http://a/ HTTP/1.1\nContent-Length: 2\n\nab",
      "POST http://a/ HTTP/1.1\n\n",
      "DELETE http://a/ HTTP/1.1\n\n",
      "GET http://a/ HTTP/1.1\nContent-Length: 1\n\nx",
      "GET http://a/ HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n",
      "GET http://a/ HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\n\n",
    ]
  ) {
    const talk = new Talk();
    talk.client(GET);
    talk.connected();
    talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
    assert.deepEqual(talk.client(rest), ["close target", "connect a:80"]);
    talk.connected();
    talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
    assert.deepEqual(talk.client(GET), [`target: ${SENT}`], "what may come twice does");
  }
});

Deno.test("a target that does not keep its connection is connected to again", () => {
  const talk = new Talk();
  for (
    const head of [
      "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 0\n\n",
      "HTTP/1.0 200 OK\nContent-Length: 0\n\n",
    ]
  ) {
    assert.deepEqual(talk.client(GET), ["connect a:80"]);
    talk.connected();
    assert.deepEqual(talk.target(head), [
      "client: HTTP/1.1 200 OK\nContent-Length: 0\n\n",
      "close target",
    ]);
    assert.ok(talk.proxy.wantsClient && !talk.proxy.wantsTarget);
  }
  talk.client(GET);
  talk.connected();
  talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  assert.deepEqual(talk.targetEnded("clean"), ["close target"]);
  assert.deepEqual(talk.client(GET), ["connect a:80"]);
});

Deno.test("pipelined requests are answered in their order, one at a time", () => {
  const talk = new Talk();
  const three = ["1", "2", "3"].map((path) => `GET http://a/${path} HTTP/1.1\n\n`).join("");
  assert.deepEqual(talk.client(three), ["connect a:80"]);
  assert.deepEqual(talk.connected(), ["target: GET /1 HTTP/1.1\nHost: a\n\n"]);
  assert.deepEqual(talk.target("HTTP/1.1 200 OK\nContent-Length: 1\n\n1"), [
    "client: HTTP/1.1 200 OK\nContent-Length: 1\n\n1",
    "target: GET /2 HTTP/1.1\nHost: a\n\n",
  ]);
  assert.deepEqual(talk.target("HTTP/1.1 200 OK\nContent-Length: 1\nConnection: close\n\n2"), [
    "client: HTTP/1.1 200 OK\nContent-Length: 1\n\n2",
    "close target",
    "connect a:80",
  ]);
  assert.ok(talk.proxy.wantsClient, "all that was held is used");
  assert.deepEqual(talk.connected(), ["target: GET /3 HTTP/1.1\nHost: a\n\n"]);
});

Deno.test("while a response is awaited a little more of the client is taken, and held", () => {
  const talk = new Talk();
  talk.client(GET);
  talk.connected();
  assert.ok(talk.proxy.wantsClient, "so that its end is seen");
  for (const part of ["GET ht", "tp://b/"]) assert.deepEqual(talk.client(part), []);
  assert.ok(talk.proxy.wantsClient, "behind others as well");
  assert.deepEqual(talk.client(`?${"x".repeat(16_000)}`), []);
  assert.deepEqual(talk.client("x".repeat(5000)), [], "all that one call gives");
  assert.ok(!talk.proxy.wantsClient);
  assert.throws(() => talk.proxy.fromClient(utf8("x")), internal);
  talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  assert.ok(talk.proxy.wantsClient);
  assert.deepEqual(talk.client(" HTTP/1.1\n\n"), ["close target", "connect b:80"]);
  assert.match(talk.connected()[0]!, /^target: GET \/\?x{21000} HTTP/);
});

Deno.test("a request's body follows its head, the next request follows that", () => {
  const talk = new Talk();
  assert.deepEqual(
    talk.client("POST http://a/ HTTP/1.1\nTransfer-Encoding: chunked\n\n3\nabc\n0\nT: x\n\n" + GET),
    ["connect a:80"],
  );
  assert.deepEqual(talk.connected(), [
    "target: POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3\nabc\n0\nT: x\n\n",
  ]);
  assert.deepEqual(talk.target("HTTP/1.1 204 None\n\n"), [
    "client: HTTP/1.1 204 None\n\n",
    `target: ${SENT}`,
  ]);
});

Deno.test("100-continue is the target's to say", () => {
  const talk = new Talk();
  talk.client("PUT http://a/ HTTP/1.1\nExpect: 100-continue\nContent-Length: 2\n\n");
  assert.deepEqual(talk.connected(), [
    "target: PUT / HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 2\n\n",
  ]);
  assert.deepEqual(talk.target("HTTP/1.1 100 Continue\nConnection: x\nX: 1\n\n"), [
    "client: HTTP/1.1 100 Continue\n\n",
  ]);
  assert.deepEqual(talk.client("ab"), ["target: ab"]);
  assert.deepEqual(
    talk.target("HTTP/1.1 103 Hints\nLink: x\n\nHTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    ["client: HTTP/1.1 103 Hints\nLink: x\n\nHTTP/1.1 200 OK\nContent-Length: 0\n\n"],
  );
  assert.deepEqual(talk.client(GET), [`target: ${SENT}`]);
});

Deno.test("who is answered before the body is through is to close", () => {
  const talk = new Talk();
  talk.client("PUT http://a/ HTTP/1.1\nExpect: 100-continue\nContent-Length: 5\n\n");
  talk.connected();
  assert.deepEqual(talk.target("HTTP/1.1 417 No\nContent-Length: 2\n\nn"), [
    "client: HTTP/1.1 417 No\nContent-Length: 2\nConnection: close\n\nn",
  ]);
  assert.deepEqual(talk.client("abc"), ["target: abc"]);
  assert.deepEqual(talk.target("o"), ["client: o", "close target", "end client (clean)"]);
  assert.ok(talk.proxy.isOver && !talk.proxy.wantsClient && !talk.proxy.wantsTarget);
  assert.deepEqual(talk.client("de"), [], "what still comes is dropped");
  assert.deepEqual(talk.clientEnded(), []);
});

Deno.test("responses without a body have none, whatever they say", () => {
  const talk = new Talk();
  const cases: [string, string][] = [
    ["HEAD", "HTTP/1.1 200 OK\nContent-Length: 5\n\n"],
    ["HEAD", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n"],
    ["HEAD", "HTTP/1.1 200 OK\n\n"],
    ["GET", "HTTP/1.1 304 Same\nContent-Length: 5\n\n"],
    ["GET", "HTTP/1.1 204 None\n\n"],
  ];
  talk.client(GET);
  talk.connected();
  talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  for (const [method, answer] of cases) {
    const sent = talk.client(`${method} http://a/ HTTP/1.1\n\n`);
    assert.deepEqual(sent, [`target: ${method} / HTTP/1.1\nHost: a\n\n`]);
    assert.deepEqual(talk.target(answer), [`client: ${answer}`]);
  }
});

Deno.test("a response that ends with its connection ends the client's", () => {
  const talk = new Talk();
  talk.client(GET);
  talk.connected();
  assert.deepEqual(talk.target("HTTP/1.1 200 OK\nConnection: keep-alive\n\nsome"), [
    "client: HTTP/1.1 200 OK\nConnection: close\n\nsome",
  ]);
  assert.deepEqual(talk.target("more"), ["client: more"]);
  assert.deepEqual(talk.targetEnded("clean"), ["close target", "end client (clean)"]);
});

Deno.test("a client of HTTP/1.0 is answered in HTTP/1.0, without 1xx, and once", () => {
  const talk = new Talk();
  talk.client("GET http://a/x HTTP/1.0\nConnection: keep-alive\n\n");
  assert.deepEqual(talk.connected(), ["target: GET /x HTTP/1.0\nHost: a\nConnection: close\n\n"]);
  assert.deepEqual(talk.target("HTTP/1.1 100 Continue\n\n"), []);
  assert.deepEqual(talk.target("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), [
    "client: HTTP/1.0 200 OK\nContent-Length: 2\nConnection: close\n\nok",
    "close target",
    "end client (clean)",
  ]);
});

Deno.test("a client of HTTP/1.0 gets what is in a chunked body, up to the connection's end", () => {
  const talk = new Talk();
  talk.client("GET http://a/x HTTP/1.0\n\n");
  talk.connected();
  assert.deepEqual(
    talk.target("HTTP/1.1 200 OK\nTrailer: T\nTransfer-Encoding: chunked\nA: b\n\n3\nabc\n2;x\nd"),
    ["client: HTTP/1.0 200 OK\nA: b\nConnection: close\n\nabcd"],
  );
  assert.deepEqual(talk.target("e\n0\nT: x\n"), ["client: e"]);
  assert.deepEqual(talk.target("\n"), ["close target", "end client (clean)"]);
});

Deno.test("an answer that every browser shows comes to the client in one form, and is the target's last", () => {
  const ok = "HTTP/1.1 200 OK\n";
  const plain = `client: ${ok}Content-Length: 2\n\nok`;
  const chunked = `client: ${ok}Transfer-Encoding: chunked\n\n2\nok\n0\n\n`;
  const many = Array.from({ length: 1000 }, (_, i) => `A-${i}: ${"x".repeat(90)}\n`).join("");
  const cases: [string, string, boolean?][] = [
    [`${ok}Content-Length: 2\nContent-Length: 2\n\nok`, plain],
    [`${ok}Content-Length: 2, 2\n\nok`, plain],
    [`${ok}Transfer-Encoding: identity\nContent-Length: 2\n\nok`, plain],
    [`${ok}Content-Length: 9\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n`, chunked],
    [`${ok}Transfer-Encoding: chunked, chunked\n\n2\nok\n0\n\n`, chunked],
    [`HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n`, chunked],
    [`${ok}A b: c\n d: e\nContent-Length: 2\n\nok`, plain],
    [`${ok}no colon\nContent-Length: 2\n\nok`, plain],
    [`${ok}A: b\x01c\nContent-Length: 2\n\nok`, plain.replace("OK\n", "OK\nA: b c\n")],
    [`http/1.1 200 OK\nContent-Length: 2\n\nok`, plain, true],
    [`${ok}${many}Content-Length: 2\n\nok`, plain.replace("OK\n", `OK\n${many}`), true],
  ];
  for (const [answer, wanted, isKept = false] of cases) {
    const talk = new Talk();
    talk.client(GET);
    talk.connected();
    const lines = talk.target(answer);
    assert.deepEqual(lines, [wanted, ...(isKept ? [] : ["close target"])], answer.slice(0, 100));
    assert.deepEqual(talk.client(GET), [isKept ? `target: ${SENT}` : "connect a:80"]);
  }
  const open = new Talk();
  open.client(GET);
  open.connected();
  assert.deepEqual(open.target(`${ok}Transfer-Encoding: identity\nConnection: close\n\nok`), [
    `client: ${ok}Connection: close\n\nok`,
  ]);
  assert.deepEqual(open.targetEnded("clean"), ["close target", "end client (clean)"]);
});

Deno.test("a chunked body with bare LFs comes with CRLFs, and is the target's last", () => {
  const proxy = new HttpProxy({ auth: null });
  proxy.fromClient(utf8("GET http://a/ HTTP/1.1\r\n\r\n"));
  proxy.connected();
  const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const actions = proxy.fromTarget(utf8(`${head}2\nok\n0\n\n`));
  assert.deepEqual(told(actions), [`client: ${head}2\r\nok\r\n0\r\n\r\n`, "close target"]);
});

Deno.test("Connection: close of the client ends both connections behind the response", () => {
  const talk = new Talk();
  talk.client("GET http://a/ HTTP/1.1\nConnection: close\n\n");
  talk.connected();
  assert.deepEqual(talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), [
    "client: HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n",
    "close target",
    "end client (clean)",
  ]);
});

Deno.test("CONNECT becomes a tunnel; what came behind it is for the target", () => {
  const talk = new Talk();
  assert.deepEqual(talk.client("CONNECT a:443 HTTP/1.1\nHost: a:443\n\n\x16\x03"), [
    "connect a:443",
  ]);
  assert.ok(!talk.proxy.wantsClient);
  assert.deepEqual(talk.connected(), [
    "client: HTTP/1.1 200 Connection established\n\n",
    "raw target:\x16\x03 client:",
  ]);
  assert.ok(talk.proxy.isOver && !talk.proxy.wantsClient && !talk.proxy.wantsTarget);
  assert.deepEqual(talk.client("late"), ["target: late"], "of a read that was under way");
  assert.deepEqual(talk.target("late"), ["client: late"]);
  const old = new Talk();
  old.client("CONNECT a:443 HTTP/1.0\n\n");
  assert.deepEqual(old.clientEnded(), []);
  assert.deepEqual(old.connected(), [
    "client: HTTP/1.0 200 Connection established\n\n",
    "raw target: client: client ended",
  ]);
});

Deno.test("CONNECT never takes a connection that another request had", () => {
  const talk = new Talk();
  talk.client("GET http://a:443/ HTTP/1.1\n\n");
  talk.connected();
  talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  assert.deepEqual(talk.client("CONNECT a:443 HTTP/1.1\n\n"), ["close target", "connect a:443"]);
});

Deno.test("an upgrade that the target takes becomes a tunnel, with what came early of both", () => {
  const talk = new Talk();
  talk.client("GET http://a/ws HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\n\n\x81\x05");
  assert.deepEqual(talk.connected(), [
    "target: GET /ws HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\n\n",
  ]);
  assert.deepEqual(
    talk.target("HTTP/1.1 101 Go\nUpgrade: websocket\nConnection: upgrade\nX: y\n\n\x82\x01"),
    [
      "client: HTTP/1.1 101 Go\nX: y\nUpgrade: websocket\nConnection: Upgrade\n\n",
      "raw target:\x81\x05 client:\x82\x01",
    ],
  );
});

Deno.test("an upgrade that the target does not take is an ordinary exchange", () => {
  const talk = new Talk();
  talk.client("GET http://a/ws HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\n\n" + GET);
  talk.connected();
  assert.deepEqual(talk.target("HTTP/1.1 200 OK\nUpgrade: h2\nContent-Length: 0\n\n"), [
    "client: HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    `target: ${SENT}`,
  ]);
  const needs =
    "HTTP/1.1 426 Upgrade\nUpgrade: TLS/1.0\nConnection: Upgrade\nContent-Length: 0\n\n";
  assert.deepEqual(talk.target(needs), [
    "client: HTTP/1.1 426 Upgrade\nContent-Length: 0\nUpgrade: TLS/1.0\nConnection: Upgrade\n\n",
  ]);
});

Deno.test("a client that ends after its requests is still answered, and the last target told", () => {
  const talk = new Talk();
  talk.client(GET + GET);
  assert.deepEqual(talk.clientEnded(), []);
  assert.deepEqual(talk.connected(), [`target: ${SENT}`]);
  const answer = "HTTP/1.1 200 OK\nContent-Length: 0\n\n";
  assert.deepEqual(talk.target(answer), [`client: ${answer}`, `target: ${SENT}`, "end target"]);
  assert.deepEqual(talk.target(answer), [
    `client: ${answer}`,
    "close target",
    "end client (clean)",
  ]);
});

Deno.test("a target is told of its client's end once the request is through, wherever it is then", () => {
  const waiting = new Talk();
  waiting.client(GET);
  waiting.connected();
  assert.deepEqual(waiting.clientEnded(), ["end target"]);
  assert.deepEqual(waiting.clientEnded(), [], "once");
  assert.deepEqual(waiting.targetEnded("clean").slice(-1), ["end client (clean)"]);

  const connecting = new Talk();
  connecting.client("POST http://a/ HTTP/1.1\nContent-Length: 2\n\nab");
  assert.deepEqual(connecting.clientEnded(), []);
  assert.deepEqual(connecting.connected(), [
    "target: POST / HTTP/1.1\nHost: a\nContent-Length: 2\n\nab",
    "end target",
  ]);

  const answering = new Talk();
  answering.client(GET);
  answering.connected();
  answering.target("HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\ndata: x\n\n");
  assert.deepEqual(answering.clientEnded(), ["end target"]);

  // Old clients send an empty line behind a body; half a request is none.
  for (const behind of ["\n", "GET http://b/ HT"]) {
    const talk = new Talk();
    talk.client(GET + behind);
    talk.connected();
    assert.deepEqual(talk.clientEnded(), ["end target"], behind);
  }

  const kept = new Talk();
  kept.client(GET);
  kept.connected();
  kept.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  kept.client(GET);
  assert.deepEqual(kept.clientEnded(), ["end target"]);
  assert.deepEqual(kept.targetEnded("reset"), ["close target", "connect a:80"]);
  assert.deepEqual(kept.connected(), [`target: ${SENT}`, "end target"], "the new one as well");
});

Deno.test("a client that ends between requests ends its target", () => {
  assert.deepEqual(new Talk().clientEnded(), ["end client (clean)"]);
  const talk = new Talk();
  talk.client(GET);
  talk.connected();
  talk.target("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
  assert.deepEqual(talk.clientEnded(), ["close target", "end client (clean)"]);
  const half = new Talk();
  half.client("GET http://a/ HT");
  assert.deepEqual(half.clientEnded(), ["end client (clean)"]);
});

Deno.test("a client that ends in its body breaks off", () => {
  const post = "POST http://a/ HTTP/1.1\nContent-Length: 5\n\nab";
  const early = new Talk();
  early.client(post);
  assert.deepEqual(early.clientEnded(), []);
  assert.deepEqual(early.connected(), [
    "target: POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nab",
    "close target",
    "end client (clean)",
  ]);
  const answered = new Talk();
  answered.client(post);
  answered.connected();
  answered.target("HTTP/1.1 200 OK\nContent-Length: 5\n\na");
  assert.deepEqual(answered.clientEnded(), ["close target", "end client (reset)"]);
});

Deno.test("a driver that answers what was not asked is told of its fault", () => {
  const talk = new Talk();
  assert.throws(() => talk.connected(), internal);
  assert.throws(() => talk.connectFailed("general"), internal);
  talk.client(GET);
  talk.connected();
  assert.throws(() => talk.connected(), internal);
  assert.throws(() => talk.connectFailed("general"), internal);
});

Deno.test("a head that may come twice can go early; then it is not sent again", () => {
  for (
    const [request, may] of [
      ["GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", true],
      ["HEAD http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", true],
      ["DELETE http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", false],
      ["POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx", false],
      ["CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n", false],
    ] as const
  ) {
    const machine = new HttpProxy({ auth: null });
    assert.equal(machine.early, null);
    machine.fromClient(utf8(request));
    const { early } = machine;
    assert.equal(early !== null, may, request);
    if (early === null) continue;
    assert.match(fromLatin1(early), /^(GET|HEAD) \/ HTTP\/1.1\r\nHost: a.example\r\n/);
    assert.deepEqual(machine.connected(true), []);
    const actions = machine.fromTarget(utf8("HTTP/1.1 204 No Content\r\n\r\n"));
    assert.deepEqual(actions.map(({ kind }) => kind), ["toClient"]);
  }
});
