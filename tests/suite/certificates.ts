/** Certificates for tests, made by the program openssl. */
const DAYS = "2";

export interface Certificate extends Disposable {
  /** PEM files. */
  readonly cert: string;
  readonly key: string;
}

/** Makes a self-signed certificate for these names, such as `DNS:a.test` and `IP:127.0.0.1`. */
export function selfSigned(...names: string[]): Certificate {
  return makeCertificate(names, []);
}

/** Makes one that is no authority, which rustls wants of a server's. */
export function selfSignedLeaf(...names: string[]): Certificate {
  return makeCertificate(names, ["-addext", "basicConstraints=critical,CA:FALSE"]);
}

function makeCertificate(names: string[], more: string[]): Certificate {
  const folder = Deno.makeTempDirSync();
  const at = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  openssl([
    ...["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", DAYS, "-subj", "/CN=ttun test"],
    ...["-keyout", at.key, "-out", at.cert, "-addext", `subjectAltName=${names.join(",")}`],
    ...more,
  ]);
  return { ...at, [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
}

/** Replaces the certificate by one that ended yesterday. */
export function expire({ cert, key }: Certificate): void {
  openssl(["x509", "-in", cert, "-signkey", key, "-days", "-1", "-out", cert]);
}

/** Runs it, and returns its standard output. @throws an Error with its words */
export function openssl(args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command("openssl", { args }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`openssl ${args[0]}: ${text(stderr)}`);
  return text(stdout);
}
