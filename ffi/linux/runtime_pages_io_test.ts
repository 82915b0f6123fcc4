import { ok } from "node:assert/strict";
import { test } from "../../tests/check.ts";
import { openLibc } from "./libc.ts";
import { releaseRuntimePages } from "./runtime_pages.ts";

/** Memory that files are mapped to, in MB. */
function fileMb(): number {
  return Number(/RssFile:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))![1]) / 1000;
}

test({
  name: "the runtime runs on without the pages of its start",
  ignore: Deno.build.os !== "linux",
  fn() {
    using libc = openLibc();
    const before = fileMb();
    releaseRuntimePages(libc);
    const after = fileMb();
    ok(after < before - 5, `${before} MB, then ${after}`);
    ok(new Intl.NumberFormat("en").format(1234.5) === "1,234.5");
  },
});
