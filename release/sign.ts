/**
 * `deno run -A release/sign.ts FOLDER`: signs SHA256SUMS of a build into SHA256SUMS.sig, with the
 * private key in RELEASE_SIGNING_KEY, and looks whether the build's install.sh will take it. A
 * release without signature is an error. Takes ssh-keygen of OpenSSH 8.1 or later.
 */
import { installer, publicKey } from "./installer.ts";

/** The purpose of a signature: one that was made for another purpose does not count here. */
const PURPOSE = "ttun-release";

/** Signs `FOLDER/SHA256SUMS`. `key`: the text of a private key without passphrase. */
export async function sign(folder: string, key: string): Promise<void> {
  const own = await Deno.makeTempDir({ prefix: "ttun-sign-" }); // of mode 0700
  try {
    const file = `${own}/key`;
    await Deno.writeTextFile(file, `${key.trim()}\n`, { mode: 0o600, createNew: true });
    const sums = await Deno.readFile(`${folder}/SHA256SUMS`);
    const args = ["-Y", "sign", "-q", "-f", file, "-n", PURPOSE];
    await Deno.writeFile(`${folder}/SHA256SUMS.sig`, await keygen(args, sums));
  } finally {
    await Deno.remove(own, { recursive: true });
  }
}

/** @throws where `FOLDER/SHA256SUMS.sig` is by another key */
export async function verify(folder: string, key: string): Promise<void> {
  const own = await Deno.makeTempDir({ prefix: "ttun-sign-" });
  try {
    await Deno.writeTextFile(`${own}/signers`, `ttun namespaces="${PURPOSE}" ${key}`);
    const sums = await Deno.readFile(`${folder}/SHA256SUMS`);
    const signature = ["-s", `${folder}/SHA256SUMS.sig`];
    const signer = ["-f", `${own}/signers`, "-I", "ttun", "-n", PURPOSE];
    await keygen(["-Y", "verify", ...signer, ...signature], sums);
  } finally {
    await Deno.remove(own, { recursive: true });
  }
}

async function keygen(args: string[], input: Uint8Array): Promise<Uint8Array> {
  await using process = new Deno.Command("ssh-keygen", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(input).catch(() => {}); // it may have ended; its code tells
  await writer.close().catch(() => {});
  const { success, stdout, stderr } = await process.output();
  if (!success) throw new Error(`ssh-keygen: ${new TextDecoder().decode(stderr).trim()}`);
  return stdout;
}

/** Why a build cannot be signed for a release. */
function refuse(why: string): never {
  console.error(`${why}; CONTRIBUTING.md says how releases get their signature`);
  Deno.exit(1);
}

if (import.meta.main) {
  const [folder = "build"] = Deno.args;
  const key = await publicKey();
  if (key === null) refuse("There is no release/signing_key.pub");
  const secret = Deno.env.get("RELEASE_SIGNING_KEY");
  if (secret === undefined || secret === "") refuse("RELEASE_SIGNING_KEY is not set");
  if (await Deno.readTextFile(`${folder}/install.sh`) !== await installer(key)) {
    refuse(`${folder}/install.sh has another key than release/signing_key.pub`);
  }
  await sign(folder, secret);
  await verify(folder, key).catch((error) =>
    refuse(`The signature is not right: ${error.message}`)
  );
  console.log(`signed ${folder}/SHA256SUMS`);
}
