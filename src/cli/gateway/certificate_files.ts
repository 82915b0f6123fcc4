import type { RecordCache } from "../../app/gateway/certificates/certificate_store.ts";
import type { Logger } from "../../base/log.ts";
import { toHex, utf8 } from "../../base/bytes.ts";
import { derive } from "../../core/link/v2/secrets.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileReason } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";

/** Folder in the node's own. */
const FOLDER = "certificates";

/** Bytes of a sealed record, at most: the store takes no more. */
const MOST = 64 * 1024;

/** Sealed certificates in the node's folder, for starts while the core is not reached. */
export class CertificateFiles implements RecordCache {
  readonly #folder: string;
  readonly #log: Logger;

  constructor(folder: string, log: Logger) {
    this.#folder = `${folder}/${FOLDER}`;
    this.#log = log;
  }

  read(name: string): Uint8Array | null {
    try {
      const path = this.#path(name);
      if (Deno.statSync(path).size > MOST) return null;
      return Deno.readFileSync(path);
    } catch {
      return null; // the core has it
    }
  }

  write(name: string, sealed: Uint8Array): void {
    try {
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      const path = this.#path(name);
      replaceAtomically(path, `${path}.${toHex(rng(8))}`, sealed, { mode: 0o600 });
    } catch (error) {
      this.#log.warn("Cannot keep a certificate for later starts", {
        name,
        why: fileReason(error),
      });
    }
  }

  #path(name: string): string {
    const hash = derive(null, "mesh certificate file", utf8(name)).subarray(0, 16);
    return `${this.#folder}/${toHex(hash)}`;
  }
}
