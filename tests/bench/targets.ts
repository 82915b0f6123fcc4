/** Targets for ttun's figures, relative to its rivals' of the same run. */
import { openvpnName } from "./openvpn.ts";
import { type FigureName, format, type Results } from "./results.ts";
import { ttunName } from "./ttun.ts";
import { WIREGUARD } from "./wireguard.ts";

interface Target {
  who: string;
  figure: FigureName;
  rival: string;
  /** The ratio to the rival's figure. */
  least?: number;
  most?: number;
}

const OPENVPN = openvpnName("tcp");
const AES = ttunName({ wire: "v2", aead: "native", cipher: "aes-256-gcm" });
const CHACHA = ttunName({ wire: "v2", aead: "native", cipher: "chacha20-poly1305" });
const V1 = ttunName({ wire: "v1", aead: "native", cipher: "aes-256-gcm" });

const TARGETS: readonly Target[] = [
  { who: AES, figure: "up", rival: WIREGUARD, least: 2.2 },
  { who: AES, figure: "up", rival: OPENVPN, least: 10 },
  { who: CHACHA, figure: "up", rival: WIREGUARD, least: 1.9 },
  { who: AES, figure: "cpuPerGb", rival: OPENVPN, most: 1 / 5 },
  { who: AES, figure: "cpuPerGb", rival: WIREGUARD, most: 1 / 2 },
  { who: AES, figure: "idleP50", rival: WIREGUARD, most: 1 },
  { who: AES, figure: "idleP50", rival: OPENVPN, most: 1.3 },
  { who: AES, figure: "loadP50", rival: OPENVPN, most: 1 },
  { who: V1, figure: "up", rival: OPENVPN, least: 2.5 },
];

const WORDS: Partial<Record<FigureName, string>> = {
  up: "one stream up",
  cpuPerGb: "CPU per GB",
  idleP50: "idle ping p50",
  loadP50: "ping p50 under load",
};

/** A list in Markdown: each target with pass, fail, or "not measured". */
export function targetsOf(results: Results): string {
  return TARGETS.map(({ who, figure, rival, least = -Infinity, most = Infinity }) => {
    const ratio = results.of(who, figure) / results.of(rival, figure);
    const bound = least === -Infinity
      ? `at most ${format(most, 2)}`
      : `at least ${format(least, 2)}`;
    const what = `${who}: ${WORDS[figure] ?? figure}`;
    if (Number.isNaN(ratio)) return `- not measured: ${what}, ${bound} times ${rival}`;
    const verdict = ratio >= least && ratio <= most ? "pass" : "FAIL";
    return `- ${verdict}: ${what} is ${format(ratio, 2)} times ${rival} (${bound})`;
  }).join("\n");
}
