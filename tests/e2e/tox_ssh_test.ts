/** `ttun tox ssh` to a real sshd, by the name of a host. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { Process } from "../process.ts";
import { settleCallbacks } from "../settle_callbacks.ts";
import { makeFolder } from "./proxy_files.ts";
import { run } from "./proxy_pair.ts";
import { hasSshd, sshArgs, startSshd } from "./sshd.ts";
import { lacksToxcore, openNetwork, TOX_LINK_MS } from "./tox_lab.ts";
import { ttunCommand } from "./tunnel.ts";

requireOwnNamespace();
settleCallbacks();

test({
  name: "tox ssh: a command there by a host's name, its exit code, and what cannot be",
  ignore: !hasSshd || lacksToxcore(),
  fn: async () => {
    await using folder = await makeFolder();
    const { path } = folder;
    const nodes = `${path}/100% of the nodes.json`;
    using _network = openNetwork(nodes, 43_020);
    await using _sshd = await startSshd(folder);
    const secret = "a secret that no argument has";
    const env = { NO_COLOR: "1", STATE_DIRECTORY: path, XDG_CONFIG_HOME: path };
    const serve = ["-b", nodes, "-u", "43021", "--permit-open", "127.0.0.1"];
    const [command, args] = ttunCommand("tox", ...serve);
    await using server = new Process(command, args, { env: { ...env, TTUN_TOX_SECRET: secret } });
    const [, id] = await server.waitFor(/Tox server.* id=([0-9A-F]{76})/);
    await Deno.mkdir(`${path}/ttun`);
    await Deno.writeTextFile(`${path}/ttun/tox-hosts`, `there ${id} ${secret}\n`, { mode: 0o600 });
    const ssh = (...words: string[]) =>
      run(...ttunCommand("tox", "ssh", ...words), { env, timeoutMs: TOX_LINK_MS });
    const way = ["-b", nodes, "-u", "43022:43029"];
    const done = await ssh(
      ...way,
      "-l",
      "root",
      "there",
      ...sshArgs(folder),
      "echo 'a  b'; exit 7",
    );
    assert.equal(done.code, 7, done.stderr);
    assert.equal(done.stdout, "a  b\n");

    const nobody = await ssh(...way, "root@nowhere", "true");
    assert.equal(nobody.code, 2, nobody.stderr);
    assert.match(nobody.stderr, /Cannot find the Tox host nowhere/);
    const late = await ssh(...way, "--deadline", "1", "root@there", ...sshArgs(folder), "true");
    assert.equal(late.code, 255, late.stderr);
    assert.match(late.stderr, /Cannot reach the Tox network within 1 s/);
    const [program, words] = ttunCommand("tox", "ssh", "there");
    const without = await run("/usr/bin/env", [`PATH=${path}`, program, ...words], { env });
    assert.match(without.stderr, /Cannot run ssh: there is no such program in PATH/);
  },
});
