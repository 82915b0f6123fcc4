import { AcmeIssuer } from "../../app/gateway/certificates/acme_issuer.ts";
import { PublicCertificates } from "../../app/gateway/certificates/public_certificates.ts";
import { CHALLENGES_MS } from "../../app/gateway/zone_keeper.ts";
import type { MeshStore } from "../../contract/mesh_store.ts";
import { encodePem } from "../../core/x509/pem.ts";
import { FetchTransport } from "../../io/acme/fetch_transport.ts";
import { ecdsaKey, ecdsaSigner } from "../../io/crypto/ecdsa.ts";
import type { HeldNode } from "../mesh/held_node.ts";
import type { MeshTools } from "../mesh/mesh_tools.ts";
import type { AcmeConfig } from "../mesh/plane_config.ts";
import { rng } from "../platform/rng.ts";
import { VERSION } from "../version.ts";
import { CertificateFiles } from "./certificate_files.ts";
import { hostDelegation } from "./host_delegation.ts";

/** Milliseconds beside those for which the DNS servers remember the challenges. */
const MARGIN_MS = 300;

/** Opens the way to a public authority's certificates for a node with a gateway. */
export function openCertificates(
  { email, directory, ca, account, zone, apex }: AcmeConfig,
  { folder, held, store }: {
    /** The node's own. */
    readonly folder: string;
    readonly held: HeldNode;
    readonly store: MeshStore;
  },
  { opened, log, signal, platform: { clock } }: MeshTools,
): PublicCertificates {
  const transport = opened.use(new FetchTransport({ ca, agent: `ttun/${VERSION}` }));
  const now = Date.now;
  const issuer = new AcmeIssuer({
    ...{ transport, directory, email, external: account, clock, rng, now },
    signerOf: ecdsaSigner,
    visibleMs: CHALLENGES_MS + MARGIN_MS,
  });
  return new PublicCertificates({
    ...{ store, clock, log, rng, now, issuer, directory, apex, zone, signal },
    secrets: () => held.state.secrets,
    cache: new CertificateFiles(folder, log),
    keyOf: (seed) => encodePem("EC PRIVATE KEY", ecdsaKey(seed)),
    delegationOf: (host, signal) => hostDelegation(host, log, signal),
  });
}
