import { equal } from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { spawnError } from "./spawn_error.ts";

function said(thrown: unknown, isThere: boolean | null = null): string {
  const o = { doing: "run it", program: "/bin/sh", isThere: () => isThere };
  const error = spawnError(thrown, o);
  equal(error instanceof TtunError && error.kind, "hook");
  return error.message;
}

const failed = (errno: number, words = "Some words") =>
  new Error(`Failed to spawn '/bin/sh': ${words} (os error ${errno})`);

const CASES: [unknown, boolean | null, string][] = [
  [failed(7), null, "/bin/sh: the command and its environment are longer than the system takes"],
  [
    failed(11),
    null,
    "/bin/sh: no more processes may be started; raise the limit (ulimit -u, or TasksMax= of the unit)",
  ],
  [failed(12), null, "/bin/sh: out of memory"],
  [failed(24), null, "/bin/sh: out of descriptors; raise the limit (ulimit -n)"],
  [failed(13), null, "/bin/sh: it may not be run by this user"],
  [failed(8), null, "/bin/sh: it is no program of this system"],
  [new Deno.errors.PermissionDenied("Denied"), null, "/bin/sh: it may not be run by this user"],
  [new Deno.errors.NotFound("No (os error 2)"), false, "there is no shell (/bin/sh)"],
  [new Deno.errors.NotFound("No (os error 2)"), null, "there is no shell (/bin/sh)"],
  [
    new Deno.errors.NotFound("failed resolving cwd: No such file or directory (os error 2)"),
    true,
    "the current directory is gone, or what the shell needs to run (its loader) is",
  ],
  [
    new Deno.errors.NotCapable("Requires run access"),
    null,
    "Deno was started without --allow-run=/bin/sh",
  ],
  [
    new TypeError("nul byte found in provided data"),
    null,
    "it cannot be given to /bin/sh: nul byte found in provided data",
  ],
  [failed(999, "Unheard of"), null, "Failed to spawn '/bin/sh': Unheard of (os error 999)"],
  ["thrown", null, "thrown"],
];

for (const [thrown, isThere, reason] of CASES) {
  Deno.test(`a shell that does not start: ${reason}`, () => {
    equal(said(thrown, isThere), `Cannot run it: ${reason}`);
  });
}
