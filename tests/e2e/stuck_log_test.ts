import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { devices, ENV, INNER, pingUntil, SERVER, startServer, ttunCommand } from "./tunnel.ts";

/** Runs $@ with its standard error at a pipe that nobody reads, with room for $2 bytes yet. */
const BY_FULL_PIPE = `
  pipe=$1; room=$2; shift 2
  mkfifo "$pipe"
  exec 9<>"$pipe"
  head -c $((65536 - room)) /dev/zero >"$pipe"
  exec "$@" 2>"$pipe"`;

test("a log that nobody reads: the tunnel comes up, and a signal ends it with its --down", async () => {
  // Full from the start, and filled while it runs: by what --up prints.
  for (const room of ["0", "8192"]) {
    await using hosts = await twoHosts();
    const folder = await Deno.makeTempDir();
    try {
      await using _server = await startServer(hosts.server);
      const [command, args] = ttunCommand(
        ...["client", "-v", "-s", SERVER],
        ...["--up", `seq 30000; echo up >${folder}/up`],
        ...["--down", `seq 30000; echo down >${folder}/down`],
      );
      await using client = hosts.client.spawn(
        "sh",
        ["-euc", BY_FULL_PIPE, "sh", `${folder}/pipe`, room, command, ...args],
        { env: ENV },
      );
      await pingUntil(hosts.client, INNER.server4, 20_000);
      assert.equal(Deno.readTextFileSync(`${folder}/up`), "up\n");
      client.signal("SIGTERM");
      assert.equal((await client.status).code, 0);
      assert.equal(Deno.readTextFileSync(`${folder}/down`), "down\n");
      assert.deepEqual(await devices(hosts.client), ["lo", "veth0"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
});
