/**
 * The one test runner. Without an argument: format, lint, types, floating promises, package, then
 * the kinds of test from the quickest to the slowest. With the name of a kind: that kind alone. The
 * last line is `N passed, N failed`, and `, N skipped` when something could not run here.
 */

import { type ChildOptions, runChild, textOf } from "./runner/child.ts";
import { provideExtras } from "./runner/extras.ts";
import { failedIn, readJunit, type Tally } from "./runner/junit.ts";
import {
  isWaiting,
  JOBS,
  type Kind,
  type KindName,
  kindOf,
  KINDS,
  PACKAGE_OF,
  partsOf,
  WAITERS,
} from "./runner/kinds.ts";
import { Leftovers } from "./runner/leftovers.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const DENO = Deno.execPath();
const IN_FULL_RUN: KindName[] = ["pure", "io", "root", "e2e"];
const CHECK_MINUTES = 10;

/**
 * The lock file of what only tests import. Deno fetches all that a lock file has, so deno.lock has
 * the program's own packages alone.
 */
const TEST_LOCK = "--lock=tests/deno.lock";

const total: Tally = { passed: 0, failed: 0, skipped: 0 };
/** Names of the tests and checks that failed, told again at the end, below thousands of lines. */
const failures: string[] = [];
const interrupted = new AbortController();

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (rest.length > 0 || (name !== undefined && !isKind(name))) {
    console.error(`Usage: deno run -A tests/run.ts [${Object.keys(KINDS).join("|")}]`);
    return 2;
  }
  Deno.chdir(ROOT);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort(new Error(`Ended by ${signal}`)));
  }
  const leftovers = new Leftovers();
  try {
    if (name === undefined) await runAll(leftovers);
    else await runKind(name, leftovers, []);
    interrupted.signal.throwIfAborted();
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
  await leftovers.sweep("the run");
  title("leftovers");
  count(await leftovers.report(), "Nothing was left behind");
  if (failures.length > 0) console.log(`\nFailed:\n  ${failures.join("\n  ")}`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

function isKind(name: string): name is KindName {
  return Object.hasOwn(KINDS, name);
}

async function runAll(leftovers: Leftovers): Promise<void> {
  const changes = await textOf("git", ["status", "--porcelain"]);
  const isDirty = changes !== null && changes !== "";
  await check("format", ["fmt", "--check"], leftovers);
  await check("lint", ["lint"], leftovers);
  await check("types", ["check", TEST_LOCK, "."], leftovers);
  await check("promises", ["run", "-A", TEST_LOCK, "tests/floating_promises.ts"], leftovers);
  await check(
    "package",
    ["publish", "--dry-run", ...(isDirty ? ["--allow-dirty"] : [])],
    leftovers,
  );
  // The types have been checked: a mistake in one file shall not keep all tests from running.
  for (const kind of IN_FULL_RUN) await runKind(kind, leftovers, ["--no-check"]);
}

async function check(name: string, args: string[], { env }: Leftovers): Promise<void> {
  title(`${name}: deno ${args.join(" ")}`);
  const code = await runChild(DENO, args, {
    env,
    minutes: CHECK_MINUTES,
    signal: interrupted.signal,
  });
  count(code === 0 ? [] : [`${name} failed with code ${code}`], `${name} passed`);
}

async function runKind(name: KindName, leftovers: Leftovers, extra: string[]): Promise<void> {
  title(`${name} tests`);
  const kind: Kind = KINDS[name];
  const files = listFiles("").filter((path) => kindOf(path) === name);
  if (files.length === 0) return console.log(`There are no ${name} tests`);
  const obstacle = kind.namespace ? await namespaceObstacle() : null;
  if (obstacle !== null) {
    console.log(`Skipped ${files.length} files of ${name} tests: ${obstacle}`);
    total.skipped += files.length;
    return;
  }
  await providePrograms(kind.programs);
  await provideExtras(kind.extras ?? []);
  await runFiles(name, files, leftovers, extra);
  await leftovers.sweep(`${name} tests`);
}

/** Why tests cannot have a network namespace with TUN devices here, or null. */
async function namespaceObstacle(): Promise<string | null> {
  if (Deno.build.os !== "linux") return "they need Linux";
  if (Deno.uid() !== 0) return "they need root";
  if (!exists("/dev/net/tun")) return "there is no /dev/net/tun (modprobe tun)";
  const made = await textOf("unshare", ["-n", "--", "sh", "-c", ":"]);
  return made === null ? "`unshare -n` does not work here" : null;
}

/** Installs what the tests need and is not there; where that does not work it is a failure. */
async function providePrograms(programs: readonly string[]): Promise<void> {
  const missing = await missingOf(programs);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => PACKAGE_OF[program]!))];
  const command = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  if (Deno.uid() === 0) {
    console.log(`Missing: ${missing.join(", ")}. Running: apt-get update && ${command}`);
    const script =
      `export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && ${command} >/dev/null`;
    await textOf("sh", ["-c", script]);
  }
  for (const program of await missingOf(programs)) {
    fail(`${program} is missing: apt-get install -y ${PACKAGE_OF[program]}`);
  }
}

async function missingOf(programs: readonly string[]): Promise<string[]> {
  const there = await Promise.all(
    programs.map((name) => textOf("sh", ["-c", `command -v ${name}`])),
  );
  return programs.filter((_, i) => there[i] === null);
}

async function runFiles(
  name: KindName,
  files: string[],
  { env }: Leftovers,
  extra: string[],
): Promise<void> {
  const kind: Kind = KINDS[name];
  const limits = { env, minutes: kind.minutes, signal: interrupted.signal };
  if (kind.namespace) await fetchFor(files, limits);
  const parts = partsOf(files, kind.split);
  const isAlone = parts.length === 1;
  const waiting = parts.filter(isWaiting);
  const working = parts.filter((part) => !isWaiting(part));
  const takeFrom = async (queue: string[][]) => {
    for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
      await runPart(kind, part, isAlone, limits, extra);
    }
  };
  const takers = (count: number, queue: string[][]) =>
    Array.from({ length: count }, () => takeFrom(queue));
  await Promise.all([...takers(WAITERS, waiting), ...takers(JOBS, working)]);
}

/** One process. What it prints is shown as it comes when it is alone, else as a whole at its end. */
async function runPart(
  kind: Kind,
  files: string[],
  isAlone: boolean,
  limits: ChildOptions,
  extra: string[],
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-run-" });
  try {
    const junit = `${folder}/report.xml`;
    const outputTo = `${folder}/output`;
    const args = ["test", TEST_LOCK, ...kind.args, ...extra, `--junit-path=${junit}`, ...files];
    const command = kind.namespace ? inNamespace([DENO, ...args]) : [DENO, ...args];
    const o = isAlone ? limits : { ...limits, outputTo };
    const code = await runChild(command[0]!, command.slice(1), o);
    if (!isAlone) await Deno.stdout.write(await Deno.readFile(outputTo));
    tellReport(exists(junit) ? await Deno.readTextFile(junit) : "", code);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** From inside a namespace no package can be fetched, also not by the program that tests start. */
async function fetchFor(files: string[], limits: ChildOptions): Promise<void> {
  const product = ["main.ts", "src/cli/data_plane.ts"];
  const code = await runChild(DENO, ["cache", "--quiet", TEST_LOCK, ...product, ...files], limits);
  // Deno asks the registry for more where there is no lock file, as at users of the package.
  const unlocked = await runChild(DENO, ["cache", "--quiet", "--no-lock", ...product], limits);
  if (code !== 0 || unlocked !== 0) fail("The tests' packages cannot be fetched");
}

function inNamespace(command: string[]): string[] {
  return ["unshare", "-n", "--", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", ...command];
}

/** Adds up a report; a run that told nothing, or ended otherwise than it told, is a failure. */
function tellReport(xml: string, code: number): void {
  const { passed, failed, skipped } = readJunit(xml);
  failures.push(...failedIn(xml));
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  if (passed + failed + skipped === 0) return fail(`No test has run: deno test gave code ${code}`);
  if (code !== 0 && failed === 0) fail(`deno test gave code ${code}, though no test has failed`);
}

/** All files below a folder, as paths from the root; what is hidden or built is left out. */
function listFiles(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(ROOT + folder)) {
    if (name.startsWith(".") || ["build", "coverage", "node_modules"].includes(name)) continue;
    if (isDirectory) found.push(...listFiles(`${folder}${name}/`));
    else found.push(folder + name);
  }
  return found.sort();
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const began = performance.now();

function title(text: string): void {
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`\n── ${text} (at ${seconds} s)`);
}

/** One check: passed when there are no problems. */
function count(problems: string[], good: string): void {
  if (problems.length > 0) return fail(problems.join("\n"));
  total.passed++;
  console.log(good);
}

function fail(message: string): void {
  total.failed++;
  failures.push(message);
  console.log(`FAILED: ${message}`);
}

Deno.exit(await main(Deno.args));
