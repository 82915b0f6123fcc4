import type { AdmissionDesk } from "../../app/mesh/admission/admission_desk.ts";
import { PendingConnections } from "../../app/net/pending_connections.ts";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { trustAnchor } from "../../core/mesh/admission/authority.ts";
import { encodeNonce } from "../../core/mesh/admission/join_answer.ts";
import {
  JOIN_PROTOCOL,
  MAX_JOIN_MESSAGE,
  NONCE_SIZE,
} from "../../core/mesh/admission/join_request.ts";
import { encodePem, pkcs8Of } from "../../core/x509/pem.ts";
import { JoinListener } from "../../io/mesh/join_listener.ts";
import { rng } from "../platform/rng.ts";
import type { HeldNode } from "./held_node.ts";
import type { MeshTools } from "./mesh_tools.ts";
import { Renewed } from "./renewed.ts";

/** Connections at once, which strangers can open: too many of one address displace its own. */
const PLACES = { total: 64, perAddress: 8 };

/**
 * Opens the port of machines that join. Null, which is told, where another program has it and this node
 * does not have the authority's key. @throws {TtunError}
 */
export function openJoins(
  at: HostPort,
  { held, desk }: { readonly held: HeldNode; readonly desk: AdmissionDesk },
  tools: MeshTools,
): Renewed<JoinListener> | null {
  const { opened, log } = tools;
  const places = new PendingConnections(PLACES);
  try {
    return opened.use(
      new Renewed(() => listen(at, held, desk, places, tools), (error) => {
        log.error("Machines cannot join here any more", { why: String(error) });
      }),
    );
  } catch (error) {
    const isTaken = error instanceof TtunError && error.kind === "in_use";
    if (!isTaken || held.authority !== null) throw error;
    log.warn("Machines cannot join at this node", { at: formatAddr(at), why: error.message });
    return null;
  }
}

function listen(
  at: HostPort,
  { state }: HeldNode,
  desk: AdmissionDesk,
  places: PendingConnections,
  { log, signal, platform: { clock, libc } }: MeshTools,
): JoinListener {
  return new JoinListener({
    ...{ at, places, libc, clock, log, signal },
    // Invites have the authority's hash alone, by which this finds it.
    cert: [state.certificate, ...state.authorities.map(trustAnchor)]
      .map((der) => encodePem("CERTIFICATE", der)).join(""),
    key: encodePem("PRIVATE KEY", pkcs8Of(state.seed)),
    protocol: JOIN_PROTOCOL,
    mostBytes: MAX_JOIN_MESSAGE,
    greet: () => {
      const nonce = rng(NONCE_SIZE);
      return {
        greeting: encodeNonce(nonce),
        answer: (request, signal) => desk.answer(request, nonce, signal),
      };
    },
  });
}
