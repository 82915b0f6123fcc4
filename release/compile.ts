import manifest from "../deno.json" with { type: "json" };
import type { Program } from "./bundle.ts";
import { fileFormat, FORMAT_BYTES } from "./file_format.ts";
import { hostTarget, type Target } from "./targets.ts";

/** Permissions of all commands together; a running one gives up those that it does not need. */
const PERMISSIONS = [
  "--allow-ffi",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-sys=uid,hostname",
  `--allow-env=${allVariables().join(",")}`,
  "--no-prompt",
  "--unstable-net", // QUIC
];

/** The variables of all permission sets of deno.json. */
function allVariables(): string[] {
  const sets: { env?: string[] }[] = Object.values(manifest.permissions);
  return [...new Set(sets.flatMap(({ env }) => env ?? []))];
}

/** Programs that set Linux's packet filter, name servers and desktops, and that start services. */
const LINUX_PROGRAMS = [
  ...["gsettings", "kreadconfig5", "kreadconfig6", "kwriteconfig5", "kwriteconfig6", "dbus-send"],
  ...["nft", "iptables", "ip6tables", "resolvectl", "resolvconf"],
  ...["systemctl", "journalctl", "rc-service", "rc-update", "tail"],
];

/** Where systems have them. */
const LINUX_RUNS = LINUX_PROGRAMS.flatMap((name) =>
  ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map((folder) => `${folder}/${name}`)
);

/**
 * Programs that a command may run: the hooks' shell, what configures a device or the machine, and ssh
 * where it takes no place of ttun's (Linux).
 */
const RUNS: Readonly<Record<Target["format"], string>> = {
  ELF: ["/bin/sh", ...LINUX_RUNS].join(","),
  "Mach-O": "/bin/sh,/sbin/ifconfig,/sbin/route,/usr/sbin/networksetup,/usr/bin/ssh",
  PE: "cmd.exe,netsh,reg,ssh",
};

/** A download of Deno's runtime is part of it: not for ever. */
const COMPILE_TIMEOUT = 10 * 60_000;
const RUN_TIMEOUT = 30_000;

export interface Compiler {
  /** The Deno that compiles. */
  readonly deno: string;
  /** A runtime for this machine's target, or undefined: the compiler finds one itself. */
  readonly denort: string | undefined;
  /** The version that the file must print. */
  readonly version: string;
  readonly program: Program;
}

/** The root of the project, where `deno compile` runs. */
const ROOT = new URL("..", import.meta.url).pathname;

/**
 * Compiles for a target into `file`, and looks at what came out. Returns the reason when there is
 * none that can be given to anyone; the file is then not there.
 */
export async function compile(target: Target, file: string, by: Compiler): Promise<string | null> {
  await Deno.remove(file).catch(ignoreMissing);
  const isHost = target.triple === hostTarget()?.triple;
  const env = { NO_COLOR: "1", ...(isHost && by.denort ? { DENORT_BIN: by.denort } : {}) };
  const args = ["compile", "--no-check", "--target", target.triple, ...PERMISSIONS];
  // Otherwise the file loads machine-readable code from /tmp/NAME.cache, which anybody could have
  // put there, and runs it with ttun's rights and keys.
  args.push("--no-code-cache");
  args.push(`--allow-run=${RUNS[target.format]}`);
  const { main, included } = by.program;
  const made = await run(
    by.deno,
    [...args, ...included.flatMap((path) => ["--include", path]), "-o", file, main],
    COMPILE_TIMEOUT,
    env,
  );
  const problem = made.code === 0
    ? await fileProblem(target, file, by.version)
    : compileProblem(made.output, isHost);
  if (problem !== null) await Deno.remove(file).catch(ignoreMissing);
  return problem;
}

/** Checks a compiled file: what is wrong with it, or null. */
async function fileProblem(target: Target, file: string, version: string): Promise<string | null> {
  const found = fileFormat(await firstBytes(file));
  if (found === null) return "the file is no executable";
  if (found.format !== target.format || found.machine !== target.machine) {
    return `the file is for another system: ${found.format}, ${found.machine}`;
  }
  if (target.triple !== hostTarget()?.triple) return null;
  const { code, output } = await run(file, ["--version"], RUN_TIMEOUT, {});
  if (code !== 0 || output.trim() !== `ttun ${version}`) {
    return `the file does not run (code ${code}): ${reasonIn({ output })}; ` +
      "is DENORT_BIN of the compiler's version?";
  }
  return null;
}

async function firstBytes(file: string): Promise<Uint8Array> {
  using opened = await Deno.open(file);
  const bytes = new Uint8Array(FORMAT_BYTES);
  return bytes.subarray(0, await opened.read(bytes) ?? 0);
}

async function run(
  command: string,
  args: string[],
  timeoutMs: number,
  env: Record<string, string>,
): Promise<{ code: number; output: string }> {
  // Of our own environment a runtime for another target must not be left.
  const { DENORT_BIN: _, ...inherited } = Deno.env.toObject();
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd: ROOT,
    clearEnv: true,
    env: { ...inherited, ...env },
    stdin: "null",
    signal: AbortSignal.timeout(timeoutMs),
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Why the compiler made no file. `isHost`: it is for this machine. */
function compileProblem(output: string, isHost: boolean): string {
  const [, url, version] = /(https?:\/\/\S+\/v([\d.]+)\/denort-[^\s)]+)/.exec(output) ?? [];
  const reason = causeIn(output);
  if (url === undefined || reason === undefined) return reasonIn({ output });
  const cure = isHost
    ? `DENORT_BIN=FILE names a denort of Deno ${version} that is here already`
    : "build it where that address can be reached";
  return `Deno's runtime, ${url}, cannot be fetched (${reason}); ${cure}`;
}

/** Deno's own words for the failure, and its deepest cause. */
function reasonIn({ output }: { output: string }): string {
  const lines = linesOf(output);
  const first = lines.find((line) => /^error\b/i.test(line)) ?? lines[0] ?? "no output";
  const cause = causeIn(output);
  return cause === undefined ? first : `${first}: ${cause}`;
}

/** The last of the causes that Deno numbers; where it has a backtrace, that is numbered as well. */
function causeIn(output: string): string | undefined {
  return linesOf(output).findLast((line) => /^\d+: /.test(line))?.replace(/^\d+: /, "");
}

function linesOf(output: string): string[] {
  const [told] = output.split(/^Stack backtrace:$/m);
  return told!.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
