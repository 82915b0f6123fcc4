/** A link over Tox whose server stands still: libtoxcore takes half a minute to notice. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { Process } from "../process.ts";
import { settleCallbacks } from "../settle_callbacks.ts";
import { makeFolder } from "../e2e/proxy_files.ts";
import { lacksToxcore, openNetwork, TOX_LINK_MS } from "../e2e/tox_lab.ts";
import { ENV, ttunCommand } from "../e2e/tunnel.ts";

requireOwnNamespace();
settleCallbacks();

/** Milliseconds for which the server stays away once it is missed; a session is kept for a minute. */
const STAYS_AWAY_MS = 8000;

function start(...args: string[]): Process {
  const [command, rest] = ttunCommand("tox", ...args, "-v");
  return new Process(command, rest, { env: { ...ENV } });
}

test({
  name: "tox: a connection goes on behind a loss of the link, byte for byte",
  ignore: lacksToxcore(),
  fn: async () => {
    await using folder = await makeFolder();
    const nodes = `${folder.path}/nodes.json`;
    using _network = openNetwork(nodes, 46_000);
    const secret = `${folder.path}/secret`;
    await Deno.writeTextFile(secret, "open sesame\n", { mode: 0o600 });
    using target = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const echoed = (async () => {
      using conn = await target.accept();
      const into = new Uint8Array(1000);
      for (let got = await conn.read(into); got !== null; got = await conn.read(into)) {
        await conn.write(into.subarray(0, got));
      }
    })();
    const key = ["--secret-file", secret, "-b", nodes];
    const serve = ["-C", folder.path, "-u", "46001", "--permit-open", "127.0.0.1"];
    await using server = start(...key, ...serve);
    const [, id] = await server.waitFor(/Tox server.* id=([0-9A-F]{76})/, 30_000);
    const forward = ["-i", id!, "-u", "46002", "-L", `18390:127.0.0.1:${target.addr.port}`];
    await using client = start(...key, ...forward);
    await client.waitFor(/authenticated.*carries=streams/, TOX_LINK_MS);
    {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port: 18_390 });
      const into = new Uint8Array(10);
      await conn.write(new TextEncoder().encode("before"));
      assert.equal(await conn.read(into), 6);
      server.signal("SIGSTOP");
      await conn.write(new TextEncoder().encode("meanwhile"));
      await client.waitFor(/the server is offline/, 90_000);
      await new Promise((resolve) => setTimeout(resolve, STAYS_AWAY_MS));
      server.signal("SIGCONT");
      await client.waitFor(/session goes on/, TOX_LINK_MS);
      let came = "";
      while (came.length < 9) {
        came += new TextDecoder().decode(into.subarray(0, (await conn.read(into))!));
      }
      assert.equal(came, "meanwhile");
    }
    await echoed;
  },
});
