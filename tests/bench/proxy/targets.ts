/** Targets for ttun's figures, relative to its rivals' of the same run. */
import type { CipherName } from "../../../src/contract/cipher.ts";
import { MAX_TEXT_OLD } from "../../../src/core/tt/frame_sizes.ts";
import { format } from "../results.ts";
import { CIPHERS } from "./contenders.ts";
import { HELD } from "./measure.ts";
import type { FigureName, Medians } from "./medians.ts";
import { libevName, rustName } from "./shadowsocks.ts";
import { proxyName } from "./ttun.ts";

interface Target {
  who: string;
  figure: FigureName;
  what: string;
  /** Whose figure it is divided by; null = by nobody's. */
  rival: string | null;
  least?: number;
  most?: number;
}

/** Of shadowsocks-rust's throughput. */
const LEAST_OF_RUST: Record<CipherName, number> = { "aes-256-gcm": 1, "chacha20-poly1305": 1.3 };
const MOST_MB = 100;

const TARGETS: readonly Target[] = CIPHERS.flatMap((cipher): Target[] => {
  const who = proxyName({ cipher, mtu: null });
  const held = proxyName({ cipher, mtu: MAX_TEXT_OLD, wire: "v1" });
  const [libev, rust] = [libevName(cipher), rustName(cipher)];
  const down = { figure: "down", what: "one stream down" } as const;
  const idle = `MB for ${HELD} idle connections`;
  return [
    { who, ...down, rival: libev, least: 1.5 },
    { who, ...down, rival: rust, least: LEAST_OF_RUST[cipher] },
    { who: held, ...down, rival: libev, least: 1.2 },
    { who, figure: "perSecond", what: "connections a second", rival: libev, least: 1 },
    { who, figure: "p99", what: "p99 of a connection", rival: libev, most: 1.2 },
    { who, figure: "clientMb", what: `client's ${idle}`, rival: null, most: MOST_MB },
    { who, figure: "serverMb", what: `server's ${idle}`, rival: null, most: MOST_MB },
  ];
});

/** A list in Markdown: each target with pass, fail, or "not measured". */
export function targetsOf(medians: Medians): string {
  return TARGETS.map((target) => `- ${verdictOf(medians, target)}`).join("\n");
}

function verdictOf(medians: Medians, target: Target): string {
  const { who, figure, what, rival, least = -Infinity, most = Infinity } = target;
  const value = medians.of(who, figure) / (rival === null ? 1 : medians.of(rival, figure));
  const bound = least === -Infinity ? `at most ${format(most, 1)}` : `at least ${format(least, 1)}`;
  const than = rival === null ? "" : ` times ${rival}`;
  if (Number.isNaN(value)) return `not measured: ${who}: ${what}, ${bound}${than}`;
  const verdict = value >= least && value <= most ? "pass" : "FAIL";
  return `${verdict}: ${who}: ${what}: ${format(value, 2)}${than} (${bound})`;
}
