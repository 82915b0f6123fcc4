import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { argvRange, readByLibc } from "./hide_argv.ts";

test({
  name: "the range of the arguments is read where Deno does not let it be",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    const path = "/proc/self/stat";
    const wanted = argvRange(Deno.readTextFileSync(path));
    assert.ok(wanted !== undefined);
    assert.deepEqual(argvRange(readByLibc(path)), wanted);
    assert.throws(() => readByLibc("/proc/self/none"), { name: "NativeError" });
  },
});
