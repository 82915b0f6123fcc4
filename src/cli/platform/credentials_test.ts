import assert from "node:assert/strict";
import { freshCredential, isCredential } from "./credentials.ts";

const UNIT = { CREDENTIALS_DIRECTORY: "/run/credentials/a", TTUN_FRESH_CREDENTIALS: "/run/fresh" };

function getter(variables: Record<string, string>) {
  return (name: string) => variables[name];
}

Deno.test("a credential is a file right in the folder that systemd names", () => {
  const get = getter(UNIT);
  assert(isCredential("/run/credentials/a/key-file", get));
  for (const path of ["/run/credentials/a", "/run/credentials/b/key", "/run/credentials/a/../b"]) {
    assert(!isCredential(path, get), path);
  }
  assert(!isCredential("/etc/ttun/key", getter({})));
  assert(!isCredential("/etc/ttun/key", getter({ CREDENTIALS_DIRECTORY: "" })));
});

Deno.test("a copy that a reload has made counts, where there is one, and for credentials alone", () => {
  const fresh = (path: string, o: { variables?: Record<string, string>; isThere?: boolean } = {}) =>
    freshCredential(path, getter(o.variables ?? UNIT), () => o.isThere ?? true);
  const path = "/run/credentials/a/key-file";
  assert.equal(fresh(path), "/run/fresh/key-file");
  assert.equal(fresh(path, { isThere: false }), path);
  assert.equal(fresh("/etc/ttun/key"), "/etc/ttun/key");
  const { CREDENTIALS_DIRECTORY } = UNIT;
  assert.equal(fresh(path, { variables: { CREDENTIALS_DIRECTORY } }), path);
});
