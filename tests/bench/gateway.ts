/**
 * `deno task bench:gateway [rounds] [seconds] [websockets]`: visitor, node, agent, service by ttun mesh,
 * beside nginx and Caddy as reverse proxies with TLS, and `ssh -R` behind nginx, each by fresh processes
 * in a namespace of its own that has nothing but `lo`: requests per second of HTTP/1.1 and HTTP/2 with a
 * browser's fields (h2load), what they cost in CPU, one stream down and up (curl), handshakes; and of
 * ttun the time from `publish` to the first answer, and the memory of idle tunnels and websockets.
 * Prints medians, and what they say about the targets; progress goes to standard error. By default 3
 * rounds of 4 seconds and 10 000 websockets: some ten minutes.
 *
 * Needs root and: apt-get install nginx-light nghttp2-client openssh-server curl, and node. Debian's
 * caddy is unpacked, not installed.
 */
import { Host } from "../netns.ts";
import { provideExtras } from "../runner/extras.ts";
import { selfSigned } from "../suite/certificates.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { type Certificate, type Contender, NAME, PAGE_PORT } from "./gateway/contender.ts";
import { idleSockets, idleTunnels } from "./gateway/idle.ts";
import { type Figures, measure } from "./gateway/measure.ts";
import { reportOf } from "./gateway/report.ts";
import { caddyProxy, nginxProxy, sshProxy, startServices } from "./gateway/rivals.ts";
import { ttunGateway } from "./gateway/ttun.ts";
import { lookAtOthers } from "./proxy/others.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";

const TUNNELS = 900;

const [rounds = 3, seconds = 4, websockets = 10_000] = Deno.args.map(Number);
if (!(rounds > 0) || !(seconds > 0) || !(websockets >= 0)) {
  throw new Error("Usage: deno task bench:gateway [rounds] [seconds] [websockets]");
}
await provideExtras(["caddy", "nginx-light", "nghttp2-client", "openssh-server"]);

using files = new TemporaryFiles();
using certificate = selfSigned(`DNS:${NAME}`);
const found = new Map<string, Figures[]>();
const published: number[] = [];
const others: number[] = [];
type Start = (
  host: Host,
  folder: string,
  certificate: Certificate,
) => Promise<Contender & AsyncDisposable>;
const CONTENDERS: readonly Start[] = [
  nginxProxy,
  caddyProxy,
  sshProxy,
  async (host, folder) => {
    const gateway = await ttunGateway(host, folder);
    published.push(gateway.publishMs);
    return gateway;
  },
];
for (let round = 1; round <= rounds; round++) {
  for (const start of CONTENDERS) {
    await using host = await Host.create();
    const folder = files.makeFolder("gateway");
    await using _services = await startServices(host, folder);
    await using contender = await start(host, folder, certificate);
    const othersSoFar = lookAtOthers();
    const figures = await measure(host, contender, { seconds, large: `${folder}/large` });
    others.push(othersSoFar());
    found.set(contender.name, [...found.get(contender.name) ?? [], figures]);
    console.error(`round ${round}: ${contender.name}: ${JSON.stringify(figures)}`);
  }
}
console.log(reportOf(found));
console.log(
  `\nFrom \`ttun mesh publish\` to the first answer: ${format(median(published), 0)} ms.\n`,
);
console.log(await idleReport());
console.log(
  `\nMedians of ${rounds} rounds of ${seconds} s for each load. Others took ` +
    `${format(median(others) * 100, 0)} % of the machine's processors meanwhile.`,
);

async function idleReport(): Promise<string> {
  await using host = await Host.create();
  const folder = files.makeFolder("idle");
  const service = new URL("gateway/socket_service.mjs", import.meta.url).pathname;
  const script = 'ulimit -n 60000 2>/dev/null; exec node "$@"';
  await using services = host.spawn("sh", ["-c", script, "sh", service, String(PAGE_PORT)]);
  await services.waitFor(/listening/, 20_000);
  await using gateway = await ttunGateway(host, folder);
  const idle = [await idleTunnels(gateway, TUNNELS)];
  if (websockets > 0) idle.push(await idleSockets(host, gateway, websockets));
  return table(
    ["", "kB each at the node", "kB each at the agent"],
    idle.map(({ what, nodeKb, agentKb }) => [what, format(nodeKb, 1), format(agentKb, 1)]),
  );
}
