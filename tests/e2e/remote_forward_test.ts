import assert from "node:assert/strict";
import { test } from "../check.ts";
import { makeFolder } from "./proxy_files.ts";
import { endWell, ENV, LOOPBACK, type Process, run, spawnHere } from "./proxy_pair.ts";
import { hashOfBulk, serveWeb } from "./proxy_web.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const MB = 1024 * 1024;

/** A program that says behind the end of what it reads how many bytes that were. */
const COUNTER = `import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print("listens", flush=True)
while True:
  c = s.accept()[0]
  n = sum(iter(lambda: len(c.recv(65536)), 0))
  c.sendall(b"%d bytes, then the end\\n" % n); c.close()`;

function start(...args: string[]): Process {
  const all = ["run", "-A", "--no-prompt", MAIN, ...args, "-v", "--no-warm-up"];
  return spawnHere(Deno.execPath(), all, { env: ENV });
}

/** Both ends; `permits` are the values of --permit-listen, `remotes` those of -R. */
async function openPair(permits: string[], remotes: string[], ...both: string[]) {
  await using stack = new AsyncDisposableStack();
  const permit = permits.flatMap((one) => ["--permit-listen", one]);
  const listen = ["-l", `${LOOPBACK}:0`];
  const server = stack.adopt(start("server", "--no-tun", ...listen, ...permit, ...both), endWell);
  await server.waitFor(/ listening /);
  const at = / listening {2}address=(\S+)/.exec(server.output)![1]!;
  const wanted = remotes.flatMap((one) => ["-R", one]);
  const client = stack.adopt(start("client", "-s", at, ...wanted, ...both), endWell);
  for (const _ of remotes) await client.waitFor(/ (remote forward|Cannot forward) /);
  const owned = stack.move();
  return {
    server,
    client,
    at,
    /** Where the server listens, in the order in which that was logged. */
    listens: () =>
      [...client.output.matchAll(/ remote forward {2}listen="?(\S+?)"? /g)].map(([, at]) => at!),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

for (const io of ["ffi", "deno"]) {
  test(`-R: downloads by a port, a unix socket and SOCKS of the server: --io ${io}`, async () => {
    await using web = serveWeb();
    await using folder = await makeFolder();
    const path = `${folder.path}/there`;
    await using pair = await openPair(
      ["0", `unix:${path}`],
      [`0:${web.at}`, `${path}:${web.at}`, "0"],
      ...["--io", io],
    );
    await pair.client.waitFor(/(?:remote forward [^]*){3}/);
    const [port, socket, front] = pair.listens();
    assert.equal(socket, path);
    const size = 20 * MB;
    const ways = [
      [`http://${port}/bulk/${size}`],
      ["--unix-socket", path, `http://x/bulk/${size}`],
      ["-x", `socks5h://${front}`, `http://${web.at}/bulk/${size}`],
    ];
    await Promise.all(ways.map(async (args) => {
      const { stdout, stderr } = await run("sh", [
        "-c",
        'curl "$@" | sha256sum',
        "sh",
        "-sS",
        ...args,
      ]);
      assert.equal(stdout, `${hashOfBulk(size)}  -\n`, `${args}: ${stderr}`);
    }));
    const { mode } = Deno.statSync(path);
    assert.equal(mode! & 0o777, 0o600);
    pair.client.signal("SIGTERM");
    await pair.client.status;
    await pair.server.waitFor(/ disconnected /);
    const { code } = await run("curl", ["-sS", `http://${port}/hello`]);
    assert.equal(code, 7, "nobody listens there any more");
    assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  });
}

test("-R: what connects at the server reaches a unix socket of the client", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/here`;
  await using counter = spawnHere("python3", ["-c", COUNTER, path]);
  await counter.waitFor(/listens/);
  await using pair = await openPair(["0"], [`0:${path}`]);
  const [at] = pair.listens();
  const [host, port] = at!.split(":") as [string, string];
  const input = { text: "x".repeat(300_000) };
  const { stdout, stderr } = await run("nc.openbsd", ["-N", host, port], { stdin: input });
  assert.equal(stdout, "300000 bytes, then the end\n", stderr);
});

test("-R that the server does not permit: a warning, or the end with exit code 4", async () => {
  await using pair = await openPair(["8000-8009"], ["8010:127.0.0.1:1"]);
  assert.match(pair.client.output, /start the server with --permit-listen 8010/);
  assert.match(pair.server.output, /does not listen for a client .*--permit-listen 8010/);
  const again = ["-R", "8010:127.0.0.1:1", "--exit-on-forward-failure"];
  await using ended = start("client", "-s", pair.at, ...again);
  assert.equal((await ended.status).code, 4, ended.output);
});
