import assert from "node:assert/strict";
import { EXIT_CODES } from "../../src/base/errors.ts";
import { test } from "../check.ts";
import { Host } from "../netns.ts";
import { copyForNobody, startWith } from "./ordinary_user.ts";

const AMBIENT = ["--inh-caps=+net_admin", "--ambient-caps=+net_admin"];

/** Nobody listens there. */
const CLIENT = ["client", "-s", "127.0.0.1:1", "--once", "--no-warm-up"];

test("a ttun whose file has capabilities runs no command of its user's, nor takes his programs", async () => {
  await using host = await Host.create();
  const folder = await Deno.makeTempDir();
  try {
    const copy = await copyForNobody(folder);
    const run = async (
      o: { rights: readonly string[]; env?: Record<string, string> },
      ...args: string[]
    ) => {
      await using process = startWith(host, copy, o, args);
      const { code } = await process.status;
      await process.closed;
      return { code, output: process.output };
    };
    // A stand-in for nft, which tells of each start.
    const programs = `${folder}/programs`;
    const seen = `${folder}/state/seen`;
    await Deno.mkdir(programs, { mode: 0o755 });
    const script = `#!/bin/sh\necho "$0 $*" >>${seen}\nexit 1\n`;
    for (const name of ["nft", "iptables", "ip6tables"]) {
      await Deno.writeTextFile(`${programs}/${name}`, script, { mode: 0o755 });
    }
    const wereRun = () =>
      [...Deno.readDirSync(`${folder}/state`)].some(({ name }) => name === "seen");
    const env = { PATH: `${programs}:/usr/bin:/bin`, XDG_RUNTIME_DIR: `${folder}/state` };

    // An administrator has given these to a unit: they are its user's.
    const given = await run({ rights: AMBIENT }, ...CLIENT, "--up", "true");
    assert.equal(given.code, EXIT_CODES.unreachable.code, given.output);
    await run({ rights: AMBIENT, env }, ...CLIENT, "--kill-switch");
    assert.ok(wereRun(), "the stand-ins are where ttun looks");
    await Deno.remove(seen);

    await host.sh(`setcap cap_net_admin+ep ${copy.deno}`);
    const own = { rights: [] };
    const open = await run(own, ...CLIENT);
    assert.equal(open.code, EXIT_CODES.privilege.code, open.output);
    assert.match(open.output, /every user of this machine could change its network by /);
    await host.sh(`
      chown 0:65534 ${copy.deno}
      chmod 0750 ${copy.deno}
      setcap cap_net_admin+ep ${copy.deno}`);
    const plain = await run(own, ...CLIENT);
    assert.equal(plain.code, EXIT_CODES.unreachable.code, plain.output);
    assert.match(plain.output, /info {2}device {2}name=ttun0/);
    for (
      const [name, args] of [
        ["up", [...CLIENT, "--up", "true"]],
        ["down", ["server", "--down", "true"]],
        ["server", ["client", "--once", "-s", "exec:cat"]],
        ["server", [
          "client",
          "--once",
          "-s",
          "exec:cat",
          "-L",
          "127.0.0.1:0:127.0.0.1:1",
          "--no-tun",
        ]],
      ] as const
    ) {
      const { code, output } = await run(own, ...args);
      assert.equal(code, EXIT_CODES.privilege.code, output);
      assert.match(
        output,
        new RegExp(`Cannot take --${name}: this program's file has capabilities`),
      );
    }
    const hidden = await run({ ...own, env: { TTUN_UP: "true" } }, ...CLIENT);
    assert.equal(hidden.code, EXIT_CODES.privilege.code, hidden.output);
    await run({ ...own, env }, ...CLIENT, "--kill-switch");
    assert.ok(!wereRun(), "a program of the user's was run");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
