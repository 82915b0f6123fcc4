import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { runDeno, startDeno, writeScript } from "../process_fixture.ts";
import { lockFile } from "./file_lock.ts";

const isLinux = Deno.build.os === "linux";

function locked(path: string): Disposable {
  const lock = lockFile(path);
  assert.ok(lock !== null && lock !== "taken");
  return lock;
}

test({
  name: "a lock is one process's, until that gives it back or ends",
  ignore: !isLinux,
  fn: async () => {
    const path = await Deno.makeTempFile({ prefix: "ttun-test-" });
    try {
      {
        using _lock = locked(path);
        assert.equal(lockFile(path), "taken");
      }
      await using script = await writeScript(`
        import { lockFile } from "cli/platform/file_lock.ts";
        const lock = lockFile(${JSON.stringify(path)});
        console.log(lock === "taken" ? "taken" : "locked");
        for await (const _ of Deno.stdin.readable);
      `);
      {
        await using other = startDeno(["run", "-A", script.path]);
        await other.prints("locked");
        assert.equal(lockFile(path), "taken");
        other.kill("SIGKILL");
        await other.ended;
      }
      using _lock = locked(path);
      assert.equal((await runDeno(["run", "-A", script.path])).stdout, "taken\n");
    } finally {
      await Deno.remove(path);
    }
  },
});

test({
  name: "a file that is not there cannot be locked",
  ignore: !isLinux,
  fn: () => assert.throws(() => lockFile("/none/at/all"), { message: /open/ }),
});
