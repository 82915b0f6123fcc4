import { existsSync } from "node:fs";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { serveStatus } from "../../app/status/status_server.ts";
import type { ForwardRequest } from "../../core/status/messages.ts";
import {
  type EndStatus,
  MOST_LISTED_STREAMS,
  type ReportWishes,
  STATUS_VERSION,
} from "../../core/status/report.ts";
import { bindPath, removeStale } from "../../io/unix/socket_path.ts";
import { listenError } from "../../io/unix/unix_errors.ts";
import { UnixListener } from "../../io/unix/unix_listener.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import { whyNotOurs } from "../platform/folders.ts";
import { isGranted } from "../platform/permissions.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { realFolder } from "./folders.ts";
import { socketPath, type StatusPlace, SUFFIX } from "./place.ts";

/** Milliseconds; a socket that refuses connections is surely left behind when it is older. */
const STALE_MS = 60_000;

/** The root user's number. */
const ROOT = 0;

export interface StatusTools {
  readonly platform: Pick<SocketPlatform, "reactor" | "clock">;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Closes the socket. */
  readonly opened: AsyncDisposableStack;
}

export interface StatusSource {
  describe(wishes: ReportWishes): EndStatus;
  /** Adds or removes a forward. @throws {TtunError} usage, in_use, privilege, unreachable */
  changeForwards(request: ForwardRequest): MaybePromise<void>;
}

/**
 * Opens the status socket and answers requests from then on. All else works without the socket: a
 * failure is for the log alone.
 */
export function openStatus(place: StatusPlace, tools: StatusTools, source: StatusSource): void {
  const { platform: { reactor, clock }, log, signal, opened } = tools;
  const say = place.isNamed ? log.info : log.debug;
  if (reactor === null) return say("no status socket: it takes native calls");
  try {
    const { name, command, pid } = place;
    const stop = new AbortController();
    const life = AbortSignal.any([signal, stop.signal]);
    const listener = opened.use(listen(place, reactor, log, life));
    const began = clock.now();
    const serving = serveStatus({
      listener,
      clock,
      log,
      signal: life,
      answer: async (request) => {
        if (request.request !== "status") await source.changeForwards(request);
        const hasStreams = request.request === "status" && request.streams;
        const mostStreams = hasStreams ? MOST_LISTED_STREAMS : null;
        const status = source.describe({ mostStreams, isWhole: true });
        const seconds = (clock.now() - began) / 1000;
        return { version: STATUS_VERSION, name, command, pid, seconds, ...status };
      },
    }).catch((error) => {
      if (!life.aborted) log.debug(`The status socket is closed: ${error}`);
    });
    opened.defer(async () => {
      stop.abort();
      await serving;
    });
  } catch (thrown) {
    if (signal.aborted) return; // the start was given up
    if (!(thrown instanceof Error)) throw thrown;
    say("no status socket", { why: thrown.message });
  }
}

/** @throws {Error} if the folder is not fit, or the name is in use */
function listen(
  { folder, name }: StatusPlace,
  reactor: Reactor,
  log: Logger,
  signal: AbortSignal,
): UnixListener {
  const { libc } = reactor;
  signal.throwIfAborted();
  prepareFolder(folder, libc.geteuid());
  removeOld(libc, folder);
  const path = socketPath(folder, name);
  try {
    return new UnixListener(reactor, {
      path,
      name: path,
      bound: bindPath(libc, path),
      // After --user it stays, until another ttun removes it.
      log: { warn: log.debug },
      signal,
      admits: (uid) => uid === ROOT || uid === libc.geteuid(),
    });
  } catch (thrown) {
    throw listenError(thrown, path);
  }
}

/** Makes the folder, its owner's alone, unless it is there. @throws {Error} if others may write to it */
function prepareFolder(folder: string, uid: number): void {
  const refuse = (why: string): never => {
    throw new TtunError("usage", `Cannot use the folder ${folder}: ${why}`);
  };
  const why = whyNotOurs(folder);
  if (why !== null) refuse(why);
  const mayRead = isGranted({ name: "read", path: folder });
  if (!mayRead) refuse("Deno was started without --allow-read for it");
  const isThere = existsSync(folder);
  if (!isThere && !isGranted({ name: "write", path: folder })) {
    refuse("it is not there, and Deno was started without --allow-write for it");
  }
  if (!isThere) Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const info = Deno.lstatSync(realFolder(folder));
  if (!info.isDirectory) refuse("it is no folder");
  if (info.uid !== uid) refuse(`it belongs to user ${info.uid}`);
  if ((info.mode! & 0o022) !== 0) refuse("others may write to it");
}

/** Removes sockets that ended programs of this user have left behind. */
function removeOld(libc: Libc, folder: string): void {
  for (const { name, isFile, isDirectory } of Deno.readDirSync(folder)) {
    if (isFile || isDirectory || !name.endsWith(SUFFIX)) continue;
    const path = `${folder}/${name}`;
    if (isOld(path)) removeStale(libc, path);
  }
}

function isOld(path: string): boolean {
  try {
    const { mtime } = Deno.lstatSync(path);
    return mtime !== null && Date.now() - mtime.getTime() > STALE_MS;
  } catch {
    return false; // its program has just ended
  }
}
