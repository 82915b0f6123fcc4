import assert from "node:assert/strict";
import fc from "fast-check";
import { parseNsswitch } from "./nsswitch.ts";

const read = (text: string | null) =>
  parseNsswitch(text).map(({ module, ends }) => [module, ...[...ends].sort()].join(" "));

Deno.test("files and then dns, where nothing else is said", () => {
  for (const text of [null, "", "passwd: files", "# hosts: nis", "hosts:", "hosts: # nothing"]) {
    assert.deepEqual(read(text), ["files success", "dns success"]);
  }
});

Deno.test("modules in their order, with what ends the question", () => {
  assert.deepEqual(
    read("passwd: files\nhosts:\tfiles mdns4_minimal [NOTFOUND=return] dns # Debian\nhosts: nis"),
    ["files success", "mdns4_minimal notfound success", "dns success"],
  );
  assert.deepEqual(
    read("hosts: files myhostname resolve [!UNAVAIL=return] dns"),
    [
      "files success",
      "myhostname success",
      "resolve notfound success tryagain",
      "dns success",
    ],
  );
  assert.deepEqual(
    read("hosts:DNS[success=continue notfound = RETURN TRYAGAIN=return]files"),
    ["dns notfound tryagain", "files success"],
  );
  assert.deepEqual(read("hosts: dns [unavail=merge other=return] [x"), ["dns success"]);
});

Deno.test("any text is read, and gives some module", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const entries = parseNsswitch(`hosts: ${text}`);
    assert(entries.length >= 1 && entries.length <= 16);
  }));
});
