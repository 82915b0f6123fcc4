import assert from "node:assert/strict";
import { requestOf, told } from "../steps_fixture.ts";
import { ClientTalk } from "./machines_fixture.ts";

const asked = (o: Parameters<typeof requestOf>[0] = {}): ClientTalk => {
  const talk = new ClientTalk();
  talk.request(requestOf(o));
  return talk;
};

Deno.test("a request is written with its host, its fields as they came, and its framing", () => {
  const fields = [{ name: "x-Odd-CASE", value: "1" }, { name: "Content-Length", value: "2" }];
  const talk = new ClientTalk();
  assert.deepEqual(
    talk.request(requestOf({ method: "POST", path: "/a?b", fields, hasBody: true })),
    [
      "write: POST /a?b HTTP/1.1\nHost: shop.example\nx-Odd-CASE: 1\nContent-Length: 2\n\n",
    ],
  );
  assert.deepEqual([...talk.data("hi"), ...talk.end()], ["write: hi"]);
  const chunked = new ClientTalk();
  assert.deepEqual(chunked.request(requestOf({ method: "POST", hasBody: true })), [
    "write: POST / HTTP/1.1\nHost: shop.example\nTransfer-Encoding: chunked\n\n",
  ]);
  assert.deepEqual([...chunked.data("hi"), ...chunked.end([{ name: "a", value: "b" }])], [
    "write: 2\nhi\n",
    "write: 0\na: b\n\n",
  ]);
});

Deno.test("a connection serves one request after the other, unless its server says close", () => {
  const talk = asked();
  assert.ok(!talk.machine.isFree);
  assert.deepEqual(talk.server("HTTP/1.1 200 Fine\nContent-Length: 2\nX: y\nKeep-Alive: 5\n\nhi"), [
    "response: 200 Fine [Content-Length: 2] [X: y]",
    "data: hi",
    "end",
  ]);
  assert.ok(talk.machine.isFree);
  talk.request(requestOf());
  assert.deepEqual(talk.server("HTTP/1.1 200 OK\nConnection: close\nContent-Length: 0\n\n"), [
    "response: 200 OK [Content-Length: 0]",
    "end",
    "close (clean)",
  ]);
  assert.ok(!talk.machine.isFree);
});

Deno.test("stray bytes, and what had to be mended, end the connection behind the answer", () => {
  for (
    const [answer, last] of [
      ["HTTP/1.1 200 OK\nContent-Length: 2\n\nhiHTTP/1.1 200 OK\n", "close (clean)"],
      ["HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 2\n\nhi", "close (clean)"],
      ["HTTP/1.1 200 OK\nContent-Length: 9\nTransfer-Encoding: chunked\n\n0\n\n", "close (clean)"],
      ["HTTP/1.1 200 OK\nno field\nContent-Length: 2\n\nhi", "close (clean)"],
      ["HTTP/1.0 200 OK\nContent-Length: 2\n\nhi", "close (clean)"],
      ["HTTP/1.1 204 OK\n\nstray", "close (clean)"],
    ] as const
  ) assert.equal(asked().server(answer).at(-1), last, answer);
  const idle = asked();
  idle.server("HTTP/1.1 204 OK\n\n");
  assert.deepEqual(idle.server("HTTP/1.1 200 OK\n\n"), ["close (clean)"]);
});

Deno.test("what is no answer of HTTP, or could end in two places, fails the exchange", () => {
  for (
    const answer of [
      "SSH-2.0-OpenSSH\n\n",
      "HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\n",
      "HTTP/1.1 200 OK\nContent-Length: x\n\n",
      "HTTP/1.1 200 OK\nTransfer-Encoding: chunked, gzip\n\n",
      "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n",
      `HTTP/1.1 200 OK\nA: ${"x".repeat(310_000)}`,
    ]
  ) {
    assert.deepEqual(
      asked().server(answer),
      ["reset protocol", "close (reset)"],
      answer.slice(0, 60),
    );
  }
  assert.deepEqual(asked().server("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nzz\n"), [
    "response: 200 OK",
    "reset protocol",
    "close (reset)",
  ]);
});

Deno.test("a body without a length ends with the connection, if that ends well", () => {
  const talk = asked();
  assert.deepEqual(talk.server("HTTP/1.1 200 OK\n\nhi"), ["response: 200 OK", "data: hi"]);
  assert.deepEqual(talk.ended(), ["end", "close (clean)"]);
  const reset = asked();
  reset.server("HTTP/1.1 200 OK\n\nhi");
  assert.deepEqual(reset.ended("reset"), ["reset incomplete", "close (reset)"]);
  assert.deepEqual(new ClientTalk().ended(), ["close (clean)"]);
});

Deno.test("an answer before the request's end ends the connection: its rest would be a request", () => {
  const talk = asked({ method: "POST", hasBody: true });
  talk.data("begin");
  assert.deepEqual(talk.server("HTTP/1.1 413 No\nContent-Length: 0\n\n"), [
    "response: 413 No [Content-Length: 0]",
    "end",
    "close (reset)",
  ]);
  assert.deepEqual([talk.data("more"), talk.end()], [[], []]);
});

Deno.test("a request longer or shorter than its head says ends the exchange", () => {
  const fields = [{ name: "content-length", value: "2" }];
  const long = asked({ fields, hasBody: true });
  assert.deepEqual(long.data("abc"), ["reset protocol", "close (reset)"]);
  const short = asked({ fields, hasBody: true });
  short.data("a");
  assert.deepEqual(short.end(), ["reset protocol", "close (reset)"]);
});

Deno.test("data wait for those that have gone on; nobody's answer is read no further", () => {
  const talk = asked();
  talk.server(`HTTP/1.1 200 OK\nContent-Length: 100000\n\n${"x".repeat(65_536)}`);
  assert.ok(!talk.machine.wantsInput);
  talk.machine.consumed(1);
  assert.ok(talk.machine.wantsInput);
  assert.deepEqual(told(talk.machine.reset("cancel")), ["close (reset)"]);
  assert.deepEqual(talk.server("x"), []);
});

Deno.test("426 keeps the protocols that it must name", () => {
  assert.equal(
    asked().server(
      "HTTP/1.1 426 Upgrade Required\nUpgrade: x/2\nConnection: Upgrade\nContent-Length: 0\n\n",
    )[0],
    "response: 426 Upgrade Required [Content-Length: 0] upgrade=x/2",
  );
});
