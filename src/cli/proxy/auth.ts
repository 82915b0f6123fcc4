import { concat, constantTimeEqual, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { CheckPassword } from "../../core/proxy/socks/socks5_server.ts";
import type { Secrets } from "../background/handover.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "../secrets/key_environment.ts";
import type { Credentials } from "./plane_config.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";
import { oneLine } from "../secrets/text_bytes.ts";

/** Most bytes: SOCKS5 has one byte for the length (RFC 1929). */
const LONGEST = 255;

const VARIABLE = "TTUN_PROXY_AUTH";

const AUTH: SecretKind = { file: "auth file", question: "User:password: " };

/** The credentials' name among secrets that a process in the foreground hands over. */
const AUTH_SECRET = "auth";

export function authSecret({ user, password }: Credentials): Secrets {
  return authSecretOf(concat(user, utf8(":"), password));
}

/** `bytes`: USER:PASSWORD. */
export function authSecretOf(bytes: Uint8Array): Secrets {
  return { [AUTH_SECRET]: bytes };
}

/**
 * Takes what a process in the foreground has found, or searches `--auth`, `--auth-file`, then TTUN_PROXY_AUTH, and removes that from the environment.
 * @throws {TtunError} usage, privilege; no message contains any of the secret
 */
export async function resolveAuth(
  options: { readonly auth: string | undefined; readonly authFile: string | undefined },
  context: Pick<RunContext, "signal" | "log" | "secretsHidden" | "fileSecrets" | "background">,
  host: KeyEnvironment = denoKeyEnvironment,
): Promise<Credentials | null> {
  const handed = context.background?.secrets[AUTH_SECRET];
  if (handed !== undefined) return parseCredentials(handed, "the process in the foreground");
  const fromEnv = host.env.get(VARIABLE);
  if (fromEnv !== undefined) host.env.forget(VARIABLE);

  if (options.auth !== undefined) {
    if (context.fileSecrets?.has("auth") !== true) warnOfArgument(context);
    return parseCredentials(utf8(options.auth), "--auth");
  }
  if (options.authFile !== undefined) {
    const bytes = await readSecretFile(options.authFile, AUTH, context, host);
    return parseCredentials(bytes, "--auth-file");
  }
  return fromEnv === undefined ? null : parseCredentials(utf8(fromEnv), VARIABLE);
}

function warnOfArgument({ secretsHidden, log }: Pick<RunContext, "log" | "secretsHidden">): void {
  const sight = secretsHidden
    ? "was visible in process lists until ttun hid it"
    : "is visible in process lists";
  log.warn(
    `The password given by --auth ${sight}, and a shell's history may keep it; ` +
      `use --auth-file or ${VARIABLE}`,
  );
}

/** Splits at the first colon (RFC 7617 section 2). */
function parseCredentials(bytes: Uint8Array, source: string): Credentials {
  const text = new TextDecoder().decode(oneLine(bytes));
  const refuse = (why: string) =>
    new TtunError("usage", `Cannot use what ${source} says of user and password: ${why}`);
  // U+FFFD stands for bytes that were not UTF-8.
  if (/[\p{Cc}\ufffd]/u.test(text)) throw refuse("it is not one line of UTF-8 text");
  const colon = text.indexOf(":");
  if (colon < 0) throw refuse("write USER:PASSWORD");
  const [user, password] = [utf8(text.slice(0, colon)), utf8(text.slice(colon + 1))];
  if (Math.min(user.length, password.length) === 0) throw refuse("neither may be empty");
  if (Math.max(user.length, password.length) > LONGEST) {
    throw refuse(`neither may be longer than ${LONGEST} bytes`);
  }
  return { user, password };
}

/** Compares so that only the lengths may leak by the time. */
export function passwordCheck(wanted: Credentials): CheckPassword {
  return (user, password) => {
    const isUser = constantTimeEqual(user, wanted.user);
    const isPassword = constantTimeEqual(password, wanted.password);
    return isUser && isPassword;
  };
}
