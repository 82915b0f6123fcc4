import assert from "node:assert/strict";
import { answerMetrics, shortAnswer } from "./metrics_request.ts";

const PAGES = {
  "/metrics": () => shortAnswer(200, "one 1"),
  "/readyz": () => shortAnswer(503, "no"),
};

function ask(head: string, isOpen = false) {
  const text = new TextDecoder().decode(answerMetrics(head, PAGES, isOpen));
  const [fields, body] = text.split("\r\n\r\n") as [string, string];
  const length = Number(/content-length: (\d+)/i.exec(fields)![1]);
  return { status: Number(fields.split(" ")[1]), body, length, fields };
}

const HOST = "\r\nHost: 127.0.0.1:9203";

Deno.test("metrics requests: pages by their paths, whatever the query, with the length of the body", () => {
  for (const path of ["/metrics", "/metrics?a=b"]) {
    const { status, body, length } = ask(`GET ${path} HTTP/1.1${HOST}`);
    assert.deepEqual([status, body, length], [200, "one 1\n", 6]);
  }
  assert.equal(ask(`GET /readyz HTTP/1.0`).status, 503);
  assert.equal(ask(`GET /other HTTP/1.1${HOST}`).status, 404);
});

Deno.test("metrics requests: HEAD has no body, other methods are refused, and what is no request", () => {
  const { status, body, length } = ask(`HEAD /metrics HTTP/1.1${HOST}`);
  assert.deepEqual([status, body, length], [200, "", 6]);
  const refused = ask(`POST /metrics HTTP/1.1${HOST}`);
  assert.deepEqual([refused.status, /Allow: GET, HEAD/.test(refused.fields)], [405, true]);
  for (
    const bad of ["", "GET", "GET metrics HTTP/1.1", "GET /metrics HTTP/2", "\u0016\u0003\u0001"]
  ) {
    assert.equal(ask(bad).status, 400, JSON.stringify(bad));
  }
});

Deno.test("metrics requests: a name of somebody's zone that leads here is refused, unless others may come", () => {
  for (const host of ["localhost", "LOCALHOST:9203", "127.0.0.1", "[::1]:9203", "192.0.2.7:1"]) {
    assert.equal(ask(`GET /metrics HTTP/1.1\r\nAccept: */*\r\nhost:  ${host} `).status, 200, host);
  }
  for (const host of ["rebound.example", "rebound.example:9203", "127.0.0.1.example", ""]) {
    const head = `GET /metrics HTTP/1.1\r\nHost: ${host}`;
    assert.equal(ask(head).status, 403, host);
    assert.equal(ask(head, true).status, 200, host);
  }
});
