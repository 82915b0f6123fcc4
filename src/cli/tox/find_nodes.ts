import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { joinNodes, nodeListTime, parseNodeList, type ToxPlace } from "../../core/tox/node_list.ts";
import { readKept } from "./kept_file.ts";
import { mayKeepState, readState, stateDirectory, writeState } from "../platform/state_file.ts";
import { NODES, NODES_AT } from "./nodes.ts";

/** The name of the list that is kept in the state directory. */
const FILE = "tox-nodes.json";

/** Bytes; one of the network has 20 000. */
export const MOST_LIST_BYTES = 1024 * 1024;

const DAY_MS = 24 * 60 * 60 * 1000;

/** Days after which most nodes of a list may be gone. */
const OLD_DAYS = 365;

/** Nodes by which the network is looked for, and how old their list is. */
export interface FoundNodes {
  readonly places: readonly ToxPlace[];
  /** Where they are from, in words. */
  readonly from: string;
  /** Time of the newest list among them, in milliseconds since 1970. */
  readonly at: number;
}

/** A list that was read, and its time in milliseconds since 1970. */
interface DatedList {
  readonly places: readonly ToxPlace[];
  readonly at: number;
}

/**
 * Reads the nodes of a file, and keeps its list for starts without one; undefined = those of the list
 * that is kept, and those in ttun. @throws {TtunError} usage, privilege, for a file that is none
 */
export function findNodes(file: string | undefined, log: Logger): FoundNodes {
  const found = file === undefined ? withoutFile(log) : ofFile(file, log);
  const age_days = ageOf(found.at);
  log.info("Tox nodes", { of: found.from, nodes: found.places.length, age_days });
  if (age_days > OLD_DAYS) {
    log.warn("The list of Tox nodes is old: ttun tox nodes --update fetches a new one", {
      age_days,
    });
  }
  return found;
}

/** Days, whole ones. */
export function ageOf(at: number, now: number = Date.now()): number {
  return Math.max(0, Math.floor((now - at) / DAY_MS));
}

function ofFile(path: string, log: Logger): FoundNodes {
  const file = readKept(path, MOST_LIST_BYTES, "the list of Tox nodes");
  if (file === null) throw new TtunError("usage", `Cannot read ${path}: there is no such file`);
  const text = new TextDecoder().decode(file.bytes);
  const { places, at } = dated(text, file.info.mtime);
  const why = keepNodes(text);
  if (why !== null) log.debug("The list of Tox nodes is not kept", { why });
  return { places, from: path, at };
}

function withoutFile(log: Logger): FoundNodes {
  const kept = readKeptNodes(log);
  if (kept === null) return { places: NODES, from: "ttun's list", at: NODES_AT };
  const places = joinNodes(kept.places, NODES);
  return { places, from: "the kept list and ttun's", at: Math.max(kept.at, NODES_AT) };
}

/** Returns the list that is kept; null = there is none. */
export function readKeptNodes(log: Pick<Logger, "warn">): DatedList | null {
  const folder = stateDirectory();
  if (folder === null || !mayKeepState(folder)) return null;
  const text = readState(folder, FILE, MOST_LIST_BYTES);
  if (text === "") return null;
  try {
    return dated(text, Deno.statSync(`${folder}/${FILE}`).mtime);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    log.warn("The kept list of Tox nodes is damaged", { why: error.message });
    return null;
  }
}

/** Keeps a list that `parseNodeList` takes. Returns why it could not be kept, or null. */
export function keepNodes(text: string): string | null {
  const folder = stateDirectory();
  if (folder === null) return "there is no HOME and no STATE_DIRECTORY";
  if (!mayKeepState(folder)) {
    return `Deno was started without the right to read and write ${folder}`;
  }
  return writeState(folder, FILE, text);
}

/** @throws {TtunError} usage, if it is no list of nodes */
function dated(text: string, mtime: Date | null): DatedList {
  const places = parseNodeList(text);
  return { places, at: nodeListTime(text) ?? mtime?.getTime() ?? 0 };
}
