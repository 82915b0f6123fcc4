import type { AgentClientOptions } from "../../app/gateway/agent_client.ts";
import { clientMemory } from "../../app/mux/session_memory.ts";
import type { HostPort } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Certified } from "../../core/mesh/admission/join_answer.ts";
import { parseCertificate } from "../../core/x509/certificate.ts";
import { ed25519Signer } from "../../io/crypto/ed25519.ts";
import type { WayTools } from "../peer/way_tools.ts";
import { agentDialer } from "./agent_dialer.ts";
import { type AgentState, keepAgent } from "./agent_folder.ts";
import { agentWire } from "./agent_wire.ts";

/** An agent, and where it keeps itself. */
export interface OwnAgent extends AgentState {
  readonly folder: string;
  /** PEM file of the authorities that are trusted for gateways; null = the system's. */
  readonly ca: string | null;
}

type Own = Omit<
  AgentClientOptions,
  "tunnels" | "isStrict" | "onPublished" | "onOthers" | "mostFailures" | "moves"
>;

/** Returns what all links of an agent have, whose certificate is renewed and kept. */
export function agentOptions(
  agent: OwnAgent,
  net: Dialer,
  { platform: { clock }, ciphers, resolver, log, opened }: WayTools,
): { of(at: HostPort): Own } {
  const { apex, ca, seed } = agent;
  let { certificate } = agent;
  const dial = agentDialer({ apex, ca, net, resolver, clock, log, opened });
  const common = {
    secrets: agentWire(ciphers),
    clock,
    memory: clientMemory(),
    log,
    now: Date.now,
    signer: ed25519Signer(seed),
    certificate: () => certificate,
    isOld: () => {
      const { notBefore, notAfter } = parseCertificate(certificate);
      return Date.now() >= notAfter - (notAfter - notBefore) / 3;
    },
    renewed: (certified: Certified) => {
      certificate = certified.certificate;
      keepCertificate(agent, certified, log);
    },
  };
  return { of: (at) => ({ ...common, connect: (signal) => dial(at, signal) }) };
}

function keepCertificate(
  { folder, apex, at }: OwnAgent,
  { certificate, authorities }: Certified,
  log: WayTools["log"],
): void {
  try {
    keepAgent(folder, { certificate, apex, at, authorities });
    log.info("The agent has a new certificate");
  } catch (error) {
    log.warn("Cannot keep the agent's new certificate", { why: toTtunError(error).message });
  }
}
