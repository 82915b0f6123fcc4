import assert from "node:assert/strict";
import { test } from "../check.ts";
import { buildEmulator, emulatePath } from "../emulated_path.ts";
import { type Host, type TwoHosts, twoHosts } from "../netns.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { NO_KEY, startPipe } from "./peers.ts";
import { ENV, proxyCommand, RANGE } from "./proxy_pair.ts";
import { hasProgram } from "./proxy_targets.ts";
import { openTunnel, runTtun, SERVER, startServer, startTtun } from "./tunnel.ts";

const hasCc = await hasProgram("cc");
if (!hasCc) console.log("Skipped what needs a long path: cc is not installed");

const FAR = { delayMs: 5, lossPercent: 0, rateMbits: 100, queueMs: 50 };
const FAR_SERVER = "198.51.100.1";
const TARGET_PORT = 8080;

/** Names of all sockets of a host that are connected, by the ports that the filter of ss names. */
async function congestionOf(host: Host, filter: string): Promise<string[]> {
  const lines = await host.sh(`ss -Htin state established '${filter}' | grep wscale`);
  return [...new Set(lines.trim().split("\n").map((line) => line.trim().split(" ")[0]!))];
}

function setSystem(host: Host, name: string): Promise<string> {
  return host.sh(`echo ${name} >/proc/sys/net/ipv4/tcp_congestion_control`);
}

async function hasBbr(host: Host): Promise<boolean> {
  return await setSystem(host, "bbr").then(() => true, () => false);
}

interface FarHosts extends AsyncDisposable {
  readonly hosts: TwoHosts;
  /** The congestion control that there should be between them. */
  readonly wanted: string;
}

/** Two hosts with a long path between them; their systems have Reno. */
async function farHosts(): Promise<FarHosts> {
  await using stack = new AsyncDisposableStack();
  const files = stack.use(new TemporaryFiles());
  const hosts = stack.use(await twoHosts());
  stack.use(await emulatePath(await buildEmulator(files), hosts, FAR));
  const wanted = await hasBbr(hosts.server) ? "bbr" : "reno";
  for (const host of [hosts.server, hosts.client]) await setSystem(host, "reno");
  const owned = stack.move();
  return { hosts, wanted, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test("the congestion control is the one that was asked for, and one that is not there is refused", async () => {
  await using t = await openTunnel(["--congestion", "reno"]);
  for (const host of [t.server, t.client]) {
    assert.match(await host.sh("ss -tin"), /\n\s+reno /);
  }
  for (const end of [t.serverProcess, t.clientProcess]) {
    assert.match(end.output, / authenticated .* congestion=reno /);
  }
  const client = ["client", "-s", SERVER, "--once"];
  for (const args of [client, ["proxy", "client", "-s", "192.0.2.1"], ["proxy", "server"]]) {
    for (
      const [name, words] of [["nonesuch", /this kernel does not have it/], ["B A D", /name/]]
    ) {
      const { code, stderr } = await runTtun(t.client, [...args, "--congestion", name as string]);
      assert.deepEqual([code, (words as RegExp).test(stderr)], [2, true], stderr);
    }
  }
});

test("by itself a tunnel between two namespaces does not pace, and system leaves what there is", async () => {
  await using hosts = await twoHosts();
  const system = await hasBbr(hosts.server) ? "bbr" : "reno";
  for (const host of [hosts.server, hosts.client]) await setSystem(host, system);
  await using server = await startServer(hosts.server);
  for (const [choice, wanted] of [["auto", /^(cubic|reno)$/], ["system", `^${system}$`]] as const) {
    await using client = startTtun(hosts.client, "client", SERVER, "--congestion", choice);
    await client.waitFor(/authenticated/);
    const [name] = await congestionOf(hosts.client, "dport = :20203");
    assert.match(name!, new RegExp(wanted));
    assert.match(client.output, new RegExp(` authenticated .* congestion=${name} `));
  }
  assert.match(server.output, / authenticated .* congestion=(cubic|reno) /);
});

test({
  name: "by itself a tunnel over a long path has BBR at both ends where the kernel has it",
  ignore: !hasCc,
  fn: async () => {
    await using far = await farHosts();
    const { hosts, wanted } = far;
    for (const more of [["--mptcp=false"], ["--mptcp"]]) {
      await using server = await startServer(hosts.server, ...more);
      await using client = startTtun(hosts.client, "client", FAR_SERVER, ...more);
      for (const end of [server, client]) {
        await end.waitFor(new RegExp(` authenticated .* congestion=${wanted} `));
      }
      for (const [host, way] of [[hosts.server, "sport"], [hosts.client, "dport"]] as const) {
        assert.deepEqual(await congestionOf(host, `${way} = :20203`), [wanted], more[0]);
      }
    }
  },
});

test({
  name: "a proxy's two ends have BBR between them, programs and targets the system's",
  ignore: !hasCc,
  fn: async () => {
    await using far = await farHosts();
    const { hosts, wanted } = far;
    const start = (host: Host, ...args: string[]) => {
      const [command, all] = proxyCommand(...args, "-v", "-r", RANGE);
      return host.spawn(command, all, { env: ENV });
    };
    await using server = start(hosts.server, "server", "--allow", "127.0.0.0/8");
    await server.waitFor(/ ports {2}open=/);
    await using client = start(hosts.client, "client", FAR_SERVER);
    await client.waitFor(/ listening /);
    for (const end of [server, client]) {
      const text = wanted === "bbr" ? '"bbr, under 1 ms reno"' : "reno";
      assert.match(end.output, new RegExp(` proxy (client|server) .* congestion=${text}`));
    }
    const holds = `for await (const one of Deno.listen({ port: ${TARGET_PORT} })) console.log(one)`;
    await using _target = hosts.server.spawn(Deno.execPath(), ["eval", holds]);
    await hosts.server.sh(
      `until ss -Hltn 'sport = :${TARGET_PORT}' | grep -q .; do sleep 0.1; done`,
    );
    const url = `http://127.0.0.1:${TARGET_PORT}/`;
    await using _curl = hosts.client.spawn("curl", ["-x", "socks5h://127.0.0.1:1080", url]);
    await server.waitFor(/ connect /);
    const between = "dst 198.51.100.0/24";
    for (const host of [hosts.server, hosts.client]) {
      assert.deepEqual(await congestionOf(host, between), [wanted]);
    }
    assert.deepEqual(await congestionOf(hosts.server, `dport = :${TARGET_PORT}`), ["reno"]);
    assert.deepEqual(await congestionOf(hosts.client, "sport = :1080"), ["reno"]);
  },
});

test({
  name: "peers over a long path have BBR at both ends, with a key and without",
  ignore: !hasCc,
  fn: async () => {
    await using far = await farHosts();
    const { hosts: { server, client }, wanted } = far;
    const files = { input: "/dev/zero", output: "/dev/null" };
    const addresses = ["198.51.100.1", "198.51.100.2"] as const;
    for (const env of [NO_KEY, ENV]) {
      const start = (host: Host, i: 0 | 1) => {
        const args = ["-v", "-myip", addresses[i], "-peerip", addresses[1 - i]!];
        return startPipe(host, files, args, env);
      };
      await using first = start(server, 0);
      await using second = start(client, 1);
      for (const end of [first, second]) await end.waitFor(/Connected to peer!/, 30_000);
      for (const host of [server, client]) {
        // Of two connections that were made at once one may be on its way out.
        const info = "ss -Htin state established 'sport = :54312'";
        await host.sh(`until [ "$(${info} | grep -c wscale)" = 1 ]; do sleep 0.1; done`);
        // Where SYNs cross, Linux counts from its SYN-ACK on, so that the path may look short.
        const looksShort = / minrtt:0(\.\d+)? /.test(await host.sh(info));
        const expected = looksShort ? "reno" : wanted;
        assert.deepEqual(await congestionOf(host, "sport = :54312"), [expected]);
      }
      for (const end of [first, second]) end.signal("SIGKILL");
      await Promise.all([first.status, second.status]);
    }
  },
});
