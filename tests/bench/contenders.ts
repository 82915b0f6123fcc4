/** Contenders of `deno task bench:tun`, in the order of the table. */
import { CIPHER_NAMES } from "../../src/contract/cipher.ts";
import { type Contender, MissingProgram, type ReadyContender } from "./contender.ts";
import { openvpn } from "./openvpn.ts";
import type { TemporaryFiles } from "../temporary_files.ts";
import { ttun, type TtunOptions } from "./ttun.ts";
import { veth } from "./veth.ts";
import { wireguard } from "./wireguard.ts";

/** OpenVPN TCP is the measure of the load that all are pinged under. */
export const reference: Contender = openvpn("tcp");

const withCiphers = (options: Omit<TtunOptions, "cipher">) =>
  CIPHER_NAMES.toSorted().map((cipher) => ttun({ ...options, cipher })); // aes-256-gcm first

const contenders: readonly Contender[] = [
  reference,
  veth,
  openvpn("udp"),
  wireguard,
  ...withCiphers({ wire: "v2", aead: "native" }),
  ...withCiphers({ wire: "v2", aead: "native", over: "udp" }),
  ttun({ wire: "v2", aead: "native", cipher: "aes-256-gcm", over: "quic" }),
  ...withCiphers({ wire: "v1", aead: "native" }),
  ...withCiphers({ wire: "v2", aead: "node" }),
  ...withCiphers({ wire: "v2", aead: "pure" }),
];

export interface Field {
  contenders: ReadyContender[];
  /** Null when its program is missing. */
  reference: ReadyContender | null;
  /** A sentence for each contender that is left out. */
  missing: string[];
}

/** Prepares those whose name is selected, and the reference in any case. */
export async function prepareField(
  selects: (name: string) => boolean,
  files: TemporaryFiles,
): Promise<Field> {
  const field: Field = { contenders: [], reference: null, missing: [] };
  for (const contender of contenders) {
    const isSelected = selects(contender.name);
    if (!isSelected && contender !== reference) continue;
    try {
      const { name, inner } = contender;
      const ready = { name, inner, start: await contender.prepare(files) };
      if (isSelected) field.contenders.push(ready);
      if (contender === reference) field.reference = ready;
    } catch (error) {
      if (!(error instanceof MissingProgram)) throw error;
      field.missing.push(`${contender.name} is left out: ${error.message}`);
    }
  }
  return field;
}
