import type { Manifest } from "../../core/transfer/manifest.ts";
import { shownName, topOf } from "../../core/transfer/names.ts";
import { bytesText } from "../status/text.ts";

/** Names at the top that are shown. */
const MOST_SHOWN = 12;

/** Names that begin with a dot that are asked for. */
export const MOST_HIDDEN = 20;

/** Something that a sender offers, for the user's eyes. It crosses to the main thread. */
export interface Offer {
  readonly peer: string;
  readonly files: number;
  readonly folders: number;
  /** Null = it comes from a program. */
  readonly bytes: number | null;
  /** Names at the top, as a terminal may see them; the first ones. */
  readonly tops: readonly string[];
  readonly topCount: number;
  /** Those that begin with a dot, as they are; one more than are asked for at most. */
  readonly hidden: readonly string[];
}

export function offerOf(manifest: Manifest, peer: string): Offer {
  const { entries, files, bytes } = manifest;
  const tops = [...new Set(entries.map(({ name }) => topOf(name)))];
  return {
    peer,
    files,
    folders: entries.length - files,
    bytes: entries[0]!.kind === "stream" ? null : bytes,
    tops: tops.slice(0, MOST_SHOWN).map(shownName),
    topCount: tops.length,
    hidden: tops.filter((name) => name.startsWith(".")).slice(0, MOST_HIDDEN + 1),
  };
}

/** Returns lines that show it. */
export function offerText({ peer, files, folders, bytes, tops, topCount }: Offer): string[] {
  const count = [
    plural(files, "file"),
    ...(folders === 0 ? [] : [plural(folders, "folder")]),
  ].join(" and ");
  const size = bytes === null ? "of unknown size" : bytesText(bytes);
  const more = topCount - tops.length;
  return [
    `${peer} sends ${count}, ${size}:`,
    ...tops.map((name) => `  ${name}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
