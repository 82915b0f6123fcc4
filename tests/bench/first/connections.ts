/** New connections by a pair of ends that have served nobody: by one load program, and by real curl. */
import type { Host } from "../../netns.ts";
import type { Pair, ReadyContender } from "../proxy/contender.ts";
import { runSeconds } from "../proxy/family.ts";
import { runLoad, withPair } from "../proxy/measure.ts";
import { spawnEnd, untilListening } from "../proxy/ends.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";

const WORKERS = 32;
/** How many connections in all, and at which counts it is looked at the time. */
const STEPS = [100, 1000, 10_000];

const WEB_PORT = 8080;
/** Requests by curl: the first ones, and those after STEPS' last. */
const CURLS = 200;
const WARM_CURLS = 4000;
const CURL_MS = 60_000;

/** Connections a second: the first hundred, those up to a thousand, those up to ten thousand. */
export interface ConnectionFigures {
  to100: number;
  to1000: number;
  to10000: number;
}

export function measureConnections(
  contender: ReadyContender,
  congestion: string,
): Promise<ConnectionFigures> {
  return withPair(contender, async (host, pair) => {
    const times = await runLoad<number[]>(host, pair, ["count", WORKERS, ...STEPS]);
    const rates = STEPS.map((count, i) => {
      const [from, since] = i === 0 ? [0, 0] : [STEPS[i - 1]!, times[i - 1]!];
      return (count - from) / (times[i]! - since) * 1000;
    });
    return { to100: rates[0]!, to1000: rates[1]!, to10000: rates[2]! };
  }, congestion);
}

/** Requests a second by curl processes, and CPU milliseconds of both ends for a request. */
export interface CurlFigures {
  cold: number;
  coldCpu: number;
  warm: number;
  warmCpu: number;
}

/**
 * Requests by so many curl processes at a time to nginx, each over a connection of its own.
 * `loops`: so many endless loops run beside it.
 */
export function measureCurl(
  contender: ReadyContender,
  processes: number,
  loops: number,
  files: TemporaryFiles,
  congestion: string,
): Promise<CurlFigures> {
  return withPair(contender, async (host, pair) => {
    await using cleanup = new AsyncDisposableStack();
    cleanup.use(await startNginx(host, files.makeFolder("nginx")));
    for (let i = 0; i < loops; i++) cleanup.use(host.spawn("sh", ["-c", "while :; do :; done"]));
    const cold = await curls(host, pair, CURLS, processes);
    await runLoad<number[]>(host, pair, ["count", WORKERS, STEPS.at(-1)!]);
    const warm = await curls(host, pair, WARM_CURLS, processes);
    return {
      cold: cold.perSecond,
      coldCpu: cold.cpuMs,
      warm: warm.perSecond,
      warmCpu: warm.cpuMs,
    };
  }, congestion);
}

async function curls(
  host: Host,
  pair: Pair,
  count: number,
  processes: number,
): Promise<{ perSecond: number; cpuMs: number }> {
  const proxy = pair.socksPort === null ? "" : `-x socks5h://127.0.0.1:${pair.socksPort}`;
  const each = Math.ceil(count / processes);
  const command = `seq ${processes} | xargs -P ${processes} -I{} curl -sf -o /dev/null ` +
    `-H 'Connection: close' ${proxy} 'http://127.0.0.1:${WEB_PORT}/?[1-${each}]'`;
  const before = cpuOf(pair);
  const began = performance.now();
  await host.sh(command, { timeoutMs: CURL_MS });
  const seconds = (performance.now() - began) / 1000;
  const made = each * processes;
  return { perSecond: made / seconds, cpuMs: (cpuOf(pair) - before) * 1000 / made };
}

function cpuOf(pair: Pair): number {
  return pair.server === null ? NaN : runSeconds(pair);
}

/** nginx with a page of a few bytes, one worker, without any configuration of the machine's. */
async function startNginx(host: Host, folder: string): Promise<AsyncDisposable> {
  await Deno.writeTextFile(`${folder}/index.html`, "hello\n");
  await Deno.chmod(folder, 0o755);
  await Deno.writeTextFile(
    `${folder}/nginx.conf`,
    `user root; daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
     events { worker_connections 4096; }
     http {
       access_log off;
       client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c;
       uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
       server { listen 127.0.0.1:${WEB_PORT} backlog=4096; root ${folder}; }
     }`,
  );
  const nginx = spawnEnd(host, "nginx", ["-c", `${folder}/nginx.conf`, "-e", "stderr"]);
  await untilListening(host, nginx, WEB_PORT);
  return nginx;
}
