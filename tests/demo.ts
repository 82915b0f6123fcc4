/**
 * `deno task demo`: a real tunnel between two network namespaces on this machine, with server and
 * client started as a user would, pings in both families, a measured transfer, and a report; then
 * all of the client's traffic through the tunnel, to a third namespace that stands for the internet.
 * Needs Linux, /dev/net/tun, and root or a kernel that lets users make namespaces; no other
 * program than `unshare` and `nsenter`, which every distribution has. Leaves nothing behind.
 */
import { openLibc } from "../ffi/linux/libc.ts";
import { Process } from "./process.ts";
import { TemporaryFiles } from "./temporary_files.ts";
import { bringUp, makePair } from "./tools/link.ts";
import type { DemoReport } from "./tools/demo_client.ts";

const SECONDS = 3;
const PORT = 5001;
const INSIDE = "TTUN_DEMO_INSIDE";
const ROOT = new URL("..", import.meta.url).pathname;

if (Deno.env.has(INSIDE)) await runInside();
else Deno.exit(await runOutside());

/** Checks what is there, then starts this file again in a network namespace of its own. */
async function runOutside(): Promise<number> {
  const root = Deno.uid() === 0;
  const missing = await findMissing(root);
  if (missing.length > 0) {
    console.error(["The demo cannot run here yet:", ...missing].join("\n  - "));
    return 1;
  }
  // Inside there is no way to a package registry: everything is fetched before.
  await new Deno.Command(Deno.execPath(), {
    args: [
      "cache",
      "-q",
      `${ROOT}main.ts`,
      `${ROOT}src/cli/data_plane.ts`,
      `${ROOT}tests/tools/demo_client.ts`,
      `${ROOT}tests/tools/demo_internet.ts`,
    ],
  }).output();
  const { code } = await new Deno.Command("unshare", {
    args: [root ? "-n" : "-Urn", "--", Deno.execPath(), "run", "-A", import.meta.url],
    env: { [INSIDE]: root ? "root" : "user" },
  }).spawn().status;
  return code;
}

/** Each thing that is missing, with the command that mends it. */
async function findMissing(root: boolean): Promise<string[]> {
  if (Deno.build.os !== "linux") {
    return [`Linux: this is ${Deno.build.os}, where ttun has no TUN device yet`];
  }
  const missing: string[] = [];
  for (const program of ["unshare", "nsenter"]) {
    if (!await succeeds(program, "--version")) {
      missing.push(`the program ${program}: sudo apt-get install util-linux`);
    }
  }
  if (missing.length > 0) return missing;
  if (!await succeeds("unshare", root ? "-n" : "-Urn", "true")) {
    missing.push(
      root
        ? "the privilege to make a network namespace: in a container, start it with --cap-add SYS_ADMIN --cap-add NET_ADMIN"
        : "user namespaces: run it as root (sudo), or sudo sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000",
    );
  }
  try {
    Deno.openSync("/dev/net/tun", { read: true, write: true }).close();
  } catch (error) {
    missing.push(
      error instanceof Deno.errors.NotFound
        ? "/dev/net/tun: sudo modprobe tun; in a container, start it with --device /dev/net/tun"
        : "access to /dev/net/tun: run it as root (sudo), or sudo chmod 666 /dev/net/tun",
    );
  }
  return missing;
}

async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** This process is on the server's host; a second namespace, held by a child, is the client's. */
async function runInside(): Promise<void> {
  console.log(
    "Two network namespaces, a cable between them: 192.0.2.1 (server), 192.0.2.2 (client)",
  );
  await using clientHost = await makeHost();
  const onClient = (...args: string[]) => on(clientHost, ...args);
  const deno = (...args: string[]) => [Deno.execPath(), "run", "-A", ...args];
  using libc = openLibc();
  makePair(libc, "veth0", clientHost.pid);
  bringUp(libc, "veth0", ["192.0.2.1/24"]);
  const setUp = new Deno.Command(onClient()[0], {
    args: onClient(...deno(`${ROOT}tests/tools/link.ts`, "up", "veth0", "192.0.2.2/24"))[1],
  });
  if (!(await setUp.output()).success) throw new Error("Cannot set up the client's host");

  using files = new TemporaryFiles();
  const env = { TTUN_KEY: crypto.randomUUID(), STATE_DIRECTORY: files.folder };
  const start = async (...[atServer, atClient]: [string[], string[]]) => {
    await using stack = new AsyncDisposableStack();
    const show = (where: string, ...words: string[]) =>
      console.log(`\n${where} $ TTUN_KEY=… ttun ${words.join(" ")}`);
    show("server", "server", ...atServer);
    const [command, ...words] = deno(`${ROOT}main.ts`);
    const server = stack.use(new Process(command!, [...words, "server", ...atServer], { env }));
    await server.waitFor(/listening/);
    const args = ["client", "-s", "192.0.2.1:20203", ...atClient];
    show("client", ...args);
    const client = stack.use(new Process(...onClient(...deno(`${ROOT}main.ts`, ...args)), { env }));
    await client.waitFor(/authenticated/);
    stack.move();
    return { server, client };
  };
  const began = performance.now();
  {
    const { server, client } = await start([], []);
    await using _server = server;
    await using _client = client;
    const ready = performance.now() - began;
    console.log(`\n${server.output.trim()}\n\n${client.output.trim()}`);

    const hasIpv6 = /fc11::1/.test(server.output) && /fc11::2/.test(client.output);
    await using _echo = serveTransfers("10.1.1.1");
    await using work = new Process(
      ...onClient(
        ...deno(
          `${ROOT}tests/tools/demo_client.ts`,
          `${SECONDS}`,
          `${PORT}`,
          "10.1.1.1",
          ...(hasIpv6 ? ["fc11::1"] : []),
        ),
      ),
    );
    const line = await work.waitFor(/^\{.*\}$/m, 20_000);
    report(JSON.parse(line[0]), ready, hasIpv6);
    await end(client, server);
  }
  const why = await whyNoGateway();
  if (why !== null) return console.log(`\nAll traffic through the tunnel is not shown: ${why}.`);

  console.log(
    "\nA third namespace stands for the internet: 198.51.100.2, which knows the server alone",
  );
  await using internet = await makeHost();
  makePair(libc, "wan0", internet.pid);
  bringUp(libc, "wan0", ["198.51.100.1/24"]);
  const wan = on(internet, ...deno(`${ROOT}tests/tools/link.ts`, "up", "wan0", "198.51.100.2/24"));
  if (!(await new Deno.Command(wan[0], { args: wan[1] }).output()).success) {
    throw new Error("Cannot set up the internet's host");
  }
  const tool = `${ROOT}tests/tools/demo_internet.ts`;
  await using service = new Process(...on(internet, ...deno(tool, "serve", "198.51.100.2")));
  await service.waitFor(/serving/);
  const { server, client } = await start(["--nat", "wan0"], ["--default-route"]);
  await using _server = server;
  await using _client = client;
  await client.waitFor(/all traffic/);
  await using asked = new Process(...onClient(...deno(tool, "ask", "198.51.100.2")));
  await asked.waitFor(/^198\.51\.100\.1$/m);
  console.log(
    "\nThe client reaches 198.51.100.2, where it has the server's address, 198.51.100.1.",
  );
  await end(client, server);
}

/** Returns what keeps this machine from `--nat`; null = nothing. */
async function whyNoGateway(): Promise<string | null> {
  if (Deno.env.get(INSIDE) !== "root" || !(await isOwnerOfSysctls())) return "that needs root";
  for (const program of ["nft", "iptables"]) if (await succeeds(program, "--version")) return null;
  return "that needs the program nft (sudo apt-get install nftables)";
}

/** A container may have the network's settings read-only. */
async function isOwnerOfSysctls(): Promise<boolean> {
  try {
    const path = "/proc/sys/net/ipv4/ip_forward";
    await Deno.writeTextFile(path, await Deno.readTextFile(path));
    return true;
  } catch {
    return false;
  }
}

async function end(...programs: Process[]): Promise<void> {
  for (const program of programs) {
    program.signal("SIGINT");
    if ((await program.status).code !== 0) {
      throw new Error(`An end did not end cleanly:\n${program.output}`);
    }
  }
}

/** A network namespace, held by a process. */
async function makeHost(): Promise<Process> {
  const host = new Process("unshare", ["-n", "--", "sh", "-c", "echo there; exec cat"], {
    stdin: "piped",
  });
  await host.waitFor(/there/);
  return host;
}

function on(host: Process, ...args: string[]): [string, string[]] {
  return ["nsenter", ["-t", `${host.pid}`, "-n", "--", ...args]];
}

/** Takes what is sent, or sends, as the connection's first byte says. */
function serveTransfers(hostname: string): AsyncDisposable {
  const listener = Deno.listen({ hostname, port: PORT });
  const serve = async (conn: Deno.TcpConn) => {
    const buffer = new Uint8Array(128 * 1024);
    try {
      await conn.read(buffer.subarray(0, 1));
      const sends = buffer[0] === 2;
      while (sends ? await conn.write(buffer) : await conn.read(buffer));
    } catch (error) {
      if (
        !(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset)
      ) throw error;
    } finally {
      conn.close();
    }
  };
  const accepting = (async () => {
    for await (const conn of listener) serve(conn);
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await accepting;
    },
  };
}

function report(found: DemoReport, readyMs: number, hasIpv6: boolean): void {
  console.log("\nReport");
  console.log(`  from start to authenticated, both ends: ${(readyMs / 1000).toFixed(2)} s`);
  for (const { address, sent, answered, medianMs } of found.pings) {
    console.log(
      `  ping ${address}: ${answered} of ${sent} answered, median ${medianMs.toFixed(2)} ms`,
    );
    if (answered !== sent) throw new Error(`${sent - answered} pings were lost`);
  }
  if (!hasIpv6) console.log("  ping fc11::1: not tried, IPv6 is switched off in this kernel");
  console.log(`  one TCP connection, client to server: ${found.upMbit.toFixed(0)} Mbit/s`);
  console.log(`  one TCP connection, server to client: ${found.downMbit.toFixed(0)} Mbit/s`);
  console.log("The tunnel works.");
}
