import { deepEqual, throws } from "node:assert/strict";
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
