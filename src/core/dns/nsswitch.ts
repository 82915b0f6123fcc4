/** The status of a module's lookup (nsswitch.conf(5)). */
export type LookupStatus = "success" | "notfound" | "unavail" | "tryagain";

/** A module, and the outcomes that end the question with it. */
export interface SwitchEntry {
  readonly module: string;
  readonly ends: ReadonlySet<LookupStatus>;
}

const STATUSES: readonly LookupStatus[] = ["success", "notfound", "unavail", "tryagain"];
const MOST_ENTRIES = 16;

/** Order of the C library without a file, or without a `hosts` line. */
const DEFAULT = "files dns";

/** Reads the modules that hosts are asked for; null = there is no file. */
export function parseNsswitch(text: string | null): readonly SwitchEntry[] {
  const line = (text ?? "").split("\n").map((line) => line.replace(/#.*$/, ""))
    .map((line) => /^[ \t]*hosts[ \t]*:(.*)$/.exec(line)?.[1]).find((found) => found !== undefined);
  const entries = readEntries(line ?? "");
  return entries.length > 0 ? entries : readEntries(DEFAULT);
}

function readEntries(text: string): SwitchEntry[] {
  const entries: { module: string; ends: Set<LookupStatus> }[] = [];
  for (const [, actions, module] of text.matchAll(/\[([^\]]*)\]?|([^\s[]+)/g)) {
    const last = entries.at(-1);
    if (module !== undefined && entries.length < MOST_ENTRIES) {
      entries.push({ module: module.toLowerCase(), ends: new Set(["success"]) });
    } else if (actions !== undefined && last !== undefined) readActions(actions, last.ends);
  }
  return entries;
}

/** Reads actions like `NOTFOUND=return` and `!UNAVAIL=return`; others than `return` go on. */
function readActions(text: string, ends: Set<LookupStatus>): void {
  for (const [, not, name, action] of text.matchAll(/(!?)\s*([a-z]+)\s*=\s*([a-z]+)/gi)) {
    const named = name!.toLowerCase();
    for (const status of STATUSES) {
      if ((status === named) === (not === "!")) continue;
      if (action!.toLowerCase() === "return") ends.add(status);
      else ends.delete(status);
    }
  }
}
