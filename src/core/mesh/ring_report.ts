import { CIRCLE, distance } from "./circle.ts";

/** A node of the ring in the eyes of another one. */
export interface ReportedNode {
  /** 64 hex digits. */
  readonly id: string;
  readonly host: string;
  readonly zone: string;
  readonly roles: readonly string[];
  /** 32 hex digits. */
  readonly position: string;
  readonly status: "self" | "alive" | "suspect" | "dead" | "left";
  /** Milliseconds; absent while it is not known. */
  readonly rttMs?: number;
  /** How the link with it goes; absent = there is none. */
  readonly transport?: string;
}

/** The ring as one node sees it. */
export interface RingReport {
  readonly state: string;
  /** Ids of the nodes that follow, nearest first, and of the one before. */
  readonly successors: readonly string[];
  readonly predecessor: string | null;
  readonly nodes: readonly ReportedNode[];
  /** Records that the node holds, and their bytes. */
  readonly records: number;
  readonly bytes: number;
  /** How many nodes there may be. */
  readonly estimate: number;
  readonly clockOffsetMs: number;
}

export interface PlacedNode extends ReportedNode {
  /** From 0, at the top, clockwise up to 1. */
  readonly at: number;
  /** Part of the circle that the node owns; 0 for one that is not there. */
  readonly share: number;
}

/** Returns the nodes in the order of the circle. */
export function placeNodes({ nodes }: Pick<RingReport, "nodes">): PlacedNode[] {
  const sorted = nodes.toSorted((a, b) => a.position < b.position ? -1 : 1);
  const there = sorted.filter(isThere);
  return sorted.map((node) => {
    const before = there[(there.indexOf(node) + there.length - 1) % there.length];
    const own = BigInt(`0x${node.position}`);
    const share = !isThere(node)
      ? 0
      : before === undefined || before === node
      ? 1
      : partOf(distance(BigInt(`0x${before.position}`), own));
    return { ...node, at: partOf(own), share };
  });
}

function isThere({ status }: ReportedNode): boolean {
  return status === "self" || status === "alive" || status === "suspect";
}

function partOf(length: bigint): number {
  return Number(length * 1_000_000n / CIRCLE) / 1_000_000;
}

/** Rows and columns of the drawing; characters are twice as high as wide. */
const [ROWS, COLUMNS] = [13, 37];

/** Nodes that have a letter of their own. */
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/**
 * Draws the ring for a terminal: a circle with a letter for each node (a capital is the node that
 * tells, a dot one that is not there), and a line for each below.
 */
export function drawRing(report: Pick<RingReport, "nodes">): string[] {
  const placed = placeNodes(report).slice(0, LETTERS.length);
  const grid = Array.from({ length: ROWS }, () => Array.from({ length: COLUMNS }, () => " "));
  const put = (at: number, mark: string) => {
    const angle = at * 2 * Math.PI;
    const row = Math.round((ROWS - 1) / 2 * (1 - Math.cos(angle)));
    const column = Math.round((COLUMNS - 1) / 2 * (1 + Math.sin(angle)));
    grid[row]![column] = mark;
  };
  for (let i = 0; i < 72; i++) put(i / 72, "·");
  const letters = placed.map((node, i) => letterOf(node, i));
  // Those that are there stand before those that are not, where two share a place.
  for (const wanted of [false, true]) {
    placed.forEach((node, i) => {
      if (isThere(node) === wanted) put(node.at, letters[i]!);
    });
  }
  const lines = placed.map((node, i) => {
    const facts = [
      node.status === "self" ? "this node" : node.status,
      ...(node.rttMs === undefined ? [] : [`${node.rttMs.toFixed(1)} ms`]),
      ...(node.transport === undefined ? [] : [node.transport]),
      ...(isThere(node) ? [`${(node.share * 100).toFixed(0)} % of the ring`] : []),
    ];
    const place = node.zone === "" ? node.host : `${node.host} in ${node.zone}`;
    return `${letters[i]}  ${node.id.slice(0, 12)}  ${place}  ${facts.join(", ")}`;
  });
  const more = report.nodes.length - placed.length;
  return [
    ...grid.map((row) => `  ${row.join("").trimEnd()}`.trimEnd()),
    "",
    ...lines,
    ...(more > 0 ? [`and ${more} more`] : []),
  ];
}

function letterOf(node: ReportedNode, index: number): string {
  const letter = LETTERS[index]!;
  return node.status === "self" ? letter.toUpperCase() : isThere(node) ? letter : ".";
}

/** Writes the ring in the language of Graphviz: each node with the one that follows. */
export function ringDot(report: Pick<RingReport, "nodes">): string {
  const placed = placeNodes(report);
  const there = placed.filter(isThere);
  const name = (id: string) => `"${id.slice(0, 12)}"`;
  const label = ({ id, host, status, share }: PlacedNode) =>
    `${id.slice(0, 12)}\\n${host.replaceAll(/["\\]/g, "")}\\n` +
    (isThere({ status } as ReportedNode) ? `${(share * 100).toFixed(0)} %` : status);
  return [
    "digraph ring {",
    "  layout=circo;",
    ...placed.map((node) =>
      `  ${name(node.id)} [label="${label(node)}"${isThere(node) ? "" : ", style=dashed"}];`
    ),
    ...there.map((node, i) => `  ${name(node.id)} -> ${name(there[(i + 1) % there.length]!.id)};`),
    "}",
    "",
  ].join("\n");
}
