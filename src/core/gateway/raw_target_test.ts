import assert from "node:assert/strict";
import { isRawTarget, readRawTarget } from "./raw_target.ts";

const raw = { kind: "raw", isPublic: false, proxy: null } as const;

Deno.test("targets of connections and of datagrams are read", () => {
  assert.deepEqual(readRawTarget("tcp://127.0.0.1:22"), {
    ...{ ...raw, to: { host: "127.0.0.1", port: 22 }, carries: "tcp" },
  });
  assert.deepEqual(readRawTarget("TCP://[::1]:22"), {
    ...{ ...raw, to: { host: "::1", port: 22 }, carries: "tcp" },
  });
  assert.deepEqual(readRawTarget("udp://Nas:53"), {
    ...{ ...raw, to: { host: "nas", port: 53 }, carries: "udp" },
  });
  assert.equal(readRawTarget("tcp://host:22?proxy=v1").proxy, 1);
  assert.equal(readRawTarget("tcp://unix:/run/db.sock?proxy=v2").proxy, 2);
  assert.deepEqual(readRawTarget("tcp://unix:/run/db.sock"), {
    ...{ ...raw, to: { path: "/run/db.sock" }, carries: "tcp" },
  });
});

Deno.test("others are refused, and are never taken for a host", () => {
  for (
    const text of [
      "tcp:",
      "tcp:22",
      "tcp://",
      "tcp://host",
      "tcp://host:0",
      "tcp://host:99999",
      "tcp://:22",
      "tcp://user@host:22",
      "tcp://host:22/path",
      "tcp://unix:run",
      "udp://unix:/run/x",
      "udp://host:53?proxy=v1",
      "tcp://host:22?proxy=v3",
      "tcp://host:22?x=v1",
      "tcp://unix:/run/x\0",
    ]
  ) {
    assert(isRawTarget(text));
    assert.throws(() => readRawTarget(text), { kind: "usage" }, text);
  }
  for (const text of ["8080", "host:22", "http://tcp:80", "unix:/run/x"]) {
    assert(!isRawTarget(text));
  }
});
