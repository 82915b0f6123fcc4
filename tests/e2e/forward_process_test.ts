import assert from "node:assert/strict";
import { test } from "../check.ts";
import { builtBinary } from "./binary.ts";
import {
  endWell,
  ENV,
  type Forwards,
  listensAt,
  LOOPBACK,
  openForwards,
  PERMIT,
  portsOf,
  type Process,
  type Spawn,
  spawnHere,
} from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";
import { run } from "./proxy_pair.ts";
import { openThrough, readToEnd, writeAll } from "./proxy_socks.ts";
import { endlessSender, neverReader } from "./proxy_targets.ts";
import { serveWeb } from "./proxy_web.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];

/** Fails when a process that has ended still listens: a child of it would. */
async function expectNoListener({ pid }: Process): Promise<void> {
  const { stdout } = await run("ss", ["-Htlnp"]);
  assert(!stdout.includes(`pid=${pid},`), stdout);
}

for (const io of ["ffi", "deno"]) {
  test(`Ctrl-C and SIGTERM end each end in a second in the middle of transfers: --io ${io}`, async () => {
    await using sender = endlessSender();
    await using taker = neverReader();
    await using folder = await makeFolder();
    const socket = `${folder.path}/socket`;
    const forwards = [sender, taker].flatMap(({ port }) => ["-L", `0:${LOOPBACK}:${port}`]);
    for (const [end, signal] of [["server", "SIGINT"], ["client", "SIGTERM"]] as const) {
      const client = [...forwards, "-L", `${socket}:${LOOPBACK}:1`, "-D", "0"];
      await using pair = await openForwards({ both: ["--io", io], client });
      const [toSender, toTaker, , dynamic] = pair.ports;
      using down = await Deno.connect({ hostname: LOOPBACK, port: toSender! });
      using byProxy = await openThrough(dynamic!, sender.port);
      using up = await Deno.connect({ hostname: LOOPBACK, port: toTaker! });
      using _idle = await Deno.connect({ hostname: LOOPBACK, port: dynamic! });
      await writeAll(up, new Uint8Array(100_000));
      for (const conn of [down, byProxy]) await conn.read(new Uint8Array(1000));
      const reading = Promise.all([down, byProxy].map(readToEnd));
      reading.catch(() => {}); // what fails before it is awaited shall be what is told
      const began = performance.now();
      pair[end].signal(signal);
      assert.equal((await pair[end].status).code, 0, pair[end].output);
      assert(performance.now() - began < 1000, `${performance.now() - began} ms`);
      // A connection that is cut off must not look ended.
      for (const { end: how } of await reading) {
        assert.equal(how, "reset", `${signal} at the ${end}`);
      }
      await expectNoListener(pair[end]);
      if (end === "client") assert.deepEqual([...Deno.readDirSync(folder.path)], []);
    }
  });
}

async function loads(pair: Pick<Forwards, "server" | "client">): Promise<void> {
  const url = `http://${LOOPBACK}:${portsOf(pair.client)[0]}/hello`;
  const { stdout, stderr } = await run("curl", ["-sS", "--max-time", "10", url]);
  assert.equal(stdout, "hello\n", `${stderr}${pair.client.output}${pair.server.output}`);
}

/** Both ends, each by the beginning of a command line, with a forward to `to`. */
async function start(begin: (role: string) => string[], to: string, spawn: Spawn = spawnHere) {
  await using stack = new AsyncDisposableStack();
  const end = (role: string, args: string[]) => {
    const [command, ...rest] = begin(role);
    return stack.adopt(spawn(command!, [...rest, role, "-v", ...args], { env: ENV }), endWell);
  };
  const server = end("server", ["--no-tun", "-l", `${LOOPBACK}:0`, ...PERMIT]);
  await server.waitFor(/ listening /);
  const client = end("client", ["-s", listensAt(server), "-L", `0:${to}`]);
  await client.waitFor(/ authenticated /);
  const owned = stack.move();
  return { server, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test("a user without any right runs both ends of a forward, with the built program", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const { file } = await builtBinary();
  await run("sh", ["-c", `cp ${file} ${folder.path}/ttun && chmod 755 ${folder.path}`]);
  const spawn: Spawn = (command, args, options) =>
    spawnHere("setpriv", [...NOBODY, "--no-new-privs", "--", command, ...args], options);
  await using pair = await start(() => [`${folder.path}/ttun`], web.at, spawn);
  await loads(pair);
  for (const { pid } of [pair.server, pair.client]) {
    assert.match(await Deno.readTextFile(`/proc/${pid}/status`), /^Uid:\t65534\t65534/m);
  }
});

test("the permission sets of deno.json are enough for forwards", async () => {
  await using web = serveWeb();
  const begin = (role: string) => [Deno.execPath(), "run", `-P=${role}`, MAIN];
  await using pair = await start(begin, web.at);
  await loads(pair);
  for (const { output } of [pair.server, pair.client]) {
    assert.doesNotMatch(output, /requests .* access|Allow\?/);
  }
});

test("--user leaves root behind in every thread of both ends", async () => {
  await using web = serveWeb();
  await using pair = await openForwards({
    both: ["--user", "nobody"],
    client: ["-L", `0:${web.at}`],
  });
  for (const { pid } of [pair.server, pair.client]) {
    const { stdout } = await run("sh", ["-c", `cat /proc/${pid}/task/*/status | grep -h ^Uid:`]);
    assert.deepEqual([...new Set(stdout.trim().split("\n"))], ["Uid:\t65534\t65534\t65534\t65534"]);
  }
  await loads(pair);
});
