import assert from "node:assert/strict";
import { userName } from "./user_name.ts";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nproxy:x:13:13:proxy:/bin:/usr/sbin/nologin\n\n";

Deno.test("a user's number stands for the name, and a name for itself", () => {
  assert.equal(userName("13", () => PASSWD), "proxy");
  assert.equal(userName("nobody", () => assert.fail()), "nobody");
  for (const number of ["1", "130"]) {
    assert.throws(() => userName(number, () => PASSWD), /none of that number/);
  }
});
