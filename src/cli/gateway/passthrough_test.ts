import assert from "node:assert/strict";
import { readPublishTarget } from "../../core/gateway/publish_target.ts";
import { passthroughOf } from "./passthrough.ts";

const FILES = { tlsCert: "cert.pem", tlsKey: "key.pem" };

function of(target: string, flags: object = {}) {
  const o = { passthrough: true, tlsCert: undefined, tlsKey: undefined, ...flags };
  return passthroughOf(o, [readPublishTarget(target)]);
}

Deno.test("TLS ends at a service of https, or here with a certificate", () => {
  assert.deepEqual(of("https://10.0.0.1:8443?proxy=v2"), { files: null });
  const files = { cert: "cert.pem", key: "key.pem" };
  for (const target of ["8080", "unix:/run/app.sock", "h2c://localhost:50051"]) {
    assert.deepEqual(of(target, FILES), { files });
  }
  assert.equal(of("8080", { passthrough: false }), null);
});

Deno.test("options that need requests to be seen are refused in words, and targets too", () => {
  const refused: [string, object, RegExp][] = [
    ["https://a", { basicAuth: "file" }, /Cannot use --basic-auth with --passthrough/],
    ["https://a", { bearerFile: "file" }, /Cannot use --bearer-file with --passthrough/],
    ["https://a", { visitorRate: 5 }, /Cannot use --visitor-rate with --passthrough/],
    ["https://a", { requestHeader: ["X: 1"] }, /Cannot use --request-header with --passthrough/],
    ["https://a?host=b", {}, /Cannot use \?host=/],
    ["https://a?verify=no", {}, /or \?verify=/],
    ["https://a?name=b", {}, /\?name=/],
    ["8080", {}, /give an https:\/\/ target, or the certificate/],
    ["/srv/files", FILES, /it is for services of HTTP/],
    ["https://a", FILES, /that ends the TLS itself/],
    ["8080", { passthrough: false, ...FILES }, /without --passthrough/],
    ["8080", { tlsCert: "cert.pem" }, /Give both/],
  ];
  for (const [target, flags, why] of refused) assert.throws(() => of(target, flags), why);
  assert.doesNotThrow(() => of("https://a", { requestHeader: [], allow: ["192.0.2.0/24"] }));
});
