import assert from "node:assert/strict";
import { drawRing, placeNodes, type ReportedNode, ringDot } from "./ring_report.ts";

function node(first: string, o: Partial<ReportedNode> = {}): ReportedNode {
  return {
    id: first.repeat(64).slice(0, 64),
    host: `h${first}`,
    zone: "",
    roles: ["node"],
    position: first.padEnd(32, "0"),
    status: "alive",
    ...o,
  };
}

const NODES = [node("8"), node("0", { status: "self" }), node("4", { status: "dead" })];

Deno.test("each node owns the circle from the one before that is there", () => {
  const placed = placeNodes({ nodes: NODES });
  assert.deepEqual(placed.map(({ host, at, share }) => [host, at, share]), [
    ["h0", 0, 0.5],
    ["h4", 0.25, 0],
    ["h8", 0.5, 0.5],
  ]);
  assert.deepEqual(placeNodes({ nodes: [node("c")] }).map(({ share }) => share), [1]);
});

Deno.test("the drawing has each node at its place, and a line for it", () => {
  const lines = drawRing({ nodes: NODES });
  const top = lines[0]!.indexOf("A");
  assert(top > 10 && lines[12]!.indexOf("c") === top, lines.join("\n"));
  assert(lines[6]!.endsWith("."), lines[6]);
  assert.match(lines.at(-3)!, /^A {2}000000000000 {2}h0 {2}this node, 50 % of the ring$/);
  assert.match(lines.at(-2)!, /^\. {2}444444444444 {2}h4 {2}dead$/);
});

Deno.test("more nodes than letters are counted, and none draws outside", () => {
  const nodes = Array.from({ length: 40 }, (_, i) => node((i * 6).toString(16).padStart(2, "0")));
  const lines = drawRing({ nodes });
  assert.equal(lines.at(-1), "and 14 more");
  assert(lines.every((line) => line.length < 80));
});

Deno.test("DOT has an arrow to the next node that is there, and quotes nothing that breaks out", () => {
  const dot = ringDot({ nodes: [...NODES, node("c", { host: 'x"];evil' })] });
  assert.match(dot, /"000000000000" -> "888888888888";/);
  assert.match(dot, /"888888888888" -> "cccccccccccc";/);
  assert.match(dot, /"444444444444" \[.*style=dashed\]/);
  assert(!dot.includes('x"'));
});
