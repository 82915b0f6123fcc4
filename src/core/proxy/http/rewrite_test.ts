import assert from "node:assert/strict";
import { fromLatin1 } from "../../../base/latin1.ts";
import { crlf, headText } from "../../http/http1/http1_fixture.ts";
import { parseResponseHead } from "../../http/http1/response_head.ts";
import { isPersistent, upgradeOf } from "../../http/http1/connection_fields.ts";
import { responseForClient } from "./rewrite.ts";

const head = (text: string) => parseResponseHead(headText(crlf(text)));

function passed(
  text: string,
  o: { minor?: 0 | 1; isLast?: boolean; upgrade?: string } = {},
): string {
  const { minor = 1, isLast = false, upgrade = null } = o;
  const bytes = responseForClient(head(text), { minor, isLast, upgrade });
  return fromLatin1(bytes).replaceAll("\r\n", "\n");
}

Deno.test("a response keeps its fields but those for this hop", () => {
  const text = "HTTP/1.1 200 Fine\nServer: a\nConnection: X-Hop, keep-alive\nX-Hop: 1\n" +
    "Keep-Alive: timeout=5\nProxy-Connection: close\nSet-Cookie: a=\xe4\nset-cookie: b\n" +
    'Proxy-Authenticate: Basic realm="evil"\nTrailer: T\nUpgrade: h2\nContent-Length: 3\n\n';
  assert.equal(
    passed(text),
    "HTTP/1.1 200 Fine\nServer: a\nSet-Cookie: a=\xe4\nset-cookie: b\nTrailer: T\n" +
      "Content-Length: 3\n\n",
  );
});

Deno.test("the client is told its own version, and where its connection ends", () => {
  assert.equal(passed("HTTP/1.0 200 OK\n\n"), "HTTP/1.1 200 OK\n\n");
  assert.equal(
    passed("HTTP/1.1 200 OK\nConnection: keep-alive\n\n", { minor: 0, isLast: true }),
    "HTTP/1.0 200 OK\nConnection: close\n\n",
  );
  assert.equal(passed("HTTP/1.1 204\n\n"), "HTTP/1.1 204 \n\n");
});

Deno.test("an upgrade is passed on whole", () => {
  const text =
    "HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: websocket\nA: b\n\n";
  assert.equal(upgradeOf(head(text)), "websocket");
  assert.equal(
    passed(text, { upgrade: "websocket" }),
    "HTTP/1.1 101 Switching Protocols\nA: b\nUpgrade: websocket\nConnection: Upgrade\n\n",
  );
});

Deno.test("where no body can be, no field speaks of one", () => {
  for (const code of [100, 103, 204]) {
    assert.equal(
      passed(`HTTP/1.1 ${code} x\nContent-Length: 5\nA: b\n\n`),
      `HTTP/1.1 ${code} x\nA: b\n\n`,
    );
  }
  const notModified = "HTTP/1.1 304 x\nContent-Length: 5\n\n";
  assert.equal(passed(notModified), notModified);
});

Deno.test("a target keeps its connection unless it says otherwise; with HTTP/1.0 if it says so", () => {
  assert.ok(isPersistent(head("HTTP/1.1 200 x\n\n")));
  assert.ok(!isPersistent(head("HTTP/1.1 200 x\nConnection: CLOSE\n\n")));
  assert.ok(!isPersistent(head("HTTP/1.1 200 x\nConnection: keep-alive, close\n\n")));
  assert.ok(!isPersistent(head("HTTP/1.0 200 x\n\n")));
  assert.ok(isPersistent(head("HTTP/1.0 200 x\nConnection: Keep-Alive\n\n")));
});
