import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import type { Finding } from "../../core/doctor/finding.ts";
import { parseServer } from "../transport/endpoint.ts";
import { serverChecks } from "./server_checks.ts";

test("a server with TLS gets no bytes without TLS, and is not taken for one with another key", async () => {
  using libc = openLibc();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const received: number[] = [];
  const listening = (async () => {
    for await (using conn of listener) {
      const bytes = new Uint8Array(100);
      for (let got = await conn.read(bytes); got !== null; got = await conn.read(bytes)) {
        received.push(got);
      }
    }
  })();
  const server = parseServer(`tls://127.0.0.1:${listener.addr.port}`);
  const { signal } = new AbortController();
  const found = { key: new TextEncoder().encode("key") };
  const findings: Finding[] = [];
  for await (const finding of serverChecks(server, { libc, found, signal })) findings.push(finding);
  listener.close();
  await listening;
  const levels = new Map(findings.map(({ check, level }) => [check, level]));
  assert.equal(levels.get("server-port"), "ok");
  assert.equal(levels.get("server-clock"), "skip");
  assert.equal(levels.has("server-key"), false);
  assert.deepEqual(received, []);
});
