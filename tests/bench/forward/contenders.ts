/** Contenders of `deno task bench:forward`, in the order of the table. */
import type { CipherName } from "../../../src/contract/cipher.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import { MissingProgram } from "../contender.ts";
import type { Contender, ReadyContender } from "../proxy/contender.ts";
import { direct } from "../proxy/plain.ts";
import { rustName, shadowsocksRust } from "../proxy/shadowsocks.ts";
import { ssh, sshName } from "../proxy/ssh.ts";
import { masterName, sshMaster } from "./ssh_master.ts";
import { forward, forwardName } from "./ttun.ts";
import { v2ray, v2rayName } from "./v2ray.ts";

export const CIPHER: CipherName = "aes-256-gcm";

export const TTUN = { local: forwardName(CIPHER, "-L"), dynamic: forwardName(CIPHER, "-D") };
export const SSH = {
  local: sshName(CIPHER, "-L"),
  dynamic: sshName(CIPHER, "-D"),
  master: masterName(CIPHER),
};
export const RUST = rustName(CIPHER);
export const V2RAY = v2rayName(CIPHER);

/** Idle connections of which each contender is asked to hold so many. */
export const MOST_HELD = 10_000;

/** A session of ssh has at most 10 000 channels, and these need two sockets at each end. */
const HELD: Partial<Record<string, number>> = {
  [SSH.local]: 5000,
  [SSH.dynamic]: 5000,
  [RUST]: 5000,
  [V2RAY]: 5000,
};

export const heldBy = (name: string) => HELD[name] ?? MOST_HELD;

const contenders: readonly Contender[] = [
  direct,
  ssh(CIPHER, "-L"),
  ssh(CIPHER, "-D"),
  sshMaster(CIPHER),
  v2ray(CIPHER),
  shadowsocksRust(CIPHER),
  forward(CIPHER, "-L"),
  forward(CIPHER, "-D"),
];

export interface Field {
  readonly contenders: readonly ReadyContender[];
  /** A sentence for each contender that is left out. */
  readonly missing: readonly string[];
}

/** Prepares those whose name is selected. */
export async function prepareField(only: RegExp, files: TemporaryFiles): Promise<Field> {
  const ready: ReadyContender[] = [];
  const missing: string[] = [];
  for (const contender of contenders) {
    if (!only.test(contender.name)) continue;
    try {
      ready.push({ ...contender, start: await contender.prepare(files) });
    } catch (error) {
      if (!(error instanceof MissingProgram)) throw error;
      missing.push(`${contender.name} is left out: ${error.message}`);
    }
  }
  return { contenders: ready, missing };
}
