import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { LONGEST_VALUE } from "./hook_lists.ts";
import { type Hook, hookNeedsFile, runHook } from "./hooks.ts";

const ROUTES = Array.from({ length: 9500 }, (_, i) => `10.${i >> 8}.${i & 0xff}.0/24`);

function hook(command: string, facts: Partial<Hook["facts"]> = {}): Hook {
  const none = { device: "ttun9", mtu: 1280, addresses: ["10.1.1.1/30"], routes: [] };
  return { name: "--up", command, role: "client", facts: { ...none, ...facts } };
}

/** The standard output of a hook's command, caught in a file. */
async function outputOf(command: string, facts: Partial<Hook["facts"]>): Promise<string> {
  const file = Deno.makeTempFileSync();
  try {
    await runHook(hook(`(${command}) >'${file}'`, facts), null, null);
    return Deno.readTextFileSync(file);
  } finally {
    Deno.removeSync(file);
  }
}

test("hooks: a long list is a private file, which goes with the command", async () => {
  const seen = await outputOf(
    `echo "$TTUN_ROUTES_FILE"; stat -c %a "$TTUN_ROUTES_FILE"; echo "\${TTUN_ROUTES-none}"
    echo "$TTUN_ADDRESSES"; cat "$TTUN_ROUTES_FILE"`,
    { routes: ROUTES },
  );
  const [file, mode, routes, addresses, ...listed] = seen.trimEnd().split("\n");
  deepEqual([mode, routes, addresses], ["600", "none", "10.1.1.1/30"]);
  deepEqual(listed, ROUTES);
  await rejects(Deno.stat(file!), Deno.errors.NotFound);
});

test("hooks: the addresses are told the same way; a list that just fits is a variable", async () => {
  const addresses = ROUTES;
  equal(hookNeedsFile({ addresses, routes: [] }), true);
  match(await outputOf(`wc -l <"$TTUN_ADDRESSES_FILE"`, { addresses }), /^9500$/m);
  const fits = { addresses: ["x".repeat(LONGEST_VALUE)], routes: [] };
  equal(hookNeedsFile(fits), false);
  equal(hookNeedsFile({ ...fits, routes: [`${fits.addresses[0]}y`] }), true);
  equal(
    await outputOf(`echo "\${#TTUN_ADDRESSES} \${TTUN_ADDRESSES_FILE-none}"`, fits),
    "16384 none\n",
  );
});

test("hooks: the file goes when the command fails, and when it removed it itself", async () => {
  const note = Deno.makeTempFileSync();
  const fails = hook(`echo "$TTUN_ROUTES_FILE" >'${note}'; exit 3`, { routes: ROUTES });
  await rejects(runHook(fails, null, null), { kind: "hook", message: /ended with status 3/ });
  await rejects(Deno.stat(Deno.readTextFileSync(note).trim()), Deno.errors.NotFound);
  Deno.removeSync(note);
  await runHook(hook(`rm "$TTUN_ROUTES_FILE"`, { routes: ROUTES }), null, null);
});

Deno.test({
  name: "hooks: without the right to write a file the reason is said",
  permissions: { run: true, read: true, env: true },
  fn: () =>
    rejects(runHook(hook("true", { routes: ROUTES }), null, null), {
      kind: "hook",
      message: /9500 entries of TTUN_ROUTES: .*--allow-write=/,
    }),
});

test("hooks: a command that is too long is no missing shell", () =>
  rejects(runHook(hook(`: ${"x".repeat(200_000)}`), null, null), {
    kind: "hook",
    message: /^Cannot run the --up command: \/bin\/sh: .*longer than the system takes$/,
  }));

Deno.test({
  name: "hooks: without the right to run programs the reason is said",
  permissions: { read: true, write: true, env: true, run: false },
  fn: () => rejects(runHook(hook("true"), null, null), { message: /--allow-run=\/bin\/sh/ }),
});

test({
  name: "hooks: no list is written where other users could exchange it before it is read",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = Deno.makeTempDirSync();
    const before = Deno.env.get("TMPDIR");
    Deno.env.set("TMPDIR", folder);
    try {
      Deno.chmodSync(folder, 0o777); // not sticky, as /tmp is
      await rejects(runHook(hook("true", { routes: ROUTES }), null, null), {
        kind: "hook",
        message: /9500 entries of TTUN_ROUTES: .* other users may write to the folder /,
      });
      deepEqual([...Deno.readDirSync(folder)], []);
      Deno.chmodSync(folder, 0o1777);
      await runHook(
        hook(`case $TTUN_ROUTES_FILE in "$TMPDIR"/*) ;; *) exit 1 ;; esac`, {
          routes: ROUTES,
        }),
        null,
        null,
      );
    } finally {
      if (before === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", before);
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
