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
  const plain = { kind: "http", scheme: "http", host: null, tls: null, proxy: null };
  for (const [text, to] of rows) assert.deepEqual(readPublishTarget(text), { ...plain, to });
});

Deno.test("targets with TLS, of HTTP/2 alone, and with a host of their own", () => {
  const rows: [string, object][] = [
    ["https://a", { scheme: "https", to: { host: "a", port: 443 }, tls: { ca: "", name: "a" } }],
    ["https://[::1]:1/?verify=no", {
      scheme: "https",
      to: { host: "::1", port: 1 },
      tls: { ca: null, name: "::1" },
    }],
    ["HTTPS://10.0.0.1?ca=/x/ca.pem&name=app.test&host=app.test:8443", {
      scheme: "https",
      to: { host: "10.0.0.1", port: 443 },
      host: "app.test:8443",
      tls: { ca: "/x/ca.pem", name: "app.test" },
    }],
    ["h2c://localhost:50051", { scheme: "h2c", to: { host: "localhost", port: 50051 } }],
    ["http://a?proxy=v1", { to: { host: "a", port: 80 }, proxy: 1 }],
    ["h2c://a:1?proxy=v2&host=b", {
      scheme: "h2c",
      to: { host: "a", port: 1 },
      host: "b",
      proxy: 2,
    }],
    ["http://a?host=b", { to: { host: "a", port: 80 }, host: "b" }],
  ];
  const plain = { kind: "http", scheme: "http", host: null, tls: null, proxy: null };
  for (const [text, facts] of rows) {
    assert.deepEqual(readPublishTarget(text), { ...plain, ...facts }, text);
  }
});

Deno.test("folders", () => {
  for (const path of [".", "..", "./site", "../a b/c", "/srv/www", "/srv/a:1"]) {
    assert.deepEqual(readPublishTarget(path), { kind: "folder", path });
  }
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
    "site/a",
    ".site",
    "./a\0b",
  ];
  const wrong = [
    "http://a?ca=x",
    "http://a?verify=no",
    "http://a?proxy=v3",
    "http://a?proxy=",
    "https://a?verify=yes",
    "https://a?verify=no&ca=x",
    "https://a?name=",
    "https://a?ca=x&ca=y",
    "https://a?x=y",
    "http://a?host=b/c",
    "a:1?host=b",
    "https://a#b",
  ];
  for (const text of [...others, ...wrong, "tcp://a", "ftp://a", "http://a:x", "a:1/b"]) {
    assert.throws(() => readPublishTarget(text), { kind: "usage" }, text);
  }
});
