import { makeLogger } from "../base/log.ts";
import type { Runnable } from "./command/command.ts";
import { type RunContext, Stopped } from "./command/context.ts";
import { type LogSettings, makeLogPrinter } from "./output/log_writer.ts";
import { hasLiveLine } from "./output/live_wanted.ts";
import { alsoToFile, makeRecordPrinter } from "./output/start_lines.ts";
import type { Usr1 } from "./platform/debugger.ts";
import { load } from "./plane/load.ts";
import { StatusSignals } from "./plane/status_signals.ts";
import { Reloads } from "./reloads.ts";
import { reportLogged, reportPlain } from "./report.ts";
import { stopOnSignals } from "./signals.ts";

/** Runs a command with its log, and with the meaning of signals. Returns the exit code. */
export async function supervise(
  command: Runnable,
  origin: Pick<RunContext, "hasSecretArguments" | "secretsHidden" | "fileSecrets" | "reread">,
  usr1: Usr1 | null,
): Promise<number> {
  const settings: LogSettings = command.logging ?? { level: "info", format: "text" };
  await using logFile = settings.file === undefined ? null : await openLogFile(settings.file);
  using systemLog = settings.toSystem === true ? await openSystemLog(settings) : null;
  using live = await openLive(settings);
  const terminal = makeRecordPrinter(settings);
  const elsewhere = logFile !== null
    ? makeLogPrinter(settings, { color: false }, logFile.output)
    : systemLog?.isConnected === true
    ? systemLog.print
    : null;
  const printer = elsewhere === null
    ? terminal
    : alsoToFile(terminal, elsewhere, settings.goesToBackground === true);
  const log = makeLogger(printer.print, Date.now);
  if (systemLog?.isConnected === false) {
    log.warn("Nobody takes the lines of --syslog: /dev/log is not there, or refuses them");
  }
  const root = new AbortController();
  const reloads = new Reloads();
  using _reopens = logFile === null ? null : reloads.on(() => logFile.reopen());
  using status = new StatusSignals(usr1, log);
  // A program with a terminal ends with it.
  let hasTerminal = [Deno.stdin, Deno.stdout, Deno.stderr].some((file) => file.isTerminal());
  const context: RunContext = {
    signal: root.signal,
    log,
    printRecord: printer.printOfPlane,
    begin: printer.begin,
    logLevel: settings.level,
    ...origin,
    ...(live !== null && { live: (ask) => live.show(ask) }),
    onStatus: (tell) => status.on(tell),
    onReload: (reload) => reloads.on(reload),
    onDetached: () => hasTerminal = false,
  };
  using _signals = stopOnSignals(
    root,
    (name) => log.debug("Stopping", { signal: name }),
    () => {
      if (hasTerminal || (command.logging === undefined && reloads.isEmpty)) return false;
      void reloads.run(log); // never rejects
      return true;
    },
  );
  using unhandled = stopOnUnhandled(root);
  try {
    const code = await command.run(context);
    if (unhandled.first === undefined) return code;
    throw unhandled.first.reason;
  } catch (error) {
    const failure = unhandled.first === undefined ? error : unhandled.first.reason;
    if (failure instanceof Stopped) return failure.exitCode;
    return command.logging === undefined ? reportPlain(failure) : reportLogged(failure, log);
  }
}

/** Returns null where there is to be no live line. */
async function openLive(settings: LogSettings) {
  if (!hasLiveLine(settings)) return null;
  const { openLiveLine } = await load(() => import("./output/open_live_line.ts"));
  return openLiveLine();
}

async function openSystemLog({ level }: LogSettings) {
  const { SystemLog } = await load(() => import("./output/system_log.ts"));
  return new SystemLog(level);
}

async function openLogFile(path: string) {
  const { LogFile } = await load(() => import("./output/log_file.ts"));
  return new LogFile(path);
}

interface Unhandled extends Disposable {
  readonly first: { readonly reason: unknown } | undefined;
}

/** An unhandled rejection is a bug; devices and routes are taken back nevertheless. */
function stopOnUnhandled(root: AbortController): Unhandled {
  let first: Unhandled["first"];
  const stop = (event: Event, reason: unknown) => {
    event.preventDefault();
    first ??= { reason };
    root.abort(reason);
  };
  const onRejection = (event: PromiseRejectionEvent) => stop(event, event.reason);
  const onError = (event: ErrorEvent) => stop(event, event.error);
  addEventListener("unhandledrejection", onRejection);
  addEventListener("error", onError);
  return {
    get first() {
      return first;
    },
    [Symbol.dispose]: () => {
      removeEventListener("unhandledrejection", onRejection);
      removeEventListener("error", onError);
    },
  };
}
