import type { LiveSample } from "../../core/status/live_meter.ts";
import { bytesText, durationText, msText, rateText } from "./text.ts";

/** Facts for one line, with the rates of the samples so far, the oldest first. */
export interface LiveFacts {
  readonly sample: LiveSample;
  /** Bytes per second. */
  readonly sent: readonly number[];
  readonly received: readonly number[];
}

/** Columns of a long sparkline, and samples that are worth keeping. */
export const LONGEST_SPARKLINE = 16;
const SHORT_SPARKLINE = 6;

const BARS = "▁▂▃▄▅▆▇█";

/** Columns of `999.9 kB/s` and `999.9 kB`, so that the line keeps its places. */
const RATE_WIDTH = 10;
const BYTES_WIDTH = 8;

/** Columns that a name keeps, however narrow the terminal is. */
const LEAST_NAME = 8;

const GAP = "  ";

/** A part of the line; of two the one with the higher rank goes first when there is no room. */
interface Part {
  readonly text: string;
  readonly rank: number;
}

/** Returns one line of at most `columns` columns. */
export function liveText({ sample, sent, received }: LiveFacts, columns: number): string {
  const name = nameOf(sample);
  const room = columns - name.length;
  const partsOf = (bars: number) => [
    ...ratesOf(sample, sent, received, bars),
    ...factsOf(sample),
  ];
  const whole = partsOf(LONGEST_SPARKLINE);
  if (widthOf(whole) <= room) return join(name, whole);
  const short = fitting(partsOf(SHORT_SPARKLINE), room);
  if (widthOf(short) <= room) return join(name, short);
  return cut(name, fitting(partsOf(0), room), columns);
}

function cut(name: string, parts: readonly Part[], columns: number): string {
  const room = Math.max(LEAST_NAME, columns - widthOf(parts));
  const shown = name.length <= room ? name : `${name.slice(0, room - 1)}…`;
  return join(shown, parts).slice(0, columns);
}

/** Leaves out parts until the rest has room, but for the rates. */
function fitting(parts: readonly Part[], room: number): readonly Part[] {
  const left = [...parts];
  while (left.length > 0 && widthOf(left) > room) {
    const worst = left.reduce((one, other) => other.rank > one.rank ? other : one);
    if (worst.rank === 0) break;
    left.splice(left.indexOf(worst), 1);
  }
  return left;
}

function widthOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { text }) => sum + GAP.length + text.length, 0);
}

function join(name: string, parts: readonly Part[]): string {
  return [name, ...parts.map(({ text }) => text)].join(GAP);
}

function nameOf({ peer, sessions }: LiveSample): string {
  if (peer === null) return "starting";
  // Characters of other widths, or such as steer a terminal, come from the other end.
  const name = peer.replace(/[^\x20-\x7e]/gu, "?");
  if (sessions === undefined || sessions === 1) return name;
  return `${name} (${sessions === 0 ? "no session" : `${sessions} sessions`})`;
}

function ratesOf(
  { sentBytesPerSecond, receivedBytesPerSecond }: LiveSample,
  sent: readonly number[],
  received: readonly number[],
  bars: number,
): Part[] {
  const text = (arrow: string, rate: number, rates: readonly number[]) => {
    const number = rateText(rate).padEnd(RATE_WIDTH);
    return bars === 0 ? `${arrow} ${number}` : `${arrow} ${number} ${sparkline(rates, bars)}`;
  };
  return [
    { text: text("↑", sentBytesPerSecond, sent), rank: 0 },
    { text: text("↓", receivedBytesPerSecond, received), rank: 0 },
  ];
}

function factsOf(sample: LiveSample): Part[] {
  const { transports, wire, cipher, aead, sentBytes, receivedBytes, rttMs, seconds } = sample;
  const { connections } = sample;
  const bytes = (count: number) => bytesText(count).padEnd(BYTES_WIDTH);
  const way = [transports.join("+"), ...(wire === undefined ? [] : [wire])].join(" ").trim();
  const sealed = cipher === undefined ? "" : cipher + (aead === undefined ? "" : ` (${aead})`);
  return [
    { text: `sent ${bytes(sentBytes)}  received ${bytes(receivedBytes)}`, rank: 3 },
    { text: rttMs === undefined ? "" : `rtt ${msText(rttMs)}`, rank: 1 },
    { text: connections === undefined ? "" : `${connections} open`, rank: 4 },
    { text: way, rank: 5 },
    { text: sealed, rank: 6 },
    { text: `up ${durationText(seconds)}`, rank: 2 },
  ].filter(({ text }) => text !== "");
}

/** Returns `bars` characters for the last rates, relative to the highest of them. */
export function sparkline(rates: readonly number[], bars: number): string {
  const last = rates.slice(-bars);
  const most = Math.max(...last, 1);
  const text = last.map((rate) => BARS[Math.ceil(rate / most * (BARS.length - 1))]).join("");
  return text.padStart(bars, BARS[0]);
}
