import assert from "node:assert/strict";
import manifest from "../../../deno.json" with { type: "json" };
import { MAIN, runDeno, writeScript } from "../process_fixture.ts";
import { test } from "../../../tests/check.ts";

test("what is not kept is given up for good", async () => {
  await using script = await writeScript(`
    import { isGranted, revokePermissions } from "cli/platform/permissions.ts";
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

test("under a permission set Deno warns of the sets alone, and with -q of nothing", async () => {
  const sets = Object.keys(manifest.permissions).filter((name) =>
    name.endsWith("-windows") === (Deno.build.os === "windows")
  );
  for (const name of sets) {
    const { code, stderr } = await runDeno(["run", `-P=${name}`, MAIN, "--version"]);
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /^Warning Permissions in the config file is an experimental feature .*\n$/,
    );
  }
  const { stderr } = await runDeno(["run", "-q", `-P=${sets[0]}`, MAIN, "--version"]);
  assert.equal(stderr, "");
});

test("on Windows a tunnel takes the same permissions, and other programs", () => {
  const { server, client, ...others } = manifest.permissions;
  const run = ["cmd.exe", "netsh"];
  assert.deepEqual(others["server-windows"], { ...server, run });
  assert.deepEqual(others["client-windows"], { ...client, run });
});
