import { TtunError } from "../../base/errors.ts";
import { type Invite, parseInvite } from "../../core/mesh/admission/invite.ts";
import type { RunContext } from "../command/context.ts";
import { readVariable } from "../platform/variables.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { promptFor, readSecretFile, type SecretKind } from "../secrets/secret_file.ts";

const INVITE: SecretKind = { file: "invite file", question: "Invite: " };

const VARIABLE = "TTUN_INVITE";

/**
 * Takes the invite of the command line, a file, standard input, TTUN_INVITE or a prompt.
 * @throws {TtunError} usage, without one that holds; privilege
 */
export async function takeInvite(
  { invite, inviteFile }: {
    readonly invite: string | undefined;
    readonly inviteFile: string | undefined;
  },
  context: Pick<RunContext, "signal" | "log" | "secretsHidden">,
): Promise<Invite> {
  const host = denoKeyEnvironment;
  const ofEnvironment = readVariable(VARIABLE);
  if (ofEnvironment !== undefined) host.env.forget(VARIABLE);
  let text: string;
  if (invite !== undefined) {
    if (!context.secretsHidden) {
      context.log.warn(
        "The invite given as an argument is visible in process lists; use --invite-file or " +
          VARIABLE,
      );
    }
    text = invite;
  } else if (inviteFile !== undefined) {
    text = new TextDecoder().decode(await readSecretFile(inviteFile, INVITE, context, host));
  } else if (ofEnvironment !== undefined) {
    text = ofEnvironment;
  } else if (host.terminal.isTerminal()) {
    text = new TextDecoder().decode(await promptFor(INVITE, context, host));
  } else {
    throw new TtunError(
      "usage",
      "There is no invite: give it by --invite-file (- is standard input) or TTUN_INVITE",
    );
  }
  const parsed = parseInvite(text);
  if (parsed.expires * 1000 > Date.now()) return parsed;
  const at = new Date(parsed.expires * 1000).toISOString();
  throw new TtunError(
    "usage",
    `Cannot use the invite: it was valid until ${at}; ttun mesh invite prints another`,
  );
}
