/** Files that the tests of the proxy make for the programs they start. */
import assert from "node:assert/strict";
import { LOOPBACK, run } from "./proxy_pair.ts";

export interface Folder extends AsyncDisposable {
  readonly path: string;
}

/** A folder that goes with its contents. */
export async function makeFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir({ prefix: "ttun-proxy-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
}

/** A certificate of a web server on loopback, which is its own authority. */
export async function makeCertificate({ path }: Folder): Promise<Certificate> {
  const [certFile, keyFile] = [`${path}/cert`, `${path}/key`];
  const { code, stderr } = await run("openssl", [
    ...["req", "-x509", "-days", "1", "-subj", "/CN=localhost"],
    ...["-addext", `subjectAltName=IP:${LOOPBACK},DNS:localhost`],
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-out", certFile, "-keyout", keyFile],
  ]);
  assert.equal(code, 0, stderr);
  const [cert, key] = await Promise.all([certFile, keyFile].map((file) => Deno.readTextFile(file)));
  return { cert: cert!, key: key!, certFile };
}
