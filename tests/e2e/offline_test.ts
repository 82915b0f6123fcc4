/** ttun from its sources on a host without internet, where only its own packages are cached. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, twoHosts } from "../netns.ts";
import { freshDenoHome } from "./deno_home.ts";
import { KEY } from "./tunnel.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** Everything is compiled for the first time. */
const FIRST_START_MS = 30_000;

test("from the sources, with what `deno cache main.ts` leaves, every command starts offline", async () => {
  await using home = await freshDenoHome();
  await using hosts = await twoHosts();
  const env = { ...home.env("http://192.0.2.9/"), TTUN_KEY: KEY };
  const start = (host: Host, ...args: string[]) =>
    host.spawn(Deno.execPath(), ["run", "-A", MAIN, ...args], { env });
  const cached = await hosts.server.run(Deno.execPath(), ["cache", MAIN], { env });
  assert.equal(cached.code, 0, cached.stderr);
  await using server = start(hosts.server, "server");
  await server.waitFor(/listening/, FIRST_START_MS);
  await using client = start(hosts.client, "client", "-s", "192.0.2.1:20203");
  await client.waitFor(/authenticated/, FIRST_START_MS);
  await using far = start(hosts.server, "proxy", "server", "-r", "30000-31000", "-v");
  await far.waitFor(/ ports {2}open=/, FIRST_START_MS);
  await using near = start(hosts.client, "proxy", "client", "-s", "192.0.2.1", "-r", "30000-31000");
  await near.waitFor(/ listening /, FIRST_START_MS);
  for (const { output } of [server, client, far, near]) assert.doesNotMatch(output, /Download/);
});
