/** The public key of the releases, where the maintainers have made one (CONTRIBUTING.md). */
export const PUBLIC_KEY = new URL("signing_key.pub", import.meta.url);

const SCRIPT = new URL("../install.sh", import.meta.url);
const EMPTY = "\nSIGNING_KEY=''\n";

/** Writes install.sh with the public key of the releases in it; without one as it is. */
export async function writeInstaller(file: string): Promise<void> {
  const key = await publicKey();
  await Deno.writeTextFile(file, await installer(key), { mode: 0o644 });
  if (key === null) {
    console.log("install.sh has no signing key: there is no release/signing_key.pub");
  }
}

/** The text of install.sh for a public key as ssh-keygen writes it. @throws where it is none */
export async function installer(key: string | null): Promise<string> {
  const text = await Deno.readTextFile(SCRIPT);
  if (text.split(EMPTY).length !== 2) throw new Error("install.sh has no place for a signing key");
  if (key === null) return text;
  // The key is a word of a shell, and a line of what ssh-keygen reads.
  const words = /^(ssh-ed25519 [A-Za-z0-9+/]+=*)( [^\n]*)?\n?$/.exec(key)?.[1];
  if (words === undefined) throw new Error("The signing key is no public key of kind ssh-ed25519");
  return text.replace(EMPTY, `\nSIGNING_KEY='${words}'\n`);
}

/** The text of `PUBLIC_KEY`; null where there is no such file. */
export async function publicKey(): Promise<string | null> {
  try {
    return await Deno.readTextFile(PUBLIC_KEY);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
