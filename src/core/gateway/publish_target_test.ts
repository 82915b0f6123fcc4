import assert from "node:assert/strict";
import { readPublishTarget } from "./publish_target.ts";

Deno.test("targets of plain HTTP", () => {
  const rows: [string, object][] = [
    ["8080", { host: "127.0.0.1", port: 8080 }],
    ["localhost:3000", { host: "localhost", port: 3000 }],
    ["http://10.0.0.1", { host: "10.0.0.1", port: 80 }],
    ["http://app.test:81/", { host: "app.test", port: 81 }],
    ["http://[::1]:81", { host: "::1", port: 81 }],
    ["[::1]:81", { host: "::1", port: 81 }],
    ["unix:/run/app.sock", { path: "/run/app.sock" }],
  ];
  for (const [text, to] of rows) assert.deepEqual(readPublishTarget(text), { kind: "http", to });
});

Deno.test("others are refused in words", () => {
  const others = [
    "",
    "app",
    "0",
    "65536",
    "a b:1",
    "http://",
    "http://a/b",
    "http://u@a",
    "unix:a",
  ];
  for (const text of [...others, "https://a", "tcp://a:1", "ftp://a", "http://a:x", "a:1/b"]) {
    assert.throws(() => readPublishTarget(text), { kind: "usage" }, text);
  }
});
