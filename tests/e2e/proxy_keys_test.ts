import assert from "node:assert/strict";
import { test } from "../check.ts";
import { makeFolder } from "./proxy_files.ts";
import {
  endWell,
  expectCleanLog,
  KEY,
  LOOPBACK,
  portOf,
  run,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { expectEcho, openThrough, readToEnd } from "./proxy_socks.ts";
import { echoer } from "./proxy_targets.ts";

const KEYS = { ann: KEY, bob: `${KEY}bob`, cat: `${KEY}cat` };

test("the proxy's server reads its keys again: those that are gone lose their connections, new ones count", async () => {
  await using target = echoer();
  await using folder = await makeFolder();
  const file = `${folder.path}/keys`;
  const write = (...names: (keyof typeof KEYS)[]) =>
    Deno.writeTextFile(
      file,
      `# keys\n${names.map((name) => `${name}:${KEYS[name]}`).join("\n")}\n`,
      {
        mode: 0o600,
      },
    );
  await write("ann", "bob");
  await using stack = new AsyncDisposableStack();
  const server = await startServer({ args: ["--key-file", file], env: { TTUN_KEY: "" } });
  stack.adopt(server, endWell);
  const client = async (name: keyof typeof KEYS, ...args: string[]) =>
    portOf(stack.use(await startClient({ args, env: { TTUN_KEY: KEYS[name] } })));
  const open = async (proxy: number) => {
    const conn = stack.use(await openThrough(proxy, target.port));
    await expectEcho(conn, "before");
    return conn;
  };
  const linked = await open(await client("ann", "--wire", "v2"));
  const tt = await open(await client("ann", "--wire", "v1"));
  const others = await client("bob", "--wire", "v2");
  const other = await open(others);
  await write("bob", "cat");
  server.signal("SIGHUP");
  await server.waitFor(/ reloaded /);
  await Promise.all([linked, tt].map((conn) => readToEnd(conn)));
  await expectEcho(other, "after");
  await open(others);
  await open(await client("cat", "--wire", "v2"));
  await open(await client("cat", "--wire", "v1"));
  const revoked = await client("ann", "--wire", "v1");
  const args = [
    "-sS",
    "-m",
    "5",
    "-x",
    `socks5h://${LOOPBACK}:${revoked}`,
    `http://${LOOPBACK}:1/`,
  ];
  assert.notEqual((await run("curl", args)).code, 0);
  expectCleanLog(server);
});
