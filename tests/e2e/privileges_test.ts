import assert from "node:assert/strict";
import { test } from "../check.ts";
import { Host, type Process } from "../netns.ts";
import { KEY, NO_WARM_UP, pause, startTtun } from "./tunnel.ts";

const CAP_NET_ADMIN = 1 << 12;

interface Thread {
  readonly uids: string;
  readonly noNewPrivileges: string;
  /** Permitted, effective, inheritable and ambient capabilities. */
  readonly capabilities: readonly number[];
}

/** Reads what the kernel says of each thread of a process. */
function threadsOf(pid: number): Thread[] {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => {
    const status = Deno.readTextFileSync(`/proc/${pid}/task/${name}/status`);
    const field = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)![1]!.trim();
    return {
      uids: field("Uid"),
      noNewPrivileges: field("NoNewPrivs"),
      capabilities: ["CapPrm", "CapEff", "CapInh", "CapAmb"].map((set) =>
        Number(`0x${field(set)}`)
      ),
    };
  });
}

/** Asserts it of every thread; the one that owns a device keeps the right to change the network. */
function expectNoPrivileges(pid: number, o: { ownsDevice: boolean }): void {
  const threads = threadsOf(pid);
  assert.ok(threads.length > 3, `only ${threads.length} threads`);
  assert.deepEqual(
    new Set(threads.map(({ uids }) => uids)),
    new Set(["65534\t65534\t65534\t65534"]),
  );
  assert.deepEqual(new Set(threads.map((thread) => thread.noNewPrivileges)), new Set(["1"]));
  const kept = threads.map(({ capabilities }) => capabilities.join()).filter((all) =>
    all !== "0,0,0,0"
  );
  assert.deepEqual(kept, o.ownsDevice ? [`${CAP_NET_ADMIN},${CAP_NET_ADMIN},0,0`] : []);
}

const USER = ["--user", "nobody", NO_WARM_UP];

/** One at a time: each begins anew, and says then that it has become the user. */
async function startAs(host: Host, ...args: string[]): Promise<Process> {
  const process = startTtun(host, ...args, ...USER);
  await process.waitFor(/became another user/, 30_000);
  return process;
}

test("with --user no thread may gain a privilege, and none keeps one but for the device", async () => {
  await using host = await Host.create();
  {
    await using server = await startAs(host, "server");
    expectNoPrivileges(server.pid, { ownsDevice: true });
    await using client = await startAs(host, "client", "-s", "127.0.0.1", "--wire", "v1");
    expectNoPrivileges(client.pid, { ownsDevice: true });
  }
  await using server = await startAs(host, "proxy", "server");
  expectNoPrivileges(server.pid, { ownsDevice: false });
  const client = ["proxy", "client", "-s", "127.0.0.1", "--listen", "127.0.0.1:1080"];
  await using proxy = await startAs(host, ...client);
  expectNoPrivileges(proxy.pid, { ownsDevice: false });
});

test("a key among the arguments is there after the new start, and hidden again", async () => {
  await using host = await Host.create();
  await using server = await startAs(host, "server", "-k", KEY);
  const shown = Deno.readTextFileSync(`/proc/${server.pid}/cmdline`).split("\0");
  assert.equal(shown[shown.indexOf("-k") + 1], "x".repeat(KEY.length));
  assert.match(server.output, /The key given by -k was visible/);
});

test("a new start keeps descriptors that the key comes from, and the pid", async () => {
  await using host = await Host.create();
  const [command, args] = [Deno.execPath(), ["run", "-A", "--no-prompt"]];
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const line = [command, ...args, main, "server", ...USER, "--key-file", "/dev/fd/5"].join(" ");
  await using server = host.spawn("bash", [
    "-c",
    `exec 5< <(echo '${KEY}'); echo "pid $$"; exec ${line}`,
  ], {
    env: { STATE_DIRECTORY: "/dev/null/none" },
  });
  await server.waitFor(/became another user/, 30_000);
  assert.match(server.output, new RegExp(`^pid ${server.pid}$`, "m"));
  expectNoPrivileges(server.pid, { ownsDevice: true });
});

test("in the background it is so too", async () => {
  await using host = await Host.create();
  const folder = await Deno.makeTempDir();
  try {
    const pidFile = `${folder}/pid`;
    await using parent = startTtun(host, "server", "-d", "--pid", pidFile, ...USER);
    assert.equal((await parent.status).code, 0, parent.output);
    const pid = Number(await Deno.readTextFile(pidFile));
    try {
      // It is ready before it becomes the user.
      for (
        let tries = 0;
        tries < 300 && threadsOf(pid).some(({ uids }) => /^0\b/.test(uids));
        tries++
      ) {
        await pause(50);
      }
      expectNoPrivileges(pid, { ownsDevice: true });
    } finally {
      Deno.kill(pid, "SIGKILL");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
