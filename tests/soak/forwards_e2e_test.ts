import assert from "node:assert/strict";
import { test } from "../check.ts";
import { LOOPBACK, openForwards, PERMIT } from "../e2e/forward_pair.ts";
import { makeFolder } from "../e2e/proxy_files.ts";
import { run, spawnHere } from "../e2e/proxy_pair.ts";
import { readExactly, writeAll } from "../e2e/proxy_socks.ts";
import { echoer } from "../e2e/proxy_targets.ts";
import { hashOfBulk, serveWeb, writeBulk } from "../e2e/proxy_web.ts";

const MB = 1024 * 1024;

/** Longer than the default of --keep-session. */
const PAUSE_MS = 90_000;

/** A transfer of so much is in its middle when the pause begins, at curl's 20M. */
const SIZE = 200 * MB;
const BEFORE_MS = 3000;
const RATE = "20M";

const MOST_MS = 5 * 60_000;

test("--keep-session 300: streams go on behind 90 s in which the client is stopped", async () => {
  await using web = serveWeb();
  await using echo = echoer();
  await using folder = await makeFolder();
  await using pair = await openForwards({
    both: ["--keep-session", "300"],
    server: [...PERMIT, "--permit-listen", "0"],
    client: ["-L", `0:${web.at}`, "-L", `0:${LOOPBACK}:${echo.port}`, "-R", `0:${web.at}`],
  });
  const [, remote] = await pair.client.waitFor(/ remote forward {2}listen=\S+:(\d+)/);
  const file = `${folder.path}/data`;
  await writeBulk(file, SIZE);
  const [toWeb, toEcho] = pair.ports;
  const curl = (...args: string[]) => ["curl", "-sS", "--limit-rate", RATE, ...args].join(" ");
  const down = (port: number | string) =>
    `${curl(`http://${LOOPBACK}:${port}/bulk/${SIZE}`)} | sha256sum`;
  const up = curl("-T", file, `http://${LOOPBACK}:${toWeb}/echo`);
  using idle = await Deno.connect({ hostname: LOOPBACK, port: toEcho! });
  await writeAll(idle, new Uint8Array(1000));
  const transfers = [down(toWeb!), down(remote!), up]
    .map((script) => run("sh", ["-c", script], { timeoutMs: MOST_MS }));
  await new Promise((resolve) => setTimeout(resolve, BEFORE_MS));
  pair.client.signal("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  pair.client.signal("SIGCONT");
  const [local, byRemote, uploaded] = await Promise.all(transfers);
  const log = pair.client.output + pair.server.output;
  for (const { stdout, stderr } of [local!, byRemote!]) {
    assert.equal(stdout, `${hashOfBulk(SIZE)}  -\n`, stderr + log);
  }
  assert.equal(uploaded!.stdout, `${SIZE} ${hashOfBulk(SIZE)}\n`, uploaded!.stderr + log);
  await readExactly(idle, new Uint8Array(1000));
  await writeAll(idle, new Uint8Array(1000));
  await readExactly(idle, new Uint8Array(1000));
  assert.match(pair.client.output, /session goes on/);
});

async function postgresFolder(): Promise<string | null> {
  const find = "ls -d /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1 | xargs dirname";
  const { code, stdout } = await run("sh", ["-c", find]);
  return code === 0 ? stdout.trim() : null;
}

const ROWS = 300_000;
const NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];

/** The folder of its programs, which Debian has in no PATH; null if it is not installed. */
const postgres = await postgresFolder();
if (postgres === null) console.log("Skipped what needs PostgreSQL: postgresql is not installed");

test({
  name:
    "psql by -L, to a port and to a unix socket: large results both ways, and a query cancelled",
  ignore: postgres === null,
  fn: async () => {
    await using folder = await makeFolder();
    const { path } = folder;
    // The server refuses to run as root.
    const data = `${path}/data`;
    const prepare = 'chmod 755 "$0"; mkdir "$1"; chown 65534:65534 "$1"';
    assert.equal((await run("sh", ["-c", prepare, path, data])).code, 0);
    const options = ["-D", `${data}/db`, "-U", "tester", "-A", "trust", "--no-sync"];
    const made = await run("setpriv", [...NOBODY, `${postgres}/initdb`, ...options]);
    assert.equal(made.code, 0, made.stderr);
    const port = 20_432;
    const database = ["-D", `${data}/db`, "-p", `${port}`, "-h", LOOPBACK, "-k", data, "-F"];
    await using server = spawnHere("setpriv", [...NOBODY, `${postgres}/postgres`, ...database]);
    await server.waitFor(/ready to accept connections/);
    const socket = `${data}/.s.PGSQL.${port}`;
    await using pair = await openForwards({
      server: [...PERMIT, "--permit-open", `unix:${socket}`],
      client: ["-L", `0:${LOOPBACK}:${port}`, "-L", `${path}/.s.PGSQL.5432:${socket}`],
    });
    const ways = [["-h", LOOPBACK, "-p", `${pair.ports[0]}`], ["-h", path, "-p", "5432"]];
    const begin = ["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "tester", "-d", "postgres"];
    for (const [i, way] of ways.entries()) {
      const psql = async (...commands: string[]) => {
        const args = [...way, ...begin, ...commands.flatMap((command) => ["-c", command])];
        const { code, stdout, stderr } = await run("psql", args, { cwd: path });
        assert.equal(code, 0, stderr);
        return stdout;
      };
      await psql(
        `create table a${i} as select g, repeat(md5(g::text), 3) from generate_series(1, ${ROWS}) g`,
        `\\copy a${i} to 'rows'`,
        `create table b${i} (like a${i})`,
        `\\copy b${i} from 'rows'`,
      );
      const count = `select count(*) from (select * from a${i} intersect select * from b${i}) x`;
      assert.equal(await psql(count), `${ROWS}\n`);
      await using sleeping = spawnHere("psql", [...way, ...begin, "-c", "select pg_sleep(60)"]);
      const isAsleep = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'";
      while (await psql(isAsleep) !== "1\n") assert(!sleeping.stderr, sleeping.stderr);
      sleeping.signal("SIGINT"); // psql cancels over a connection of its own
      assert.equal((await sleeping.status).code, 1);
      await sleeping.closed;
      assert.match(sleeping.stderr, /canceling statement due to user request/);
    }
    server.signal("SIGINT");
    await server.status;
  },
});
