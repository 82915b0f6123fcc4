/** Contenders of `deno task bench:proxy`, in the order of the table. */
import { CIPHER_NAMES } from "../../../src/contract/cipher.ts";
import { MAX_TEXT_OLD } from "../../../src/core/tt/frame_sizes.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import { MissingProgram } from "../contender.ts";
import type { Contender, ReadyContender } from "./contender.ts";
import { direct, microsocks } from "./plain.ts";
import { shadowsocksLibev, shadowsocksRust } from "./shadowsocks.ts";
import { ssh } from "./ssh.ts";
import { proxy } from "./ttun.ts";

export const CIPHERS = CIPHER_NAMES.toSorted(); // aes-256-gcm first

const contenders: readonly Contender[] = [
  direct,
  microsocks,
  ...CIPHERS.flatMap((cipher) => [
    shadowsocksLibev(cipher),
    shadowsocksRust(cipher),
    ssh(cipher),
    proxy({ cipher, mtu: null }),
    proxy({ cipher, mtu: null, wire: "v1" }),
    proxy({ cipher, mtu: MAX_TEXT_OLD, wire: "v1" }),
    proxy({ cipher, mtu: null, isEager: true }),
  ]),
];

export interface Field {
  contenders: ReadyContender[];
  /** A sentence for each contender that is left out. */
  missing: string[];
}

/** Prepares those whose name is selected. */
export async function prepareField(only: RegExp, files: TemporaryFiles): Promise<Field> {
  const field: Field = { contenders: [], missing: [] };
  for (const contender of contenders) {
    if (!only.test(contender.name)) continue;
    try {
      field.contenders.push({ ...contender, start: await contender.prepare(files) });
    } catch (error) {
      if (!(error instanceof MissingProgram)) throw error;
      field.missing.push(`${contender.name} is left out: ${error.message}`);
    }
  }
  return field;
}
