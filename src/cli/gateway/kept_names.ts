import { wordlist } from "@scure/bip39/wordlists/english.js";
import { toHex, utf8 } from "../../base/bytes.ts";
import { isLabel } from "../../core/gateway/label.ts";
import type { PublishTarget } from "../../core/gateway/publish_target.ts";
import { readFields } from "../../core/mesh/admission/json.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import { readKept } from "../tox/kept_file.ts";

const FILE = "names.json";
const MOST = 64 * 1024;
const WORDS = 3;

/** Names that were made for targets without one, which stay theirs. */
export class KeptNames {
  readonly #path: string;

  constructor(folder: string) {
    this.#path = `${folder}/${FILE}`;
  }

  /** Returns the target's name, which is made and kept the first time. @throws {TtunError} */
  nameOf(target: PublishTarget): string {
    const key = keyOf(target);
    const kept = readKept(this.#path, MOST, "the names");
    const names = kept === null ? {} : { ...readFields(kept.bytes, `the file ${this.#path}`) };
    const known = names[key];
    if (typeof known === "string" && isLabel(known)) return known;
    const name = threeWords();
    this.#keep({ ...names, [key]: name });
    return name;
  }

  #keep(names: object): void {
    try {
      const bytes = utf8(`${JSON.stringify(names, null, 2)}\n`);
      replaceAtomically(this.#path, `${this.#path}.${toHex(rng(8))}`, bytes, { mode: 0o600 });
    } catch (error) {
      throw fileFailure("keep names in", this.#path, error);
    }
  }
}

function keyOf(target: PublishTarget): string {
  if (target.kind === "folder") return `folder ${target.path}`;
  const { kind, to } = target;
  const place = "path" in to ? to.path : `${to.host} ${to.port}`;
  return kind === "raw" ? `raw ${place}` : place;
}

/** The list has 2048 words, which 16 bits choose among without a bias. */
function threeWords(): string {
  const chance = new DataView(rng(2 * WORDS).buffer);
  const words = Array.from({ length: WORDS }, (_, i) => wordlist[chance.getUint16(2 * i) % 2048]!);
  return words.join("-");
}
