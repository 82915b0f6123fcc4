import assert from "node:assert/strict";
import { runDeno, writeScript } from "./process_fixture.ts";
import { test } from "../../tests/check.ts";

test("what is not kept is given up for good", async () => {
  await using script = await writeScript(`
    import { isGranted, revokePermissions } from "cli/permissions.ts";
    revokePermissions(["net", "ffi"]);
    const names = ["ffi", "net", "read", "write", "run", "env", "sys"] as const;
    console.log(names.filter((name) => isGranted({ name })).join());
    try {
      Deno.readTextFileSync("/etc/hostname");
    } catch (error) {
      console.log(error instanceof Deno.errors.NotCapable);
    }
  `);
  const ended = await runDeno(["run", "-A", "--no-prompt", script.path]);
  assert.deepEqual(ended, { code: 0, stdout: "ffi,net\ntrue\n", stderr: "" });
});
