import { dialAgent } from "../../app/gateway/dial_agent.ts";
import { askForCertificate, askWithoutInvite } from "../../app/gateway/enrollment.ts";
import { clientMemory } from "../../app/mux/session_memory.ts";
import type { HostPort } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { verifyAgentCertificate } from "../../core/mesh/admission/agent_certificate.ts";
import { authorityAmong, authorityHash, trustAnchor } from "../../core/mesh/admission/authority.ts";
import {
  CertificateAnswer,
  certificateQuestion,
} from "../../core/mesh/admission/clear_certificates.ts";
import { AGENT_PROTOCOL } from "../../core/gateway/agent_messages.ts";
import type { Invite } from "../../core/mesh/admission/invite.ts";
import type { Certified } from "../../core/mesh/admission/join_answer.ts";
import { encodePem } from "../../core/x509/pem.ts";
import { ed25519Signer, verifyEd25519 } from "../../io/crypto/ed25519.ts";
import { askCertificates } from "../../io/mesh/ask_certificates.ts";
import type { RunContext } from "../command/context.ts";
import { takeInvite } from "../mesh/take_invite.ts";
import { print } from "../output/stdout.ts";
import { fileReason } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import {
  agentFolder,
  agentSeed,
  authoritiesFile,
  keepAgent,
  keepAuthorities,
} from "./agent_folder.ts";
import { openAgentEnd } from "./open_agent_end.ts";
import type { EnrollFlags } from "./options.ts";

/** Milliseconds until the gateway has shown its certificate. */
const TIMEOUT = 15_000;

/** Makes this machine an agent of a mesh, which may publish services. @throws {TtunError} */
export async function runEnroll(options: EnrollFlags, context: RunContext): Promise<number> {
  const { signal } = context;
  const folder = agentFolder(options.data);
  const invite = options.open ? null : await takeInvite(options, context);
  const { host: apex } = options.apex;
  const at = options.at ?? options.apex;
  const seed = agentSeed(folder);
  keepAuthorities(folder, await findAuthority(options.ca, at, apex, invite, signal));
  const agent = ed25519Signer(seed);
  await using end = openAgentEnd({ at, apex, ca: authoritiesFile(folder) }, context.log);
  const { clock, secrets } = end;
  const stream = await end.connect(signal);
  using carrier = await dialAgent(stream, { secrets, clock, memory: clientMemory(), signal });
  const certified = invite === null
    ? await askWithoutInvite(carrier, { agent, clock })
    : await askByInvite(carrier, invite, { agent, clock });
  const { names } = requireOurs(certified, agent.publicKey, invite);
  const { certificate, authorities } = certified;
  keepAgent(folder, { certificate, apex, at, authorities });
  await print(
    `This machine may publish ${names[0] === "*" ? "services" : names.join(", ")} below ${apex} ` +
      `now. Publish the service of port 8080: ttun mesh publish 8080 --name ${
        names[0] === "*" ? "NAME" : names[0]
      }\n`,
    signal,
  );
  return 0;
}

function askByInvite(
  carrier: Parameters<typeof askForCertificate>[0],
  { id, token }: Invite,
  { agent, clock }: Parameters<typeof askWithoutInvite>[1],
): Promise<Certified> {
  const request = { kind: "enroll", invite: id, publicKey: agent.publicKey } as const;
  return askForCertificate(carrier, request, { agent, token: ed25519Signer(token), clock });
}

/**
 * Returns the authority by which the gateway's certificate is judged: that of a file; the cluster's own,
 * which the invite names, where the gateway shows it; null = one of the system's. @throws {TtunError}
 */
async function findAuthority(
  file: string | undefined,
  at: HostPort,
  apex: string,
  invite: Invite | null,
  signal: AbortSignal,
): Promise<string | null> {
  if (file !== undefined) {
    try {
      return Deno.readTextFileSync(file);
    } catch (error) {
      const why = fileReason(error);
      throw new TtunError("usage", `Cannot read ${file}: ${why}`, { cause: error });
    }
  }
  if (invite === null) return null; // nothing but the certificate tells whose gateway it is
  const question = certificateQuestion(rng(32), { name: apex, alpn: AGENT_PROTOCOL });
  const o = { timeoutMs: TIMEOUT, signal };
  const shown = await askCertificates(at, question, new CertificateAnswer(), o).catch((error) => {
    signal.throwIfAborted();
    if (error instanceof TtunError && error.kind === "protocol") return []; // it speaks TLS 1.3 alone
    throw error;
  });
  const key = authorityAmong(shown, invite.authorityHash);
  return key === null ? null : encodePem("CERTIFICATE", trustAnchor(key));
}

/** @throws {TtunError} auth, if the answer is not for this agent, or of another cluster */
function requireOurs(
  { certificate, authorities }: Certified,
  publicKey: Uint8Array,
  invite: Invite | null,
) {
  const facts = verifyAgentCertificate(certificate, {
    authorities,
    verify: verifyEd25519,
  }, Date.now());
  const isOurs = toHex(facts.publicKey) === toHex(publicKey) &&
    (invite === null ||
      authorities.some((key) => toHex(authorityHash(key)) === toHex(invite.authorityHash)));
  if (isOurs) return facts;
  throw new TtunError("auth", "Cannot enroll: the certificate is for another agent");
}
