import { deepEqual, match, throws } from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { TtunError } from "../../base/errors.ts";
import { runCommand } from "./command_steps.ts";

test("commands: what one prints and how it ends is told", () => {
  const { code, output } = runCommand(["sh", "-c", "echo out; echo err >&2; exit 3"]);
  deepEqual({ code, output }, { code: 3, output: "err\n\nout\n" });
});

test("commands: a program that is not there is a fact of the system", () => {
  throws(
    () => runCommand(["/nowhere/ifconfig", "utun3"]),
    (error) =>
      error instanceof TtunError && error.kind === "system" && /nowhere/.test(error.message),
  );
});

test("commands: one that Ctrl-C has ended, which was for ttun, is run again", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const script = `echo run >>"$0"; test "$(wc -l <"$0")" -gt "$1" || kill -INT $$`;
    const interrupted = (times: number) => {
      const { code } = runCommand(["sh", "-c", script, `${folder}/${times}`, `${times}`]);
      return { code, runs: Deno.readTextFileSync(`${folder}/${times}`).length / "run\n".length };
    };
    deepEqual(interrupted(1), { code: 0, runs: 2 });
    deepEqual(interrupted(9), { code: 130, runs: 3 });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

// Without all permissions the table of descriptors cannot be read, so `test` is not for this one.
Deno.test({
  name: "commands: without Deno's permission the flag is named",
  permissions: { run: false },
  fn() {
    throws(
      () => runCommand(["/sbin/route"]),
      (error) =>
        error instanceof TtunError && error.kind === "privilege" &&
        /--allow-run=\/sbin\/route/.test(error.message),
    );
  },
});

Deno.test({
  name: "commands: one that may not be run where PATH has it is run where the system has its own",
  permissions: { env: ["PATH"], read: true, run: ["/usr/bin/id", "/bin/id"], write: true },
  fn() {
    const folder = Deno.makeTempDirSync();
    const before = Deno.env.get("PATH")!;
    try {
      Deno.writeTextFileSync(`${folder}/id`, "#!/bin/sh\necho another\n", { mode: 0o755 });
      Deno.env.set("PATH", `${folder}:${before}`);
      match(runCommand(["id", "-u"]).stdout!, /^\d+\n$/);
    } finally {
      Deno.env.set("PATH", before);
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
