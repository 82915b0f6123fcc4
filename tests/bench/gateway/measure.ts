import type { Host } from "../../netns.ts";
import { familyOf } from "../proxy/family.ts";
import * as proc from "../../proc.ts";
import { type Contender, NAME } from "./contender.ts";

export interface Figures {
  readonly h1: Load;
  readonly h2: Load;
  /** MB/s of one stream. */
  readonly down: { readonly h1: number; readonly h2: number };
  readonly up: { readonly h1: number; readonly h2: number };
  /** Connections with a handshake and one request each. */
  readonly handshakes: Load;
}

export interface Load {
  readonly perSecond: number;
  /** CPU microseconds of all of the contender's processes for one. */
  readonly cpuUs: number;
}

/** Fields that a browser sends. */
const FIELDS = [
  "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120 Safari/537.36",
  "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "accept-language: en-US,en;q=0.5",
  "sec-fetch-dest: document",
  "sec-fetch-mode: navigate",
  "cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
].flatMap((field) => ["-H", field]);

const HANDSHAKES = 500;

/** `seconds`: of each load; `large`: the file for uploads. */
export async function measure(
  host: Host,
  at: Contender,
  { seconds, large }: { readonly seconds: number; readonly large: string },
): Promise<Figures> {
  const load = async (...args: string[]) => await loadOf(host, at, [...args, ...FIELDS]);
  const timed = (...args: string[]) => load(...args, "-D", String(seconds));
  await load("-n", "10000", "-c", "8", "-m", "8"); // code and pools are warm
  const h1 = await timed("--h1", "-c", "16");
  const h2 = await timed("-c", "4", "-m", "25");
  const handshakes = await load("--h1", "-n", String(HANDSHAKES), "-c", String(HANDSHAKES));
  return {
    ...{ h1, h2, handshakes },
    down: await bothWays((version) => speed(host, at, version, `${NAME} /large`, [])),
    up: await bothWays((version) => speed(host, at, version, at.upload, ["-T", large])),
  };
}

async function bothWays(run: (version: string) => Promise<number>) {
  return { h1: await run("--http1.1"), h2: await run("--http2") };
}

async function loadOf(host: Host, { port, processes }: Contender, args: string[]): Promise<Load> {
  const cpu = () => {
    const all = processes.flatMap(({ pid }) => familyOf(pid));
    return all.reduce((sum, pid) => sum + proc.runSeconds(pid), 0);
  };
  const before = cpu();
  const to = [`--connect-to=127.0.0.1:${port}`, `https://${NAME}:${port}/`];
  const { stdout, stderr } = await host.run("h2load", ["-t", "1", ...args, ...to]);
  const [, perSecond] = /finished in .*?, ([\d.]+) req\/s/.exec(stdout) ?? [];
  const [, done] = /requests: .* (\d+) succeeded/.exec(stdout) ?? [];
  const [, failed] = /(\d+) failed/.exec(stdout) ?? [];
  if (perSecond === undefined || failed !== "0") throw new Error(`h2load: ${stdout}${stderr}`);
  return { perSecond: Number(perSecond), cpuUs: (cpu() - before) * 1e6 / Number(done) };
}

/** MB/s of the better of two runs of curl. */
async function speed(
  host: Host,
  { port }: Contender,
  version: string,
  where: string,
  args: readonly string[],
): Promise<number> {
  const [name, path] = where.split(" ");
  let best = 0;
  for (let i = 0; i < 2; i++) {
    const { stdout, stderr } = await host.run("curl", [
      ...["-sSk", version, "-o", "/dev/null", "--resolve", `${name}:${port}:127.0.0.1`],
      ...["-H", "Expect:", "-w", "%{http_code} %{speed_download} %{speed_upload}", ...args],
      `https://${name}:${port}${path}`,
    ]);
    const [code, down, up] = stdout.split(" ");
    if (code !== "200") throw new Error(`curl: ${stdout}${stderr}`);
    best = Math.max(best, Number(args.length > 0 ? up : down) / 1e6);
  }
  return best;
}
