import assert from "node:assert/strict";
import { resolveHost, resolveListenHost } from "./resolve.ts";

Deno.test({
  name: "a name to listen on is one address, and an end does not wait for it",
  sanitizeOps: false, // the question that is given up goes on: getaddrinfo cannot be cancelled
  fn: async () => {
    const { signal } = new AbortController();
    assert.equal(await resolveListenHost("", signal), "");
    assert.equal(await resolveListenHost("192.0.2.1", signal), "192.0.2.1");
    assert.match(await resolveListenHost("localhost", signal), /^(127\.0\.0\.1|::1)$/);
    const stop = new AbortController();
    const asking = resolveListenHost("localhost", stop.signal);
    const reason = new Error("stop");
    stop.abort(reason); // before the thread can have come back
    await assert.rejects(asking, (error) => error === reason);
  },
});

Deno.test("a name that is none is told as such", async () => {
  await assert.rejects(resolveHost("a..b"), { kind: "name", reason: "missing" });
});
