import { toTtunError, TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { type RatedReport, withRates } from "../../core/status/rates.ts";
import type { StatusReport } from "../../core/status/report.ts";
import type { RunContext } from "../command/context.ts";
import { escapeControls, printPlain } from "../output/log_writer.ts";
import { print } from "../output/stdout.ts";
import { statusDump } from "./dump.ts";
import { ask, findSockets } from "./query.ts";
import type { StatusCommandFlags } from "./options.ts";
import { statusLine, statusText } from "./text.ts";

/** Milliseconds between the two reports that rates are worked out of. */
const SAMPLE_MS = 500;

/** Milliseconds between two outputs of --watch. */
const WATCH_MS = 2000;

/** Erases the screen and goes to its beginning (ECMA-48: ED, CUP). */
const CLEAR = "\x1b[2J\x1b[H";

/** Reports by their sockets' paths. */
type Reports = ReadonlyMap<string, StatusReport>;

/** Prints the status of running programs. @throws {TtunError} unreachable, if there is none */
export async function runStatus(
  { name, json, dump, watch, streams }: StatusCommandFlags,
  { signal }: RunContext,
): Promise<number> {
  if (Deno.build.os !== "linux") {
    throw new TtunError("system", "Cannot tell a status here: status sockets are for Linux so far");
  }
  const clear = watch && !json && !dump && Deno.stdout.isTerminal() ? CLEAR : "";
  let before = await collect(name, { streams: false, signal });
  for (let isFirst = true;; isFirst = false) {
    await sleep(isFirst ? SAMPLE_MS : WATCH_MS, signal);
    const after = await collect(name, { streams, signal });
    await print(clear + outputOf(ratedOf(before, after), { json, dump, streams }), signal);
    if (!watch) return 0;
    before = after;
  }
}

/** A program that does not answer hides no other. @throws {TtunError} unreachable, timeout, … */
async function collect(
  name: string | undefined,
  { streams, signal }: { streams: boolean; signal: AbortSignal },
): Promise<Reports> {
  const reports = new Map<string, StatusReport>();
  const failures: TtunError[] = [];
  await Promise.all(
    findSockets(name).map(async (path) => {
      try {
        const report = await ask(path, { request: "status", streams }, signal);
        if (report !== null) reports.set(path, report);
      } catch (thrown) {
        signal.throwIfAborted();
        failures.push(toTtunError(thrown));
      }
    }),
  );
  if (reports.size === 0 && failures.length > 0) throw failures[0]!;
  for (const { message } of failures) printPlain(`ttun: ${message}`);
  if (reports.size > 0) return reports;
  const which = name === undefined ? "No ttun runs here" : `No ttun of the name ${name} runs here`;
  throw new TtunError(
    "unreachable",
    `${which} that tells this user its status; root sees root's and those of systemd, others see ` +
      "their own",
  );
}

/** A program that has begun in between has no earlier report than its first one. */
function ratedOf(before: Reports, after: Reports): RatedReport[] {
  return Array.from(after, ([path, report]) => withRates(before.get(path) ?? report, report))
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

function outputOf(
  reports: readonly RatedReport[],
  { json, dump, streams }: { json: boolean; dump: boolean; streams: boolean },
): string {
  if (dump) return reports.map(statusDump).join("");
  if (json) return reports.map((report) => `${escapeControls(JSON.stringify(report))}\n`).join("");
  if (reports.length === 1 || streams) return reports.map(statusText).join("\n");
  return reports.map((report) => `${statusLine(report)}\n`).join("");
}

/** @throws the signal's reason */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}
