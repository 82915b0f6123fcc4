import assert from "node:assert/strict";
import fc from "fast-check";
import { normalPath } from "./socket_path.ts";

Deno.test("a path has one text, and what may lead elsewhere is none", () => {
  assert.equal(normalPath("/run/app.sock"), "/run/app.sock");
  assert.equal(normalPath("//run/./app//a:80"), "/run/app/a:80");
  assert.equal(normalPath("/run/.hidden/...x"), "/run/.hidden/...x");
  assert.equal(normalPath(`/${"é".repeat(53)}`)?.length, 54);
  for (
    const path of [
      ...["", "/", "run", "./run", "@abstract", "\0abstract", "/run/app\0", "/run/", "/run/."],
      ...["/..", "/run/..", "/run/../x", `/${"a".repeat(107)}`, `/${"é".repeat(54)}`],
    ]
  ) assert.equal(normalPath(path), null, JSON.stringify(path));
});

Deno.test("a normal path stays as it is, and is no other path", () => {
  const part = fc.constantFrom("/", "//", "/.", "/..", "a", "b", ".", "..", "\0", "é");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const text = parts.join("");
      const normal = normalPath(text);
      if (normal === null) return;
      assert.equal(normalPath(normal), normal);
      assert.equal(new URL(`file://${text.replaceAll(/\/+/g, "/")}`).pathname, encodeURI(normal));
    }),
    { numRuns: 3000 },
  );
});
