import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { nameServerFailure } from "./name_server_failure.ts";

/** An error like Deno's. */
const refusal = (code: string, number: number) =>
  Object.assign(new Error(`refused (os error ${number}): open '/etc/resolv.conf.ttun-new'`), {
    code,
  });

Deno.test("a resolv.conf that may not be written is told as a matter of privilege, or of the system", () => {
  const denied = nameServerFailure(refusal("EACCES", 13));
  assert.equal(denied.kind, "privilege");
  assert.match(denied.message, /resolv\.conf: no privilege for it; run ttun with sudo, or leave/);
  const readOnly = nameServerFailure(refusal("EROFS", 30));
  assert.equal(readOnly.kind, "system");
  assert.match(readOnly.message, /resolv\.conf: that file system is read-only; leave out --dns/);
});

Deno.test("other failures to set name servers stay what they are", () => {
  const held = new TtunError("in_use", "another ttun has done so");
  assert.equal(nameServerFailure(held), held);
  assert.equal(nameServerFailure(new TypeError("a bug")).kind, "internal");
});
